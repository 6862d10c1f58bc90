//! Splits, merges, new counts, and the lists of shards.

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{
    ScalingType, Shard, ShardFilter, ShardFilterType, ShardIteratorType, StreamMode,
    StreamModeDetails,
};

use crate::server::{FIRST, STREAM, TestServer, entry, failure, start, start_with};

fn id(number: u32) -> String {
    format!("shardId-{number:012}")
}

async fn split(server: &TestServer, shard: u32, at: u128) {
    let call = server.client.split_shard().stream_name(STREAM);
    let call = call
        .shard_to_split(id(shard))
        .new_starting_hash_key(at.to_string());
    call.send().await.unwrap();
    server.active(STREAM).await;
}

async fn merge(server: &TestServer, one: u32, other: u32) {
    let call = server.client.merge_shards().stream_name(STREAM);
    let call = call
        .shard_to_merge(id(one))
        .adjacent_shard_to_merge(id(other));
    call.send().await.unwrap();
    server.active(STREAM).await;
}

fn numbers(shards: &[Shard]) -> Vec<u32> {
    let number = |shard: &Shard| shard.shard_id.rsplit('-').next().unwrap().parse().unwrap();
    shards.iter().map(number).collect()
}

/// Checks that the open shards cover every hash key once.
fn assert_whole(shards: &[Shard]) {
    let mut ranges: Vec<(u128, u128)> = shards
        .iter()
        .filter(|shard| {
            shard
                .sequence_number_range
                .as_ref()
                .unwrap()
                .ending_sequence_number
                .is_none()
        })
        .map(|shard| {
            let range = shard.hash_key_range.as_ref().unwrap();
            (
                range.starting_hash_key.parse().unwrap(),
                range.ending_hash_key.parse().unwrap(),
            )
        })
        .collect();
    ranges.sort_unstable();
    assert_eq!((ranges[0].0, ranges.last().unwrap().1), (0, u128::MAX));
    assert!(
        ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0),
        "{ranges:?}"
    );
}

#[tokio::test]
async fn a_split_ends_the_parent_and_names_its_children() {
    let server = start(1).await;
    let iterator = server.iterator(FIRST, ShardIteratorType::TrimHorizon).await;
    let (_, before) = server.put("k", "a").await;
    split(&server, 0, 1 << 127).await;
    let (shard, after) = server.put("k", "b").await;
    assert!(shard != FIRST && after > before);

    let page = server
        .client
        .get_records()
        .shard_iterator(iterator)
        .limit(1)
        .send()
        .await
        .unwrap();
    assert_eq!(page.records.len(), 1);
    let children = match page.next_shard_iterator {
        None => page.child_shards,
        Some(next) => {
            let page = server.read(next).await;
            assert!(page.records.is_empty() && page.next_shard_iterator.is_none());
            page.child_shards
        }
    }
    .unwrap();
    let ids: Vec<_> = children
        .iter()
        .map(|child| child.shard_id.clone())
        .collect();
    assert_eq!(ids, [id(1), id(2)]);
    assert!(children.iter().all(|child| child.parent_shards == [FIRST]));

    let shards = server.shards().await;
    assert_whole(&shards);
    let parent = shards[0].sequence_number_range.as_ref().unwrap();
    assert!(parent.ending_sequence_number.as_ref().unwrap() > &before);
    for child in &shards[1..] {
        assert_eq!(child.parent_shard_id.as_deref(), Some(FIRST));
        let range = child.sequence_number_range.as_ref().unwrap();
        assert!(Some(&range.starting_sequence_number) > parent.ending_sequence_number.as_ref());
    }
    let call = server
        .client
        .split_shard()
        .stream_name(STREAM)
        .shard_to_split(FIRST);
    let again = call.new_starting_hash_key("5").send().await;
    assert_eq!(failure(again).0, "ResourceInUseException");
    let call = server
        .client
        .split_shard()
        .stream_name(STREAM)
        .shard_to_split(id(1));
    let outside = call
        .new_starting_hash_key(u128::MAX.to_string())
        .send()
        .await;
    assert_eq!(failure(outside).0, "InvalidArgumentException");
}

