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
//! count none twice. Of selections that are still equal, every reader takes the one whose rows have
//! the smallest hashes, compared from the end of the log backwards.

mod gap;

use std::cell::OnceCell;
use std::cmp::{Ordering, Reverse};

use crate::sequence::SequenceRange;

/// A row: the fold of one range of one shard's log, for one key and window.
pub trait RangedRow {
    /// The range that was folded.
    fn range(&self) -> &SequenceRange;

    /// The number of readings of the key that the row counts.
    fn readings(&self) -> u64;

    /// The number of further readings in the range that were left out as duplicates.
    fn duplicates(&self) -> u64 {
        0
    }

    /// The hash of the whole row. Decides between selections that are equally good.
    fn hash(&self) -> RowHash;
}

/// The first eight bytes of the SHA-256 of a row's canonical line.
pub type RowHash = [u8; 8];

/// The result of [`select`]: the rows that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Their indices, in the order of the log.
    pub rows: Vec<usize>,
    /// Whether the rows prove that records of the window are missing from those selected: whatever
    /// the log holds, it holds more than these rows cover. False is no proof of completeness.
    pub gap: bool,
}

/// Selects the rows that count from those of one key, window and shard.
///
/// The rows may come in any order and more than once; the selection does not depend on it.
pub fn select<R: RangedRow>(rows: &[R]) -> Selection {
    if rows.len() < 2 {
        return Selection {
            rows: (0..rows.len()).collect(),
            gap: false,
        };
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&index| rows[index].range().to());

    let mut choices = RowChoices::new(rows);
    // best[n] is the best choice among the first n rows of `order`.
    let mut best = vec![None];
    for (n, &index) in order.iter().enumerate() {
        let start = rows[index].range().from();
        let disjoint = order[..n].partition_point(|&i| rows[i].range().to() < start);
        let with = choices.add(index, best[disjoint]);
        let without = best[n];
        best.push(if choices.compare(with, without).is_gt() {
            with
        } else {
            without
        });
    }

    let best = best.last().copied().flatten();
    let covered = choices.coverage(best).with_duplicates;
    Selection {
        rows: choices.rows(best),
        gap: gap::is_proven(rows, covered),
    }
}

/// A set of non-overlapping rows: the number of its last row in [`RowChoices::links`]; `None` if it
/// is empty.
type Choice = Option<usize>;

/// The sets of rows to choose from. Sets share their first rows.
struct RowChoices<'a, R> {
    all: &'a [R],
    hashes: Vec<OnceCell<RowHash>>,
    links: Vec<ChoiceLink>,
}

/// The last row of a choice.
struct ChoiceLink {
    row: usize,
    before: Choice,
    /// What the whole choice covers.
    coverage: Coverage,
}

impl<'a, R: RangedRow> RowChoices<'a, R> {
    fn new(all: &'a [R]) -> Self {
        Self {
            all,
            hashes: vec![OnceCell::new(); all.len()],
            links: Vec::with_capacity(all.len()),
        }
    }

    fn coverage(&self, choice: Choice) -> Coverage {
        choice
            .map(|last| self.links[last].coverage)
            .unwrap_or_default()
    }

    /// The choice of `before` and a row after it.
    fn add(&mut self, row: usize, before: Choice) -> Choice {
        let coverage = self.coverage(before).with(&self.all[row]);
        self.links.push(ChoiceLink {
            row,
            before,
            coverage,
        });
        Some(self.links.len() - 1)
    }

    /// Compares two choices; the greater one is better.
    fn compare(&self, mut one: Choice, mut other: Choice) -> Ordering {
        let by_coverage = self.coverage(one).cmp(&self.coverage(other));
        if by_coverage.is_ne() {
            return by_coverage;
        }
        while let (Some(last), Some(other_last)) = (one, other)
            && last != other_last
        {
            let (link, other_link) = (&self.links[last], &self.links[other_last]);
            let by_hash = self.hash(other_link.row).cmp(&self.hash(link.row));
            if by_hash.is_ne() {
                return by_hash;
            }
            (one, other) = (link.before, other_link.before);
        }
        Ordering::Equal
    }

    fn hash(&self, row: usize) -> RowHash {
        *self.hashes[row].get_or_init(|| self.all[row].hash())
    }

