//! The merge rule: which of a window's rows count.
//!
//! A failed invocation may have left rows behind, and its retry may have split the log at other
//! records. Rows that do not overlap cover different records, and the attempts that succeeded left
//! adjacent rows that together cover every record. The rows that count are therefore the
//! non-overlapping ones that cover the most readings, duplicates included: weighted interval
//! scheduling.
//!
//! A row counts a duplicate as a reading only if its dedup cache did not hold the first one. So
//! among selections that cover equally many, the one with the fewest readings is right: every
//! selection counts each reading at least at its first occurrence, and the attempts that succeeded
//! count none twice.

use std::cmp::Reverse;

use crate::sequence::{SequenceNumber, SequenceRange};

/// A row: the fold of one range of one shard's log, for one key and window.
pub trait RangedRow {
    /// The range that was folded.
    fn range(&self) -> &SequenceRange;

    /// The first record whose readings were in the dedup cache.
    fn dedup_from(&self) -> &SequenceNumber {
        self.range().from()
    }

    /// The number of readings of the key that the row counts.
    fn readings(&self) -> u64;

    /// The number of further readings in the range that were left out as duplicates.
    fn duplicates(&self) -> u64 {
        0
    }
}

/// The result of [`select`]: the rows that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Their indices, in the order of the log.
    pub rows: Vec<usize>,
    /// Whether these rows are known to cover every reading that any of the rows covers. If false,
    /// either no sequence of attempts covers the log from end to end, which only lost records can
    /// cause, or the rows do not show it.
    pub exact: bool,
}

/// Selects the rows that count from those of one key, window and shard.
///
/// The rows may come in any order and more than once. Among equally good selections the widest one
/// is taken, independent of the order.
pub fn select<R: RangedRow>(rows: &[R]) -> Selection {
    if rows.len() < 2 {
        return Selection {
            rows: (0..rows.len()).collect(),
            exact: true,
        };
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    // By end. Among rows with the same end the wider ones come last, since the last of equals wins.
    order.sort_by_key(|&index| {
        let row = &rows[index];
        let range = row.range();
        (
            range.to(),
            Reverse((range.from(), row.dedup_from(), row.readings())),
        )
    });

    // best[n] is the best coverage of the first n rows of `order`. taken[n] is set if row n is part
    // of best[n + 1]: it is the number of rows that end before row n starts.
    let mut best = vec![Coverage::default()];
    let mut taken = Vec::with_capacity(order.len());
    for (n, &index) in order.iter().enumerate() {
        let start = rows[index].range().from();
        let disjoint = order[..n].partition_point(|&i| rows[i].range().to() < start);
        let with = best[disjoint].with(&rows[index]);
        taken.push((with >= best[n]).then_some(disjoint));
        best.push(with.max(best[n]));
    }

    let mut selected = Vec::new();
    let mut n = order.len();
    while n > 0 {
        n -= 1;
        if let Some(disjoint) = taken[n] {
            selected.push(order[n]);
            n = disjoint;
        }
    }
    selected.reverse();
    let exact = rows.iter().all(|row| is_covered(row, rows, &selected));
    Selection {
        rows: selected,
        exact,
    }
}

/// What non-overlapping rows cover together. Greater is better: more readings including duplicates,
/// then fewer distinct ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Coverage {
    with_duplicates: u128,
    readings: Reverse<u128>,
}

impl Coverage {
    fn with(self, row: &impl RangedRow) -> Self {
        let readings = u128::from(row.readings());
        Self {
            with_duplicates: self.with_duplicates + readings + u128::from(row.duplicates()),
            readings: Reverse(self.readings.0 + readings),
        }
    }
}

