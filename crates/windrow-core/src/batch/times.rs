//! The sets of times of many accumulators, complete and exact.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

/// The times of an accumulator, in milliseconds and nanoseconds after the start of its window: the
/// whole milliseconds, unless there are many and they did not arrive in order. They are the latest
/// one here, and those before it in blocks of [`AllTimes::list`], ascending.
///
/// These are 16 bytes, and a single time needs no block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TimesInOrder {
    latest: u32,
    /// The number of times.
    len: u32,
    /// How many times before the latest fit the blocks.
    capacity: u32,
    /// What to add to the index of a time in the last block for its index in the list. Wraps.
    start: u32,
}

/// The times of all accumulators.
///
/// One list has all times in order. A vector per accumulator would have its length next to its
/// times, and reading both from memory takes a tenth of the whole job. The times in order of an
/// accumulator are in blocks. Up to [`LARGEST_BLOCK`], each is as large as all before it together,
/// so there are few to search.
#[derive(Clone, Debug)]
pub(super) struct AllTimes {
    /// Blocks of times, ascending. After a block come the `start` and the `capacity` that its
    /// accumulator had before.
    list: Vec<u32>,
    /// The length from which on the list gets no more blocks.
    full: usize,
    /// By accumulator, the times that are not whole milliseconds, and those that did not arrive in
    /// order and would move too many others. Usually there are none.
    others: HashMap<usize, OtherTimes, RandomState>,
}

#[derive(Clone, Debug, Default)]
struct OtherTimes {
    /// Distinct times, as milliseconds and nanoseconds.
    times: BTreeSet<(u64, u32)>,
    /// The number of duplicates, of times in order as well.
    duplicates: u64,
}

/// The minimum and the maximum size of a first block.
const FIRST_BLOCK: std::ops::RangeInclusive<u32> = 4..=256;

/// The maximum number of times in order that a time is inserted among. Moving half of them takes as
/// long as inserting into a tree.
const MOST_MOVED: u32 = 2_048;

/// The maximum size of a block.
const LARGEST_BLOCK: u32 = 1 << 24;

/// The length of a full list. 32 bits suffice for every index.
const FULL: usize = (u32::MAX - LARGEST_BLOCK - 2) as usize;

impl TimesInOrder {
    /// The number of times before the latest.
    fn earlier(self) -> u32 {
        self.len.saturating_sub(1)
    }
}

impl AllTimes {
    /// No times.
    pub(super) fn new() -> Self {
        Self::full_at(FULL)
    }

    fn full_at(full: usize) -> Self {
        Self {
            list: Vec::new(),
            full,
            others: HashMap::default(),
        }
    }

    /// No times of a new accumulator yet, with room for as many as `other` has.
    pub(super) fn like(&mut self, other: Option<TimesInOrder>) -> TimesInOrder {
        let mut times = TimesInOrder::default();
        let expected = other.map_or(0, TimesInOrder::earlier);
        if expected > 0 {
            self.add_block(&mut times, expected);
        }
        times
    }

    /// Inserts a time of the accumulator `index`, whose times in order are `times`. Returns false
    /// if it is a duplicate.
    #[inline]
    pub(super) fn insert(
        &mut self,
        index: usize,
        times: &mut TimesInOrder,
        millis: u64,
        nanos: u32,
    ) -> bool {
        if nanos == 0
            && let Ok(whole) = u32::try_from(millis)
            && (times.len == 0 || (times.latest < whole && self.keep_latest(times)))
        {
            times.latest = whole;
            times.len += 1;
            return true;
        }
        self.insert_other(index, times, millis, nanos)
    }

    /// The number of distinct times of the accumulator `index`, and the number of duplicates.
    #[inline]
    pub(super) fn counts(&self, index: usize, times: TimesInOrder) -> (u64, u64) {
        let in_order = times.len.into();
        if self.others.is_empty() {
            return (in_order, 0);
        }
        self.others.get(&index).map_or((in_order, 0), |others| {
            (in_order + others.times.len() as u64, others.duplicates)
        })
    }

    /// Puts the latest time behind those before it. Returns false if there is no room.
    #[inline]
    fn keep_latest(&mut self, times: &mut TimesInOrder) -> bool {
        let earlier = times.len - 1;
        if earlier == times.capacity && !self.add_block(times, times.capacity) {
            return false;
        }
        self.list[times.start.wrapping_add(earlier) as usize] = times.latest;
        true
    }

    /// Adds a block for `room` times, or as many as a block can have. Returns false if the list is
    /// full. Then it remains full: a time in order without room is among the other times, and would
    /// be counted twice if there were room the next time.
    #[cold]
    fn add_block(&mut self, times: &mut TimesInOrder, room: u32) -> bool {
        if self.list.len() >= self.full {
            return false;
        }
        let most = if times.capacity == 0 {
            *FIRST_BLOCK.end()
        } else {
            LARGEST_BLOCK
        };
        let room = room.clamp(*FIRST_BLOCK.start(), most);
        let block = self.list.len() as u32;
        self.list.resize((block + room) as usize, 0);
        self.list.extend([times.start, times.capacity]);
        times.start = block.wrapping_sub(times.capacity);
        times.capacity += room;
        true
    }

