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
            let reading = match reading {
                Ok(Some(reading)) => reading,
                // The filter leaves it out.
                Ok(None) => continue,
                Err(_) => {
                    self.skipped += 1;
                    continue;
                }
            };
            let arrival = Timestamp::from_millis(record.arrival);
            sensor.split(reading, arrival, |reading| match reading {
                Ok(reading) => self.add_at(lambda, record, &reading, place),
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
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use unicorn::sensor::Unicorn;
    use windrow_core::sensor::{Aggregation, DeclaredSensor, Field};
    use windrow_core::value::{ColumnType, NumberType};
    use windrow_sql::input::InputSchema;
    use windrow_sql::sensor::SqlSensor;

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

    fn window(expected: &ExpectedWindows, key: &str, start: i64) -> LoggedWindow {
        expected[key][&start].clone()
    }

    /// Adds a record whose sequence number grows with its arrival.
    fn add<S: Sensor>(
        fold: &mut LogFold<'_, S>,
        shard: usize,
        arrival: i64,
        data: impl AsRef<str>,
    ) {
        let position = LogPosition::parse(&arrival.to_string()).unwrap();
        let data = data.as_ref().as_bytes();
        let record = AuditRecord {
            position,
            arrival,
            data,
        };
        fold.add(shard, record);
    }

    fn described(schema: &windrow_core::schema::Schema, totals: &AuditTotals) -> Vec<String> {
        let columns = schema.measures().iter().zip(&totals.measures);
        columns
            .map(|(column, measure)| measure.describe(column))
            .collect()
    }

    #[test]
    fn readings_count_once_per_shard_and_window() {
        let mut fold = LogFold::new(&Unicorn, windows(WindowBy::Arrival), HOUR);
        let first = line("Franky", 1, "0", "1.5", 100);
        let other = line("Franky", 1, "000000001", "0.000001", 99);
        add(&mut fold, 0, 10, format!("{first}neigh\n{first}"));
        add(&mut fold, 0, 59_999, other);
        add(&mut fold, 0, 60_000, &first);
        add(&mut fold, 1, 10, &first);
        add(&mut fold, 1, 3_600_000, first);
        assert_eq!((fold.accumulators(), fold.skipped()), (2, 1));
        let expected = fold.finish();
        let franky = window(&expected, "Franky", 0);
        assert_eq!((franky.totals.readings, franky.duplicates), (3, 1));
        let measures = described(Unicorn.schema(), &franky.totals);
        assert_eq!(measures, ["3.000001", "99", "100", "139", "140"]);
        assert_eq!(window(&expected, "Franky", 60_000).totals.readings, 1);
        assert_eq!(expected["Franky"].len(), 2);
    }

    #[test]
    fn duplicates_are_known_until_their_lambda_window_ends() {
        let first = line("Franky", 1, "0", "1", 100);
        let mut fold = LogFold::new(&Unicorn, windows(WindowBy::Arrival), HOUR);
        add(&mut fold, 0, 10, &first);
        fold.end_before(59_999);
        add(&mut fold, 0, 11, first);
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
            let mut fold = LogFold::new(&Unicorn, windows(WindowBy::Arrival), HOUR).with_held(held);
            let first = format!("{}{}{respelled}", line(1), line(2));
            add(&mut fold, 0, 10, first);
            add(&mut fold, 1, 15, line(9));
            add(
                &mut fold,
                0,
                20,
                format!("{}{}{}", line(3), line(4), line(1)),
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
        let mut fold =
            LogFold::new(&Unicorn, windows(WindowBy::Event), 0..60_000).with_held(Some(2));
        let [first, other] = [1, 61].map(|second| line("Franky", second, "0", "1", 7));
        add(&mut fold, 0, 70_000, format!("{first}{other}{first}"));
        let expected = fold.finish();
        assert_eq!(expected["Franky"].len(), 1);
        assert_eq!(window(&expected, "Franky", 0).totals.readings, 2);
    }

    #[test]
    fn the_readings_time_decides_if_windows_are_by_event_time() {
        let mut fold = LogFold::new(&Unicorn, windows(WindowBy::Event), HOUR);
        // Five minutes ahead of its arrival, and one millisecond more.
        add(&mut fold, 0, 0, line("Franky", 300, "000", "1", 100));
        add(&mut fold, 0, 0, line("Franky", 300, "001", "1", 100));
        // An hour late. The Lambda window ends before the duplicate arrives.
        let late = line("Franky", 1, "0", "1", 100);
        add(&mut fold, 0, 3_600_000, format!("{late}{late}"));
        add(&mut fold, 0, 3_660_000, late);
        assert_eq!(fold.skipped(), 1);
        let expected = fold.finish();
        assert_eq!(window(&expected, "Franky", 300_000).totals.readings, 1);
        let late = window(&expected, "Franky", 0);
        assert_eq!((late.totals.readings, late.duplicates), (2, 1));
    }

    /// Rooms with a time, which is not the identity, and a filter.
    fn rooms() -> DeclaredSensor {
        let celsius = ColumnType::Number(NumberType::decimal(2));
        let sensor = DeclaredSensor::new(vec![
            Field::new("Site", ColumnType::Text).key(),
            Field::new("Room", ColumnType::Text).key().nullable(),
            Field::new("Time", ColumnType::Timestamp).time(),
            Field::new("Id", ColumnType::Number(NumberType::I64)).identity(),
            Field::new("Celsius", celsius)
                .nullable()
                .measure("Average", Aggregation::Average { places: 1 })
                .measure("Count", Aggregation::Count)
                .measure("First", Aggregation::First)
                .measure("Last", Aggregation::Last),
        ]);
        let sensor = sensor.unwrap();
        sensor.with_filter(|reading| !reading.values[1].is_null())
    }

    fn room(id: u32, second: u32, celsius: &str) -> String {
        let time = format!("1970-01-01 00:00:{second:02}");
        format!(
            "{{\"Site\":\"S\",\"Room\":\"R\",\"Time\":\"{time}\",\"Id\":{id},\"Celsius\":{celsius}}}\n"
        )
    }

    #[test]
    fn any_sensor_is_folded() {
        let sensor = rooms();
        let mut fold = LogFold::new(&sensor, windows(WindowBy::Arrival), HOUR);
        let filtered = room(9, 0, "99").replace("\"R\"", "null");
        // The first in the log is not the first by time.
        add(&mut fold, 0, 10, [filtered, room(1, 30, "-1.05")].concat());
        add(
            &mut fold,
            0,
            20,
            [room(2, 10, "null"), room(3, 20, "4")].concat(),
        );
        add(&mut fold, 0, 30, room(1, 31, "7"));
        // Another shard begins earlier and ends earlier.
        add(
            &mut fold,
            1,
            40,
            [room(4, 25, "5"), room(5, 15, "6")].concat(),
        );
        assert_eq!(fold.skipped(), 0);
        let expected = fold.finish();
        let found = window(&expected, r#"["S","R"]"#, 0);
        assert_eq!(
            (expected.len(), found.totals.readings, found.duplicates),
            (1, 5, 1)
        );
        let measures = described(sensor.schema(), &found.totals);
        assert_eq!(measures, ["3.5 (13.95 / 4)", "4", "5", "4"]);
    }

    #[test]
    fn identities_hold_per_window_of_the_reading() {
        let sensor = rooms();
        let mut fold = LogFold::new(
            &sensor,
            AuditWindows::new(Duration::from_secs(20), WindowBy::Event),
            HOUR,
        );
        add(
            &mut fold,
            0,
            0,
            [room(1, 5, "1"), room(1, 25, "1"), room(1, 6, "1")].concat(),
        );
        let expected = fold.finish();
        let key = r#"["S","R"]"#;
        let [first, second] = [0, 20_000].map(|start| window(&expected, key, start));
        assert_eq!((first.totals.readings, first.duplicates), (1, 1));
        assert_eq!((second.totals.readings, second.duplicates), (1, 0));
    }

    /// A Kinesis SQL application with windows of 7 s and of an hour.
    fn trades() -> SqlSensor {
        let schema = r#"{"RecordFormat":{"RecordFormatType":"JSON"},"RecordColumns":[{"Name":"x","SqlType":"INTEGER","Mapping":"$.x"}]}"#;
        let pump = |name: &str, seconds: u32| {
            format!(
                "CREATE PUMP {name} AS INSERT INTO a SELECT STREAM COUNT(*) FROM source_sql_stream_001 \
                 GROUP BY STEP(source_sql_stream_001.ROWTIME BY INTERVAL '{seconds}' SECOND);"
            )
        };
        let text = format!(
            "CREATE STREAM a (n BIGINT);{}{}",
            pump("short", 7),
            pump("long", 3_600)
        );
        SqlSensor::new(&text, InputSchema::parse(schema).unwrap()).unwrap()
    }

    #[test]
    fn windows_that_start_in_the_range_are_whole() {
        let sensor = trades();
        let windows = AuditWindows::new(Duration::from_secs(7), WindowBy::Arrival);
        let windows = windows.with_lengths([7, 3_600].map(Duration::from_secs));
        assert_eq!((windows.length(), windows.overlap()), (3_600_000, 7_000));
        let fold = |range| {
            let mut fold = LogFold::new(&sensor, windows, range);
            for arrival in [3_597_000, 3_599_000, 3_601_000, 3_606_000] {
                add(&mut fold, 0, arrival, "{}");
            }
            fold.finish()
        };
        let found = fold(0..3_600_000);
        let readings = |key: &str| -> Vec<(i64, u64)> {
            let windows = found[key].iter();
            let readings = windows.map(|(start, window)| (*start, window.totals.readings));
            readings.collect()
        };
        // The second window of 7 s ends in the second hour.
        assert_eq!(readings("SHORT"), [(3_591_000, 1), (3_598_000, 2)]);
        assert_eq!(readings("LONG"), [(0, 2)]);
        let mut joined = found;
        for (key, windows) in fold(3_600_000..7_200_000) {
            joined.entry(key).or_default().extend(windows);
        }
        assert_eq!(joined, fold(0..7_200_000));
    }

    #[test]
    fn without_an_identity_nothing_is_a_duplicate() {
        let sensor = rooms().without_identity();
        let mut fold = LogFold::new(&sensor, windows(WindowBy::Arrival), HOUR);
        add(&mut fold, 0, 0, room(1, 5, "1").repeat(3));
        let found = window(&fold.finish(), r#"["S","R"]"#, 0);
        assert_eq!((found.totals.readings, found.duplicates), (3, 0));
    }

    #[test]
    fn numbers_that_count_again_are_known() {
        let sensor = rooms();
        let fold = LogFold::new(&sensor, windows(WindowBy::Arrival), HOUR);
        let mut fold = fold.with_held(Some(1));
        let lines = [room(1, 1, "-2"), room(2, 2, "3")].concat();
        add(&mut fold, 0, 0, lines.repeat(2));
        let found = window(&fold.finish(), r#"["S","R"]"#, 0);
        assert_eq!(found.totals.readings, 4);
        assert_eq!(found.again[..2], [[-200, 300], [0, 2]]);
    }

    #[test]
    fn the_latest_windows_are_dropped_first() {
        let mut fold = LogFold::new(&Unicorn, windows(WindowBy::Arrival), HOUR);
        for minute in 0..10 {
            for name in ["a", "b", "c"] {
                let line = line(name, 1, "0", "1", 100);
                add(&mut fold, 0, minute * 60_000, line);
            }
        }
        assert_eq!(fold.shrink_to(30), 3_600_000);
        assert_eq!(fold.shrink_to(14), 240_000);
        assert_eq!(fold.accumulators(), 12);
        add(&mut fold, 0, 240_000, line("d", 1, "0", "1", 100));
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
                let mut fold = LogFold::new(&Unicorn, windows, range);
                let mut log = log.clone();
                if by_shard {
                    log.sort_by_key(|(shard, second, ..)| (*shard, *second));
                }
                for (shard, second, time, name) in log {
                    let line = line(["a", "b"][name as usize], time, "0", "1", 100);
                    add(&mut fold, shard, i64::from(second) * 1000, line);
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
