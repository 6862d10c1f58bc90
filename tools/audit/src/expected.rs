//! What the rows must say: the log of readings, folded again.
//!
//! The code is independent of the aggregator's fold and of the sensor's accumulator. It shares only
//! what the sensor says about one reading: its key, its time, its identity, and the value that each
//! measure aggregates; and what a record holds, which has no part in the totals.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use windrow_core::schema::{MeasureColumn, MeasureType};
use windrow_core::sensor::{Sensor, readings};
use windrow_core::time::Timestamp;
use windrow_record::{Payload, Unpacker};

use crate::measures::{AuditTotals, PlaceOrder, ReadingPlace};
use crate::position::LogPosition;
use crate::windows::{AuditWindows, WindowBy};

/// What the log has of one key and window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoggedWindow {
    /// The length of the window in milliseconds.
    pub length: i64,
    /// The totals of the distinct readings.
    pub totals: AuditTotals,
    /// How many readings were duplicates of these.
    pub duplicates: u64,
    /// The numbers of the duplicates that count again ([`LogFold::with_held`]): per measure with a
    /// sum, the sum of those below zero, and of those above. None if no duplicate counts again.
    pub again: Vec<[i128; 2]>,
}

/// What the log has of one key, by the start of the window.
pub type LoggedKey = BTreeMap<i64, LoggedWindow>;

/// What the rows must say, by the text of the key and window.
pub type ExpectedWindows = BTreeMap<Arc<str>, LoggedKey>;

/// A record of a shard's log.
#[derive(Clone, Copy, Debug)]
pub struct AuditRecord<'a> {
    /// Its sequence number.
    pub position: LogPosition,
    /// When it arrived, in milliseconds since the epoch.
    pub arrival: i64,
    /// Its data.
    pub data: &'a [u8],
}

/// Folds a log into the windows whose rows are audited.
///
/// A reading counts once per shard, Lambda window and window of its own, by its key and its
/// identity; one without an identity always counts. The records of one shard must come in the order
/// of its log; those of different shards may come in any order. Lines that are not readings are
/// skipped, and so are records that cannot be unpacked, and readings that the sensor's filter leaves out.
pub struct LogFold<'s, S> {
    sensor: &'s S,
    /// Whether a measure depends on the order of the readings.
    is_ordered: bool,
    windows: AuditWindows,
    range: Range<i64>,
    keys: Vec<(Arc<str>, BTreeMap<i64, FoldedWindow>)>,
    numbers: HashMap<Arc<str>, u32>,
    /// The number of accumulators by window.
    open: BTreeMap<i64, usize>,
    /// The readings of a shard in a Lambda window. Lambda's windows are by arrival, always.
    known: BTreeMap<(i64, usize), KnownReadings>,
    held: Option<usize>,
    skipped: u64,
    unpacker: Unpacker,
}

/// What was read of one key and window.
#[derive(Debug, Default)]
struct FoldedWindow {
    length: i64,
    /// By shard if the order of readings matters, which only a shard's log knows. Few have more
    /// than one.
    shards: Vec<(usize, AuditTotals)>,
    duplicates: u64,
    again: Vec<[i128; 2]>,
}

/// The readings of one shard in one Lambda window.
#[derive(Debug, Default)]
struct KnownReadings {
    /// How many there are, duplicates included.
    arrived: usize,
    /// How many there were when each counted last.
    counted: HashMap<ReadingId, usize>,
}

/// Whether a reading counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadingCount {
    First,
    Again,
    Duplicate,
}

impl KnownReadings {
    /// Whether the reading that has just arrived counts. The last `held` readings are held.
    fn count(&mut self, id: ReadingId, held: Option<usize>) -> ReadingCount {
        let counted = self.counted.get(&id);
        let is_held = |at: &usize| held.is_none_or(|held| self.arrived - at < held);
        if counted.is_some_and(is_held) {
            return ReadingCount::Duplicate;
        }
        match self.counted.insert(id, self.arrived) {
            None => ReadingCount::First,
            Some(_) => ReadingCount::Again,
        }
    }
}

/// The start of a window, a key's number, and the identity of a reading.
type ReadingId = (i64, u32, i128);

/// Readings with an identity beyond this are never duplicates.
const FARTHEST_IDENTITY: u128 = 1 << 96;

