use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, PutRequest,
    ScalarAttributeType, WriteRequest,
};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, ShardIteratorType, StreamMode, StreamModeDetails,
};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use windrow_local::data_dir::DataDirError;
use windrow_local::endpoint::{Endpoint, EndpointError};

use crate::{TestEndpoint, options};

async fn send(
    cloud: &TestEndpoint,
    method: Method,
    headers: &[(&str, &str)],
    body: &str,
) -> (StatusCode, HeaderMap, Value) {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}/", cloud.endpoint.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let response = client
        .request(request.body(Body::from(body.to_owned())).unwrap())
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        parts.status,
        parts.headers,
        serde_json::from_slice(&body).unwrap_or(Value::Null),
    )
}

pub(crate) async fn create_stream(client: &aws_sdk_kinesis::Client, name: &str, shards: i32) {
    client
        .create_stream()
        .stream_name(name)
        .shard_count(shards)
        .send()
        .await
        .unwrap();
    until_active(client, name).await;
}

/// Waits until a stream is active.
async fn until_active(client: &aws_sdk_kinesis::Client, name: &str) {
    while client
        .describe_stream_summary()
        .stream_name(name)
        .send()
        .await
        .unwrap()
        .stream_description_summary
        .unwrap()
        .stream_status
        .as_str()
        != "ACTIVE"
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn create_table(client: &aws_sdk_dynamodb::Client) {
    let attribute = |name| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap()
    };
    let key = |name, kind| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .unwrap()
    };
    client
        .create_table()
        .table_name("UnicornSensorData")
        .attribute_definitions(attribute("Name"))
        .attribute_definitions(attribute("StatusTime"))
        .key_schema(key("Name", KeyType::Hash))
        .key_schema(key("StatusTime", KeyType::Range))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn kinesis_keeps_records_in_order() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.kinesis();
    create_stream(&client, "wildrydes", 1).await;
    let entries = (0..500).map(|index| {
        let data = Blob::new(format!("reading {index}"));
        PutRecordsRequestEntry::builder()
            .partition_key("Shadowfax")
            .data(data)
            .build()
            .unwrap()
    });
    let put = client
        .put_records()
        .stream_name("wildrydes")
        .set_records(Some(entries.collect()))
        .send()
        .await
        .unwrap();
    assert_eq!(put.failed_record_count, Some(0));

    let iterator = client
        .get_shard_iterator()
        .stream_name("wildrydes")
        .shard_id("shardId-000000000000")
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
    assert_eq!(page.records.len(), 500);
    for (index, record) in page.records.iter().enumerate() {
        assert_eq!(record.data.as_ref(), format!("reading {index}").as_bytes());
    }
}

#[tokio::test]
async fn an_on_demand_stream_gets_four_shards() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.kinesis();
    let mode = StreamModeDetails::builder()
        .stream_mode(StreamMode::OnDemand)
        .build()
        .unwrap();
    client
        .create_stream()
        .stream_name("wildrydes")
        .stream_mode_details(mode)
        .send()
        .await
        .unwrap();
    until_active(&client, "wildrydes").await;
    let shards = client
        .list_shards()
        .stream_name("wildrydes")
        .send()
        .await
        .unwrap();
    assert_eq!(shards.shards().len(), 4);
}

#[tokio::test]
async fn a_kinesis_call_may_exceed_a_web_servers_usual_limit() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.kinesis();
    create_stream(&client, "wildrydes", 8).await;
    let entries = (0..4).map(|index| {
        let data = Blob::new(vec![b'x'; 1_000_000]);
        PutRecordsRequestEntry::builder()
            .partition_key(index.to_string())
            // Spread evenly over the shards: each accepts 1 MB per second.
            .explicit_hash_key((u128::MAX / 8 * (2 * index + 1)).to_string())
            .data(data)
            .build()
            .unwrap()
    });
    let put = client
        .put_records()
        .stream_name("wildrydes")
        .set_records(Some(entries.collect()))
        .send()
        .await
        .unwrap();
    assert_eq!(put.failed_record_count, Some(0));
}

