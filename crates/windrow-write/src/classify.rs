//! What an error of the three services means, by its code: the one place where that is decided.

/// What can be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Too much at once: the same call may pass later.
    Throttled,
    /// A fault of the service: the same call may pass later.
    Transient,
    /// A record or an item will never be taken: the rest may be.
    Permanent,
    /// Nothing passes until somebody mends the set-up: access, credentials, names, keys.
    Setup,
}

/// Sorts an error by its code, by its HTTP status where the code is not known here, and by its
/// message where one code stands for both a bad record and a bad set-up.
///
/// An error of the 4xx kind that is not listed is taken for one of the set-up: to hold back what
/// might be rejected loses nothing, to reject what could be sent later does. A record's own error in
/// an answer has no status; where its code is not listed, it is taken for one that passes.
pub(crate) fn classify(code: Option<&str>, message: Option<&str>, status: Option<u16>) -> Class {
    // The names are those of the three services' API references and their common errors.
    match code.unwrap_or_default() {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "KMSThrottlingException"
        // Firehose says this when its throughput limit is passed.
        | "ServiceUnavailableException" => Class::Throttled,
        "InternalFailure"
        | "InternalFailureException"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "ReplicatedWriteConflictException" => Class::Transient,
        "ValidationException" | "ValidationError" | "InvalidArgumentException" => {
            if is_of_the_setup(message.unwrap_or_default()) {
                Class::Setup
            } else {
                Class::Permanent
            }
        }
        "SerializationException"
        | "ItemCollectionSizeLimitExceededException"
        | "RequestEntityTooLargeException" => Class::Permanent,
        _ => by_status(status),
    }
}

fn by_status(status: Option<u16>) -> Class {
    match status {
        Some(408) => Class::Transient,
        Some(429) => Class::Throttled,
        Some(413) => Class::Permanent,
        Some(400..=499) => Class::Setup,
        _ => Class::Transient,
    }
}

/// How messages begin that say "invalid" of where the call goes, not of what it carries.
///
/// Only beginnings: further on a message may quote what a record holds, and a record must not be
/// able to pass itself off as a fault of the set-up.
const OF_THE_SETUP: [&str; 6] = [
    // The table has other keys. That an item has those that are named here is checked beforehand.
    "The provided key element does not match the schema",
    "One or more parameter values were invalid: Missing the key ",
    // An attribute of ours has one type in all rows, and an index or the table asks for another.
    "One or more parameter values were invalid: Type mismatch for ",
    "Invalid table/index name",
    "TableName must be ",
    // Firehose, for a stream that takes its records from Kinesis.
    "This operation is not permitted on ",
];

/// The parameters of a call that say where it goes.
const TARGETS: [&str; 5] = [
    "streamName",
    "streamARN",
    "deliveryStreamName",
    "tableName",
    // BatchWriteItem's map of tables: what it says of this member is of a table's name.
    "requestItems",
];

fn is_of_the_setup(message: &str) -> bool {
    OF_THE_SETUP.iter().any(|start| message.starts_with(start))
        || faulty_member(message).is_some_and(|member| TARGETS.contains(&member))
}

/// The parameter of which `Value '...' at 'member' failed to satisfy constraint: ...` speaks. The
/// last of them, since the value stands before it and may hold the same words.
fn faulty_member(message: &str) -> Option<&str> {
    let (before, _) = message.rsplit_once("' failed to satisfy constraint")?;
    before.rsplit_once(" at '").map(|(_, member)| member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_three_services_are_sorted_by_what_can_be_done() {
        use Class::{Permanent, Setup, Throttled, Transient};
        for (code, status, expected) in [
            ("ProvisionedThroughputExceededException", 400, Throttled),
            ("ThrottlingException", 400, Throttled),
            ("RequestLimitExceeded", 400, Throttled),
            ("LimitExceededException", 400, Throttled),
            ("KMSThrottlingException", 400, Throttled),
            ("ServiceUnavailableException", 503, Throttled),
            ("Unheard", 429, Throttled),
            ("InternalFailure", 500, Transient),
            ("InternalFailureException", 500, Transient),
            ("InternalServerError", 500, Transient),
            ("ServiceUnavailable", 503, Transient),
            ("ReplicatedWriteConflictException", 400, Transient),
            ("Unheard", 502, Transient),
            ("Unheard", 408, Transient),
            ("ValidationException", 400, Permanent),
            ("ValidationError", 400, Permanent),
            ("InvalidArgumentException", 400, Permanent),
            ("SerializationException", 400, Permanent),
            ("ItemCollectionSizeLimitExceededException", 400, Permanent),
            ("RequestEntityTooLargeException", 413, Permanent),
            ("Unheard", 413, Permanent),
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
            ("Unheard", 400, Setup),
        ] {
            let class = classify(Some(code), None, Some(status));
            assert_eq!(class, expected, "{code} with status {status}");
        }
    }

    #[test]
    fn an_error_without_a_status_passes_unless_its_code_says_otherwise() {
        assert_eq!(classify(None, None, None), Class::Transient);
        let alone = |code| classify(Some(code), None, None);
        assert_eq!(alone("Unheard"), Class::Transient);
        assert_eq!(alone("InternalFailure"), Class::Transient);
        assert_eq!(alone("ValidationException"), Class::Permanent);
    }

    #[test]
    fn an_invalid_target_is_a_fault_of_the_setup_and_an_invalid_record_is_not() {
        use Class::{Permanent, Setup};
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
            // A record that quotes the message of a bad set-up.
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
