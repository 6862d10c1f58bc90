//! Calls whose client leaves before the answer.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use bytes::Bytes;
use serde_json::{Value, json};
use windrow_kinesis::{DiskStatus, Kinesis, KinesisError, NewRecord};

use crate::server::{FIRST, options};

/// Only a test that hangs takes so long.
const LIMIT: Duration = Duration::from_secs(60);

/// Polls a call so often, and leaves.
async fn leave_after(polls: usize, kinesis: &Kinesis, operation: &str, input: &Value) {
    let request = Request::post("/")
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
        .header("X-Amz-Target", format!("Kinesis_20131202.{operation}"))
        .body(Body::from(input.to_string()))
        .unwrap();
    let mut call = pin!(kinesis.respond(request));
    for _ in 0..polls {
        if call
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
        {
            return;
        }
        // Lets the other tasks and the disk get on.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn put(kinesis: &Kinesis, stream: &str) -> Result<(), KinesisError> {
    let record = NewRecord {
        partition_key: "Shadowfax".to_owned(),
        data: Bytes::from_static(b"neigh"),
    };
    let records = [record];
    let put = kinesis.put_records(stream, &records);
    let results = tokio::time::timeout(LIMIT, put).await.unwrap()?;
    results
        .into_iter()
        .try_for_each(|result| result.map(|_| ()))
}

/// Waits until the call has had its effect, which it has although nobody waits for its answer.
async fn until(mut is_done: impl FnMut() -> bool) {
    let done = async {
        while !is_done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LIMIT, done).await.unwrap();
}

#[tokio::test]
async fn a_change_goes_on_to_its_end_when_its_client_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let clock = std::sync::Arc::default();
    let (kinesis, _) = Kinesis::open(options(&folder, &clock)).unwrap();
    for polls in 1..12 {
        let stream = format!("wildrydes-{polls}");
        let create = json!({"StreamName": stream, "ShardCount": 1});
        leave_after(polls, &kinesis, "CreateStream", &create).await;
        until(|| kinesis.stream_names().contains(&stream)).await;
        while put(&kinesis, &stream).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }

        let split = json!({
            "StreamName": stream,
            "ShardToSplit": FIRST,
            "NewStartingHashKey": "170141183460469231731687303715884105728",
        });
        leave_after(polls, &kinesis, "SplitShard", &split).await;
        put(&kinesis, &stream).await.unwrap();
        until(|| {
            kinesis
                .list_shards(&stream)
                .is_ok_and(|shards| shards.len() == 3)
        })
        .await;
        put(&kinesis, &stream).await.unwrap();

        let delete = json!({"StreamName": stream});
        loop {
            leave_after(polls, &kinesis, "DeleteStream", &delete).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            if !kinesis.stream_names().contains(&stream) {
                break;
            }
        }
        put(&kinesis, &stream).await.unwrap_err();
    }
    assert_eq!(*kinesis.disk().borrow(), DiskStatus::Working);
    drop(kinesis);
    let (_, report) = Kinesis::open(options(&folder, &clock)).unwrap();
    assert_eq!((report.streams, report.damage.len()), (0, 0));
}

#[tokio::test]
async fn a_number_is_not_given_twice_after_its_stream_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let clock = std::sync::Arc::default();
    let (kinesis, _) = Kinesis::open(options(&folder, &clock)).unwrap();
    kinesis.create_stream("first", 1).await.unwrap();
    let start = windrow_kinesis::IteratorStart::TrimHorizon;
    let iterator = kinesis.shard_iterator("first", FIRST, start).await.unwrap();
    let delete = json!({"StreamName": "first"});
    leave_after(usize::MAX, &kinesis, "DeleteStream", &delete).await;
    drop(kinesis);

    for name in ["second", "third"] {
        let (kinesis, _) = Kinesis::open(options(&folder, &clock)).unwrap();
        kinesis.create_stream(name, 1).await.unwrap();
        put(&kinesis, name).await.unwrap();
        let error = kinesis.get_records(&iterator, 10).await.unwrap_err();
        assert!(error.to_string().contains("does not exist"), "{error}");
    }
}
