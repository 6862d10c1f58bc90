//! Reading from a local Kinesis through the real SDK, during splits and merges.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod emulator;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use emulator::{STREAM, kinesis, kinesis_with_calls, kinesis_with_clock, merge, put, split};
use futures_util::StreamExt;
use windrow_read::{
    Follow, FollowOptions, ReadError, ShardReader, ShardRecord, Start, StreamRecord, Timestamp,
    follow, list,
};
use windrow_testkit::network::ServiceClock;

const FIRST: &str = "shardId-000000000000";
const SECOND: &str = "shardId-000000000001";
const THIRD: &str = "shardId-000000000002";
const FOURTH: &str = "shardId-000000000003";

/// A timeout that is reached only if a test hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// How long an iterator stays valid where that does not matter, as on AWS.
const ITERATOR_LIFETIME: Duration = Duration::from_secs(300);

fn fast_options() -> FollowOptions {
    let rediscovery_interval = Duration::from_millis(50);
    FollowOptions {
        poll_interval: Duration::from_millis(5),
        rediscovery_interval,
        ..FollowOptions::default()
    }
}

fn reader(client: &Client, shard: &str, start: Start) -> ShardReader {
    ShardReader::new(client.clone(), STREAM, shard, start)
}

fn text(record: &ShardRecord) -> &str {
    std::str::from_utf8(&record.data).unwrap()
}

fn texts(records: &[ShardRecord]) -> Vec<&str> {
    records.iter().map(text).collect()
}

/// The next record.
async fn next(follow: &mut Follow) -> StreamRecord {
    let next = tokio::time::timeout(LIMIT, follow.next());
    next.await.unwrap().unwrap().unwrap()
}

/// Whether no records arrive until `end` completes.
async fn is_quiet(follow: &mut Follow, end: impl Future<Output = ()>) -> bool {
    let quiet = async {
        tokio::select! {
            biased;
            _ = follow.next() => false,
            () = end => true,
        }
    };
    tokio::time::timeout(LIMIT, quiet).await.unwrap()
}

#[tokio::test]
async fn all_records_of_several_shards_are_read_in_pages() {
    let client = kinesis(3, ITERATOR_LIFETIME).await;
    for number in 0..40 {
        put(&client, &number.to_string(), &number.to_string()).await;
    }

    let mut read = BTreeSet::new();
    for shard in list(&client, STREAM).await.unwrap() {
        assert!(!shard.ended && shard.parents.is_empty());
        let mut reader = reader(&client, &shard.id, Start::TrimHorizon).limit(3);
        assert_eq!(reader.checkpoint(), None);
        loop {
            let page = reader.next_page().await.unwrap();
            assert!(page.records.len() <= 3 && !page.ended);
            let Some(last) = page.records.last() else {
                break;
            };
            assert_eq!(reader.checkpoint(), Some(last.sequence_number.as_str()));
            for record in &page.records {
                assert_eq!(record.partition_key, text(record));
                assert!(record.arrival > Timestamp::from_millis(1_600_000_000_000));
                assert!(read.insert(record.partition_key.parse::<u32>().unwrap()));
            }
        }
    }
    assert_eq!(read, (0..40).collect());
}

#[tokio::test]
async fn reader_starts_at_or_after_a_sequence_number() {
    let client = kinesis(1, ITERATOR_LIFETIME).await;
    put(&client, "Shadowfax", "one").await;
    let two = put(&client, "Shadowfax", "two").await;
    put(&client, "Shadowfax", "three").await;

    let page = reader(&client, FIRST, Start::AtSequence(two.clone()))
        .next_page()
        .await
        .unwrap();
    assert_eq!(texts(&page.records), ["two", "three"]);
    let page = reader(&client, FIRST, Start::AfterSequence(two))
        .next_page()
        .await
        .unwrap();
    assert_eq!(texts(&page.records), ["three"]);
}

