//! Many windows of many keys at once, each reading counted once: the batch form of a fold.
//!
//! A [`Fold`](crate::fold::Fold) holds what one window of one shard holds, within bounds, since it
//! travels. A [`BatchFold`] stays where it is, takes readings of any window, and evicts none of them. So
//! it is for whoever has all readings at hand, as in an archive.
//!
//! It is made for readings that come in about the order of their times: a reading then goes into the
//! window of its key's last one or opens the next, and is later than all of its window. Whether that
//! is so takes a comparison or two. Any other order gives the same aggregates, through slower ways.

mod times;

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use crate::aggregate::{Aggregate, Merge};
use crate::window::{Tumbling, Window};
use times::{BatchTimes, Stretch};

/// Aggregates by key and window. Keys are numbers from 0 up without great gaps, as whoever numbers
/// names gives them out; what each stands for is not known here.
///
/// A reading is known by its key and its own time, to the nanosecond. Of readings that agree in both
/// the first counts, and the others count as repeats. Memory grows with the readings (4 bytes each
/// where they come in the order of their times, up to twice that for the spare room of growing windows,
/// and as much again for the first of them; some 30 bytes where they do not, or where a time is no whole
/// millisecond) and with the accumulators (some 40 bytes each beside the aggregate), never with the time
/// between them.
#[derive(Clone, Debug)]
pub struct BatchFold<A> {
    windows: Tumbling,
    accumulators: Vec<HeldWindow<A>>,
    times: BatchTimes,
    keys: Vec<KeyWindows>,
    /// By key, the accumulators that were opened after one of a later window, by the start of theirs.
    late: HashMap<usize, BTreeMap<i64, usize>, RandomState>,
    readings: u64,
    duplicates: u64,
}

/// What one window holds of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchAccumulator<'a, A> {
    /// How many distinct readings were added.
    pub readings: u64,
    /// How many more there were that had been added before.
    pub duplicates: u64,
    /// The distinct readings, aggregated.
    pub aggregate: &'a A,
}

/// An accumulator, but for what [`BatchTimes`] has of it.
#[derive(Clone, Debug)]
struct HeldWindow<A> {
    aggregate: A,
    stretch: Stretch,
}

/// Where the accumulators of a key are.
#[derive(Clone, Debug, Default)]
struct KeyWindows {
    /// That of its last reading, mostly the next one's as well.
    latest: Option<(Window, usize)>,
    /// The start and the accumulator of the newest window.
    newest: Option<(i64, usize)>,
    /// Those of the windows before it, ascending, but for those in [`BatchFold::late`].
    older: Vec<(i64, usize)>,
}

impl<A: Merge> BatchFold<A> {
    /// A batch of these windows, with nothing in it.
    pub fn new(windows: Tumbling) -> Self {
        Self {
            windows,
            accumulators: Vec::new(),
            times: BatchTimes::new(),
            keys: Vec::new(),
            late: HashMap::default(),
            readings: 0,
            duplicates: 0,
        }
    }

    /// Adds a reading of `key`, taken at `millis` milliseconds and `nanos` nanoseconds (less than a
    /// million); false where one of the same key and time was added before and this one only counts
    /// as a repeat.
    pub fn add<T: ?Sized>(&mut self, key: usize, millis: i64, nanos: u32, reading: &T) -> bool
    where
        A: Aggregate<T>,
    {
        let (start, place) = self.place(key, millis);
        let HeldWindow { aggregate, stretch } = &mut self.accumulators[place];
        let after_start = millis.abs_diff(start);
        let is_new = self.times.insert(place, stretch, after_start, nanos);
        if is_new {
            aggregate.add(reading);
            self.readings += 1;
        } else {
            self.duplicates += 1;
        }
        is_new
    }

    /// The windows of a key: the start of each, and the place of its [`BatchFold::accumulator`].
    pub fn windows_of(&self, key: usize) -> impl Iterator<Item = (i64, usize)> {
        let in_order = self.keys.get(key).into_iter();
        let in_order = in_order.flat_map(|key| key.older.iter().chain(&key.newest).copied());
        let late = self.late.get(&key).into_iter().flatten();
        in_order.chain(late.map(|(&start, &accumulator)| (start, accumulator)))
    }

