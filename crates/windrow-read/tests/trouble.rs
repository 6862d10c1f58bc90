//! Reading through errors that an emulator does not produce: a client with scripted responses, on a
//! paused clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing_subscriber::fmt::MakeWriter;
use windrow_read::{FollowOptions, ReadError, ShardReader, Start, Timestamp, follow, list};

/// The response to one request.
#[derive(Debug, Clone)]
enum ScriptedAnswer {
    Ok(Value),
    /// An error with this status and code.
    Error(u16, &'static str),
    /// The connection breaks.
    Broken,
    /// No response, ever.
    Hang,
}

/// Follows a script of responses, repeats the last one, and records the operation and body of each
/// request.
#[derive(Debug, Clone)]
struct Script {
    responses: Arc<Mutex<VecDeque<ScriptedAnswer>>>,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Script {
    fn new(responses: impl IntoIterator<Item = ScriptedAnswer>) -> Self {
        let responses = Arc::new(Mutex::new(responses.into_iter().collect()));
        Self {
            responses,
            requests: Arc::default(),
        }
    }

    fn client(&self) -> Client {
        let connector = SharedHttpConnector::new(self.clone());
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        Client::from_conf(config)
    }

    fn reader(&self, start: Start) -> ShardReader {
        ShardReader::new(self.client(), "wildrydes", "shardId-000000000000", start)
    }

    fn operations(&self) -> Vec<String> {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .map(|(operation, _)| operation.clone())
            .collect()
    }

    /// The bodies of the requests of one operation.
    fn bodies(&self, operation: &str) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|(name, _)| name == operation)
            .map(|(_, body)| body.clone())
            .collect()
    }
}

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request
            .headers()
            .get("x-amz-target")
            .unwrap()
            .rsplit('.')
            .next()
            .unwrap()
            .to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        self.requests.lock().unwrap().push((operation, body));
        let mut responses = self.responses.lock().unwrap();
        let response = if responses.len() > 1 {
            responses.pop_front().unwrap()
        } else {
            responses[0].clone()
        };
        let respond = |status: u16, body: Value| {
            Ok(HttpResponse::new(
                status.try_into().unwrap(),
                body.to_string().into(),
            ))
        };
        match response {
            ScriptedAnswer::Ok(body) => HttpConnectorFuture::ready(respond(200, body)),
            ScriptedAnswer::Error(status, code) => HttpConnectorFuture::ready(respond(
                status,
                json!({"__type": code, "message": "as scripted"}),
            )),
            ScriptedAnswer::Broken => {
                HttpConnectorFuture::ready(Err(ConnectorError::io("connection reset".into())))
            }
            ScriptedAnswer::Hang => HttpConnectorFuture::new(std::future::pending()),
        }
    }
}

/// What was logged.
#[derive(Debug, Clone, Default)]
struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl LogBuffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogBuffer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn iterator(name: &str) -> ScriptedAnswer {
    ScriptedAnswer::Ok(json!({"ShardIterator": name}))
}

fn page(data: &[&str], next: Option<&str>) -> ScriptedAnswer {
    let records: Vec<Value> = data
        .iter()
        .map(
            |number| json!({"SequenceNumber": number, "PartitionKey": "Shadowfax", "Data": "e30="}),
        )
        .collect();
    let mut body = json!({"Records": records, "MillisBehindLatest": 7});
    if let Some(next) = next {
        body["NextShardIterator"] = json!(next);
    }
    ScriptedAnswer::Ok(body)
}

fn shards(ids: &[&str], next: Option<&str>) -> ScriptedAnswer {
    let shard = |id: &&str| {
        json!({
            "ShardId": id,
            "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
            "SequenceNumberRange": {"StartingSequenceNumber": "1"},
        })
    };
    let mut body = json!({"Shards": ids.iter().map(shard).collect::<Vec<Value>>()});
    if let Some(next) = next {
        body["NextToken"] = json!(next);
    }
    ScriptedAnswer::Ok(body)
}

const THROTTLED: ScriptedAnswer =
    ScriptedAnswer::Error(400, "ProvisionedThroughputExceededException");
const EXPIRED: ScriptedAnswer = ScriptedAnswer::Error(400, "ExpiredIteratorException");