#[tokio::test]
async fn closed_shard_ends_and_stays_ended() {
    let client = kinesis(1, ITERATOR_LIFETIME).await;
    put(&client, "Shadowfax", "one").await;
    split(&client, FIRST).await;

    let mut reader = reader(&client, FIRST, Start::TrimHorizon);
    let mut read = Vec::new();
    loop {
        let page = reader.next_page().await.unwrap();
        read.extend(page.records);
        if page.ended {
            break;
        }
    }
    assert_eq!(texts(&read), ["one"]);
    let page = reader.next_page().await.unwrap();
    assert!(page.ended && page.records.is_empty());
}

#[tokio::test]
async fn expired_iterator_is_renewed_at_the_same_record() {
    let client = kinesis(1, Duration::from_secs(1)).await;
    let mut latest = reader(&client, FIRST, Start::Latest);
    assert!(latest.next_page().await.unwrap().records.is_empty());
    put(&client, "Shadowfax", "one").await;
    let mut oldest = reader(&client, FIRST, Start::TrimHorizon);
    assert_eq!(texts(&oldest.next_page().await.unwrap().records), ["one"]);

    put(&client, "Shadowfax", "two").await;
    tokio::time::sleep(Duration::from_millis(1100)).await;

    assert_eq!(texts(&oldest.next_page().await.unwrap().records), ["two"]);
    assert_eq!(
        texts(&latest.next_page().await.unwrap().records),
        ["one", "two"]
    );
}

#[tokio::test]
async fn missing_stream_is_reported() {
    let client = kinesis(1, ITERATOR_LIFETIME).await;
    let is_missing = |error: &ReadError| match error {
        ReadError::NoSuchStream { name } => name == "elsewhere",
        _ => false,
    };

    assert!(is_missing(&list(&client, "elsewhere").await.unwrap_err()));
    let mut reader = ShardReader::new(client.clone(), "elsewhere", FIRST, Start::Latest);
    assert!(is_missing(&reader.next_page().await.unwrap_err()));
    let mut follow = follow(client, "elsewhere", Start::Latest, fast_options());
    assert!(is_missing(&follow.next().await.unwrap().unwrap_err()));
    assert!(follow.next().await.is_none());
}

/// Puts ten rounds of one record per key, `key:number`, with ascending numbers.
async fn write(client: &Client, from: u32) {
    for number in from..from + 10 {
        for key in [
            "Shadowfax",
            "Bucephalus",
            "Rocinante",
            "Franky",
            "Silver",
            "Binky",
        ] {
            put(client, key, &format!("{key}:{number}")).await;
        }
    }
}

#[tokio::test]
async fn resharding_while_writing_loses_nothing_and_keeps_the_order_per_key() {
    let (client, calls) = kinesis_with_calls(2, ITERATOR_LIFETIME).await;
    let writer = client.clone();
    let writing = tokio::spawn(async move {
        write(&writer, 0).await;
        split(&writer, FIRST).await;
        write(&writer, 10).await;
        merge(&writer, FOURTH, SECOND).await;
        write(&writer, 20).await;
        split(&writer, THIRD).await;
        write(&writer, 30).await;
    });

    let mut follow = follow(
        client.clone(),
        STREAM,
        Start::TrimHorizon,
        FollowOptions {
            limit: 7,
            ..fast_options()
        },
    );
    let mut numbers: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let mut order = Vec::new();
    while numbers.values().map(Vec::len).sum::<usize>() < 240 {
        let StreamRecord { shard, record, .. } = next(&mut follow).await;
        order.push(shard.to_string());
        let (key, number) = text(&record).split_once(':').unwrap();
        numbers
            .entry(key.to_owned())
            .or_default()
            .push(number.parse().unwrap());
    }
    writing.await.unwrap();

    assert_eq!(numbers.len(), 6);
    for (key, numbers) in numbers {
        assert_eq!(numbers, (0..40).collect::<Vec<u32>>(), "{key}");
    }
    let mut first = HashMap::new();
    let mut last = HashMap::new();
    for (index, shard) in order.iter().enumerate() {
        first.entry(shard).or_insert(index);
        last.insert(shard, index);
    }
    for shard in list(&client, STREAM).await.unwrap() {
        for parent in shard.parents {
            let (Some(parent), Some(child)) = (last.get(&parent), first.get(&shard.id)) else {
                continue;
            };
            assert!(parent < child, "{order:?}");
        }
    }
    assert!(is_quiet(&mut follow, calls.wait_for_pages(100)).await);
}

