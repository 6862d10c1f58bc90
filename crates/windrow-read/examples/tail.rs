//! Follows a stream whose only shard is split, in an emulator in this process.
//!
//! `cargo run -p windrow-read --example tail`

use std::error::Error;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_kinesis::primitives::Blob;
use futures_util::StreamExt;
use windrow_kinesis::{Kinesis, KinesisOptions};
use windrow_read::{FollowOptions, Start, StreamRecord, follow};

const STREAM: &str = "wildrydes";
const MIDDLE_HASH_KEY: &str = "170141183460469231731687303715884105728";

async fn emulator() -> Result<Client, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (kinesis, _report) = Kinesis::open(KinesisOptions::new(folder.path()))?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        // The folder goes with the server.
        let _folder = folder;
        axum::serve(listener, kinesis.router()).await
    });

    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "example"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Ok(Client::from_conf(config))
}

async fn put(client: &Client, data: &str) -> Result<(), Box<dyn Error>> {
    let put = client
        .put_record()
        .stream_name(STREAM)
        .partition_key("Shadowfax");
    put.data(Blob::new(data)).send().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = emulator().await?;
    client
        .create_stream()
        .stream_name(STREAM)
        .shard_count(1)
        .send()
        .await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    put(&client, "before the split").await?;
    client
        .split_shard()
        .stream_name(STREAM)
        .shard_to_split("shardId-000000000000")
        .new_starting_hash_key(MIDDLE_HASH_KEY)
        .send()
        .await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    put(&client, "after the split").await?;

    let options = FollowOptions::default();
    let mut records = follow(client, STREAM, Start::TrimHorizon, options).take(2);
    while let Some(item) = records.next().await {
        let StreamRecord { shard, record, .. } = item?;
        println!("{shard} {}", String::from_utf8_lossy(&record.data));
    }
    Ok(())
}
