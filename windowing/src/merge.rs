//! The merge rule: which of a window's rows count.
//!
//! An invocation that failed may have left rows behind, and the attempt that took its place cut
//! the log elsewhere. Each row is the exact fold of an interval of the log, so two rows that do not
//! overlap share no reading; and the run of attempts that went through left rows that, side by
//! side, hold every reading. The rows to take are therefore those that do not overlap and hold
//! the most readings: weighted interval scheduling.

use crate::log::Interval;

/// A row: the fold of one interval of one shard's log, for one key and window.
pub trait LogRow {
    /// The interval that was folded.
    fn interval(&self) -> &Interval;

    /// How many readings of the key the interval holds.
    fn readings(&self) -> u64;
}

/// Picks among rows of one key, window and shard those that do not overlap and together hold the
/// most readings; their indices, in the order of the log.
///
/// The rows may come in any order, and twice. Where two choices hold equally many readings, the
/// one picked depends on the rows only, not on their order.
pub fn select<R: LogRow>(rows: &[R]) -> Vec<usize> {
    if rows.len() < 2 {
        return (0..rows.len()).collect();
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&index| {
        let row = &rows[index];
        (row.interval().to(), row.interval().from(), row.readings())
    });

    // best[n] is the most that the first n rows of `order` can hold, and before[n] is how many of
    // them end before row n starts.
    let mut best = vec![0_u128];
    let mut before = Vec::with_capacity(order.len());
    for (place, &index) in order.iter().enumerate() {
        let start = rows[index].interval().from();
        let disjoint = order[..place].partition_point(|&i| rows[i].interval().to() < start);
        before.push(disjoint);
        let with = best[disjoint] + u128::from(rows[index].readings());
        best.push(with.max(best[place]));
    }

    let mut selected = Vec::new();
    let mut place = order.len();
    while place > 0 {
        if best[place] == best[place - 1] {
            place -= 1;
        } else {
            selected.push(order[place - 1]);
            place = before[place - 1];
        }
    }
    selected.reverse();
    selected
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    struct Row(Interval, u64);

    impl LogRow for Row {
        fn interval(&self) -> &Interval {
            &self.0
        }

        fn readings(&self) -> u64 {
            self.1
        }
    }

    fn row(from: u32, to: u32, readings: u64) -> Row {
        let position = |number: u32| number.to_string().parse().unwrap();
        Row(
            Interval::new(position(from), position(to)).unwrap(),
            readings,
        )
    }

    #[test]
    fn the_usual_row_stands_alone() {
        assert_eq!(select::<Row>(&[]), [0; 0]);
        assert_eq!(select(&[row(1, 9, 60)]), [0]);
    }

    #[test]
    fn a_failed_attempt_gives_way_to_the_one_that_went_through() {
        assert_eq!(select(&[row(1, 5, 30), row(1, 9, 60)]), [1]);
        assert_eq!(
            select(&[row(1, 5, 30), row(6, 9, 30), row(1, 7, 40)]),
            [0, 1]
        );
        assert_eq!(
            select(&[row(8, 9, 20), row(1, 5, 30), row(1, 7, 40)]),
            [2, 0]
        );
    }

    #[test]
    fn the_same_row_twice_counts_once() {
        assert_eq!(select(&[row(1, 9, 60), row(1, 9, 60)]).len(), 1);
    }

    /// The most readings in any set of disjoint rows, by trying all sets.
    fn exhaustive(rows: &[Row]) -> u64 {
        (0..1_u32 << rows.len())
            .filter_map(|set| {
                let chosen: Vec<&Row> = (0..rows.len())
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
        fn any_row()(from in 0..30_u32, length in 0..12_u32, readings in 1..20_u64) -> Row {
            row(from, from + length, readings)
        }
    }

    proptest! {
        #[test]
        fn holds_as_much_as_the_best_set(rows in proptest::collection::vec(any_row(), 0..9)) {
            let selected = select(&rows);
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
            let pick = |rows: &[Row]| -> Vec<(Interval, u64)> {
                select(rows).into_iter().map(|i| (rows[i].0.clone(), rows[i].1)).collect()
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
            let held: u64 = select(&rows).iter().map(|&i| rows[i].1).sum();
            prop_assert_eq!(held, log.iter().sum::<u64>());
        }
    }
}
