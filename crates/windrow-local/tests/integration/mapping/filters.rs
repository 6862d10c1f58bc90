//! Filter criteria, and records that the function does not get.

use std::time::Duration;

use serde_json::{Value, json};
use windrow_local::mapping::{FilterCriteria, Mapping, MappingOptions};

use super::{Mapped, data, finish, until};

const EVEN: &str = r#"{"data": {"even": [true]}}"#;

fn readings(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers
        .map(|number| json!({ "number": number, "even": number % 2 == 0 }).to_string())
        .collect()
}

async fn put(mapped: &Mapped, numbers: std::ops::Range<usize>) {
    let readings = readings(numbers);
    let readings: Vec<&str> = readings.iter().map(String::as_str).collect();
    mapped.put(&readings).await;
}

fn numbers(mapped: &Mapped) -> Vec<u64> {
    let events = mapped.function.events.lock().unwrap();
    let readings = events.iter().flat_map(data);
    let number =
        |reading: String| serde_json::from_str::<Value>(&reading).unwrap()["number"].clone();
    readings
        .map(number)
        .map(|it| it.as_u64().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_gets_full_batches_of_the_records_that_match() {
    let options = MappingOptions {
        batch_size: 5,
        batching_window: Duration::from_secs(300),
        filter_criteria: FilterCriteria::new([EVEN]).unwrap(),
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(1, options, |_, _| Ok(Value::Null)).await;
    put(&mapped, 0..20).await;
    mapped.put(&["not JSON"]).await;
    mapped.finish().await;
    assert_eq!(numbers(&mapped), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    let batches = mapped.batches();
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_do_not_match_open_no_window() {
    let options = MappingOptions {
        tumbling_window: Some(Duration::from_secs(1)),
        filter_criteria: FilterCriteria::new([EVEN]).unwrap(),
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(1, options, |event, _| {
        let before = event.state.as_ref().map_or("{}", |state| state.get());
        let before: Value = serde_json::from_str(before).unwrap();
        let count = before["count"].as_u64().unwrap_or(0) + event.len() as u64;
        Ok(json!({ "state": { "count": count } }))
    })
    .await;
    mapped.put(&["not JSON", r#"{"even": false}"#]).await;
    mapped.finish().await;
    assert!(mapped.batches().is_empty());
    put(&mapped, 0..10).await;
    mapped.finish().await;
    assert_eq!(numbers(&mapped), [0, 2, 4, 6, 8]);
    let events = mapped.function.events.lock().unwrap();
    assert!(events.last().unwrap().is_final_invoke_for_window);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_do_not_match_are_done_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = |pattern: &str| MappingOptions {
        filter_criteria: FilterCriteria::new([pattern]).unwrap(),
        checkpoints: Some(folder.path().to_owned()),
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(1, options(EVEN), |_, _| Ok(Value::Null)).await;
    put(&mapped, 0..4).await;
    mapped.put(&[r#"{"number": 5}"#]).await;
    mapped.finish().await;
    assert_eq!(numbers(&mapped), [0, 2]);
    let Mapped {
        cloud,
        mapping,
        function,
    } = mapped;
    mapping.stop().await;

    // Another filter is for the records that follow.
    let source = super::source(&cloud);
    let function_again = std::sync::Arc::clone(&function);
    let all = options(r#"{"data": {"number": [{"exists": true}]}}"#);
    let mapping = Mapping::start(source, function_again, all).unwrap();
    let mapped = Mapped {
        cloud,
        mapping,
        function,
    };
    mapped.put(&[r#"{"number": 7}"#, r#"{"numbers": 8}"#]).await;
    until("the new record was not delivered", || {
        numbers(&mapped).len() > 2
    })
    .await;
    finish(&mapped.mapping, mapped.cloud.endpoint.clock()).await;
    assert_eq!(numbers(&mapped), [0, 2, 7]);
}
