//! Decoding and folding a reading allocates nothing, once its unicorn has an accumulator.
//! The number of allocations is the same on every machine, so this is a test and not a benchmark.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::ops::Range;

use unicorn::sensor::Unicorn;
use windrow_core::fold::StateLimits;
use windrow_core::window::Window;
use windrow_event::{Event, EventSource, RecordData, Timestamp, encode};
use windrow_lambda::aggregator::intake::{Intake, RecordSource, WindowRule};
use windrow_lambda::aggregator::state::WindowFold;
use windrow_record::Unpacker;

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
    let mut unpacker = Unpacker::default();
    for record in event.records() {
        let step = fold.begin_record(record.sequence_number).unwrap();
        let open = step.into_record().unwrap();
        intake.take(&Unicorn, source, (&mut unpacker, false), record, open);
    }
    intake
}

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
