//! What is wrong with a file, without being an error: its readings count.

use std::path::PathBuf;

use thiserror::Error;

/// Why an input was not read to its end, or may have been read wrongly. What is whole is read
/// all the same.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InputProblem {
    /// The last member of a gzip file is not complete.
    #[error("its compressed data is cut off; what is before that was read")]
    CutOff,
    /// A gzip file has data that cannot be decompressed.
    #[error("its compressed data is corrupt; what was found before and after that was read")]
    Corrupt,
    /// The checksum of a gzip member is another than that of its text.
    #[error("its compressed data has a wrong checksum; it was read, but may have changed")]
    WrongChecksum,
}

/// A file that was not read to its end, or may have been read wrongly.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}: {problem}", path.display())]
pub struct FileProblem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: InputProblem,
}
