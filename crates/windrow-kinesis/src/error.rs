//! The errors of the API.

use std::borrow::Cow;

use axum::http::StatusCode;

/// What a call failed with. The names are those of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "AWS documents them by these names")]
pub enum ErrorCode {
    DryRunOperationException,
    ExpiredIteratorException,
    ExpiredNextTokenException,
    InternalFailure,
    InvalidArgumentException,
    LimitExceededException,
    ProvisionedThroughputExceededException,
    RequestEntityTooLargeException,
    ResourceInUseException,
    ResourceNotFoundException,
    SerializationException,
    ServiceUnavailable,
    UnknownOperationException,
    ValidationException,
}

impl ErrorCode {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DryRunOperationException => "DryRunOperationException",
            Self::ExpiredIteratorException => "ExpiredIteratorException",
            Self::ExpiredNextTokenException => "ExpiredNextTokenException",
            Self::InternalFailure => "InternalFailure",
            Self::InvalidArgumentException => "InvalidArgumentException",
            Self::LimitExceededException => "LimitExceededException",
            Self::ProvisionedThroughputExceededException => {
                "ProvisionedThroughputExceededException"
            }
            Self::RequestEntityTooLargeException => "RequestEntityTooLargeException",
            Self::ResourceInUseException => "ResourceInUseException",
            Self::ResourceNotFoundException => "ResourceNotFoundException",
            Self::SerializationException => "SerializationException",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::UnknownOperationException => "UnknownOperationException",
            Self::ValidationException => "ValidationException",
        }
    }

    /// The status of the HTTP response.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::InternalFailure => StatusCode::INTERNAL_SERVER_ERROR,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::RequestEntityTooLargeException => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// An error of the API: the name and message that a client gets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct KinesisError {
    code: ErrorCode,
    message: Cow<'static, str>,
}

impl KinesisError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(crate) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidArgumentException, message)
    }

    pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::ResourceNotFoundException, message)
    }

    pub(crate) fn in_use(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::ResourceInUseException, message)
    }

    pub(crate) fn limit(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::LimitExceededException, message)
    }

    pub(crate) fn throttled(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::ProvisionedThroughputExceededException, message)
    }

    /// The answer to a request that was only to be checked.
    pub(crate) fn dry_run() -> Self {
        Self::new(
            ErrorCode::DryRunOperationException,
            "The request would have succeeded, but the DryRun parameter was specified.",
        )
    }

    /// A failure of the disk. The message names no path: a client need not know.
    pub(crate) fn disk() -> Self {
        Self::new(
            ErrorCode::InternalFailure,
            "the files of the stream could not be written or read; try again",
        )
    }

    /// The kind of error.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// What failed, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}
