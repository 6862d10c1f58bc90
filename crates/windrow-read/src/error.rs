//! Why reading stopped.

use std::error::Error;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// Why reading stopped, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such stream, or it no longer has the shard that was asked for.
    #[error("there is no stream {name}, or it no longer has this shard")]
    NoSuchStream {
        /// The stream's name.
        name: String,
    },
    /// Kinesis throttled every try, failed, or gave no usable answer. It may pass: the same call
    /// can be made again, and nothing has been skipped.
    #[error("stream {name} could not be read in {tries} tries")]
    Unavailable {
        /// The stream's name.
        name: String,
        /// How many tries there were, with a growing wait between them.
        tries: u32,
        /// What went wrong with the last one.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Kinesis will never allow this: access denied, or an argument it does not take.
    #[error("could not read stream {name}")]
    Permanent {
        /// The stream's name.
        name: String,
        /// What Kinesis said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ReadError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// What an SDK error means for the call that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFailure {
    /// The iterator or the paging token is too old: the call needs a new one.
    Expired,
    /// Throttled, a fault of the service, or no answer.
    Passing,
    NotFound,
    Permanent,
}

/// Sorts an error by how far the call came, and an answer by its code and HTTP status.
pub(crate) fn failure<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> ReadFailure {
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    match error {
        SdkError::ServiceError(answer) => classify(answer.err().code(), status),
        SdkError::ConstructionFailure(_) => ReadFailure::Permanent,
        _ => ReadFailure::Passing,
    }
}

/// The codes are those of GetRecords, GetShardIterator and ListShards and the common errors (API
/// reference).
fn classify(code: Option<&str>, status: Option<u16>) -> ReadFailure {
    match code.unwrap_or_default() {
        "ExpiredIteratorException" | "ExpiredNextTokenException" => return ReadFailure::Expired,
        "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "KMSThrottlingException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "InternalFailureException"
        | "InternalFailure"
        | "ServiceUnavailable"
        // The stream is being created or changed and soon will not be.
        | "ResourceInUseException" => return ReadFailure::Passing,
        "ResourceNotFoundException" => return ReadFailure::NotFound,
        _ => {}
    }
    match status {
        Some(408 | 429) => ReadFailure::Passing,
        Some(400..=499) => ReadFailure::Permanent,
        _ => ReadFailure::Passing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_sorted_by_what_can_be_done() {
        for (code, status, expected) in [
            (Some("ExpiredIteratorException"), 400, ReadFailure::Expired),
            (Some("ExpiredNextTokenException"), 400, ReadFailure::Expired),
            (
                Some("ProvisionedThroughputExceededException"),
                400,
                ReadFailure::Passing,
            ),
            (Some("LimitExceededException"), 400, ReadFailure::Passing),
            (Some("ResourceInUseException"), 400, ReadFailure::Passing),
            (Some("InternalFailure"), 500, ReadFailure::Passing),
            (None, 503, ReadFailure::Passing),
            (None, 429, ReadFailure::Passing),
            (
                Some("ResourceNotFoundException"),
                400,
                ReadFailure::NotFound,
            ),
            (Some("AccessDeniedException"), 400, ReadFailure::Permanent),
            (
                Some("InvalidArgumentException"),
                400,
                ReadFailure::Permanent,
            ),
            (Some("ExpiredTokenException"), 400, ReadFailure::Permanent),
            (Some("Unheard"), 400, ReadFailure::Permanent),
        ] {
            assert_eq!(
                classify(code, Some(status)),
                expected,
                "{code:?} with status {status}"
            );
        }
    }
}