    fn insert_other(
        &mut self,
        index: usize,
        times: &mut TimesInOrder,
        millis: u64,
        nanos: u32,
    ) -> bool {
        let whole = u32::try_from(millis).ok().filter(|_| nanos == 0);
        let is_in_order = whole.is_some_and(|whole| self.is_in_order(*times, whole));
        if !is_in_order
            && let Some(whole) = whole
            && self.insert_among(times, whole)
        {
            return true;
        }
        let others = self.others.entry(index).or_default();
        let is_new = !is_in_order && others.times.insert((millis, nanos));
        others.duplicates += u64::from(!is_new);
        is_new
    }

    /// Inserts a time before the latest one in order, and moves those between them. Returns false if
    /// it is later, there are too many times, or there is no room.
    fn insert_among(&mut self, times: &mut TimesInOrder, whole: u32) -> bool {
        let is_earlier = times.len > 0 && whole < times.latest;
        if !is_earlier || times.len > MOST_MOVED || !self.keep_latest(times) {
            return false;
        }
        // The last place is free, since the latest time is not only in a block.
        let (mut start, mut capacity, mut end) = (times.start, times.capacity, times.len);
        while capacity > 0 {
            let index = |time: u32| start.wrapping_add(time) as usize;
            let (before_start, before) =
                (self.list[index(capacity)], self.list[index(capacity) + 1]);
            if end > before {
                let block = &mut self.list[index(before)..index(end)];
                let last = block.len() - 1;
                let place = block[..last].partition_point(|time| *time < whole);
                block.copy_within(place..last, place + 1);
                if place > 0 || before == 0 {
                    block[place] = whole;
                    break;
                }
                // All of the block are later, and so may be the last one of the block before.
                let previous = self.list[before_start.wrapping_add(before - 1) as usize];
                let first = index(before);
                if previous < whole {
                    self.list[first] = whole;
                    break;
                }
                self.list[first] = previous;
            }
            (start, capacity, end) = (before_start, before, end.min(before));
        }
        times.len += 1;
        true
    }

    /// Whether a time is among those in order.
    fn is_in_order(&self, times: TimesInOrder, whole: u32) -> bool {
        if times.len > 0 && times.latest == whole {
            return true;
        }
        let (mut start, mut capacity, mut end) = (times.start, times.capacity, times.earlier());
        while capacity > 0 {
            let index = |time: u32| start.wrapping_add(time) as usize;
            let (before_start, before) =
                (self.list[index(capacity)], self.list[index(capacity) + 1]);
            if end > before && self.list[index(before)] <= whole {
                let block = &self.list[index(before)..index(end)];
                return block.binary_search(&whole).is_ok();
            }
            (start, capacity, end) = (before_start, before, end.min(before));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_in_order_take_four_bytes_each() {
        let mut all = AllTimes::new();
        let mut times = TimesInOrder::default();
        assert!(all.insert(0, &mut times, 0, 0));
        assert_eq!((size_of_val(&times), all.list.len()), (16, 0));
        for second in 1..60 {
            assert!(all.insert(0, &mut times, second * 1000, 0));
        }
        assert!(all.others.is_empty());
        assert!(all.list.len() < 80);
        assert_eq!(all.like(Some(times)).capacity, 59);
    }

    /// A time before the latest moves up to [`MOST_MOVED`] others, and is kept apart from more.
    #[test]
    fn times_out_of_order_are_distinct_in_windows_of_any_size() {
        for (len, others) in [(MOST_MOVED - 1, 0), (MOST_MOVED, 1), (MOST_MOVED + 1, 2)] {
            let mut all = AllTimes::new();
            let mut times = TimesInOrder::default();
            for time in 0..len {
                assert!(all.insert(0, &mut times, u64::from(2 * time), 0));
            }
            for early in [1, u64::from(len) | 1] {
                assert!(all.insert(0, &mut times, early, 0));
                assert!(!all.insert(0, &mut times, early, 0));
                assert!(!all.insert(0, &mut times, early - 1, 0));
            }
            assert_eq!(all.counts(0, times), (u64::from(len) + 2, 4));
            assert_eq!(all.others[&0].times.len(), others, "{len}");
        }
    }

    #[test]
    fn the_first_block_is_limited() {
        let mut all = AllTimes::new();
        let mut times = TimesInOrder::default();
        for milli in 0..60_000 {
            all.insert(0, &mut times, milli, 0);
        }
        assert!(all.list.len() < 140_000);
        assert_eq!(all.like(Some(times)).capacity, *FIRST_BLOCK.end());
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
            full in prop_oneof![Just(FULL), 0..60_usize],
        ) {
            if in_order {
                inserted.sort_unstable();
            }
            let mut all = AllTimes::full_at(full);
            let mut times: Vec<TimesInOrder> = Vec::new();
            let mut sets = vec![HashSet::new(); 3];
            let mut duplicates = [0; 3];
            for (index, millis, nanos) in inserted {
                while times.len() <= index {
                    let before = times.last().copied();
                    times.push(all.like(before));
                }
                let is_new = sets[index].insert((millis, nanos));
                prop_assert_eq!(all.insert(index, &mut times[index], millis, nanos), is_new);
                duplicates[index] += u64::from(!is_new);
            }
            for (index, times) in times.into_iter().enumerate() {
                let expected = (sets[index].len() as u64, duplicates[index]);
                prop_assert_eq!(all.counts(index, times), expected);
            }
        }
    }
}
