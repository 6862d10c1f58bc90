//! The merge rule: which of a window's rows count.
//!
//! An invocation that failed may have left rows behind, and the attempt that took its place cut
//! the log elsewhere. Two rows that do not overlap hold different records; and the run of attempts
//! that went through left rows that, side by side, hold every record. The rows to take are
//! therefore those that do not overlap and hold the most readings, repeats included: weighted
//! interval scheduling.
//!
//! A repeat counts in a row only if the run that left it had not seen the reading before. So among
//! choices that hold equally many, the one that counts the fewest is right: each reading is counted
//! at least where it stands first, and the run that went through counts none twice.

use std::cmp::Reverse;

use crate::sequence::{SequenceNumber, SequenceRange};

/// A row: the fold of one interval of one shard's log, for one key and window.
pub trait RangedRow {
    /// The interval that was folded.
    fn range(&self) -> &SequenceRange;

    /// The first record whose readings were remembered while it was folded.
    fn dedup_from(&self) -> &SequenceNumber {
        self.range().from()
    }

    /// How many readings of the key it counts.
    fn readings(&self) -> u64;

    /// How many more of them the interval holds, which were left out since they had been seen.
    fn duplicates(&self) -> u64 {
        0
    }
}

/// The rows that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Their indices, in the order of the log.
    pub rows: Vec<usize>,
    /// Whether they are known to hold every reading that any row holds. If not, no run of attempts
    /// went through from end to end, which only lost records can cause, or the rows do not tell.
    pub exact: bool,
}

/// Picks among rows of one key, window and shard those that count.
///
/// The rows may come in any order, and twice. Of choices that are equally good the widest is picked,
/// whatever their order.
pub fn select<R: RangedRow>(rows: &[R]) -> Selection {
    if rows.len() < 2 {
        return Selection {
            rows: (0..rows.len()).collect(),
            exact: true,
        };
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    // By their ends; of rows that end together the wider ones last, since the last of equals is taken.
    order.sort_by_key(|&index| {
        let row = &rows[index];
        let range = row.range();
        (
            range.to(),
            Reverse((range.from(), row.dedup_from(), row.readings())),
        )
    });

    // best[n] is the best that can be made of the first n rows of `order`; taken[n] is, if row n is in
    // what is best up to it, how many rows end before it starts.
    let mut best = vec![Coverage::default()];
    let mut taken = Vec::with_capacity(order.len());
    for (place, &index) in order.iter().enumerate() {
        let start = rows[index].range().from();
        let disjoint = order[..place].partition_point(|&i| rows[i].range().to() < start);
        let with = best[disjoint].with(&rows[index]);
        taken.push((with >= best[place]).then_some(disjoint));
        best.push(with.max(best[place]));
    }

    let mut selected = Vec::new();
    let mut place = order.len();
    while place > 0 {
        place -= 1;
        if let Some(disjoint) = taken[place] {
            selected.push(order[place]);
            place = disjoint;
        }
    }
    selected.reverse();
    let exact = rows.iter().all(|row| is_covered(row, rows, &selected));
    Selection {
        rows: selected,
        exact,
    }
}

/// What rows that do not overlap hold together. The more records the better; then the fewer readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Coverage {
    records: u128,
    readings: Reverse<u128>,
}

impl Coverage {
    fn with(self, row: &impl RangedRow) -> Self {
        let readings = u128::from(row.readings());
        Self {
            records: self.records + readings + u128::from(row.duplicates()),
            readings: Reverse(self.readings.0 + readings),
        }
    }
}

/// Whether the selected rows hold what a row holds: if it has no more than those of them that lie
/// within it, or if both its ends lie in what their runs went through.
fn is_covered<R: RangedRow>(row: &R, rows: &[R], selected: &[usize]) -> bool {
    let range = row.range();
    let selected = || selected.iter().map(|&index| &rows[index]);
    let within = selected().filter(|other| {
        let other = other.range();
        range.from() <= other.from() && other.to() <= range.to()
    });
    let records = within.fold(Coverage::default(), Coverage::with).records;
    if records == Coverage::default().with(row).records {
        return true;
    }
    let went_through = |sequence_number: &SequenceNumber| {
        selected().any(|other| {
            other.dedup_from() <= sequence_number && sequence_number <= other.range().to()
        })
    };
    went_through(range.from()) && went_through(range.to())
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
    fn the_usual_row_stands_alone() {
        assert_eq!(select::<TestRow>(&[]).rows, [0; 0]);
        assert_eq!(select(&[row(1, 9, 60)]).rows, [0]);
    }

    #[test]
    fn a_failed_attempt_gives_way_to_the_one_that_went_through() {
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
        fn holds_as_much_as_the_best_set(rows in proptest::collection::vec(any_row(), 0..9)) {
            let selected = select(&rows).rows;
            for pair in selected.windows(2) {
                prop_assert!(rows[pair[0]].0.to() < rows[pair[1]].0.from());
            }
            let held: u64 = selected.iter().map(|&i| rows[i].1).sum();
            prop_assert_eq!(held, exhaustive(&rows));
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

        /// A log of records with some readings each; one run of attempts went through, cut at
        /// `cuts`; any number of failed attempts left the folds of intervals of their own.
        #[test]
        fn whatever_failed_attempts_leave_the_log_is_held_once(
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
            let held: u64 = select(&rows).rows.iter().map(|&i| rows[i].1).sum();
            prop_assert_eq!(held, log.iter().sum::<u64>());
        }
    }
}