/// Whether the selected rows are known to cover a row: either the selected rows within its range
/// cover as much as it does, or both its ends are in what the selected rows and their dedup caches
/// cover.
fn is_covered<R: RangedRow>(row: &R, rows: &[R], selected: &[usize]) -> bool {
    let range = row.range();
    let selected = || selected.iter().map(|&index| &rows[index]);
    let within = selected().filter(|other| {
        let other = other.range();
        range.from() <= other.from() && other.to() <= range.to()
    });
    let covered = within.fold(Coverage::default(), Coverage::with);
    if covered.with_duplicates == Coverage::default().with(row).with_duplicates {
        return true;
    }
    let is_known = |sequence_number: &SequenceNumber| {
        selected().any(|other| {
            other.dedup_from() <= sequence_number && sequence_number <= other.range().to()
        })
    };
    is_known(range.from()) && is_known(range.to())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    struct TestRow(SequenceRange, u64);

    impl RangedRow for TestRow {
        fn range(&self) -> &SequenceRange {
            &self.0
        }

        fn readings(&self) -> u64 {
            self.1
        }
    }

    fn row(from: u32, to: u32, readings: u64) -> TestRow {
        let sequence_number = |number: u32| number.to_string().parse().unwrap();
        TestRow(
            SequenceRange::new(sequence_number(from), sequence_number(to)).unwrap(),
            readings,
        )
    }

    #[test]
    fn a_single_row_is_selected() {
        assert_eq!(select::<TestRow>(&[]).rows, [0; 0]);
        assert_eq!(select(&[row(1, 9, 60)]).rows, [0]);
    }

    #[test]
    fn rows_of_failed_attempts_are_left_out() {
        assert_eq!(select(&[row(1, 5, 30), row(1, 9, 60)]).rows, [1]);
        assert_eq!(
            select(&[row(1, 5, 30), row(6, 9, 30), row(1, 7, 40)]).rows,
            [0, 1]
        );
        assert_eq!(
            select(&[row(8, 9, 20), row(1, 5, 30), row(1, 7, 40)]).rows,
            [2, 0]
        );
    }

    #[test]
    fn the_same_row_twice_counts_once() {
        assert_eq!(select(&[row(1, 9, 60), row(1, 9, 60)]).rows.len(), 1);
    }

    /// The most readings in any set of disjoint rows, by trying all sets.
    fn exhaustive(rows: &[TestRow]) -> u64 {
        (0..1_u32 << rows.len())
            .filter_map(|set| {
                let chosen: Vec<&TestRow> = (0..rows.len())
                    .filter(|i| set & (1 << i) != 0)
                    .map(|i| &rows[i])
                    .collect();
                let disjoint = chosen
                    .iter()
                    .enumerate()
                    .all(|(n, a)| chosen[n + 1..].iter().all(|b| !a.0.overlaps(&b.0)));
                disjoint.then(|| chosen.iter().map(|row| row.1).sum())
            })
            .max()
            .unwrap_or(0)
    }

    prop_compose! {
        fn any_row()(from in 0..30_u32, length in 0..12_u32, readings in 1..20_u64) -> TestRow {
            row(from, from + length, readings)
        }
    }

    proptest! {
        #[test]
        fn selection_is_optimal(rows in proptest::collection::vec(any_row(), 0..9)) {
            let selected = select(&rows).rows;
            for pair in selected.windows(2) {
                prop_assert!(rows[pair[0]].0.to() < rows[pair[1]].0.from());
            }
            let covered: u64 = selected.iter().map(|&i| rows[i].1).sum();
            prop_assert_eq!(covered, exhaustive(&rows));
        }

        #[test]
        fn order_does_not_matter(
            (rows, shuffled) in proptest::collection::vec(any_row(), 0..9)
                .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        ) {
            let pick = |rows: &[TestRow]| -> Vec<(SequenceRange, u64)> {
                select(rows).rows.into_iter().map(|i| (rows[i].0.clone(), rows[i].1)).collect()
            };
            prop_assert_eq!(pick(&rows), pick(&shuffled));
        }

        /// A log of records with some readings each. One sequence of attempts succeeded, split at
        /// `cuts`; any number of failed attempts left rows of other ranges.
        #[test]
        fn failed_attempts_do_not_change_the_total(
            log in proptest::collection::vec(1..5_u64, 1..30),
            cuts in proptest::collection::vec(0..30_usize, 0..4),
            failed in proptest::collection::vec((0..30_usize, 0..30_usize), 0..8),
        ) {
            let fold = |from: usize, to: usize| {
                row(from as u32, to as u32, log[from..=to].iter().sum())
            };
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % log.len()).collect();
            cuts.push(log.len() - 1);
            cuts.sort_unstable();
            cuts.dedup();
            let mut rows = Vec::new();
            for (from, to) in failed {
                let (from, to) = (from % log.len(), to % log.len());
                rows.push(fold(from.min(to), from.max(to)));
            }
            let mut from = 0;
            for cut in cuts {
                rows.push(fold(from, cut));
                from = cut + 1;
            }
            let covered: u64 = select(&rows).rows.iter().map(|&i| rows[i].1).sum();
            prop_assert_eq!(covered, log.iter().sum::<u64>());
        }
    }
}
