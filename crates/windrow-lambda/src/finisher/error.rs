//! Why an invocation of the finisher failed.

use lambda_runtime::Diagnostic;
use thiserror::Error;
use windrow_core::time::Timestamp;
use windrow_read::ReadError;
use windrow_service::chain;

use super::progress::ProgressError;
use super::summaries::SummaryReadError;

/// Why an invocation failed. Nothing is lost: the next one does what this one did not.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FinisherError {
    /// A stream could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The progress could not be read or written.
    #[error(transparent)]
    Progress(#[from] ProgressError),
    /// The stream of rows could not be described.
    #[error("could not describe the stream {stream}: {reason}")]
    Stream {
        /// The stream.
        stream: String,
        /// Why.
        reason: String,
    },
    /// The stream of rows could not be read to its end in time.
    #[error(
        "could not read the stream of rows to its end in time: give the function a longer timeout"
    )]
    OutOfTime,
    /// The rows of one window are more than memory holds.
    #[error(
        "the windows that end at {end} have more than the {most} rows that memory holds: give the function more memory"
    )]
    TooManyRows {
        /// The end of the window.
        end: Timestamp,
        /// How many rows can be held.
        most: usize,
    },
    /// Not all finished rows could be written in time.
    #[error("could not write {count} finished rows; first failure: {reason}")]
    Undelivered {
        /// How many.
        count: usize,
        /// Why the first of them was not written.
        reason: String,
    },
}

/// What Lambda reports for a failed invocation: the error kind, and the message with its causes.
impl From<FinisherError> for Diagnostic {
    fn from(error: FinisherError) -> Self {
        let error_type = match error {
            FinisherError::Read(_) => "Read",
            FinisherError::Progress(_) => "Progress",
            FinisherError::Stream { .. } => "Stream",
            FinisherError::OutOfTime => "OutOfTime",
            FinisherError::TooManyRows { .. } => "TooManyRows",
            FinisherError::Undelivered { .. } => "Undelivered",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: chain(&error),
        }
    }
}

impl From<SummaryReadError> for FinisherError {
    fn from(error: SummaryReadError) -> Self {
        match error {
            SummaryReadError::Read(error) => Self::Read(error),
            SummaryReadError::OutOfTime => Self::OutOfTime,
        }
    }
}
