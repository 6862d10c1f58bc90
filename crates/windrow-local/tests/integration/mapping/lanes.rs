//! Several batches of a shard at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Barrier;
use windrow_event::Event;
use windrow_local::functions::Embedded;
use windrow_local::mapping::{Mapping, MappingError, MappingOptions};

use super::{Mapped, failed, finish, source};

fn parallel(parallelization_factor: usize) -> MappingOptions {
    MappingOptions {
        parallelization_factor,
        batch_size: 4,
        ..MappingOptions::default()
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("key {number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_one_shard_are_delivered_at_a_time() {
    let mapped = Mapped::start(1, parallel(1), |_, _| Ok(Value::Null)).await;
    // An invocation ends once three have begun.
    let barrier = Arc::new(Barrier::new(3));
    let together = Embedded::new("together", move |event: Vec<u8>, _| {
        let barrier = Arc::clone(&barrier);
        async move {
            let event = Event::from_json(&event).unwrap();
            if event
                .records()
                .any(|record| record.data.unwrap().starts_with(b"first"))
            {
                barrier.wait().await;
            }
            Ok(b"null".to_vec())
        }
    });
    let source = source(&mapped.cloud);
    // Three keys in three lanes.
    mapped.put(&["first a", "first b", "first c"]).await;
    let mapping = Mapping::start(source, Arc::new(together), parallel(3)).unwrap();
    finish(&mapping, mapped.cloud.endpoint.clock()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_of_a_partition_key_stay_in_order() {
    // Some invocations fail, so that lanes are at different records.
    let mapped = Mapped::start(1, parallel(10), |_, before| match before % 5 {
        2 => Err(failed()),
        _ => Ok(Value::Null),
    })
    .await;
    let names = names(20);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for _ in 0..10 {
        mapped.put(&names).await;
    }
    mapped.finish().await;
    let events = mapped.function.events.lock().unwrap();
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    let mut delivered = 0;
    for (index, event) in events.iter().enumerate() {
        assert!(event.len() <= 4);
        for record in event.records().filter(|_| index % 5 != 2) {
            let key = String::from_utf8(record.data.unwrap().to_vec()).unwrap();
            let number = record.sequence_number.to_owned();
            let before = last.insert(key, number.clone());
            assert!(before.is_none_or(|before| before < number));
            delivered += 1;
        }
    }
    assert_eq!(delivered, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factor_is_from_1_to_10_and_1_with_a_window() {
    let mapped = Mapped::start(1, parallel(1), |_, _| Ok(Value::Null)).await;
    let start = |options| {
        let function = Arc::clone(&mapped.function);
        Mapping::start(source(&mapped.cloud), function, options).map(drop)
    };
    let windowed = |factor| MappingOptions {
        tumbling_window: Some(Duration::from_secs(60)),
        ..parallel(factor)
    };
    for factor in [0, 11] {
        let error = start(parallel(factor)).unwrap_err();
        assert!(matches!(error, MappingError::Parallelization(found) if found == factor));
    }
    let error = start(windowed(2)).unwrap_err();
    assert!(matches!(error, MappingError::ParallelWindows(2)));
    start(windowed(1)).unwrap();
    start(parallel(10)).unwrap();
}
