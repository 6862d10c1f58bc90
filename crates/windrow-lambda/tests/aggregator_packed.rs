//! The aggregator on records that are compressed or aggregated by the Kinesis Producer Library.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;
use unicorn::row::rows;
use unicorn::sensor::Unicorn;
use windrow_event::{Event, EventSource, RecordData, Timestamp, Window, WindowFields, encode};
use windrow_lambda::aggregator::Aggregator;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_record::kpl::AggregateBuilder;
use windrow_write::{Collected, KinesisRecord};

const START: i64 = 1_790_000_040_000;
const SOURCE: EventSource<'_> = EventSource {
    stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
    region: "us-east-1",
    shard_id: "shardId-000000000000",
};

#[derive(Default)]
struct PackedHarness {
    summaries: Collected<KinesisRecord>,
    rejects: Collected<Bytes>,
}

impl PackedHarness {
    /// Handles records with these sequence numbers. Returns the state.
    async fn invoke(
        &self,
        records: &[(u64, Vec<u8>)],
        state: Option<&RawValue>,
        is_final: bool,
    ) -> Box<RawValue> {
        let event = event(records, state, is_final);
        let (summaries, rejects) = (&self.summaries, &self.rejects);
        let sink = Box::new(|_: &_| ());
        let function = Aggregator::new(Unicorn, summaries, rejects, WindowTime::Arrival, sink);
        let deadline = Instant::now() + Duration::from_secs(3600);
        function
            .handle(&event, deadline)
            .await
            .unwrap()
            .state
            .unwrap()
    }

    /// The name, readings, duplicates, and measures of each row.
    fn rows(&self) -> Vec<(String, u64, u64, String)> {
        let records = self.summaries.take();
        let rows = records.iter().flat_map(|record| {
            rows(&record.data).map(|(_, row)| {
                let row = row.unwrap();
                let name = format!("{:?}", row.key);
                (
                    name,
                    row.readings,
                    row.duplicates,
                    format!("{:?}", row.measures),
                )
            })
        });
        rows.collect()
    }

