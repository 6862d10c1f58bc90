//! Errors of reading a stream.

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use windrow_service::{ErrorClass, ServiceError};

/// Why reading failed, by how to react.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream does not exist, or it no longer has the requested shard.
    #[error("stream {name} does not exist, or no longer has this shard")]
    NoSuchStream {
        /// The stream's name.
        name: String,
    },
    /// The shard that was being read no longer exists: its records have expired. A stream that is
    /// followed goes on with its other shards.
    #[error(
        "shard {shard} of stream {name} no longer exists, so its remaining records are gone; reading \
         goes on with the other shards"
    )]
    ShardGone {
        /// The stream's name.
        name: String,
        /// The ID of the shard.
        shard: String,
    },
    /// Kinesis throttled every attempt, failed, or returned no usable response. This may be
    /// transient: the same call can be repeated, and no record is skipped.
    #[error("could not read stream {name} in {tries} attempts: {call} at {endpoint} failed")]
    Unavailable {
        /// The stream's name.
        name: String,
        /// The last call, such as `GetRecords`.
        call: &'static str,
        /// The URL of its endpoint.
        endpoint: String,
        /// The number of attempts, with a growing wait between them.
        tries: u32,
        /// The error of the last attempt.
        #[source]
        source: ServiceError,
    },
    /// Kinesis will never allow this: access is denied, or an argument is invalid.
    #[error("could not read stream {name}")]
    Permanent {
        /// The stream's name.
        name: String,
        /// The error that Kinesis returned.
        #[source]
        source: ServiceError,
    },
}

impl ReadError {
    /// Whether reading goes on: the same call may succeed later, or other shards can be read.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::ShardGone { .. })
    }
}

/// How to react to an SDK error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFailure {
    /// The iterator or the paging token has expired: the call needs a new one.
    Expired,
    /// Throttled, an error of the service, or no response.
    Transient,
    NotFound,
    Permanent,
}

/// Classifies an error by how far the call got, and a response by its code and HTTP status.
pub(crate) fn failure<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> ReadFailure {
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    match error {
        SdkError::ServiceError(response) => {
            let error = response.err();
            classify(error.code(), error.message(), status)
        }
        SdkError::ConstructionFailure(_) => ReadFailure::Permanent,
        _ => ReadFailure::Transient,
    }
}

/// The start of the message about a start time in the future. Observed, not documented.
const FUTURE_START: &str = "The timestampInMillis parameter cannot be greater than";

/// Classifies the errors of GetRecords, GetShardIterator and ListShards (API reference).
fn classify(code: Option<&str>, message: Option<&str>, status: Option<u16>) -> ReadFailure {
    match code.unwrap_or_default() {
        // A start that has just come may still be in the future for Kinesis.
        "InvalidArgumentException"
            if message.is_some_and(|text| text.starts_with(FUTURE_START)) =>
        {
            return ReadFailure::Transient;
        }
        "ExpiredIteratorException" | "ExpiredNextTokenException" => return ReadFailure::Expired,
        // The stream is still being created or updated.
        "ResourceInUseException" => return ReadFailure::Transient,
        "ResourceNotFoundException" => return ReadFailure::NotFound,
        _ => {}
    }
    match windrow_service::classify(code, None, status) {
        ErrorClass::Throttled | ErrorClass::Transient => ReadFailure::Transient,
        ErrorClass::Permanent | ErrorClass::Setup => ReadFailure::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_are_classified() {
        for (code, status, expected) in [
            (Some("ExpiredIteratorException"), 400, ReadFailure::Expired),
            (Some("ExpiredNextTokenException"), 400, ReadFailure::Expired),
            (
                Some("ProvisionedThroughputExceededException"),
                400,
                ReadFailure::Transient,
            ),
            (Some("LimitExceededException"), 400, ReadFailure::Transient),
            (Some("ResourceInUseException"), 400, ReadFailure::Transient),
            (Some("InternalFailure"), 500, ReadFailure::Transient),
            (None, 503, ReadFailure::Transient),
            (None, 429, ReadFailure::Transient),
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
            (Some("UnknownCode"), 400, ReadFailure::Permanent),
        ] {
            assert_eq!(
                classify(code, None, Some(status)),
                expected,
                "{code:?} with status {status}"
            );
        }
    }

    #[test]
    fn start_in_the_future_is_retried() {
        let message = "The timestampInMillis parameter cannot be greater than the \
                       currentTimestampInMillis. timestampInMillis: 2, currentTimestampInMillis: 1";
        let failure = |text| classify(Some("InvalidArgumentException"), Some(text), Some(400));
        assert_eq!(failure(message), ReadFailure::Transient);
        assert_eq!(failure("Invalid ShardIterator."), ReadFailure::Permanent);
    }
}