#[tokio::test(start_paused = true)]
async fn listing_reads_all_pages_and_retries_throttling() {
    let script = Script::new([
        shards(&["a", "b"], Some("more")),
        ScriptedAnswer::Error(400, "LimitExceededException"),
        shards(&["c"], None),
    ]);
    let listing = list(&script.client(), "wildrydes").await.unwrap();

    let ids: Vec<&str> = listing.iter().map(|shard| shard.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    let more = json!({"NextToken": "more"});
    assert_eq!(
        script.bodies("ListShards"),
        [json!({"StreamName": "wildrydes"}), more.clone(), more]
    );
}

#[tokio::test(start_paused = true)]
async fn listing_restarts_when_its_token_expires() {
    let script = Script::new([
        shards(&["a"], Some("more")),
        ScriptedAnswer::Error(400, "ExpiredNextTokenException"),
        shards(&["a", "b"], None),
    ]);
    let listing = list(&script.client(), "wildrydes").await.unwrap();
    let ids: Vec<&str> = listing.iter().map(|shard| shard.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn throttling_and_errors_are_retried_with_the_same_iterator() {
    let script = Script::new([
        THROTTLED,
        iterator("i"),
        THROTTLED,
        ScriptedAnswer::Error(500, "InternalFailureException"),
        ScriptedAnswer::Broken,
        page(&["1"], Some("j")),
    ]);
    let mut reader = script.reader(Start::TrimHorizon);
    let started = Instant::now();
    let page = reader.next_page().await.unwrap();

    assert_eq!(
        (page.records.len(), page.behind, page.ended),
        (1, Duration::from_millis(7), false)
    );
    assert_eq!(reader.checkpoint(), Some("1"));
    let iterators: Vec<Value> = script
        .bodies("GetRecords")
        .iter()
        .map(|body| body["ShardIterator"].clone())
        .collect();
    assert_eq!(iterators, ["i", "i", "i", "i"]);
    assert!(started.elapsed() <= Duration::from_millis(100 + 200 + 400 + 800 + 4));
}

#[tokio::test(start_paused = true)]
async fn retries_end_and_the_next_read_continues_where_this_one_stopped() {
    let mut responses = vec![iterator("i")];
    responses.extend(vec![THROTTLED; 10]);
    responses.push(page(&["1"], None));
    let script = Script::new(responses);
    let mut reader = script.reader(Start::TrimHorizon);

    let error = reader.next_page().await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(
        error.to_string(),
        "could not read stream wildrydes in 10 attempts: \
         GetRecords at https://kinesis.us-east-1.amazonaws.com failed"
    );
    let cause = error.source().unwrap().to_string();
    assert!(
        cause.contains("ProvisionedThroughputExceededException"),
        "{cause}"
    );

    let page = reader.next_page().await.unwrap();
    assert_eq!((page.records.len(), page.ended), (1, true));
    assert_eq!(script.bodies("GetShardIterator").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn first_attempt_that_runs_out_of_time_is_logged_and_the_next_one_made() {
    let script = Script::new([
        ScriptedAnswer::Hang,
        ScriptedAnswer::Hang,
        iterator("i"),
        page(&["1"], Some("j")),
    ]);
    let log = LogBuffer::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let started = Instant::now();
    let mut reader = script.reader(Start::AtTimestamp(Timestamp::from_millis(9_500)));
    assert_eq!(reader.next_page().await.unwrap().records.len(), 1);

    let limit = Duration::from_secs(5);
    let elapsed = started.elapsed();
    assert!(
        elapsed >= 2 * limit && elapsed < 2 * limit + Duration::from_secs(1),
        "{elapsed:?}"
    );
    let log = log.text();
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in [
        "no response in time",
        "stream=\"wildrydes\"",
        "call=\"GetShardIterator\"",
        "endpoint=\"https://kinesis.us-east-1.amazonaws.com\"",
    ] {
        assert!(log.contains(part), "{part} in {log}");
    }
}

#[tokio::test(start_paused = true)]
async fn permanent_error_is_not_retried() {
    let script = Script::new([ScriptedAnswer::Error(400, "AccessDeniedException")]);
    let error = script
        .reader(Start::TrimHorizon)
        .next_page()
        .await
        .unwrap_err();
    assert!(matches!(error, ReadError::Permanent { .. }) && !error.is_transient());
    assert_eq!(script.operations(), ["GetShardIterator"]);
}

#[tokio::test(start_paused = true)]
async fn expired_iterator_is_renewed_after_the_last_record() {
    let script = Script::new([
        iterator("i"),
        page(&["1", "2"], Some("j")),
        EXPIRED,
        iterator("k"),
        page(&["3"], None),
    ]);
    let mut reader = script.reader(Start::TrimHorizon);
    reader.next_page().await.unwrap();
    assert_eq!(
        reader.next_page().await.unwrap().records[0].sequence_number,
        "3"
    );

    let requests = script.bodies("GetShardIterator");
    assert_eq!(requests[0]["ShardIteratorType"], "TRIM_HORIZON");
    assert_eq!(requests[1]["ShardIteratorType"], "AFTER_SEQUENCE_NUMBER");
    assert_eq!(requests[1]["StartingSequenceNumber"], "2");
}

#[tokio::test(start_paused = true)]
async fn expired_latest_iterator_is_renewed_at_its_creation_time() {
    let script = Script::new([iterator("i"), EXPIRED, iterator("j"), page(&[], Some("k"))]);
    script.reader(Start::Latest).next_page().await.unwrap();

    let requests = script.bodies("GetShardIterator");
    assert_eq!(requests[0]["ShardIteratorType"], "LATEST");
    assert_eq!(requests[1]["ShardIteratorType"], "AT_TIMESTAMP");
    assert!(requests[1]["Timestamp"].as_f64().unwrap() > 1_600_000_000.0);
}

#[tokio::test(start_paused = true)]
async fn records_before_the_start_time_are_skipped_up_to_the_first_later_one() {
    let record = |number: &str, arrival: f64| {
        json!({
            "SequenceNumber": number,
            "PartitionKey": "Shadowfax",
            "Data": "e30=",
            "ApproximateArrivalTimestamp": arrival,
        })
    };
    let early = json!({"Records": [record("1", 8.0), record("2", 8.5)], "NextShardIterator": "j"});
    let mixed = json!({
        "Records": [record("3", 9.0), record("4", 9.5), record("5", 9.25)],
        "NextShardIterator": "k",
    });
    let script = Script::new([
        iterator("i"),
        ScriptedAnswer::Ok(early),
        ScriptedAnswer::Ok(mixed),
    ]);
    let mut reader = script.reader(Start::AtTimestamp(Timestamp::from_millis(9_500)));

    assert!(reader.next_page().await.unwrap().records.is_empty());
    assert_eq!(reader.checkpoint(), Some("2"));
    let arrivals: Vec<(String, i64)> = reader
        .next_page()
        .await
        .unwrap()
        .records
        .into_iter()
        .map(|record| (record.sequence_number, record.arrival.millis()))
        .collect();
    assert_eq!(arrivals, [("4".to_owned(), 9_500), ("5".to_owned(), 9_250)]);
}

#[tokio::test(start_paused = true)]
async fn record_of_the_start_millisecond_is_read() {
    // As a binary fraction, every other one of these is a little early.
    for start in 1_764_513_818_650..1_764_513_818_660_i64 {
        let record = |number: &str, millis: i64| {
            json!({
                "SequenceNumber": number,
                "PartitionKey": "Shadowfax",
                "Data": "e30=",
                "ApproximateArrivalTimestamp": millis as f64 / 1e3,
            })
        };
        let records = json!({
            "Records": [record("1", start - 1), record("2", start)],
            "NextShardIterator": "j",
        });
        let script = Script::new([iterator("i"), ScriptedAnswer::Ok(records)]);
        let mut reader = script.reader(Start::AtTimestamp(Timestamp::from_millis(start)));
        let page = reader.next_page().await.unwrap();
        let arrivals: Vec<i64> = page
            .records
            .iter()
            .map(|read| read.arrival.millis())
            .collect();
        assert_eq!(arrivals, [start]);
    }
}

#[tokio::test(start_paused = true)]
async fn iterators_that_always_expire_end_in_an_error() {
    let script = Script::new(
        [iterator("i")]
            .into_iter()
            .chain((0..9).flat_map(|_| [EXPIRED, iterator("i")]))
            .chain([EXPIRED]),
    );
    let error = script
        .reader(Start::TrimHorizon)
        .next_page()
        .await
        .unwrap_err();
    assert!(error.is_transient());
}

#[tokio::test(start_paused = true)]
async fn canceled_read_is_repeated() {
    let script = Script::new([iterator("i"), ScriptedAnswer::Hang, page(&["1"], Some("j"))]);
    let mut reader = script.reader(Start::TrimHorizon);
    let canceled = tokio::time::timeout(Duration::from_millis(10), reader.next_page()).await;
    assert!(canceled.is_err());

    assert_eq!(reader.next_page().await.unwrap().records.len(), 1);
    let iterators: Vec<Value> = script
        .bodies("GetRecords")
        .iter()
        .map(|body| body["ShardIterator"].clone())
        .collect();
    assert_eq!(iterators, ["i", "i"]);
}

#[tokio::test(start_paused = true)]
async fn following_continues_after_a_transient_error() {
    let mut responses = vec![shards(&["a"], None), iterator("i")];
    responses.extend(vec![ScriptedAnswer::Broken; 10]);
    responses.push(page(&["1"], Some("j")));
    let script = Script::new(responses);
    let options = FollowOptions {
        rediscovery_interval: Duration::from_secs(3600),
        ..FollowOptions::default()
    };
    let mut follow = follow(script.client(), "wildrydes", Start::TrimHorizon, options);

    // In a task, because `Follow` must be `Send`.
    let following = tokio::spawn(async move {
        assert!(follow.next().await.unwrap().unwrap_err().is_transient());
        let item = follow.next().await.unwrap().unwrap();
        assert_eq!((&*item.shard, &*item.record.sequence_number), ("a", "1"));
        assert_eq!(item.behind, Duration::from_millis(7));
    });
    following.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn failed_listing_is_retried_soon() {
    let mut responses = vec![ScriptedAnswer::Broken; 10];
    responses.extend([shards(&["a"], None), iterator("i"), page(&["1"], Some("j"))]);
    let script = Script::new(responses);
    let options = FollowOptions {
        rediscovery_interval: Duration::from_secs(3600),
        ..FollowOptions::default()
    };
    let mut follow = follow(script.client(), "wildrydes", Start::TrimHorizon, options);

    assert!(follow.next().await.unwrap().unwrap_err().is_transient());
    let failed = Instant::now();
    assert!(follow.next().await.unwrap().is_ok());
    assert!(failed.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn shard_that_is_gone_is_noted_and_the_others_are_read() {
    const GONE: ScriptedAnswer = ScriptedAnswer::Error(400, "ResourceNotFoundException");
    let child = json!({
        "Shards": [{
            "ShardId": "b",
            "ParentShardId": "a",
            "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
            "SequenceNumberRange": {"StartingSequenceNumber": "0"},
        }],
    });
    let script = Script::new([
        shards(&["a"], None),
        iterator("i"),
        page(&["1"], Some("j")),
        GONE,
        ScriptedAnswer::Ok(child),
        iterator("k"),
        page(&["2"], Some("l")),
    ]);
    let options = FollowOptions {
        rediscovery_interval: Duration::from_secs(3600),
        ..FollowOptions::default()
    };
    let mut follow = follow(script.client(), "wildrydes", Start::TrimHorizon, options);

    let first = follow.next().await.unwrap().unwrap();
    assert_eq!(&*first.shard, "a");
    let gone = follow.next().await.unwrap().unwrap_err();
    assert!(gone.is_transient());
    let expected = "shard a of stream wildrydes no longer exists, so its remaining records are gone; \
                    reading goes on with the other shards";
    assert_eq!(gone.to_string(), expected);
    let second = follow.next().await.unwrap().unwrap();
    assert_eq!(
        (&*second.shard, &*second.record.sequence_number),
        ("b", "2")
    );
}

#[tokio::test(start_paused = true)]
async fn stream_that_is_gone_ends_the_reading() {
    let gone = ScriptedAnswer::Error(400, "ResourceNotFoundException");
    let script = Script::new([shards(&["a"], None), iterator("i"), gone]);
    let options = FollowOptions::default();
    let mut follow = follow(script.client(), "wildrydes", Start::TrimHorizon, options);
    let first = follow.next().await.unwrap().unwrap_err();
    assert!(matches!(first, ReadError::ShardGone { .. }));
    let last = follow.next().await.unwrap().unwrap_err();
    assert!(matches!(last, ReadError::NoSuchStream { .. }));
    assert!(follow.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn stream_is_named_by_its_arn_wherever_kinesis_allows() {
    const ARN: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/wildrydes";
    let script = Script::new([
        shards(&["a"], Some("token")),
        shards(&["b"], None),
        iterator("i"),
        page(&[], Some("j")),
    ]);
    assert_eq!(list(&script.client(), ARN).await.unwrap().len(), 2);
    let mut reader = ShardReader::new(script.client(), ARN, "a", Start::TrimHorizon);
    reader.next_page().await.unwrap();
    for operation in ["ListShards", "GetShardIterator", "GetRecords"] {
        for body in script.bodies(operation) {
            assert_eq!(body.get("StreamName"), None, "{operation}");
            let by_token = body.get("NextToken").is_some();
            assert_eq!(body.get("StreamARN").is_none(), by_token, "{operation}");
        }
    }
}