#[tokio::test]
async fn the_table_outlives_the_process_and_rejects_what_dynamodb_rejects() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.dynamodb();
    create_table(&client).await;
    let row = |name: &str| {
        let put = PutRequest::builder()
            .item("Name", AttributeValue::S(name.to_owned()))
            .item(
                "StatusTime",
                AttributeValue::S("2026-11-20 09:17:00.000#9f3c2a7be1d04c55".to_owned()),
            )
            .item("Distance", AttributeValue::N("10362".to_owned()));
        WriteRequest::builder()
            .put_request(put.build().unwrap())
            .build()
    };
    let rows: Vec<_> = (0..25)
        .map(|index| row(&format!("Unicorn {index}")))
        .collect();
    let written = client
        .batch_write_item()
        .request_items("UnicornSensorData", rows)
        .send()
        .await
        .unwrap();
    assert_eq!(written.unprocessed_items.unwrap_or_default().len(), 0);

    let twice = vec![row("Shadowfax"), row("Shadowfax")];
    let failed = client
        .batch_write_item()
        .request_items("UnicornSensorData", twice)
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        failed.as_service_error().unwrap().meta().code(),
        Some("ValidationException")
    );

    let cloud = TestEndpoint::start_in(cloud.stop().await).await;
    let kept = cloud
        .dynamodb()
        .scan()
        .table_name("UnicornSensorData")
        .send()
        .await
        .unwrap();
    assert_eq!(kept.count, 25);
}

