//! Checks the items of one key against the log.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use windrow_core::schema::Schema;

use crate::compare::{Difference, DifferenceKind, compare_window};
use crate::expected::LoggedKey;
use crate::merge::{AuditRow, merge_rows};
use crate::position::LogPosition;
use crate::stored::TableEntry;
use crate::windows::{AuditWindows, WindowBy};

/// A stream whose rows are audited.
#[derive(Clone, Debug, Default)]
pub struct AuditedStream {
    /// When it was created, in milliseconds since the epoch.
    pub created: i64,
    /// Its shards by ID.
    pub shards: HashMap<String, AuditedShard>,
}

/// A shard of an audited stream.
#[derive(Clone, Copy, Debug)]
pub struct AuditedShard {
    /// The position that it begins at.
    pub first: LogPosition,
    /// The last record that was folded, if one was.
    pub folded_to: Option<LogPosition>,
}

/// What is checked.
#[derive(Clone, Debug)]
pub struct CheckScope {
    /// The columns of the rows.
    pub schema: Arc<Schema>,
    /// The windows.
    pub windows: AuditWindows,
    /// The starts of those that are checked.
    pub range: Range<i64>,
    /// The streams by ARN.
    pub streams: HashMap<String, AuditedStream>,
    /// The time, in seconds since the epoch. Rows that have expired by then are ignored.
    pub now: i64,
}

/// How long rows live from the start of their window, in seconds, and how many rows say so.
#[derive(Clone, Debug, Default)]
pub struct Lifetimes {
    /// What the user says.
    said: Option<i64>,
    /// How many rows have each lifetime.
    found: BTreeMap<i64, u64>,
}

impl Lifetimes {
    /// Lifetimes of rows that expire this many days after the start of their window; `None` if only
    /// the rows know.
    pub fn of_days(days: Option<u32>) -> Self {
        Self {
            said: days.map(|days| i64::from(days) * 86_400),
            ..Self::default()
        }
    }

    /// Adds a row of the window that starts at `start`, in milliseconds since the epoch.
    pub fn add(&mut self, start: i64, expires_at: Option<i64>) {
        let lifetime = match expires_at {
            Some(seconds) => seconds.saturating_sub(start.div_euclid(1000)),
            None => i64::MAX,
        };
        *self.found.entry(lifetime).or_default() += 1;
    }

    /// Whether the rows of a window have expired by `now`, in seconds since the epoch. Unless the
    /// user says otherwise, the lifetime is the most common one: a few rows with another one must
    /// not hide that they are missing.
    fn have_ended(&self, start: i64, now: i64) -> bool {
        let most_common = self.found.iter().max_by_key(|(_, rows)| **rows);
        let lifetime = self.said.or(most_common.map(|(lifetime, _)| *lifetime));
        lifetime.is_some_and(|lifetime| start.div_euclid(1000).saturating_add(lifetime) <= now)
    }
}

/// What the checks found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The differences.
    pub differences: Vec<Difference>,
    /// The windows that were checked and have readings or rows, by their start.
    pub windows: BTreeSet<i64>,
    /// The windows whose rows have expired, which are not checked.
    pub expired: BTreeSet<i64>,
    /// The readings of the log in the windows that were checked.
    pub readings: u64,
    /// Rows of an earlier stream with the same name, which were left out.
    pub earlier_rows: u64,
    /// Rows of records after the audited part of the log, which were left out.
    pub later_rows: u64,
}

/// The items of one key and window.
#[derive(Default)]
struct WindowItems {
    rows: Vec<AuditRow>,
    expired: u64,
    /// What is wrong with an item, whatever the log says.
    problem: Option<DifferenceKind>,
}

impl CheckScope {
    /// Checks one key, given as its text: what the log has of it, and all items of the table in the
    /// range.
    pub fn check(
        &self,
        key: &str,
        log: Option<&LoggedKey>,
        entries: Vec<TableEntry>,
        lifetimes: &mut Lifetimes,
        findings: &mut Findings,
    ) {
        for entry in &entries {
            if let TableEntry::Row { row, expires_at } = entry {
                lifetimes.add(row.start, *expires_at);
            }
        }
        let mut windows: BTreeMap<Option<i64>, WindowItems> = BTreeMap::new();
        for entry in entries {
            self.sort(entry, log, &mut windows, findings);
        }
        let logged = log.into_iter().flat_map(LoggedKey::keys).copied();
        for start in logged.filter(|start| self.range.contains(start)) {
            windows.entry(Some(start)).or_default();
        }
        for (start, items) in windows {
            if let Some(start) = start {
                if lifetimes.have_ended(start, self.now) {
                    findings.expired.insert(start);
                    continue;
                }
                findings.windows.insert(start);
            }
            let log = log.zip(start).and_then(|(log, start)| log.get(&start));
            findings.readings += log.map_or(0, |log| log.totals.readings);
            let found = (!items.rows.is_empty()).then(|| merge_rows(&items.rows));
            let compared = compare_window(&self.schema, log, found.as_ref());
            let kind = match (items.problem, compared) {
                (Some(problem), _) => Some(problem),
                (None, Some(_)) if items.expired > 0 => {
                    let rows = items.expired;
                    Some(DifferenceKind::Expired { rows })
                }
                (None, kind) => kind,
            };
            if let Some(kind) = kind {
                findings.differences.push(Difference {
                    key: key.to_owned(),
                    start,
                    kind,
                    log: log.map(|log| log.totals.clone()),
                    rows: found.map(|found| found.totals),
                });
            }
        }
    }

