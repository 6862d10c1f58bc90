#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! * [`files`]: lists the files of an archive.
//! * [`input`]: opens a file, and decompresses it if it is a gzip file.
//! * [`FileProblem`]: a file that is damaged; what is whole is read.
//! * [`text`]: the JSON objects of an input, or those that begin in a range of it.
//! * [`windows`]: the windows of a sensor, computed from the files.

pub mod files;
mod gzip;
pub mod input;
mod member;
mod problem;
pub mod text;
pub mod windows;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use files::{ArchiveFile, ArchiveListing, list};
pub use input::{FileInput, FileText, ReadProgress, Unpacked};
pub use problem::{FileProblem, InputProblem};
pub use text::{ArchivePart, ArchiveText, LONGEST_PART};

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
