//! Many windows of many keys at once, each reading counted once: the batch form of a fold.
//!
//! A [`Fold`](crate::fold::Fold) holds what one window of one shard holds, within bounds, since it
//! travels. A [`Batch`] stays where it is, takes readings of any window, and forgets none of them. So
//! it is for whoever has all readings at hand, as in an archive.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

use crate::aggregate::{Aggregate, Merge};
use crate::fold::{Entry, Tally};
use crate::window::Window;

/// Aggregates by key and window. Keys are numbers from 0 up without great gaps, as whoever numbers
/// names gives them out; what each stands for is not known here.
///
/// A reading is known by its key and its own time, to the nanosecond. Of readings that agree in both
/// the first counts, and the others count as repeats. Memory grows with the readings (4 bytes each
/// where they come in the order of their times, up to twice that for the spare room of a growing
/// list; some 16 bytes where they do not, or where a time is no whole millisecond) and with the panes
/// (some 200 bytes each), never with the time between them.
#[derive(Clone, Debug)]
pub struct Batch<A> {
    panes: Vec<Open<A>>,
    places: HashMap<(usize, Window), usize, RandomState>,
    /// By key, the pane that its last reading went into: mostly the next one's pane as well.
    latest: Vec<Option<(Window, usize)>>,
}

/// What one window holds of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPane<A> {
    /// The key.
    pub key: usize,
    /// The window.
    pub window: Window,
    /// How many distinct readings were added.
    pub readings: u64,
    /// How many more there were that had been added before.
    pub repeats: u64,
    /// The distinct readings, aggregated.
    pub aggregate: A,
}

#[derive(Clone, Debug)]
struct Open<A> {
    key: usize,
    window: Window,
    tally: Tally<A>,
    times: Times,
}

impl<A> Default for Batch<A> {
    fn default() -> Self {
        Self {
            panes: Vec::new(),
            places: HashMap::default(),
            latest: Vec::new(),
        }
    }
}

impl<A: Merge> Batch<A> {
    /// Adds a reading of `key`, taken `nanos` nanoseconds after the start of its window; false where
    /// one of the same key and time was added before and this one only counts as a repeat.
    pub fn add<T: ?Sized>(&mut self, key: usize, window: Window, nanos: u64, reading: &T) -> bool
    where
        A: Aggregate<T>,
    {
        let place = self.place(key, window);
        let pane = &mut self.panes[place];
        let is_new = pane.times.insert(nanos);
        pane.tally.add(&match is_new {
            true => Entry::Reading(reading),
            false => Entry::Repeat,
        });
        is_new
    }

    /// Takes out all panes, in no order.
    pub fn into_panes(self) -> impl ExactSizeIterator<Item = BatchPane<A>> {
        self.panes.into_iter().map(|pane| BatchPane {
            key: pane.key,
            window: pane.window,
            readings: pane.tally.readings.value(),
            repeats: pane.tally.repeats.value(),
            aggregate: pane.tally.aggregate,
        })
    }

    /// How many panes there are.
    pub fn len(&self) -> usize {
        self.panes.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.panes.is_empty()
    }

    /// Where the pane of a key and window stands, which it does from here on.
    fn place(&mut self, key: usize, window: Window) -> usize {
        if key >= self.latest.len() {
            self.latest.resize(key + 1, None);
        }
        if let Some((latest, place)) = self.latest[key]
            && latest == window
        {
            return place;
        }
        let next = self.panes.len();
        let place = *self.places.entry((key, window)).or_insert(next);
        if place == next {
            self.panes.push(Open {
                key,
                window,
                tally: Tally::identity(),
                times: Times::default(),
            });
        }
        self.latest[key] = Some((window, place));
        place
    }
}

/// Which times of a window were seen, in nanoseconds after its start; all of them, exactly.
#[derive(Clone, Debug, Default)]
struct Times {
    /// Whole milliseconds that came in order, ascending.
    in_order: Vec<u32>,
    /// All others; mostly there are none.
    others: BTreeSet<u64>,
}

const MILLI: u64 = 1_000_000;

