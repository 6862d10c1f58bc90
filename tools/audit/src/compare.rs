//! Compares what the log says with what the rows say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use windrow_connect::terminal::counted;

use crate::expected::{ExpectedWindows, LoggedWindow};
use crate::merge::{FoundWindow, FoundWindows};
use crate::totals::AuditTotals;

/// A window of one unicorn in which the rows do not say what the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The unicorn.
    pub name: String,
    /// Start of the window, in milliseconds since the epoch; `None` if an item does not say.
    pub start: Option<i64>,
    /// What is likely to have happened.
    pub kind: DifferenceKind,
    /// The totals of the log, if it has readings of the window.
    pub log: Option<AuditTotals>,
    /// The totals that readers of the table see, if it has rows of the window.
    pub rows: Option<AuditTotals>,
}

/// Kinds of [`Difference`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The log has readings, and the table has no row.
    NoRow,
    /// The table has rows, and the log has no readings.
    NotInLog,
    /// The rows have fewer readings than the log.
    Missing {
        /// How many fewer.
        readings: u64,
    },
    /// The rows have more readings than the log.
    CountedTwice {
        /// How many more.
        readings: u64,
    },
    /// The rows have as many readings as the log, but other totals.
    Changed,
    /// Readers are told that readings are missing, and none are.
    FalseGap,
    /// An item is not a row, or no longer the one that was written.
    NotARow {
        /// The value of its sort attribute.
        sort_value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The rows are of windows of another length.
    OtherLength {
        /// That length.
        seconds: u32,
    },
    /// The rows are of a stream that is not audited. Readers add them up.
    OtherStream {
        /// Its ARN.
        stream: String,
    },
    /// Rows have expired before the others of their window.
    Expired {
        /// How many.
        rows: u64,
    },
}

impl DifferenceKind {
    /// A name for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoRow => "NoRow",
            Self::NotInLog => "NotInLog",
            Self::Missing { .. } => "Missing",
            Self::CountedTwice { .. } => "CountedTwice",
            Self::Changed => "Changed",
            Self::FalseGap => "FalseGap",
            Self::NotARow { .. } => "NotARow",
            Self::OtherLength { .. } => "OtherLength",
            Self::OtherStream { .. } => "OtherStream",
            Self::Expired { .. } => "Expired",
        }
    }
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRow => formatter.write_str("no row"),
            Self::NotInLog => formatter.write_str("rows of no reading in the log"),
            Self::Missing { readings } => {
                write!(formatter, "{} missing", counted(*readings, "reading"))
            }
            Self::CountedTwice { readings } => {
                write!(formatter, "{} counted twice", counted(*readings, "reading"))
            }
            Self::Changed => formatter.write_str("rows changed"),
            Self::FalseGap => formatter.write_str("a gap is claimed, but nothing is missing"),
            Self::NotARow { sort_value, reason } => {
                write!(formatter, "the item {sort_value} is not a row: {reason}")
            }
            Self::OtherLength { seconds } => write!(
                formatter,
                "rows of windows of {seconds} s: is --window right?"
            ),
            Self::OtherStream { stream } => write!(
                formatter,
                "rows of the stream {stream}: name it with --stream too"
            ),
            Self::Expired { rows } => write!(
                formatter,
                "{} expired before the others of the window",
                counted(*rows, "row")
            ),
        }
    }
}

/// Compares one unicorn's window; `None` if there is no difference.
pub fn compare_window(
    log: Option<&LoggedWindow>,
    found: Option<&FoundWindow>,
) -> Option<DifferenceKind> {
    compare_bounds(log.map(|log| [log, log]), found)
}

