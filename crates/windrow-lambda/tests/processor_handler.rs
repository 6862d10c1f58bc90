//! The processor on Lambda's JSON, with in-memory destinations in place of the services.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use unicorn::row::{LOW_VITALS_METRIC, has_low_vitals, schema};
use windrow_event::{Event, EventSource, RecordData, Response, Timestamp, encode};
use windrow_lambda::processor::row::TableRow;
use windrow_lambda::processor::{Processor, RowMetric};
use windrow_write::{
    BatchLimits, Collected, Destination, DynamoTable, ItemFailure, Key, SendError,
};

fn line(name: &str, readings: u64) -> String {
    format!(
        r#"{{"Name":"{name}","StatusTime":"2026-11-20 09:17:00.000","Distance":1.5,"MinMagicPoints":1,"MaxMagicPoints":2,"MinHealthPoints":3,"MaxHealthPoints":4,"Source":{{"Stream":"wildrydes","Shard":"shardId-000000000000","From":"1","To":"2","Readings":{readings},"WindowSeconds":60}}}}"#
    )
}

fn event(records: &[&str]) -> Event {
    Event::from_json(&payload(records)).unwrap()
}

fn payload(records: &[&str]) -> Vec<u8> {
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes-summary",
        region: "us-east-1",
        shard_id: "shardId-000000000003",
    };
    let numbers: Vec<String> = (100..).take(records.len()).map(|n| n.to_string()).collect();
    let records: Vec<RecordData<'_>> = records
        .iter()
        .zip(&numbers)
        .map(|(data, sequence_number)| RecordData {
            partition_key: "key",
            sequence_number,
            arrival: Timestamp::from_millis(1_790_000_045_000),
            data: data.as_bytes(),
        })
        .collect();
    encode(&source, &records, None)
}

/// Like [`event`], but the data of record 101 is not base64.
fn damaged(records: &[&str]) -> Event {
    let mut json: serde_json::Value = serde_json::from_slice(&payload(records)).unwrap();
    json["Records"][1]["kinesis"]["data"] = "not base64?".into();
    Event::from_json(&serde_json::to_vec(&json).unwrap()).unwrap()
}

/// A table that always throttles some names and permanently rejects others.
#[derive(Default)]
struct TestTable {
    rows: Collected<TableRow>,
    throttled: BTreeSet<&'static str>,
    invalid: BTreeSet<&'static str>,
}

fn name(row: &TableRow) -> &str {
    unicorn::row::name(&row.row().key).unwrap()
}

impl Destination for TestTable {
    type Item = TableRow;

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items: 25,
            ..self.rows.limits()
        }
    }

    fn size(&self, item: &TableRow) -> usize {
        self.rows.size(item)
    }

    fn key(&self, item: &TableRow) -> Option<Key> {
        Some(Key::new([name(item), item.sort_value()]))
    }

    async fn send(&self, chunk: &[&TableRow]) -> Result<Vec<ItemFailure>, SendError> {
        if chunk.iter().any(|item| self.invalid.contains(name(item))) {
            return Err(SendError::Invalid("no such name".to_owned()));
        }
        let failed = |item: &TableRow| self.throttled.contains(name(item));
        let taken: Vec<&TableRow> = chunk.iter().copied().filter(|item| !failed(item)).collect();
        self.rows.send(&taken).await?;
        let failures = chunk.iter().enumerate().filter(|(_, item)| failed(item));
        Ok(failures
            .map(|(index, _)| ItemFailure {
                index,
                reason: "unprocessed".to_owned(),
                permanent: false,
            })
            .collect())
    }
}

async fn handle(table: &TestTable, rejects: &Collected<Bytes>, records: &[&str]) -> Response {
    let function = Processor::new(schema(), table, rejects, None, Box::new(|_| ()));
    let deadline = Instant::now() + Duration::from_secs(3600);
    function.handle(&event(records), deadline).await
}

