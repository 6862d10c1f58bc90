//! The aggregator under time pressure: it fails before its deadline and never reports a partial
//! delivery as success.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use unicorn::row::rows;
use unicorn::sensor::Unicorn;
use windrow_core::row::Row;
use windrow_event::{Event, EventSource, RecordData, Timestamp, Window, WindowFields, encode};
use windrow_lambda::aggregator::Aggregator;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_write::{BatchLimits, Collected, Destination, ItemFailure, KinesisRecord, SendError};

const START: i64 = 1_790_000_040_000;

/// The final invocation of a window, with one record for each of `data`.
fn event(data: &[&str]) -> Event {
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
        region: "us-east-1",
        shard_id: "shardId-000000000000",
    };
    let numbers: Vec<String> = (1..=data.len()).map(|number| number.to_string()).collect();
    let records: Vec<RecordData<'_>> = data
        .iter()
        .zip(&numbers)
        .map(|(data, sequence_number)| RecordData {
            partition_key: "Shadowfax",
            sequence_number,
            arrival: Timestamp::from_millis(START + 5_000),
            data: data.as_bytes(),
        })
        .collect();
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

fn reading(name: &str) -> String {
    format!(
        r#"{{"Name":"{name}","StatusTime":"2026-09-21 14:14:01.000","Distance":30,"MagicPoints":1,"HealthPoints":1}}"#
    )
}

struct AlwaysThrottled;

impl Destination for AlwaysThrottled {
    type Item = KinesisRecord;

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items: 500,
            call_bytes: 1 << 20,
            item_bytes: 1 << 20,
        }
    }

    fn size(&self, record: &KinesisRecord) -> usize {
        record.data.len()
    }

    async fn send(&self, _: &[&KinesisRecord]) -> Result<Vec<ItemFailure>, SendError> {
        Err(SendError::Throttled("slow down".to_owned()))
    }
}

#[tokio::test(start_paused = true)]
async fn undelivered_rows_fail_the_invocation() {
    let function = Aggregator::new(
        Unicorn,
        AlwaysThrottled,
        Collected::default(),
        WindowTime::Arrival,
        Box::new(|_| ()),
    );
    let event = event(&[&reading("Franky")]);
    let deadline = Instant::now() + Duration::from_secs(5);
    let error = function.handle(&event, deadline).await.unwrap_err();
    assert!(Instant::now() <= deadline + Duration::from_millis(1));
    assert!(
        error
            .to_string()
            .starts_with("could not deliver 1 record of summary rows"),
        "{error}"
    );
}

/// A stream that takes one record per call, after a delay.
struct SlowStream {
    taken: Collected<KinesisRecord>,
    delay: Duration,
    last_call: Mutex<Option<Instant>>,
}

impl SlowStream {
    fn new(delay: Duration) -> Self {
        Self {
            taken: Collected::default(),
            delay,
            last_call: Mutex::default(),
        }
    }

    fn rows(&self) -> Vec<Row> {
        let records = self.taken.items();
        let rows = records.iter().flat_map(|record| rows(&record.data));
        rows.map(|(_, row)| row.unwrap()).collect()
    }
}

impl Destination for SlowStream {
    type Item = KinesisRecord;

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items: 1,
            ..self.taken.limits()
        }
    }

    fn size(&self, record: &KinesisRecord) -> usize {
        self.taken.size(record)
    }

    async fn send(&self, chunk: &[&KinesisRecord]) -> Result<Vec<ItemFailure>, SendError> {
        *self.last_call.lock().unwrap() = Some(Instant::now());
        tokio::time::sleep(self.delay).await;
        self.taken.send(chunk).await
    }
}

#[tokio::test(start_paused = true)]
async fn slow_stream_fails_before_the_deadline_and_a_retry_sends_the_same_rows() {
    let function = |summaries| {
        let rejects = Collected::<Bytes>::default();
        Aggregator::new(
            Unicorn,
            summaries,
            rejects,
            WindowTime::Arrival,
            Box::new(|_| ()),
        )
    };
    let lines: Vec<String> = (0..2000)
        .map(|number| reading(&format!("unicorn {number}")))
        .collect();
    let record = lines.join("\n");
    let event = event(&[&record]);

    let slow = SlowStream::new(Duration::from_secs(2));
    let deadline = Instant::now() + Duration::from_secs(5);
    let error = function(&slow).handle(&event, deadline).await.unwrap_err();
    assert!(Instant::now() <= deadline);
    assert!(slow.last_call.lock().unwrap().unwrap() < deadline);
    let partial = slow.rows();
    assert!(
        !partial.is_empty() && partial.len() < lines.len(),
        "{}",
        partial.len()
    );
    let message = error.to_string();
    assert!(
        message.starts_with("could not deliver ") && message.contains(" records of summary rows; "),
        "{message}"
    );
    assert!(message.ends_with("out of time, no response"), "{message}");

    let quick = SlowStream::new(Duration::ZERO);
    let deadline = Instant::now() + Duration::from_secs(5);
    let response = function(&quick).handle(&event, deadline).await.unwrap();
    assert_eq!(response.state.unwrap().get(), "{}");
    let complete = quick.rows();
    assert_eq!(complete.len(), lines.len());
    assert!(partial.iter().all(|row| complete.contains(row)));
}

#[tokio::test(start_paused = true)]
async fn undelivered_rejects_fail_the_invocation() {
    struct NeverResponds;

    impl Destination for NeverResponds {
        type Item = Bytes;

        fn limits(&self) -> BatchLimits {
            Collected::<Bytes>::default().limits()
        }

        fn size(&self, line: &Bytes) -> usize {
            line.len()
        }

        async fn send(&self, _: &[&Bytes]) -> Result<Vec<ItemFailure>, SendError> {
            std::future::pending().await
        }
    }

    let rows = Collected::<KinesisRecord>::default();
    let function = Aggregator::new(
        Unicorn,
        &rows,
        NeverResponds,
        WindowTime::Arrival,
        Box::new(|_| ()),
    );
    let event = event(&[&reading("Franky"), "broken"]);
    let deadline = Instant::now() + Duration::from_secs(5);
    let error = function.handle(&event, deadline).await.unwrap_err();
    assert!(Instant::now() <= deadline);
    assert_eq!(rows.items().len(), 1);
    assert_eq!(
        error.to_string(),
        "could not deliver 1 reject; first failure: out of time, no response"
    );
}