/// Compares one unicorn's window with the least and the most that the rows may say; `None` if they
/// are between the two. The two differ only in which duplicates count
/// ([`LogFold::with_held`](crate::expected::LogFold::with_held)).
fn compare_bounds(
    log: Option<[&LoggedWindow; 2]>,
    found: Option<&FoundWindow>,
) -> Option<DifferenceKind> {
    let ([least, most], found) = match (log, found) {
        (None, None) => return None,
        (Some(_), None) => return Some(DifferenceKind::NoRow),
        (None, Some(_)) => return Some(DifferenceKind::NotInLog),
        (Some(log), Some(found)) => (log, found),
    };
    let seen = found.totals.readings;
    if seen < least.totals.readings {
        let readings = least.totals.readings - seen;
        return Some(DifferenceKind::Missing { readings });
    }
    if seen > most.totals.readings {
        let readings = seen - most.totals.readings;
        return Some(DifferenceKind::CountedTwice { readings });
    }
    // At a bound, the rows must say what it says.
    let is_as_expected = match (least.totals.readings, most.totals.readings) {
        (readings, _) if readings == seen => found.totals == least.totals,
        (_, readings) if readings == seen => found.totals == most.totals,
        _ => is_between(&found.totals, &least.totals, &most.totals),
    };
    if !is_as_expected {
        return Some(DifferenceKind::Changed);
    }
    // Rows may leave out duplicates; then the claim is true, though no total depends on it.
    let in_log = u128::from(least.totals.readings) + u128::from(least.duplicates);
    let covers_all = match found.covered {
        Some(covered) => covered >= in_log,
        None => least.duplicates == 0,
    };
    (found.gap && covers_all).then_some(DifferenceKind::FalseGap)
}

/// Whether totals may come from more duplicates than `least` and fewer than `most`. No distance is
/// below zero, and duplicates change no extreme.
fn is_between(totals: &AuditTotals, least: &AuditTotals, most: &AuditTotals) -> bool {
    (least.micrometres..=most.micrometres).contains(&totals.micrometres)
        && (totals.magic, totals.health) == (least.magic, least.health)
}

/// Compares all windows. The differences are ordered by unicorn and window.
pub fn compare(expected: &ExpectedWindows, found: &FoundWindows) -> Vec<Difference> {
    compare_between(expected, expected, found)
}

