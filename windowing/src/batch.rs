//! Many windows of many keys at once, each reading counted once: the batch form of a fold.
//!
//! A [`Fold`](crate::fold::Fold) holds what one window of one shard holds, within bounds, since it
//! travels. A [`Batch`] stays where it is, takes readings of any window, and forgets none of them. So
//! it is for whoever has all readings at hand, as in an archive.
//!
//! It is made for readings that come in about the order of their times: a reading then goes into the
//! window of its key's last one or opens the next, and is later than all of its window. Whether that
//! is so takes a comparison or two. Any other order gives the same aggregates, through slower ways.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;

use crate::aggregate::{Aggregate, Merge};
use crate::window::{Tumbling, Window};

/// Aggregates by key and window. Keys are numbers from 0 up without great gaps, as whoever numbers
/// names gives them out; what each stands for is not known here.
///
/// A reading is known by its key and its own time, to the nanosecond. Of readings that agree in both
/// the first counts, and the others count as repeats. Memory grows with the readings (4 bytes each
/// where they come in the order of their times, up to twice that for the spare room of a growing
/// list; some 30 bytes where they do not, or where a time is no whole millisecond) and with the panes
/// (some 40 bytes each beside the aggregate, and 80 more from the second reading on), never with the
/// time between them.
#[derive(Clone, Debug)]
pub struct Batch<A> {
    windows: Tumbling,
    panes: Vec<Pane<A>>,
    keys: Vec<Key>,
    /// By key, the panes that were opened after one of a later window, by the start of theirs.
    late: HashMap<usize, BTreeMap<i64, usize>, RandomState>,
    readings: u64,
    repeats: u64,
}

/// What one window holds of one key.
#[derive(Clone, Debug)]
pub struct Pane<A> {
    aggregate: A,
    times: Times,
}

/// Where the panes of a key are.
#[derive(Clone, Debug, Default)]
struct Key {
    /// That of its last reading, mostly the next one's as well.
    latest: Option<(Window, usize)>,
    /// The start and the pane of the newest window.
    newest: Option<(i64, usize)>,
    /// Those of the windows before it, ascending, but for those in [`Batch::late`].
    older: Vec<(i64, usize)>,
}

impl<A: Merge> Batch<A> {
    /// A batch of these windows, with nothing in it.
    pub fn new(windows: Tumbling) -> Self {
        Self {
            windows,
            panes: Vec::new(),
            keys: Vec::new(),
            late: HashMap::default(),
            readings: 0,
            repeats: 0,
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
        let pane = &mut self.panes[place];
        let is_new = pane.times.insert(millis.abs_diff(start), nanos);
        if is_new {
            pane.aggregate.add(reading);
            self.readings += 1;
        } else {
            self.repeats += 1;
        }
        is_new
    }

    /// The windows of a key: the start of each, and the place of what it holds in [`Batch::panes`].
    pub fn windows_of(&self, key: usize) -> impl Iterator<Item = (i64, usize)> {
        let in_order = self.keys.get(key).into_iter();
        let in_order = in_order.flat_map(|key| key.older.iter().chain(&key.newest).copied());
        let late = self.late.get(&key).into_iter().flatten();
        in_order.chain(late.map(|(&start, &pane)| (start, pane)))
    }

    /// What all windows of all keys hold.
    pub fn panes(&self) -> &[Pane<A>] {
        &self.panes
    }

    /// How many distinct readings were added to all panes.
    pub fn readings(&self) -> u64 {
        self.readings
    }

    /// How many more there were that had been added before.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// The start of the window of a key and time, and where its pane is from here on.
    fn place(&mut self, key: usize, millis: i64) -> (i64, usize) {
        if key >= self.keys.len() {
            self.keys.resize(key + 1, Key::default());
        }
        if let Some((window, pane)) = self.keys[key].latest
            && window.contains(millis)
        {
            return (window.start, pane);
        }
        let window = self.windows.window_of(millis);
        let pane = match self.find(key, window.start) {
            Some(pane) => pane,
            None => self.open(key, window.start),
        };
        self.keys[key].latest = Some((window, pane));
        (window.start, pane)
    }

    fn find(&self, key: usize, start: i64) -> Option<usize> {
        let Key { newest, older, .. } = &self.keys[key];
        match *newest {
            Some((newest, pane)) if newest == start => return Some(pane),
            Some((newest, _)) if newest > start => {}
            _ => return None,
        }
        match older.binary_search_by_key(&start, |(start, _)| *start) {
            Ok(found) => Some(older[found].1),
            Err(_) => self.late.get(&key)?.get(&start).copied(),
        }
    }

    fn open(&mut self, key: usize, start: i64) -> usize {
        let place = self.panes.len();
        let Key {
            latest,
            newest,
            older,
        } = &mut self.keys[key];
        // A window mostly holds as many readings as the one before it.
        let before = latest.and_then(|(_, pane)| self.panes.get(pane));
        let expected = before.map_or(0, |pane| pane.times.in_order());
        if newest.is_some_and(|(newest, _)| newest > start) {
            self.late.entry(key).or_default().insert(start, place);
        } else {
            older.extend(newest.replace((start, place)));
        }
        self.panes.push(Pane {
            aggregate: A::identity(),
            times: Times::expecting(expected),
        });
        place
    }
}

impl<A> Pane<A> {
    /// How many distinct readings were added.
    pub fn readings(&self) -> u64 {
        self.times.len()
    }

