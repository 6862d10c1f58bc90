//! The archive as tables: files of lines in folders by the hour of their arrival, as Firehose leaves
//! them.

mod columns;
mod filter;
mod lines;
mod provider;
mod readings;
mod rejects;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use windrow_archive::{ArchiveFile, ArchiveReadError};

pub use provider::{ArchiveTable, Contents};

/// Why the archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is none.
    #[error(
        "there is nothing in {}: `cargo run -p producer -- --name Shadowfax` fills an archive \
         (its first file is there after a minute, or when it ends); --data-dir and --archive say where one lies",
        folder.display()
    )]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A folder cannot be listed or a file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ArchiveReadError),
    /// A compressed file ends too early.
    #[error("{} is cut off: its compressed data ends in the middle", path.display())]
    Cut {
        /// The file.
        path: PathBuf,
    },
}

/// How far the scans of a query have come, and what they met.
#[derive(Debug, Default)]
pub struct Meter {
    read: AtomicU64,
    total: AtomicU64,
    broken: Mutex<BTreeMap<PathBuf, u64>>,
}

impl Meter {
    /// Bytes that were read, and bytes that there are to read.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.read.load(Ordering::Relaxed),
            self.total.load(Ordering::Relaxed),
        )
    }

    /// How many lines of the files that were read to their ends could not be made sense of.
    pub fn broken(&self) -> u64 {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.values().sum()
    }

    fn add_total(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    fn add(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A file that is read twice, for a join with itself, has no more broken lines for that.
    fn finish(&self, file: &ArchiveFile, broken: u64) {
        if broken > 0 {
            let mut all = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(file.path.clone(), broken);
        }
    }
}