impl<'s, S: Sensor> LogFold<'s, S> {
    /// A fold of the windows that start in `range`.
    pub fn new(sensor: &'s S, windows: AuditWindows, range: Range<i64>) -> Self {
        let is_ordered = |column: &MeasureColumn| {
            matches!(
                column.measure_type,
                MeasureType::First(_) | MeasureType::Last(_)
            )
        };
        Self {
            sensor,
            is_ordered: sensor.schema().measures().iter().any(is_ordered),
            windows,
            range,
            keys: Vec::new(),
            numbers: HashMap::new(),
            open: BTreeMap::new(),
            known: BTreeMap::new(),
            held: None,
            skipped: 0,
            unpacker: Unpacker::default(),
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

    /// Adds a record of the shard with this number, which the caller chooses.
    pub fn add(&mut self, shard: usize, record: AuditRecord<'_>) {
        let lambda_window = self.windows.lambda_start_of(record.arrival);
        let arrivals = self.range.start..self.windows.arrivals_end(self.range.end);
        if self.windows.by() == WindowBy::Arrival && !arrivals.contains(&record.arrival) {
            return;
        }
        let mut unpacker = std::mem::take(&mut self.unpacker);
        let mut index = 0;
        unpacker.unpack(record.data, |payload| {
            self.add_payload((lambda_window, shard), record, &payload, &mut index);
        });
        self.unpacker = unpacker;
    }

    /// Adds a payload of a record. `index` counts the readings of the record.
    fn add_payload(
        &mut self,
        lambda: (i64, usize),
        record: AuditRecord<'_>,
        payload: &Payload<'_>,
        index: &mut u32,
    ) {
        let Ok(data) = payload.data else {
            self.skipped += 1;
            return;
        };
        let sensor = self.sensor;
        for (_, reading) in readings(sensor, data) {
            let place = *index;
            *index += 1;
            let mut reading = match reading {
                Ok(Some(reading)) => reading,
                // The filter leaves it out.
                Ok(None) => continue,
                Err(_) => {
                    self.skipped += 1;
                    continue;
                }
            };
            let arrival = Timestamp::from_millis(record.arrival);
            sensor.split(&mut reading, arrival, |reading| match reading {
                Ok(reading) => self.add_at(lambda, record, reading, place),
                Err(_) => self.skipped += 1,
            });
        }
    }

    /// Adds a reading that is at `index` in a record.
    fn add_at(
        &mut self,
        lambda: (i64, usize),
        record: AuditRecord<'_>,
        reading: &S::Reading<'_>,
        index: u32,
    ) {
        let time = self.sensor.time(reading);
        let window = match self.sensor.window(reading) {
            Some(window) => Some((window.start, window.end.saturating_sub(window.start))),
            None => {
                let start = self.windows.window_of(time, record.arrival);
                start.map(|start| (start, self.windows.length()))
            }
        };
        let Some((start, length)) = window else {
            self.skipped += 1;
            return;
        };
        self.known.entry(lambda).or_default().arrived += 1;
        if self.range.contains(&start) {
            let place = ReadingPlace {
                position: record.position,
                index,
                time: time.unwrap_or(Timestamp::from_millis(record.arrival)),
            };
            self.add_reading(lambda, (start, length), reading, place);
        }
    }

    fn add_reading(
        &mut self,
        lambda: (i64, usize),
        (start, length): (i64, i64),
        reading: &S::Reading<'_>,
        place: ReadingPlace,
    ) {
        let number = self.number(&self.sensor.key(reading));
        let identity = self.sensor.identity(reading);
        let identity = identity.filter(|identity| identity.unsigned_abs() < FARTHEST_IDENTITY);
        let count = match identity {
            None => ReadingCount::First,
            Some(identity) => {
                let known = self.known.entry(lambda).or_default();
                known.count((start, number, identity), self.held)
            }
        };
        let Some((_, windows)) = self.keys.get_mut(number as usize) else {
            return;
        };
        let window = windows.entry(start).or_insert_with(|| {
            *self.open.entry(start).or_default() += 1;
            FoldedWindow {
                length,
                ..FoldedWindow::default()
            }
        });
        if count == ReadingCount::Duplicate {
            window.duplicates += 1;
            return;
        }
        let values = self.sensor.values(reading);
        let inputs = self.sensor.inputs(&values);
        let totals = AuditTotals::of(self.sensor.schema(), inputs, place);
        if count == ReadingCount::Again {
            window.add_again(&totals);
        }
        let shard = if self.is_ordered { lambda.1 } else { 0 };
        window.of_shard(shard).add(&totals, PlaceOrder::Log);
    }

    fn number(&mut self, key: &str) -> u32 {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let key: Arc<str> = key.into();
        let number = self.keys.len() as u32;
        self.keys.push((Arc::clone(&key), BTreeMap::new()));
        self.numbers.insert(key, number);
        number
    }

    /// Drops what is needed only for records that arrived before `arrival`, of any shard.
    pub fn end_before(&mut self, arrival: i64) {
        let first = self.windows.lambda_start_of(arrival);
        self.known = self.known.split_off(&(first, 0));
    }

    /// The number of accumulators: keys times windows.
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

    /// Lines that are not readings, records and user records that cannot be unpacked, and readings
    /// whose time decides their window and is missing or too far
    /// ahead of their arrival.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// What the rows of the windows must say.
    pub fn finish(self) -> ExpectedWindows {
        let keys = self.keys.into_iter();
        let keys = keys.filter(|(_, windows)| !windows.is_empty());
        let finished = |windows: BTreeMap<i64, FoldedWindow>| {
            let windows = windows.into_iter();
            windows
                .map(|(start, window)| (start, window.finish()))
                .collect()
        };
        keys.map(|(key, windows)| (key, finished(windows)))
            .collect()
    }
}

impl FoldedWindow {
    fn of_shard(&mut self, shard: usize) -> &mut AuditTotals {
        let known = self.shards.iter().position(|(other, _)| *other == shard);
        let index = known.unwrap_or(self.shards.len());
        if known.is_none() {
            self.shards.push((shard, AuditTotals::default()));
        }
        &mut self.shards[index].1
    }

    fn add_again(&mut self, reading: &AuditTotals) {
        self.again.resize(reading.measures.len(), [0; 2]);
        for ([below, above], measure) in self.again.iter_mut().zip(&reading.measures) {
            let number = measure.sum();
            *below = below.saturating_add(number.min(0));
            *above = above.saturating_add(number.max(0));
        }
    }

    fn finish(self) -> LoggedWindow {
        let mut totals = AuditTotals::default();
        for (_, of_shard) in &self.shards {
            totals.add(of_shard, PlaceOrder::Time);
        }
        LoggedWindow {
            length: self.length,
            totals,
            duplicates: self.duplicates,
            again: self.again,
        }
    }
}

impl<S> fmt::Debug for LogFold<'_, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("LogFold");
        debug.field("windows", &self.windows);
        debug.field("range", &self.range).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
