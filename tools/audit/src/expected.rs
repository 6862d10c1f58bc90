//! What the rows must say: the log of readings, folded again.
//!
//! The code is independent of the aggregator's fold. It shares only the parser of readings, so it
//! counts the same lines.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use unicorn::reading::Reading;
use unicorn::sensor::readings;

use crate::totals::AuditTotals;

/// Which time decides the window of a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WindowBy {
    /// When its record arrived in the stream
    #[default]
    Arrival,
    /// Its own StatusTime
    Event,
}

/// How far a StatusTime may be ahead of its arrival if it decides the window. Readings further
/// ahead are rejected.
const FURTHEST_AHEAD: i64 = 300_000;

/// Tumbling windows, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditWindows {
    length: i64,
    by: WindowBy,
}

impl AuditWindows {
    /// Windows of this length, which is rounded down to whole milliseconds and is at least one.
    pub fn new(length: Duration, by: WindowBy) -> Self {
        let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        Self {
            length: length.max(1),
            by,
        }
    }

    /// The length of a window.
    pub fn length(self) -> i64 {
        self.length
    }

    /// Which time decides.
    pub fn by(self) -> WindowBy {
        self.by
    }

    /// The start of the window that `time` is in.
    pub fn start_of(self, time: i64) -> i64 {
        let past = match time % self.length {
            before_zero if before_zero < 0 => before_zero + self.length,
            past => past,
        };
        time.saturating_sub(past)
    }

    /// The start of the first window that begins after `time`.
    pub fn next_after(self, time: i64) -> i64 {
        self.start_of(time).saturating_add(self.length)
    }

    /// How long before the start of a window its first reading may arrive.
    pub fn earliest_arrival(self) -> i64 {
        match self.by {
            WindowBy::Arrival => 0,
            WindowBy::Event => FURTHEST_AHEAD,
        }
    }

    /// The start of the window of a reading; `None` if it is rejected.
    fn window_of(self, reading: &Reading<'_>, arrival: i64) -> Option<i64> {
        if self.by == WindowBy::Arrival {
            return Some(self.start_of(arrival));
        }
        let time = reading.status_time.millis();
        let is_too_far_ahead = time.saturating_sub(arrival) > FURTHEST_AHEAD;
        (!is_too_far_ahead).then(|| self.start_of(time))
    }
}

/// What the log has of one unicorn and window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedWindow {
    /// The totals of the distinct readings.
    pub totals: AuditTotals,
    /// How many readings were duplicates of these.
    pub duplicates: u64,
}

/// What the log has of one unicorn, by the start of the window.
pub type LoggedKey = BTreeMap<i64, LoggedWindow>;

/// What the rows must say, by unicorn and window.
pub type ExpectedWindows = BTreeMap<Arc<str>, LoggedKey>;

/// Folds a log into the windows whose rows are audited.
///
/// A reading counts once per shard and Lambda window, identified by its Name and its StatusTime to
/// the nanosecond. The records of one shard must come in the order of its log; those of different
/// shards may come in any order. Lines that are not readings are skipped.
#[derive(Debug)]
pub struct LogFold {
    windows: AuditWindows,
    range: Range<i64>,
    keys: Vec<(Arc<str>, LoggedKey)>,
    numbers: HashMap<Arc<str>, u32>,
    /// The number of accumulators by window.
    open: BTreeMap<i64, usize>,
    /// The readings of a shard in a Lambda window. Lambda's windows are by arrival, always.
    known: BTreeMap<(i64, usize), KnownReadings>,
    held: Option<usize>,
    skipped: u64,
}

/// The readings of one shard in one Lambda window.
#[derive(Debug, Default)]
struct KnownReadings {
    /// How many there are, duplicates included.
    arrived: usize,
    /// How many there were when each counted last.
    counted: HashMap<ReadingId, usize>,
}

