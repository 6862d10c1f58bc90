//! Batches: their size, what happens to those that fail, and what is given up.

use std::time::Duration;

use kinesis_event::Event;
use local::mapping::MappingOptions;
use serde_json::{Value, json};

use super::{Mapped, PATIENCE, data, failed, reporting};

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_batch_comes_again_until_it_is_taken() {
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
async fn bisection_corners_the_bad_record_which_ends_in_the_on_failure_destination() {
    let folder = tempfile::tempdir().unwrap();
    let options = MappingOptions {
        bisect_on_error: true,
        retry_attempts: Some(1),
        on_failure: Some(folder.path().to_owned()),
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
    // The records themselves are there, so that they can be put through again.
    let payload = Event::from_json(discarded["payload"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(data(&payload), ["bad"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_starts_the_attempts_anew() {
    let folder = tempfile::tempdir().unwrap();
    let options = MappingOptions {
        retry_attempts: Some(1),
        on_failure: Some(folder.path().to_owned()),
        ..reporting()
    };
    // It takes one record of each batch, so every batch but the last fails in part.
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
async fn a_bisection_is_no_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let options = MappingOptions {
        bisect_on_error: true,
        retry_attempts: Some(1),
        on_failure: Some(folder.path().to_owned()),
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

#[tokio::test(flavor = "multi_thread")]
async fn many_shards_stop_at_once() {
    let options = MappingOptions {
        poll_interval: Duration::from_millis(20),
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(150, options, |_, _| Ok(Value::Null)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    tokio::time::timeout(PATIENCE, mapped.mapping.stop())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_past_their_age_are_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let options = MappingOptions {
        record_age: Some(Duration::from_secs(2)),
        on_failure: Some(folder.path().to_owned()),
        ..reporting()
    };
    let mapped = Mapped::start(1, options, |event, _| match data(event)[0].as_str() {
        "old" => Err(failed()),
        _ => Ok(Value::Null),
    })
    .await;
    mapped.put(&["old"]).await;
    mapped.finish().await;
    mapped.put(&["new"]).await;
    mapped.finish().await;
    assert_eq!(mapped.batches().last().unwrap(), &["new"]);
    assert!(folder.path().join("noting").is_dir());
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
        // Eight shards take 8 MB a second; what is throttled is sent again.
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
