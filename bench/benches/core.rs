//! The steps of an invocation, one by one: event, readings, fold, state.
//!
//! Run it with `cargo bench -p bench`. Each step stands beside a peer or a limit, measured in the
//! same run on the same data: decoding beside `aws_lambda_events`, parsing beside the cost of
//! finding the newlines.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use kinesis_event::{Event, EventSource, RecordData, Window, WindowFields, encode};
use unicorn::reading::readings;
use unicorn::totals::Totals;
use windowing::fold::{Fold, Limits};
use windowing::seen::Seen;

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
            arrival: START,
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

fn fold(event: &Event) -> Fold<String, Totals> {
    let window = event.window.unwrap();
    let window = windowing::window::Window {
        start: window.start,
        end: window.end,
    };
    let mut fold: Fold<String, Totals> = Fold::new(Limits::default());
    for record in event.records() {
        if fold.begin_record(record.sequence_number).unwrap() {
            for (_, reading) in readings(record.data.unwrap()) {
                let reading = reading.unwrap();
                fold.add(
                    window,
                    reading.name.as_ref(),
                    reading.status_time.nanos(),
                    &reading,
                );
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

#[divan::bench]
fn parse(bencher: Bencher) {
    let log = log();
    bencher
        .counter(BytesCount::of_slice(&log))
        .counter(ItemsCount::new(RECORDS))
        .bench(|| {
            readings(black_box(&log))
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

/// What it costs to remember each reading, so that a repeat is known.
#[divan::bench]
fn remember(bencher: Bencher) {
    let log = log();
    let seen: Vec<(String, i128)> = readings(&log)
        .map(|(_, reading)| reading.unwrap())
        .map(|reading| {
            (
                reading.name.to_string(),
                i128::from(reading.status_time.millis()),
            )
        })
        .collect();
    bencher.counter(ItemsCount::new(RECORDS)).bench(|| {
        let mut memory = Seen::<String>::new(190_000);
        for (name, time) in &seen {
            black_box(memory.insert(name.as_str(), name.len(), *time));
        }
        memory.len()
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
    bencher
        .counter(ItemsCount::new(UNICORNS))
        .bench(|| Fold::<String, Totals>::decode(black_box(&state), Limits::default()).unwrap());
}