impl KnownReadings {
    /// Whether the reading that has just arrived counts. The last `held` readings are held.
    fn counts(&mut self, id: ReadingId, held: Option<usize>) -> bool {
        let counted = self.counted.get(&id);
        let is_held = |at: &usize| held.is_none_or(|held| self.arrived - at < held);
        if counted.is_some_and(is_held) {
            return false;
        }
        self.counted.insert(id, self.arrived);
        true
    }
}

/// A unicorn's number and a StatusTime: milliseconds since the epoch, and nanoseconds.
type ReadingId = (u32, i64, u32);

impl LogFold {
    /// A fold of the windows that start in `range`.
    pub fn new(windows: AuditWindows, range: Range<i64>) -> Self {
        Self {
            windows,
            range,
            keys: Vec::new(),
            numbers: HashMap::new(),
            open: BTreeMap::new(),
            known: BTreeMap::new(),
            held: None,
            skipped: 0,
        }
    }

    /// A fold for a dedup cache that surely holds only a shard's last `held` readings in a Lambda
    /// window: a duplicate counts again whenever that many arrived since it counted last. `None`
    /// if the cache holds all, as a new fold assumes.
    ///
    /// The cache may hold more, so the totals are the most that rows may have.
    pub fn with_held(self, held: Option<usize>) -> Self {
        Self { held, ..self }
    }

    /// Adds a record of the shard with this number, which the caller chooses. `arrival` is in
    /// milliseconds since the epoch.
    pub fn add(&mut self, shard: usize, arrival: i64, data: &[u8]) {
        let lambda_window = self.windows.start_of(arrival);
        if self.windows.by == WindowBy::Arrival && !self.range.contains(&lambda_window) {
            return;
        }
        for (_, reading) in readings(data) {
            let Ok(reading) = reading else {
                self.skipped += 1;
                continue;
            };
            match self.windows.window_of(&reading, arrival) {
                None => self.skipped += 1,
                Some(start) => {
                    let lambda = (lambda_window, shard);
                    self.known.entry(lambda).or_default().arrived += 1;
                    if self.range.contains(&start) {
                        self.add_reading(lambda, start, &reading);
                    }
                }
            }
        }
    }

    fn add_reading(&mut self, lambda: (i64, usize), start: i64, reading: &Reading<'_>) {
        let number = self.number(&reading.name);
        let time = reading.status_time;
        let nanos = time.nanos() - i128::from(time.millis()) * 1_000_000;
        let id = (number, time.millis(), nanos as u32);
        let known = self.known.entry(lambda).or_default();
        let is_new = known.counts(id, self.held);
        let Some((_, windows)) = self.keys.get_mut(number as usize) else {
            return;
        };
        let window = windows.entry(start).or_insert_with(|| {
            *self.open.entry(start).or_default() += 1;
            LoggedWindow {
                totals: AuditTotals::NONE,
                duplicates: 0,
            }
        });
        if is_new {
            window.totals.add(&AuditTotals::of(reading));
        } else {
            window.duplicates += 1;
        }
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let name: Arc<str> = name.into();
        let number = self.keys.len() as u32;
        self.keys.push((Arc::clone(&name), LoggedKey::new()));
        self.numbers.insert(name, number);
        number
    }

    /// Drops what is needed only for records that arrived before `arrival`, of any shard.
    pub fn end_before(&mut self, arrival: i64) {
        let first = self.windows.start_of(arrival);
        self.known = self.known.split_off(&(first, 0));
    }

    /// The number of accumulators: unicorns times windows.
    pub fn accumulators(&self) -> usize {
        self.open.values().sum()
    }

    /// Drops the latest windows until there are at most `most` accumulators, or one window. Returns
    /// the end of the windows that are left.
    pub fn shrink_to(&mut self, most: usize) -> i64 {
        let mut left = self.accumulators();
        while left > most && self.open.len() > 1 {
            if let Some((start, dropped)) = self.open.pop_last() {
                self.range.end = start;
                left -= dropped;
            }
        }
        for (_, windows) in &mut self.keys {
            windows.split_off(&self.range.end);
        }
        self.range.end
    }

