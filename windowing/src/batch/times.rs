//! Which times of many panes were seen; all of them, exactly.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use foldhash::fast::RandomState;

/// The times of many panes, each in milliseconds and nanoseconds after its window's start.
///
/// Whole milliseconds that come in order are all in one list, in which each pane has a stretch. With a
/// list for each pane, to make minutes of an archive takes 3 % longer on one thread and 5 % on two: glibc
/// grows the heap of a second thread by a page at a time.
#[derive(Clone, Debug)]
pub(super) struct Times {
    list: Vec<u32>,
    /// How long the list may become.
    longest: u32,
    /// By pane, what did not come in order; mostly there is nothing.
    others: HashMap<usize, Others, RandomState>,
}

/// A pane's times that came in order: 16 bytes, and 4 in the list for each but the latest.
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

/// A pane's other times.
#[derive(Clone, Debug, Default)]
struct Others {
    /// Those that came once, as milliseconds and nanoseconds.
    times: BTreeSet<(u64, u32)>,
    /// How many times were noted again, of whichever.
    repeats: u64,
}

/// For how many times room is made before there are any, at most.
const MOST_ROOM: u32 = 256;

/// For how many times room is made at least.
const LEAST_ROOM: u32 = 4;

impl Times {
    /// No times yet.
    pub(super) fn new() -> Self {
        Self::with_longest(u32::MAX)
    }

    fn with_longest(longest: u32) -> Self {
        Self {
            list: Vec::new(),
            longest,
            others: HashMap::default(),
        }
    }

    /// No times of a pane yet, and room for as many as another one has.
    pub(super) fn stretch_like(&mut self, other: Option<Stretch>) -> Stretch {
        let mut stretch = Stretch::default();
        let expected = other.map_or(0, |other| other.len.saturating_sub(1));
        if expected > 0 {
            self.move_to_end(&mut stretch, expected.min(MOST_ROOM));
        }
        stretch
    }

    /// Notes a time of a pane, whose stretch is given; false if it was noted before.
    pub(super) fn insert(
        &mut self,
        pane: usize,
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
        let others = self.others.entry(pane).or_default();
        let is_new = !in_order && others.times.insert((millis, nanos));
        others.repeats += u64::from(!is_new);
        is_new
    }

    /// How many times of a pane there are, and how many more were noted again.
    pub(super) fn counts(&self, pane: usize, stretch: Stretch) -> (u64, u64) {
        let others = match self.others.is_empty() {
            true => None,
            false => self.others.get(&pane),
        };
        let in_order = u64::from(stretch.len);
        others.map_or((in_order, 0), |others| {
            (in_order + others.times.len() as u64, others.repeats)
        })
    }

    fn has(&self, stretch: Stretch, whole: u32) -> bool {
        let earlier = &self.list[places(stretch.start, stretch.len.saturating_sub(1))];
        stretch.len > 0 && (stretch.last == whole || earlier.binary_search(&whole).is_ok())
    }

    /// Puts the latest behind those before it, so that a later one can take its place; false if there is
    /// no room, and then there never will be.
    fn keep_last(&mut self, stretch: &mut Stretch) -> bool {
        let earlier = stretch.len - 1;
        if earlier == stretch.room {
            let room = stretch.room.saturating_mul(2).max(LEAST_ROOM);
            if !self.move_to_end(stretch, room) {
                return false;
            }
        }
        self.list[(stretch.start + earlier) as usize] = stretch.last;
        true
    }

    /// Gives a stretch more room, at the list's end; false if the list would become too long.
    fn move_to_end(&mut self, stretch: &mut Stretch, room: u32) -> bool {
        // It is never longer than a u32 says.
        let end = self.list.len() as u32;
        let held = places(stretch.start, stretch.room);
        let is_last = held.end == self.list.len();
        let start = if is_last { stretch.start } else { end };
        match start.checked_add(room) {
            Some(end) if end <= self.longest => {}
            _ => return false,
        }
        if !is_last {
            self.list.extend_from_within(held);
        }
        (stretch.start, stretch.room) = (start, room);
        self.list.resize(places(start, room).end, 0);
        true
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
        let mut times = Times::new();
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
    fn a_full_pane_does_not_make_room_in_all_others() {
        let mut times = Times::new();
        let mut stretch = times.stretch_like(None);
        for milli in 0..60_000 {
            times.insert(0, &mut stretch, milli, 0);
        }
        assert_eq!(times.stretch_like(Some(stretch)).room, MOST_ROOM);
    }

    proptest! {
        #[test]
        fn each_pane_has_its_own_set(
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
            let mut times = Times::with_longest(longest);
            let mut stretches: Vec<Stretch> = Vec::new();
            let mut sets = vec![HashSet::new(); 3];
            let mut repeats = [0; 3];
            for (pane, millis, nanos) in noted {
                while stretches.len() <= pane {
                    let last = stretches.last().copied();
                    stretches.push(times.stretch_like(last));
                }
                let is_new = sets[pane].insert((millis, nanos));
                let stretch = &mut stretches[pane];
                prop_assert_eq!(times.insert(pane, stretch, millis, nanos), is_new);
                repeats[pane] += u64::from(!is_new);
            }
            prop_assert!(times.list.len() <= longest as usize);
            for (pane, stretch) in stretches.into_iter().enumerate() {
                let expected = (sets[pane].len() as u64, repeats[pane]);
                prop_assert_eq!(times.counts(pane, stretch), expected);
            }
        }
    }
}
