//! What the merged rows of a history must be.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use windrow_core::aggregate::Merge as _;
use windrow_core::merge::{RangedRow, RowHash, select};
use windrow_core::sequence::{SequenceNumber, SequenceRange};

use crate::delivery::{
    DigitSums, EmittedRow, HistoryOutcome, WindowKey, group, groups, occurrences,
};
use crate::history::{Kind, ShardHistory};
use crate::reference::{RecordSet, Sample, TIMES, times_added};

/// What happened in the histories of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Statistics {
    pub(crate) histories: u64,
    pub(crate) rows: u64,
    pub(crate) evicting: u64,
    pub(crate) skipped: u64,
    pub(crate) mended: u64,
    pub(crate) restarted: u64,
    pub(crate) flushed: u64,
    /// Windows of one key.
    pub(crate) groups: u64,
    /// Those whose rows cover the log without gaps or overlaps.
    pub(crate) covered: u64,
    /// Those that count a reading more than once.
    pub(crate) counted_twice: u64,
    /// Those whose rows miss a record.
    pub(crate) missing: u64,
    /// Those of them whose rows prove it.
    pub(crate) proven: u64,
    /// Those where every record is in a row that arrived, but no choice of rows has them all.
    pub(crate) folded_but_missing: u64,
    /// Those that look as if a record were missing, because a row's range has a hole.
    pub(crate) misled: u64,
}

/// The rows of one window and key.
struct GroupRows<'a> {
    history: &'a ShardHistory,
    group: WindowKey,
    rows: Vec<&'a EmittedRow>,
}

impl RangedRow for &EmittedRow {
    fn range(&self) -> &SequenceRange {
        &self.row.range
    }

    fn readings(&self) -> u64 {
        self.row.readings
    }

    fn duplicates(&self) -> u64 {
        self.row.duplicates
    }

    fn hash(&self) -> RowHash {
        let mut hasher = DefaultHasher::new();
        format!("{:?}", self.row).hash(&mut hasher);
        hasher.finish().to_be_bytes()
    }
}

/// What the selected rows add up to.
struct Merged {
    readings: u64,
    with_duplicates: u64,
    aggregate: DigitSums,
    /// The selected rows' records.
    records: RecordSet,
    /// Whether each selected row's fold had folded the records of all selected rows before.
    is_one_fold: bool,
    gap: bool,
}

/// Checks every window and key of a history.
pub(crate) fn check(
    history: &ShardHistory,
    outcome: &HistoryOutcome,
    kind: Kind,
    statistics: &mut Statistics,
) -> Result<(), TestCaseError> {
    statistics.histories += 1;
    statistics.rows += outcome.rows.len() as u64;
    statistics.evicting += u64::from(outcome.has_evicted);
    statistics.skipped += outcome.steps.skipped;
    statistics.mended += outcome.steps.mended;
    statistics.restarted += outcome.steps.restarted;
    statistics.flushed += outcome.steps.flushed;
    let all = RecordSet::between(0, history.log.len());
    for group in groups(history, all) {
        let rows = outcome.rows.iter().filter(|row| row.group == group);
        let rows = GroupRows {
            history,
            rows: rows.collect(),
            group,
        };
        rows.check(outcome, kind, statistics)?;
    }
    Ok(())
}

