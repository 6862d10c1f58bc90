//! Classifies errors of the AWS SDK.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use windrow_service::{ClockOffset, ErrorClass, chain, classify};

use crate::SendError;

/// Classifies `error` by the service's error code or, if there is none, by how far the call got.
pub(crate) fn send_error<E>(error: SdkError<E, HttpResponse>) -> SendError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    match &error {
        SdkError::ServiceError(response) => {
            let (code, message) = (response.err().code(), response.err().message());
            let mut reason = sentence(code, message);
            if let Some(offset) = ClockOffset::of(&error) {
                reason.push_str(&format!("; {offset}"));
            }
            match classify(code, message, status) {
                ErrorClass::Throttled => SendError::Throttled(reason),
                ErrorClass::Transient => SendError::Transient(reason),
                ErrorClass::Permanent => SendError::Invalid(reason),
                ErrorClass::Setup => SendError::Fatal(reason),
            }
        }
        SdkError::ConstructionFailure(_) => SendError::Fatal(chain(&error)),
        _ if lacks_credentials(&error) => SendError::Fatal(chain(&error)),
        _ => SendError::Transient(chain(&error)),
    }
}

/// Whether the call was not sent because there are no credentials to sign it.
///
/// This excludes a provider that failed or was slow, because that may be transient.
fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(
            CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_),
        ) = error.downcast_ref()
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// Joins an error code and its message.
pub(crate) fn sentence(code: Option<&str>, message: Option<&str>) -> String {
    match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => "the service gave no reason".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    fn response(status: u16) -> HttpResponse {
        HttpResponse::new(status.try_into().unwrap(), "".into())
    }

    #[test]
    fn service_error_keeps_code_and_message() {
        let metadata = ErrorMetadata::builder()
            .code("ValidationException")
            .message("empty key")
            .build();
        let error = SdkError::service_error(metadata, response(400));
        assert_eq!(
            send_error(error),
            SendError::Invalid("ValidationException: empty key".to_owned())
        );
    }

    #[test]
    fn call_without_a_response_is_transient() {
        let failed: SdkError<ErrorMetadata, _> =
            SdkError::dispatch_failure(ConnectorError::io("connection refused".into()));
        let timeout: SdkError<ErrorMetadata, _> = SdkError::timeout_error("too slow");
        let garbled: SdkError<ErrorMetadata, _> =
            SdkError::response_error("not JSON", response(200));
        for (error, cause) in [
            (failed, "connection refused"),
            (timeout, "too slow"),
            (garbled, "not JSON"),
        ] {
            let SendError::Transient(message) = send_error(error) else {
                panic!("{cause} is not transient")
            };
            assert!(message.contains(cause), "{message}");
        }
    }

    #[test]
    fn missing_credentials_are_fatal() {
        let source = CredentialsError::not_loaded("no providers in chain provided credentials");
        let error: SdkError<ErrorMetadata, _> =
            SdkError::dispatch_failure(ConnectorError::other(source.into(), None));
        assert!(matches!(send_error(error), SendError::Fatal(_)));

        let source = CredentialsError::provider_timed_out(std::time::Duration::from_secs(1));
        let error: SdkError<ErrorMetadata, _> =
            SdkError::dispatch_failure(ConnectorError::other(source.into(), None));
        assert!(matches!(send_error(error), SendError::Transient(_)));
    }
}
