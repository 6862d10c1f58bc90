//! The destinations through the real SDK, against emulators on a loopback port.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::types::ShardIteratorType;
use aws_smithy_http_client::Builder;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use dynoxide::Database;
use ferrokinesis::store::StoreOptions;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::time::Instant;
use windrow_write::{
    BatchLimits, Destination, DynamoTable, FirehoseStream, ItemFailure, KinesisRecord,
    KinesisStream, Policy, Reason, SendError, deliver,
};

type TestItem = HashMap<String, AttributeValue>;

fn policy() -> Policy {
    Policy::within(Duration::from_secs(600))
}

/// The client configuration for an emulator on `port`.
macro_rules! config {
    ($service:ident, $port:expr) => {
        $service::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .endpoint_url(format!("http://127.0.0.1:{}", $port))
            .http_client(Builder::new().build_http())
            .build()
    };
}

/// A new Kinesis emulator with the stream `wildrydes`.
async fn kinesis(shards: i32) -> aws_sdk_kinesis::Client {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (app, _store) = ferrokinesis::create_app(StoreOptions {
        create_stream_ms: 0,
        ..StoreOptions::default()
    });
    tokio::spawn(async move { axum::serve(listener, app).await });

    let client = aws_sdk_kinesis::Client::from_conf(config!(aws_sdk_kinesis, port));
    client
        .create_stream()
        .stream_name("wildrydes")
        .shard_count(shards)
        .send()
        .await
        .unwrap();
    while client
        .list_shards()
        .stream_name("wildrydes")
        .send()
        .await
        .is_err()
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client
}

/// A new DynamoDB emulator with the table `UnicornSensorData`.
async fn dynamodb() -> aws_sdk_dynamodb::Client {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(dynoxide::server::serve_on(
        listener,
        Database::memory().unwrap(),
    ));

    let client = aws_sdk_dynamodb::Client::from_conf(config!(aws_sdk_dynamodb, port));
    let mut create = client
        .create_table()
        .table_name("UnicornSensorData")
        .billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [("Name", KeyType::Hash), ("StatusTime", KeyType::Range)] {
        let attribute = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S);
        create = create
            .attribute_definitions(attribute.build().unwrap())
            .key_schema(
                KeySchemaElement::builder()
                    .attribute_name(name)
                    .key_type(kind)
                    .build()
                    .unwrap(),
            );
    }
    create.send().await.unwrap();
    client
}

fn table(client: &aws_sdk_dynamodb::Client) -> DynamoTable {
    DynamoTable::new(client.clone(), "UnicornSensorData", ["Name", "StatusTime"])
}

fn row(name: &str, minute: usize, note: &str) -> TestItem {
    let text = |value: String| AttributeValue::S(value);
    HashMap::from([
        ("Name".to_owned(), text(name.to_owned())),
        (
            "StatusTime".to_owned(),
            text(format!("2026-11-20 09:{minute:02}:00.000")),
        ),
        ("Note".to_owned(), text(note.to_owned())),
    ])
}

/// The note of every row, ordered by minute.
async fn notes(client: &aws_sdk_dynamodb::Client) -> Vec<String> {
    let rows = client
        .scan()
        .table_name("UnicornSensorData")
        .send()
        .await
        .unwrap();
    let mut rows: Vec<(String, String)> = rows
        .items()
        .iter()
        .map(|row| {
            (
                row["StatusTime"].as_s().unwrap().clone(),
                row["Note"].as_s().unwrap().clone(),
            )
        })
        .collect();
    rows.sort();
    rows.into_iter().map(|(_, note)| note).collect()
}

