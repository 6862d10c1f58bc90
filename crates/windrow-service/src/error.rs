//! Errors of the AWS SDK as values of one type.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use thiserror::Error;

use crate::ClockOffset;

/// An error of a call, whatever its operation.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct ServiceError {
    code: Option<String>,
    message: String,
}

impl ServiceError {
    /// The error of a call. Its message names the clock's offset if that may be why the signature was
    /// not accepted.
    pub fn of_call<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let mut service_error = Self::from(error);
        if let Some(offset) = ClockOffset::of(error) {
            service_error.message.push_str(&format!("; {offset}"));
        }
        service_error
    }

    /// The error code that the service returned, if it returned one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

impl<E: ProvideErrorMetadata + Error> From<&E> for ServiceError {
    fn from(error: &E) -> Self {
        Self {
            code: error.code().map(str::to_owned),
            message: chain(error),
        }
    }
}

/// An error and its sources, as one line. The SDK's own message says only how far a call got.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, Error)]
    #[error("could not read the page")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_chain_has_every_source() {
        let error = Outer(io::Error::other("connection reset"));
        assert_eq!(chain(&error), "could not read the page: connection reset");
    }
}
