//! Faults in front of the services, with the real SDK, `windrow-write` and `windrow-read` as
//! clients.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use aws_sdk_firehose::types::Record as SdkRecord;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsOutput};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use axum::body::Bytes;
use windrow_local::faults::{FaultKind, Faults};
use windrow_local::firehose::{BufferingHints, DeliverySource};
use windrow_read::{ShardReader, Start};
use windrow_testkit::files::files;
use windrow_write::{
    Backoff, Destination, DynamoTable, FirehoseStream, KinesisRecord, KinesisStream, Policy,
    deliver,
};

use crate::TestEndpoint;
use crate::endpoint::{create_stream, create_table};

const STREAM: &str = "wildrydes";
const KEY: [&str; 2] = ["Name", "StatusTime"];
const TABLE: &str = "UnicornSensorData";
const REJECTS: &str = "wildrydes-rejects";
/// All faults of the endpoint except delays, which would only slow the test down. With the seed of
/// [`cloud`], every kind is injected within the calls that the test makes.
const ROUGH: &str = "put-failed=0.3,throttled=0.3,response-dropped=0.3,unprocessed=0.3,\
                     iterator-expired=0.3,rejects-failed=0.3";

/// A cloud with a stream, a table and a delivery stream, which injects faults into its calls.
async fn cloud(specification: &str) -> (TestEndpoint, Arc<Faults>) {
    let faults = Arc::new(Faults::parse(specification, 7).unwrap());
    let cloud = TestEndpoint::with_faults(&faults).await;
    create_stream(&cloud.kinesis(), STREAM, 4).await;
    create_table(&cloud.dynamodb()).await;
    let firehose = cloud.endpoint.firehose();
    let buffering = BufferingHints::default();
    firehose
        .create(REJECTS, DeliverySource::DirectPut, buffering)
        .await
        .unwrap();
    (cloud, faults)
}

async fn put(
    cloud: &TestEndpoint,
    data: &[String],
) -> Result<PutRecordsOutput, SdkError<PutRecordsError>> {
    let entries = data.iter().map(|data| {
        PutRecordsRequestEntry::builder()
            .partition_key("Shadowfax")
            .data(Blob::new(data.as_bytes()))
            .build()
            .unwrap()
    });
    let call = cloud.kinesis().put_records().stream_name(STREAM);
    call.set_records(Some(entries.collect())).send().await
}

/// The records of the stream, shard by shard, read in spite of faults.
async fn in_stream(cloud: &TestEndpoint) -> Vec<String> {
    let mut found = Vec::new();
    for shard in windrow_read::list(&cloud.kinesis(), STREAM).await.unwrap() {
        let client = cloud.kinesis();
        let mut reader = ShardReader::new(client, STREAM, shard.id, Start::TrimHorizon);
        loop {
            match reader.next_page().await {
                Ok(page) if page.records.is_empty() && page.behind.is_zero() => break,
                Ok(page) => found.extend(page.records.iter().map(|record| text(&record.data))),
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
    }
    found
}

fn text(data: &[u8]) -> String {
    String::from_utf8(data.to_vec()).unwrap()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number}")).collect()
}

fn item(name: &str) -> HashMap<String, AttributeValue> {
    HashMap::from(KEY.map(|key| (key.to_owned(), AttributeValue::S(name.to_owned()))))
}

fn write(name: &str) -> WriteRequest {
    let put = PutRequest::builder().set_item(Some(item(name)));
    WriteRequest::builder()
        .put_request(put.build().unwrap())
        .build()
}

fn name(item: &HashMap<String, AttributeValue>) -> String {
    item["Name"].as_s().unwrap().clone()
}

async fn in_table(cloud: &TestEndpoint) -> BTreeSet<String> {
    let scanned = cloud.dynamodb().scan().table_name(TABLE).send().await;
    scanned.unwrap().items().iter().map(name).collect()
}

async fn put_batch(
    cloud: &TestEndpoint,
    data: &[String],
) -> Result<
    aws_sdk_firehose::operation::put_record_batch::PutRecordBatchOutput,
    SdkError<aws_sdk_firehose::operation::put_record_batch::PutRecordBatchError>,
> {
    let records = data.iter().map(|data| {
        let data = aws_sdk_firehose::primitives::Blob::new(format!("{data}\n"));
        SdkRecord::builder().data(data).build().unwrap()
    });
    let firehose = cloud.firehose();
    let call = firehose.put_record_batch().delivery_stream_name(REJECTS);
    call.set_records(Some(records.collect())).send().await
}

/// The lines of the delivery stream's objects.
async fn in_archive(cloud: &TestEndpoint) -> Vec<String> {
    cloud.endpoint.firehose().flush().await.unwrap();
    let objects = files(&cloud.folder.path().join("archive").join(REJECTS));
    let lines = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    objects.iter().flat_map(lines).collect()
}

/// The service's error code.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::error::Error + 'static>(
    response: Result<T, SdkError<E>>,
) -> String {
    let error = response.unwrap_err();
    let error = error.as_service_error().unwrap();
    error.meta().code().unwrap().to_owned()
}

