//! What an error of the AWS SDK means for a call.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::SendError;

/// What `error` means for the call that met it, by the code the service gave or by how far the call
/// came.
pub(crate) fn send_error<E>(error: SdkError<E, HttpResponse>) -> SendError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    match &error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code();
            classify(code, status, sentence(code, answer.err().message()))
        }
        SdkError::ConstructionFailure(_) => SendError::Fatal(chain(&error)),
        _ if lacks_credentials(&error) => SendError::Fatal(chain(&error)),
        _ => SendError::Transient(chain(&error)),
    }
}

/// Sorts an answer by its error code, and by its HTTP status where the code is not known here.
///
/// A code of the 4xx kind that is not listed stops the delivery: it is about the caller, not about
/// an item.
fn classify(code: Option<&str>, status: Option<u16>, message: String) -> SendError {
    // The names are those of the three services' API references and their common errors.
    match code.unwrap_or_default() {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "KMSThrottlingException"
        // Firehose says this when its throughput limit is passed.
        | "ServiceUnavailableException" => return SendError::Throttled(message),
        "InternalFailure"
        | "InternalFailureException"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "ReplicatedWriteConflictException" => return SendError::Transient(message),
        "ValidationException"
        | "ValidationError"
        | "InvalidArgumentException"
        | "SerializationException"
        | "ItemCollectionSizeLimitExceededException"
        | "RequestEntityTooLargeException" => return SendError::Invalid(message),
        _ => {}
    }
    match status {
        Some(408) => SendError::Transient(message),
        Some(429) => SendError::Throttled(message),
        Some(413) => SendError::Invalid(message),
        Some(400..=499) => SendError::Fatal(message),
        _ => SendError::Transient(message),
    }
}

/// Whether the call never left because there are no credentials to sign it with.
///
/// A provider that failed or was slow is left out: that may pass.
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

/// An error code and its message as one text.
pub(crate) fn sentence(code: Option<&str>, message: Option<&str>) -> String {
    match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => "the service gave no reason".to_owned(),
    }
}

/// An error and everything below it as one text: the SDK's own says only how far the call came.
fn chain(error: &dyn Error) -> String {
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
    use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemError;
    use aws_sdk_kinesis::error::ErrorMetadata;
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    fn kind(code: &str, status: u16) -> &'static str {
        match classify(Some(code), Some(status), String::new()) {
            SendError::Throttled(_) => "throttled",
            SendError::Transient(_) => "transient",
            SendError::Invalid(_) => "invalid",
            SendError::Fatal(_) => "fatal",
        }
    }

    #[test]
    fn codes_of_the_three_services_are_sorted_by_what_can_be_done() {
        for (code, status, expected) in [
            ("ProvisionedThroughputExceededException", 400, "throttled"),
            ("ThrottlingException", 400, "throttled"),
            ("RequestLimitExceeded", 400, "throttled"),
            ("KMSThrottlingException", 400, "throttled"),
            ("ServiceUnavailableException", 503, "throttled"),
            ("Unheard", 429, "throttled"),
            ("InternalFailure", 500, "transient"),
            ("InternalFailureException", 500, "transient"),
            ("InternalServerError", 500, "transient"),
            ("ReplicatedWriteConflictException", 400, "transient"),
            ("Unheard", 502, "transient"),
            ("Unheard", 408, "transient"),
            ("ValidationException", 400, "invalid"),
            ("InvalidArgumentException", 400, "invalid"),
            ("ItemCollectionSizeLimitExceededException", 400, "invalid"),
            ("Unheard", 413, "invalid"),
            ("ResourceNotFoundException", 400, "fatal"),
            ("AccessDeniedException", 400, "fatal"),
            ("ExpiredTokenException", 400, "fatal"),
            ("UnrecognizedClientException", 400, "fatal"),
            ("KMSDisabledException", 400, "fatal"),
            ("InvalidKMSResourceException", 400, "fatal"),
            ("Unheard", 400, "fatal"),
        ] {
            assert_eq!(kind(code, status), expected, "{code} with status {status}");
        }
    }

    #[test]
    fn an_answer_with_neither_code_nor_status_may_pass_later() {
        assert!(matches!(
            classify(None, None, String::new()),
            SendError::Transient(_)
        ));
    }

    fn response(status: u16) -> HttpResponse {
        HttpResponse::new(status.try_into().unwrap(), "".into())
    }

    #[test]
    fn what_the_service_said_is_kept() {
        let metadata = ErrorMetadata::builder()
            .code("ValidationException")
            .message("empty key")
            .build();
        let error = SdkError::service_error(BatchWriteItemError::generic(metadata), response(400));
        assert_eq!(
            send_error(error),
            SendError::Invalid("ValidationException: empty key".to_owned())
        );
    }

    #[test]
    fn a_call_without_an_answer_may_pass_later() {
        let refused: SdkError<BatchWriteItemError, _> =
            SdkError::dispatch_failure(ConnectorError::io("connection refused".into()));
        let timeout: SdkError<BatchWriteItemError, _> = SdkError::timeout_error("too slow");
        let garbled: SdkError<BatchWriteItemError, _> =
            SdkError::response_error("not JSON", response(200));
        for (error, cause) in [
            (refused, "connection refused"),
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
    fn a_call_that_cannot_be_signed_never_passes() {
        let source = CredentialsError::not_loaded("no providers in chain provided credentials");
        let error: SdkError<BatchWriteItemError, _> =
            SdkError::dispatch_failure(ConnectorError::other(source.into(), None));
        assert!(matches!(send_error(error), SendError::Fatal(_)));

        let source = CredentialsError::provider_timed_out(std::time::Duration::from_secs(1));
        let error: SdkError<BatchWriteItemError, _> =
            SdkError::dispatch_failure(ConnectorError::other(source.into(), None));
        assert!(matches!(send_error(error), SendError::Transient(_)));
    }
}
