//! The function of pumps without windows, with destinations in memory.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use sql_functions::stateless::StatelessWriter;
use tokio::time::Instant;
use windrow_core::time::Timestamp;
use windrow_event::{Event, EventSource, RecordData, encode};
use windrow_lambda::metrics::Metrics;
use windrow_record::kpl::AggregateBuilder;
use windrow_sql::input::InputSchema;
use windrow_sql::sensor::SqlSensor;
use windrow_write::{BatchLimits, Collected, Destination, ItemFailure, KinesisRecord, SendError};

const SQL: &str = r#"
    CREATE STREAM "HIGH" (x INTEGER, quotient INTEGER);
    CREATE PUMP high_pump AS INSERT INTO "HIGH"
    SELECT STREAM x, 100 / (x - 13) FROM source_sql_stream_001 WHERE x > 9;
    CREATE STREAM "EVEN" (x INTEGER, pad VARCHAR(60000));
    CREATE PUMP even_pump AS INSERT INTO "EVEN"
    SELECT STREAM x, pad FROM source_sql_stream_001 WHERE MOD(x, 2) = 0;
"#;

const SCHEMA: &str = r#"{"RecordColumns":[
    {"Name":"X","SqlType":"INTEGER","Mapping":"$.X"},
    {"Name":"PAD","SqlType":"VARCHAR(60000)","Mapping":"$.PAD"}
]}"#;

fn sensor() -> SqlSensor {
    SqlSensor::new(SQL, InputSchema::parse(SCHEMA).unwrap()).unwrap()
}

/// What a stream does with the next calls: nothing wrong at their end.
#[derive(Clone, Debug)]
enum Answer {
    Takes,
    /// Fails the record of the call.
    Fails,
    /// Takes it, without a response.
    Loses,
    Rejects,
    /// No call can succeed.
    Stops,
}

/// A stream that answers as it is told.
#[derive(Clone, Debug, Default)]
struct ToldStream {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    records: Arc<Mutex<Vec<KinesisRecord>>>,
}

impl ToldStream {
    fn tell(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    fn lines(&self) -> Vec<String> {
        let records = self.records.lock().unwrap();
        let text = |record: &KinesisRecord| String::from_utf8(record.data.to_vec()).unwrap();
        let lines: String = records.iter().map(text).collect();
        lines.lines().map(str::to_owned).collect()
    }
}

impl Destination for ToldStream {
    type Item = KinesisRecord;

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items: 500,
            call_bytes: 5 << 20,
            item_bytes: 1 << 20,
        }
    }

    fn size(&self, record: &KinesisRecord) -> usize {
        record.partition_key.len() + record.data.len()
    }

    async fn send(&self, chunk: &[&KinesisRecord]) -> Result<Vec<ItemFailure>, SendError> {
        let [record] = chunk else {
            panic!("{} records at once", chunk.len());
        };
        let answer = self.answers.lock().unwrap().pop_front();
        let failure = |permanent| ItemFailure {
            index: 0,
            reason: "told to".to_owned(),
            permanent,
        };
        let take = || self.records.lock().unwrap().push((*record).clone());
        match answer.unwrap_or(Answer::Takes) {
            Answer::Takes => take(),
            Answer::Fails => return Ok(vec![failure(false)]),
            Answer::Rejects => return Ok(vec![failure(true)]),
            Answer::Stops => return Err(SendError::Fatal("no such stream".to_owned())),
            Answer::Loses => {
                take();
                return Err(SendError::Transient("lost".to_owned()));
            }
        }
        Ok(Vec::new())
    }
}

/// The function with two streams.
struct WriterHarness {
    function: StatelessWriter<ToldStream, &'static Collected<Bytes>>,
    high: ToldStream,
    even: ToldStream,
    rejects: &'static Collected<Bytes>,
    metrics: Arc<Mutex<Vec<Metrics>>>,
}

