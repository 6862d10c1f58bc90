//! The steps of an invocation: event, readings, fold, state.
//!
//! Run it with `cargo bench -p bench`. Each step is compared with a peer or a limit in the same run
//! on the same data: decoding with `aws_lambda_events`, parsing with counting newlines.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use unicorn::reading::{Reading, first_line};
use unicorn::sensor::Unicorn;
use unicorn::sensor::readings;
use unicorn::totals::Totals;
use windrow_core::dedup::DedupCache;
use windrow_core::fold::{Fold, OpenRecord, StateLimits};
use windrow_core::json::FieldLayout;
use windrow_core::sensor::{Aggregation, DeclaredSensor, Field, Sensor};
use windrow_core::value::{ColumnType, NumberType};
use windrow_event::{Event, EventSource, RecordData, Timestamp, Window, WindowFields, encode};

const RECORDS: usize = 7_000;
const UNICORNS: usize = 1_000;
const START: i64 = 1_790_000_040_000;

fn main() {
    divan::main();
}

fn line(number: usize) -> String {
    let name = (number % UNICORNS).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let second = number / UNICORNS;
    format!(
        "{{\"Name\":\"{name:016x}\",\"StatusTime\":\"2026-09-21 14:14:{second:02}.189\",\"Latitude\":42.264444250051326,\"Longitude\":-71.97582884770408,\"Distance\":29.{number},\"MagicPoints\":110,\"HealthPoints\":150}}\n"
    )
}

fn varied_line(number: usize) -> String {
    let fraction = |multiplier: u64| {
        let random = (number as u64).wrapping_mul(multiplier) >> 11;
        random as f64 / (1_u64 << 53) as f64
    };
    let name = ["Shadowfax", "Bucephalus", "Rocinante", "Franky"][number % 4];
    let unicorn = number % UNICORNS;
    let second = number / UNICORNS;
    let latitude = 40.0 + fraction(0x9E37_79B9_7F4A_7C15);
    let longitude = -73.0 - fraction(0xD6E8_FEB8_6659_FD93);
    let distance = 29.0 + 2.0 * fraction(0xA076_1D64_78BD_642F);
    let magic = 90 + number % 60;
    let health = 95 + number % 70;
    format!(
        "{{\"Name\":\"{name} {unicorn}\",\"StatusTime\":\"2026-09-21 14:14:{second:02}.189\",\"Latitude\":{latitude},\"Longitude\":{longitude},\"Distance\":{distance:.3},\"MagicPoints\":{magic},\"HealthPoints\":{health}}}\n"
    )
}

fn log() -> Vec<u8> {
    (0..RECORDS)
        .flat_map(|number| line(number).into_bytes())
        .collect()
}

fn event() -> Vec<u8> {
    let lines: Vec<String> = (0..RECORDS).map(line).collect();
    let numbers: Vec<String> = (0..RECORDS)
        .map(|number| (number + 1).to_string())
        .collect();
    let records: Vec<RecordData<'_>> = lines
        .iter()
        .zip(&numbers)
        .map(|(line, sequence_number)| RecordData {
            partition_key: &line[9..25],
            sequence_number,
            arrival: Timestamp::from_millis(START),
            data: line.as_bytes(),
        })
        .collect();
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
        region: "us-east-1",
        shard_id: "shardId-000000000000",
    };
    let window = WindowFields {
        window: Window {
            start: START,
            end: START + 60_000,
        },
        state: None,
        is_final: false,
        is_terminated_early: false,
    };
    encode(&source, &records, Some(&window))
}

fn add(open: &mut OpenRecord<'_, String, Totals>, window: Window, reading: &Reading<'_>) {
    let sample = Unicorn.values(reading);
    let identity = Unicorn.identity(reading);
    open.add(window, reading.name.as_ref(), identity, |totals| {
        totals.add(sample)
    });
}

fn fold(event: &Event) -> Fold<String, Totals> {
    let window = event.window.unwrap();
    let window = windrow_core::window::Window {
        start: window.start,
        end: window.end,
    };
    let mut fold: Fold<String, Totals> = Fold::new(StateLimits::default());
    for record in event.records() {
        let step = fold.begin_record(record.sequence_number).unwrap();
        if let Some(mut open) = step.into_record() {
            for (_, reading) in readings(record.data.unwrap()) {
                add(&mut open, window, &reading.unwrap());
            }
        }
    }
    fold
}