#[tokio::test]
async fn records_of_several_calls_reach_the_stream() {
    let client = kinesis(2).await;
    let record = |number: u32| KinesisRecord {
        partition_key: number.to_string(),
        data: number.to_string().into(),
    };
    let stream = KinesisStream::new(client.clone(), "wildrydes");
    let report = deliver(&stream, (0..1201).map(record).collect(), &policy()).await;
    assert_eq!(
        (report.delivered, report.calls, report.retries),
        (1201, 3, 0)
    );

    let mut read = BTreeSet::new();
    for shard in client
        .list_shards()
        .stream_name("wildrydes")
        .send()
        .await
        .unwrap()
        .shards()
    {
        let iterator = client
            .get_shard_iterator()
            .stream_name("wildrydes")
            .shard_id(shard.shard_id())
            .shard_iterator_type(ShardIteratorType::TrimHorizon)
            .send()
            .await
            .unwrap();
        let page = client
            .get_records()
            .set_shard_iterator(iterator.shard_iterator)
            .send()
            .await
            .unwrap();
        for record in page.records() {
            let key = record.partition_key().unwrap();
            assert_eq!(key.as_bytes(), record.data().as_ref());
            assert!(read.insert(key.parse::<u32>().unwrap()));
        }
    }
    assert_eq!(read, (0..1201).collect());
}

#[tokio::test]
async fn missing_stream_stops_the_delivery() {
    let stream = KinesisStream::new(kinesis(1).await, "elsewhere");
    let record = KinesisRecord {
        partition_key: "Shadowfax".to_owned(),
        data: "{}".into(),
    };
    let report = deliver(&stream, vec![record; 3], &policy()).await;

    assert_eq!((report.delivered, report.calls), (0, 1));
    let reason = &report.undelivered[0].reason;
    assert!(
        matches!(reason, Reason::Stopped(reason) if reason.starts_with("ResourceNotFoundException")),
        "{reason}"
    );
}

/// A destination that counts its completed calls.
struct CountedCalls<D> {
    destination: D,
    calls: watch::Sender<u64>,
}

impl<D: Destination> Destination for CountedCalls<D> {
    type Item = D::Item;

    fn limits(&self) -> BatchLimits {
        self.destination.limits()
    }

    fn size(&self, item: &D::Item) -> usize {
        self.destination.size(item)
    }

    async fn send(&self, chunk: &[&D::Item]) -> Result<Vec<ItemFailure>, SendError> {
        let result = self.destination.send(chunk).await;
        self.calls.send_modify(|calls| *calls += 1);
        result
    }
}

#[tokio::test]
async fn unreachable_service_is_retried_until_the_deadline() {
    // Bound so that no other process gets the port, but not listening, so connections fail.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = bound.local_addr().unwrap().port();
    let client = aws_sdk_kinesis::Client::from_conf(config!(aws_sdk_kinesis, port));
    let record = KinesisRecord {
        partition_key: "Shadowfax".to_owned(),
        data: "{}".into(),
    };
    let stream = CountedCalls {
        destination: KinesisStream::new(client, "wildrydes"),
        calls: watch::Sender::default(),
    };
    let policy = Policy::within(Duration::from_secs(600));
    let mut calls = stream.calls.subscribe();
    let skip_time = async {
        calls.wait_for(|calls| *calls >= 3).await.unwrap();
        // From now on, time advances whenever there is nothing to do.
        tokio::time::pause();
    };
    let (report, ()) = tokio::join!(deliver(&stream, vec![record], &policy), skip_time);

    assert!(Instant::now() <= policy.deadline);
    assert!(report.calls >= 3);
    assert_eq!((report.delivered, report.undelivered.len()), (0, 1));
    assert!(matches!(
        report.undelivered[0].reason,
        Reason::OutOfTime { last: Some(_) }
    ));
}

/// The requests that the Firehose server received: the records of each, in base64.
type Requests = Arc<Mutex<Vec<Vec<String>>>>;

/// A Firehose server that fails the first request and the last record of the second, and then takes
/// everything.
async fn firehose(State(requests): State<Requests>, body: String) -> (StatusCode, String) {
    let body: Value = serde_json::from_str(&body).unwrap();
    let records = body["Records"].as_array().unwrap();
    let data = |record: &Value| record["Data"].as_str().unwrap().to_owned();
    let mut requests = requests.lock().unwrap();
    requests.push(records.iter().map(data).collect());
    if requests.len() == 1 {
        let fault = json!({"__type": "ServiceUnavailableException", "message": "Slow down."});
        return (StatusCode::SERVICE_UNAVAILABLE, fault.to_string());
    }

    let mut responses = vec![json!({"RecordId": "written"}); records.len()];
    let fails = requests.len() == 2;
    if let Some(last) = responses.last_mut().filter(|_| fails) {
        *last = json!({"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."});
    }
    let response = json!({"FailedPutCount": i32::from(fails), "RequestResponses": responses});
    (StatusCode::OK, response.to_string())
}

