//! Why a call to a delivery stream failed.

use std::io;
use std::path::PathBuf;

/// Why a call to a delivery stream failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirehoseError {
    /// There is no delivery stream of that name.
    #[error("delivery stream {name} not found")]
    NotFound {
        /// The requested name.
        name: String,
    },
    /// There is one of that name already.
    #[error("delivery stream {name} already exists")]
    AlreadyExists {
        /// The requested name.
        name: String,
    },
    /// A file of the data directory cannot be read, or is damaged: remove it. What it says is
    /// acknowledged is then delivered again, if it comes from a Kinesis stream.
    #[error("{} cannot be used: remove it, or choose another data directory", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The call can never succeed as it is.
    #[error("{message}")]
    Invalid {
        /// What is wrong with it.
        message: String,
    },
    /// The delivery stream has as many tags as it can.
    #[error("{message}")]
    LimitExceeded {
        /// Which limit.
        message: String,
    },
    /// The disk is full or the directory cannot be written to: try again later. Nothing
    /// acknowledged is lost.
    #[error("delivery stream {name} cannot write: {source}")]
    Unavailable {
        /// The delivery stream.
        name: String,
        /// The operating system's error.
        source: io::Error,
    },
}

pub(super) fn unavailable(name: &str, source: io::Error) -> FirehoseError {
    FirehoseError::Unavailable {
        name: name.to_owned(),
        source,
    }
}

pub(super) fn not_found(name: &str) -> FirehoseError {
    FirehoseError::NotFound {
        name: name.to_owned(),
    }
}
