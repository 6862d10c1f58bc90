//! The event source mapping, with functions that note what they are given and misbehave on demand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kinesis_event::Event;
use local::functions::{Function, InvokeError};
use local::mapping::{Mapping, MappingOptions, MappingSource};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Cloud;
use crate::endpoint::create_stream;

const PATIENCE: Duration = Duration::from_secs(20);

type Answer = Box<dyn Fn(&Event, usize) -> Result<Value, InvokeError> + Send + Sync>;

/// A function that notes every event and answers by `answer`, which is also told how many
/// invocations came before.
struct Noting {
    events: Mutex<Vec<Event>>,
    answer: Answer,
}

impl Function for Noting {
    fn name(&self) -> &str {
        "noting"
    }

    fn invoke(
        &self,
        payload: Vec<u8>,
        _: Duration,
    ) -> futures_util::future::BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        let event = Event::from_json(&payload).unwrap();
        let mut events = self.events.lock().unwrap();
        let answer = (self.answer)(&event, events.len());
        events.push(event);
        Box::pin(async move { answer.map(|answer| answer.to_string().into_bytes()) })
    }
}

/// A stream, a mapping of it, and the function at its end.
struct Mapped {
    cloud: Cloud,
    mapping: Mapping,
    function: Arc<Noting>,
}

impl Mapped {
    async fn start(
        shards: i32,
        options: MappingOptions,
        answer: impl Fn(&Event, usize) -> Result<Value, InvokeError> + Send + Sync + 'static,
    ) -> Self {
        let cloud = Cloud::start().await;
        let client = cloud.kinesis();
        create_stream(&client, "stream", shards).await;
        let function = Arc::new(Noting {
            events: Mutex::default(),
            answer: Box::new(answer),
        });
        let source = MappingSource {
            client,
            stream: "stream".to_owned(),
            stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/stream".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let mapping = Mapping::start(source, Arc::clone(&function) as Arc<dyn Function>, options);
        Self {
            cloud,
            mapping: mapping.unwrap(),
            function,
        }
    }

    /// Puts records in one call; data and partition key are the same.
    async fn put(&self, data: &[&str]) {
        use aws_sdk_kinesis::primitives::Blob;
        use aws_sdk_kinesis::types::PutRecordsRequestEntry;
        let entries = data.iter().map(|data| {
            PutRecordsRequestEntry::builder()
                .partition_key(*data)
                .data(Blob::new(data.as_bytes()))
                .build()
                .unwrap()
        });
        let call = self.cloud.kinesis().put_records().stream_name("stream");
        let output = call
            .set_records(Some(entries.collect()))
            .send()
            .await
            .unwrap();
        assert_eq!(output.failed_record_count(), Some(0));
    }

    /// Waits until all that was put is done, in a hurry.
    async fn finish(&self) {
        let now = now_millis();
        self.mapping.hurry(now);
        let mut watermark = self.mapping.watermark();
        let done = watermark.wait_for(|mark| *mark >= now);
        tokio::time::timeout(PATIENCE, done).await.unwrap().unwrap();
    }

    /// The data of each event's records.
    fn batches(&self) -> Vec<Vec<String>> {
        let events = self.function.events.lock().unwrap();
        events.iter().map(data).collect()
    }
}

fn data(event: &Event) -> Vec<String> {
    let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
    event
        .records()
        .map(|record| text(record.data.unwrap()))
        .collect()
}

fn now_millis() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the watermark is in wall-clock time"
    )]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64
}

fn failed() -> InvokeError {
    InvokeError::Failed {
        error_type: "Test".to_owned(),
        message: "on purpose".to_owned(),
    }
}

fn reporting() -> MappingOptions {
    MappingOptions {
        report_batch_item_failures: true,
        ..MappingOptions::default()
    }
}

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

fn windows() -> MappingOptions {
    MappingOptions {
        tumbling_window: Some(Duration::from_secs(1)),
        batch_size: 2,
        ..MappingOptions::default()
    }
}

