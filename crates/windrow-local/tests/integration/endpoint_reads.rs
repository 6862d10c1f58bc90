//! Where a shard is read from, and how often it may be read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::get_records::{GetRecordsError, GetRecordsOutput};
use aws_sdk_kinesis::operation::get_shard_iterator::GetShardIteratorError;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use futures_util::future::join_all;

use windrow_testkit::retry_within_a_second;

use crate::endpoint::create_stream;
use crate::{TestEndpoint, options};

const STREAM: &str = "wildrydes";
const FIRST: &str = "shardId-000000000000";
const SECOND: &str = "shardId-000000000001";

async fn put(client: &Client, data: &str) {
    let call = client.put_record().stream_name(STREAM);
    let call = call.partition_key("Shadowfax").data(Blob::new(data));
    call.send().await.unwrap();
}

async fn iterator_at(
    client: &Client,
    shard: &str,
    millis: i64,
) -> Result<String, SdkError<GetShardIteratorError>> {
    let call = client.get_shard_iterator().stream_name(STREAM);
    let call = call
        .shard_id(shard)
        .shard_iterator_type(ShardIteratorType::AtTimestamp)
        .timestamp(DateTime::from_millis(millis));
    let response = call.send().await?;
    Ok(response.shard_iterator.unwrap())
}

async fn read(
    client: &Client,
    iterator: &str,
) -> Result<GetRecordsOutput, SdkError<GetRecordsError>> {
    client.get_records().shard_iterator(iterator).send().await
}

async fn texts(client: &Client, iterator: &str) -> Vec<String> {
    let page = read(client, iterator).await.unwrap();
    let text = |data: &Blob| String::from_utf8(data.as_ref().to_vec()).unwrap();
    page.records
        .iter()
        .map(|record| text(&record.data))
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "arrival times are from this clock"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

/// Waits until the clock is past a time.
async fn until_after(millis: i64) {
    while now() <= millis {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The arrival times of the first shard's records.
async fn arrivals(client: &Client) -> Vec<i64> {
    let call = client.get_shard_iterator().stream_name(STREAM);
    let call = call
        .shard_id(FIRST)
        .shard_iterator_type(ShardIteratorType::TrimHorizon);
    let iterator = call.send().await.unwrap().shard_iterator.unwrap();
    let page = read(client, &iterator).await.unwrap();
    let arrival = |record: &Record| {
        let arrival = record.approximate_arrival_timestamp().unwrap();
        arrival.to_millis().unwrap()
    };
    page.records.iter().map(arrival).collect()
}

#[tokio::test]
async fn an_iterator_after_the_last_record_reads_what_arrives_next() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.kinesis();
    create_stream(&client, STREAM, 1).await;
    let start = now();
    let at_start = iterator_at(&client, FIRST, start).await.unwrap();
    put(&client, "before").await;
    assert_eq!(texts(&client, &at_start).await, ["before"]);

    until_after(arrivals(&client).await[0] + 1_000).await;
    let between = now();
    let iterator = iterator_at(&client, FIRST, between).await.unwrap();
    assert!(texts(&client, &iterator).await.is_empty());
    put(&client, "after").await;
    assert_eq!(texts(&client, &iterator).await, ["after"]);

    // To the millisecond.
    let arrival = arrivals(&client).await[1];
    until_after(arrival + 1).await;
    let exact = iterator_at(&client, FIRST, arrival).await.unwrap();
    assert_eq!(texts(&client, &exact).await, ["after"]);
    let later = iterator_at(&client, FIRST, arrival + 1).await.unwrap();
    assert!(texts(&client, &later).await.is_empty());
    let again = iterator_at(&client, FIRST, between).await.unwrap();
    assert_eq!(texts(&client, &again).await, ["after"]);
    let all = iterator_at(&client, FIRST, start).await.unwrap();
    assert_eq!(texts(&client, &all).await, ["before", "after"]);
}

#[tokio::test]
async fn invalid_times_and_shards_are_rejected_as_by_kinesis() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.kinesis();
    create_stream(&client, STREAM, 1).await;
    let code = async |shard, millis| {
        let error = iterator_at(&client, shard, millis).await.unwrap_err();
        error.as_service_error().unwrap().code().unwrap().to_owned()
    };
    assert_eq!(
        code(FIRST, now() + 3_600_000).await,
        "InvalidArgumentException"
    );
    assert_eq!(code(SECOND, now()).await, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_closed_shard_ends_at_a_time_after_its_last_record() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.kinesis();
    create_stream(&client, STREAM, 1).await;
    put(&client, "before").await;
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
    until_after(arrivals(&client).await[0] + 1_000).await;
    let iterator = iterator_at(&client, FIRST, now()).await.unwrap();
    let page = read(&client, &iterator).await.unwrap();
    assert!(page.records.is_empty());
    assert_eq!(page.next_shard_iterator, None);
}

#[tokio::test]
async fn reads_of_a_shard_are_limited_over_all_clients() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.reads_per_second = Some(5);
    let cloud = TestEndpoint::start_with(options, folder).await;
    let client = cloud.kinesis();
    create_stream(&client, STREAM, 2).await;
    let first = iterator_at(&client, FIRST, now()).await.unwrap();
    let second = iterator_at(&client, SECOND, now()).await.unwrap();

    // At the same time, by two clients.
    let other = cloud.kinesis();
    let clients = [&client, &other, &client, &other, &client, &other];
    let reads = async || join_all(clients.map(|client| read(client, &first))).await;
    let results = retry_within_a_second(reads).await;
    let failures: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert_eq!(failures.len(), 1, "{failures:?}");
    let failure = failures[0].as_service_error().unwrap();
    assert!(failure.is_provisioned_throughput_exceeded_exception());
    assert_eq!(
        failure.message(),
        Some(
            "Rate exceeded for shard shardId-000000000000 in stream wildrydes under account \
             000000000000."
        )
    );

    read(&client, &second).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    read(&client, &first).await.unwrap();
}
