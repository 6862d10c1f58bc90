//! Which times of many accumulators were seen; all of them, exactly.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use foldhash::fast::RandomState;

/// The times of many accumulators, each in milliseconds and nanoseconds after its window's start.
///
/// Whole milliseconds that come in order are all in one list, in which each accumulator has a stretch. With a
/// list for each accumulator, to make minutes of an archive takes 3 % longer on one thread and 5 % on two: glibc
/// grows the heap of a second thread by a page at a time.
#[derive(Clone, Debug)]
pub(super) struct BatchTimes {
    list: Vec<u32>,
    /// How long the list may become, and whether it was to become longer.
    longest: u32,
    is_full: bool,
    /// Stretches that were left for larger ones: where they begin, by their room.
    free: BTreeMap<u32, Vec<u32>>,
    /// By accumulator, what did not come in order; mostly there is nothing.
    others: HashMap<usize, Others, RandomState>,
}

/// An accumulator's times that came in order: 16 bytes, and 4 in the list for each but the latest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stretch {
    /// How many there are.
    len: u32,
    /// The latest, if there is one.
    last: u32,
    /// Where in the list those before it begin, ascending, and how many have room there.
    start: u32,
    room: u32,
}

/// An accumulator's other times.
#[derive(Clone, Debug, Default)]
struct Others {
    /// Those that came once, as milliseconds and nanoseconds.
    times: BTreeSet<(u64, u32)>,
    /// How many times were noted again, of whichever.
    duplicates: u64,
}

/// For how many times room is made before there are any, at most.
const MOST_ROOM: u32 = 256;

/// For how many times room is made at least.
const LEAST_ROOM: u32 = 4;

impl BatchTimes {
    /// No times yet.
    pub(super) fn new() -> Self {
        // Then a stretch and the latest after it are never more than a u32 counts.
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

    /// No times of an accumulator yet, and room for as many as another one has.
    pub(super) fn stretch_like(&mut self, other: Option<Stretch>) -> Stretch {
        let mut stretch = Stretch::default();
        let expected = other.map_or(0, |other| other.len.saturating_sub(1));
        if expected > 0 {
            self.enlarge(&mut stretch, expected.min(MOST_ROOM));
        }
        stretch
    }

    /// Notes a time of an accumulator, whose stretch is given; false if it was noted before.
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

    /// How many times of an accumulator there are, and how many more were noted again.
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
        let earlier = &self.list[places(stretch.start, stretch.len.saturating_sub(1))];
        stretch.len > 0 && (stretch.last == whole || earlier.binary_search(&whole).is_ok())
    }

    /// Puts the latest behind those before it, so that a later one can take its place; false if there is
    /// no room.
    fn keep_last(&mut self, stretch: &mut Stretch) -> bool {
        let earlier = stretch.len - 1;
        if earlier == stretch.room {
            let room = stretch.room.saturating_mul(2).max(LEAST_ROOM);
            if !self.enlarge(stretch, room) {
                return false;
            }
        }
        self.list[(stretch.start + earlier) as usize] = stretch.last;
        true
    }

    /// Gives a stretch so much room or more: another one that is free, or the end of the list. False once
    /// the list would become too long, and then for all stretches and for good: a time that found no room
    /// in order is among the others, and would be counted again if there were room the next time.
    fn enlarge(&mut self, stretch: &mut Stretch, room: u32) -> bool {
        if self.is_full {
            return false;
        }
        let held = places(stretch.start, stretch.room);
        let is_last = held.end == self.list.len();
        if !is_last && let Some((start, room)) = self.take_free(room) {
            self.list.copy_within(held, start as usize);
            self.leave(*stretch);
            (stretch.start, stretch.room) = (start, room);
            return true;
        }
        // The list is never longer than a u32 says.
        let start = if is_last {
            stretch.start
        } else {
            self.list.len() as u32
        };
        let end = start.checked_add(room);
        let Some(end) = end.filter(|end| *end <= self.longest) else {
            self.is_full = true;
            return false;
        };
        if !is_last {
            self.list.extend_from_within(held);
            self.leave(*stretch);
        }
        self.list.resize(end as usize, 0);
        (stretch.start, stretch.room) = (start, room);
        true
    }

    /// A free stretch of so much room, or up to twice as much: its start and its room.
    fn take_free(&mut self, room: u32) -> Option<(u32, u32)> {
        let fitting = room..=room.saturating_mul(2);
        let (&room, starts) = self.free.range_mut(fitting).next()?;
        let start = starts.pop()?;
        if starts.is_empty() {
            self.free.remove(&room);
        }
        Some((start, room))
    }

    fn leave(&mut self, stretch: Stretch) {
        if stretch.room > 0 {
            let starts = self.free.entry(stretch.room).or_default();
            starts.push(stretch.start);
        }
    }
}

fn places(start: u32, len: u32) -> Range<usize> {
    let start = start as usize;
    start..start + len as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn in_order_they_take_four_bytes() {
        let mut times = BatchTimes::new();
        let mut stretch = times.stretch_like(None);
        for second in 0..60 {
            assert!(times.insert(0, &mut stretch, second * 1000, 0));
        }
        assert!(times.others.is_empty());
        assert_eq!((stretch.len, stretch.room), (60, 64));
        // The next one has room for as many.
        let next = times.stretch_like(Some(stretch));
        assert_eq!((next.room, times.list.len()), (59, 64 + 59));
        assert_eq!(size_of::<Stretch>(), 16);
    }

    #[test]
    fn a_full_accumulator_does_not_make_room_in_all_others() {
        let mut times = BatchTimes::new();
        let mut stretch = times.stretch_like(None);
        for milli in 0..60_000 {
            times.insert(0, &mut stretch, milli, 0);
        }
        assert_eq!(times.stretch_like(Some(stretch)).room, MOST_ROOM);
    }

    #[test]
    fn what_windows_grow_out_of_is_used_again() {
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
        // With 1024 places for each thousand, and what the first window grew out of.
        assert!(times.list.len() < ACCUMULATORS * (6 * 1024 + 1024));
    }

    #[test]
    fn what_found_no_room_is_known_though_another_accumulator_makes_some() {
        let mut times = BatchTimes::with_longest(120);
        let mut stretches = [Stretch::default(); 4];
        let mut insert = |accumulator: usize, milli| {
            times.insert(accumulator, &mut stretches[accumulator], milli, 0)
        };
        // They have room for 4, 16, 32 and 4; then the third moves to room for 64, at the end.
        for (accumulator, readings) in [(0, 5), (1, 17), (2, 33), (3, 2), (2, 34)] {
            for milli in 0..readings {
                insert(accumulator, milli);
            }
        }
        assert!(insert(0, 100));
        // Would move to the room for 32, and leave its own.
        assert!(insert(1, 100));
        assert!(!insert(0, 100));
        assert!(insert(0, 101));
        assert_eq!(times.list.len(), 120);
        assert_eq!(times.counts(0, stretches[0]), (7, 1));
    }

    proptest! {
        #[test]
        fn each_accumulator_has_its_own_set(
            noted in prop::collection::vec(
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
            let mut noted = noted;
            if in_order {
                noted.sort_by_key(|(_, millis, nanos)| (*millis, *nanos));
            }
            let mut times = BatchTimes::with_longest(longest);
            let mut stretches: Vec<Stretch> = Vec::new();
            let mut sets = vec![HashSet::new(); 3];
            let mut duplicates = [0; 3];
            for (accumulator, millis, nanos) in noted {
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
