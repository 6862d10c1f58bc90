//! The answers of PutRecords and PutRecordBatch, which list what became of each record.

use crate::classify::{Class, classify};
use crate::{ItemFailure, SendError, sdk};

/// What the answer says of one record.
pub(crate) struct ResponseEntry<'a> {
    /// What the service wrote it as: a sequence number or a record id.
    pub(crate) identifier: Option<&'a str>,
    pub(crate) error_code: Option<&'a str>,
    pub(crate) error_message: Option<&'a str>,
}

/// Which of the `sent` records failed; the response says that `failed` of them did.
///
/// The entries are in the order of the request. An answer with more or fewer of them than were
/// sent, or with fewer failures among them than it claims, leaves open what was written, so it
/// counts as no answer.
pub(crate) fn failures<'a>(
    sent: usize,
    failed: usize,
    entries: impl ExactSizeIterator<Item = ResponseEntry<'a>>,
) -> Result<Vec<ItemFailure>, SendError> {
    let answered = entries.len();
    if answered != sent {
        let reason = format!("{sent} records were sent and the answer lists {answered}");
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
            permanent: classify(error_code, error_message, None) == Class::Permanent,
        });
    }
    if failures.len() < failed {
        let listed = failures.len();
        let reason = format!("the answer says that {failed} records failed and lists {listed}");
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
    fn only_entries_with_an_error_are_failed() {
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
    fn an_entry_that_is_invalid_is_rejected_for_good_and_one_without_access_is_not() {
        let with = |code| ResponseEntry {
            error_code: Some(code),
            ..THROTTLED
        };
        let entries = ["ValidationException", "AccessDeniedException", "Unheard"].map(with);
        let failed = failures(3, 3, entries.into_iter()).unwrap();
        let permanent: Vec<bool> = failed.iter().map(|failure| failure.permanent).collect();
        assert_eq!(permanent, [true, false, false]);
    }

    #[test]
    fn an_entry_that_says_nothing_has_failed() {
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
    fn an_answer_of_another_length_is_no_answer() {
        for entries in [vec![], vec![TAKEN], vec![TAKEN, TAKEN, TAKEN]] {
            let answer = failures(2, 1, entries.into_iter());
            assert!(matches!(answer, Err(SendError::Transient(_))), "{answer:?}");
        }
    }

    #[test]
    fn a_failure_that_no_entry_shows_is_no_answer() {
        let answer = failures(2, 1, [TAKEN, TAKEN].into_iter());
        assert!(matches!(answer, Err(SendError::Transient(_))), "{answer:?}");
    }
}