impl Times {
    /// Notes a time; false if it was noted before.
    fn insert(&mut self, nanos: u64) -> bool {
        if let Some(millis) = whole_millis(nanos) {
            if self.in_order.last().is_none_or(|last| *last < millis)
                && !self.others.contains(&nanos)
            {
                self.in_order.push(millis);
                return true;
            }
            if self.in_order.binary_search(&millis).is_ok() {
                return false;
            }
        }
        self.others.insert(nanos)
    }
}

/// The time in milliseconds where it is a whole number of them, and less than 49 days.
fn whole_millis(nanos: u64) -> Option<u32> {
    match nanos % MILLI {
        0 => u32::try_from(nanos / MILLI).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::{Max, Sum};
    use crate::window::Tumbling;

    type Totals = (Sum, Max<i64>);

    fn window(start: i64) -> Window {
        Tumbling::new(60_000).unwrap().window_of(start)
    }

    #[test]
    fn of_equal_readings_the_first_counts() {
        let mut batch: Batch<Totals> = Batch::default();
        assert!(batch.add(3, window(0), 5 * MILLI, &7_i64));
        assert!(!batch.add(3, window(0), 5 * MILLI, &100_i64));
        assert!(batch.add(3, window(0), 5 * MILLI + 1, &1_i64));
        assert!(batch.add(3, window(60_000), 5 * MILLI, &2_i64));
        assert!(batch.add(0, window(0), 5 * MILLI, &3_i64));
        let found: Vec<(usize, i64, u64, u64, i128)> = batch
            .into_panes()
            .map(|pane| {
                let sum = pane.aggregate.0.value();
                let start = pane.window.start;
                (pane.key, start, pane.readings, pane.repeats, sum)
            })
            .collect();
        assert_eq!(
            found,
            [(3, 0, 2, 1, 8), (3, 60_000, 1, 0, 2), (0, 0, 1, 0, 3)]
        );
    }

    #[test]
    fn a_far_away_time_is_one_more_pane() {
        let mut batch: Batch<Totals> = Batch::default();
        for time in [0, 253_402_300_799_999, -62_167_219_200_000, i64::MAX - 1] {
            batch.add(0, window(time), 0, &1_i64);
        }
        assert_eq!(batch.len(), 4);
        assert!(batch.panes.capacity() <= 8);
    }

    #[test]
    fn readings_in_order_take_four_bytes() {
        let mut times = Times::default();
        for second in 0..60 {
            assert!(times.insert(second * 1000 * MILLI));
        }
        assert!(times.others.is_empty());
        assert!(times.in_order.capacity() <= 64);
    }

    proptest! {
        #[test]
        fn times_are_a_set(
            nanos in prop::collection::vec(
                prop_oneof![
                    (0..40_u64).prop_map(|millis| millis * MILLI),
                    (0..40_u64).prop_map(|millis| millis * MILLI + 1),
                    any::<u64>(),
                    (0..3_u64).prop_map(|days| (u64::from(u32::MAX) + days) * MILLI),
                ],
                0..200,
            ),
        ) {
            let mut times = Times::default();
            let mut set = HashSet::new();
            for nanos in nanos {
                prop_assert_eq!(times.insert(nanos), set.insert(nanos));
            }
        }

        #[test]
        fn it_is_a_map_of_first_readings(
            readings in prop::collection::vec((0..4_usize, -200_000..200_000_i64, any::<i32>()), 0..200),
        ) {
            let mut batch: Batch<Totals> = Batch::default();
            let mut firsts = BTreeMap::new();
            for (key, millis, value) in readings {
                // Few times, so that many are repeated.
                let millis = millis - millis.rem_euclid(10_000);
                let window = window(millis);
                let nanos = (millis - window.start) as u64 * MILLI;
                let is_new = batch.add(key, window, nanos, &i64::from(value));
                prop_assert_eq!(is_new, !firsts.contains_key(&(key, millis)));
                firsts.entry((key, millis)).or_insert(value);
            }
            let mut expected: BTreeMap<(usize, Window), (u64, i128)> = BTreeMap::new();
            for ((key, millis), value) in firsts {
                let pane = expected.entry((key, window(millis))).or_default();
                pane.0 += 1;
                pane.1 += i128::from(value);
            }
            prop_assert_eq!(batch.is_empty(), expected.is_empty());
            let found: BTreeMap<_, _> = batch
                .into_panes()
                .map(|pane| ((pane.key, pane.window), (pane.readings, pane.aggregate.0.value())))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
