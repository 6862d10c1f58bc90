//! What the aggregator allocates. This is the same on every machine, so it is a test and not a
//! benchmark.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use unicorn::sensor::Unicorn;
use windrow_core::fold::StateLimits;
use windrow_core::window::Window;
use windrow_event::{Event, EventSource, RecordData, Timestamp, WindowFields, encode};
use windrow_lambda::aggregator::Aggregator;
use windrow_lambda::aggregator::intake::{Intake, RecordReader, RecordSource, WindowRule};
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_lambda::aggregator::state::WindowFold;
use windrow_write::{BatchLimits, Destination, ItemFailure, SendError};

const UNICORNS: usize = 500;
const START: i64 = 1_790_000_040_000;

/// An event with one reading per unicorn per second.
fn event(seconds: Range<usize>) -> Vec<u8> {
    let numbers = seconds.start * UNICORNS..seconds.end * UNICORNS;
    let lines: Vec<(String, String, String)> = numbers
        .map(|number| {
            let (name, second) = (format!("Unicorn {}", number % UNICORNS), number / UNICORNS);
            let line = format!(
                "{{\"Name\":\"{name}\",\"StatusTime\":\"2026-09-21 14:14:{second:02}.189\",\
                 \"Latitude\":42.264444250051326,\"Longitude\":-71.97582884770408,\
                 \"Distance\":29.{number:05},\"MagicPoints\":110,\"HealthPoints\":150}}\n"
            );
            let sequence_number =
                format!("4959033827149025660855969253836157109592157{number:013}");
            (name, sequence_number, line)
        })
        .collect();
    let records: Vec<RecordData<'_>> = lines
        .iter()
        .map(|(partition_key, sequence_number, line)| RecordData {
            partition_key,
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
    encode(&source, &records, None)
}

fn take(payload: &[u8], fold: &mut WindowFold<Unicorn>) -> Intake {
    let event = Event::from_json(payload).unwrap();
    let source = RecordSource {
        stream: event.stream().unwrap(),
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
        shard: event.shard().unwrap(),
        window_rule: WindowRule::Arrival(Window {
            start: START,
            end: START + 60_000,
        }),
    };
    let mut intake = Intake::default();
    let mut reader = RecordReader::default();
    for record in event.records() {
        let step = fold.begin_record(record.sequence_number).unwrap();
        let open = step.into_record().unwrap();
        intake.take(&Unicorn, source, &mut reader, false, record, open);
    }
    intake
}

/// Once a reading's unicorn has an accumulator.
#[test]
fn readings_allocate_nothing() {
    let mut fold = WindowFold::<Unicorn>::new(StateLimits::default());
    take(&event(0..1), &mut fold);
    let mut count = |seconds: Range<usize>| {
        let payload = event(seconds.clone());
        let mut intake = Intake::default();
        let allocated = allocation_counter::measure(|| intake = take(&payload, &mut fold));
        assert_eq!(intake.readings, (seconds.len() * UNICORNS) as u64);
        allocated.count_total
    };
    // The event's own buffers, which may grow.
    assert!(count(1..2) < 20);
    // Plus each unicorn's dedup cache, which doubles occasionally.
    assert!(count(2..15) < 20 + UNICORNS as u64);
    assert!(count(15..16) < 20 + UNICORNS as u64);
}

/// A destination that drops what it gets.
struct Dropped<T>(PhantomData<T>);

impl<T: Send + Sync> Destination for Dropped<T> {
    type Item = T;

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items: 500,
            call_bytes: usize::MAX,
            item_bytes: usize::MAX,
        }
    }

    fn size(&self, _item: &T) -> usize {
        0
    }

    async fn send(&self, _chunk: &[&T]) -> Result<Vec<ItemFailure>, SendError> {
        Ok(Vec::new())
    }
}

/// The most bytes that are allocated at a time while a batch of `keys` unicorns is handled.
fn peak(keys: usize) -> u64 {
    let lines: Vec<(String, String)> = (0..keys)
        .map(|key| {
            let line = format!(
                "{{\"Name\":\"{key}\",\"StatusTime\":\"2026-09-21 14:14:01\",\"Distance\":1,\"MagicPoints\":1,\"HealthPoints\":1}}"
            );
            ((key + 1).to_string(), line)
        })
        .collect();
    let record = |(sequence_number, line): &'static (String, String)| RecordData {
        partition_key: "key",
        sequence_number,
        arrival: Timestamp::from_millis(START),
        data: line.as_bytes(),
    };
    let lines: &'static [(String, String)] = lines.leak();
    let records: Vec<RecordData<'_>> = lines.iter().map(record).collect();
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
        region: "us-east-1",
        shard_id: "shardId-000000000000",
    };
    let fields = WindowFields {
        window: Window {
            start: START,
            end: START + 60_000,
        },
        state: None,
        is_final: false,
        is_terminated_early: false,
    };
    let event = Event::from_json(&encode(&source, &records, Some(&fields))).unwrap();
    let sink = Box::new(|_: &windrow_lambda::metrics::Metrics| ());
    let (summaries, rejects) = (Dropped(PhantomData), Dropped(PhantomData));
    let function = Aggregator::new(Unicorn, summaries, rejects, WindowTime::Arrival, sink);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let allocated = allocation_counter::measure(|| {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(3600);
        runtime.block_on(function.handle(&event, deadline)).unwrap();
    });
    allocated.bytes_max
}

/// Rows are sent as they come, so that a function's memory does not depend on how many keys a batch
/// has.
#[test]
fn the_rows_of_many_keys_do_not_pile_up() {
    let (some, many) = (peak(50_000), peak(100_000));
    assert!(many < some + some / 4, "{some} bytes, then {many}");
}
