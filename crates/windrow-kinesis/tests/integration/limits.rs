//! The limits on sizes, and on calls per second.

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::ShardIteratorType;

use crate::server::{FIRST, STREAM, entry, failure, start, start_with};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn put_records_answers_each_and_enforces_its_limits() {
    let server = start(4).await;
    let put = async |records| {
        let call = server.client.put_records().stream_name(STREAM);
        call.set_records(Some(records)).send().await
    };
    let records = (0..500)
        .map(|number: i32| entry(&number.to_string(), b"x"))
        .collect();
    let answer = put(records).await.unwrap();
    assert_eq!(
        (answer.failed_record_count, answer.records.len()),
        (Some(0), 500)
    );
    let shards: std::collections::BTreeSet<_> = answer
        .records
        .iter()
        .map(|record| record.shard_id.clone().unwrap())
        .collect();
    assert_eq!(shards.len(), 4);

    let records = (0..501)
        .map(|number: i32| entry(&number.to_string(), b"x"))
        .collect();
    let (code, message) = failure(put(records).await);
    assert_eq!(code, "ValidationException");
    assert!(message.contains("'records'"), "{message}");
    assert_eq!(failure(put(vec![]).await).0, "ValidationException");
    let (code, message) = failure(put(vec![entry("a", b"x"), entry(&"k".repeat(257), b"x")]).await);
    assert_eq!(code, "ValidationException");
    assert!(
        message.contains("records.2.member.partitionKey"),
        "{message}"
    );
    // The key counts in characters, and the record in bytes with its key.
    put(vec![entry(&"ü".repeat(256), b"x")]).await.unwrap();
    assert!(put(vec![entry("k", &vec![1; MIB - 1])]).await.is_ok());
    assert_eq!(
        failure(put(vec![entry("k", &vec![1; MIB])]).await).0,
        "ValidationException"
    );
    let records = (0..11).map(|_| entry("k", &vec![1; MIB - 1])).collect();
    assert_eq!(failure(put(records).await).0, "InvalidArgumentException");
}

#[tokio::test]
async fn larger_records_are_allowed_where_that_is_set() {
    let server = start(1).await;
    let call = server.client.update_max_record_size();
    let call = call
        .stream_arn(server.kinesis.stream_arn(STREAM))
        .max_record_size_in_kib(10_240);
    call.send().await.unwrap();
    let data = vec![7; 10 * MIB - 1];
    let call = server
        .client
        .put_record()
        .stream_name(STREAM)
        .partition_key("k");
    call.data(Blob::new(data.clone())).send().await.unwrap();
    let page = server.oldest_page(FIRST).await;
    assert_eq!(page.records[0].data.as_ref(), data);
}

#[tokio::test]
async fn writes_over_a_shards_limit_are_throttled_one_by_one() {
    let server = start(1).await;
    let records = |from: i32| (from..from + 500).map(|n| entry("k", n.to_string().as_bytes()));
    let mut failed = 0;
    for from in [0, 500, 1000, 1500] {
        let call = server.client.put_records().stream_name(STREAM);
        let answer = call
            .set_records(Some(records(from).collect()))
            .send()
            .await
            .unwrap();
        failed += answer.failed_record_count.unwrap();
        for record in answer.records {
            assert_eq!(
                record.error_code.is_some(),
                record.sequence_number.is_none()
            );
            if let Some(code) = record.error_code {
                assert_eq!(code, "ProvisionedThroughputExceededException");
                let message = record.error_message.unwrap();
                assert!(
                    message.contains("Rate exceeded for shard shardId-0"),
                    "{message}"
                );
            }
        }
    }
    // The budget refills while this runs.
    assert!((100..=1000).contains(&failed), "{failed}");
    let records = server.texts(FIRST).await.len();
    assert_eq!(records, 2000 - usize::try_from(failed).unwrap());
}

#[tokio::test]
async fn reads_over_a_shards_limit_are_throttled() {
    let server = start_with(|options| options.reads_per_second = Some(5)).await;
    server.create(STREAM, 1).await;
    let iterator = server.iterator(FIRST, ShardIteratorType::Latest).await;
    let read = || {
        server
            .client
            .get_records()
            .shard_iterator(iterator.clone())
            .send()
    };
    let mut throttled = 0;
    for _ in 0..7 {
        if let Err(error) = read().await {
            assert_eq!(
                failure::<(), _, _>(Err(error)).0,
                "ProvisionedThroughputExceededException"
            );
            throttled += 1;
        }
    }
    assert_eq!(throttled, 2);
    // The program's own reads do not count.
    server.kinesis.get_records(&iterator, 1).await.unwrap();
}

#[tokio::test]
async fn a_page_has_at_most_ten_mebibytes() {
    let server = start_with(|options| options.write_limits = false).await;
    server.create(STREAM, 1).await;
    for _ in 0..3 {
        let records = (0..4).map(|_| entry("k", &vec![1; MIB - 1])).collect();
        let call = server.client.put_records().stream_name(STREAM);
        let put = call.set_records(Some(records)).send().await.unwrap();
        assert_eq!(put.failed_record_count, Some(0));
    }
    let page = server.oldest_page(FIRST).await;
    assert_eq!(page.records.len(), 10);
    assert!(page.millis_behind_latest.unwrap() > 0);
    let next = page.next_shard_iterator.unwrap();
    let page = server.read(next).await;
    assert_eq!(
        (page.records.len(), page.millis_behind_latest),
        (2, Some(0))
    );
}