#[tokio::test]
async fn latest_skips_existing_records_and_misses_no_later_ones() {
    let (client, calls) = kinesis_with_calls(1, ITERATOR_LIFETIME).await;
    put(&client, "Shadowfax", "before the split").await;
    split(&client, FIRST).await;
    put(&client, "Shadowfax", "before the start").await;

    let mut follow = follow(client.clone(), STREAM, Start::Latest, fast_options());
    // Records put after this are later than the start.
    let started = async {
        calls.wait_for_iterators(&[SECOND, THIRD]).await;
        calls.wait_for_pages(10).await;
    };
    assert!(is_quiet(&mut follow, started).await);
    put(&client, "Shadowfax", "one").await;
    assert_eq!(text(&next(&mut follow).await.record), "one");

    merge(&client, SECOND, THIRD).await;
    put(&client, "Shadowfax", "two").await;
    let item = next(&mut follow).await;
    assert_eq!((&*item.shard, text(&item.record)), (FOURTH, "two"));
}

#[tokio::test]
async fn start_time_applies_to_children() {
    let (client, calls) = kinesis_with_calls(1, ITERATOR_LIFETIME).await;
    split(&client, FIRST).await;
    put(&client, "Shadowfax", "before").await;
    // The emulator reports arrival in whole seconds, and a new shard's clock is one second ahead.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let after = put(&client, "Shadowfax", "after").await;

    let mut arrival = None;
    for shard in [SECOND, THIRD] {
        let page = reader(&client, shard, Start::TrimHorizon)
            .next_page()
            .await
            .unwrap();
        let record = page
            .records
            .into_iter()
            .find(|record| record.sequence_number == after);
        arrival = arrival.or(record.map(|record| record.arrival));
    }
    let mut follow = follow(
        client,
        STREAM,
        Start::AtTimestamp(arrival.unwrap()),
        fast_options(),
    );
    assert_eq!(text(&next(&mut follow).await.record), "after");
    assert!(is_quiet(&mut follow, calls.wait_for_pages(100)).await);
}

#[tokio::test]
async fn wrong_clock_costs_one_call_whenever_it_is_set() {
    let clock = ServiceClock::default();
    let (client, _) = kinesis_with_clock(1, ITERATOR_LIFETIME, &clock).await;
    put(&client, "Shadowfax", "one").await;
    let mut rejected = 0;
    // The last one is stale: the clock is right again, and the client still corrects it.
    for ahead in [600, -600, 0] {
        clock.set(ahead);
        let mut reader = reader(&client, FIRST, Start::TrimHorizon);
        assert_eq!(texts(&reader.next_page().await.unwrap().records), ["one"]);
        rejected += 1;
        assert_eq!(clock.rejected(), rejected, "{ahead}");
    }
    assert_eq!(list(&client, STREAM).await.unwrap().len(), 1);
    assert_eq!(clock.rejected(), rejected);
}

#[tokio::test]
async fn signature_that_is_never_accepted_is_tried_twice() {
    let clock = ServiceClock::ahead_by(-603);
    let (client, _) = kinesis_with_clock(1, ITERATOR_LIFETIME, &clock).await;
    let broken = clock.clone().accepting_none();
    let url = serve(broken.of(axum::Router::new())).await;
    let config = client.config().to_builder().endpoint_url(url).build();
    let before = clock.rejected();
    let error = list(&aws_sdk_kinesis::Client::from_conf(config), STREAM)
        .await
        .unwrap_err();
    assert!(matches!(error, ReadError::Permanent { .. }), "{error}");
    assert_eq!(clock.rejected() - before, 2);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("this machine's clock is 10 min "), "{cause}");
    assert!(cause.ends_with(" ahead of AWS"), "{cause}");
}

async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}