    fn rejects(&self) -> Vec<Value> {
        let rejects = self.rejects.take();
        rejects
            .iter()
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

fn event(records: &[(u64, Vec<u8>)], state: Option<&RawValue>, is_final: bool) -> Event {
    let numbers: Vec<String> = records
        .iter()
        .map(|(number, _)| number.to_string())
        .collect();
    let records: Vec<_> = records
        .iter()
        .zip(&numbers)
        .map(|((_, data), sequence_number)| RecordData {
            partition_key: "of the record",
            sequence_number,
            arrival: Timestamp::from_millis(START + 5_000),
            data,
        })
        .collect();
    let fields = WindowFields {
        window: Window {
            start: START,
            end: START + 60_000,
        },
        state,
        is_final,
        is_terminated_early: false,
    };
    Event::from_json(&encode(&SOURCE, &records, Some(&fields))).unwrap()
}

fn line(name: &str, second: u32) -> Vec<u8> {
    format!(
        "{{\"Name\":\"{name}\",\"StatusTime\":\"2026-09-21 14:14:{second:02}.000\",\"Distance\":{second}.5,\"MagicPoints\":{second},\"HealthPoints\":{second}}}\n"
    )
    .into_bytes()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn aggregate(user_records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut aggregate = AggregateBuilder::default();
    for (key, data) in user_records {
        aggregate.add(key, data);
    }
    aggregate.finish()
}

/// The readings of two unicorns over 12 seconds, packed in several ways.
fn packed() -> Vec<(u64, Vec<u8>)> {
    let pair = |second| [line("Shadowfax", second), line("Franky", second)].concat();
    let user_records = |second| {
        let (shadowfax, franky) = (line("Shadowfax", second), zlib(&line("Franky", second)));
        aggregate(&[("Shadowfax", &shadowfax), ("Franky", &franky)])
    };
    let records = [
        pair(0),
        gzip(&pair(1)),
        zlib(&[pair(2), pair(3)].concat()),
        user_records(4),
        gzip(&user_records(5)),
        [gzip(&pair(6)), gzip(&pair(7))].concat(),
        aggregate(&[("Shadowfax", &gzip(&pair(8))), ("", &pair(9))]),
        pair(10),
        zlib(&gzip(&pair(11))),
    ];
    (1..).zip(records).collect()
}

#[tokio::test]
async fn packed_readings_make_the_rows_of_plain_ones() {
    let plain = (0..12).flat_map(|second| [line("Shadowfax", second), line("Franky", second)]);
    let plain: Vec<_> = (1..).zip(plain).collect();
    let harness = PackedHarness::default();
    harness.invoke(&plain, None, true).await;
    let expected = harness.rows();
    assert_eq!(expected.len(), 2);

    harness.invoke(&packed(), None, true).await;
    assert_eq!(harness.rows(), expected);
    assert_eq!(harness.rejects(), [Value::Null; 0]);
}

#[tokio::test]
async fn redelivered_packed_records_count_once() {
    let harness = PackedHarness::default();
    harness.invoke(&packed(), None, true).await;
    let expected = harness.rows();

    let state = harness.invoke(&packed()[..5], None, false).await;
    let state = harness.invoke(&packed()[2..7], Some(&state), false).await;
    harness.invoke(&packed(), Some(&state), true).await;
    assert_eq!(harness.rows(), expected);

    // The producer sent an aggregated record twice.
    let again = [(10, packed()[3].1.clone())];
    let state = harness.invoke(&packed(), None, false).await;
    harness.invoke(&again, Some(&state), true).await;
    let of = |rows: &[(String, u64, u64, String)]| -> Vec<_> {
        rows.iter()
            .map(|(_, readings, duplicates, _)| (*readings, *duplicates))
            .collect()
    };
    assert_eq!(of(&expected), [(12, 0), (12, 0)]);
    assert_eq!(of(&harness.rows()), [(12, 1), (12, 1)]);
}

#[tokio::test]
async fn what_cannot_be_unpacked_is_one_reject() {
    let harness = PackedHarness::default();
    let good = line("Shadowfax", 1);
    let mut broken_gzip = gzip(b"\n\n\n\n");
    broken_gzip.pop();
    let mut wrong_digest = aggregate(&[("Shadowfax", &good), ("Franky", &good)]);
    *wrong_digest.last_mut().unwrap() ^= 1;
    let user_records = aggregate(&[
        ("Shadowfax", &good),
        ("Franky", b"{}"),
        ("Rocinante", &broken_gzip),
        ("Shadowfax", &line("Shadowfax", 2)),
    ]);
    let records = [
        broken_gzip.clone(),
        wrong_digest.clone(),
        user_records,
        good,
    ];
    let records: Vec<_> = (1..).zip(records).collect();
    harness.invoke(&records, None, true).await;
    let counts: Vec<_> = harness.rows().iter().map(|row| (row.1, row.2)).collect();
    assert_eq!(counts, [(2, 1)]);

    let rejects = harness.rejects();
    let field =
        |name: &str| -> Vec<Value> { rejects.iter().map(|reject| reject[name].clone()).collect() };
    assert_eq!(
        field("Reason"),
        [
            "the gzip data is truncated",
            "the MD5 digest of the aggregated record is wrong",
            "Name is missing",
            "the gzip data is truncated",
        ]
    );
    assert_eq!(field("SequenceNumber"), ["1", "2", "3", "3"]);
    let keys = ["of the record", "of the record", "Franky", "Rocinante"];
    assert_eq!(field("PartitionKey"), keys);
    let numbers = [Value::Null, Value::Null, 1.into(), 2.into()];
    assert_eq!(field("SubSequenceNumber"), numbers);
    let base64 = |data: &[u8]| Value::from(base64_simd::STANDARD.encode_to_string(data));
    let sent = [
        base64(&broken_gzip),
        base64(&wrong_digest),
        Value::Null,
        base64(&broken_gzip),
    ];
    assert_eq!(field("PayloadBase64"), sent);
    assert_eq!(field("Payload")[2], "{}");
}

#[tokio::test]
async fn many_bad_lines_of_a_packed_record_are_rejected_as_it_was_sent() {
    let harness = PackedHarness::default();
    let lines: Vec<u8> = (0..1_000)
        .flat_map(|number| format!("{{x {number}\n").into_bytes())
        .collect();
    let record = gzip(&lines);
    harness.invoke(&[(1, record.clone())], None, true).await;
    let rejects = harness.rejects();
    assert_eq!(rejects.len(), 101);
    assert_eq!(rejects[99]["Payload"], "{x 99");
    assert_eq!(
        rejects[100]["Reason"],
        "900 more parts of the record cannot be read; the payload is the whole record"
    );
    let sent = base64_simd::STANDARD.encode_to_string(&record);
    assert_eq!(rejects[100]["PayloadBase64"], sent);

    // A megabyte of bad lines, and not sixteen.
    let record = gzip(&vec![b'x'; 10_000_000]);
    harness.invoke(&[(1, record)], None, true).await;
    let rejects = harness.rejects();
    assert_eq!(rejects.len(), 1);
    assert!(rejects[0].to_string().len() < 20_000);
}
