//! The archive of raw readings: which files it has, the lines in them, and windows computed from
//! them.
//!
//! Firehose writes an archive as files of newline-delimited JSON, plain or compressed with gzip, in
//! folders named by the hour of arrival. Everything that reads an archive uses this crate, so all
//! tools agree on its files and lines.
//!
//! * [`files`]: lists the files of an archive.
//! * [`input`]: opens a file, and decompresses it if it is a gzip file.
//! * [`FileProblem`]: a file that is damaged; what is whole is read.
//! * [`lines`]: the lines of an input, or those that begin in a range of it.
//! * [`windows`]: the windows of a sensor, computed from the files.
//!
//! ```
//! use std::io::Cursor;
//! use windrow_archive::{ArchiveLine, ArchiveLines, Unpacked};
//!
//! let input = Unpacked::new(Cursor::new("first\nsecond\n"))?;
//! let mut lines = ArchiveLines::all(input, Vec::new());
//! assert_eq!(lines.next_line()?, Some(ArchiveLine::Whole(b"first")));
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod files;
mod gzip;
pub mod input;
pub mod lines;
mod problem;
pub mod windows;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use files::{ArchiveFile, ArchiveListing, list};
pub use input::{FileInput, FileLines, ReadProgress, Unpacked};
pub use lines::{ArchiveLine, ArchiveLines, LONGEST_LINE};
pub use problem::{FileProblem, InputProblem};

/// A file or folder that cannot be read to its end.
#[derive(Debug, Error)]
#[error("{} cannot be read", path.display())]
pub struct ArchiveReadError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why it cannot be read.
    #[source]
    pub source: io::Error,
}
