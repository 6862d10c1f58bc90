//! The set of times of an accumulator, complete and exact.

use std::collections::BTreeSet;

/// The times of an accumulator, in milliseconds and nanoseconds after the start of its window.
#[derive(Clone, Debug, Default)]
pub(super) struct BatchTimes {
    /// The whole milliseconds that arrived in order.
    in_order: Vec<u32>,
    /// The others; mostly there are none.
    others: Option<Box<OtherTimes>>,
}

/// The times that did not arrive in order, or are not whole milliseconds.
#[derive(Clone, Debug, Default)]
struct OtherTimes {
    /// Distinct times, as milliseconds and nanoseconds.
    times: BTreeSet<(u64, u32)>,
    /// The number of duplicates, of times in order as well.
    duplicates: u64,
}

/// The maximum initial capacity.
const MAX_INITIAL_CAPACITY: usize = 256;

impl BatchTimes {
    /// No times yet, with capacity for as many as `other` has.
    pub(super) fn like(other: Option<&Self>) -> Self {
        let expected = other.map_or(0, |other| other.in_order.len());
        Self {
            in_order: Vec::with_capacity(expected.min(MAX_INITIAL_CAPACITY)),
            others: None,
        }
    }

    /// Inserts a time. Returns false if it is a duplicate.
    pub(super) fn insert(&mut self, millis: u64, nanos: u32) -> bool {
        let whole = match nanos {
            0 => u32::try_from(millis).ok(),
            _ => None,
        };
        if let Some(whole) = whole
            && self.in_order.last().is_none_or(|last| *last < whole)
        {
            self.in_order.push(whole);
            return true;
        }
        let is_in_order = whole.is_some_and(|whole| self.in_order.binary_search(&whole).is_ok());
        let others = self.others.get_or_insert_default();
        let is_new = !is_in_order && others.times.insert((millis, nanos));
        others.duplicates += u64::from(!is_new);
        is_new
    }

    /// The number of distinct times, and the number of duplicates.
    pub(super) fn counts(&self) -> (u64, u64) {
        let in_order = self.in_order.len() as u64;
        self.others.as_ref().map_or((in_order, 0), |others| {
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
        let mut times = BatchTimes::default();
        for second in 0..60 {
            assert!(times.insert(second * 1000, 0));
        }
        assert!(times.others.is_none());
        assert_eq!(BatchTimes::like(Some(&times)).in_order.capacity(), 60);
        assert!(times.in_order.capacity() < 120);
    }

    #[test]
    fn the_initial_capacity_is_limited() {
        let mut times = BatchTimes::default();
        for milli in 0..60_000 {
            times.insert(milli, 0);
        }
        let next = BatchTimes::like(Some(&times));
        assert_eq!(next.in_order.capacity(), MAX_INITIAL_CAPACITY);
    }

    proptest! {
        #[test]
        fn times_are_a_set(
            mut inserted in prop::collection::vec(
                (
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
            let mut times = BatchTimes::default();
            let mut set = HashSet::new();
            let mut duplicates = 0;
            for (millis, nanos) in inserted {
                let is_new = set.insert((millis, nanos));
                prop_assert_eq!(times.insert(millis, nanos), is_new);
                duplicates += u64::from(!is_new);
            }
            prop_assert_eq!(times.counts(), (set.len() as u64, duplicates));
        }
    }
}