#[divan::bench]
fn newlines(bencher: Bencher) {
    let log = log();
    bencher
        .counter(BytesCount::of_slice(&log))
        .counter(ItemsCount::new(RECORDS))
        .bench(|| black_box(&log).split(|byte| *byte == b'\n').count());
}

/// Lines in the producer's format.
#[divan::bench]
fn parse(bencher: Bencher) {
    parse_log(bencher, &log());
}

/// Like `parse`, but the numbers of consecutive lines differ in length.
#[divan::bench]
fn parse_fleet(bencher: Bencher) {
    parse_log(bencher, &fleet(|line| line));
}

/// The lines of `parse_fleet` by the parser for any JSON.
#[divan::bench]
fn parse_fleet_by_the_general_parser(bencher: Bencher) {
    let log = fleet(|line| line);
    let read = || {
        let (mut layout, mut rest) = (FieldLayout::default(), black_box(log.as_slice()));
        std::iter::from_fn(move || {
            let (reading, after) = first_line(&mut layout, rest)?;
            rest = after.get(1..).unwrap_or_default();
            Some(reading)
        })
    };
    assert_eq!(read().count(), RECORDS);
    bencher
        .counter(BytesCount::of_slice(&log))
        .counter(ItemsCount::new(RECORDS))
        .bench(|| read().map(black_box).count());
}

/// With the distance first, as another producer might send them.
#[divan::bench]
fn parse_fleet_in_another_order(bencher: Bencher) {
    let reordered = |line: String| {
        let start = line.find(",\"Distance").unwrap();
        let end = line.find(",\"Magic").unwrap();
        let (before, after) = (&line[1..start], &line[end..]);
        format!("{{{},{before}{after}", &line[start + 1..end])
    };
    parse_log(bencher, &fleet(reordered));
}

/// With spaces, as Python writes JSON.
#[divan::bench]
fn parse_fleet_with_spaces(bencher: Bencher) {
    let spaced = |line: String| line.replace("\":", "\": ").replace(",\"", ", \"");
    parse_log(bencher, &fleet(spaced));
}

/// With an identifier, a nested object and a number more.
#[divan::bench]
fn parse_fleet_with_unknown_and_nested_fields(bencher: Bencher) {
    let mut number = 0;
    let extended = |line: String| {
        number += 1;
        let id = format!("{{\"Id\":\"{number:08x}-7c1e\",");
        let nested = format!(
            ",\"Device\":{{\"firmware\":\"1.{}.3\",\"ok\":true,\"tags\":[\"a\",\"b\",{number}]}},\"Distance",
            number % 10
        );
        let line = line.replacen('{', &id, 1);
        let line = line.replacen(",\"Distance", &nested, 1);
        line.replacen("}\n", ",\"Battery\":71.5}\n", 1)
    };
    parse_log(bencher, &fleet(extended));
}

/// With a character beyond ASCII per name.
#[divan::bench]
fn parse_fleet_with_names_beyond_ascii(bencher: Bencher) {
    let accented = |line: String| line.replacen("\"Name\":\"", "\"Name\":\"é", 1);
    parse_log(bencher, &fleet(accented));
}

/// With that character escaped.
#[divan::bench]
fn parse_fleet_with_escaped_names(bencher: Bencher) {
    let escaped = |line: String| line.replacen("\"Name\":\"", "\"Name\":\"\\u00e9", 1);
    parse_log(bencher, &fleet(escaped));
}

