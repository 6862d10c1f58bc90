//! SubscribeToShard.

use std::time::Duration;

use aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardOutput;
use aws_sdk_kinesis::types::{
    ShardIteratorType, StartingPosition, SubscribeToShardEvent, SubscribeToShardEventStream,
};

use crate::server::{FIRST, STREAM, TestServer, failure, start};

async fn consumer(server: &TestServer) -> String {
    let call = server.client.register_stream_consumer();
    let call = call
        .stream_arn(server.kinesis.stream_arn(STREAM))
        .consumer_name("c");
    call.send().await.unwrap().consumer.unwrap().consumer_arn
}

async fn next(subscription: &mut SubscribeToShardOutput) -> Option<SubscribeToShardEvent> {
    let event = tokio::time::timeout(Duration::from_secs(60), subscription.event_stream.recv());
    match event.await.unwrap().unwrap()? {
        SubscribeToShardEventStream::SubscribeToShardEvent(event) => Some(event),
        other => panic!("{other:?}"),
    }
}

fn texts(event: &SubscribeToShardEvent) -> Vec<String> {
    let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
    event
        .records
        .iter()
        .map(|record| text(record.data.as_ref()))
        .collect()
}

fn at(kind: ShardIteratorType, number: Option<String>) -> StartingPosition {
    let position = StartingPosition::builder().r#type(kind);
    position.set_sequence_number(number).build().unwrap()
}

#[tokio::test]
async fn records_are_pushed_until_the_shard_ends() {
    let server = start(1).await;
    let consumer = consumer(&server).await;
    server.put("k", "a").await;
    let subscribe = |position| {
        let call = server.client.subscribe_to_shard().consumer_arn(&consumer);
        call.shard_id(FIRST).starting_position(position).send()
    };
    let mut subscription = subscribe(at(ShardIteratorType::TrimHorizon, None))
        .await
        .unwrap();
    assert_eq!(texts(&next(&mut subscription).await.unwrap()), ["a"]);
    server.put("k", "b").await;
    let event = next(&mut subscription).await.unwrap();
    assert_eq!(
        (texts(&event), event.millis_behind_latest),
        (vec!["b".to_owned()], 0)
    );
    let again = subscribe(at(ShardIteratorType::Latest, None)).await;
    assert_eq!(failure(again).0, "ResourceInUseException");

    // A subscription that broke off goes on after its last event.
    drop(subscription);
    server.put("k", "c").await;
    let position = at(
        ShardIteratorType::AfterSequenceNumber,
        Some(event.continuation_sequence_number),
    );
    let mut subscription = loop {
        // The server has yet to notice.
        if let Ok(subscription) = subscribe(position.clone()).await {
            break subscription;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(texts(&next(&mut subscription).await.unwrap()), ["c"]);
    let call = server
        .client
        .split_shard()
        .stream_name(STREAM)
        .shard_to_split(FIRST);
    call.new_starting_hash_key("1000").send().await.unwrap();
    loop {
        let event = next(&mut subscription).await.unwrap();
        assert!(event.records.is_empty());
        if event.child_shards().len() == 2 {
            break;
        }
    }
    assert!(next(&mut subscription).await.is_none());
}

#[tokio::test]
async fn a_consumer_that_is_deregistered_hears_no_more() {
    let server = start(1).await;
    let consumer = consumer(&server).await;
    let call = server
        .client
        .subscribe_to_shard()
        .consumer_arn(&consumer)
        .shard_id(FIRST);
    let call = call.starting_position(at(ShardIteratorType::Latest, None));
    let mut subscription = call.clone().send().await.unwrap();
    assert!(next(&mut subscription).await.unwrap().records.is_empty());
    let deregister = server
        .client
        .deregister_stream_consumer()
        .consumer_arn(&consumer);
    deregister.send().await.unwrap();
    server.put("k", "a").await;
    assert!(next(&mut subscription).await.is_none());
    assert_eq!(failure(call.send().await).0, "ResourceNotFoundException");
}
