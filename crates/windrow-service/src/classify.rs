//! Classifies the error codes of the three services.

/// How to react to an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The service throttled the call, which may succeed later.
    Throttled,
    /// The service failed. The same call may succeed later.
    Transient,
    /// The service will never accept this record or item, but it may accept others.
    Permanent,
    /// No call can succeed until the setup is fixed: access, credentials, names or keys.
    Setup,
}

/// Classifies an error by its code, by its HTTP status if the code is unknown, and by its message
/// if the code can mean either an invalid record or a wrong setup.
///
/// An unknown 4xx error counts as a setup error: holding back a record that would be rejected loses
/// nothing, but rejecting one that could be sent later loses it. The error of a single record
/// within a response has no status; if its code is unknown, it counts as transient.
pub fn classify(code: Option<&str>, message: Option<&str>, status: Option<u16>) -> ErrorClass {
    // The codes are from the three services' API references and their common errors.
    match code.unwrap_or_default() {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "KMSThrottlingException"
        // Firehose returns this when its throughput limit is exceeded.
        | "ServiceUnavailableException" => ErrorClass::Throttled,
        "InternalFailure"
        | "InternalFailureException"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "ReplicatedWriteConflictException" => ErrorClass::Transient,
        "ValidationException" | "ValidationError" | "InvalidArgumentException" => {
            if is_setup_error(message.unwrap_or_default()) {
                ErrorClass::Setup
            } else {
                ErrorClass::Permanent
            }
        }
        "SerializationException"
        | "ItemCollectionSizeLimitExceededException"
        | "RequestEntityTooLargeException" => ErrorClass::Permanent,
        _ => by_status(status),
    }
}

fn by_status(status: Option<u16>) -> ErrorClass {
    match status {
        Some(408) => ErrorClass::Transient,
        Some(429) => ErrorClass::Throttled,
        Some(413) => ErrorClass::Permanent,
        Some(400..=499) => ErrorClass::Setup,
        _ => ErrorClass::Transient,
    }
}

/// The starts of messages that call the target of a call invalid, and not its content.
///
/// Only the start is compared: the rest of a message may quote a record, and a record must not be
/// able to make its error look like a setup error.
const SETUP_MESSAGES: [&str; 6] = [
    // The table has other key attributes. Items are checked for the configured ones beforehand.
    "The provided key element does not match the schema",
    "One or more parameter values were invalid: Missing the key ",
    // The table or an index requires another type. An attribute has the same type in all our rows.
    "One or more parameter values were invalid: Type mismatch for ",
    "Invalid table/index name",
    "TableName must be ",
    // Firehose, for a stream whose source is Kinesis.
    "This operation is not permitted on ",
];

/// The parameters that name the target of a call.
const TARGETS: [&str; 5] = [
    "streamName",
    "streamARN",
    "deliveryStreamName",
    "tableName",
    // BatchWriteItem's map of tables: an error of this member is about a table's name.
    "requestItems",
];

fn is_setup_error(message: &str) -> bool {
    SETUP_MESSAGES
        .iter()
        .any(|start| message.starts_with(start))
        || invalid_member(message).is_some_and(|member| TARGETS.contains(&member))
}