/// Compares all windows where a dedup cache may have evicted readings: the rows must be between two
/// folds of one log, of a cache that holds all readings and of one that
/// [holds fewer](crate::expected::LogFold::with_held). The differences say what the first has, and
/// are ordered by unicorn and window.
pub fn compare_between(
    least: &ExpectedWindows,
    most: &ExpectedWindows,
    found: &FoundWindows,
) -> Vec<Difference> {
    let names = least.keys().map(|name| &**name);
    let names: BTreeSet<&str> = names.chain(found.keys().map(String::as_str)).collect();
    let mut differences = Vec::new();
    for name in names {
        let (logged, most, found) = (least.get(name), most.get(name), found.get(name));
        let starts = logged.into_iter().flat_map(BTreeMap::keys);
        let starts = starts.chain(found.into_iter().flat_map(BTreeMap::keys));
        for start in starts.copied().collect::<BTreeSet<i64>>() {
            let log = logged.and_then(|windows| windows.get(&start));
            let most = most.and_then(|windows| windows.get(&start));
            let found = found.and_then(|windows| windows.get(&start));
            let bounds = log.map(|log| [log, most.unwrap_or(log)]);
            if let Some(kind) = compare_bounds(bounds, found) {
                differences.push(Difference {
                    name: name.to_owned(),
                    start: Some(start),
                    kind,
                    log: log.map(|log| log.totals),
                    rows: found.map(|found| found.totals),
                });
            }
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTALS: AuditTotals = AuditTotals {
        readings: 60,
        micrometres: 1_800_000_000,
        magic: [149, 151],
        health: [150, 150],
    };

    fn kind(duplicates: u64, found: FoundWindow) -> Option<DifferenceKind> {
        let totals = TOTALS;
        compare_window(Some(&LoggedWindow { totals, duplicates }), Some(&found))
    }

    fn found(totals: AuditTotals, covered: Option<u128>, gap: bool) -> FoundWindow {
        FoundWindow {
            totals,
            covered,
            gap,
        }
    }

    #[test]
    fn readings_decide_before_totals() {
        let with = |readings| AuditTotals { readings, ..TOTALS };
        assert_eq!(kind(0, found(TOTALS, None, false)), None);
        assert_eq!(
            kind(0, found(with(30), None, true)),
            Some(DifferenceKind::Missing { readings: 30 })
        );
        assert_eq!(
            kind(0, found(with(62), None, false)),
            Some(DifferenceKind::CountedTwice { readings: 2 })
        );
        let changed = AuditTotals {
            health: [149, 150],
            ..TOTALS
        };
        assert_eq!(
            kind(0, found(changed, None, false)),
            Some(DifferenceKind::Changed)
        );
    }

    #[test]
    fn a_gap_is_false_only_if_nothing_is_missing() {
        let is_false = |duplicates, covered| {
            kind(duplicates, found(TOTALS, covered, true)) == Some(DifferenceKind::FalseGap)
        };
        assert!(is_false(0, None));
        assert!(is_false(0, Some(60)));
        assert!(is_false(3, Some(63)));
        assert!(!is_false(3, Some(62)));
        assert!(!is_false(3, None), "a row of duplicates may be missing");
    }

    #[test]
    fn totals_between_the_bounds_do_not_differ() {
        let logged = |readings, micrometres| LoggedWindow {
            totals: AuditTotals {
                readings,
                micrometres,
                ..TOTALS
            },
            duplicates: 70 - readings,
        };
        let (least, most) = (logged(60, 600), logged(64, 900));
        let found = |readings, micrometres, magic, gap| FoundWindow {
            totals: AuditTotals {
                readings,
                micrometres,
                magic,
                ..TOTALS
            },
            covered: Some(70),
            gap,
        };
        let kind = |found| compare_bounds(Some([&least, &most]), Some(&found));
        let magic = TOTALS.magic;
        for (readings, micrometres) in [(60, 600), (61, 600), (62, 777), (63, 900), (64, 900)] {
            let found = |gap| found(readings, micrometres, magic, gap);
            assert_eq!(kind(found(false)), None, "{readings}");
            assert_eq!(kind(found(true)), Some(DifferenceKind::FalseGap));
        }
        for (readings, micrometres) in [(60, 601), (61, 599), (63, 901), (64, 899)] {
            let found = found(readings, micrometres, magic, false);
            assert_eq!(kind(found), Some(DifferenceKind::Changed), "{readings}");
        }
        let changed = found(62, 700, [149, 152], false);
        assert_eq!(kind(changed), Some(DifferenceKind::Changed));
        assert_eq!(
            kind(found(59, 590, magic, false)),
            Some(DifferenceKind::Missing { readings: 1 })
        );
        assert_eq!(
            kind(found(66, 950, magic, false)),
            Some(DifferenceKind::CountedTwice { readings: 2 })
        );
    }

    #[test]
    fn every_window_of_either_side_is_compared() {
        let window = LoggedWindow {
            totals: TOTALS,
            duplicates: 0,
        };
        let expected = ExpectedWindows::from([
            ("a".into(), BTreeMap::from([(0, window), (60, window)])),
            ("c".into(), BTreeMap::from([(0, window)])),
        ]);
        let seen = found(TOTALS, None, false);
        let rows = FoundWindows::from([
            ("a".to_owned(), BTreeMap::from([(0, seen)])),
            ("b".to_owned(), BTreeMap::from([(0, seen)])),
            ("c".to_owned(), BTreeMap::from([(0, seen), (60, seen)])),
        ]);
        let differences = compare(&expected, &rows);
        let differences: Vec<_> = differences
            .iter()
            .map(|difference| (&*difference.name, difference.start, &difference.kind))
            .collect();
        assert_eq!(
            differences,
            [
                ("a", Some(60), &DifferenceKind::NoRow),
                ("b", Some(0), &DifferenceKind::NotInLog),
                ("c", Some(60), &DifferenceKind::NotInLog),
            ]
        );
    }
}