/// A state that counts the window's records.
fn counting(event: &Event) -> u64 {
    let state = event.state.as_ref().map(|state| state.get().to_owned());
    let before = state.map_or(Value::Null, |state| serde_json::from_str(&state).unwrap());
    before["count"].as_u64().unwrap_or(0) + event.len() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_carry_their_state_to_a_final_invoke() {
    let mapped = Mapped::start(1, windows(), |event, before| match before % 3 {
        // Every third invocation fails and must come again with the same state.
        1 => Err(failed()),
        _ => Ok(json!({"state": {"count": counting(event)}})),
    })
    .await;
    for _ in 0..3 {
        mapped.put(&["a", "b", "c", "d", "e"]).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    mapped.finish().await;

    let events = mapped.function.events.lock().unwrap();
    let taken = events
        .iter()
        .enumerate()
        .filter(|(place, _)| place % 3 != 1);
    let mut totals = 0;
    let mut open = None;
    for (_, event) in taken {
        let window = event.window.unwrap();
        assert_eq!((window.end - window.start, window.start % 1000), (1000, 0));
        assert!(
            event
                .records()
                .all(|record| (window.start..window.end).contains(&record.arrival))
        );
        assert!(
            open.is_none_or(|open| open == window),
            "a window opened before the last one closed"
        );
        assert_eq!(event.state.is_some(), open.is_some());
        open = (!event.is_final_invoke_for_window).then_some(window);
        if event.is_final_invoke_for_window {
            totals += counting(event);
        }
    }
    assert_eq!(open, None);
    assert_eq!(totals, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_window_ends_by_itself() {
    let options = MappingOptions {
        tumbling_window: Some(Duration::from_secs(1)),
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(1, options, |event, _| {
        Ok(json!({"state": {"count": counting(event)}}))
    })
    .await;
    mapped.put(&["a"]).await;
    let end = Instant::now() + PATIENCE;
    while !mapped
        .function
        .events
        .lock()
        .unwrap()
        .iter()
        .any(|event| event.is_final_invoke_for_window)
    {
        assert!(Instant::now() < end, "the window did not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_whose_state_grows_too_large_ends_early_and_goes_on_empty() {
    let options = MappingOptions {
        tumbling_window: Some(Duration::from_secs(900)),
        batch_size: 1,
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(1, options, |event, before| {
        let padding = if before == 0 { 1_000_001 } else { 0 };
        Ok(json!({"state": {"count": counting(event), "padding": "x".repeat(padding)}}))
    })
    .await;
    mapped.put(&["a", "b"]).await;
    mapped.finish().await;
    let events = mapped.function.events.lock().unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (
                data(event).concat(),
                event.state.is_some(),
                event.is_final_invoke_for_window,
                event.is_window_terminated_early,
            )
        })
        .collect();
    assert_eq!(told[0], ("a".to_owned(), false, false, false));
    assert_eq!(told[1], (String::new(), true, true, true));
    // The window goes on with an empty state, and ends with its last record or after it.
    assert_eq!(
        (told[2].0.as_str(), told[2].1, told[2].3),
        ("b", false, false)
    );
    assert!(told.last().unwrap().2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_needs_state_in_every_answer() {
    let mapped = Mapped::start(1, windows(), |event, before| match before {
        0 => Ok(Value::Null),
        _ => Ok(json!({"state": {"count": counting(event)}})),
    })
    .await;
    mapped.put(&["a"]).await;
    mapped.finish().await;
    assert_eq!(mapped.batches()[..2], [["a"], ["a"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parents_are_drained_before_their_children_and_nothing_is_lost() {
    let mapped = Mapped::start(1, windows(), |event, _| {
        Ok(json!({"state": {"count": counting(event)}}))
    })
    .await;
    let client = mapped.cloud.kinesis();
    let mut sent = 0;
    for round in 0..4 {
        let data: Vec<String> = (0..50).map(|n| format!("{round} {n}")).collect();
        mapped
            .put(&data.iter().map(String::as_str).collect::<Vec<_>>())
            .await;
        sent += data.len();
        if round == 1 {
            let split = client
                .split_shard()
                .stream_name("stream")
                .shard_to_split("shardId-000000000000");
            split
                .new_starting_hash_key((1_u128 << 127).to_string())
                .send()
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    mapped.finish().await;
    let events = mapped.function.events.lock().unwrap();
    let mut taken: Vec<String> = events.iter().flat_map(data).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), sent);
    let shards: Vec<&str> = events.iter().map(|event| event.shard().unwrap()).collect();
    let last_of_parent = shards
        .iter()
        .rposition(|shard| shard.ends_with("0"))
        .unwrap();
    let first_of_child = shards
        .iter()
        .position(|shard| !shard.ends_with("0"))
        .unwrap();
    assert!(last_of_parent < first_of_child);
    assert!(events[last_of_parent].is_final_invoke_for_window);
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
