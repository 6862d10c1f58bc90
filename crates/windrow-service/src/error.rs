//! Errors of the AWS SDK as values of one type.

use std::error::Error;

use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use thiserror::Error;

/// An error of a call, whatever its operation.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct ServiceError {
    code: Option<String>,
    message: String,
}

impl ServiceError {
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
