//! Services whose clock is not this machine's.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::Builder;
use axum::Router;
use bytes::Bytes;
use serde_json::json;
use tokio::net::TcpListener;
use windrow_testkit::network::ServiceClock;
use windrow_write::{
    Destination, DynamoTable, FirehoseStream, KinesisRecord, KinesisStream, Policy, Reason, deliver,
};

use crate::policy;

/// A service that takes everything, by this clock. Returns its port.
async fn serve(clock: &ServiceClock) -> u16 {
    let response = json!({
        "FailedRecordCount": 0,
        "Records": [{"SequenceNumber": "1", "ShardId": "shardId-000000000000"}],
        "FailedPutCount": 0,
        "RequestResponses": [{"RecordId": "1"}],
        "UnprocessedItems": {},
    });
    let app = Router::new().fallback(async move || response.to_string());
    let app = clock.of(app);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

fn record() -> KinesisRecord {
    KinesisRecord {
        partition_key: "Shadowfax".to_owned(),
        data: Bytes::from_static(b"{}"),
    }
}

/// Writes whenever the service's clock was set, and counts the calls that were not accepted.
async fn write_by_wrong_clocks<D: Destination>(
    clock: &ServiceClock,
    destination: &D,
    item: impl Fn() -> D::Item,
) {
    let mut rejected = 0;
    // The last one is stale: the clock is right again, and the client still corrects it.
    for ahead in [600, -600, 0] {
        clock.set(ahead);
        rejected += 1;
        for _ in 0..2 {
            let report = deliver(destination, vec![item()], &policy()).await;
            assert_eq!((report.delivered, report.calls), (1, 1), "{ahead}");
            assert_eq!(clock.rejected(), rejected, "{ahead}");
        }
    }
}

#[tokio::test]
async fn wrong_clock_costs_one_call_whenever_it_is_set() {
    let clock = ServiceClock::default();
    let client = config!(aws_sdk_kinesis, serve(&clock).await);
    let client = aws_sdk_kinesis::Client::from_conf(client);
    write_by_wrong_clocks(&clock, &KinesisStream::new(client, "wildrydes"), record).await;

    let clock = ServiceClock::default();
    let client = config!(aws_sdk_firehose, serve(&clock).await);
    let client = aws_sdk_firehose::Client::from_conf(client);
    let stream = FirehoseStream::new(client, "wildrydes-rejects");
    write_by_wrong_clocks(&clock, &stream, || Bytes::from_static(b"{}")).await;

    let clock = ServiceClock::default();
    let client = config!(aws_sdk_dynamodb, serve(&clock).await);
    let client = aws_sdk_dynamodb::Client::from_conf(client);
    let table = DynamoTable::new(client, "UnicornSensorData", ["Name"]);
    let item = || {
        let name = AttributeValue::S("Shadowfax".to_owned());
        HashMap::from([("Name".to_owned(), name)])
    };
    write_by_wrong_clocks(&clock, &table, item).await;
}

#[tokio::test]
async fn signature_that_is_never_accepted_stops_with_the_clocks_offset() {
    let clock = ServiceClock::ahead_by(3723).accepting_none();
    let client = config!(aws_sdk_kinesis, serve(&clock).await);
    let stream = KinesisStream::new(aws_sdk_kinesis::Client::from_conf(client), "wildrydes");
    let policy = Policy::within(Duration::from_secs(600));
    let report = deliver(&stream, vec![record()], &policy).await;
    assert_eq!((report.calls, clock.rejected()), (1, 2));
    let Reason::Stopped(reason) = &report.undelivered[0].reason else {
        panic!("{:?}", report.undelivered[0].reason);
    };
    let start = "InvalidSignatureException: Signature expired; this machine's clock is 1 h ";
    assert!(reason.starts_with(start), "{reason}");
    assert!(reason.ends_with(" behind AWS"), "{reason}");
}
