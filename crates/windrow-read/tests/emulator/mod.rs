//! A Kinesis emulator on a loopback port.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_kinesis::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_kinesis::types::StreamStatus;
use aws_sdk_kinesis::{Client, primitives::Blob};
use aws_smithy_http_client::Builder;
use axum::body::{self, Body};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use windrow_kinesis::{Kinesis, KinesisOptions};
use windrow_testkit::network::ServiceClock;

pub(crate) const STREAM: &str = "wildrydes";

/// The completed calls of the emulator's readers.
#[derive(Clone, Default)]
pub(crate) struct ReaderCalls {
    /// The number of GetRecords calls.
    pages: watch::Sender<u64>,
    /// The shards that have an iterator.
    iterators: watch::Sender<BTreeSet<String>>,
}

impl ReaderCalls {
    /// Waits until `more` further pages have been read.
    pub(crate) async fn wait_for_pages(&self, more: u64) {
        let mut pages = self.pages.subscribe();
        let target = *pages.borrow() + more;
        pages.wait_for(|pages| *pages >= target).await.unwrap();
    }

    /// Waits until each of the shards has an iterator.
    pub(crate) async fn wait_for_iterators(&self, shards: &[&str]) {
        let mut iterators = self.iterators.subscribe();
        let has = |made: &BTreeSet<String>| shards.iter().all(|shard| made.contains(*shard));
        iterators.wait_for(has).await.unwrap();
    }
}

async fn count(State(calls): State<ReaderCalls>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.unwrap();
    let target = parts.headers.get("x-amz-target").cloned();
    let request = Request::from_parts(parts, Body::from(body.clone()));
    let response = next.run(request).await;
    let target = target.as_ref().and_then(|target| target.to_str().ok());
    match target.and_then(|target| target.split_once('.')) {
        Some((_, "GetRecords")) => calls.pages.send_modify(|pages| *pages += 1),
        Some((_, "GetShardIterator")) => calls.iterators.send_modify(|iterators| {
            let call: Value = serde_json::from_slice(&body).unwrap();
            iterators.insert(call["ShardId"].as_str().unwrap().to_owned());
        }),
        _ => {}
    }
    response
}

/// A local Kinesis with the stream [`STREAM`].
pub(crate) async fn kinesis(shards: i32, iterator_lifetime: Duration) -> Client {
    kinesis_with_calls(shards, iterator_lifetime).await.0
}

/// Like [`kinesis`], and also returns the calls of its readers.
pub(crate) async fn kinesis_with_calls(
    shards: i32,
    iterator_lifetime: Duration,
) -> (Client, ReaderCalls) {
    kinesis_with_clock(shards, iterator_lifetime, &ServiceClock::default()).await
}

/// Like [`kinesis_with_calls`], by this clock.
pub(crate) async fn kinesis_with_clock(
    shards: i32,
    iterator_lifetime: Duration,
    clock: &ServiceClock,
) -> (Client, ReaderCalls) {
    let calls = ReaderCalls::default();
    let folder = tempfile::tempdir().unwrap();
    let mut options = KinesisOptions::new(folder.path());
    options.iterator_lifetime = iterator_lifetime;
    let (kinesis, _report) = Kinesis::open(options).unwrap();
    let app = kinesis
        .router()
        .layer(from_fn_with_state(calls.clone(), count));
    let app = clock.of(app);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        // The folder goes with the server.
        let _folder = folder;
        axum::serve(listener, app).await
    });

    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .http_client(Builder::new().build_http())
        .build();
    let client = Client::from_conf(config);
    client
        .create_stream()
        .stream_name(STREAM)
        .shard_count(shards)
        .send()
        .await
        .unwrap();
    until_active(&client).await;
    (client, calls)
}

/// Waits until the stream takes changes.
pub(crate) async fn until_active(client: &Client) {
    loop {
        let output = client
            .describe_stream_summary()
            .stream_name(STREAM)
            .send()
            .await
            .unwrap();
        let summary = output.stream_description_summary;
        if summary.is_some_and(|summary| summary.stream_status == StreamStatus::Active) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Puts one record and returns its sequence number.
pub(crate) async fn put(client: &Client, key: &str, data: &str) -> String {
    let put = client
        .put_record()
        .stream_name(STREAM)
        .partition_key(key)
        .data(Blob::new(data));
    put.send().await.unwrap().sequence_number
}

/// Splits a shard in the middle of its keys.
pub(crate) async fn split(client: &Client, shard: &str) {
    let listing = client
        .list_shards()
        .stream_name(STREAM)
        .send()
        .await
        .unwrap();
    let shard = listing
        .shards()
        .iter()
        .find(|listed| listed.shard_id() == shard)
        .unwrap();
    let range = shard.hash_key_range().unwrap();
    let low: u128 = range.starting_hash_key().parse().unwrap();
    let high: u128 = range.ending_hash_key().parse().unwrap();
    client
        .split_shard()
        .stream_name(STREAM)
        .shard_to_split(shard.shard_id())
        .new_starting_hash_key((low + (high - low) / 2 + 1).to_string())
        .send()
        .await
        .unwrap();
    until_active(client).await;
}

/// Merges two shards that are next to each other.
pub(crate) async fn merge(client: &Client, shard: &str, adjacent: &str) {
    client
        .merge_shards()
        .stream_name(STREAM)
        .shard_to_merge(shard)
        .adjacent_shard_to_merge(adjacent)
        .send()
        .await
        .unwrap();
    until_active(client).await;
}
