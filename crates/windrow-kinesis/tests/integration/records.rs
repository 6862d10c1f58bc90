//! Putting and getting records.

use std::time::Duration;

use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{Record, ShardIteratorType};

use crate::server::{FIRST, NOON, STREAM, entry, failure, start, start_with};

fn arrival(record: &Record) -> i64 {
    record
        .approximate_arrival_timestamp
        .unwrap()
        .to_millis()
        .unwrap()
}

#[tokio::test]
async fn records_come_back_in_order_with_key_data_and_time() {
    let server = start(1).await;
    let (shard, first) = server.put("Ünicorn", "one").await;
    server.advance(7);
    let (_, second) = server.put("other", "").await;
    assert_eq!(shard, FIRST);
    assert!(first < second && first.len() == 56 && first.starts_with("49"));

    let page = server.oldest_page(FIRST).await;
    let [one, other] = &page.records[..] else {
        panic!("{page:?}")
    };
    assert_eq!(
        (one.partition_key.as_deref(), one.sequence_number.as_str()),
        (Some("Ünicorn"), &*first)
    );
    assert_eq!(one.data.as_ref(), b"one");
    assert_eq!(arrival(one), NOON);
    assert_eq!(
        (other.data.as_ref(), other.sequence_number.as_str()),
        (&b""[..], &*second)
    );
    assert_eq!(arrival(other), NOON + 7);
    assert_eq!(page.millis_behind_latest, Some(0));
    assert!(page.next_shard_iterator.is_some() && page.child_shards.is_none());
}

#[tokio::test]
async fn every_iterator_type_starts_where_it_says() {
    let server = start(1).await;
    let mut numbers = Vec::new();
    for text in ["a", "b", "c", "d"] {
        numbers.push(server.put("k", text).await.1);
        server.advance(1000);
    }
    let read = async |kind: ShardIteratorType, number: Option<&String>, time: Option<i64>| {
        let call = server
            .client
            .get_shard_iterator()
            .stream_name(STREAM)
            .shard_id(FIRST);
        let call = call.shard_iterator_type(kind);
        let call = call.set_starting_sequence_number(number.cloned());
        let call = call.set_timestamp(time.map(DateTime::from_millis));
        let iterator = call.send().await.unwrap().shard_iterator.unwrap();
        let page = server.read(iterator).await;
        let texts = page
            .records
            .iter()
            .map(|record| record.data.as_ref().to_vec());
        String::from_utf8(texts.collect::<Vec<_>>().concat()).unwrap()
    };
    use ShardIteratorType as Kind;
    assert_eq!(read(Kind::TrimHorizon, None, None).await, "abcd");
    assert_eq!(read(Kind::Latest, None, None).await, "");
    assert_eq!(
        read(Kind::AtSequenceNumber, Some(&numbers[1]), None).await,
        "bcd"
    );
    assert_eq!(
        read(Kind::AfterSequenceNumber, Some(&numbers[1]), None).await,
        "cd"
    );
    assert_eq!(
        read(Kind::AfterSequenceNumber, Some(&numbers[3]), None).await,
        ""
    );
    assert_eq!(read(Kind::AtTimestamp, None, Some(NOON - 1)).await, "abcd");
    assert_eq!(read(Kind::AtTimestamp, None, Some(NOON + 2000)).await, "cd");
    assert_eq!(read(Kind::AtTimestamp, None, Some(NOON + 2001)).await, "d");
    assert_eq!(read(Kind::AtTimestamp, None, Some(NOON + 4000)).await, "");

    let call = server
        .client
        .get_shard_iterator()
        .stream_name(STREAM)
        .shard_id(FIRST);
    let future = call.clone().shard_iterator_type(Kind::AtTimestamp);
    let future = future
        .timestamp(DateTime::from_millis(NOON + 4001))
        .send()
        .await;
    let (code, message) = failure(future);
    assert_eq!(code, "InvalidArgumentException");
    assert!(
        message.contains("cannot be greater than the currentTimestamp"),
        "{message}"
    );
    let foreign = call.clone().shard_iterator_type(Kind::AtSequenceNumber);
    let foreign = foreign
        .starting_sequence_number("49590338271490256608559692538361571095921575989136588898");
    assert_eq!(failure(foreign.send().await).0, "InvalidArgumentException");
    let missing = call.clone().shard_iterator_type(Kind::AtTimestamp);
    assert_eq!(failure(missing.send().await).0, "InvalidArgumentException");
    let unknown = call
        .shard_id("shardId-000000000009")
        .shard_iterator_type(Kind::Latest);
    assert_eq!(failure(unknown.send().await).0, "ResourceNotFoundException");
}

#[tokio::test]
async fn pages_have_a_limit_and_say_how_far_behind_they_are() {
    let server = start(1).await;
    for number in 0..10 {
        server.put("k", &number.to_string()).await;
        server.advance(1000);
    }
    let mut iterator = Some(server.iterator(FIRST, ShardIteratorType::TrimHorizon).await);
    let mut behind = Vec::new();
    let mut count = 0;
    while let Some(token) = iterator.take() {
        let call = server.client.get_records().shard_iterator(token).limit(4);
        let page = call.send().await.unwrap();
        count += page.records.len();
        behind.push(page.millis_behind_latest.unwrap());
        iterator = page.next_shard_iterator.filter(|_| count < 10);
    }
    assert_eq!((count, behind), (10, vec![6000, 2000, 0]));

    for limit in [0, 10_001] {
        let iterator = server.iterator(FIRST, ShardIteratorType::Latest).await;
        let call = server
            .client
            .get_records()
            .shard_iterator(iterator)
            .limit(limit);
        let (code, message) = failure(call.send().await);
        assert_eq!(code, "ValidationException");
        assert!(message.contains("'limit'"), "{message}");
    }
}

