//! Tests of the expected totals.

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
fn add<S: Sensor>(fold: &mut LogFold<'_, S>, shard: usize, arrival: i64, data: impl AsRef<str>) {
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
    let mut fold = LogFold::new(&Unicorn, windows(WindowBy::Event), 0..60_000).with_held(Some(2));
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
