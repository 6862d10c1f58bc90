//! The set of times of each of many accumulators, complete and exact.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use foldhash::fast::RandomState;

/// The times of many accumulators, in milliseconds and nanoseconds after the start of the window.
///
/// Whole milliseconds that arrive in order are all in one list, in which each accumulator has a
/// stretch. With a list per accumulator, recomputing an archive takes 3 % longer on one thread and
/// 5 % longer on two, since glibc grows the heap of a second thread by one page at a time.
#[derive(Clone, Debug)]
pub(super) struct BatchTimes {
    list: Vec<u32>,
    /// The maximum length of the list.
    longest: u32,
    /// Whether the list once needed to be longer than that.
    is_full: bool,
    /// The starts of abandoned stretches, by capacity.
    free: BTreeMap<u32, Vec<u32>>,
    /// The times that did not arrive in order, by accumulator; mostly there are none.
    others: HashMap<usize, Others, RandomState>,
}

/// An accumulator's times that arrived in order: 16 bytes, and 4 in the list for each time except
/// the latest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stretch {
    /// The number of times.
    len: u32,
    /// The latest time, if there is one.
    last: u32,
    /// Where in the list the earlier times begin, ascending.
    start: u32,
    /// How many times the list has capacity for there.
    capacity: u32,
}

/// An accumulator's other times.
#[derive(Clone, Debug, Default)]
struct Others {
    /// Distinct times, as milliseconds and nanoseconds.
    times: BTreeSet<(u64, u32)>,
    /// The number of duplicates, of times in order as well.
    duplicates: u64,
}

/// The maximum capacity of a stretch that has no times yet.
const MAX_INITIAL_CAPACITY: u32 = 256;

/// The minimum capacity of a stretch that grows.
const MIN_CAPACITY: u32 = 4;

impl BatchTimes {
    /// No times yet.
    pub(super) fn new() -> Self {
        // One less than the maximum, since a stretch has one more time than it has in the list.
        Self::with_longest(u32::MAX - 1)
    }

    fn with_longest(longest: u32) -> Self {
        Self {
            list: Vec::new(),
            longest,
            is_full: false,
            free: BTreeMap::new(),
            others: HashMap::default(),
        }
    }

    /// An empty stretch with capacity for as many times as another one has.
    pub(super) fn stretch_like(&mut self, other: Option<Stretch>) -> Stretch {
        let mut stretch = Stretch::default();
        let expected = other.map_or(0, |other| other.len.saturating_sub(1));
        if expected > 0 {
            self.enlarge(&mut stretch, expected.min(MAX_INITIAL_CAPACITY));
        }
        stretch
    }

    /// Inserts a time of an accumulator, given its stretch. Returns false if it is a duplicate.
    pub(super) fn insert(
        &mut self,
        accumulator: usize,
        stretch: &mut Stretch,
        millis: u64,
        nanos: u32,
    ) -> bool {
        let whole = match nanos {
            0 => u32::try_from(millis).ok(),
            _ => None,
        };
        if let Some(whole) = whole
            && (stretch.len == 0 || (whole > stretch.last && self.keep_last(stretch)))
        {
            stretch.last = whole;
            stretch.len += 1;
            return true;
        }
        let in_order = whole.is_some_and(|whole| self.has(*stretch, whole));
        let others = self.others.entry(accumulator).or_default();
        let is_new = !in_order && others.times.insert((millis, nanos));
        others.duplicates += u64::from(!is_new);
        is_new
    }

    /// The number of distinct times of an accumulator, and the number of duplicates.
    pub(super) fn counts(&self, accumulator: usize, stretch: Stretch) -> (u64, u64) {
        let others = if self.others.is_empty() {
            None
        } else {
            self.others.get(&accumulator)
        };
        let in_order = u64::from(stretch.len);
        others.map_or((in_order, 0), |others| {
            (in_order + others.times.len() as u64, others.duplicates)
        })
    }

    fn has(&self, stretch: Stretch, whole: u32) -> bool {
        let earlier = &self.list[range(stretch.start, stretch.len.saturating_sub(1))];
        stretch.len > 0 && (stretch.last == whole || earlier.binary_search(&whole).is_ok())
    }

    /// Appends the latest time to the list, so that a later one can replace it. Returns false if
    /// the list is full.
    fn keep_last(&mut self, stretch: &mut Stretch) -> bool {
        let earlier = stretch.len - 1;
        if earlier == stretch.capacity {
            let capacity = stretch.capacity.saturating_mul(2).max(MIN_CAPACITY);
            if !self.enlarge(stretch, capacity) {
                return false;
            }
        }
        self.list[(stretch.start + earlier) as usize] = stretch.last;
        true
    }

    /// Moves a stretch to where there is at least `capacity`: a free stretch, or the end of the
    /// list.
    ///
    /// Returns false once the list would become too long, and from then on for all stretches: a
    /// time that did not fit is among [`Others`], and would count twice if it fitted the next time.
    fn enlarge(&mut self, stretch: &mut Stretch, capacity: u32) -> bool {
        if self.is_full {
            return false;
        }
        let old = range(stretch.start, stretch.capacity);
        let is_last = old.end == self.list.len();
        if !is_last && let Some((start, capacity)) = self.take_free(capacity) {
            self.list.copy_within(old, start as usize);
            self.abandon(*stretch);
            (stretch.start, stretch.capacity) = (start, capacity);
            return true;
        }
        // The length of the list always fits a u32.
        let start = if is_last {
            stretch.start
        } else {
            self.list.len() as u32
        };
        let end = start.checked_add(capacity);
        let Some(end) = end.filter(|end| *end <= self.longest) else {
            self.is_full = true;
            return false;
        };
        if !is_last {
            self.list.extend_from_within(old);
            self.abandon(*stretch);
        }
        self.list.resize(end as usize, 0);
        (stretch.start, stretch.capacity) = (start, capacity);
        true
    }

