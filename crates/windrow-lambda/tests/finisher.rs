//! The finisher on streams that an emulator does not have: rows that come while it reads, shards
//! that return empty pages, rows that expire, and a table that fails.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;
use windrow_core::row::{MergedRow, Row, ShardWatermark};
use windrow_core::schema::{KeyColumn, MeasureColumn, Schema};
use windrow_core::time::Timestamp;
use windrow_core::value::{ColumnType, NumberType};
use windrow_lambda::finisher::{
    FinishTime, FinishedRow, Finisher, FinisherStreams, MergedOutput, ProgressTable, WINDOWS,
    WindowOutputs,
};
use windrow_lambda::metrics::Metrics;
use windrow_write::{Collected, KinesisRecord};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/rooms";
const SUMMARIES: &str = "rooms-summary";
const READINGS: &str = "rooms";

/// When the streams were created: the start of a window.
const CREATED: i64 = 1_790_000_040_000;
const WINDOW: i64 = 60_000;
/// Soon after the end of the first window.
const NOW: i64 = CREATED + WINDOW + 5_000;

/// A record in a shard: when it arrived, and its data.
type ScriptedRecord = (i64, Vec<u8>);

/// A shard's log.
#[derive(Clone, Debug, Default)]
struct ScriptedShard {
    records: Vec<ScriptedRecord>,
    /// How many minutes of the shard an empty page covers, if it returns such pages.
    minutes_per_page: Option<i64>,
}

/// Kinesis and DynamoDB.
#[derive(Debug, Default)]
struct World {
    streams: BTreeMap<String, Vec<ScriptedShard>>,
    item: Option<Value>,
    /// How many of the next writes to the table succeed before one fails.
    writes_before_failure: Option<usize>,
    /// What comes to shards of the stream of rows just before the second of them is read.
    comes_meanwhile: Vec<(usize, ScriptedRecord)>,
    now: i64,
}

#[derive(Clone, Debug)]
struct SharedWorld(Arc<Mutex<World>>);

impl HttpConnector for SharedWorld {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let operation = target.rsplit('.').next().unwrap().to_owned();
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let (status, body) = self.0.lock().unwrap().answer(&operation, &body);
        let response = HttpResponse::new(status.try_into().unwrap(), body.to_string().into());
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl World {
    fn answer(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        let stream = body["StreamName"].as_str().unwrap_or_default();
        let body = match operation {
            "DescribeStreamSummary" => json!({"StreamDescriptionSummary": {
                "StreamName": stream,
                "StreamARN": format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}"),
                "StreamStatus": "ACTIVE",
                "RetentionPeriodHours": 24,
                "StreamCreationTimestamp": CREATED / 1000,
                "EnhancedMonitoring": [],
                "OpenShardCount": 1,
            }}),
            "ListShards" => {
                let shards = (0..self.streams[stream].len()).map(|index| {
                    json!({
                        "ShardId": shard_id(index),
                        "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
                        "SequenceNumberRange": {"StartingSequenceNumber": "1"},
                    })
                });
                json!({"Shards": shards.collect::<Vec<_>>()})
            }
            "GetShardIterator" => self.iterator(stream, body),
            "GetRecords" => self.page(body["ShardIterator"].as_str().unwrap()),
            "GetItem" => match &self.item {
                Some(item) => json!({"Item": item}),
                None => json!({}),
            },
            "PutItem" => return self.put(body),
            other => panic!("{other}"),
        };
        (200, body)
    }

    /// An iterator is the stream, the shard, the next record, and the time that pages have reached.
    fn iterator(&self, stream: &str, body: &Value) -> Value {
        let id = body["ShardId"].as_str().unwrap();
        let shard: usize = id.rsplit('-').next().unwrap().parse().unwrap();
        let records = &self.streams[stream][shard].records;
        let (next, reached) = match body["ShardIteratorType"].as_str().unwrap() {
            "AFTER_SEQUENCE_NUMBER" => {
                let number = body["StartingSequenceNumber"].as_str().unwrap();
                (number.parse().unwrap(), self.now)
            }
            "AT_TIMESTAMP" => {
                let millis = (body["Timestamp"].as_f64().unwrap() * 1000.0).round() as i64;
                assert!(millis <= self.now, "a time in the future");
                let is_before = |(arrival, _): &&ScriptedRecord| *arrival < millis;
                (records.iter().take_while(is_before).count(), millis)
            }
            other => panic!("{other}"),
        };
        json!({"ShardIterator": format!("{stream}/{shard}/{next}/{reached}")})
    }

