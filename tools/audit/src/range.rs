//! Which windows are audited.

use std::ops::Range;

use thiserror::Error;
use windrow_core::time::Timestamp;

use crate::windows::AuditWindows;

/// The shortest retention of a stream. A younger stream still has every record.
const SHORTEST_RETENTION: i64 = 24 * 3_600_000;

/// How much longer than the audit's first read a record must be retained.
const HEADROOM: i64 = 5 * 60_000;

/// How far a stream's log goes back, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct LogAge {
    /// When the stream was created.
    pub created: i64,
    /// When its oldest record arrived; `None` if it has none.
    pub oldest: Option<i64>,
    /// How long records are retained, in milliseconds.
    pub retention: i64,
}

impl LogAge {
    /// Whether no record can have been deleted yet.
    pub fn is_whole(&self, now: i64) -> bool {
        now.saturating_sub(self.created) < SHORTEST_RETENTION
    }
}

/// The windows that were asked for, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestedRange {
    /// `--from`.
    pub from: Option<i64>,
    /// `--to`.
    pub to: Option<i64>,
    /// How long ago a window must have ended.
    pub settle: i64,
}

/// The windows to audit, and what was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRange {
    /// The starts of the windows.
    pub starts: Range<i64>,
    /// Records that arrived before this have settled.
    pub settled: i64,
    /// Windows before this were requested, or are in the log in part, but are not audited.
    pub cut: Option<i64>,
}

/// Why there is nothing to audit.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NothingToAudit {
    /// The log is empty.
    #[error("the log of {0} has no records: there is nothing to audit")]
    EmptyLog(String),
    /// No window of the log has settled.
    #[error(
        "no window has settled yet: the first one that the log has whole starts at {first}, \
         and windows that ended by {settled} have settled (see --settle)"
    )]
    NotSettled {
        /// The start of the first window.
        first: Timestamp,
        /// The end of the last window that has settled.
        settled: Timestamp,
    },
    /// No log ever has a window whole that has settled.
    #[error(
        "records of {stream} are retained for {retention} s, in which no window of {length} s is \
         whole and settled: raise the stream's retention"
    )]
    RetainedTooShort {
        /// The name of the stream.
        stream: String,
        /// How long records are retained, in seconds.
        retention: i64,
        /// The length of a window, in seconds.
        length: i64,
    },
    /// The stream no longer has the requested windows.
    #[error("the log no longer has windows before {first} whole: choose a later --to")]
    Cut {
        /// The start of the first window.
        first: Timestamp,
    },
}

