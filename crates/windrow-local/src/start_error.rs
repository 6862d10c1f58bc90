//! Why a local cloud does not start.

use std::path::PathBuf;

use thiserror::Error;

use crate::dashboard::DashboardError;
use crate::endpoint::EndpointError;
use crate::firehose::FirehoseError;
use crate::mapping::InvalidMapping;

/// Why the local cloud does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The endpoint does not.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The dashboard does not.
    #[error(transparent)]
    Dashboard(#[from] DashboardError),
    /// A stream or the table could not be made.
    #[error("{what} cannot be made: {reason}")]
    Resource {
        /// Its name.
        what: String,
        /// What the service said.
        reason: String,
    },
    /// A delivery stream could not be made.
    #[error(transparent)]
    Firehose(#[from] FirehoseError),
    /// The window is not one.
    #[error(transparent)]
    Mapping(#[from] InvalidMapping),
    /// A function's binary is not where it should be.
    #[error("there is no function at {}: build it with `cargo build -p {name}`", path.display())]
    NoBinary {
        /// The function.
        name: String,
        /// Where its binary should be.
        path: PathBuf,
    },
}