    fn page(&mut self, iterator: &str) -> Value {
        let parts: Vec<&str> = iterator.split('/').collect();
        let (stream, shard): (&str, usize) = (parts[0], parts[1].parse().unwrap());
        let (next, reached): (usize, i64) = (parts[2].parse().unwrap(), parts[3].parse().unwrap());
        if (stream, shard) == (SUMMARIES, 1) {
            let shards = self.streams.get_mut(SUMMARIES).unwrap();
            for (shard, record) in self.comes_meanwhile.drain(..) {
                shards[shard].records.push(record);
            }
        }
        let log = &self.streams[stream][shard];
        let records: Vec<Value> = log.records[next..]
            .iter()
            .enumerate()
            .map(|(index, (arrival, data))| {
                json!({
                    "SequenceNumber": (next + index + 1).to_string(),
                    "PartitionKey": "key",
                    "Data": base64_simd::STANDARD.encode_to_string(data),
                    "ApproximateArrivalTimestamp": *arrival as f64 / 1000.0,
                })
            })
            .collect();
        let reached = match log.minutes_per_page {
            Some(minutes) if records.is_empty() => (reached + minutes * 60_000).min(self.now),
            _ => self.now,
        };
        let next = log.records.len();
        json!({
            "Records": records,
            "NextShardIterator": format!("{stream}/{shard}/{next}/{reached}"),
            "MillisBehindLatest": self.now - reached,
        })
    }

    fn put(&mut self, body: &Value) -> (u16, Value) {
        if let Some(left) = &mut self.writes_before_failure {
            if *left == 0 {
                self.writes_before_failure = None;
                return (500, json!({"__type": "InternalServerError"}));
            }
            *left -= 1;
        }
        let version = |item: &Value| item["Version"]["N"].as_str().unwrap_or("0").to_owned();
        let before = self.item.as_ref().map_or("0".to_owned(), &version);
        let expected = body["ExpressionAttributeValues"][":before"]["N"].as_str();
        assert_eq!(before, expected.unwrap_or("0"));
        self.item = Some(body["Item"].clone());
        (200, json!({}))
    }
}

fn shard_id(index: usize) -> String {
    format!("shardId-{index:012}")
}

fn schema() -> Arc<Schema> {
    let key = vec![KeyColumn::new("Room", ColumnType::Text)];
    let highest = MeasureColumn::max("Highest", ColumnType::Number(NumberType::I32));
    Arc::new(Schema::new(key, "WindowStart", vec![highest]).unwrap())
}

/// A record with a row of a shard of readings, of the window that starts here.
fn row(shard: usize, start: i64, highest: i32) -> ScriptedRecord {
    let (time, shard) = (Timestamp::from_millis(start), shard_id(shard));
    let line = format!(
        r#"{{"Room":"Attic","WindowStart":"{time}","Highest":{highest},"Source":{{"Stream":"{ARN}","Shard":"{shard}","From":"1","To":"2","Readings":1,"WindowSeconds":60}}}}"#
    );
    let row = Row::parse(&schema(), line.as_bytes()).unwrap();
    (start + WINDOW, row.to_line(&schema()))
}

fn watermark(shard: usize, through: i64) -> ScriptedRecord {
    let watermark = ShardWatermark {
        stream: ARN.to_owned(),
        shard: shard_id(shard),
        through: Timestamp::from_millis(through),
    };
    (through, watermark.to_line())
}

/// Writes rooms with one reading.
struct Quiet(MergedOutput);

impl WindowOutputs for Quiet {
    fn schema(&self) -> &Arc<Schema> {
        self.0.schema()
    }

    fn columns(&self) -> BTreeMap<String, Vec<String>> {
        self.0.columns()
    }