#[tokio::test]
async fn firehose_failures_are_retried_without_sdk_retries() {
    let requests = Requests::default();
    let app = axum::Router::new()
        .fallback(firehose)
        .with_state(requests.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let client = aws_sdk_firehose::Client::from_conf(config!(aws_sdk_firehose, port));
    let records = vec![Bytes::from_static(b"one\n"), Bytes::from_static(b"two\n")];
    let stream = FirehoseStream::new(client, "wildrydes-rejects");
    let report = deliver(&stream, records, &policy()).await;

    assert_eq!((report.delivered, report.calls, report.retries), (2, 3, 3));
    let [one, two] = ["b25lCg==", "dHdvCg=="];
    assert_eq!(
        *requests.lock().unwrap(),
        [vec![one, two], vec![one, two], vec![two]]
    );
}

#[tokio::test]
async fn duplicate_key_is_written_once_with_its_last_value() {
    let client = dynamodb().await;
    let mut rows: Vec<TestItem> = (0..25)
        .map(|minute| row("Shadowfax", minute, "first"))
        .collect();
    rows.push(row("Shadowfax", 3, "last"));
    let report = deliver(&table(&client), rows, &policy()).await;

    assert_eq!((report.delivered, report.merged, report.calls), (25, 1, 1));
    let mut expected = vec!["first"; 25];
    expected[3] = "last";
    assert_eq!(notes(&client).await, expected);
}

#[tokio::test]
async fn only_the_item_over_400_kb_is_undelivered() {
    let client = dynamodb().await;
    let table = table(&client);
    let largest = 400 * 1024 - windrow_write::Destination::size(&table, &row("Shadowfax", 0, ""));
    let rows = vec![
        row("Shadowfax", 0, "small"),
        row("Shadowfax", 1, &"x".repeat(largest + 1)),
        row("Shadowfax", 2, &"x".repeat(largest)),
    ];
    let report = deliver(&table, rows, &policy()).await;

    assert_eq!((report.delivered, report.calls), (2, 1));
    assert_eq!(report.undelivered[0].index, 1);
    assert!(report.undelivered[0].reason.is_permanent());
    assert_eq!(notes(&client).await.len(), 2);
}

#[tokio::test]
async fn only_the_item_with_an_empty_key_is_undelivered() {
    let client = dynamodb().await;
    let mut rows: Vec<TestItem> = (0..25)
        .map(|minute| row("Shadowfax", minute, "good"))
        .collect();
    rows[12].insert("Name".to_owned(), AttributeValue::S(String::new()));
    let report = deliver(&table(&client), rows, &policy()).await;

    assert_eq!((report.delivered, report.calls), (24, 1));
    assert_eq!(report.undelivered[0].index, 12);
}

#[tokio::test]
async fn only_the_item_that_the_service_rejects_is_undelivered() {
    let client = dynamodb().await;
    let mut rows: Vec<TestItem> = (0..25)
        .map(|minute| row("Shadowfax", minute, "good"))
        .collect();
    rows[12].insert("Flags".to_owned(), AttributeValue::Ss(Vec::new()));
    let report = deliver(&table(&client), rows, &policy()).await;

    assert_eq!(report.delivered, 24);
    assert_eq!(report.undelivered.len(), 1);
    assert_eq!(report.undelivered[0].index, 12);
    let reason = &report.undelivered[0].reason;
    assert!(
        matches!(reason, Reason::Rejected(reason) if reason.starts_with("ValidationException")),
        "{reason}"
    );
    assert_eq!(notes(&client).await.len(), 24);
}