/// Determines the windows to audit from the logs of the streams, given with their names.
///
/// # Errors
///
/// [`NothingToAudit`], which says why.
pub fn plan(
    windows: AuditWindows,
    requested: RequestedRange,
    logs: &[(String, LogAge)],
    now: i64,
) -> Result<AuditRange, NothingToAudit> {
    let mut first_whole = i64::MIN;
    let mut default_from = i64::MIN;
    for (name, log) in logs {
        if log.is_whole(now) {
            let created = windows.start_of(log.created);
            default_from = default_from.max(created);
            // By event time, a late reading can be of any earlier window.
            if windows.earliest_arrival() == 0 {
                first_whole = first_whole.max(created);
            }
            continue;
        }
        let oldest = log
            .oldest
            .ok_or_else(|| NothingToAudit::EmptyLog(name.clone()))?;
        let retained = now.saturating_sub(log.retention).saturating_add(HEADROOM);
        let complete = oldest.max(retained);
        let complete = windows.next_after(complete.saturating_add(windows.earliest_arrival()));
        first_whole = first_whole.max(complete);
    }
    let from = match requested.from {
        None => default_from.max(first_whole),
        Some(from) if from == windows.start_of(from) => from.max(first_whole),
        Some(from) => windows.next_after(from).max(first_whole),
    };
    // Windows that start before the end of the range may end after it.
    let settling = requested.settle.saturating_add(windows.overlap());
    let settled = windows.start_of(now.saturating_sub(settling));
    let to = windows
        .start_of(requested.to.unwrap_or(settled))
        .min(settled);
    if from >= to {
        let first = Timestamp::from_millis(from);
        if to < settled && first_whole >= to {
            return Err(NothingToAudit::Cut { first });
        }
        let needed = windows.length().saturating_add(settling);
        let is_too_short = |log: &LogAge| !log.is_whole(now) && log.retention - HEADROOM < needed;
        if let Some((stream, log)) = logs.iter().find(|(_, log)| is_too_short(log)) {
            return Err(NothingToAudit::RetainedTooShort {
                stream: stream.clone(),
                retention: log.retention / 1000,
                length: windows.length() / 1000,
            });
        }
        let settled = Timestamp::from_millis(to);
        return Err(NothingToAudit::NotSettled { first, settled });
    }
    let is_cut = logs.iter().any(|(_, log)| !log.is_whole(now));
    let is_shorter = requested
        .from
        .is_none_or(|requested| requested < first_whole);
    Ok(AuditRange {
        starts: from..to,
        settled: settled.saturating_add(windows.overlap()),
        cut: (is_cut && is_shorter).then_some(first_whole),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::windows::WindowBy;

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;
    const NOW: i64 = 100 * DAY + 30_000;

    fn planned(
        by: WindowBy,
        (from, to): (Option<i64>, Option<i64>),
        log: LogAge,
    ) -> Result<AuditRange, NothingToAudit> {
        let windows = AuditWindows::new(Duration::from_secs(60), by);
        let requested = RequestedRange {
            from,
            to,
            settle: 2 * MINUTE,
        };
        plan(windows, requested, &[("wildrydes".to_owned(), log)], NOW)
    }

    fn young() -> LogAge {
        LogAge {
            created: NOW - 10 * MINUTE,
            oldest: None,
            retention: DAY,
        }
    }

    fn old(oldest: i64) -> LogAge {
        LogAge {
            created: 0,
            oldest: Some(oldest),
            retention: DAY,
        }
    }

    #[test]
    fn a_young_log_is_audited_from_its_first_window() {
        let range = planned(WindowBy::Arrival, (None, None), young()).unwrap();
        let first = 100 * DAY - 10 * MINUTE;
        assert_eq!(range.starts, first..100 * DAY - 2 * MINUTE);
        assert_eq!(range.cut, None);
        let earlier = planned(WindowBy::Arrival, (Some(0), None), young());
        assert_eq!(earlier.unwrap().starts.start, first);
        let late = planned(WindowBy::Event, (Some(DAY), None), young());
        assert_eq!(late.unwrap().starts.start, DAY);
    }

    #[test]
    fn the_window_that_the_retention_has_cut_is_left_out() {
        let oldest = 100 * DAY - 60 * MINUTE;
        let range = planned(WindowBy::Arrival, (None, None), old(oldest + 1)).unwrap();
        assert_eq!(range.starts.start, oldest + MINUTE);
        assert_eq!(range.cut, Some(oldest + MINUTE));
        let range = planned(WindowBy::Event, (Some(0), None), old(oldest)).unwrap();
        assert_eq!(range.starts.start, oldest + 6 * MINUTE);
        // Records at the end of the retention are deleted while they are read.
        let range = planned(WindowBy::Arrival, (None, None), old(NOW - DAY)).unwrap();
        assert_eq!(range.starts.start, 99 * DAY + 6 * MINUTE);
        let later = planned(
            WindowBy::Arrival,
            (Some(oldest + 9 * MINUTE), None),
            old(oldest),
        );
        assert_eq!(later.unwrap().cut, None);
    }

    #[test]
    fn requested_times_are_rounded_to_whole_windows_that_have_settled() {
        let from = 100 * DAY - 9 * MINUTE;
        let range = |from, to| planned(WindowBy::Arrival, (Some(from), Some(to)), young()).unwrap();
        let to = from + 3 * MINUTE;
        assert_eq!(range(from, to).starts, from..to);
        assert_eq!(range(from - 1, to + 1).starts, from..to);
        assert_eq!(range(from + 1, to).starts, from + MINUTE..to);
        assert_eq!(range(from, NOW).starts.end, 100 * DAY - 2 * MINUTE);
    }

    #[test]
    fn nothing_to_audit_says_why() {
        let empty = LogAge {
            oldest: None,
            ..old(0)
        };
        let reason = |range, log| planned(WindowBy::Arrival, range, log).unwrap_err();
        assert!(matches!(
            reason((None, None), empty),
            NothingToAudit::EmptyLog(_)
        ));
        let unsettled = reason((Some(NOW - MINUTE), None), young());
        assert!(matches!(unsettled, NothingToAudit::NotSettled { .. }));
        let cut = reason((Some(0), Some(DAY)), old(99 * DAY));
        assert!(matches!(cut, NothingToAudit::Cut { .. }));
    }

    /// The windows of 7 s and of a day, of a stream with this log.
    fn days(log: LogAge, now: i64) -> Result<AuditRange, NothingToAudit> {
        let windows = AuditWindows::new(Duration::from_secs(7), WindowBy::Arrival);
        let windows = windows.with_lengths([7, 86_400].map(Duration::from_secs));
        let requested = RequestedRange {
            settle: 2 * MINUTE,
            ..RequestedRange::default()
        };
        plan(windows, requested, &[("trades".to_owned(), log)], now)
    }

    #[test]
    fn windows_that_overlap_settle() {
        let log = LogAge {
            created: 100 * DAY - 10 * MINUTE,
            ..young()
        };
        let settled = 100 * DAY + 2 * MINUTE + 7_000;
        let early = days(log, settled - 1);
        assert!(matches!(early, Err(NothingToAudit::NotSettled { .. })));
        let range = days(log, settled).unwrap();
        assert_eq!(range.starts, 99 * DAY..100 * DAY);
        // The last window of 7 s ends in the next day.
        assert_eq!(range.settled, 100 * DAY + 7_000);
    }

    #[test]
    fn a_log_may_be_too_short_for_a_window() {
        let error = days(old(99 * DAY), NOW).unwrap_err();
        assert_eq!(
            error.to_string(),
            "records of trades are retained for 86400 s, in which no window of 86400 s is whole \
             and settled: raise the stream's retention"
        );
        let log = LogAge {
            retention: 3 * DAY,
            ..old(97 * DAY)
        };
        assert_eq!(days(log, NOW).unwrap().starts, 98 * DAY..99 * DAY);
    }
}
