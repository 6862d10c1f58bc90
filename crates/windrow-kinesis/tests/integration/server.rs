//! A Kinesis on a free port, with a client of the AWS SDK.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Shard, ShardIteratorType, StreamStatus};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use windrow_kinesis::{Kinesis, KinesisOptions};

pub(crate) const STREAM: &str = "wildrydes";
pub(crate) const FIRST: &str = "shardId-000000000000";

/// 2026-11-20 09:17:08.189.
pub(crate) const NOON: i64 = 1_795_166_228_189;

/// A running Kinesis.
pub(crate) struct TestServer {
    pub(crate) client: Client,
    pub(crate) kinesis: Kinesis,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) folder: TempDir,
    serving: JoinHandle<()>,
}

pub(crate) fn options(folder: &TempDir, clock: &Arc<AtomicI64>) -> KinesisOptions {
    let clock = Arc::clone(clock);
    let mut options = KinesisOptions::new(folder.path());
    options.clock = Arc::new(move || clock.load(Ordering::SeqCst));
    options
}

/// Starts a Kinesis with these changes to the options.
pub(crate) async fn start_with(change: impl FnOnce(&mut KinesisOptions)) -> TestServer {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(AtomicI64::new(NOON));
    let mut options = options(&folder, &clock);
    change(&mut options);
    let (kinesis, _) = Kinesis::open(options).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = kinesis.router();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url)
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    TestServer {
        client: Client::from_conf(config),
        kinesis,
        clock,
        folder,
        serving,
    }
}

/// Starts a Kinesis with a stream of this many shards.
pub(crate) async fn start(shards: i32) -> TestServer {
    let server = start_with(|_| {}).await;
    server.create(STREAM, shards).await;
    server
}

impl TestServer {
    pub(crate) async fn create(&self, name: &str, shards: i32) {
        let call = self.client.create_stream().stream_name(name);
        call.shard_count(shards).send().await.unwrap();
        self.active(name).await;
    }

    /// Waits until a stream is ACTIVE.
    pub(crate) async fn active(&self, name: &str) {
        loop {
            let call = self.client.describe_stream_summary().stream_name(name);
            let summary = call
                .send()
                .await
                .unwrap()
                .stream_description_summary
                .unwrap();
            if summary.stream_status == StreamStatus::Active {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn advance(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) async fn shards(&self) -> Vec<Shard> {
        let call = self.client.list_shards().stream_name(STREAM);
        call.send().await.unwrap().shards.unwrap()
    }

    /// Puts one record and returns its shard and its sequence number.
    pub(crate) async fn put(&self, key: &str, data: &str) -> (String, String) {
        let call = self.client.put_record().stream_name(STREAM);
        let call = call.partition_key(key).data(Blob::new(data));
        let put = call.send().await.unwrap();
        (put.shard_id, put.sequence_number)
    }

    pub(crate) async fn iterator(&self, shard: &str, kind: ShardIteratorType) -> String {
        let call = self.client.get_shard_iterator().stream_name(STREAM);
        let call = call.shard_id(shard).shard_iterator_type(kind);
        call.send().await.unwrap().shard_iterator.unwrap()
    }

    pub(crate) async fn read(&self, iterator: impl Into<String>) -> GetRecordsOutput {
        let call = self.client.get_records().shard_iterator(iterator);
        call.send().await.unwrap()
    }

    /// The oldest records of a shard.
    pub(crate) async fn oldest_page(&self, shard: &str) -> GetRecordsOutput {
        let iterator = self.iterator(shard, ShardIteratorType::TrimHorizon).await;
        self.read(iterator).await
    }

    /// The data of the oldest records of a shard, as text.
    pub(crate) async fn texts(&self, shard: &str) -> Vec<String> {
        let page = self.oldest_page(shard).await;
        let text = |data: &Blob| String::from_utf8(data.as_ref().to_vec()).unwrap();
        page.records
            .iter()
            .map(|record| text(&record.data))
            .collect()
    }

    /// Stops serving, and unlocks the folder.
    pub(crate) async fn stop(self) -> (TempDir, Arc<AtomicI64>) {
        self.serving.abort();
        let _ = self.serving.await;
        drop(self.kinesis);
        (self.folder, self.clock)
    }
}

pub(crate) fn entry(key: &str, data: &[u8]) -> PutRecordsRequestEntry {
    let entry = PutRecordsRequestEntry::builder().partition_key(key);
    entry.data(Blob::new(data)).build().unwrap()
}

/// The code and the message of an error.
pub(crate) fn failure<T: std::fmt::Debug, E, R>(
    result: Result<T, SdkError<E, R>>,
) -> (String, String)
where
    SdkError<E, R>: ProvideErrorMetadata,
{
    let error = result.unwrap_err();
    (
        error.code().unwrap_or_default().to_owned(),
        error.message().unwrap_or_default().to_owned(),
    )
}