#[tokio::test]
async fn a_merge_has_two_parents() {
    let server = start(3).await;
    merge(&server, 1, 0).await;
    let shards = server.shards().await;
    assert_whole(&shards);
    let child = &shards[3];
    assert_eq!(child.parent_shard_id, Some(id(1)));
    assert_eq!(child.adjacent_parent_shard_id, Some(id(0)));
    let call = server
        .client
        .merge_shards()
        .stream_name(STREAM)
        .shard_to_merge(id(0));
    let closed = call.adjacent_shard_to_merge(id(2)).send().await;
    assert_eq!(failure(closed).0, "ResourceInUseException");
    split(&server, 2, u128::MAX - 1000).await;
    let call = server
        .client
        .merge_shards()
        .stream_name(STREAM)
        .shard_to_merge(id(3));
    let apart = call.adjacent_shard_to_merge(id(5)).send().await;
    assert_eq!(failure(apart).0, "InvalidArgumentException");
}

#[tokio::test]
async fn update_shard_count_keeps_every_hash_key_and_lineage() {
    let server = start(1).await;
    for count in [2, 3, 5, 9, 6, 4, 2, 1] {
        let call = server.client.update_shard_count().stream_name(STREAM);
        let call = call
            .target_shard_count(count)
            .scaling_type(ScalingType::UniformScaling);
        let answer = call.send().await.unwrap();
        assert_eq!(answer.target_shard_count, Some(count));
        server.active(STREAM).await;
        let shards = server.shards().await;
        assert_whole(&shards);
        let call = server.client.describe_stream_summary().stream_name(STREAM);
        let summary = call
            .send()
            .await
            .unwrap()
            .stream_description_summary
            .unwrap();
        assert_eq!(summary.open_shard_count, count);
        assert!(
            shards
                .iter()
                .skip(1)
                .all(|shard| shard.parent_shard_id.is_some())
        );
    }
    let call = server.client.update_shard_count().stream_name(STREAM);
    let call = call
        .target_shard_count(3)
        .scaling_type(ScalingType::UniformScaling);
    assert_eq!(failure(call.send().await).0, "LimitExceededException");
}

#[tokio::test]
async fn the_shard_limit_counts_open_shards_of_all_streams() {
    let server = start_with(|options| options.shard_limit = 3).await;
    server.create(STREAM, 2).await;
    let call = server
        .client
        .create_stream()
        .stream_name("other")
        .shard_count(2);
    assert_eq!(failure(call.send().await).0, "LimitExceededException");
    split(&server, 0, 1000).await;
    let call = server
        .client
        .split_shard()
        .stream_name(STREAM)
        .shard_to_split(id(1));
    let split = call.new_starting_hash_key((u128::MAX - 1000).to_string());
    assert_eq!(failure(split.send().await).0, "LimitExceededException");
}

#[tokio::test]
async fn shards_are_listed_by_pages_with_a_token_alone() {
    let server = start(5).await;
    let call = server
        .client
        .list_shards()
        .stream_name(STREAM)
        .max_results(2);
    let mut page = call.send().await.unwrap();
    let mut all = page.shards.take().unwrap();
    let mut pages = 1;
    while let Some(token) = page.next_token.take() {
        let call = server.client.list_shards().next_token(token).max_results(2);
        page = call.send().await.unwrap();
        all.extend(page.shards.take().unwrap());
        pages += 1;
    }
    assert_eq!((numbers(&all), pages), (vec![0, 1, 2, 3, 4], 3));
    let call = server.client.list_shards().stream_name(STREAM);
    let after = call
        .clone()
        .exclusive_start_shard_id(id(2))
        .send()
        .await
        .unwrap();
    assert_eq!(numbers(&after.shards.unwrap()), [3, 4]);
    // The AWS CLI and boto3 send the name again. AWS rejects that.
    let page = call.clone().max_results(2).send().await.unwrap();
    let named = call.next_token(page.next_token.unwrap());
    let rest = named.clone().send().await.unwrap();
    assert_eq!(numbers(&rest.shards.unwrap()), [2, 3, 4]);
    server.create("other", 1).await;
    let other = named.clone().stream_name("other").send().await;
    assert_eq!(failure(other).0, "InvalidArgumentException");
    let both = named.exclusive_start_shard_id(id(1)).send().await;
    assert_eq!(failure(both).0, "InvalidArgumentException");
    let call = server.client.list_shards().next_token("AAAA");
    assert_eq!(failure(call.send().await).0, "InvalidArgumentException");
    let call = server.client.list_shards().stream_name("none");
    assert_eq!(failure(call.send().await).0, "ResourceNotFoundException");
}

