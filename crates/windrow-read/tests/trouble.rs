//! Reading through trouble that an emulator does not make: a client that answers by a script, on a
//! paused clock.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use serde_json::{Value, json};
use tokio::time::Instant;
use windrow_read::{FollowOptions, ReadError, ShardReader, Start, follow, list};

/// What one request is answered with.
#[derive(Debug, Clone)]
enum ScriptedAnswer {
    Ok(Value),
    /// An error with this status and code.
    Error(u16, &'static str),
    /// The connection breaks.
    Broken,
    /// No answer ever.
    Hang,
}

/// Answers by a script, the last answer over and over, and keeps the requests: operation and body.
#[derive(Debug, Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<ScriptedAnswer>>>,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = ScriptedAnswer>) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        Self {
            answers,
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
            .filter(|(made, _)| made == operation)
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
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop_front().unwrap()
        } else {
            answers[0].clone()
        };
        let respond = |status: u16, body: Value| {
            Ok(HttpResponse::new(
                status.try_into().unwrap(),
                body.to_string().into(),
            ))
        };
        match answer {
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
async fn a_listing_goes_through_all_pages_and_waits_out_throttling() {
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
async fn a_listing_whose_token_expires_starts_again() {
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
async fn throttling_and_faults_are_waited_out_at_the_same_place() {
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
    let page = reader.next().await.unwrap();

    assert_eq!(
        (page.records.len(), page.millis_behind, page.ended),
        (1, 7, false)
    );
    assert_eq!(reader.checkpoint(), Some("1"));
    let asked: Vec<Value> = script
        .bodies("GetRecords")
        .iter()
        .map(|body| body["ShardIterator"].clone())
        .collect();
    assert_eq!(asked, ["i", "i", "i", "i"]);
    assert!(started.elapsed() <= Duration::from_millis(100 + 200 + 400 + 800 + 4));
}

#[tokio::test(start_paused = true)]
async fn retries_end_and_the_next_read_continues_where_this_one_stopped() {
    let mut answers = vec![iterator("i")];
    answers.extend(vec![THROTTLED; 10]);
    answers.push(page(&["1"], None));
    let script = Script::new(answers);
    let mut reader = script.reader(Start::TrimHorizon);

    let error = reader.next().await.unwrap_err();
    assert!(error.is_passing());
    assert_eq!(
        error.to_string(),
        "stream wildrydes could not be read in 10 tries"
    );
    let cause = error.source().unwrap().source().unwrap().to_string();
    assert!(
        cause.contains("ProvisionedThroughputExceededException"),
        "{cause}"
    );

    let page = reader.next().await.unwrap();
    assert_eq!((page.records.len(), page.ended), (1, true));
    assert_eq!(script.bodies("GetShardIterator").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_is_not_tried_again() {
    let script = Script::new([ScriptedAnswer::Error(400, "AccessDeniedException")]);
    let error = script.reader(Start::TrimHorizon).next().await.unwrap_err();
    assert!(matches!(error, ReadError::Permanent { .. }) && !error.is_passing());
    assert_eq!(script.operations(), ["GetShardIterator"]);
}

#[tokio::test(start_paused = true)]
async fn an_iterator_that_expires_is_made_again_after_the_last_record() {
    let script = Script::new([
        iterator("i"),
        page(&["1", "2"], Some("j")),
        EXPIRED,
        iterator("k"),
        page(&["3"], None),
    ]);
    let mut reader = script.reader(Start::TrimHorizon);
    reader.next().await.unwrap();
    assert_eq!(reader.next().await.unwrap().records[0].sequence_number, "3");

    let made = script.bodies("GetShardIterator");
    assert_eq!(made[0]["ShardIteratorType"], "TRIM_HORIZON");
    assert_eq!(made[1]["ShardIteratorType"], "AFTER_SEQUENCE_NUMBER");
    assert_eq!(made[1]["StartingSequenceNumber"], "2");
}

#[tokio::test(start_paused = true)]
async fn an_iterator_at_the_latest_that_expires_unused_is_made_again_for_its_own_time() {
    let script = Script::new([iterator("i"), EXPIRED, iterator("j"), page(&[], Some("k"))]);
    script.reader(Start::Latest).next().await.unwrap();

    let made = script.bodies("GetShardIterator");
    assert_eq!(made[0]["ShardIteratorType"], "LATEST");
    assert_eq!(made[1]["ShardIteratorType"], "AT_TIMESTAMP");
    assert!(made[1]["Timestamp"].as_f64().unwrap() > 1_600_000_000.0);
}

#[tokio::test(start_paused = true)]
async fn records_from_before_the_start_time_are_left_out_up_to_the_first_that_is_not() {
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
    let mut reader = script.reader(Start::AtTimestamp(9_500));

    assert!(reader.next().await.unwrap().records.is_empty());
    assert_eq!(reader.checkpoint(), Some("2"));
    let arrivals: Vec<(String, i64)> = reader
        .next()
        .await
        .unwrap()
        .records
        .into_iter()
        .map(|record| (record.sequence_number, record.arrival))
        .collect();
    assert_eq!(arrivals, [("4".to_owned(), 9_500), ("5".to_owned(), 9_250)]);
}

#[tokio::test(start_paused = true)]
async fn iterators_that_are_always_expired_end_in_an_error() {
    let script = Script::new(
        [iterator("i")]
            .into_iter()
            .chain((0..9).flat_map(|_| [EXPIRED, iterator("i")]))
            .chain([EXPIRED]),
    );
    let error = script.reader(Start::TrimHorizon).next().await.unwrap_err();
    assert!(error.is_passing());
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_given_up_is_made_again() {
    let script = Script::new([iterator("i"), ScriptedAnswer::Hang, page(&["1"], Some("j"))]);
    let mut reader = script.reader(Start::TrimHorizon);
    let given_up = tokio::time::timeout(Duration::from_millis(10), reader.next()).await;
    assert!(given_up.is_err());

    assert_eq!(reader.next().await.unwrap().records.len(), 1);
    let asked: Vec<Value> = script
        .bodies("GetRecords")
        .iter()
        .map(|body| body["ShardIterator"].clone())
        .collect();
    assert_eq!(asked, ["i", "i"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_followed_on_after_an_error_that_may_pass() {
    let mut answers = vec![shards(&["a"], None), iterator("i")];
    answers.extend(vec![ScriptedAnswer::Broken; 10]);
    answers.push(page(&["1"], Some("j")));
    let script = Script::new(answers);
    let options = FollowOptions {
        rediscovery_interval: Duration::from_secs(3600),
        ..FollowOptions::default()
    };
    let mut follow = follow(script.client(), "wildrydes", Start::TrimHorizon, options);

    // In a task, since a follower is to move between threads.
    let following = tokio::spawn(async move {
        assert!(follow.next().await.unwrap().unwrap_err().is_passing());
        let (shard, records) = follow.next().await.unwrap().unwrap();
        assert_eq!((shard.as_str(), records.len()), ("a", 1));
    });
    following.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_fails_is_made_again_soon() {
    let mut answers = vec![ScriptedAnswer::Broken; 10];
    answers.extend([shards(&["a"], None), iterator("i"), page(&["1"], Some("j"))]);
    let script = Script::new(answers);
    let options = FollowOptions {
        rediscovery_interval: Duration::from_secs(3600),
        ..FollowOptions::default()
    };
    let mut follow = follow(script.client(), "wildrydes", Start::TrimHorizon, options);

    assert!(follow.next().await.unwrap().unwrap_err().is_passing());
    let failed = Instant::now();
    assert_eq!(follow.next().await.unwrap().unwrap().1.len(), 1);
    assert!(failed.elapsed() < Duration::from_secs(1));
}
