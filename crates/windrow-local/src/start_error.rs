//! Why a local cloud does not start.

use std::path::PathBuf;

use thiserror::Error;

use crate::dashboard::DashboardError;
use crate::endpoint::EndpointError;
use crate::firehose::FirehoseError;
use crate::mapping::{CheckpointError, FilterError, MappingError};

/// Why the local cloud does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The endpoint cannot start.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The dashboard cannot be served.
    #[error(transparent)]
    Dashboard(#[from] DashboardError),
    /// A stream or the table cannot be created.
    #[error("cannot create {what}: {reason}")]
    Resource {
        /// Its name.
        what: String,
        /// The service's error.
        reason: String,
    },
    /// A delivery stream cannot be created.
    #[error(transparent)]
    Firehose(#[from] FirehoseError),
    /// The window is not a valid tumbling window, or what a mapping has saved cannot be used.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The filters of a mapping are not valid.
    #[error("line {line}: the filters of the mapping {mapping} are not valid")]
    Filter {
        /// The mapping.
        mapping: String,
        /// The line of the template that defines it.
        line: usize,
        /// Where, and what is wrong there.
        source: FilterError,
    },
    /// A function's binary does not exist.
    #[error("{} does not exist: build it with `cargo build -p {name}`", path.display())]
    NoBinary {
        /// The function.
        name: String,
        /// Where its binary should be.
        path: PathBuf,
    },
}

impl From<CheckpointError> for StartError {
    fn from(error: CheckpointError) -> Self {
        Self::Mapping(error.into())
    }
}
