//! Batches: their size, retries, and what happens after the last retry.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use windrow_event::Event;
use windrow_local::functions::{Function, InvokeError};
use windrow_local::mapping::{Mapping, MappingOptions, OnFailure};
use windrow_testkit::files::files;

use super::{
    Mapped, RecordingFunction, TIME_LIMIT, data, failed, finish, reporting, source, until,
};
use crate::TestEndpoint;
use crate::endpoint::create_stream;

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_batch_is_retried_until_it_succeeds() {
    let mapped = Mapped::start(1, MappingOptions::default(), |_, before| match before {
        0 | 1 => Err(failed()),
        _ => Ok(Value::Null),
    })
    .await;
    mapped.put(&["a", "b"]).await;
    mapped.finish().await;
    assert_eq!(mapped.batches(), [["a", "b"], ["a", "b"], ["a", "b"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_failure_resumes_at_the_record_it_names() {
    let mapped = Mapped::start(1, reporting(), |event, before| {
        let second = event
            .records()
            .nth(1)
            .map(|record| record.sequence_number.to_owned());
        Ok(match before {
            0 => json!({"batchItemFailures": [{"itemIdentifier": second}]}),
            _ => json!({"batchItemFailures": []}),
        })
    })
    .await;
    mapped.put(&["a", "b", "c"]).await;
    mapped.finish().await;
    assert_eq!(mapped.batches(), [vec!["a", "b", "c"], vec!["b", "c"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bisection_isolates_the_bad_record_for_the_on_failure_destination() {
    let folder = tempfile::tempdir().unwrap();
    let options = MappingOptions {
        bisect_on_error: true,
        retry_attempts: Some(1),
        on_failure: Some(OnFailure::S3(folder.path().to_owned())),
        ..reporting()
    };
    let mapped = Mapped::start(1, options, |event, _| match data(event) {
        data if data.iter().any(|data| data == "bad") => Err(failed()),
        _ => Ok(Value::Null),
    })
    .await;
    mapped.put(&["a", "b", "c", "bad", "d"]).await;
    mapped.put(&["e"]).await;
    mapped.finish().await;

    let mut taken: Vec<String> = mapped
        .batches()
        .into_iter()
        .filter(|batch| !batch.contains(&"bad".to_owned()))
        .flatten()
        .collect();
    taken.sort();
    assert_eq!(taken, ["a", "b", "c", "d", "e"]);
    let mut files = Vec::new();
    let mut folders = vec![folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                files.push(path)
            }
        }
    }
    assert_eq!(files.len(), 1, "{files:?}");
    let discarded: Value = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!(
        discarded["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    assert_eq!(discarded["KinesisBatchInfo"]["batchSize"], 1);
    // The records themselves are there, so that they can be redriven.
    let payload = Event::from_json(discarded["payload"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(data(&payload), ["bad"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_resets_the_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let options = MappingOptions {
        retry_attempts: Some(1),
        on_failure: Some(OnFailure::S3(folder.path().to_owned())),
        ..reporting()
    };
    // It handles one record of each batch, so every batch except the last fails in part.
    let mapped = Mapped::start(1, options, |event, _| {
        let second = event.records().nth(1);
        let failures = second.map(|record| json!({"itemIdentifier": record.sequence_number}));
        Ok(json!({"batchItemFailures": failures.into_iter().collect::<Vec<_>>()}))
    })
    .await;
    mapped.put(&["a", "b", "c", "d"]).await;
    mapped.finish().await;
    assert_eq!(
        mapped.batches().iter().map(Vec::len).collect::<Vec<_>>(),
        [4, 3, 2, 1]
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bisection_does_not_count_as_an_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let options = MappingOptions {
        bisect_on_error: true,
        retry_attempts: Some(1),
        on_failure: Some(OnFailure::S3(folder.path().to_owned())),
        ..reporting()
    };
    // Every batch fails until it is down to one record, which then fails once itself.
    let mapped = Mapped::start(1, options, |event, before| match event.len() {
        1 if before % 2 == 0 => Ok(Value::Null),
        _ => Err(failed()),
    })
    .await;
    mapped.put(&["a", "b", "c", "d", "e"]).await;
    mapped.finish().await;
    let mut taken: Vec<String> = mapped
        .batches()
        .into_iter()
        .filter(|batch| batch.len() == 1)
        .flatten()
        .collect();
    taken.dedup();
    assert_eq!(taken, ["a", "b", "c", "d", "e"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Puts one record into each shard of the stream, in one call.
async fn put_in_each(client: &aws_sdk_kinesis::Client, shards: u128, data: &str) {
    use aws_sdk_kinesis::primitives::Blob;
    use aws_sdk_kinesis::types::PutRecordsRequestEntry;
    let step = u128::MAX / shards;
    let entries = (0..shards).map(|shard| {
        PutRecordsRequestEntry::builder()
            .partition_key(data)
            .explicit_hash_key((step * shard + step / 2).to_string())
            .data(Blob::new(data))
            .build()
            .unwrap()
    });
    let call = client.put_records().stream_name("stream");
    let call = call.set_records(Some(entries.collect()));
    let output = call.send().await.unwrap();
    assert_eq!(output.failed_record_count(), Some(0));
}

/// The shards that a function was invoked for.
fn shards_of(events: &Mutex<Vec<Event>>) -> BTreeSet<String> {
    let events = events.lock().unwrap();
    let shards = events.iter().map(|event| event.shard().unwrap().to_owned());
    shards.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_shards_stop_together_and_deliver_nothing_more() {
    const SHARDS: u128 = 150;
    let options = MappingOptions {
        poll_interval: Duration::from_millis(20),
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(150, options.clone(), |_, _| Ok(Value::Null)).await;
    let client = mapped.cloud.kinesis();
    put_in_each(&client, SHARDS, "before").await;
    let source = mapped.source();
    let Mapped {
        cloud,
        mapping,
        function,
    } = mapped;
    let is_read = || shards_of(&function.events).len() == 150;
    until("every shard has its poller", is_read).await;

    // Every poller is reading when the mapping stops.
    let watermark = mapping.watermark();
    assert!(watermark.has_changed().is_ok());
    let stopped = tokio::time::timeout(TIME_LIMIT, mapping.stop()).await;
    assert!(stopped.is_ok(), "a poller did not stop");
    assert!(watermark.has_changed().is_err(), "something still runs");

    // Another mapping gets everything, and the first one nothing more.
    put_in_each(&client, SHARDS, "after").await;
    let other = Arc::new(RecordingFunction {
        events: Mutex::default(),
        handler: Box::new(|_, _| Ok(Value::Null)),
    });
    let recording: Arc<dyn Function> = Arc::clone(&other) as Arc<dyn Function>;
    let next = Mapping::start(source, recording, options).unwrap();
    finish(&next, cloud.endpoint.clock()).await;
    let delivered = |function: &RecordingFunction| {
        let events = function.events.lock().unwrap();
        events.iter().flat_map(data).collect::<Vec<_>>()
    };
    assert_eq!(delivered(&other).len(), 300);
    assert_eq!(delivered(&function), vec!["before"; 150]);
}

/// A function that returns when it is released.
#[derive(Default)]
struct HeldFunction {
    begun: Notify,
    release: Notify,
    ended: AtomicBool,
}

impl Function for HeldFunction {
    fn name(&self) -> &str {
        "held"
    }

    fn invoke(
        &self,
        _: Vec<u8>,
        _: Duration,
    ) -> futures_util::future::BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        Box::pin(async move {
            self.begun.notify_one();
            self.release.notified().await;
            self.ended.store(true, Ordering::SeqCst);
            Ok(b"null".to_vec())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_stops_after_the_invocation_in_flight() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.kinesis();
    create_stream(&client, "stream", 1).await;
    put_in_each(&client, 1, "a").await;
    let function = Arc::new(HeldFunction::default());
    let held: Arc<dyn Function> = Arc::clone(&function) as Arc<dyn Function>;
    let mapping = Mapping::start(source(&cloud), held, MappingOptions::default()).unwrap();
    let begun = tokio::time::timeout(TIME_LIMIT, function.begun.notified());
    begun.await.unwrap();
    let stopping = async {
        mapping.stop().await;
        assert!(function.ended.load(Ordering::SeqCst), "it was cut off");
    };
    let releasing = async {
        // Enough time to cut it off by mistake.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        function.release.notify_one();
    };
    let both = async { tokio::join!(stopping, releasing) };
    tokio::time::timeout(TIME_LIMIT, both).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_past_their_age_fail() {
    let folder = tempfile::tempdir().unwrap();
    let options = MappingOptions {
        record_age: Some(Duration::from_secs(3)),
        on_failure: Some(OnFailure::S3(folder.path().to_owned())),
        ..reporting()
    };
    let mapped = Mapped::start(1, options, |event, _| match data(event)[0].as_str() {
        "old" => Err(failed()),
        _ => Ok(Value::Null),
    })
    .await;
    // On a slow machine, a record may be too old before it is first read.
    let put_until_delivered = async |name: &str| {
        let is_delivered = || mapped.batches().iter().flatten().any(|data| data == name);
        while !is_delivered() {
            mapped.put(&[name]).await;
            mapped.finish().await;
        }
    };
    let both = async {
        put_until_delivered("old").await;
        // Only delivered if the batch before has failed permanently.
        put_until_delivered("new").await;
    };
    tokio::time::timeout(TIME_LIMIT, both).await.unwrap();
    let batches = mapped.batches();
    let last_old = batches.iter().rposition(|batch| batch[0] == "old");
    let first_new = batches.iter().position(|batch| batch[0] == "new");
    assert!(last_old < first_new, "{batches:?}");
    assert!(
        failed_records(folder.path()).contains(&("RecordAgeExceeded".to_owned(), "old".to_owned()))
    );
}

/// The condition and data of each record in the on-failure destination.
fn failed_records(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in files(folder) {
        let discarded: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let condition = discarded["requestContext"]["condition"].as_str().unwrap();
        let payload = discarded["payload"].as_str().unwrap();
        let event = Event::from_json(payload.as_bytes()).unwrap();
        found.extend(
            data(&event)
                .into_iter()
                .map(|data| (condition.to_owned(), data)),
        );
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_never_passes_six_megabytes() {
    let options = MappingOptions {
        batch_size: 10_000,
        batching_window: Duration::from_millis(300),
        ..reporting()
    };
    let mapped = Mapped::start(8, options, |_, _| Ok(Value::Null)).await;
    let large = "x".repeat(900_000);
    for round in 0..24 {
        let client = mapped.cloud.kinesis();
        // Eight shards accept 8 MB per second; throttled records are retried.
        loop {
            let put = client
                .put_record()
                .stream_name("stream")
                .partition_key(format!("{round}"));
            let put = put.data(aws_sdk_kinesis::primitives::Blob::new(large.as_bytes()));
            match put.send().await {
                Ok(_) => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
    mapped.finish().await;
    let batches = mapped.batches();
    assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 24);
    assert!(batches.iter().all(|batch| batch.len() <= 5));
}