#[tokio::test]
async fn an_explicit_hash_key_picks_the_shard() {
    let server = start(2).await;
    for (hash, shard) in [
        ("0", FIRST),
        ("170141183460469231731687303715884105727", FIRST),
        (
            "170141183460469231731687303715884105728",
            "shardId-000000000001",
        ),
        (
            "340282366920938463463374607431768211455",
            "shardId-000000000001",
        ),
    ] {
        let call = server
            .client
            .put_record()
            .stream_name(STREAM)
            .partition_key("k");
        let call = call.data(Blob::new("x")).explicit_hash_key(hash);
        assert_eq!(call.send().await.unwrap().shard_id, shard);
    }
    let call = server
        .client
        .put_record()
        .stream_name(STREAM)
        .partition_key("k");
    let call = call.data(Blob::new("x"));
    let too_large = call
        .clone()
        .explicit_hash_key("340282366920938463463374607431768211456");
    assert_eq!(
        failure(too_large.send().await).0,
        "InvalidArgumentException"
    );
    let no_number = call.clone().explicit_hash_key("01");
    assert_eq!(failure(no_number.send().await).0, "ValidationException");
    let (_, number) = server.put("k", "x").await;
    call.sequence_number_for_ordering(number)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn iterators_expire_by_time_that_passes_and_not_by_the_clock() {
    let lifetime = Duration::from_millis(300);
    let server = start_with(|options| options.iterator_lifetime = lifetime).await;
    server.create(STREAM, 1).await;
    let iterator = server.iterator(FIRST, ShardIteratorType::Latest).await;
    let read = async || {
        let call = server.client.get_records().shard_iterator(iterator.clone());
        call.send().await
    };
    for step in [3_600_000, -7_200_000] {
        server.advance(step);
        read().await.unwrap();
    }
    tokio::time::sleep(lifetime * 2).await;
    assert_eq!(failure(read().await).0, "ExpiredIteratorException");
    for invalid in ["AAAA", "neigh", &iterator[4..]] {
        let call = server.client.get_records().shard_iterator(invalid);
        assert_eq!(failure(call.send().await).0, "InvalidArgumentException");
    }
}

#[tokio::test]
async fn records_past_retention_are_not_read() {
    let server = start(1).await;
    const HOUR: i64 = 3_600_000;
    server.put("k", "old").await;
    server.advance(HOUR);
    server.put("k", "new").await;
    server.advance(23 * HOUR);
    assert_eq!(server.texts(FIRST).await, ["old", "new"]);
    server.advance(1);
    assert_eq!(server.texts(FIRST).await, ["new"]);
    server.advance(HOUR);
    assert!(server.texts(FIRST).await.is_empty());
    let call = server
        .client
        .increase_stream_retention_period()
        .stream_name(STREAM);
    call.retention_period_hours(8760).send().await.unwrap();
    assert_eq!(server.texts(FIRST).await, ["old", "new"]);
}

#[tokio::test]
async fn the_clock_may_step_back() {
    let server = start(1).await;
    server.put("k", "a").await;
    server.advance(-3_600_000);
    server.put("k", "b").await;
    let page = server.oldest_page(FIRST).await;
    assert!(page.records.iter().map(arrival).eq([NOON; 2]));
}

#[tokio::test]
async fn a_closed_stream_takes_no_more_records() {
    let server = start(1).await;
    server.put("k", "a").await;
    server.kinesis.close_stream(STREAM).await;
    let call = server
        .client
        .put_record()
        .stream_name(STREAM)
        .partition_key("k");
    let result = call.data(Blob::new("b")).send().await;
    let status = result
        .as_ref()
        .unwrap_err()
        .raw_response()
        .unwrap()
        .status()
        .as_u16();
    assert_eq!(
        (failure(result).0.as_str(), status),
        ("ServiceUnavailable", 503)
    );
    assert_eq!(server.texts(FIRST).await, ["a"]);
}

/// Writers and a reader at once: the reader meets every record once, whatever is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_skips_nothing_while_others_write() {
    const WRITERS: usize = 4;
    const PUTS: usize = 50;
    let server = start_with(|options| options.write_limits = false).await;
    server.create(STREAM, 1).await;
    let mut iterator = server.iterator(FIRST, ShardIteratorType::Latest).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let client = server.client.clone();
            tokio::spawn(async move {
                for put in 0..PUTS {
                    let text = |n| format!("{writer}:{put}:{n}");
                    let records = (0..5).map(|n| entry("k", text(n).as_bytes())).collect();
                    let call = client.put_records().stream_name(STREAM);
                    call.set_records(Some(records)).send().await.unwrap();
                }
            })
        })
        .collect();
    let (mut seen, mut numbers) = (Vec::new(), Vec::new());
    while seen.len() < WRITERS * PUTS * 5 {
        let call = server
            .client
            .get_records()
            .shard_iterator(iterator)
            .limit(7);
        let page = call.send().await.unwrap();
        iterator = page.next_shard_iterator.unwrap();
        for record in page.records {
            seen.push(String::from_utf8(record.data.into_inner()).unwrap());
            numbers.push(record.sequence_number);
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), WRITERS * PUTS * 5);
}