    fn finish(&self, merged: &[MergedRow]) -> Vec<FinishedRow> {
        let quiet: Vec<MergedRow> = merged
            .iter()
            .filter(|row| row.readings == 1)
            .cloned()
            .collect();
        self.0.finish(&quiet)
    }
}

struct FinisherHarness<W> {
    world: SharedWorld,
    finisher: Finisher<W, &'static Collected<KinesisRecord>, &'static Collected<Bytes>>,
    written: &'static Collected<KinesisRecord>,
    metrics: Arc<Mutex<Vec<Metrics>>>,
}

impl<W: WindowOutputs> FinisherHarness<W> {
    fn new(outputs: W, summaries: Vec<ScriptedShard>, readings: Vec<ScriptedShard>) -> Self {
        let streams = [(SUMMARIES, summaries), (READINGS, readings)];
        let streams = streams.map(|(stream, shards)| (stream.to_owned(), shards));
        let world = SharedWorld(Arc::new(Mutex::new(World {
            streams: BTreeMap::from(streams),
            now: NOW,
            ..World::default()
        })));
        let written: &'static Collected<KinesisRecord> = Box::leak(Box::default());
        let rejects: &'static Collected<Bytes> = Box::leak(Box::default());
        let metrics: Arc<Mutex<Vec<Metrics>>> = Arc::default();
        let reported = Arc::clone(&metrics);
        let http = http_client(&world);
        let kinesis = aws_sdk_kinesis::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_kinesis::config::Region::new("us-east-1"))
            .credentials_provider(credentials())
            .http_client(http.clone())
            .build();
        let dynamodb = aws_sdk_dynamodb::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_dynamodb::config::Region::new("us-east-1"))
            .credentials_provider(credentials())
            .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
            .http_client(http)
            .build();
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb);
        let finisher = Finisher::new(
            outputs,
            aws_sdk_kinesis::Client::from_conf(kinesis),
            FinisherStreams {
                summaries: SUMMARIES.to_owned(),
                readings: READINGS.to_owned(),
            },
            ProgressTable::new(dynamodb, "rooms-progress"),
            BTreeMap::from([(WINDOWS.to_owned(), written)]),
            rejects,
            Box::new(move |metrics| reported.lock().unwrap().push(metrics.clone())),
        );
        Self {
            world,
            finisher,
            written,
            metrics,
        }
    }

    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.0.lock().unwrap()
    }

    /// Adds records to the first shard of the stream of rows.
    fn comes(&self, records: impl IntoIterator<Item = ScriptedRecord>) {
        let mut world = self.world();
        let shards = world.streams.get_mut(SUMMARIES).unwrap();
        shards[0].records.extend(records);
    }

    /// Invokes the function, and returns whether it succeeded and the lines that it wrote.
    async fn invoke(&self) -> (bool, Vec<Value>) {
        let time = FinishTime {
            now: Timestamp::from_millis(self.world().now),
            is_drained: false,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        let succeeded = self.finisher.handle(time, deadline).await.is_ok();
        let written = self.written.take();
        let lines = written
            .iter()
            .map(|record| serde_json::from_slice(&record.data));
        (succeeded, lines.collect::<Result<_, _>>().unwrap())
    }

    fn last(&self, metric: &str) -> u64 {
        let metrics = self.metrics.lock().unwrap();
        metrics.last().unwrap().value(metric).unwrap()
    }
}

fn credentials() -> aws_credential_types::Credentials {
    aws_credential_types::Credentials::new("local", "local", None, None, "test")
}

fn http_client(world: &SharedWorld) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(world.clone());
    http_client_fn(move |_, _| connector.clone())
}

fn merged() -> MergedOutput {
    MergedOutput::new(&schema(), WINDOWS)
}

fn shard(records: Vec<ScriptedRecord>) -> ScriptedShard {
    ScriptedShard {
        records,
        minutes_per_page: None,
    }
}

/// A reading in the window of the streams' creation.
fn reading() -> ScriptedRecord {
    (CREATED + 7, b"{}".to_vec())
}

