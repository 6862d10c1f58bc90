//! Many windows of many keys at once, each reading counted once: the batch form of a fold.
//!
//! A [`Fold`](crate::fold::Fold) is carried between invocations and therefore bounded. A
//! [`BatchFold`] stays in memory, takes readings of any window, and never evicts one from its dedup
//! cache. Use it if all readings are available, as in an archive.
//!
//! It is optimized for readings that arrive roughly in the order of their times. A reading then
//! belongs to the same window as the last one of its key or opens the next, and is later than all
//! others in its window, which takes one or two comparisons to check. Any other order has the same
//! results but is slower.

mod chunks;
mod key_windows;
mod times;

use std::collections::{HashMap, HashSet};
use std::hint::black_box;

use foldhash::fast::RandomState;

use crate::aggregate::Merge;
use crate::dedup::FARTHEST;
use crate::window::Tumbling;
use chunks::Chunks;
use key_windows::AllWindows;
use times::{AllTimes, WholeTimes};

/// Aggregates by key and window. Keys are numbers from 0 without large gaps, assigned by the
/// caller.
///
/// A reading is identified by its key and its own time, to the nanosecond
/// ([`add`](BatchFold::add)), or by its key and an identity of another kind
/// ([`add_identified`](BatchFold::add_identified)). Of readings of a window that are equal in both,
/// the first counts as a reading and the others as duplicates.
///
/// Memory grows with the number of readings and accumulators, never with the time between them:
///
/// * 4 bytes per reading at a whole millisecond, and up to twice that where a window has more
///   readings than the one before it;
/// * 6 to 16 bytes per reading at a whole millisecond in a window whose readings are not in order;
/// * about 30 bytes per reading at another time;
/// * about 60 bytes per reading with an identity that is not a time of its window;
/// * about 60 bytes per accumulator, in addition to the aggregate, and up to 300 bytes per key.
#[derive(Clone, Debug)]
pub struct BatchFold<A> {
    windows: Tumbling,
    accumulators: Chunks<OpenAccumulator<A>>,
    times: AllTimes,
    opened: AllWindows,
    identities: Identities,
    readings: u64,
    duplicates: u64,
}

/// The aggregate and counts of one window and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchAccumulator<'a, A> {
    /// The number of distinct readings.
    pub readings: u64,
    /// The number of further readings, which were duplicates.
    pub duplicates: u64,
    /// The aggregate of the distinct readings.
    pub aggregate: &'a A,
}

/// The identities that are not times of their window, by accumulator. Most sensors have none.
#[derive(Clone, Debug, Default)]
struct Identities {
    known: HashSet<(usize, i128), RandomState>,
    /// The number of distinct readings that are not identified by a time, by accumulator. Empty if
    /// there are none, and shorter than the accumulators if only the first have some.
    readings: Vec<u64>,
    /// The number of duplicates, by accumulator.
    duplicates: HashMap<usize, u64, RandomState>,
}

impl Identities {
    /// Inserts the identity of a reading, if it has one. Returns false if it is a duplicate.
    fn insert(&mut self, accumulator: usize, identity: Option<i128>) -> bool {
        if let Some(identity) = identity
            && !self.known.insert((accumulator, identity))
        {
            *self.duplicates.entry(accumulator).or_default() += 1;
            return false;
        }
        if self.readings.len() <= accumulator {
            self.readings.resize(accumulator + 1, 0);
        }
        self.readings[accumulator] += 1;
        true
    }

    #[inline]
    fn readings(&self, accumulator: usize) -> u64 {
        self.readings.get(accumulator).copied().unwrap_or(0)
    }

    #[inline]
    fn duplicates(&self, accumulator: usize) -> u64 {
        if self.duplicates.is_empty() {
            return 0;
        }
        self.duplicates.get(&accumulator).copied().unwrap_or(0)
    }
}

/// An accumulator of a window and key.
#[derive(Clone, Debug)]
struct OpenAccumulator<A> {
    aggregate: A,
    times: WholeTimes,
}

impl<A: Merge> BatchFold<A> {
    /// An empty batch with these windows.
    pub fn new(windows: Tumbling) -> Self {
        Self {
            windows,
            accumulators: Chunks::new(),
            times: AllTimes::new(),
            opened: AllWindows::default(),
            identities: Identities::default(),
            readings: 0,
            duplicates: 0,
        }
    }