#[tokio::test]
async fn the_endpoint_describes_itself() {
    let cloud = TestEndpoint::start().await;
    create_stream(&cloud.kinesis(), "wildrydes", 1).await;
    create_table(&cloud.dynamodb()).await;
    let (status, _, description) = send(&cloud, Method::GET, &[], "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(description["service"], "wildrydes-local");
    assert_eq!(description["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(description["streams"], serde_json::json!(["wildrydes"]));
    assert_eq!(
        description["tables"],
        serde_json::json!(["UnicornSensorData"])
    );
    assert_eq!(description["deliveryStreams"], serde_json::json!([]));
}

#[tokio::test]
async fn an_unknown_target_is_an_aws_error() {
    let cloud = TestEndpoint::start().await;
    let json = ("content-type", "application/x-amz-json-1.1");
    let unknown = ("x-amz-target", "AmazonSQS.SendMessage");
    for headers in [&[json, unknown][..], &[json][..]] {
        let (status, response_headers, body) = send(&cloud, Method::POST, headers, "{}").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body["__type"], "UnknownOperationException");
        assert_eq!(
            response_headers["x-amzn-errortype"],
            "UnknownOperationException"
        );
        assert!(!body["message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn only_pages_of_this_machine_may_call() {
    let cloud = TestEndpoint::start().await;
    let preflight = |origin| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,content-type,x-amz-target,amz-sdk-invocation-id",
            ),
        ]
    };
    let (status, headers, _) = send(
        &cloud,
        Method::OPTIONS,
        &preflight("http://127.0.0.1:8080"),
        "",
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        headers["access-control-allow-origin"],
        "http://127.0.0.1:8080"
    );
    assert!(
        headers["access-control-allow-methods"]
            .to_str()
            .unwrap()
            .contains("POST")
    );
    let allowed = headers["access-control-allow-headers"].to_str().unwrap();
    for header in [
        "authorization",
        "x-amz-target",
        "x-amz-user-agent",
        "amz-sdk-request",
    ] {
        assert!(allowed.contains(header), "{header} is not in {allowed}");
    }

    let (_, headers, _) = send(
        &cloud,
        Method::OPTIONS,
        &preflight("https://evil.example"),
        "",
    )
    .await;
    assert!(!headers.contains_key("access-control-allow-origin"));
    // A page whose own name resolves to this machine calls without a preflight.
    let call = [
        ("origin", "http://evil.example:4566"),
        ("x-amz-target", "DynamoDB_20120810.ListTables"),
    ];
    let (status, _, body) = send(&cloud, Method::POST, &call, "{}").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(body["__type"], "AccessDeniedException");

    // Every service responds with that one origin, and never with its own wildcard.
    for target in [
        "Kinesis_20131202.ListStreams",
        "DynamoDB_20120810.ListTables",
        "Firehose_20150804.ListDeliveryStreams",
    ] {
        let call = [
            ("origin", "http://localhost:8080"),
            ("x-amz-target", target),
            ("x-amz-date", "20261120T091708Z"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=00",
            ),
            (
                "content-type",
                if target.starts_with("Dynamo") {
                    "application/x-amz-json-1.0"
                } else {
                    "application/x-amz-json-1.1"
                },
            ),
        ];
        let (status, headers, body) = send(&cloud, Method::POST, &call, "{}").await;
        assert_eq!(status, StatusCode::OK, "{target}: {body}");
        let origins: Vec<_> = headers
            .get_all("access-control-allow-origin")
            .iter()
            .collect();
        assert_eq!(origins, ["http://localhost:8080"], "{target}");
        assert!(
            headers["access-control-expose-headers"]
                .to_str()
                .unwrap()
                .contains("x-amzn-errortype")
        );
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let cloud = TestEndpoint::start().await;
    let other = tempfile::tempdir().unwrap();
    let mut options = options(other.path());
    options.port = cloud.endpoint.address().port();
    let error = Endpoint::start(options, CancellationToken::new())
        .await
        .unwrap_err();
    assert!(
        matches!(error, EndpointError::PortInUse { port } if port == cloud.endpoint.address().port()),
        "{error}"
    );
}

#[tokio::test]
async fn a_data_directory_has_one_user_at_a_time() {
    let cloud = TestEndpoint::start().await;
    let error = Endpoint::start(options(cloud.folder.path()), CancellationToken::new())
        .await
        .unwrap_err();
    assert!(
        matches!(error, EndpointError::DataDir(DataDirError::InUse { .. })),
        "{error}"
    );

    TestEndpoint::start_in(cloud.stop().await).await;
}

#[tokio::test]
async fn errors_name_an_unusable_data_directory_or_table() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let error = Endpoint::start(options(&file.join("data")), CancellationToken::new())
        .await
        .unwrap_err();
    assert!(
        matches!(error, EndpointError::DataDir(DataDirError::Unusable { .. })),
        "{error}"
    );
    assert!(
        error.to_string().contains(file.to_str().unwrap()),
        "{error}"
    );

    std::fs::write(
        folder.path().join("table.db"),
        "not a database, but long enough to be recognized as something else",
    )
    .unwrap();
    let error = Endpoint::start(options(folder.path()), CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, EndpointError::Table { .. }), "{error}");
    assert!(error.to_string().contains("table.db"), "{error}");
}

/// Collects the log.
#[derive(Clone, Default)]
struct EndpointLog(Arc<Mutex<Vec<u8>>>);

impl EndpointLog {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for EndpointLog {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn it_stops_with_clients_still_connected() {
    let log = EndpointLog::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    let cloud = TestEndpoint::start().await;
    let client = cloud.kinesis();
    client.list_streams().send().await.unwrap();
    let address = cloud.endpoint.address();
    tokio::time::timeout(Duration::from_secs(300), cloud.stop())
        .await
        .unwrap();
    // It did not wait for the client to disconnect.
    let logged = log.text();
    assert!(logged.contains("local cloud is listening"), "{logged}");
    assert!(!logged.contains("cut off"), "{logged}");
    tokio::net::TcpStream::connect(address).await.unwrap_err();
}
