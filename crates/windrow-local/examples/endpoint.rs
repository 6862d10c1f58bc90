//! Starts the local cloud's endpoint on a free port, creates a stream with the AWS SDK, and lists
//! it.

use aws_sdk_kinesis::Client;
use tokio_util::sync::CancellationToken;
use windrow_local::endpoint::{Endpoint, EndpointOptions};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut options = EndpointOptions::new(folder.path());
    options.port = 0;
    let stop = CancellationToken::new();
    let endpoint = Endpoint::start(options, stop.clone()).await?;

    let client = Client::new(&windrow_connect::local_config(&endpoint.url()));
    client
        .create_stream()
        .stream_name("wildrydes")
        .shard_count(1)
        .send()
        .await?;
    println!("{:?}", client.list_streams().send().await?.stream_names());

    stop.cancel();
    endpoint.stopped().await;
    Ok(())
}