    /// How many more there were that had been added before.
    pub fn repeats(&self) -> u64 {
        self.times.more.as_ref().map_or(0, |more| more.repeats)
    }

    /// The distinct readings, aggregated.
    pub fn aggregate(&self) -> &A {
        &self.aggregate
    }
}

/// Which times of a window were seen, after its start; all of them, exactly.
///
/// It takes 16 bytes until there is a second one.
#[derive(Clone, Debug, Default)]
struct Times {
    /// The latest of the whole milliseconds that came in order.
    last: Option<u32>,
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default)]
struct More {
    /// The whole milliseconds that came in order, but for the latest, ascending.
    earlier: Vec<u32>,
    /// All other times, as milliseconds and nanoseconds; mostly there are none.
    others: BTreeSet<(u64, u32)>,
    /// How many times were noted again.
    repeats: u64,
}

/// For how many times room is made before there are any, at most.
const MOST_ROOM: usize = 256;

impl Times {
    /// No times yet, and room for that many.
    fn expecting(expected: usize) -> Self {
        let earlier = expected.saturating_sub(1).min(MOST_ROOM);
        let more = (earlier > 0).then(|| {
            Box::new(More {
                earlier: Vec::with_capacity(earlier),
                ..More::default()
            })
        });
        Self { last: None, more }
    }

    /// Notes a time; false if it was noted before.
    fn insert(&mut self, millis: u64, nanos: u32) -> bool {
        let whole = match nanos {
            0 => u32::try_from(millis).ok(),
            _ => None,
        };
        if whole > self.last {
            if let Some(last) = std::mem::replace(&mut self.last, whole) {
                self.more.get_or_insert_default().earlier.push(last);
            }
            return true;
        }
        let more = self.more.get_or_insert_default();
        let in_order = whole.is_some_and(|whole| {
            self.last == Some(whole) || more.earlier.binary_search(&whole).is_ok()
        });
        let is_new = !in_order && more.others.insert((millis, nanos));
        more.repeats += u64::from(!is_new);
        is_new
    }

    /// How many of them came in order.
    fn in_order(&self) -> usize {
        let earlier = self.more.as_ref().map_or(0, |more| more.earlier.len());
        earlier + usize::from(self.last.is_some())
    }

