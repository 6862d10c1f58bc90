//! Items that the aggregator's destinations permanently reject: they go to the rejects stream and
//! do not fail the invocation.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::Instant;
use unicorn::row::{rows, schema};
use unicorn::sensor::Unicorn;
use windrow_core::row::ShardWatermark;
use windrow_event::{Event, EventSource, RecordData, Timestamp, Window, WindowFields, encode};
use windrow_lambda::aggregator::Aggregator;
use windrow_lambda::aggregator::pack::RowPacker;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_lambda::metrics::Metrics;
use windrow_write::{BatchLimits, Collected, Destination, ItemFailure, KinesisRecord, SendError};

const START: i64 = 1_790_000_040_000;

/// A destination that fails every call with `error`.
struct FailingDestination<T> {
    error: fn(String) -> SendError,
    received: Collected<T>,
}

impl<T> FailingDestination<T> {
    fn new(error: fn(String) -> SendError) -> Self {
        Self {
            error,
            received: Collected::default(),
        }
    }
}

impl<T: Clone + Send + Sync> Destination for FailingDestination<T> {
    type Item = T;

    fn limits(&self) -> BatchLimits {
        self.received.limits()
    }

    fn size(&self, item: &T) -> usize {
        self.received.size(item)
    }

    async fn send(&self, chunk: &[&T]) -> Result<Vec<ItemFailure>, SendError> {
        self.received.send(chunk).await?;
        Err((self.error)("partition key \u{99ac}".to_owned()))
    }
}

/// A final invocation with one reading per name, and a record that is not a reading.
fn event(names: &[&str]) -> Event {
    let lines = names.iter().map(|name| {
        format!(
            r#"{{"Name":"{name}","StatusTime":"2026-11-20 09:17:08","Distance":30,"MagicPoints":1,"HealthPoints":2}}"#
        )
    });
    let lines: Vec<String> = lines.chain(["not a reading".to_owned()]).collect();
    let numbers: Vec<String> = (100..).take(lines.len()).map(|n| n.to_string()).collect();
    let records: Vec<RecordData<'_>> = lines
        .iter()
        .zip(&numbers)
        .map(|(line, sequence_number)| RecordData {
            partition_key: "key",
            sequence_number,
            arrival: Timestamp::from_millis(START + 5_000),
            data: line.as_bytes(),
        })
        .collect();
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
        region: "us-east-1",
        shard_id: "shardId-000000000007",
    };
    let fields = WindowFields {
        window: Window {
            start: START,
            end: START + 60_000,
        },
        state: None,
        is_final: true,
        is_terminated_early: false,
    };
    Event::from_json(&encode(&source, &records, Some(&fields))).unwrap()
}

/// Runs the function on an event and returns its result and metrics.
async fn invoke<S, R>(summaries: &S, rejects: &R, event: &Event) -> (Result<(), String>, Metrics)
where
    S: Destination<Item = KinesisRecord>,
    R: Destination<Item = Bytes>,
{
    let reported: &'static Mutex<Option<Metrics>> = Box::leak(Box::default());
    let sink = Box::new(|metrics: &Metrics| *reported.lock().unwrap() = Some(metrics.clone()));
    let function = Aggregator::new(Unicorn, summaries, rejects, WindowTime::Arrival, sink);
    let deadline = Instant::now() + Duration::from_secs(3600);
    let result = function.handle(event, deadline).await;
    let result = result.map(|_| ()).map_err(|error| error.to_string());
    (result, reported.lock().unwrap().take().unwrap())
}

#[tokio::test(start_paused = true)]
async fn permanently_rejected_rows_go_to_the_rejects_stream() {
    let summaries_stream = FailingDestination::new(SendError::Invalid);
    let rejects = Collected::default();
    let event = event(&["Shadowfax", "Franky"]);
    let (result, metrics) = invoke(&summaries_stream, &rejects, &event).await;
    assert_eq!(result, Ok(()));

    let lines = rejects.take();
    let lines: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let [reading, rows] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert_eq!(reading["Payload"], "not a reading");
    let reason = rows["Reason"].as_str().unwrap();
    assert!(
        reason.contains("the summary stream rejected these rows"),
        "{reason}"
    );
    assert!(reason.contains("partition key \u{99ac}"), "{reason}");
    assert_eq!(rows["Stream"], "wildrydes");
    assert_eq!(rows["Shard"], "shardId-000000000007");
    assert_eq!(rows["SequenceNumber"], "102");
    // The payload is exactly what was sent to the summary stream.
    let sent = summaries_stream.received.take();
    let payload = rows["Payload"].as_str().unwrap();
    assert_eq!(payload.as_bytes(), &sent[0].data[..]);
    assert_eq!(unicorn::row::rows(payload.as_bytes()).count(), 2);
    for (metric, value) in [
        ("RejectedReadings", 1),
        ("RejectedSummaryRecords", 1),
        ("LostRejects", 0),
        ("Undelivered", 0),
    ] {
        assert_eq!(metrics.value(metric), Some(value), "{metric}");
    }
}