    /// Lines that are not readings, or that are too far ahead of their arrival.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// What the rows of the windows must say.
    pub fn finish(self) -> ExpectedWindows {
        let keys = self.keys.into_iter();
        keys.filter(|(_, windows)| !windows.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Range<i64> = 0..3_600_000;

    fn windows(by: WindowBy) -> AuditWindows {
        AuditWindows::new(Duration::from_secs(60), by)
    }

    /// A reading whose StatusTime is this many seconds after the epoch.
    fn line(name: &str, seconds: u32, fraction: &str, metres: &str, points: i32) -> String {
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!(
            "{{\"Name\":\"{name}\",\"StatusTime\":\"1970-01-01 {hours:02}:{minutes:02}:{seconds:02}.{fraction}\",\
             \"Distance\":{metres},\"MagicPoints\":{points},\"HealthPoints\":{}}}\n",
            points + 40
        )
    }

    fn window(expected: &ExpectedWindows, name: &str, start: i64) -> LoggedWindow {
        expected[name][&start]
    }

    #[test]
    fn windows_are_rounded_down() {
        let windows = windows(WindowBy::Arrival);
        for (time, start) in [
            (0, 0),
            (59_999, 0),
            (60_000, 60_000),
            (-1, -60_000),
            (-60_000, -60_000),
            (-60_001, -120_000),
        ] {
            assert_eq!(windows.start_of(time), start, "{time}");
            assert_eq!(windows.next_after(time), start + 60_000, "{time}");
        }
        windows.start_of(i64::MIN);
        windows.next_after(i64::MAX);
    }

    #[test]
    fn readings_count_once_per_shard_and_window() {
        let mut fold = LogFold::new(windows(WindowBy::Arrival), HOUR);
        let first = line("Franky", 1, "0", "1.5", 100);
        let other = line("Franky", 1, "000000001", "0.000001", 99);
        fold.add(0, 10, format!("{first}neigh\n{first}").as_bytes());
        fold.add(0, 59_999, other.as_bytes());
        fold.add(0, 60_000, first.as_bytes());
        fold.add(1, 10, first.as_bytes());
        fold.add(1, 3_600_000, first.as_bytes());
        assert_eq!((fold.accumulators(), fold.skipped()), (2, 1));
        let expected = fold.finish();
        let totals = AuditTotals {
            readings: 3,
            micrometres: 3_000_001,
            magic: [99, 100],
            health: [139, 140],
        };
        let duplicates = 1;
        assert_eq!(
            window(&expected, "Franky", 0),
            LoggedWindow { totals, duplicates }
        );
        assert_eq!(window(&expected, "Franky", 60_000).totals.readings, 1);
        assert_eq!(expected["Franky"].len(), 2);
    }

    #[test]
    fn duplicates_are_known_until_their_lambda_window_ends() {
        let first = line("Franky", 1, "0", "1", 100);
        let mut fold = LogFold::new(windows(WindowBy::Arrival), HOUR);
        fold.add(0, 10, first.as_bytes());
        fold.end_before(59_999);
        fold.add(0, 11, first.as_bytes());
        let expected = window(&fold.finish(), "Franky", 0);
        assert_eq!((expected.totals.readings, expected.duplicates), (1, 1));
    }

    #[test]
    fn a_duplicate_counts_again_after_as_many_readings_as_are_held() {
        let line = |second| line("Franky", second, "0", "1", 7);
        // Another spelling of the first.
        let respelled = line(1)
            .replace(":", " : ")
            .replace("00 : 00 : 01.0", "00:00:01");
        let counted = |held| {
            let mut fold = LogFold::new(windows(WindowBy::Arrival), HOUR).with_held(held);
            let first = format!("{}{}{respelled}", line(1), line(2));
            fold.add(0, 10, first.as_bytes());
            fold.add(1, 15, line(9).as_bytes());
            fold.add(
                0,
                20,
                format!("{}{}{}", line(3), line(4), line(1)).as_bytes(),
            );
            let window = window(&fold.finish(), "Franky", 0);
            (window.totals.readings, window.duplicates)
        };
        assert_eq!(counted(None), (5, 2));
        assert_eq!(counted(Some(6)), (5, 2));
        assert_eq!(counted(Some(5)), (6, 1));
        assert_eq!(counted(Some(3)), (6, 1));
        assert_eq!(counted(Some(2)), (7, 0));
    }

    #[test]
    fn readings_of_other_windows_are_held_too() {
        let mut fold = LogFold::new(windows(WindowBy::Event), 0..60_000).with_held(Some(2));
        let [first, other] = [1, 61].map(|second| line("Franky", second, "0", "1", 7));
        fold.add(0, 70_000, format!("{first}{other}{first}").as_bytes());
        let expected = fold.finish();
        assert_eq!(expected["Franky"].len(), 1);
        assert_eq!(window(&expected, "Franky", 0).totals.readings, 2);
    }

    #[test]
    fn status_time_decides_if_windows_are_by_event_time() {
        let mut fold = LogFold::new(windows(WindowBy::Event), HOUR);
        // Five minutes ahead of its arrival, and one millisecond more.
        fold.add(0, 0, line("Franky", 300, "000", "1", 100).as_bytes());
        fold.add(0, 0, line("Franky", 300, "001", "1", 100).as_bytes());
        // An hour late. The Lambda window ends before the duplicate arrives.
        let late = line("Franky", 1, "0", "1", 100);
        fold.add(0, 3_600_000, format!("{late}{late}").as_bytes());
        fold.add(0, 3_660_000, late.as_bytes());
        assert_eq!(fold.skipped(), 1);
        let expected = fold.finish();
        assert_eq!(window(&expected, "Franky", 300_000).totals.readings, 1);
        let late = window(&expected, "Franky", 0);
        assert_eq!((late.totals.readings, late.duplicates), (2, 1));
    }

    #[test]
    fn the_latest_windows_are_dropped_first() {
        let mut fold = LogFold::new(windows(WindowBy::Arrival), HOUR);
        for minute in 0..10 {
            for name in ["a", "b", "c"] {
                let line = line(name, 1, "0", "1", 100);
                fold.add(0, minute * 60_000, line.as_bytes());
            }
        }
        assert_eq!(fold.shrink_to(30), 3_600_000);
        assert_eq!(fold.shrink_to(14), 240_000);
        assert_eq!(fold.accumulators(), 12);
        fold.add(0, 240_000, line("d", 1, "0", "1", 100).as_bytes());
        assert_eq!(fold.shrink_to(1), 60_000);
        let expected = fold.finish();
        assert_eq!(expected.len(), 3);
        assert!(expected.values().all(|windows| windows.len() == 1));
    }

    proptest! {
        /// The order of different shards' records does not matter, nor does a split into ranges.
        #[test]
        fn ranges_together_are_the_whole(
            log in proptest::collection::vec((0..3_usize, 0..300_u32, 0..9_u32, 0..2_u32), 0..60),
            cut in 0..300_i64,
        ) {
            let windows = AuditWindows::new(Duration::from_secs(20), WindowBy::Arrival);
            let mut log: Vec<_> = log;
            log.sort_by_key(|(shard, second, ..)| (*second, *shard));
            let fold = |range: Range<i64>, by_shard: bool| {
                let mut fold = LogFold::new(windows, range);
                let mut log = log.clone();
                if by_shard {
                    log.sort_by_key(|(shard, second, ..)| (*shard, *second));
                }
                for (shard, second, time, name) in log {
                    let line = line(["a", "b"][name as usize], time, "0", "1", 100);
                    fold.add(shard, i64::from(second) * 1000, line.as_bytes());
                }
                fold.finish()
            };
            let whole = fold(0..400_000, false);
            prop_assert_eq!(&fold(0..400_000, true), &whole);
            let cut = windows.start_of(cut * 1000);
            let mut joined = fold(0..cut, false);
            for (name, windows) in fold(cut..400_000, false) {
                joined.entry(name).or_default().extend(windows);
            }
            prop_assert_eq!(joined, whole);
        }
    }
}