    fn len(&self) -> u64 {
        let others = self.more.as_ref().map_or(0, |more| more.others.len());
        (self.in_order() + others) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::{Max, Sum};

    type Totals = (Sum, Max<i64>);

    fn minutes() -> Batch<Totals> {
        Batch::new(Tumbling::new(60_000).unwrap())
    }

    /// Readings, repeats and sum by key and start.
    fn found(batch: &Batch<Totals>) -> BTreeMap<(usize, i64), (u64, u64, i128)> {
        let mut found = BTreeMap::new();
        for key in 0..batch.keys.len() {
            for (start, pane) in batch.windows_of(key) {
                let pane = &batch.panes()[pane];
                let sum = pane.aggregate().0.value();
                found.insert((key, start), (pane.readings(), pane.repeats(), sum));
            }
        }
        assert_eq!(found.len(), batch.panes().len());
        let readings: u64 = found.values().map(|pane| pane.0).sum();
        let repeats: u64 = found.values().map(|pane| pane.1).sum();
        assert_eq!((batch.readings(), batch.repeats()), (readings, repeats));
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
        assert_eq!(batch.panes().len(), 4);
    }

    #[test]
    fn a_far_away_time_is_one_more_pane() {
        let mut batch = minutes();
        for time in [0, 253_402_300_799_999, -62_167_219_200_000, i64::MAX - 1] {
            batch.add(0, time, 0, &1_i64);
        }
        assert_eq!(batch.panes().len(), 4);
        assert!(batch.panes.capacity() <= 8);
        assert!(batch.keys[0].older.capacity() <= 8);
    }

    #[test]
    fn readings_in_order_take_four_bytes() {
        let mut batch = minutes();
        for second in 0..120 {
            assert!(batch.add(0, second * 1000, 0, &1_i64));
        }
        assert!(batch.late.is_empty());
        let room = batch.panes.iter().map(|pane| {
            let more = pane.times.more.as_ref().unwrap();
            assert!(more.others.is_empty());
            more.earlier.capacity()
        });
        // The second window has room for as many as the first had.
        assert_eq!(room.collect::<Vec<_>>(), [64, 59]);
    }

    #[test]
    fn a_pane_of_one_reading_is_small() {
        let mut batch = minutes();
        batch.add(0, 5, 0, &1_i64);
        assert!(batch.panes[0].times.more.is_none());
        assert_eq!(size_of::<Times>(), 16);
    }

    #[test]
    fn a_full_window_does_not_make_room_in_all_others() {
        let mut batch = minutes();
        for milli in 0..60_000 {
            batch.add(0, milli, 0, &1_i64);
        }
        for minute in 1..100 {
            batch.add(0, minute * 60_000, 0, &1_i64);
            batch.add(0, 59_999, 0, &1_i64);
        }
        for pane in &batch.panes[1..] {
            let more = pane.times.more.as_ref().unwrap();
            assert!(more.earlier.capacity() <= MOST_ROOM);
        }
    }

    proptest! {
        #[test]
        fn times_are_a_set(
            times in prop::collection::vec(
                (
                    prop_oneof![
                        8 => 0..40_u64,
                        1 => any::<u64>(),
                        1 => (0..3_u64).prop_map(|above| u64::from(u32::MAX) + above),
                    ],
                    prop_oneof![4 => Just(0), 1 => 0..3_u32],
                ),
                0..200,
            ),
            expected in 0..100_usize,
        ) {
            let mut noted = Times::expecting(expected);
            let mut set = HashSet::new();
            for time in times {
                prop_assert_eq!(noted.insert(time.0, time.1), set.insert(time));
            }
            prop_assert_eq!(noted.len(), set.len() as u64);
        }

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
            let mut batch: Batch<Totals> = Batch::new(windows);
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
                let pane = expected.entry((key, windows.window_of(millis).start)).or_default();
                pane.0 += 1;
                pane.2 += i128::from(value);
            }
            for (at, pane) in &mut expected {
                pane.1 = seen[at] - pane.0;
            }
                        prop_assert_eq!(found(&batch), expected);
        }
    }
}