/// The lines of a declared sensor.
#[divan::bench]
fn parse_thermometer(bencher: Bencher) {
    let celsius = ColumnType::Number(NumberType::decimal(2));
    let sensor = DeclaredSensor::new(vec![
        Field::new("site", ColumnType::Text).key(),
        Field::new("room", ColumnType::Text).key(),
        Field::new("time", ColumnType::Timestamp).time(),
        Field::new("celsius", celsius).measure("lowest", Aggregation::Min),
    ])
    .unwrap();
    let line = |number: usize| {
        let (site, room, second) = (number % 7, number % 100, number % 60);
        let (whole, hundredths) = (15 + number % 10, number % 100);
        format!(
            "{{\"site\":\"S{site}\",\"room\":\"attic {room}\",\"time\":\"2026-09-21 14:14:{second:02}.189\",\"celsius\":{whole}.{hundredths:02}}}\n"
        )
    };
    let log: Vec<u8> = (0..RECORDS)
        .flat_map(|number| line(number).into_bytes())
        .collect();
    let read = |log| windrow_core::sensor::readings(&sensor, log).filter(|(_, it)| it.is_ok());
    assert_eq!(read(&log).count(), RECORDS);
    bencher
        .counter(BytesCount::of_slice(&log))
        .counter(ItemsCount::new(RECORDS))
        .bench(|| read(black_box(&log)).count());
}

/// The lines of `parse_fleet`, changed.
fn fleet(change: impl FnMut(String) -> String) -> Vec<u8> {
    let lines = (0..RECORDS).map(varied_line).map(change);
    lines.flat_map(String::into_bytes).collect()
}

fn parse_log(bencher: Bencher, log: &[u8]) {
    let read = readings(log).filter(|(_, reading)| reading.is_ok());
    assert_eq!(read.count(), RECORDS);
    bencher
        .counter(BytesCount::of_slice(log))
        .counter(ItemsCount::new(RECORDS))
        .bench(|| {
            readings(black_box(log))
                .filter(|(_, reading)| reading.is_ok())
                .count()
        });
}

#[divan::bench]
fn decode_event(bencher: Bencher) {
    let event = event();
    bencher
        .counter(BytesCount::of_slice(&event))
        .counter(ItemsCount::new(RECORDS))
        .bench(|| Event::from_json(black_box(&event)).unwrap());
}

#[divan::bench]
fn decode_event_with_aws_lambda_events(bencher: Bencher) {
    use aws_lambda_events::event::kinesis::KinesisEvent;
    let event = event();
    bencher
        .counter(BytesCount::of_slice(&event))
        .counter(ItemsCount::new(RECORDS))
        .bench(|| serde_json::from_slice::<KinesisEvent>(black_box(&event)).unwrap());
}

#[divan::bench]
fn decode_and_fold(bencher: Bencher) {
    let event = event();
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench(|| fold(&Event::from_json(black_box(&event)).unwrap()));
}

/// The cost of deduplication per reading.
#[divan::bench]
fn dedup(bencher: Bencher) {
    let log = log();
    let keys: Vec<(String, i128)> = readings(&log)
        .map(|(_, reading)| reading.unwrap())
        .map(|reading| {
            (
                reading.name.to_string(),
                i128::from(reading.status_time.millis()),
            )
        })
        .collect();
    bencher.counter(ItemsCount::new(RECORDS)).bench(|| {
        let mut cache = DedupCache::<String>::new(190_000);
        for (name, time) in &keys {
            black_box(cache.insert(name.as_str(), name.len(), *time));
        }
        cache.len()
    });
}

#[divan::bench]
fn encode_state(bencher: Bencher) {
    let fold = fold(&Event::from_json(&event()).unwrap());
    bencher
        .counter(ItemsCount::new(UNICORNS))
        .bench(|| black_box(&fold).encode());
}

#[divan::bench]
fn decode_state(bencher: Bencher) {
    let state = fold(&Event::from_json(&event()).unwrap()).encode();
    bencher.counter(ItemsCount::new(UNICORNS)).bench(|| {
        Fold::<String, Totals>::decode(black_box(&state), StateLimits::default()).unwrap()
    });
}

/// An event near Lambda's maximum of 6 MB, with sequence numbers of realistic length.
fn full_event() -> Vec<u8> {
    const RECORDS: usize = 7_500;
    let lines: Vec<String> = (0..RECORDS).map(line).collect();
    let numbers: Vec<String> = (0..RECORDS)
        .map(|number| format!("4959033827149025660855969253836157109592157598913{number:07}"))
        .collect();
    let records: Vec<RecordData<'_>> = lines
        .iter()
        .zip(&numbers)
        .map(|(line, sequence_number)| RecordData {
            partition_key: &line[9..25],
            sequence_number,
            arrival: Timestamp::from_millis(START),
            data: line.as_bytes(),
        })
        .collect();
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
        region: "us-east-1",
        shard_id: "shardId-000000000000",
    };
    let window = WindowFields {
        window: Window {
            start: START,
            end: START + 60_000,
        },
        state: None,
        is_final: false,
        is_terminated_early: false,
    };
    encode(&source, &records, Some(&window))
}

