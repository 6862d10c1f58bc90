//! Compares what the log says with what the rows say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use windrow_connect::terminal::counted;
use windrow_core::schema::{MeasureColumn, Schema};

use crate::expected::{ExpectedWindows, LoggedWindow};
use crate::measures::{AuditMeasure, AuditTotals};
use crate::merge::{FoundWindow, FoundWindows};

/// A window of one key in which the rows do not say what the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The text of the key.
    pub key: String,
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
    /// The rows have as many readings as the log, but other measures.
    Changed {
        /// The columns that differ.
        columns: Vec<ChangedColumn>,
    },
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

/// A column in which the rows do not say what the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedColumn {
    /// Its name.
    pub name: String,
    /// What the log says.
    pub log: String,
    /// What the rows say.
    pub rows: String,
}

impl DifferenceKind {
    /// A name for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoRow => "NoRow",
            Self::NotInLog => "NotInLog",
            Self::Missing { .. } => "Missing",
            Self::CountedTwice { .. } => "CountedTwice",
            Self::Changed { .. } => "Changed",
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
            Self::Changed { columns } => {
                formatter.write_str("rows changed")?;
                let mut before = ": ";
                for ChangedColumn { name, log, rows } in columns {
                    write!(formatter, "{before}{name} is {rows} instead of {log}")?;
                    before = ", ";
                }
                Ok(())
            }
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

/// Compares one key's window; `None` if there is no difference.
pub fn compare_window(
    schema: &Schema,
    log: Option<&LoggedWindow>,
    found: Option<&FoundWindow>,
) -> Option<DifferenceKind> {
    compare_bounds(schema, log.map(|log| [log, log]), found)
}

/// Compares one key's window with the least and the most that the rows may say; `None` if they are
/// between the two. The two differ only in which duplicates count
/// ([`LogFold::with_held`](crate::expected::LogFold::with_held)).
fn compare_bounds(
    schema: &Schema,
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
    let columns = match (least.totals.readings, most.totals.readings) {
        (readings, _) if readings == seen => changed(schema, &least.totals, &found.totals),
        (_, readings) if readings == seen => changed(schema, &most.totals, &found.totals),
        _ => changed_beyond(schema, least, most, &found.totals),
    };
    if !columns.is_empty() {
        return Some(DifferenceKind::Changed { columns });
    }
    // Rows may leave out duplicates; then the claim is true, though no total depends on it.
    let in_log = u128::from(least.totals.readings) + u128::from(least.duplicates);
    let covers_all = match found.covered {
        Some(covered) => covered >= in_log,
        None => least.duplicates == 0,
    };
    (found.gap && covers_all).then_some(DifferenceKind::FalseGap)
}

/// The columns in which readers see something else than the log says.
fn changed(schema: &Schema, log: &AuditTotals, rows: &AuditTotals) -> Vec<ChangedColumn> {
    let measures = log.measures.iter().zip(&rows.measures);
    let columns = schema.measures().iter().zip(measures);
    let columns = columns.filter(|(_, (log, rows))| !log.agrees(rows));
    columns
        .map(|(column, (log, rows))| ChangedColumn::new(column, log, rows))
        .collect()
}

/// The columns that cannot come from the readings of `least` and some duplicates that only `most`
/// counts.
fn changed_beyond(
    schema: &Schema,
    least: &LoggedWindow,
    most: &LoggedWindow,
    rows: &AuditTotals,
) -> Vec<ChangedColumn> {
    let measures = least.totals.measures.iter().zip(&rows.measures);
    let columns = schema.measures().iter().zip(measures);
    let again = most.again.iter().copied().chain(std::iter::repeat([0; 2]));
    let columns = columns.zip(again);
    let columns = columns.filter(|((_, (log, rows)), again)| !may_be(rows, log, *again));
    columns
        .map(|((column, (log, rows)), _)| ChangedColumn::new(column, log, rows))
        .collect()
}

/// Whether a measure may come from the readings of `least` and some duplicates, whose numbers have
/// these sums below and above zero. A duplicate says the same as its reading, so it changes no
/// extreme and no first value; but it may come last.
fn may_be(found: &AuditMeasure, least: &AuditMeasure, [below, above]: [i128; 2]) -> bool {
    let is_between = |found: i128, least: i128| {
        let lowest = least.saturating_add(below);
        (lowest..=least.saturating_add(above)).contains(&found)
    };
    match (found, least) {
        (AuditMeasure::Sum(found), AuditMeasure::Sum(least)) => is_between(*found, *least),
        (
            AuditMeasure::Average { sum: found, count },
            AuditMeasure::Average {
                sum: least,
                count: at_least,
            },
        ) => is_between(*found, *least) && count >= at_least,
        (AuditMeasure::Last(_), AuditMeasure::Last(_)) => true,
        _ => found.agrees(least),
    }
}

impl ChangedColumn {
    fn new(column: &MeasureColumn, log: &AuditMeasure, rows: &AuditMeasure) -> Self {
        Self {
            name: column.name.clone(),
            log: log.describe(column),
            rows: rows.describe(column),
        }
    }
}

/// Compares all windows. The differences are ordered by key and window.
pub fn compare(
    schema: &Schema,
    expected: &ExpectedWindows,
    found: &FoundWindows,
) -> Vec<Difference> {
    compare_between(schema, expected, expected, found)
}

/// Compares all windows where a dedup cache may have evicted readings: the rows must be between two
/// folds of one log, of a cache that holds all readings and of one that
/// [holds fewer](crate::expected::LogFold::with_held). The differences say what the first has, and
/// are ordered by key and window.
pub fn compare_between(
    schema: &Schema,
    least: &ExpectedWindows,
    most: &ExpectedWindows,
    found: &FoundWindows,
) -> Vec<Difference> {
    let keys = least.keys().map(|key| &**key);
    let keys: BTreeSet<&str> = keys.chain(found.keys().map(String::as_str)).collect();
    let mut differences = Vec::new();
    for key in keys {
        let (logged, most, found) = (least.get(key), most.get(key), found.get(key));
        let starts = logged.into_iter().flat_map(BTreeMap::keys);
        let starts = starts.chain(found.into_iter().flat_map(BTreeMap::keys));
        for start in starts.copied().collect::<BTreeSet<i64>>() {
            let log = logged.and_then(|windows| windows.get(&start));
            let most = most.and_then(|windows| windows.get(&start));
            let found = found.and_then(|windows| windows.get(&start));
            let bounds = log.map(|log| [log, most.unwrap_or(log)]);
            if let Some(kind) = compare_bounds(schema, bounds, found) {
                differences.push(Difference {
                    key: key.to_owned(),
                    start: Some(start),
                    kind,
                    log: log.map(|log| log.totals.clone()),
                    rows: found.map(|found| found.totals.clone()),
                });
            }
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use unicorn::row::schema;
    use windrow_core::decimal::Decimal;
    use windrow_core::value::Value;

    use super::*;

    /// Sixty readings.
    fn totals() -> AuditTotals {
        with(60, 1_800_000_000, [149, 151])
    }

    fn with(readings: u64, micrometres: i128, magic: [i128; 2]) -> AuditTotals {
        let points = |unscaled: i128| Value::Number(Decimal { unscaled, scale: 0 });
        AuditTotals {
            readings,
            measures: vec![
                AuditMeasure::Sum(micrometres),
                AuditMeasure::Lowest(points(magic[0])),
                AuditMeasure::Highest(points(magic[1])),
                AuditMeasure::Lowest(points(150)),
                AuditMeasure::Highest(points(150)),
            ],
        }
    }

    fn logged(totals: AuditTotals, duplicates: u64) -> LoggedWindow {
        LoggedWindow {
            length: 60_000,
            totals,
            duplicates,
            ..LoggedWindow::default()
        }
    }

    fn kind(duplicates: u64, found: FoundWindow) -> Option<DifferenceKind> {
        compare_window(schema(), Some(&logged(totals(), duplicates)), Some(&found))
    }

    fn found(totals: AuditTotals, covered: Option<u128>, gap: bool) -> FoundWindow {
        FoundWindow {
            totals,
            covered,
            gap,
        }
    }

    #[test]
    fn readings_decide_before_measures() {
        let with_readings = |readings| AuditTotals {
            readings,
            ..totals()
        };
        assert_eq!(kind(0, found(totals(), None, false)), None);
        assert_eq!(
            kind(0, found(with_readings(30), None, true)),
            Some(DifferenceKind::Missing { readings: 30 })
        );
        assert_eq!(
            kind(0, found(with_readings(62), None, false)),
            Some(DifferenceKind::CountedTwice { readings: 2 })
        );
        let changed = with(60, 1_800_000_001, [149, 152]);
        assert_eq!(
            kind(0, found(changed, None, false)).unwrap().to_string(),
            "rows changed: Distance is 1800.000001 instead of 1800, \
             MaxMagicPoints is 152 instead of 151"
        );
    }

    #[test]
    fn a_gap_is_false_only_if_nothing_is_missing() {
        let is_false = |duplicates, covered| {
            kind(duplicates, found(totals(), covered, true)) == Some(DifferenceKind::FalseGap)
        };
        assert!(is_false(0, None));
        assert!(is_false(0, Some(60)));
        assert!(is_false(3, Some(63)));
        assert!(!is_false(3, Some(62)));
        assert!(!is_false(3, None), "a row of duplicates may be missing");
    }

    #[test]
    fn measures_between_the_bounds_do_not_differ() {
        const MAGIC: [i128; 2] = [149, 151];
        let least = logged(with(60, 600, MAGIC), 10);
        let most = LoggedWindow {
            again: vec![[0, 300], [0; 2], [0; 2], [0; 2], [0; 2]],
            ..logged(with(64, 900, MAGIC), 6)
        };
        let found = |readings, micrometres, magic, gap| {
            found(with(readings, micrometres, magic), Some(70), gap)
        };
        let kind = |found| compare_bounds(schema(), Some([&least, &most]), Some(&found));
        let is_changed = |found| matches!(kind(found), Some(DifferenceKind::Changed { .. }));
        for (readings, micrometres) in [(60, 600), (61, 600), (62, 777), (63, 900), (64, 900)] {
            let found = |gap| found(readings, micrometres, MAGIC, gap);
            assert_eq!(kind(found(false)), None, "{readings}");
            assert_eq!(kind(found(true)), Some(DifferenceKind::FalseGap));
        }
        for (readings, micrometres) in [(60, 601), (61, 599), (63, 901), (64, 899)] {
            assert!(
                is_changed(found(readings, micrometres, MAGIC, false)),
                "{readings}"
            );
        }
        assert!(is_changed(found(62, 700, [149, 152], false)));
        assert_eq!(
            kind(found(59, 590, MAGIC, false)),
            Some(DifferenceKind::Missing { readings: 1 })
        );
        assert_eq!(
            kind(found(66, 950, MAGIC, false)),
            Some(DifferenceKind::CountedTwice { readings: 2 })
        );
    }

    #[test]
    fn numbers_of_duplicates_may_be_below_zero() {
        let average = |sum, count| AuditMeasure::Average { sum, count };
        let may_be = |found, count| may_be(&average(found, count), &average(10, 4), [-7, 2]);
        for sum in [3, 10, 12] {
            assert!(may_be(sum, 5), "{sum}");
        }
        assert!(!may_be(2, 5) && !may_be(13, 5));
        assert!(!may_be(10, 3), "fewer values than distinct readings have");
    }

    #[test]
    fn every_window_of_either_side_is_compared() {
        let window = || logged(totals(), 0);
        let expected = ExpectedWindows::from([
            ("a".into(), BTreeMap::from([(0, window()), (60, window())])),
            ("c".into(), BTreeMap::from([(0, window())])),
        ]);
        let seen = || found(totals(), None, false);
        let rows = FoundWindows::from([
            ("a".to_owned(), BTreeMap::from([(0, seen())])),
            ("b".to_owned(), BTreeMap::from([(0, seen())])),
            ("c".to_owned(), BTreeMap::from([(0, seen()), (60, seen())])),
        ]);
        let differences = compare(schema(), &expected, &rows);
        let differences: Vec<_> = differences
            .iter()
            .map(|difference| (&*difference.key, difference.start, &difference.kind))
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