#[tokio::test]
async fn every_shard_filter_selects_what_aws_documents() {
    let server = start(2).await;
    let created = server.clock.load(std::sync::atomic::Ordering::SeqCst);
    server.advance(1000);
    split(&server, 0, 1000).await;
    server.advance(1000);
    merge(&server, 2, 3).await;
    server.advance(1000);
    let list = async |kind: ShardFilterType, shard: Option<String>, time: Option<i64>| {
        let filter = ShardFilter::builder().r#type(kind).set_shard_id(shard);
        let filter = filter
            .set_timestamp(time.map(DateTime::from_millis))
            .build()
            .unwrap();
        let call = server
            .client
            .list_shards()
            .stream_name(STREAM)
            .shard_filter(filter);
        numbers(&call.send().await.unwrap().shards.unwrap())
    };
    use ShardFilterType as Filter;
    assert_eq!(list(Filter::AtLatest, None, None).await, [1, 4]);
    assert_eq!(list(Filter::AtTrimHorizon, None, None).await, [0, 1]);
    assert_eq!(
        list(Filter::FromTrimHorizon, None, None).await,
        [0, 1, 2, 3, 4]
    );
    assert_eq!(
        list(Filter::AfterShardId, Some(id(1)), None).await,
        [2, 3, 4]
    );
    assert_eq!(
        list(Filter::AtTimestamp, None, Some(created + 1500)).await,
        [1, 2, 3]
    );
    assert_eq!(
        list(Filter::FromTimestamp, None, Some(created + 1500)).await,
        [1, 2, 3, 4]
    );
    let filter = ShardFilter::builder()
        .r#type(Filter::AtTimestamp)
        .build()
        .unwrap();
    let call = server
        .client
        .list_shards()
        .stream_name(STREAM)
        .shard_filter(filter);
    assert_eq!(failure(call.send().await).0, "InvalidArgumentException");

    // A closed shard goes with its last record.
    server.advance(24 * 3_600_000 - 2000);
    assert_eq!(numbers(&server.shards().await), [0, 1, 2, 3, 4]);
    server.advance(1);
    assert_eq!(numbers(&server.shards().await), [1, 2, 3, 4]);
}

/// Puts go on while shards are split and merged, and none is lost or doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resharding_loses_no_put_that_is_under_way() {
    let server = start_with(|options| options.write_limits = false).await;
    server.create(STREAM, 2).await;
    let client = server.client.clone();
    let writer = tokio::spawn(async move {
        for put in 0..150 {
            let text = |n| format!("{put}:{n}");
            let records = (0..20)
                .map(|n| entry(&text(n), text(n).as_bytes()))
                .collect();
            let call = client.put_records().stream_name(STREAM);
            let answer = call.set_records(Some(records)).send().await.unwrap();
            assert_eq!(answer.failed_record_count, Some(0));
        }
    });
    for count in [4, 2, 3, 5, 3, 2] {
        let call = server.client.update_shard_count().stream_name(STREAM);
        let call = call
            .target_shard_count(count)
            .scaling_type(ScalingType::UniformScaling);
        call.send().await.unwrap();
        server.active(STREAM).await;
    }
    writer.await.unwrap();
    let mut all = Vec::new();
    for shard in server.shards().await {
        all.extend(server.texts(&shard.shard_id).await);
    }
    assert_eq!(all.len(), 150 * 20);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 150 * 20);
}

#[tokio::test]
async fn an_on_demand_stream_cannot_be_resharded() {
    let server = start_with(|_| {}).await;
    let client = &server.client;
    let on_demand = StreamModeDetails::builder()
        .stream_mode(StreamMode::OnDemand)
        .build()
        .unwrap();
    let create = client.create_stream().stream_name(STREAM);
    let create = create.stream_mode_details(on_demand);
    create.send().await.unwrap();
    server.active(STREAM).await;

    let split = client.split_shard().stream_name(STREAM);
    let split = split.shard_to_split(FIRST).new_starting_hash_key("1000");
    let merge = client.merge_shards().stream_name(STREAM);
    let merge = merge.shard_to_merge(FIRST).adjacent_shard_to_merge(id(1));
    let update = client.update_shard_count().stream_name(STREAM);
    let update = update
        .target_shard_count(5)
        .scaling_type(ScalingType::UniformScaling);
    for failed in [
        failure(split.send().await).0,
        failure(merge.send().await).0,
        failure(update.send().await).0,
    ] {
        assert_eq!(failed, "ValidationException");
    }
}