    /// Adds a reading of `key`, taken at `millis` milliseconds and `nanos` nanoseconds (less than a
    /// million): `add` adds it to its accumulator. Returns false if one of the same key and time was
    /// added before; this one then only counts as a duplicate.
    #[inline]
    pub fn add(&mut self, key: usize, millis: i64, nanos: u32, add: impl FnOnce(&mut A)) -> bool {
        let (start, index) = self.accumulator_of(key, millis);
        let OpenAccumulator { aggregate, times } = self.accumulators.at(index);
        let after_start = millis.abs_diff(start);
        let is_new = self.times.insert(index, times, after_start, nanos);
        if is_new {
            add(aggregate);
            self.readings += 1;
        } else {
            self.duplicates += 1;
        }
        is_new
    }

    /// Adds a reading of `key`, taken at `millis` milliseconds, that is not identified by its time.
    /// Returns false if one of the same key, window and identity was added before; this one then
    /// only counts as a duplicate. A reading without an identity, or with one beyond ±2^96, is never
    /// a duplicate ([`Sensor::identity`](crate::sensor::Sensor::identity)).
    ///
    /// An identity that is a time of the window, in nanoseconds, is the same as that time in
    /// [`add`](Self::add).
    #[inline]
    pub fn add_identified(
        &mut self,
        key: usize,
        millis: i64,
        identity: Option<i128>,
        add: impl FnOnce(&mut A),
    ) -> bool {
        let (start, index) = self.accumulator_of(key, millis);
        let identity = identity.filter(|identity| identity.unsigned_abs() < FARTHEST);
        let time = identity.and_then(millis_and_nanos);
        let time = time.filter(|(time, _)| self.windows.window_of(millis).contains(*time));
        let OpenAccumulator { aggregate, times } = self.accumulators.at(index);
        let is_new = match (time, identity) {
            (Some((millis, nanos)), _) => {
                let after_start = millis.abs_diff(start);
                self.times.insert(index, times, after_start, nanos)
            }
            (None, identity) => self.identities.insert(index, identity),
        };
        if is_new {
            add(aggregate);
            self.readings += 1;
        } else {
            self.duplicates += 1;
        }
        is_new
    }

    /// Reads the memory in which readings of these keys and milliseconds belong. Adding them one by one
    /// would wait for the memory of each; here, the processor waits for several at once. Use it
    /// for about ten readings in random order, before they are added.
    #[inline]
    pub fn fetch(&self, readings: impl Iterator<Item = (usize, i64)>) {
        let mut fetched = 0;
        for (key, millis) in readings {
            let number = self.windows.number_of(millis);
            if let Some(index) = self.opened.find(key, number)
                && let Some(accumulator) = self.accumulators.get(index)
            {
                let after_start = millis.abs_diff(self.windows.start_of(number));
                fetched ^= self.times.fetch(accumulator.times, after_start);
            }
        }
        black_box(fetched);
    }

    /// The windows of a key: the start of each, and the index of its [`BatchFold::accumulator`].
    pub fn windows_of(&self, key: usize) -> impl Iterator<Item = (i64, usize)> {
        let windows = self.opened.of(key);
        windows.map(|(number, accumulator)| (self.windows.start_of(number), accumulator))
    }

    /// The accumulator at an index that [`BatchFold::windows_of`] returned; `None` if there is
    /// none.
    pub fn accumulator(&self, index: usize) -> Option<BatchAccumulator<'_, A>> {
        let OpenAccumulator { aggregate, times } = self.accumulators.get(index)?;
        let (readings, duplicates) = self.times.counts(index, *times);
        Some(BatchAccumulator {
            readings: readings + self.identities.readings(index),
            duplicates: duplicates + self.identities.duplicates(index),
            aggregate,
        })
    }

    /// The number of distinct readings in all accumulators.
    pub fn readings(&self) -> u64 {
        self.readings
    }

    /// The number of duplicates in all accumulators.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// The start of the window of a key and time, and the index of its accumulator, which is opened
    /// if needed.
    #[inline]
    fn accumulator_of(&mut self, key: usize, millis: i64) -> (i64, usize) {
        let latest = self.opened.key(key).latest;
        if let Some((window, accumulator)) = latest
            && window.contains(millis)
        {
            return (window.start, accumulator);
        }
        let window = self.windows.window_of(millis);
        let number = self.windows.number_of(millis);
        let accumulator = match self.opened.find(key, number) {
            Some(accumulator) => accumulator,
            None => self.open(key, number),
        };
        self.opened.key(key).latest = Some((window, accumulator));
        (window.start, accumulator)
    }

    #[cold]
    fn open(&mut self, key: usize, number: i64) -> usize {
        let index = self.accumulators.len();
        // A window usually has as many readings as the one before it.
        let latest = self.opened.key(key).latest;
        let before = latest.and_then(|(_, accumulator)| self.accumulators.get(accumulator));
        let times = self.times.like(before.map(|accumulator| accumulator.times));
        self.opened.insert(key, number, index);
        self.accumulators.push(OpenAccumulator {
            aggregate: A::identity(),
            times,
        });
        index
    }
}