    /// The accumulator at a place, as [`BatchFold::windows_of`] gives them; none elsewhere.
    pub fn accumulator(&self, place: usize) -> Option<BatchAccumulator<'_, A>> {
        let HeldWindow { aggregate, stretch } = self.accumulators.get(place)?;
        let (readings, duplicates) = self.times.counts(place, *stretch);
        Some(BatchAccumulator {
            readings,
            duplicates,
            aggregate,
        })
    }

    /// How many distinct readings were added to all accumulators.
    pub fn readings(&self) -> u64 {
        self.readings
    }

    /// How many more there were that had been added before.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// The start of the window of a key and time, and where its accumulator is from here on.
    fn place(&mut self, key: usize, millis: i64) -> (i64, usize) {
        if key >= self.keys.len() {
            self.keys.resize(key + 1, KeyWindows::default());
        }
        if let Some((window, accumulator)) = self.keys[key].latest
            && window.contains(millis)
        {
            return (window.start, accumulator);
        }
        let window = self.windows.window_of(millis);
        let accumulator = match self.find(key, window.start) {
            Some(accumulator) => accumulator,
            None => self.open(key, window.start),
        };
        self.keys[key].latest = Some((window, accumulator));
        (window.start, accumulator)
    }

    fn find(&self, key: usize, start: i64) -> Option<usize> {
        let KeyWindows { newest, older, .. } = &self.keys[key];
        match *newest {
            Some((newest, accumulator)) if newest == start => return Some(accumulator),
            Some((newest, _)) if newest > start => {}
            _ => return None,
        }
        match older.binary_search_by_key(&start, |(start, _)| *start) {
            Ok(found) => Some(older[found].1),
            Err(_) => self.late.get(&key)?.get(&start).copied(),
        }
    }

    fn open(&mut self, key: usize, start: i64) -> usize {
        let place = self.accumulators.len();
        let KeyWindows {
            latest,
            newest,
            older,
        } = &mut self.keys[key];
        // A window mostly holds as many readings as the one before it.
        let before = latest.and_then(|(_, accumulator)| self.accumulators.get(accumulator));
        let stretch = self
            .times
            .stretch_like(before.map(|accumulator| accumulator.stretch));
        if newest.is_some_and(|(newest, _)| newest > start) {
            self.late.entry(key).or_default().insert(start, place);
        } else {
            older.extend(newest.replace((start, place)));
        }
        self.accumulators.push(HeldWindow {
            aggregate: A::identity(),
            stretch,
        });
        place
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::{Max, Sum};

    type BatchTotals = (Sum, Max<i64>);

    fn minutes() -> BatchFold<BatchTotals> {
        BatchFold::new(Tumbling::new(60_000).unwrap())
    }

    /// Readings, repeats and sum by key and start.
    fn found(batch: &BatchFold<BatchTotals>) -> BTreeMap<(usize, i64), (u64, u64, i128)> {
        let mut found = BTreeMap::new();
        for key in 0..batch.keys.len() {
            for (start, accumulator) in batch.windows_of(key) {
                let accumulator = batch.accumulator(accumulator).unwrap();
                let sum = accumulator.aggregate.0.value();
                found.insert(
                    (key, start),
                    (accumulator.readings, accumulator.duplicates, sum),
                );
            }
        }
        assert_eq!(found.len(), batch.accumulators.len());
        assert_eq!(batch.accumulator(found.len()), None);
        let readings: u64 = found.values().map(|accumulator| accumulator.0).sum();
        let duplicates: u64 = found.values().map(|accumulator| accumulator.1).sum();
        assert_eq!(
            (batch.readings(), batch.duplicates()),
            (readings, duplicates)
        );
        found
    }

    #[test]
    fn of_equal_readings_the_first_counts() {
        let mut batch = minutes();
        assert!(batch.add(3, 5, 0, &7_i64));
        assert!(!batch.add(3, 5, 0, &100_i64));
        assert!(batch.add(3, 5, 1, &1_i64));
        assert!(batch.add(3, 60_005, 0, &2_i64));
        assert!(batch.add(0, 5, 0, &3_i64));
        assert!(batch.add(3, -1, 0, &4_i64));
        assert_eq!(
            found(&batch),
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
    fn a_far_away_time_is_one_more_accumulator() {
        let mut batch = minutes();
        for time in [0, 253_402_300_799_999, -62_167_219_200_000, i64::MAX - 1] {
            batch.add(0, time, 0, &1_i64);
        }
        assert_eq!(batch.accumulators.len(), 4);
        assert!(batch.accumulators.capacity() <= 8);
        assert!(batch.keys[0].older.capacity() <= 8);
    }

    proptest! {
        #[test]
        fn it_is_a_map_of_first_readings(
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
            let mut seen: BTreeMap<(usize, i64), u64> = BTreeMap::new();
            for (key, millis, nanos, value) in readings {
                // Few times, so that many are repeated.
                let millis = millis - millis.rem_euclid(10_000);
                let is_new = batch.add(key, millis, nanos, &i64::from(value));
                prop_assert_eq!(is_new, !firsts.contains_key(&(key, millis, nanos)));
                firsts.entry((key, millis, nanos)).or_insert(value);
                *seen.entry((key, windows.window_of(millis).start)).or_default() += 1;
            }
            let mut expected: BTreeMap<(usize, i64), (u64, u64, i128)> = BTreeMap::new();
            for ((key, millis, _), value) in firsts {
                let accumulator = expected.entry((key, windows.window_of(millis).start)).or_default();
                accumulator.0 += 1;
                accumulator.2 += i128::from(value);
            }
            for (at, accumulator) in &mut expected {
                accumulator.1 = seen[at] - accumulator.0;
            }
                        prop_assert_eq!(found(&batch), expected);
        }
    }
}