impl WriterHarness {
    fn new() -> Self {
        let (high, even) = (ToldStream::default(), ToldStream::default());
        let rejects: &'static Collected<Bytes> = Box::leak(Box::default());
        let names = [("HIGH", "high-stream"), ("EVEN", "even-stream")];
        let names = names.map(|(output, stream)| (output.to_owned(), stream.to_owned()));
        let metrics = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&metrics);
        let destination = |stream: &str| match stream {
            "high-stream" => high.clone(),
            _ => even.clone(),
        };
        let function = StatelessWriter::new(
            sensor(),
            &BTreeMap::from(names),
            destination,
            rejects,
            Box::new(move |metrics| sink.lock().unwrap().push(metrics.clone())),
        );
        Self {
            function,
            high,
            even,
            rejects,
            metrics,
        }
    }

    /// Handles records. Returns the sequence number that the response names.
    async fn handle(&self, records: &[(u64, Vec<u8>)]) -> Option<u64> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let response = self.function.handle(&event(records), deadline).await;
        assert!(Instant::now() <= deadline);
        let failures = response.unwrap().batch_item_failures;
        assert!(failures.len() < 2);
        failures.first().map(|number| number.parse().unwrap())
    }

    fn metric(&self, name: &str) -> u64 {
        let metrics = self.metrics.lock().unwrap();
        metrics.last().unwrap().value(name).unwrap()
    }

    fn rejects(&self) -> Vec<Value> {
        let lines = self.rejects.take();
        let lines = lines.iter();
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

fn event(records: &[(u64, Vec<u8>)]) -> Event {
    let numbers: Vec<String> = records
        .iter()
        .map(|(number, _)| number.to_string())
        .collect();
    let records = records.iter().zip(&numbers);
    let records: Vec<RecordData<'_>> = records
        .map(|((_, data), sequence_number)| RecordData {
            partition_key: "key",
            sequence_number,
            arrival: Timestamp::from_millis(1_790_000_000_000),
            data,
        })
        .collect();
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/ticker",
        region: "us-east-1",
        shard_id: "shardId-000000000007",
    };
    Event::from_json(&encode(&source, &records, None)).unwrap()
}

fn line(x: u64) -> String {
    format!("{{\"X\":{x}}}\n")
}

fn record(number: u64, xs: &[u64]) -> (u64, Vec<u8>) {
    let lines: String = xs.iter().map(|x| line(*x)).collect();
    (number, lines.into_bytes())
}

/// A record whose row takes a record of its own, with those of others before it.
fn large(number: u64, x: u64) -> (u64, Vec<u8>) {
    let pad = "x".repeat(60_000);
    let reading = format!("{{\"X\":{x},\"PAD\":\"{pad}\"}}\n");
    (number, reading.repeat(4).into_bytes())
}

fn id(number: u64, sub: u64, index: u64) -> String {
    format!("\"RowId\":\"ticker/shardId-000000000007/{number}/{sub}/{index}\"")
}

