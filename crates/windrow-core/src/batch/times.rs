//! The sets of times of many accumulators, complete and exact.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

/// The times of an accumulator that are whole milliseconds, counted from the start of its window.
///
/// While they arrive in order, they are the latest one here, and those before it in blocks of
/// [`AllTimes::list`], ascending. From the first one that does not, all are in a table of the list.
///
/// These are 16 bytes, and a single time needs no block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WholeTimes {
    /// The earliest time that would be in order: the one after the latest. [`UNORDERED`] if the times
    /// are in a table.
    next: u32,
    /// The number of times.
    len: u32,
    /// How many times before the latest fit the blocks, or how many slots the table has.
    capacity: u32,
    /// What to add to the index of a time in the last block for its index in the list (wraps), or
    /// the index of the table's first slot.
    start: u32,
}

/// The times of all accumulators.
///
/// One list has all whole milliseconds. A vector per accumulator would have its length next to its
/// times, and reading both from memory takes a tenth of the whole job. The times in order of an
/// accumulator are in blocks. Up to [`LARGEST_BLOCK`], each is as large as all before it together,
/// so there are few of them. A table has a power of two of slots, a quarter of which are free, so
/// that a time is found in one or two lines of the cache.
#[derive(Clone, Debug)]
pub(super) struct AllTimes {
    /// Blocks and tables. After a block of times come the `start` and the `capacity` that its
    /// accumulator had before.
    list: Vec<u32>,
    /// The length from which on the list gets no more blocks and tables.
    full: usize,
    /// By the logarithm of their size, the tables that have become too small.
    spare: Vec<Vec<u32>>,
    /// A random odd number, so that no archive is slow by design.
    multiplier: u64,
    /// By accumulator, the times that are not whole milliseconds, and those without room in the
    /// list. Usually there are none.
    others: HashMap<usize, OtherTimes, RandomState>,
}

#[derive(Clone, Debug, Default)]
struct OtherTimes {
    /// Distinct times, as milliseconds and nanoseconds.
    times: BTreeSet<(u64, u32)>,
    /// The number of duplicates, of whole milliseconds as well.
    duplicates: u64,
}

/// A slot without a time.
const EMPTY: u32 = u32::MAX;

/// See [`WholeTimes::next`].
const UNORDERED: u32 = u32::MAX;

/// From this one on, whole milliseconds are among the other times.
const END: u32 = u32::MAX - 1;

/// The minimum and the maximum size of a first block.
const FIRST_BLOCK: std::ops::RangeInclusive<u32> = 4..=256;

/// The maximum size of a block or a table.
const LARGEST_BLOCK: u32 = 1 << 24;

/// The minimum size of a table: a line of the cache.
const SMALLEST_TABLE: u32 = 16;

/// The length of a full list. 32 bits suffice for every index.
const FULL: usize = (u32::MAX - LARGEST_BLOCK - 2) as usize;

impl WholeTimes {
    fn is_ordered(self) -> bool {
        self.next != UNORDERED
    }