#[tokio::test(start_paused = true)]
async fn a_watermark_counts_only_once_the_rows_before_it_are_read() {
    // Two shards of readings. While the rows are read, the second one's row goes to the shard that
    // was read already, and its watermark to the other.
    let first = shard(vec![row(0, CREATED, 20), watermark(0, CREATED + WINDOW)]);
    let readings = vec![shard(vec![reading()]); 2];
    let harness = FinisherHarness::new(merged(), vec![first, shard(vec![])], readings);
    harness.world().comes_meanwhile = vec![
        (0, row(1, CREATED, 30)),
        (1, watermark(1, CREATED + WINDOW)),
    ];
    let (succeeded, lines) = harness.invoke().await;
    assert!(succeeded);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["Highest"], 30);
    assert_eq!(harness.last("FinishedWindows"), 1);
    // Nothing is left.
    assert_eq!(harness.invoke().await, (true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_window_waits_for_a_shard_with_records_that_were_not_aggregated() {
    let rows = shard(vec![row(0, CREATED, 20), watermark(0, CREATED + WINDOW)]);
    let readings = vec![shard(vec![reading()]); 2];
    let harness = FinisherHarness::new(merged(), vec![rows], readings);
    harness.world().now = NOW + 600_000;
    assert_eq!(harness.invoke().await, (true, vec![]));
    assert_eq!(harness.last("WaitingSeconds"), 605);
    harness.comes([row(1, CREATED, 30), watermark(1, CREATED + WINDOW)]);
    let (_, lines) = harness.invoke().await;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["Highest"], 30);
}

#[tokio::test(start_paused = true)]
async fn rows_of_a_failed_attempt_are_written_again_and_then_removed() {
    let rows = shard(vec![row(0, CREATED, 20), watermark(0, CREATED + WINDOW)]);
    let harness = FinisherHarness::new(Quiet(merged()), vec![rows], vec![shard(vec![reading()])]);
    // The attempt is written down, and then the rows; what comes after that fails.
    harness.world().writes_before_failure = Some(1);
    let (succeeded, first) = harness.invoke().await;
    assert!(!succeeded);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["Highest"], 20);

    // With one more reading, the room is not quiet.
    harness.comes([row(1, CREATED, 30)]);
    let (succeeded, lines) = harness.invoke().await;
    assert!(succeeded);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], first[0]);
    assert_eq!(lines[1]["RowId"], first[0]["RowId"]);
    assert_eq!(lines[1]["Removed"], true);
    assert!(lines[1]["Revision"].as_u64() > first[0]["Revision"].as_u64());
}

#[tokio::test(start_paused = true)]
async fn a_shard_with_many_empty_pages_is_read_in_several_invocations() {
    let rows = shard(vec![row(0, CREATED, 20), watermark(0, CREATED + WINDOW)]);
    let idle = ScriptedShard {
        records: Vec::new(),
        minutes_per_page: Some(5),
    };
    let readings = vec![shard(vec![reading()]), idle];
    let harness = FinisherHarness::new(merged(), vec![rows], readings);
    assert_eq!(harness.invoke().await.1.len(), 1);
    // Four hours are 48 pages, of which 20 are read at once.
    let later = CREATED + 4 * 3_600_000;
    harness.comes([row(0, later, 30), watermark(0, later + WINDOW)]);
    harness.world().now = later + WINDOW + 5_000;
    let mut lines = Vec::new();
    for _ in 0..3 {
        let (succeeded, written) = harness.invoke().await;
        assert!(succeeded);
        lines.extend(written);
    }
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["Highest"], 30);
}

#[tokio::test(start_paused = true)]
async fn a_window_of_which_rows_have_expired_is_not_finished() {
    let rows = shard(vec![row(0, CREATED, 20)]);
    let harness = FinisherHarness::new(merged(), vec![rows], vec![shard(vec![reading()])]);
    // Its shard stands still for a day.
    assert_eq!(harness.invoke().await, (true, vec![]));
    let end = watermark(0, CREATED + WINDOW);
    let a_day_later = CREATED + 24 * 3_600_000;
    harness.comes([(a_day_later, end.1)]);
    harness.world().now = a_day_later;
    assert_eq!(harness.invoke().await, (true, vec![]));
    assert_eq!(harness.last("ExpiredWindows"), 1);
    assert_eq!(harness.last("FinishedWindows"), 0);
}
