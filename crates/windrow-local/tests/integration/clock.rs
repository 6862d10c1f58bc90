//! The wall clock is set while an endpoint runs.
//!
//! Set forward by an hour and back, it is an hour behind the endpoint's clock, which does not go
//! back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Record, ShardIteratorType};
use windrow_local::Clock;

use crate::endpoint::create_stream;
use crate::{TestEndpoint, options};

const STREAM: &str = "wildrydes";
const FIRST: &str = "shardId-000000000000";
const HOUR: i64 = 3_600_000;

/// A clock whose wall clock a test can set.
pub(crate) struct SteppedClock {
    clock: Clock,
    /// How far its wall clock is set forward, in milliseconds.
    forward: Arc<AtomicU64>,
}

impl SteppedClock {
    pub(crate) fn new() -> Self {
        let forward = Arc::new(AtomicU64::new(0));
        let ahead = Arc::clone(&forward);
        #[expect(
            clippy::disallowed_methods,
            reason = "the clock that the test sets follows the system's"
        )]
        let wall = move || SystemTime::now() + Duration::from_millis(ahead.load(Ordering::SeqCst));
        let clock = Clock::new(wall);
        Self { clock, forward }
    }

    /// An endpoint with this clock.
    pub(crate) async fn endpoint(&self) -> TestEndpoint {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        options.clock = self.clock.clone();
        TestEndpoint::start_with(options, folder).await
    }

    /// Sets the wall clock forward by `millis`, and then back by the same.
    pub(crate) fn set_forward_and_back(&self, millis: i64) {
        let millis = u64::try_from(millis).unwrap();
        self.forward.store(millis, Ordering::SeqCst);
        let _ = self.now();
        self.forward.store(0, Ordering::SeqCst);
    }

    /// The time of the clock that never goes back.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now_millis()
    }
}

async fn iterator(client: &Client, kind: ShardIteratorType, time: Option<i64>) -> String {
    let call = client.get_shard_iterator().stream_name(STREAM);
    let call = call.shard_id(FIRST).shard_iterator_type(kind);
    let call = call.set_timestamp(time.map(DateTime::from_millis));
    call.send().await.unwrap().shard_iterator.unwrap()
}

async fn read(client: &Client, iterator: &str) -> GetRecordsOutput {
    let call = client.get_records().shard_iterator(iterator);
    call.send().await.unwrap()
}

async fn all(client: &Client) -> Vec<Record> {
    let start = iterator(client, ShardIteratorType::TrimHorizon, None).await;
    read(client, &start).await.records
}

async fn put(client: &Client, data: &str) {
    let call = client.put_record().stream_name(STREAM);
    let call = call.partition_key("Shadowfax").data(Blob::new(data));
    call.send().await.unwrap();
}

fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8(record.data.as_ref().to_vec()).unwrap();
    records.iter().map(text).collect()
}

#[tokio::test]
async fn arrival_times_and_sequence_numbers_do_not_go_back() {
    let stepped = SteppedClock::new();
    let cloud = stepped.endpoint().await;
    let client = cloud.kinesis();
    create_stream(&client, STREAM, 1).await;
    put(&client, "a").await;
    stepped.set_forward_and_back(HOUR);
    let set = stepped.now();
    put(&client, "b").await;
    let entry = |data: &str| {
        let entry = PutRecordsRequestEntry::builder().partition_key(data);
        entry.data(Blob::new(data)).build().unwrap()
    };
    let call = client.put_records().stream_name(STREAM);
    let call = call.records(entry("c")).records(entry("d"));
    call.send().await.unwrap();

    let records = all(&client).await;
    assert_eq!(texts(&records), ["a", "b", "c", "d"]);
    let keys: Vec<_> = records.iter().filter_map(Record::partition_key).collect();
    assert_eq!(keys, ["Shadowfax", "Shadowfax", "c", "d"]);
    let arrival = |record: &Record| {
        let arrival = record.approximate_arrival_timestamp().unwrap();
        arrival.to_millis().unwrap()
    };
    let arrivals: Vec<i64> = records.iter().map(arrival).collect();
    assert!(arrivals.is_sorted(), "{arrivals:?}");
    assert!(arrivals[0] <= set - HOUR);
    assert!(
        arrivals[1] >= set && arrivals[3] <= stepped.now(),
        "{arrivals:?}"
    );
    let number = |record: &Record| record.sequence_number().to_owned();
    let numbers: Vec<String> = records.iter().map(number).collect();
    assert!(numbers.is_sorted_by(|a, b| (a.len(), a) < (b.len(), b)));
}

#[tokio::test]
async fn iterators_work_after_the_clock_was_set_back() {
    let stepped = SteppedClock::new();
    let cloud = stepped.endpoint().await;
    let client = cloud.kinesis();
    create_stream(&client, STREAM, 1).await;
    put(&client, "before").await;
    stepped.set_forward_and_back(HOUR);
    let latest = iterator(&client, ShardIteratorType::Latest, None).await;
    let at_set = iterator(&client, ShardIteratorType::AtTimestamp, Some(stepped.now())).await;
    for empty in [&latest, &at_set] {
        assert!(read(&client, empty).await.records.is_empty());
    }
    put(&client, "after").await;
    for next in [&latest, &at_set] {
        assert_eq!(texts(&read(&client, next).await.records), ["after"]);
    }
    let records = all(&client).await;
    let arrival = records[1].approximate_arrival_timestamp().unwrap();
    let arrival = arrival.to_millis().unwrap();
    let found = iterator(&client, ShardIteratorType::AtTimestamp, Some(arrival)).await;
    assert_eq!(texts(&read(&client, &found).await.records), ["after"]);

    let call = client.get_shard_iterator().stream_name(STREAM);
    let call = call
        .shard_id(FIRST)
        .shard_iterator_type(ShardIteratorType::AtTimestamp)
        .timestamp(DateTime::from_millis(stepped.now() + 60_000));
    let error = call.send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("InvalidArgumentException"));
}

#[tokio::test]
async fn a_closed_shard_ends_after_the_clock_was_set_back() {
    let stepped = SteppedClock::new();
    let cloud = stepped.endpoint().await;
    let client = cloud.kinesis();
    create_stream(&client, STREAM, 1).await;
    stepped.set_forward_and_back(HOUR);
    let start = iterator(&client, ShardIteratorType::TrimHorizon, None).await;
    let split = client.split_shard().stream_name(STREAM);
    split
        .shard_to_split(FIRST)
        .new_starting_hash_key((u128::MAX / 2).to_string())
        .send()
        .await
        .unwrap();
    while windrow_read::list(&client, STREAM).await.unwrap().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The position of this iterator is earlier than the time at which the shard was closed.
    let page = read(&client, &start).await;
    assert!(page.records.is_empty());
    assert_eq!(page.next_shard_iterator, None);

    let call = client.get_shard_iterator().stream_name(STREAM);
    let call = call.shard_id("shardId-000000000001");
    let call = call.shard_iterator_type(ShardIteratorType::TrimHorizon);
    let open = call.send().await.unwrap().shard_iterator.unwrap();
    assert!(read(&client, &open).await.next_shard_iterator.is_some());
}