    /// The rows of a choice, in the order of the log.
    fn rows(&self, mut choice: Choice) -> Vec<usize> {
        let mut rows = Vec::new();
        while let Some(last) = choice {
            rows.push(self.links[last].row);
            choice = self.links[last].before;
        }
        rows.reverse();
        rows
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
            with_duplicates: self.with_duplicates + covered(row),
            readings: Reverse(self.readings.0 + readings),
        }
    }
}

/// The number of readings in a row's range, duplicates included.
fn covered(row: &impl RangedRow) -> u128 {
    u128::from(row.readings()) + u128::from(row.duplicates())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct TestRow {
        range: SequenceRange,
        readings: u64,
        duplicates: u64,
        hash: u16,
    }

    impl RangedRow for TestRow {
        fn range(&self) -> &SequenceRange {
            &self.range
        }

        fn readings(&self) -> u64 {
            self.readings
        }

        fn duplicates(&self) -> u64 {
            self.duplicates
        }

        fn hash(&self) -> RowHash {
            u64::from(self.hash).to_be_bytes()
        }
    }

    fn row(from: u32, to: u32, readings: u64) -> TestRow {
        let sequence_number = |number: u32| number.to_string().parse().unwrap();
        TestRow {
            range: SequenceRange::new(sequence_number(from), sequence_number(to)).unwrap(),
            readings,
            duplicates: 0,
            hash: 0,
        }
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

    /// Of the rows with the same number of records, the second one knows that a reading came twice.
    #[test]
    fn the_fewest_readings_decide_before_hashes() {
        let known = TestRow {
            readings: 59,
            duplicates: 1,
            hash: 9,
            ..row(1, 9, 0)
        };
        assert_eq!(select(&[row(1, 9, 60), known]).rows, [1]);
    }

    #[test]
    fn the_smallest_hash_from_the_end_decides_last() {
        let hashed = |from, to, hash| TestRow {
            hash,
            ..row(from, to, u64::from(to - from + 1))
        };
        let rows = [
            hashed(1, 4, 1),
            hashed(5, 9, 5),
            hashed(1, 6, 3),
            hashed(7, 9, 4),
        ];
        assert_eq!(select(&rows).rows, [2, 3]);
        let rows = [
            hashed(1, 4, 2),
            hashed(1, 4, 1),
            hashed(5, 9, 4),
            hashed(5, 9, 4),
        ];
        assert_eq!(select(&rows).rows[0], 1);
    }

    #[test]
    fn rows_that_contradict_the_selection_prove_a_gap() {
        let gap = |rows: &[TestRow]| select(rows).gap;
        assert!(!gap(&[row(1, 9, 60)]));
        assert!(!gap(&[row(1, 5, 30), row(6, 9, 30), row(1, 9, 60)]));
        // A later attempt got further.
        assert!(!gap(&[row(1, 5, 30), row(1, 9, 60)]));
        // The range between is unknown, but could be empty.
        assert!(!gap(&[row(1, 3, 30), row(7, 9, 30)]));
        // 4 to 6 hold 20 records, which no choice has beside 1 to 3 and 7 to 9.
        assert!(gap(&[
            row(1, 3, 30),
            row(7, 9, 30),
            row(1, 7, 60),
            row(7, 7, 10)
        ]));
        assert!(gap(&[row(1, 5, 30), row(4, 9, 31), row(4, 5, 10)]));
    }

    /// The best of all sets of disjoint rows, by trying each.
    fn exhaustive(rows: &[TestRow]) -> Vec<TestRow> {
        let sets = (0..1_u32 << rows.len()).filter_map(|set| {
            let mut chosen: Vec<&TestRow> = (0..rows.len())
                .filter(|i| set & (1 << i) != 0)
                .map(|i| &rows[i])
                .collect();
            chosen.sort_by_key(|row| Reverse(row.range.to()));
            let disjoint = chosen
                .windows(2)
                .all(|pair| pair[1].range.to() < pair[0].range.from());
            disjoint.then_some(chosen)
        });
        let best = sets.max_by_key(|chosen| {
            let records: u64 = chosen.iter().map(|row| row.readings + row.duplicates).sum();
            let readings: u64 = chosen.iter().map(|row| row.readings).sum();
            let hashes: Vec<u16> = chosen.iter().map(|row| row.hash).collect();
            (records, Reverse(readings), Reverse(hashes))
        });
        best.unwrap_or_default()
            .into_iter()
            .rev()
            .cloned()
            .collect()
    }

    prop_compose! {
        /// Rows with the same hash are equal: it is a number of everything else, below a prime, times
        /// another number.
        fn any_row()(
            from in 0..20_u32, length in 0..8_u32, readings in 1..4_u64, duplicates in 0..2_u64,
        ) -> TestRow {
            let number = ((from * 8 + length) * 4 + readings as u32) * 2 + duplicates as u32;
            TestRow { duplicates, hash: (number * 97 % 1289) as u16, ..row(from, from + length, readings) }
        }
    }

    proptest! {
        #[test]
        fn selection_is_the_best(rows in proptest::collection::vec(any_row(), 0..9)) {
            let selected = select(&rows).rows;
            for pair in selected.windows(2) {
                prop_assert!(rows[pair[0]].range.to() < rows[pair[1]].range.from());
            }
            let hashes = |rows: Vec<TestRow>| -> Vec<u16> {
                rows.iter().map(|row| row.hash).collect()
            };
            let selected = selected.into_iter().map(|i| rows[i].clone()).collect();
            prop_assert_eq!(hashes(selected), hashes(exhaustive(&rows)));
        }

        #[test]
        fn order_does_not_matter(
            (rows, shuffled) in proptest::collection::vec(any_row(), 0..9)
                .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        ) {
            let pick = |rows: &[TestRow]| {
                let selection = select(rows);
                let selected = selection.rows.into_iter().map(|i| rows[i].hash).collect::<Vec<_>>();
                (selected, selection.gap)
            };
            prop_assert_eq!(pick(&rows), pick(&shuffled));
        }

        /// A log of records with some readings each. One sequence of attempts succeeded, split at
        /// `cuts`; any number of failed attempts left rows of other ranges.
        #[test]
        fn failed_attempts_do_not_change_the_total(
            log in proptest::collection::vec(0..5_u64, 1..30),
            cuts in proptest::collection::vec(0..30_usize, 0..4),
            failed in proptest::collection::vec((0..30_usize, 0..30_usize), 0..8),
        ) {
            let fold = |from: usize, to: usize| {
                let readings = log[from..=to].iter().sum();
                (readings > 0).then(|| row(from as u32, to as u32, readings))
            };
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % log.len()).collect();
            cuts.push(log.len() - 1);
            cuts.sort_unstable();
            cuts.dedup();
            let mut rows = Vec::new();
            for (from, to) in failed {
                let (from, to) = (from % log.len(), to % log.len());
                rows.extend(fold(from.min(to), from.max(to)));
            }
            let mut from = 0;
            for cut in cuts {
                rows.extend(fold(from, cut));
                from = cut + 1;
            }
            let selection = select(&rows);
            let covered: u64 = selection.rows.iter().map(|&i| rows[i].readings).sum();
            prop_assert_eq!(covered, log.iter().sum::<u64>());
            prop_assert!(!selection.gap);
        }

        /// Rows of any ranges of a log: a gap is only claimed where records are missing, and no
        /// selection covers more than the log holds.
        #[test]
        fn a_gap_is_never_claimed_without_missing_records(
            log in proptest::collection::vec(0..5_u64, 1..12),
            ranges in proptest::collection::vec((0..12_usize, 0..12_usize), 1..9),
        ) {
            let rows: Vec<TestRow> = ranges
                .into_iter()
                .filter_map(|(from, to)| {
                    let (from, to) = (from % log.len(), to % log.len());
                    let (from, to) = (from.min(to), from.max(to));
                    let readings = log[from..=to].iter().sum();
                    (readings > 0).then(|| row(from as u32, to as u32, readings))
                })
                .collect();
            let selection = select(&rows);
            let covered: u64 = selection.rows.iter().map(|&i| rows[i].readings).sum();
            let all: u64 = log.iter().sum();
            prop_assert!(covered <= all);
            prop_assert!(!selection.gap || covered < all);
        }
    }
}