#[tokio::test]
async fn failed_entries_are_reported_by_index_and_are_not_in_the_stream() {
    let (cloud, faults) = cloud("put-failed=1").await;
    let mut taken = Vec::new();
    let mut all_failed = 0;
    for call in 0..10 {
        let data: Vec<String> = (0..20).map(|entry| format!("{call}/{entry}")).collect();
        let output = put(&cloud, &data).await.unwrap();
        assert_eq!(output.records().len(), 20);
        let failed = output.records().iter().zip(&data).filter(|(entry, data)| {
            if entry.sequence_number().is_some() {
                taken.push((*data).clone());
                return false;
            }
            let code = "ProvisionedThroughputExceededException";
            assert_eq!(entry.error_code(), Some(code));
            true
        });
        let failed = failed.count();
        assert!(failed >= 1);
        assert_eq!(output.failed_record_count(), i32::try_from(failed).ok());
        all_failed += failed;
    }
    assert!(all_failed < 200);
    assert_eq!(in_stream(&cloud).await, taken);
    assert_eq!(faults.injected(FaultKind::PutFailed), 10);
}

#[tokio::test]
async fn the_stream_gets_nothing_if_every_entry_fails() {
    let (cloud, _) = cloud("put-failed=1").await;
    let output = put(&cloud, &numbered(1)).await.unwrap();
    assert_eq!(output.failed_record_count(), Some(1));
    assert_eq!(in_stream(&cloud).await, [""; 0]);
}

#[tokio::test]
async fn a_call_that_the_service_fails_does_not_count_as_injected() {
    let (cloud, faults) = cloud("put-failed=1").await;
    let call = cloud.kinesis().put_records().stream_name("wildrides");
    let entry = |key| {
        let entry = PutRecordsRequestEntry::builder().partition_key(key);
        entry.data(Blob::new("")).build().unwrap()
    };
    let entries = (0..50).map(|key| entry(format!("{key}"))).collect();
    let response = call.set_records(Some(entries)).send().await;
    assert_eq!(code(response), "ResourceNotFoundException");
    assert_eq!(faults.injected(FaultKind::PutFailed), 0);
}

#[tokio::test]
async fn a_throttled_call_gets_the_services_own_error_and_does_nothing() {
    let (cloud, faults) = cloud("throttled=1").await;
    let exceeded = "ProvisionedThroughputExceededException";
    let error = put(&cloud, &numbered(1)).await.unwrap_err();
    let error = error.into_service_error();
    assert!(
        error.is_provisioned_throughput_exceeded_exception(),
        "{error:?}"
    );
    let kinesis = cloud.kinesis();
    let call = kinesis.get_shard_iterator().stream_name(STREAM);
    let call = call.shard_id("shardId-000000000000");
    let call = call.shard_iterator_type(ShardIteratorType::TrimHorizon);
    assert_eq!(code(call.send().await), exceeded);
    let call = kinesis.get_records().shard_iterator("any");
    assert_eq!(code(call.send().await), exceeded);

    let dynamodb = cloud.dynamodb();
    let mut codes = BTreeSet::new();
    for _ in 0..10 {
        let call = dynamodb
            .batch_write_item()
            .request_items(TABLE, vec![write("0")]);
        codes.insert(code(call.send().await));
        codes.insert(code(dynamodb.scan().table_name(TABLE).send().await));
        codes.insert(code(dynamodb.query().table_name(TABLE).send().await));
        let call = dynamodb.put_item().table_name(TABLE);
        codes.insert(code(call.set_item(Some(item("0"))).send().await));
    }
    assert_eq!(
        codes,
        BTreeSet::from([exceeded.to_owned(), "ThrottlingException".to_owned()])
    );

    let error = put_batch(&cloud, &numbered(1)).await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 503);
    let error = error.into_service_error();
    assert!(error.is_service_unavailable_exception(), "{error:?}");

    assert_eq!(faults.injected(FaultKind::Throttled), 3 + 40 + 1);
    faults.switch_off();
    assert_eq!(in_stream(&cloud).await, [""; 0]);
    assert_eq!(in_table(&cloud).await, BTreeSet::new());
    assert_eq!(in_archive(&cloud).await, [""; 0]);
}

