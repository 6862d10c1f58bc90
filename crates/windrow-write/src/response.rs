//! The responses of PutRecords and PutRecordBatch, which list the outcome of each record.

use windrow_service::{ErrorClass, classify};

use crate::{ItemFailure, SendError, sdk};

/// The outcome of one record.
pub(crate) struct ResponseEntry<'a> {
    /// The ID of the written record: a sequence number or a record ID.
    pub(crate) identifier: Option<&'a str>,
    pub(crate) error_code: Option<&'a str>,
    pub(crate) error_message: Option<&'a str>,
}

/// The failures among the `sent` records. `failed` is the number of failures that the response
/// states.
///
/// The entries are in the order of the request. If their number differs from `sent`, or they
/// contain fewer failures than stated, it is unknown what was written, so the response counts as
/// unusable.
pub(crate) fn failures<'a>(
    sent: usize,
    failed: usize,
    entries: impl ExactSizeIterator<Item = ResponseEntry<'a>>,
) -> Result<Vec<ItemFailure>, SendError> {
    let listed = entries.len();
    if listed != sent {
        let reason = format!("{sent} records were sent, but the response lists {listed}");
        return Err(SendError::Transient(reason));
    }
    let mut failures = Vec::new();
    for (index, entry) in entries.enumerate() {
        if entry.error_code.is_none() && entry.identifier.is_some() {
            continue;
        }
        let ResponseEntry {
            error_code,
            error_message,
            ..
        } = entry;
        failures.push(ItemFailure {
            index,
            reason: sdk::sentence(error_code, error_message),
            permanent: classify(error_code, error_message, None) == ErrorClass::Permanent,
        });
    }
    if failures.len() < failed {
        let listed = failures.len();
        let reason = format!("the response states {failed} failed records, but lists {listed}");
        return Err(SendError::Transient(reason));
    }
    Ok(failures)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKEN: ResponseEntry<'_> = ResponseEntry {
        identifier: Some("1"),
        error_code: None,
        error_message: None,
    };
    const THROTTLED: ResponseEntry<'_> = ResponseEntry {
        identifier: None,
        error_code: Some("ProvisionedThroughputExceededException"),
        error_message: Some("Rate exceeded"),
    };
    const BLANK: ResponseEntry<'_> = ResponseEntry {
        identifier: None,
        error_code: None,
        error_message: None,
    };

    #[test]
    fn only_entries_with_an_error_fail() {
        let failed = failures(3, 1, [TAKEN, THROTTLED, TAKEN].into_iter()).unwrap();
        let reason = "ProvisionedThroughputExceededException: Rate exceeded".to_owned();
        let permanent = false;
        assert_eq!(
            failed,
            [ItemFailure {
                index: 1,
                reason,
                permanent
            }]
        );
    }

    #[test]
    fn only_invalid_entries_fail_permanently() {
        let with = |code| ResponseEntry {
            error_code: Some(code),
            ..THROTTLED
        };
        let entries = [
            "ValidationException",
            "AccessDeniedException",
            "UnknownCode",
        ]
        .map(with);
        let failed = failures(3, 3, entries.into_iter()).unwrap();
        let permanent: Vec<bool> = failed.iter().map(|failure| failure.permanent).collect();
        assert_eq!(permanent, [true, false, false]);
    }

    #[test]
    fn empty_entry_is_a_failure() {
        let failed = failures(2, 0, [BLANK, TAKEN].into_iter()).unwrap();
        let reason = "the service gave no reason".to_owned();
        let permanent = false;
        assert_eq!(
            failed,
            [ItemFailure {
                index: 0,
                reason,
                permanent
            }]
        );
    }

    #[test]
    fn response_of_wrong_length_is_transient() {
        for entries in [vec![], vec![TAKEN], vec![TAKEN, TAKEN, TAKEN]] {
            let result = failures(2, 1, entries.into_iter());
            assert!(matches!(result, Err(SendError::Transient(_))), "{result:?}");
        }
    }

    #[test]
    fn unlisted_failure_is_transient() {
        let result = failures(2, 1, [TAKEN, TAKEN].into_iter());
        assert!(matches!(result, Err(SendError::Transient(_))), "{result:?}");
    }
}