#[tokio::test(start_paused = true)]
async fn rows_of_packed_records_have_ids() {
    let harness = WriterHarness::new();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(format!("[{},{}]", line(11), line(12)).as_bytes())
        .unwrap();
    let mut aggregate = AggregateBuilder::default();
    aggregate.add("one", line(15).as_bytes());
    aggregate.add("other", format!("{}{}", line(17), line(19)).as_bytes());
    let records = [
        (100, gzip.finish().unwrap()),
        record(101, &[1, 3]),
        (102, aggregate.finish()),
    ];
    assert_eq!(harness.handle(&records).await, None);
    let high = [
        format!("{{\"X\":11,\"QUOTIENT\":-50,{}}}", id(100, 0, 0)),
        format!("{{\"X\":12,\"QUOTIENT\":-100,{}}}", id(100, 0, 1)),
        format!("{{\"X\":15,\"QUOTIENT\":50,{}}}", id(102, 0, 0)),
        format!("{{\"X\":17,\"QUOTIENT\":25,{}}}", id(102, 1, 0)),
        format!("{{\"X\":19,\"QUOTIENT\":16,{}}}", id(102, 1, 1)),
    ];
    assert_eq!(harness.high.lines(), high);
    let even = format!("{{\"X\":12,\"PAD\":null,{}}}", id(100, 0, 2));
    assert_eq!(harness.even.lines(), [even]);
    let records = harness.high.records.lock().unwrap();
    assert_eq!(records[0].partition_key, "ticker/shardId-000000000007");
    let metrics = [
        "Rows",
        "FilteredReadings",
        "RejectedReadings",
        "Undelivered",
    ];
    assert_eq!(metrics.map(|name| harness.metric(name)), [6, 2, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_or_computed_is_rejected() {
    let harness = WriterHarness::new();
    let records = [
        record(100, &[13, 10]),
        (101, b"{\"X\":\"many\"}".to_vec()),
        record(102, &[14]),
    ];
    assert_eq!(harness.handle(&records).await, None);
    assert_eq!(harness.high.lines().len(), 2);
    assert_eq!(harness.even.lines().len(), 2);
    let rejects = harness.rejects();
    let values = |field: &str| -> Vec<String> {
        let values = rejects.iter().map(|reject| reject[field].as_str().unwrap());
        values.map(str::to_owned).collect()
    };
    assert_eq!(values("SequenceNumber"), ["100", "101"]);
    assert_eq!(values("Payload"), ["{\"X\":13}", "{\"X\":\"many\"}"]);
    assert!(values("Reason")[0].contains("of pump HIGH_PUMP has no value for it"));
    assert_eq!(harness.metric("RejectedReadings"), 2);
}

#[tokio::test(start_paused = true)]
async fn the_first_record_that_is_not_written_is_named() {
    let harness = WriterHarness::new();
    // Rows of the even stream take a record per record.
    let records: Vec<_> = (0..6)
        .map(|number| large(100 + number, 2 * number))
        .collect();
    harness
        .even
        .tell([Answer::Takes, Answer::Fails, Answer::Takes, Answer::Stops]);
    assert_eq!(harness.handle(&records).await, Some(102));
    assert_eq!(harness.even.lines().len(), 8);
    // The other stream is not affected.
    assert_eq!(harness.high.lines().len(), 4);
    assert_eq!(
        (harness.metric("Retries"), harness.metric("Undelivered")),
        (1, 4)
    );
    assert_eq!(harness.handle(&records[2..]).await, None);
    assert_eq!(harness.even.lines().len(), 24);
    assert_eq!(harness.high.lines().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_only_throttles_fails_the_batch_in_time() {
    let harness = WriterHarness::new();
    harness.high.tell(vec![Answer::Fails; 10_000]);
    let records = [record(100, &[1]), record(101, &[10]), (102, b"{".to_vec())];
    assert_eq!(harness.handle(&records).await, Some(101));
    // It comes again with the record.
    assert_eq!(harness.rejects(), [] as [Value; 0]);
    assert_eq!(harness.even.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn rows_that_a_stream_rejects_are_rejects() {
    let harness = WriterHarness::new();
    harness.high.tell([Answer::Rejects]);
    assert_eq!(
        harness
            .handle(&[record(100, &[1]), record(101, &[11])])
            .await,
        None
    );
    let rejects = harness.rejects();
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0]["SequenceNumber"], "101");
    let reason = rejects[0]["Reason"].as_str().unwrap();
    assert!(
        reason.contains("the stream of the output rejected these rows: "),
        "{reason}"
    );
    let row = format!("{{\"X\":11,\"QUOTIENT\":-50,{}}}\n", id(101, 0, 0));
    assert_eq!(rejects[0]["Payload"], row);
    assert_eq!(harness.metric("RejectedRowRecords"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_becomes_too_many_rows_does_not_block_its_shard() {
    let harness = WriterHarness::new();
    let data = line(12).repeat(130_000).into_bytes();
    let records = [(100, data.clone()), record(101, &[14])];
    assert_eq!(harness.handle(&records).await, None);
    let rejects = harness.rejects();
    let reason = rejects[0]["Reason"].as_str().unwrap();
    assert!(reason.starts_with("its last "), "{reason}");
    let payloads = rejects
        .iter()
        .map(|reject| reject["Payload"].as_str().unwrap());
    assert_eq!(payloads.collect::<String>().into_bytes(), data);
    let (high, even) = (harness.high.lines(), harness.even.lines());
    let left_out = 260_002 - high.len() - even.len();
    assert!((20_000..200_000).contains(&left_out), "{left_out}");
    assert!(reason.contains(&format!(" {left_out} rows ")), "{reason}");
    assert!(high.last().unwrap().contains("/101/0/0"));
}

/// Random numbers that are always the same.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[tokio::test(start_paused = true)]
async fn rows_first_occur_in_order_however_calls_end() {
    for seed in 0..8 {
        let mut random = Lcg(seed);
        let harness = WriterHarness::new();
        let records: Vec<_> = (0..20)
            .map(|number| match random.below(4) {
                0 => large(100 + number, 2 * number),
                _ => record(100 + number, &[2 * number + 20, 2 * number + 22]),
            })
            .collect();
        let mut first = 0;
        while first < records.len() {
            for stream in [&harness.high, &harness.even] {
                stream.answers.lock().unwrap().clear();
                let answers = (0..random.below(6)).map(|_| match random.below(6) {
                    0 => Answer::Fails,
                    1 => Answer::Loses,
                    2 => Answer::Stops,
                    _ => Answer::Takes,
                });
                stream.tell(answers.collect::<Vec<_>>());
            }
            let most = records.len() - first;
            let last = first + 1 + random.below(most as u64) as usize;
            match harness.handle(&records[first..last]).await {
                None => first = last,
                Some(number) => first = (number - 100) as usize,
            }
            // A batch may come again after it succeeded.
            if random.below(5) == 0 {
                first = first.saturating_sub(2);
            }
        }
        for (stream, pump) in [(&harness.high, "high"), (&harness.even, "even")] {
            let mut ids: Vec<String> = Vec::new();
            for line in stream.lines() {
                let row: Value = serde_json::from_str(&line).unwrap();
                let id = row["RowId"].as_str().unwrap().to_owned();
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            let whole = WriterHarness::new();
            assert_eq!(whole.handle(&records).await, None);
            let right = if pump == "high" {
                whole.high
            } else {
                whole.even
            };
            let right = right.lines();
            let right: Vec<Value> = right
                .iter()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            let right: Vec<&str> = right
                .iter()
                .map(|row| row["RowId"].as_str().unwrap())
                .collect();
            assert_eq!(ids, right, "seed {seed}, {pump}");
        }
    }
}