#[tokio::test]
async fn a_call_whose_response_is_dropped_is_done_once() {
    let (cloud, faults) = cloud("response-dropped=1").await;
    let dynamodb = cloud.dynamodb();
    let (mut without_response, mut broken_response) = (0, 0);
    for number in numbered(20) {
        let data = std::slice::from_ref(&number);
        let error = put(&cloud, data).await.unwrap_err();
        match error {
            SdkError::DispatchFailure(_) => without_response += 1,
            SdkError::ResponseError(_) => broken_response += 1,
            error => panic!("{error:?}"),
        }
        let error = put_batch(&cloud, data).await.unwrap_err();
        assert!(error.as_service_error().is_none(), "{error:?}");
        let call = dynamodb
            .batch_write_item()
            .request_items(TABLE, vec![write(&number)]);
        let error = call.send().await.unwrap_err();
        assert!(error.as_service_error().is_none(), "{error:?}");
    }
    assert!(without_response > 0 && broken_response > 0);
    assert_eq!(faults.injected(FaultKind::ResponseDropped), 60);
    faults.switch_off();
    assert_eq!(in_stream(&cloud).await, numbered(20));
    assert_eq!(in_archive(&cloud).await, numbered(20));
    assert_eq!(
        in_table(&cloud).await,
        numbered(20).into_iter().collect::<BTreeSet<_>>()
    );
}

#[tokio::test]
async fn unprocessed_items_are_returned_and_are_not_in_the_table() {
    let (cloud, faults) = cloud("unprocessed=1").await;
    let dynamodb = cloud.dynamodb();
    let mut taken = BTreeSet::new();
    let mut left = 0;
    for call in 0..10 {
        let names: Vec<String> = (0..25).map(|item| format!("{call}/{item}")).collect();
        let writes = names.iter().map(|name| write(name)).collect();
        let call = dynamodb.batch_write_item().request_items(TABLE, writes);
        let output = call.send().await.unwrap();
        let unprocessed = output.unprocessed_items().unwrap();
        let unprocessed: BTreeSet<String> = unprocessed[TABLE]
            .iter()
            .map(|write| name(write.put_request().unwrap().item()))
            .collect();
        left += unprocessed.len();
        taken.extend(names.into_iter().filter(|name| !unprocessed.contains(name)));
    }
    assert!((10..250).contains(&left));
    assert_eq!(taken.len() + left, 250);
    assert_eq!(in_table(&cloud).await, taken);
    assert_eq!(faults.injected(FaultKind::Unprocessed), 10);
}

#[tokio::test]
async fn failed_rejects_are_reported_by_index_and_are_in_no_object() {
    let (cloud, faults) = cloud("rejects-failed=1").await;
    let mut taken = Vec::new();
    let mut all_failed = 0;
    for call in 0..10 {
        let data: Vec<String> = (0..20).map(|record| format!("{call}/{record}")).collect();
        let output = put_batch(&cloud, &data).await.unwrap();
        assert_eq!(output.request_responses().len(), 20);
        let mut failed = 0;
        for (entry, data) in output.request_responses().iter().zip(data) {
            match entry.error_code() {
                None => taken.push(data),
                Some(code) => {
                    assert_eq!(code, "ServiceUnavailableException");
                    failed += 1;
                }
            }
        }
        assert!(failed >= 1);
        assert_eq!(output.failed_put_count(), failed);
        all_failed += failed;
    }
    assert!(all_failed < 200);
    assert_eq!(in_archive(&cloud).await, taken);
    assert_eq!(faults.injected(FaultKind::RejectsFailed), 10);
}