    /// Puts an item where it belongs, or leaves it out.
    fn sort(
        &self,
        entry: TableEntry,
        log: Option<&LoggedKey>,
        windows: &mut BTreeMap<Option<i64>, WindowItems>,
        findings: &mut Findings,
    ) {
        let (row, expires_at) = match entry {
            TableEntry::Row { row, expires_at } => (row, expires_at),
            TableEntry::NotARow {
                sort_value,
                start,
                reason,
            } => {
                let items = windows.entry(start).or_default();
                items.problem = Some(DifferenceKind::NotARow { sort_value, reason });
                return;
            }
        };
        let stream = self.streams.get(&row.stream);
        let shard = stream.and_then(|stream| stream.shards.get(&row.shard));
        if let Some((stream, shard)) = stream.zip(shard) {
            let windows = self.windows;
            let may_be_earlier =
                row.start.saturating_sub(windows.earliest_arrival()) < stream.created;
            if may_be_earlier && row.to < shard.first {
                findings.earlier_rows += 1;
                return;
            }
            // Late readings add rows to a window at any time.
            let is_later = shard.folded_to.is_none_or(|last| row.from > last);
            if windows.by() == WindowBy::Event && is_later {
                findings.later_rows += 1;
                return;
            }
        }
        let logged = log.and_then(|log| log.get(&row.start));
        let length = logged.map_or(self.windows.length(), |window| window.length);
        let items = windows.entry(Some(row.start)).or_default();
        if expires_at.is_some_and(|seconds| seconds <= self.now) {
            items.expired += 1;
        } else if i64::from(row.seconds).saturating_mul(1000) != length {
            let seconds = row.seconds;
            items.problem = Some(DifferenceKind::OtherLength { seconds });
        } else if stream.is_none() {
            let stream = row.stream;
            items.problem = Some(DifferenceKind::OtherStream { stream });
        } else {
            items.rows.push(*row);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use windrow_core::decimal::Decimal;
    use windrow_core::value::Value;

    use super::*;
    use crate::expected::LoggedWindow;
    use crate::measures::{AuditMeasure, AuditTotals};

    const ARN: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/wildrydes";

    fn position(number: u64) -> LogPosition {
        LogPosition::parse(&number.to_string()).unwrap()
    }

    /// Windows of a minute from 09:00 to 10:00 on 1 January 1970; the stream was created at 08:30.
    fn scope(by: WindowBy) -> CheckScope {
        let shard = AuditedShard {
            first: position(100),
            folded_to: Some(position(200)),
        };
        let stream = AuditedStream {
            created: minute(-30),
            shards: HashMap::from([("0".to_owned(), shard)]),
        };
        CheckScope {
            schema: Arc::clone(unicorn::row::schema()),
            windows: AuditWindows::new(Duration::from_secs(60), by),
            range: minute(0)..minute(60),
            streams: HashMap::from([(ARN.to_owned(), stream)]),
            now: minute(70) / 1000,
        }
    }

    fn minute(minute: i64) -> i64 {
        (9 * 60 + minute) * 60_000
    }

    fn totals(readings: u64) -> AuditTotals {
        let points = Value::Number(Decimal {
            unscaled: 150,
            scale: 0,
        });
        AuditTotals {
            readings,
            measures: vec![
                AuditMeasure::Sum(i128::from(readings) * 30_000_000),
                AuditMeasure::Lowest(points.clone()),
                AuditMeasure::Highest(points.clone()),
                AuditMeasure::Lowest(points.clone()),
                AuditMeasure::Highest(points),
            ],
        }
    }

    fn logged(readings: &[(i64, u64)]) -> LoggedKey {
        let window = |(number, readings): &(i64, u64)| {
            let totals = totals(*readings);
            let window = LoggedWindow {
                length: 60_000,
                totals,
                ..LoggedWindow::default()
            };
            (minute(*number), window)
        };
        readings.iter().map(window).collect()
    }

    fn row(number: i64, from: u64, readings: u64) -> AuditRow {
        AuditRow {
            key: "Shadowfax".to_owned(),
            start: minute(number),
            seconds: 60,
            stream: ARN.to_owned(),
            shard: "0".to_owned(),
            from: position(from),
            to: position(from + 9),
            totals: totals(readings),
            duplicates: 0,
            hash: [0; 8],
        }
    }

    fn entry(row: AuditRow) -> TableEntry {
        let expires_at = Some(row.start / 1000 + 86_400);
        let row = Box::new(row);
        TableEntry::Row { row, expires_at }
    }

    fn check(scope: &CheckScope, log: &LoggedKey, entries: Vec<TableEntry>) -> Findings {
        let mut findings = Findings::default();
        let mut lifetimes = Lifetimes::default();
        scope.check(
            "Shadowfax",
            Some(log),
            entries,
            &mut lifetimes,
            &mut findings,
        );
        findings
    }

    fn kinds(findings: &Findings) -> Vec<(i64, &DifferenceKind)> {
        let differences = findings.differences.iter();
        differences
            .map(|difference| {
                (
                    (difference.start.unwrap() - minute(0)) / 60_000,
                    &difference.kind,
                )
            })
            .collect()
    }

    #[test]
    fn equal_windows_do_not_differ() {
        let log = logged(&[(0, 60), (1, 59)]);
        let entries = [(0, 100, 60), (1, 110, 30), (1, 120, 29)];
        let entries = entries.map(|(minute, from, readings)| entry(row(minute, from, readings)));
        let findings = check(&scope(WindowBy::Arrival), &log, entries.to_vec());
        assert_eq!(kinds(&findings), []);
        assert_eq!((findings.windows.len(), findings.readings), (2, 119));
    }

    #[test]
    fn problems_of_items_decide_first() {
        let other_stream = AuditRow {
            stream: "other".to_owned(),
            ..row(2, 100, 60)
        };
        let not_a_row = TableEntry::NotARow {
            sort_value: "x".to_owned(),
            start: Some(minute(0)),
            reason: "why".to_owned(),
        };
        let entries = vec![
            not_a_row,
            entry(AuditRow {
                seconds: 30,
                ..row(1, 100, 60)
            }),
            entry(other_stream),
            entry(row(3, 100, 60)),
        ];
        let log = logged(&[(0, 60), (1, 60), (2, 60), (4, 60)]);
        let findings = check(&scope(WindowBy::Arrival), &log, entries);
        let found = kinds(&findings);
        assert!(matches!(found[0], (0, DifferenceKind::NotARow { .. })));
        assert_eq!(found[1], (1, &DifferenceKind::OtherLength { seconds: 30 }));
        let stream = "other".to_owned();
        assert_eq!(found[2], (2, &DifferenceKind::OtherStream { stream }));
        assert_eq!(found[3], (3, &DifferenceKind::NotInLog));
        assert_eq!(found[4], (4, &DifferenceKind::NoRow));
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn windows_that_have_expired_are_not_checked_but_rows_that_expire_alone_are() {
        let lives = |seconds: i64, row: AuditRow| TableEntry::Row {
            expires_at: Some(row.start / 1000 + seconds),
            row: Box::new(row),
        };
        let log = logged(&[(0, 60), (1, 60), (20, 60), (30, 60)]);
        // Rows live for an hour, so those of the first ten minutes have expired.
        let entries = vec![
            lives(3600, row(1, 110, 60)),
            lives(3600, row(20, 120, 60)),
            lives(60, row(30, 130, 60)),
        ];
        let findings = check(&scope(WindowBy::Arrival), &log, entries);
        assert_eq!(
            kinds(&findings),
            [(30, &DifferenceKind::Expired { rows: 1 })]
        );
        assert_eq!(findings.expired.len(), 2);
        assert_eq!(findings.windows.len(), 2);
    }

    #[test]
    fn windows_without_rows_have_expired_if_the_user_says_how_long_rows_live() {
        let log = logged(&[(0, 60)]);
        for (days, is_expired) in [(None, false), (Some(1), false), (Some(0), true)] {
            let mut findings = Findings::default();
            let mut lifetimes = Lifetimes::of_days(days);
            let scope = scope(WindowBy::Arrival);
            scope.check(
                "Shadowfax",
                Some(&log),
                Vec::new(),
                &mut lifetimes,
                &mut findings,
            );
            assert_eq!(findings.expired.len(), usize::from(is_expired));
            assert_eq!(findings.differences.is_empty(), is_expired);
        }
    }

    #[test]
    fn rows_of_an_earlier_stream_count_only_before_this_one_was_created() {
        let mut scope = scope(WindowBy::Arrival);
        let log = logged(&[(0, 60)]);
        let entries = || vec![entry(row(0, 10, 5)), entry(row(0, 100, 60))];
        let readings = 5;
        assert_eq!(
            kinds(&check(&scope, &log, entries())),
            [(0, &DifferenceKind::CountedTwice { readings })]
        );
        scope.streams.get_mut(ARN).unwrap().created = minute(0) + 1;
        let findings = check(&scope, &log, entries());
        assert_eq!(kinds(&findings), []);
        assert_eq!(findings.earlier_rows, 1);
    }

    #[test]
    fn rows_of_later_records_are_left_out_if_windows_are_by_event_time() {
        let log = logged(&[(0, 60)]);
        let entries = || vec![entry(row(0, 100, 60)), entry(row(0, 201, 5))];
        let findings = check(&scope(WindowBy::Event), &log, entries());
        assert_eq!(kinds(&findings), []);
        assert_eq!(findings.later_rows, 1);
        let findings = check(&scope(WindowBy::Arrival), &log, entries());
        assert_eq!(findings.differences.len(), 1);
    }
}