    /// How many times a table may have.
    fn room(self) -> u32 {
        self.capacity / 4 * 3
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
            spare: Vec::new(),
            multiplier: RandomState::default().hash_one(0) | 1,
            others: HashMap::default(),
        }
    }

    /// No times of a new accumulator yet, with room for as many as `other` has.
    pub(super) fn like(&mut self, other: Option<WholeTimes>) -> WholeTimes {
        let mut times = WholeTimes::default();
        let Some(other) = other.filter(|other| other.len > 1) else {
            return times;
        };
        if other.is_ordered() {
            self.add_block(&mut times, other.len - 1);
        } else if let Some(table) = self.new_table(other.len) {
            times = table;
        }
        times
    }

    /// Inserts a time of the accumulator `index`, whose whole milliseconds are `times`. Returns false
    /// if it is a duplicate.
    #[inline]
    pub(super) fn insert(
        &mut self,
        index: usize,
        times: &mut WholeTimes,
        millis: u64,
        nanos: u32,
    ) -> bool {
        let mut is_known = false;
        if nanos == 0 && millis < u64::from(END) {
            let whole = millis as u32;
            if whole >= times.next && (times.len == 0 || self.keep_latest(times)) {
                times.next = whole + 1;
                times.len += 1;
                return true;
            }
            match self.insert_unordered(times, whole) {
                Some(true) => return true,
                Some(false) => is_known = true,
                None => {}
            }
        }
        self.insert_other(index, is_known, millis, nanos)
    }

    /// The number of distinct times of the accumulator `index`, and the number of duplicates.
    #[inline]
    pub(super) fn counts(&self, index: usize, times: WholeTimes) -> (u64, u64) {
        let whole = times.len.into();
        if self.others.is_empty() {
            return (whole, 0);
        }
        self.others.get(&index).map_or((whole, 0), |others| {
            (whole + others.times.len() as u64, others.duplicates)
        })
    }

    /// Puts the latest time behind those before it. Returns false if there is no room.
    #[inline]
    fn keep_latest(&mut self, times: &mut WholeTimes) -> bool {
        let earlier = times.len - 1;
        if earlier == times.capacity && !self.add_block(times, times.capacity) {
            return false;
        }
        self.list[times.start.wrapping_add(earlier) as usize] = times.next - 1;
        true
    }

    /// Adds a block for `room` times, or as many as a block can have. Returns false if the list is
    /// full. Then it remains full: a time in order without room is among the other times, and would
    /// be counted twice if there were room the next time.
    #[cold]
    fn add_block(&mut self, times: &mut WholeTimes, room: u32) -> bool {
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

    /// Inserts a time into a table, which is made of the times in order if there is none. Returns
    /// false if the time is already known; `None` if there is no room for it.
    #[inline]
    fn insert_unordered(&mut self, times: &mut WholeTimes, whole: u32) -> Option<bool> {
        if times.is_ordered() && !self.make_table(times) {
            let is_known = self.ordered(*times).any(|time| time == whole);
            return is_known.then_some(false);
        }
        let slot = self.slot(*times, whole);
        if *slot == whole {
            return Some(false);
        }
        if times.len < times.room() {
            *slot = whole;
        } else {
            self.grow(times)?;
            *self.slot(*times, whole) = whole;
        }
        times.len += 1;
        Some(true)
    }

    /// What is where a time is looked for first, if the times are in a table.
    #[inline]
    pub(super) fn fetch(&self, times: WholeTimes, millis: u64) -> u32 {
        if times.is_ordered() {
            return 0;
        }
        let index = times.start as usize + self.first_slot(times.capacity, millis as u32);
        self.list.get(index).copied().unwrap_or(0)
    }

    /// Where in a table a time is looked for first.
    #[inline]
    fn first_slot(&self, capacity: u32, whole: u32) -> usize {
        let hash = u64::from(whole).wrapping_mul(self.multiplier);
        (hash >> (64 - capacity.trailing_zeros())) as usize
    }

    /// The slot of a table that has a time, or in which to put it.
    #[inline]
    fn slot(&mut self, table: WholeTimes, whole: u32) -> &mut u32 {
        let (start, capacity) = (table.start as usize, table.capacity as usize);
        let mut index = self.first_slot(table.capacity, whole);
        let slots = &mut self.list[start..start + capacity];
        while slots[index] != whole && slots[index] != EMPTY {
            index = (index + 1) & (capacity - 1);
        }
        &mut slots[index]
    }

    /// Moves the times in order into a table. Returns false if there is no room.
    #[cold]
    fn make_table(&mut self, times: &mut WholeTimes) -> bool {
        let known: Vec<u32> = self.ordered(*times).collect();
        let Some(table) = self.new_table(times.len + 1) else {
            return false;
        };
        for time in known {
            *self.slot(table, time) = time;
        }
        *times = WholeTimes {
            len: times.len,
            ..table
        };
        true
    }

    /// Moves the times of a table into one of twice the size. `None` if there is no room.
    #[cold]
    fn grow(&mut self, times: &mut WholeTimes) -> Option<()> {
        let larger = self.new_table(times.len + 1)?;
        for index in times.start..times.start + times.capacity {
            let time = self.list[index as usize];
            if time != EMPTY {
                *self.slot(larger, time) = time;
            }
        }
        self.spare[times.capacity.trailing_zeros() as usize].push(times.start);
        *times = WholeTimes {
            len: times.len,
            ..larger
        };
        Some(())
    }

    /// An empty table for `len` times. `None` if the list is full, as for
    /// [`add_block`](Self::add_block), or the table would be too large.
    fn new_table(&mut self, len: u32) -> Option<WholeTimes> {
        let capacity = (len / 3 * 4 + 4).max(SMALLEST_TABLE).next_power_of_two();
        if self.list.len() >= self.full || capacity > LARGEST_BLOCK {
            return None;
        }
        let bits = capacity.trailing_zeros() as usize;
        if self.spare.len() <= bits {
            self.spare.resize(bits + 1, Vec::new());
        }
        let start = match self.spare[bits].pop() {
            Some(start) => {
                self.list[start as usize..][..capacity as usize].fill(EMPTY);
                start
            }
            None => {
                let start = self.list.len();
                self.list.resize(start + capacity as usize, EMPTY);
                start as u32
            }
        };
        Some(WholeTimes {
            next: UNORDERED,
            len: 0,
            capacity,
            start,
        })
    }

    /// The times in order.
    fn ordered(&self, times: WholeTimes) -> impl Iterator<Item = u32> {
        let latest = times.next.checked_sub(1);
        let (mut start, mut capacity) = (times.start, times.capacity);
        let mut end = times.len.saturating_sub(1);
        let blocks = std::iter::from_fn(move || {
            if capacity == 0 {
                return None;
            }
            let index = |time: u32| start.wrapping_add(time) as usize;
            let before = self.list[index(capacity) + 1];
            let block = &self.list[index(before)..index(end.max(before))];
            (start, end) = (self.list[index(capacity)], end.min(before));
            capacity = before;
            Some(block)
        });
        latest.into_iter().chain(blocks.flatten().copied())
    }

    #[inline(never)]
    fn insert_other(&mut self, index: usize, is_known: bool, millis: u64, nanos: u32) -> bool {
        let others = self.others.entry(index).or_default();
        let is_new = !is_known && others.times.insert((millis, nanos));
        others.duplicates += u64::from(!is_new);
        is_new
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
        let mut times = WholeTimes::default();
        assert!(all.insert(0, &mut times, 0, 0));
        assert_eq!((size_of_val(&times), all.list.len()), (16, 0));
        for second in 1..60 {
            assert!(all.insert(0, &mut times, second * 1000, 0));
        }
        assert!(all.others.is_empty());
        assert!(all.list.len() < 80);
        assert_eq!(all.like(Some(times)).capacity, 59);
    }

    /// Tables that have become too small are used for other accumulators.
    #[test]
    fn times_out_of_order_take_few_bytes_each() {
        let mut all = AllTimes::new();
        let mut known = [WholeTimes::default(); 4];
        for (index, times) in known.iter_mut().enumerate() {
            for milli in (0..3_000).rev() {
                assert!(all.insert(index, times, milli, 0));
            }
            assert!(!all.insert(index, times, 2_999, 0));
            assert_eq!(all.counts(index, *times), (3_000, 1));
        }
        assert!(all.others.values().all(|others| others.times.is_empty()));
        assert!(all.list.len() <= 4 * 4_096 + 4_096);
        assert_eq!(all.like(Some(known[0])).capacity, 4_096);
    }

    #[test]
    fn the_first_block_is_limited() {
        let mut all = AllTimes::new();
        let mut times = WholeTimes::default();
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
                        1 => (0..6_u64).prop_map(|above| u64::from(u32::MAX - 3) + above),
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
            let mut times: Vec<WholeTimes> = Vec::new();
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