/// Whole milliseconds, rounded down, and the remaining nanoseconds; `None` beyond 64 bits.
fn millis_and_nanos(nanos: i128) -> Option<(i64, u32)> {
    const MILLI: i128 = 1_000_000;
    let millis = i64::try_from(nanos.div_euclid(MILLI)).ok()?;
    Some((millis, nanos.rem_euclid(MILLI) as u32))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::{Aggregate, Max, Sum};

    type BatchTotals = (Sum, Max<i64>);

    fn minutes() -> BatchFold<BatchTotals> {
        BatchFold::new(Tumbling::new(60_000).unwrap())
    }

    /// Readings, duplicates and sum by key and window start.
    fn contents(batch: &BatchFold<BatchTotals>) -> BTreeMap<(usize, i64), (u64, u64, i128)> {
        let mut contents = BTreeMap::new();
        for key in 0..batch.opened.keys() {
            for (start, accumulator) in batch.windows_of(key) {
                let accumulator = batch.accumulator(accumulator).unwrap();
                let sum = accumulator.aggregate.0.value();
                contents.insert(
                    (key, start),
                    (accumulator.readings, accumulator.duplicates, sum),
                );
            }
        }
        assert_eq!(contents.len(), batch.accumulators.len());
        assert_eq!(batch.accumulator(contents.len()), None);
        let readings: u64 = contents.values().map(|accumulator| accumulator.0).sum();
        let duplicates: u64 = contents.values().map(|accumulator| accumulator.1).sum();
        assert_eq!(
            (batch.readings(), batch.duplicates()),
            (readings, duplicates)
        );
        contents
    }

    #[test]
    fn the_first_of_equal_readings_counts() {
        let mut batch = minutes();
        assert!(batch.add(3, 5, 0, |totals| totals.add(&7_i64)));
        assert!(!batch.add(3, 5, 0, |totals| totals.add(&100_i64)));
        assert!(batch.add(3, 5, 1, |totals| totals.add(&1_i64)));
        assert!(batch.add(3, 60_005, 0, |totals| totals.add(&2_i64)));
        assert!(batch.add(0, 5, 0, |totals| totals.add(&3_i64)));
        assert!(batch.add(3, -1, 0, |totals| totals.add(&4_i64)));
        assert_eq!(
            contents(&batch),
            BTreeMap::from([
                ((0, 0), (1, 0, 3)),
                ((3, -60_000), (1, 0, 4)),
                ((3, 0), (2, 1, 8)),
                ((3, 60_000), (1, 0, 2)),
            ])
        );
        assert_eq!(batch.accumulators.len(), 4);
    }

    #[test]
    fn one_reading_of_an_identity_counts_per_window() {
        let mut batch = minutes();
        let mut add = |key, millis, identity| {
            batch.add_identified(key, millis, identity, |totals| totals.add(&1_i64))
        };
        assert!(add(0, 5, Some(-7)));
        assert!(!add(0, 6, Some(-7)));
        assert!(add(1, 6, Some(-7)));
        assert!(add(0, 60_000, Some(-7)));
        for never_a_duplicate in [Some(i128::MAX), Some(i128::MIN), Some(1 << 96), None] {
            assert!(add(0, 5, never_a_duplicate));
            assert!(add(0, 5, never_a_duplicate));
        }
        let large = Some((1 << 96) - 1);
        assert!(add(0, 5, large));
        assert!(!add(0, 5, large));
        // A time of the window, as an identity, is that time.
        assert!(add(0, 5, Some(9_000_001)));
        assert!(!batch.add(0, 9, 1, |totals| totals.add(&1_i64)));
        assert!(batch.add(0, 9, 0, |totals| totals.add(&1_i64)));
        let mut add = |millis, identity| batch.add_identified(0, millis, Some(identity), |_| ());
        assert!(!add(59_999, 9_000_000));
        // In another window it is not.
        assert!(add(60_001, 9_000_000));
        assert_eq!(
            contents(&batch),
            BTreeMap::from([
                ((0, 0), (12, 4, 12)),
                ((0, 60_000), (2, 0, 1)),
                ((1, 0), (1, 0, 1)),
            ])
        );
    }

    #[test]
    fn distant_times_open_nothing_between_them() {
        let mut batch = minutes();
        for time in [0, 253_402_300_799_999, -62_167_219_200_000, i64::MAX - 1] {
            batch.add(0, time, 0, |totals| totals.add(&1_i64));
        }
        assert_eq!(batch.accumulators.len(), 4);
        assert!(batch.accumulators.capacity() <= 8);
        assert!(batch.opened.key(0).slots() <= 64);
    }

    proptest! {
        #[test]
        fn identities_agree_with_a_set(
            readings in prop::collection::vec(
                // A small identity can be a time of some windows, but not of others.
                (0..2_usize, 0..30_i64, prop::option::of(-40_000_000..40_000_000_i128), any::<bool>()),
                0..300,
            ),
        ) {
            let windows = Tumbling::new(10).unwrap();
            let mut batch: BatchFold<BatchTotals> = BatchFold::new(windows);
            let mut known = HashSet::new();
            for (key, millis, identity, is_time) in readings {
                // Few distinct ones, so that many readings are duplicates.
                let identity = identity.map(|identity| identity - identity.rem_euclid(1_500_000));
                let add = |totals: &mut BatchTotals| totals.add(&1_i64);
                let (identity, is_new) = if is_time {
                    let identity = Some(i128::from(millis) * 1_000_000);
                    (identity, batch.add(key, millis, 0, add))
                } else {
                    (identity, batch.add_identified(key, millis, identity, add))
                };
                let start = windows.window_of(millis).start;
                let expected = identity.is_none_or(|identity| known.insert((key, start, identity)));
                prop_assert_eq!(is_new, expected);
            }
            for (_, (readings, _, sum)) in contents(&batch) {
                prop_assert_eq!(i128::from(readings), sum);
            }
        }

        #[test]
        fn agrees_with_a_map_of_first_readings(
            readings in prop::collection::vec(
                (0..4_usize, -400_000..400_000_i64, 0..2_u32, any::<i32>()),
                0..300,
            ),
            in_order: bool,
            size in prop_oneof![Just(20_000), Just(60_000), Just(i64::MAX)],
        ) {
            let windows = Tumbling::new(size).unwrap();
            let mut readings = readings;
            if in_order {
                readings.sort_by_key(|reading| reading.1);
            }
            let mut batch: BatchFold<BatchTotals> = BatchFold::new(windows);
            let mut firsts = BTreeMap::new();
            let mut added: BTreeMap<(usize, i64), u64> = BTreeMap::new();
            for (key, millis, nanos, value) in readings {
                // Few distinct times, so that many readings are duplicates.
                let millis = millis - millis.rem_euclid(10_000);
                let is_new = batch.add(key, millis, nanos, |totals| totals.add(&i64::from(value)));
                prop_assert_eq!(is_new, !firsts.contains_key(&(key, millis, nanos)));
                firsts.entry((key, millis, nanos)).or_insert(value);
                *added.entry((key, windows.window_of(millis).start)).or_default() += 1;
            }
            let mut expected: BTreeMap<(usize, i64), (u64, u64, i128)> = BTreeMap::new();
            for ((key, millis, _), value) in firsts {
                let accumulator = expected.entry((key, windows.window_of(millis).start)).or_default();
                accumulator.0 += 1;
                accumulator.2 += i128::from(value);
            }
            for (key_and_start, accumulator) in &mut expected {
                accumulator.1 = added[key_and_start] - accumulator.0;
            }
            prop_assert_eq!(contents(&batch), expected);
        }
    }
}
