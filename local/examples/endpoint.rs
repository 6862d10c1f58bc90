//! Starts the local cloud's endpoint on a free port, creates a stream with the AWS SDK, and lists
//! it.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use local::endpoint::{Endpoint, EndpointOptions};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut options = EndpointOptions::new(folder.path());
    options.port = 0;
    let stop = CancellationToken::new();
    let endpoint = Endpoint::start(options, stop.clone()).await?;

    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "example"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint.url())
        .build();
    let client = Client::from_conf(config);
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