/// The parameter named in `Value '...' at 'member' failed to satisfy constraint: ...`. It searches
/// from the end, because the quoted value comes first and may contain the same words.
fn invalid_member(message: &str) -> Option<&str> {
    let (before, _) = message.rsplit_once("' failed to satisfy constraint")?;
    before.rsplit_once(" at '").map(|(_, member)| member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes_are_classified() {
        use ErrorClass::{Permanent, Setup, Throttled, Transient};
        for (code, status, expected) in [
            ("ProvisionedThroughputExceededException", 400, Throttled),
            ("ThrottlingException", 400, Throttled),
            ("RequestLimitExceeded", 400, Throttled),
            ("LimitExceededException", 400, Throttled),
            ("KMSThrottlingException", 400, Throttled),
            ("ServiceUnavailableException", 503, Throttled),
            ("UnknownCode", 429, Throttled),
            ("InternalFailure", 500, Transient),
            ("InternalFailureException", 500, Transient),
            ("InternalServerError", 500, Transient),
            ("ServiceUnavailable", 503, Transient),
            ("ReplicatedWriteConflictException", 400, Transient),
            ("UnknownCode", 502, Transient),
            ("UnknownCode", 408, Transient),
            ("ValidationException", 400, Permanent),
            ("ValidationError", 400, Permanent),
            ("InvalidArgumentException", 400, Permanent),
            ("SerializationException", 400, Permanent),
            ("ItemCollectionSizeLimitExceededException", 400, Permanent),
            ("RequestEntityTooLargeException", 413, Permanent),
            ("UnknownCode", 413, Permanent),
            ("ResourceNotFoundException", 400, Setup),
            ("ResourceInUseException", 400, Setup),
            ("AccessDenied", 403, Setup),
            ("AccessDeniedException", 400, Setup),
            ("NotAuthorized", 400, Setup),
            ("OptInRequired", 403, Setup),
            ("ExpiredToken", 403, Setup),
            ("ExpiredTokenException", 400, Setup),
            ("RequestExpired", 400, Setup),
            ("IncompleteSignature", 400, Setup),
            ("InvalidSignatureException", 400, Setup),
            ("InvalidClientTokenId", 403, Setup),
            ("UnrecognizedClientException", 400, Setup),
            ("MissingAuthenticationToken", 403, Setup),
            ("MissingAuthenticationTokenException", 400, Setup),
            ("UnknownOperationException", 400, Setup),
            ("KMSAccessDeniedException", 400, Setup),
            ("KMSDisabledException", 400, Setup),
            ("KMSInvalidStateException", 400, Setup),
            ("KMSNotFoundException", 400, Setup),
            ("KMSOptInRequired", 400, Setup),
            ("InvalidKMSResourceException", 400, Setup),
            ("UnknownCode", 400, Setup),
        ] {
            let class = classify(Some(code), None, Some(status));
            assert_eq!(class, expected, "{code} with status {status}");
        }
    }

    #[test]
    fn unknown_code_without_a_status_is_transient() {
        assert_eq!(classify(None, None, None), ErrorClass::Transient);
        let alone = |code| classify(Some(code), None, None);
        assert_eq!(alone("UnknownCode"), ErrorClass::Transient);
        assert_eq!(alone("InternalFailure"), ErrorClass::Transient);
        assert_eq!(alone("ValidationException"), ErrorClass::Permanent);
    }

    #[test]
    fn invalid_target_is_a_setup_error_and_invalid_record_is_not() {
        use ErrorClass::{Permanent, Setup};
        let constraint = "failed to satisfy constraint: Member must have length less than or equal";
        let at = |value: &str, member: &str| {
            format!(
                "1 validation error detected: Value '{value}' at '{member}' {constraint} to 256"
            )
        };
        let key = "records.3.member.partitionKey";
        let quoted = format!("x' at 'streamName' {constraint} to 1; Value 'y");
        for (message, expected) in [
            (at("wild rydes", "streamName"), Setup),
            (at("wild rydes", "deliveryStreamName"), Setup),
            (at("wild rydes", "tableName"), Setup),
            (at("{wild rydes=[com.amazonaws.dynamodb.v20120810.WriteRequest@1]}", "requestItems"), Setup),
            ("One or more parameter values were invalid: Type mismatch for Index Key Distance Expected: S Actual: N IndexName: i".to_owned(), Setup),
            (at("long", key), Permanent),
            // A record that quotes the message of a setup error.
            (at(&quoted, key), Permanent),
            (at("The provided key element does not match the schema", key), Permanent),
            ("The provided key element does not match the schema".to_owned(), Setup),
            ("One or more parameter values were invalid: Missing the key Id in the item".to_owned(), Setup),
            ("One or more parameter values were invalid: An empty set is not allowed".to_owned(), Permanent),
            ("Invalid table/index name. Table/index names must be between 3 and 255 characters long".to_owned(), Setup),
            ("This operation is not permitted on KinesisStreamAsSource delivery stream type.".to_owned(), Setup),
            ("Attempting to store more than 38 significant digits in a Number".to_owned(), Permanent),
            (String::new(), Permanent),
        ] {
            for code in ["ValidationException", "InvalidArgumentException"] {
                let class = classify(Some(code), Some(&message), Some(400));
                assert_eq!(class, expected, "{code}: {message}");
            }
        }
    }
}
