//! What was found in the files: when they were opened, and of their disk.

use std::fmt;
use std::path::PathBuf;

/// What [`Kinesis::open`](crate::Kinesis::open) found in its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// The streams.
    pub streams: usize,
    /// Their shards, the closed ones included.
    pub shards: usize,
    /// The records that the files hold, including those past their retention that are not deleted yet.
    pub records: u64,
    /// The ends of files that were cut off: what a crash left of writes that nobody was promised.
    pub cut_off: Vec<CutOff>,
    /// The parts of files that cannot be read. Everything around them is kept.
    pub damage: Vec<Damage>,
}

impl OpenReport {
    /// How many bytes were cut off.
    #[must_use]
    pub fn cut_off_bytes(&self) -> u64 {
        self.cut_off.iter().map(|cut| cut.bytes).sum()
    }
}

impl fmt::Display for OpenReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            streams,
            shards,
            records,
            ..
        } = self;
        write!(
            formatter,
            "{streams} streams, {shards} shards, {records} records"
        )?;
        for cut in &self.cut_off {
            write!(formatter, "\n{cut}")?;
        }
        for damage in &self.damage {
            write!(formatter, "\n{damage}")?;
        }
        Ok(())
    }
}

/// The end of a file that was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutOff {
    /// The file.
    pub path: PathBuf,
    /// The file's length now.
    pub offset: u64,
    /// How many bytes were after it.
    pub bytes: u64,
}

impl fmt::Display for CutOff {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "cut off {} bytes of an unfinished write at {} of {}",
            self.bytes,
            self.offset,
            self.path.display()
        )
    }
}

/// A part of a file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where the damage begins.
    pub offset: u64,
    /// How many bytes cannot be read.
    pub bytes: u64,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} bytes at {} of {} are damaged and cannot be read",
            self.bytes,
            self.offset,
            self.path.display()
        )
    }
}

/// Whether the files can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiskStatus {
    /// The last write succeeded.
    Working,
    /// The last write failed: until one succeeds, puts fail with InternalFailure.
    Failing {
        /// The file.
        path: PathBuf,
        /// The kind of the system's error: `StorageFull` if the disk is full.
        kind: std::io::ErrorKind,
        /// The system's error.
        message: String,
    },
}

/// Why a folder cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another value in this one, uses the folder.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A later version of this crate wrote the folder, or something else did.
    #[error("{} is not a folder of Kinesis streams of this version", path.display())]
    UnknownFormat {
        /// The file that says so.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{} cannot be used", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
}