    /// Takes a free stretch of this capacity, or up to twice as much. Returns its start and
    /// capacity.
    fn take_free(&mut self, capacity: u32) -> Option<(u32, u32)> {
        let fitting = capacity..=capacity.saturating_mul(2);
        let (&capacity, starts) = self.free.range_mut(fitting).next()?;
        let start = starts.pop()?;
        if starts.is_empty() {
            self.free.remove(&capacity);
        }
        Some((start, capacity))
    }

    fn abandon(&mut self, stretch: Stretch) {
        if stretch.capacity > 0 {
            let starts = self.free.entry(stretch.capacity).or_default();
            starts.push(stretch.start);
        }
    }
}

fn range(start: u32, len: u32) -> Range<usize> {
    let start = start as usize;
    start..start + len as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_in_order_takes_four_bytes() {
        let mut times = BatchTimes::new();
        let mut stretch = times.stretch_like(None);
        for second in 0..60 {
            assert!(times.insert(0, &mut stretch, second * 1000, 0));
        }
        assert!(times.others.is_empty());
        assert_eq!((stretch.len, stretch.capacity), (60, 64));
        // The next one has capacity for as many.
        let next = times.stretch_like(Some(stretch));
        assert_eq!((next.capacity, times.list.len()), (59, 64 + 59));
        assert_eq!(size_of::<Stretch>(), 16);
    }

    #[test]
    fn the_initial_capacity_is_limited() {
        let mut times = BatchTimes::new();
        let mut stretch = times.stretch_like(None);
        for milli in 0..60_000 {
            times.insert(0, &mut stretch, milli, 0);
        }
        assert_eq!(
            times.stretch_like(Some(stretch)).capacity,
            MAX_INITIAL_CAPACITY
        );
    }

    #[test]
    fn abandoned_stretches_are_reused() {
        const ACCUMULATORS: usize = 50;
        const READINGS: u64 = 1000;
        let mut times = BatchTimes::new();
        let mut stretches = vec![None; ACCUMULATORS];
        for _ in 0..6 {
            stretches = stretches
                .into_iter()
                .map(|last| Some(times.stretch_like(last)))
                .collect();
            for milli in 0..READINGS {
                for (accumulator, stretch) in stretches.iter_mut().flatten().enumerate() {
                    assert!(times.insert(accumulator, stretch, milli, 0));
                }
            }
        }
        // 1024 entries for each 1000 times, and the abandoned stretches of the first window.
        assert!(times.list.len() < ACCUMULATORS * (6 * 1024 + 1024));
    }

    #[test]
    fn a_time_that_did_not_fit_stays_known() {
        let mut times = BatchTimes::with_longest(120);
        let mut stretches = [Stretch::default(); 4];
        let mut insert = |accumulator: usize, milli| {
            times.insert(accumulator, &mut stretches[accumulator], milli, 0)
        };
        // The capacities are 4, 16, 32 and 4; then the third stretch moves to one of 64, at the
        // end.
        for (accumulator, readings) in [(0, 5), (1, 17), (2, 33), (3, 2), (2, 34)] {
            for milli in 0..readings {
                insert(accumulator, milli);
            }
        }
        assert!(insert(0, 100));
        // This would move to the free stretch of 32 and abandon its own.
        assert!(insert(1, 100));
        assert!(!insert(0, 100));
        assert!(insert(0, 101));
        assert_eq!(times.list.len(), 120);
        assert_eq!(times.counts(0, stretches[0]), (7, 1));
    }

    proptest! {
        #[test]
        fn each_accumulator_has_its_own_set(
            inserted in prop::collection::vec(
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
            longest in prop_oneof![Just(u32::MAX), 0..60_u32],
        ) {
            let mut inserted = inserted;
            if in_order {
                inserted.sort_by_key(|(_, millis, nanos)| (*millis, *nanos));
            }
            let mut times = BatchTimes::with_longest(longest);
            let mut stretches: Vec<Stretch> = Vec::new();
            let mut sets = vec![HashSet::new(); 3];
            let mut duplicates = [0; 3];
            for (accumulator, millis, nanos) in inserted {
                while stretches.len() <= accumulator {
                    let last = stretches.last().copied();
                    stretches.push(times.stretch_like(last));
                }
                let is_new = sets[accumulator].insert((millis, nanos));
                let stretch = &mut stretches[accumulator];
                prop_assert_eq!(times.insert(accumulator, stretch, millis, nanos), is_new);
                duplicates[accumulator] += u64::from(!is_new);
            }
            prop_assert!(times.list.len() <= longest as usize);
            for (accumulator, stretch) in stretches.into_iter().enumerate() {
                let expected = (sets[accumulator].len() as u64, duplicates[accumulator]);
                prop_assert_eq!(times.counts(accumulator, stretch), expected);
            }
        }
    }
}
