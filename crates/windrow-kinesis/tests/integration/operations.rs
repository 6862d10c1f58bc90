//! Streams, their settings, tags and consumers.

use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    EncryptionType, MetricsName, ScalingType, ShardIteratorType, StreamMode, StreamModeDetails,
    StreamStatus,
};

use crate::server::{FIRST, NOON, STREAM, TestServer, failure, start, start_with};

async fn arn(server: &TestServer) -> String {
    server.active(STREAM).await;
    server.kinesis.stream_arn(STREAM)
}

fn mode(mode: StreamMode) -> StreamModeDetails {
    StreamModeDetails::builder()
        .stream_mode(mode)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_stream_is_created_described_and_deleted() {
    let delay = Duration::from_millis(200);
    let server = start_with(|options| options.change_delay = delay).await;
    let client = &server.client;
    let create = client
        .create_stream()
        .stream_name(STREAM)
        .shard_count(3)
        .tags("team", "rides");
    create.clone().send().await.unwrap();
    let description = async || {
        let call = client.describe_stream().stream_name(STREAM).send().await;
        call.map(|answer| answer.stream_description.unwrap())
    };
    let creating = description().await.unwrap();
    assert_eq!(
        (creating.stream_status, creating.shards.len()),
        (StreamStatus::Creating, 0)
    );
    let early = client
        .put_record()
        .stream_name(STREAM)
        .partition_key("k")
        .data(Blob::new("x"));
    assert_eq!(failure(early.send().await).0, "ResourceNotFoundException");
    assert_eq!(failure(create.send().await).0, "ResourceInUseException");
    server.active(STREAM).await;

    let active = description().await.unwrap();
    assert_eq!(active.shards.len(), 3);
    assert_eq!(
        active.stream_arn,
        "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes"
    );
    assert_eq!(active.stream_creation_timestamp.to_millis().unwrap(), NOON);
    assert_eq!(
        (active.retention_period_hours, active.has_more_shards),
        (24, false)
    );
    assert_eq!(active.encryption_type, Some(EncryptionType::None));
    assert_eq!(
        active.stream_mode_details,
        Some(mode(StreamMode::Provisioned))
    );
    let page = client
        .describe_stream()
        .stream_name(STREAM)
        .limit(2)
        .send()
        .await
        .unwrap();
    let page = page.stream_description.unwrap();
    assert_eq!((page.shards.len(), page.has_more_shards), (2, true));
    let last = page.shards[1].shard_id.clone();
    let call = client
        .describe_stream()
        .stream_name(STREAM)
        .exclusive_start_shard_id(last);
    let page = call.send().await.unwrap().stream_description.unwrap();
    assert_eq!((page.shards.len(), page.has_more_shards), (1, false));

    client
        .delete_stream()
        .stream_name(STREAM)
        .send()
        .await
        .unwrap();
    assert_eq!(
        description().await.unwrap().stream_status,
        StreamStatus::Deleting
    );
    tokio::time::sleep(delay).await;
    let (code, message) = failure(description().await);
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(
        message,
        "Stream wildrydes under account 000000000000 not found."
    );
    server.create(STREAM, 1).await;
    assert!(server.texts(FIRST).await.is_empty());
}

#[tokio::test]
async fn an_on_demand_stream_has_four_shards_and_can_change_its_mode() {
    let server = start_with(|_| {}).await;
    let call = server.client.create_stream().stream_name(STREAM);
    let call = call.stream_mode_details(mode(StreamMode::OnDemand));
    call.send().await.unwrap();
    server.active(STREAM).await;
    let summary = async || {
        let call = server.client.describe_stream_summary().stream_name(STREAM);
        call.send()
            .await
            .unwrap()
            .stream_description_summary
            .unwrap()
    };
    let described = summary().await;
    assert_eq!(described.open_shard_count, 4);
    assert_eq!(described.max_record_size_in_kib, Some(1024));
    assert_eq!(
        described.stream_mode_details,
        Some(mode(StreamMode::OnDemand))
    );
    let limits = server.client.describe_limits().send().await.unwrap();
    assert_eq!((limits.open_shard_count, limits.shard_limit), (4, 1000));
    assert_eq!(limits.on_demand_stream_count, 1);
    let call = server
        .client
        .update_stream_mode()
        .stream_arn(arn(&server).await);
    call.stream_mode_details(mode(StreamMode::Provisioned))
        .send()
        .await
        .unwrap();
    assert_eq!(
        summary().await.stream_mode_details,
        Some(mode(StreamMode::Provisioned))
    );
    server
        .client
        .describe_account_settings()
        .send()
        .await
        .unwrap();
    let call = server.client.create_stream().stream_name("other");
    assert_eq!(failure(call.send().await).0, "InvalidArgumentException");
}

#[tokio::test]
async fn streams_are_listed_by_pages() {
    let server = start_with(|_| {}).await;
    for name in ["c", "a", "e", "b", "d"] {
        server.create(name, 1).await;
    }
    let mut names = Vec::new();
    let mut token = None;
    loop {
        let call = server.client.list_streams().limit(2).set_next_token(token);
        let page = call.send().await.unwrap();
        assert_eq!(page.stream_summaries().len(), page.stream_names.len());
        assert_eq!(page.has_more_streams, page.next_token.is_some());
        names.extend(page.stream_names);
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    let call = server
        .client
        .list_streams()
        .exclusive_start_stream_name("c");
    assert_eq!(call.send().await.unwrap().stream_names, ["d", "e"]);
    assert_eq!(server.kinesis.stream_names(), names);
}

#[tokio::test]
async fn every_operation_takes_the_arn_alone() {
    let server = start(1).await;
    let client = &server.client;
    let put = client.put_record().stream_arn(arn(&server).await);
    let put = put.partition_key("k").data(Blob::new("x"));
    put.clone().send().await.unwrap();
    // The KPL sends both.
    put.clone().stream_name(STREAM).send().await.unwrap();
    assert_eq!(
        failure(put.stream_name("other").send().await).0,
        "InvalidArgumentException"
    );
    let call = client.put_records().stream_arn(arn(&server).await);
    call.records(crate::server::entry("k", b"x"))
        .send()
        .await
        .unwrap();
    let call = client
        .get_shard_iterator()
        .stream_arn(arn(&server).await)
        .shard_id(FIRST);
    let call = call.shard_iterator_type(ShardIteratorType::TrimHorizon);
    let iterator = call.send().await.unwrap().shard_iterator.unwrap();
    let call = client.get_records().stream_arn(arn(&server).await);
    assert_eq!(
        call.shard_iterator(iterator)
            .send()
            .await
            .unwrap()
            .records
            .len(),
        3
    );
    client
        .describe_stream()
        .stream_arn(arn(&server).await)
        .send()
        .await
        .unwrap();
    client
        .describe_stream_summary()
        .stream_arn(arn(&server).await)
        .send()
        .await
        .unwrap();
    client
        .list_shards()
        .stream_arn(arn(&server).await)
        .send()
        .await
        .unwrap();
    client
        .add_tags_to_stream()
        .stream_arn(arn(&server).await)
        .tags("a", "b")
        .send()
        .await
        .unwrap();
    client
        .list_tags_for_stream()
        .stream_arn(arn(&server).await)
        .send()
        .await
        .unwrap();
    let call = client
        .remove_tags_from_stream()
        .stream_arn(arn(&server).await);
    call.tag_keys("a").send().await.unwrap();
    let call = client
        .increase_stream_retention_period()
        .stream_arn(arn(&server).await);
    call.retention_period_hours(48).send().await.unwrap();
    let call = client
        .decrease_stream_retention_period()
        .stream_arn(arn(&server).await);
    call.retention_period_hours(24).send().await.unwrap();
    let call = client
        .split_shard()
        .stream_arn(arn(&server).await)
        .shard_to_split(FIRST);
    call.new_starting_hash_key("1000").send().await.unwrap();
    let call = client.merge_shards().stream_arn(arn(&server).await);
    let call = call.shard_to_merge("shardId-000000000001");
    call.adjacent_shard_to_merge("shardId-000000000002")
        .send()
        .await
        .unwrap();
    let call = client.update_shard_count().stream_arn(arn(&server).await);
    let call = call
        .target_shard_count(2)
        .scaling_type(ScalingType::UniformScaling);
    call.send().await.unwrap();
    let call = client
        .start_stream_encryption()
        .stream_arn(arn(&server).await);
    let call = call
        .encryption_type(EncryptionType::Kms)
        .key_id("alias/aws/kinesis");
    call.send().await.unwrap();
    let call = client
        .stop_stream_encryption()
        .stream_arn(arn(&server).await);
    let call = call
        .encryption_type(EncryptionType::Kms)
        .key_id("alias/aws/kinesis");
    call.send().await.unwrap();
    for foreign in [
        "arn:aws:kinesis:us-east-1:111111111111:stream/wildrydes",
        "arn:aws:kinesis:eu-west-1:000000000000:stream/wildrydes",
    ] {
        let call = client.describe_stream().stream_arn(foreign);
        assert_eq!(failure(call.send().await).0, "ResourceNotFoundException");
    }
    let (code, message) = failure(
        client
            .describe_stream()
            .stream_arn("wildrydes")
            .send()
            .await,
    );
    assert_eq!(code, "ValidationException");
    assert!(message.contains("'streamARN'"), "{message}");
    let neither = client.describe_stream().send().await;
    assert_eq!(failure(neither).0, "InvalidArgumentException");
    client
        .delete_stream()
        .stream_arn(arn(&server).await)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn settings_are_changed_and_survive_a_restart() {
    let server = start(1).await;
    let client = &server.client;
    for (hours, code) in [
        (23, Some("InvalidArgumentException")),
        (8761, Some("InvalidArgumentException")),
        (8760, None),
    ] {
        let call = client
            .increase_stream_retention_period()
            .stream_name(STREAM);
        let result = call.retention_period_hours(hours).send().await;
        match code {
            Some(code) => assert_eq!(failure(result).0, code),
            None => drop(result.unwrap()),
        }
    }
    let call = client
        .increase_stream_retention_period()
        .stream_name(STREAM);
    let shorter = call.retention_period_hours(100).send().await;
    assert_eq!(failure(shorter).0, "InvalidArgumentException");
    let call = client.start_stream_encryption().stream_name(STREAM);
    let call = call.encryption_type(EncryptionType::Kms).key_id("key");
    call.send().await.unwrap();
    let call = client.enable_enhanced_monitoring().stream_name(STREAM);
    let answer = call
        .shard_level_metrics(MetricsName::IncomingBytes)
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.desired_shard_level_metrics.unwrap(),
        [MetricsName::IncomingBytes]
    );
    let call = client.enable_enhanced_monitoring().stream_name(STREAM);
    let answer = call
        .shard_level_metrics(MetricsName::All)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.desired_shard_level_metrics.unwrap().len(), 7);
    let call = client.disable_enhanced_monitoring().stream_name(STREAM);
    let answer = call
        .shard_level_metrics(MetricsName::IncomingBytes)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.desired_shard_level_metrics.unwrap().len(), 6);
    server.put("k", "x").await;

    let (folder, clock) = server.stop().await;
    let server = start_with(|options| {
        options.folder = folder.path().to_owned();
        options.clock =
            std::sync::Arc::new(move || clock.load(std::sync::atomic::Ordering::SeqCst));
    })
    .await;
    let call = server.client.describe_stream().stream_name(STREAM);
    let described = call.send().await.unwrap().stream_description.unwrap();
    assert_eq!(described.retention_period_hours, 8760);
    assert_eq!(described.key_id.as_deref(), Some("key"));
    assert_eq!(
        described.enhanced_monitoring[0].shard_level_metrics().len(),
        6
    );
    let page = server.oldest_page(FIRST).await;
    assert_eq!(page.records[0].encryption_type, Some(EncryptionType::Kms));
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let server = start(1).await;
    let call = server
        .client
        .put_record()
        .stream_name(STREAM)
        .partition_key("k");
    let call = call.data(Blob::new("x")).dry_run(true);
    assert_eq!(failure(call.send().await).0, "DryRunOperationException");
    let call = server
        .client
        .get_shard_iterator()
        .stream_name(STREAM)
        .shard_id(FIRST);
    let call = call
        .shard_iterator_type(ShardIteratorType::Latest)
        .dry_run(true);
    assert_eq!(failure(call.send().await).0, "DryRunOperationException");
    assert!(server.texts(FIRST).await.is_empty());
}
