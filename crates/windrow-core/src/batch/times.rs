//! The sets of times of many accumulators, complete and exact.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use thin_vec::ThinVec;

/// The times of an accumulator, in milliseconds and nanoseconds after the start of its window: the
/// whole milliseconds that arrived in order.
///
/// These are 16 bytes, and a single time needs no allocation. With 100,000 keys, which have one or
/// two readings per window, a `Vec` takes a quarter more of the whole job.
#[derive(Clone, Debug, Default)]
pub(super) struct TimesInOrder {
    latest: Option<u32>,
    earlier: ThinVec<u32>,
}

/// The times of accumulators that did not arrive in order, or are not whole milliseconds. Usually
/// there are none.
#[derive(Clone, Debug, Default)]
pub(super) struct OtherTimes(HashMap<usize, OtherTimesOfOne, RandomState>);

#[derive(Clone, Debug, Default)]
struct OtherTimesOfOne {
    /// Distinct times, as milliseconds and nanoseconds.
    times: BTreeSet<(u64, u32)>,
    /// The number of duplicates, of times in order as well.
    duplicates: u64,
}

/// The maximum initial capacity.
const MAX_INITIAL_CAPACITY: usize = 256;

impl TimesInOrder {
    /// No times yet, with capacity for as many as `other` has.
    pub(super) fn like(other: Option<&Self>) -> Self {
        let expected = other.map_or(0, |other| other.earlier.len());
        Self {
            latest: None,
            earlier: ThinVec::with_capacity(expected.min(MAX_INITIAL_CAPACITY)),
        }
    }

    /// Inserts a time of the accumulator `index`, whose other times are in `others`. Returns false
    /// if it is a duplicate.
    pub(super) fn insert(
        &mut self,
        millis: u64,
        nanos: u32,
        index: usize,
        others: &mut OtherTimes,
    ) -> bool {
        let whole = match nanos {
            0 => u32::try_from(millis).ok(),
            _ => None,
        };
        if let Some(whole) = whole
            && self.latest.is_none_or(|latest| latest < whole)
        {
            if let Some(earlier) = self.latest.replace(whole) {
                self.earlier.push(earlier);
            }
            return true;
        }
        let is_in_order = whole.is_some_and(|whole| {
            self.latest == Some(whole) || self.earlier.binary_search(&whole).is_ok()
        });
        let others = others.0.entry(index).or_default();
        let is_new = !is_in_order && others.times.insert((millis, nanos));
        others.duplicates += u64::from(!is_new);
        is_new
    }

    /// The number of distinct times of the accumulator `index`, and the number of duplicates.
    pub(super) fn counts(&self, index: usize, others: &OtherTimes) -> (u64, u64) {
        let in_order = self.earlier.len() as u64 + u64::from(self.latest.is_some());
        let others = if others.0.is_empty() {
            None
        } else {
            others.0.get(&index)
        };
        others.map_or((in_order, 0), |others| {
            (in_order + others.times.len() as u64, others.duplicates)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_in_order_take_four_bytes_each() {
        let (mut times, mut others) = (TimesInOrder::default(), OtherTimes::default());
        assert!(times.insert(0, 0, 0, &mut others));
        assert_eq!((size_of_val(&times), times.earlier.capacity()), (16, 0));
        for second in 1..60 {
            assert!(times.insert(second * 1000, 0, 0, &mut others));
        }
        assert!(others.0.is_empty());
        assert_eq!(TimesInOrder::like(Some(&times)).earlier.capacity(), 59);
        assert!(times.earlier.capacity() < 120);
    }

    #[test]
    fn the_initial_capacity_is_limited() {
        let (mut times, mut others) = (TimesInOrder::default(), OtherTimes::default());
        for milli in 0..60_000 {
            times.insert(milli, 0, 0, &mut others);
        }
        let next = TimesInOrder::like(Some(&times));
        assert_eq!(next.earlier.capacity(), MAX_INITIAL_CAPACITY);
    }

    proptest! {
        #[test]
        fn times_are_a_set_per_accumulator(
            mut inserted in prop::collection::vec(
                (
                    0..3_usize,
                    prop_oneof![
                        8 => 0..40_u64,
                        1 => any::<u64>(),
                        1 => (0..3_u64).prop_map(|above| u64::from(u32::MAX) + above),
                    ],
                    prop_oneof![4 => Just(0), 1 => 0..3_u32],
                ),
                0..300,
            ),
            in_order: bool,
        ) {
            if in_order {
                inserted.sort_unstable();
            }
            let mut times = vec![TimesInOrder::default(); 3];
            let mut others = OtherTimes::default();
            let mut sets = vec![HashSet::new(); 3];
            let mut duplicates = [0; 3];
            for (index, millis, nanos) in inserted {
                let is_new = sets[index].insert((millis, nanos));
                prop_assert_eq!(times[index].insert(millis, nanos, index, &mut others), is_new);
                duplicates[index] += u64::from(!is_new);
            }
            for index in 0..3 {
                let expected = (sets[index].len() as u64, duplicates[index]);
                prop_assert_eq!(times[index].counts(index, &others), expected);
            }
        }
    }
}