#[tokio::test]
async fn a_reader_continues_after_its_iterator_expires() {
    let (cloud, faults) = cloud("iterator-expired=1").await;
    let kinesis = cloud.kinesis();
    let call = kinesis.get_shard_iterator().stream_name(STREAM);
    let call = call.shard_id("shardId-000000000000");
    let call = call.shard_iterator_type(ShardIteratorType::TrimHorizon);
    let iterator = call.send().await.unwrap().shard_iterator.unwrap();
    let read = kinesis.get_records().shard_iterator(iterator).send().await;
    let error = read.unwrap_err().into_service_error();
    assert!(error.is_expired_iterator_exception(), "{error:?}");
    assert_eq!(faults.injected(FaultKind::IteratorExpired), 1);

    let forced = "iterator-expired@2,iterator-expired@3,iterator-expired@6";
    let (cloud, faults) = self::cloud(forced).await;
    put(&cloud, &numbered(300)).await.unwrap();
    let shards = windrow_read::list(&cloud.kinesis(), STREAM).await.unwrap();
    let mut found = Vec::new();
    for shard in shards {
        let client = cloud.kinesis();
        let reader = ShardReader::new(client, STREAM, shard.id, Start::TrimHorizon);
        let mut reader = reader.limit(50);
        loop {
            let page = reader.next_page().await.unwrap();
            if page.records.is_empty() && page.behind.is_zero() {
                break;
            }
            found.extend(page.records.iter().map(|record| text(&record.data)));
        }
    }
    assert_eq!(found, numbered(300));
    assert_eq!(faults.injected(FaultKind::IteratorExpired), 3);
}

#[tokio::test]
async fn a_delayed_call_is_done() {
    let (cloud, faults) = cloud("delayed=1").await;
    let before = faults.injected(FaultKind::Delayed);
    assert!(
        before > 0,
        "calls that create streams and tables are delayed too"
    );
    for number in 0..5 {
        put(&cloud, &[format!("{number}")]).await.unwrap();
    }
    assert_eq!(faults.injected(FaultKind::Delayed), before + 5);
    faults.switch_off();
    assert_eq!(in_stream(&cloud).await, numbered(5));
}

async fn deliver_all<D: Destination>(destination: &D, items: Vec<D::Item>) -> u64 {
    let count = items.len();
    let policy = Policy {
        backoff: Backoff {
            base: Duration::from_millis(10),
            cap: Duration::from_millis(200),
        },
        ..Policy::within(Duration::from_secs(600))
    };
    let report = deliver(destination, items, &policy).await;
    assert_eq!(report.delivered, count);
    assert_eq!(report.undelivered.len(), 0);
    report.retries
}

#[tokio::test]
async fn everything_is_delivered_and_read_in_spite_of_faults() {
    let (cloud, faults) = cloud(ROUGH).await;
    let sent: BTreeSet<String> = numbered(4_000).into_iter().collect();
    let record = |number: &String| KinesisRecord {
        partition_key: number.clone(),
        data: Bytes::from(number.clone()),
    };
    let stream = KinesisStream::new(cloud.kinesis(), STREAM);
    let retries = deliver_all(&stream, sent.iter().map(record).collect()).await;
    assert!(retries > 0);
    let found = in_stream(&cloud).await;
    assert!(found.len() >= sent.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), sent);

    let sent: BTreeSet<String> = numbered(500).into_iter().collect();
    let table = DynamoTable::new(cloud.dynamodb(), TABLE, KEY);
    deliver_all(&table, sent.iter().map(|name| item(name)).collect()).await;
    let rejects = FirehoseStream::new(cloud.firehose(), REJECTS);
    let line = |number: &String| Bytes::from(format!("{number}\n"));
    for _ in 0..5 {
        deliver_all(&rejects, sent.iter().map(line).collect()).await;
    }
    for kind in [
        FaultKind::PutFailed,
        FaultKind::Throttled,
        FaultKind::ResponseDropped,
        FaultKind::Unprocessed,
        FaultKind::IteratorExpired,
        FaultKind::RejectsFailed,
    ] {
        assert!(faults.injected(kind) > 0, "{}", kind.name());
    }
    faults.switch_off();
    assert_eq!(in_table(&cloud).await, sent);
    let archived = in_archive(&cloud).await;
    assert!(archived.len() >= 5 * sent.len());
    assert_eq!(archived.into_iter().collect::<BTreeSet<_>>(), sent);
}