impl GroupRows<'_> {
    fn check(
        &self,
        outcome: &HistoryOutcome,
        kind: Kind,
        statistics: &mut Statistics,
    ) -> Result<(), TestCaseError> {
        let merged = self.merge();
        let occurrences = self.occurrences(self.all());
        let total: u64 = occurrences.iter().sum();
        let distinct = occurrences.iter().filter(|count| **count > 0).count() as u64;
        let added = times_added(merged.aggregate.0.value());

        // Nothing is counted that was not sent, and no occurrence twice.
        prop_assert!(merged.with_duplicates <= total);
        prop_assert_eq!(added.iter().sum::<u64>(), merged.readings);
        for (added, occurrences) in added.iter().zip(&occurrences) {
            prop_assert!(added <= occurrences);
        }
        if merged.is_one_fold && !outcome.has_evicted {
            prop_assert!(added.iter().all(|added| *added <= 1), "{:?}", added);
        }

        let is_missing = merged.with_duplicates < total;
        let has_holes = self.rows.iter().any(|row| self.has_hole(row));
        if merged.gap && !has_holes {
            prop_assert!(is_missing, "a gap without missing records");
        }
        if merged.gap || has_holes || is_missing {
            prop_assert_eq!(
                merged.gap,
                self.lowest_total() > Some(merged.with_duplicates)
            );
        }

        let fewest = self.fewest_readings();
        prop_assert_eq!(fewest.is_none(), is_missing);
        if let Some(fewest) = fewest {
            prop_assert_eq!(merged.readings, fewest);
            for (added, occurrences) in added.iter().zip(&occurrences) {
                prop_assert_eq!(*added == 0, *occurrences == 0);
            }
        }
        if !matches!(kind, Kind::Hostile | Kind::LostRows) {
            prop_assert!(!is_missing && !merged.gap);
        }
        if kind == Kind::Whole {
            prop_assert_eq!(merged.readings, distinct);
        }
        if kind == Kind::Resets {
            prop_assert!(merged.readings <= self.counted_per_fold(&outcome.starts));
        }
        if kind == Kind::Evicting && !outcome.has_evicted {
            prop_assert_eq!(merged.readings, distinct);
        }

        statistics.groups += 1;
        statistics.covered += u64::from(!is_missing);
        statistics.missing += u64::from(is_missing);
        statistics.proven += u64::from(is_missing && merged.gap);
        statistics.misled += u64::from(!is_missing && merged.gap);
        statistics.counted_twice += u64::from(added.iter().any(|added| *added > 1));
        let is_in_a_row = self
            .rows
            .iter()
            .fold(RecordSet::default(), |set, row| set.with(row.range.folded));
        statistics.folded_but_missing +=
            u64::from(is_missing && is_in_a_row.includes(self.with_readings(self.all())));
        Ok(())
    }

    /// Merges the rows as every reader does.
    fn merge(&self) -> Merged {
        let selection = select(&self.rows);
        let mut merged = Merged {
            readings: 0,
            with_duplicates: 0,
            aggregate: DigitSums::identity(),
            records: RecordSet::default(),
            is_one_fold: true,
            gap: selection.gap,
        };
        for index in selection.rows {
            let EmittedRow { row, range, .. } = self.rows[index];
            merged.readings += row.readings;
            merged.with_duplicates += row.readings + row.duplicates;
            merged.aggregate.merge(&row.aggregate);
            merged.is_one_fold &= range.cached.includes(merged.records);
            merged.records = merged.records.with(self.with_readings(range.folded));
        }
        merged
    }

    /// The fewest readings of rows that together have each occurrence in the log once; none if no
    /// rows do. This is what the selection must find, by another way: from record to record.
    fn fewest_readings(&self) -> Option<u64> {
        let end = self.history.log.len();
        let mut fewest = vec![None; end + 1];
        fewest[0] = Some(0);
        for place in 0..end {
            let Some(so_far) = fewest[place] else {
                continue;
            };
            let mut reach = |to: usize, readings: u64| {
                let readings = so_far + readings;
                if fewest[to].is_none_or(|other| readings < other) {
                    fewest[to] = Some(readings);
                }
            };
            if self.with_readings(RecordSet::of(place)).is_empty() {
                reach(place + 1, 0);
            }
            for row in &self.rows {
                let (first, last) = (row.range.folded.first(), row.range.folded.last());
                if let Some(last) = last
                    && first == Some(place)
                    && !self.has_hole(row)
                {
                    reach(last + 1, row.row.readings);
                }
            }
        }
        fewest[end]
    }

    /// The lowest number of readings that a log can have of which these are rows; none if no log
    /// can. This is what `gap` is about, by another way: the longest path between any two places.
    fn lowest_total(&self) -> Option<u64> {
        let number = |number: &SequenceNumber| -> i64 { number.as_str().parse().unwrap() };
        let ranges = self.rows.iter().map(|row| {
            let range = &row.row.range;
            let readings = (row.row.readings + row.row.duplicates) as i64;
            (number(range.from()), number(range.to()) + 1, readings)
        });
        let ranges: Vec<(i64, i64, i64)> = ranges.collect();
        let mut places: Vec<i64> = ranges
            .iter()
            .flat_map(|(from, to, _)| [*from, *to])
            .collect();
        places.sort_unstable();
        places.dedup();
        let count = places.len();
        // At least so many readings lie between two places; none if nothing is known.
        let mut least = vec![vec![None; count]; count];
        for from in 0..count {
            least[from][from..].fill(Some(0));
        }
        let place = |number: &i64| places.binary_search(number).unwrap();
        for (from, to, readings) in &ranges {
            let (from, to) = (place(from), place(to));
            least[from][to] = least[from][to].max(Some(*readings));
            least[to][from] = least[to][from].max(Some(-readings));
        }
        for via in 0..count {
            for from in 0..count {
                for to in 0..count {
                    let path = least[from][via].zip(least[via][to]);
                    least[from][to] = least[from][to].max(path.map(|(one, two)| one + two));
                }
            }
        }
        let is_possible = (0..count).all(|place| least[place][place] == Some(0));
        let total = least
            .first()
            .and_then(|from| from.last())
            .copied()
            .flatten()?;
        is_possible.then_some(total as u64)
    }

    /// How many readings count if each of the folds that began at `starts` counts its own.
    fn counted_per_fold(&self, starts: &[usize]) -> u64 {
        let end = self.history.log.len();
        let ends = starts.iter().skip(1).copied().chain([end]);
        let folds = starts.iter().zip(ends);
        let distinct = folds.map(|(start, end)| {
            let occurrences = self.occurrences(RecordSet::between(*start, end));
            occurrences.iter().filter(|count| **count > 0).count() as u64
        });
        distinct.sum()
    }

    fn all(&self) -> RecordSet {
        RecordSet::between(0, self.history.log.len())
    }

    /// Whether the row misses readings of its range.
    fn has_hole(&self, row: &EmittedRow) -> bool {
        let missed = row.range.folded.filled().without(row.range.folded);
        !self.with_readings(missed).is_empty()
    }

    /// Those of the records that have readings of this group.
    fn with_readings(&self, records: RecordSet) -> RecordSet {
        let in_group = |sample: &Sample| group(*sample, self.history.by_event_time) == self.group;
        let places = records.places();
        places
            .filter(|place| self.history.log[*place].samples.iter().any(in_group))
            .fold(RecordSet::default(), |set, place| {
                set.with(RecordSet::of(place))
            })
    }

    fn occurrences(&self, records: RecordSet) -> [u64; TIMES] {
        occurrences(self.history, records, self.group)
    }
}