#[tokio::test]
async fn rows_are_written_once_each() {
    let (table, rejects) = (TestTable::default(), Collected::default());
    let packed: Vec<String> = (0..60).map(|n| line(&format!("unicorn {n}"), 7)).collect();
    let duplicate = line("unicorn 3", 7);
    let response = handle(&table, &rejects, &[&packed.join("\n"), &duplicate]).await;
    assert!(response.batch_item_failures.is_empty());
    assert!(response.state.is_none());
    let rows = table.rows.take();
    assert_eq!(rows.len(), 60);
    let names: BTreeSet<&str> = rows.iter().map(name).collect();
    assert_eq!(names.len(), 60);
    assert_eq!(rows[0].row().readings, 7);
    let key = rows[0].sort_value();
    assert!(
        key.starts_with("2026-11-20 09:17:00.000#") && key.len() == 24 + 16,
        "{key}"
    );
    assert!(rejects.items().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_lowest_record_that_failed_is_reported() {
    let mut table = TestTable::default();
    table.throttled.extend(["b", "c"]);
    let rejects = Collected::default();
    let lines = ["a", "b", "c", "d"].map(|name| line(name, 1));
    let records: Vec<&str> = lines.iter().map(String::as_str).collect();
    let response = handle(&table, &rejects, &records).await;
    assert_eq!(response.batch_item_failures, ["101"]);
    let rows = table.rows.take();
    let written: BTreeSet<&str> = rows.iter().map(name).collect();
    assert_eq!(written, BTreeSet::from(["a", "d"]));
    assert!(rejects.items().is_empty());
}

#[tokio::test]
async fn invalid_lines_go_to_the_rejects_stream() {
    let (table, rejects) = (TestTable::default(), Collected::default());
    let records = [
        line("a", 1),
        line("b", 0),
        "broken".to_owned(),
        line("c", 1),
    ];
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let response = handle(&table, &rejects, &records).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(table.rows.take().len(), 2);
    let rejects: Vec<serde_json::Value> = rejects
        .take()
        .iter()
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(
        rejects[0]["Reason"],
        "Source.Readings is 0, and there are no Duplicates"
    );
    assert_eq!(rejects[0]["SequenceNumber"], "101");
    assert_eq!(rejects[0]["Stream"], "wildrydes-summary");
    assert_eq!(rejects[1]["Payload"], "broken");
}

#[tokio::test]
async fn unreadable_records_go_to_the_rejects_stream_and_are_not_retried() {
    let (table, rejects) = (TestTable::default(), Collected::default());
    let bad_range = line("b", 1).replace(r#""From":"1""#, r#""From":"one""#);
    let backwards = line("c", 1).replace(r#""From":"1""#, r#""From":"3""#);
    let good = line("d", 1);
    let event = damaged(&[&bad_range, "its data is damaged", &backwards, "{", &good]);
    let function = Processor::new(schema(), &table, &rejects, None, Box::new(|_| ()));
    let deadline = Instant::now() + Duration::from_secs(3600);
    let response = function.handle(&event, deadline).await;

    assert!(response.batch_item_failures.is_empty());
    assert_eq!(table.rows.take().len(), 1);
    let rejects: Vec<serde_json::Value> = rejects
        .take()
        .iter()
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let values = |field: &str| -> Vec<&str> {
        let text = rejects.iter().map(|reject| reject[field].as_str());
        text.collect::<Option<_>>().unwrap()
    };
    assert_eq!(values("SequenceNumber"), ["100", "101", "102", "103"]);
    assert_eq!(
        values("Payload"),
        [&bad_range, "not base64?", &backwards, "{"]
    );
    let reasons = values("Reason");
    assert_eq!(reasons[0], "Source.From is not a sequence number");
    assert!(reasons[1].contains("not base64"), "{}", reasons[1]);
    assert_eq!(reasons[2], "Source.To comes before Source.From");
}

#[tokio::test]
async fn oversized_row_goes_to_the_rejects_stream_unsent() {
    // Nothing is sent, so nothing needs to listen there.
    let config = windrow_connect::local_config("http://127.0.0.1:1");
    let client = aws_sdk_dynamodb::Client::new(&config);
    let table = DynamoTable::new(client, "UnicornSensorData", schema().table_key());
    let rejects = Collected::<Bytes>::default();
    let function = Processor::new(schema(), table, &rejects, None, Box::new(|_| ()));
    let shard = "s".repeat(400 * 1024);
    let long = line("Shadowfax", 1).replace("shardId-000000000000", &shard);
    let deadline = Instant::now() + Duration::from_secs(3600);
    let response = function.handle(&event(&[&long]), deadline).await;

    assert!(response.batch_item_failures.is_empty());
    // A long line is split into pieces that fit a Firehose record.
    let mut payload = String::new();
    for reject in rejects.take() {
        let reject: serde_json::Value = serde_json::from_slice(&reject).unwrap();
        let reason = reject["Reason"].as_str().unwrap();
        assert!(reason.contains("the limit is 409600"), "{reason}");
        payload.push_str(reject["Payload"].as_str().unwrap());
    }
    assert!(payload.trim_end() == long, "{} bytes", payload.len());
}

/// A table that takes everything, after a delay.
struct SlowTable {
    rows: Collected<TableRow>,
    delay: Duration,
    last_call: Mutex<Option<Instant>>,
}

impl Destination for SlowTable {
    type Item = TableRow;

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items: 25,
            ..self.rows.limits()
        }
    }

    fn size(&self, item: &TableRow) -> usize {
        self.rows.size(item)
    }

    async fn send(&self, chunk: &[&TableRow]) -> Result<Vec<ItemFailure>, SendError> {
        *self.last_call.lock().unwrap() = Some(Instant::now());
        tokio::time::sleep(self.delay).await;
        self.rows.send(chunk).await
    }
}

#[tokio::test(start_paused = true)]
async fn slow_table_reports_the_first_unwritten_record_before_the_deadline() {
    let table = SlowTable {
        rows: Collected::default(),
        delay: Duration::from_secs(2),
        last_call: Mutex::default(),
    };
    let rejects = Collected::<Bytes>::default();
    let function = Processor::new(schema(), &table, &rejects, None, Box::new(|_| ()));
    // Each record fills one call.
    let records: Vec<String> = (0..20)
        .map(|record| {
            let row = |row| line(&format!("unicorn {record}, {row}"), 1);
            (0..25).map(row).collect::<Vec<_>>().join("\n")
        })
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let deadline = Instant::now() + Duration::from_secs(5);
    let response = function.handle(&event(&records), deadline).await;

    assert!(Instant::now() <= deadline);
    assert!(table.last_call.lock().unwrap().unwrap() < deadline);
    // Four concurrent calls finish after 2 s, four more after 4 s, and the rest do not finish.
    assert_eq!(table.rows.items().len(), 8 * 25);
    assert_eq!(response.batch_item_failures, ["108"]);
    let written: Vec<TableRow> = table.rows.take();
    let written: BTreeSet<&str> = written.iter().map(name).collect();
    let before = |row: &&str| {
        let number = row
            .trim_start_matches("unicorn ")
            .split(',')
            .next()
            .unwrap();
        number.parse::<u32>().unwrap() < 8
    };
    assert!(
        written.iter().all(before),
        "only records before 108 are written"
    );
}

#[tokio::test(start_paused = true)]
async fn reject_that_is_out_of_time_is_reported() {
    let (table, rejects) = (TestTable::default(), Collected::<Bytes>::default());
    let function = Processor::new(schema(), &table, &rejects, None, Box::new(|_| ()));
    let deadline = Instant::now();
    let response = function.handle(&event(&["broken"]), deadline).await;
    assert_eq!(response.batch_item_failures, ["100"]);
    assert!(rejects.items().is_empty());
}

#[tokio::test]
async fn only_the_row_that_the_table_rejects_goes_to_the_rejects_stream() {
    let mut table = TestTable::default();
    table.invalid.insert("b");
    let rejects = Collected::default();
    let lines = ["a", "b", "c"].map(|name| line(name, 1));
    let records: Vec<&str> = lines.iter().map(String::as_str).collect();
    let response = handle(&table, &rejects, &records).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(table.rows.take().len(), 2);
    let reject: serde_json::Value = serde_json::from_slice(&rejects.take()[0]).unwrap();
    assert_eq!(reject["Payload"].as_str().unwrap().trim_end(), lines[1]);
    assert!(reject["Reason"].as_str().unwrap().contains("no such name"));
}

#[tokio::test]
async fn low_vitals_are_counted() {
    let counted = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&counted);
    let function = Processor::new(
        schema(),
        TestTable::default(),
        Collected::<Bytes>::default(),
        None,
        Box::new(move |metrics: &windrow_lambda::metrics::Metrics| {
            let value = metrics.value("LowVitals").unwrap();
            sink.lock().unwrap().push(value);
        }),
    );
    let function = function.with_row_metric(Some(RowMetric {
        name: LOW_VITALS_METRIC,
        counts: has_low_vitals,
    }));
    let strong = line("Bucephalus", 3)
        .replace(r#""MinMagicPoints":1"#, r#""MinMagicPoints":100"#)
        .replace(r#""MaxMagicPoints":2"#, r#""MaxMagicPoints":100"#)
        .replace(r#""MinHealthPoints":3"#, r#""MinHealthPoints":100"#)
        .replace(r#""MaxHealthPoints":4"#, r#""MaxHealthPoints":100"#);
    let weak = strong
        .replace("Bucephalus", "Franky")
        .replace(r#""MinHealthPoints":100"#, r#""MinHealthPoints":99"#);
    let event = event(&[&strong, &weak, &line("Rocinante", 1)]);
    let deadline = Instant::now() + Duration::from_secs(3600);
    function.handle(&event, deadline).await;
    assert_eq!(*counted.lock().unwrap(), [2]);
}
