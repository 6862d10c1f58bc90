//! Failures of the processor's destinations: permanently rejected items go to the rejects stream,
//! and other failures are summarized in one log line.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use unicorn::row::schema;
use windrow_event::{Event, EventSource, RecordData, Response, Timestamp, encode};
use windrow_lambda::metrics::Metrics;
use windrow_lambda::processor::Processor;
use windrow_lambda::processor::row::TableRow;
use windrow_write::{BatchLimits, Collected, Destination, ItemFailure, Key, SendError};

/// A destination that fails every call with `error`, or takes everything if that is `None`.
struct MaybeFailing<T> {
    error: Option<fn(String) -> SendError>,
    taken: Collected<T>,
}

impl<T> MaybeFailing<T> {
    fn with(error: Option<fn(String) -> SendError>) -> Self {
        let taken = Collected::default();
        Self { error, taken }
    }
}

impl<T: Clone + Send + Sync> Destination for MaybeFailing<T> {
    type Item = T;

    fn limits(&self) -> BatchLimits {
        self.taken.limits()
    }

    fn size(&self, item: &T) -> usize {
        self.taken.size(item)
    }

    fn key(&self, _: &T) -> Option<Key> {
        None
    }

    async fn send(&self, chunk: &[&T]) -> Result<Vec<ItemFailure>, SendError> {
        match self.error {
            None => self.taken.send(chunk).await,
            Some(error) => Err(error("not now".to_owned())),
        }
    }
}

/// One record with one row per unicorn and a line that is not a row.
fn event(unicorns: usize) -> Event {
    let rows = (0..unicorns).map(|number| {
        format!(
            r#"{{"Name":"unicorn {number}","StatusTime":"2026-11-20 09:17:00.000","Distance":1.5,"MinMagicPoints":1,"MaxMagicPoints":2,"MinHealthPoints":3,"MaxHealthPoints":4,"Source":{{"Stream":"wildrydes","Shard":"shardId-000000000000","From":"1","To":"2","Readings":1,"WindowSeconds":60}}}}"#
        )
    });
    let data = rows
        .chain(["broken".to_owned()])
        .collect::<Vec<_>>()
        .join("\n");
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes-summary",
        region: "us-east-1",
        shard_id: "shardId-000000000003",
    };
    let record = RecordData {
        partition_key: "key",
        sequence_number: "100",
        arrival: Timestamp::from_millis(1_790_000_045_000),
        data: data.as_bytes(),
    };
    Event::from_json(&encode(&source, &[record], None)).unwrap()
}

/// A log in memory.
#[derive(Clone, Default)]
struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for CapturedLog {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the function on an event and returns its response, metrics and log.
async fn invoke(
    table: &MaybeFailing<TableRow>,
    rejects: &MaybeFailing<Bytes>,
    event: &Event,
) -> (Response, Metrics, String) {
    let log = CapturedLog::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false);
    let subscriber = subscriber.with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let reported: &'static Mutex<Option<Metrics>> = Box::leak(Box::default());
    let sink = Box::new(|metrics: &Metrics| *reported.lock().unwrap() = Some(metrics.clone()));
    let function = Processor::new(schema(), table, rejects, None, sink);
    let deadline = Instant::now() + Duration::from_secs(3600);
    let response = function.handle(event, deadline).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let metrics = reported.lock().unwrap().take().unwrap();
    (response, metrics, text)
}

#[tokio::test(start_paused = true)]
async fn unwritten_rows_are_summarized_in_one_log_line() {
    let (table, rejects) = (
        MaybeFailing::with(Some(SendError::Fatal)),
        MaybeFailing::with(None),
    );
    let (response, metrics, log) = invoke(&table, &rejects, &event(2_000)).await;
    assert_eq!(response.batch_item_failures, ["100"]);
    assert_eq!(metrics.value("Undelivered"), Some(2_000));
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("rows=2000"), "{log}");
    assert!(log.contains("2000 x"), "{log}");
    assert!(log.contains("not now"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn throttled_table_leaves_time_for_the_rejects() {
    let (table, rejects) = (
        MaybeFailing::with(Some(SendError::Throttled)),
        MaybeFailing::with(None),
    );
    let (response, metrics, _) = invoke(&table, &rejects, &event(3)).await;
    assert_eq!(response.batch_item_failures, ["100"]);
    assert_eq!(metrics.value("Undelivered"), Some(3));
    // The record's last line is not a row.
    assert_eq!(rejects.taken.take().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn permanently_rejected_rows_go_to_the_rejects_stream() {
    let (table, rejects) = (
        MaybeFailing::with(Some(SendError::Invalid)),
        MaybeFailing::with(None),
    );
    let (response, metrics, _) = invoke(&table, &rejects, &event(30)).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(rejects.taken.take().len(), 31);
    for (metric, value) in [("RejectedRows", 31), ("Undelivered", 0), ("LostRejects", 0)] {
        assert_eq!(metrics.value(metric), Some(value), "{metric}");
    }
}

#[tokio::test(start_paused = true)]
async fn permanently_rejected_rejects_do_not_fail_the_batch() {
    let invalid = || Some(SendError::Invalid as fn(String) -> SendError);
    let (table, rejects) = (MaybeFailing::with(invalid()), MaybeFailing::with(invalid()));
    let (response, metrics, log) = invoke(&table, &rejects, &event(30)).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(metrics.value("LostRejects"), Some(31));
    // The log names the record, and many lost rejects do not flood it.
    assert!(log.contains(r#"\"SequenceNumber\":\"100\""#), "{log}");
    assert_eq!(log.lines().count(), 10, "{log}");
}
