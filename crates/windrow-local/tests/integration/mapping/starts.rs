//! Starting positions.

use std::sync::Arc;

use serde_json::Value;
use windrow_local::faults::Faults;
use windrow_local::functions::Function;
use windrow_local::mapping::{Mapping, MappingOptions};
use windrow_read::{Start, Timestamp};

use super::{Mapped, TIME_LIMIT, finish, source, until};

/// A stream with one record, whose first mapping is disabled.
async fn with_a_record() -> Mapped {
    let options = MappingOptions {
        enabled: false,
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(1, options, |_, _| Ok(Value::Null)).await;
    mapped.put(&["before"]).await;
    mapped
}

fn start(mapped: &Mapped, start: Start) -> Mapping {
    let function = Arc::clone(&mapped.function) as Arc<dyn Function>;
    let (options, faults) = (MappingOptions::default(), Arc::new(Faults::none()));
    Mapping::start_with(source(&mapped.cloud), function, options, start, faults).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_skips_what_is_there() {
    let mapped = with_a_record().await;
    let _mapping = start(&mapped, Start::Latest);
    // A record that is put before the first poll may be missed, as on AWS.
    let put_until_delivered = async {
        while mapped.batches().is_empty() {
            mapped.put(&["after"]).await;
        }
    };
    let delivered = tokio::time::timeout(TIME_LIMIT, put_until_delivered);
    delivered.await.unwrap();
    let batches = mapped.batches().concat();
    assert!(batches.iter().all(|data| data == "after"), "{batches:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_skips_what_arrived_before_it() {
    let mapped = with_a_record().await;
    let clock = mapped.cloud.endpoint.clock();
    let from = clock.now_millis() + 1;
    until("the clock stands still", || clock.now_millis() >= from).await;
    mapped.put(&["after"]).await;
    let mapping = start(&mapped, Start::AtTimestamp(Timestamp::from_millis(from)));
    finish(&mapping, clock).await;
    assert_eq!(mapped.batches(), [["after"]]);
}