#[divan::bench]
fn full_event_decode(bencher: Bencher) {
    let event = full_event();
    bencher
        .counter(BytesCount::of_slice(&event))
        .bench(|| Event::from_json(black_box(&event)).unwrap());
}

/// Decodes through `Deserialize`, as a Lambda runtime does. It has to find the end of the JSON
/// first.
#[divan::bench]
fn full_event_decode_through_serde(bencher: Bencher) {
    let event = full_event();
    bencher
        .counter(BytesCount::of_slice(&event))
        .bench(|| serde_json::from_slice::<Event>(black_box(&event)).unwrap());
}

#[divan::bench]
fn full_event_decode_and_fold(bencher: Bencher) {
    let event = full_event();
    bencher
        .counter(BytesCount::of_slice(&event))
        .bench(|| fold(&Event::from_json(black_box(&event)).unwrap()));
}

/// The fold alone: adds readings to their accumulators and to the dedup cache.
#[divan::bench]
fn full_event_fold(bencher: Bencher) {
    let event = Event::from_json(&full_event()).unwrap();
    let window = windrow_core::window::Window {
        start: START,
        end: START + 60_000,
    };
    let records: Vec<_> = event
        .records()
        .map(|record| {
            let (_, reading) = readings(record.data.unwrap()).next().unwrap();
            (record.sequence_number, reading.unwrap())
        })
        .collect();
    bencher
        .counter(ItemsCount::new(records.len()))
        .bench_local(|| {
            let mut fold: Fold<String, Totals> = Fold::new(StateLimits::default());
            for (sequence_number, reading) in &records {
                if let Some(mut open) = fold.begin_record(sequence_number).unwrap().into_record() {
                    add(&mut open, window, reading);
                }
            }
            fold
        });
}

/// The same with `aws_lambda_events`, `serde_json` and a map, without deduplication.
mod peer {
    use std::borrow::Cow;
    use std::collections::HashMap;

    use aws_lambda_events::event::kinesis::KinesisEvent;

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct BenchReading<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(rename = "StatusTime", borrow)]
        _status_time: Cow<'a, str>,
        #[serde(rename = "Latitude")]
        _latitude: f64,
        #[serde(rename = "Longitude")]
        _longitude: f64,
        distance: f64,
        magic_points: i32,
        health_points: i32,
    }

    #[derive(Default)]
    pub(super) struct BenchTotals {
        readings: u64,
        distance: f64,
        magic_points: Option<(i32, i32)>,
        health_points: Option<(i32, i32)>,
    }

    impl BenchTotals {
        fn add(&mut self, reading: &BenchReading<'_>) {
            self.readings += 1;
            self.distance += reading.distance;
            self.magic_points = Some(widened(self.magic_points, reading.magic_points));
            self.health_points = Some(widened(self.health_points, reading.health_points));
        }
    }

    fn widened(range: Option<(i32, i32)>, points: i32) -> (i32, i32) {
        let (lowest, highest) = range.unwrap_or((points, points));
        (lowest.min(points), highest.max(points))
    }

    pub(super) fn decode_and_fold(event: &[u8]) -> HashMap<String, BenchTotals> {
        let event: KinesisEvent = serde_json::from_slice(event).unwrap();
        let mut totals: HashMap<String, BenchTotals> = HashMap::new();
        for record in &event.records {
            let lines = serde_json::Deserializer::from_slice(&record.kinesis.data.0);
            for reading in lines.into_iter::<BenchReading<'_>>() {
                let reading = reading.unwrap();
                match totals.get_mut(reading.name.as_ref()) {
                    Some(totals) => totals.add(&reading),
                    None => totals
                        .entry(reading.name.clone().into_owned())
                        .or_default()
                        .add(&reading),
                }
            }
        }
        totals
    }
}

#[divan::bench]
fn peer_decode_and_fold(bencher: Bencher) {
    let event = full_event();
    bencher
        .counter(BytesCount::of_slice(&event))
        .bench(|| peer::decode_and_fold(black_box(&event)));
}