#[tokio::test(start_paused = true)]
async fn permanently_rejected_rejects_do_not_fail_the_invocation() {
    let summaries = Collected::default();
    let rejects = FailingDestination::new(SendError::Invalid);
    let (result, metrics) = invoke(&summaries, &rejects, &event(&["Shadowfax"])).await;
    assert_eq!(result, Ok(()));
    // The rows, and then how far they are complete.
    let sent = summaries.take();
    assert_eq!(sent.len(), 2);
    assert_eq!(ShardWatermark::parse(&sent[0].data), None);
    assert!(ShardWatermark::parse(&sent[1].data).is_some());
    assert_eq!(metrics.value("LostRejects"), Some(1));

    let failing = FailingDestination::new(SendError::Invalid);
    let (result, metrics) = invoke(&failing, &rejects, &event(&["Shadowfax"])).await;
    assert_eq!(result, Ok(()));
    assert_eq!(metrics.value("LostRejects"), Some(2));
}

#[tokio::test(start_paused = true)]
async fn fatal_errors_fail_the_invocation() {
    let rejects = Collected::default();
    let failing = FailingDestination::new(SendError::Fatal);
    let (result, metrics) = invoke(&failing, &rejects, &event(&["Shadowfax"])).await;
    assert!(result.unwrap_err().contains("record of summary rows"));
    assert_eq!(
        rejects.take().len(),
        1,
        "only the record that is not a reading"
    );
    assert_eq!(metrics.value("Undelivered"), Some(1));

    let failing = FailingDestination::new(SendError::Fatal);
    let (result, _) = invoke(&Collected::default(), &failing, &event(&["Shadowfax"])).await;
    assert!(result.unwrap_err().contains("could not deliver 1 reject; "));
}

/// The records that the rows of these names are packed into.
fn packed(names: impl IntoIterator<Item = String>) -> Vec<KinesisRecord> {
    let mut packer = RowPacker::new(schema());
    for name in names {
        let name = serde_json::to_string(&name).unwrap();
        let line = format!(
            r#"{{"Name":{name},"StatusTime":"2026-11-20 09:17:00.000","Distance":1.5,"MinMagicPoints":1,"MaxMagicPoints":2,"MinHealthPoints":3,"MaxHealthPoints":4,"Source":{{"Stream":"wildrydes","Shard":"shardId-000000000000","From":"1","To":"2","Readings":1,"WindowSeconds":60}}}}"#
        );
        packer.push(&rows(line.as_bytes()).next().unwrap().1.unwrap());
    }
    packer.take()
}

proptest! {
    /// Whatever the names are, Kinesis accepts the records' partition keys, whether it counts
    /// characters, UTF-16 units or bytes.
    #[test]
    fn partition_keys_are_valid_for_any_names(names in proptest::collection::vec("\\PC{1,256}", 1..20)) {
        for record in packed(names.clone()) {
            prop_assert!(record.partition_key.is_ascii());
            prop_assert!((1..=64).contains(&record.partition_key.len()));
        }
        prop_assert_eq!(packed(names.clone()), packed(names));
    }
}

#[test]
fn partition_keys_spread_evenly() {
    // Each record holds one unicorn, and each shard takes one sixteenth of the keys.
    let mut shards = [0; 16];
    for number in 0..16_000 {
        let records = packed([format!("unicorn {number}")]);
        let first = u8::from_str_radix(&records[0].partition_key[..1], 16).unwrap();
        shards[usize::from(first)] += 1;
    }
    assert!(
        shards.iter().all(|count| (850..1150).contains(count)),
        "{shards:?}"
    );
}
