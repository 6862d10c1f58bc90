//! The configuration of a Lambda function, by its environment variables. Each case runs
//! [`describes_the_stream`] in a process of its own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::process::Command;
use windrow_connect::lambda_config;
use windrow_kinesis::{Kinesis, KinesisOptions};
use windrow_testkit::network::{ConnectProxy, PrivateCa};

const HOST: &str = "kinesis.eu-west-1.amazonaws.com";

/// What a function does: makes its configuration, and calls a service.
#[tokio::test]
#[ignore = "the other tests run it with variables"]
async fn describes_the_stream() {
    let config = match lambda_config().await {
        Ok(config) => config,
        Err(error) => panic!("no configuration: {error}"),
    };
    let client = aws_sdk_kinesis::Client::new(&config);
    let limits = client.describe_limits().send().await;
    println!("open shards: {}", limits.unwrap().open_shard_count);
}

/// Whether the call succeeded, and what it printed.
async fn call(variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--ignored",
        "--exact",
        "describes_the_stream",
        "--nocapture",
    ]);
    command.env_clear().envs(variables.iter().copied());
    command.envs([
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-west-1"),
    ]);
    let output = command.kill_on_drop(true).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

async fn kinesis() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (kinesis, _report) = Kinesis::open(KinesisOptions::new(folder.path())).unwrap();
    tokio::spawn(async move {
        // The folder goes with the server.
        let _folder = folder;
        axum::serve(listener, kinesis.router()).await
    });
    address
}

#[tokio::test]
async fn function_goes_by_the_proxy_and_trusts_the_certificate_authorities() {
    let ca = PrivateCa::generate();
    let server = ca.serve(&[HOST], kinesis().await).await;
    let proxy = ConnectProxy::start(server).await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ca.pem");
    std::fs::write(&bundle, ca.pem()).unwrap();
    let bundle = bundle.to_str().unwrap();
    let proxied = [("HTTPS_PROXY", proxy.url())];
    let [proxied] = proxied.each_ref().map(|(name, url)| (*name, url.as_str()));

    let (succeeded, output) = call(&[proxied, ("AWS_CA_BUNDLE", bundle)]).await;
    assert!(succeeded && output.contains("open shards: 0"), "{output}");
    assert_eq!(proxy.asked(), [format!("CONNECT {HOST}:443 HTTP/1.1")]);

    // Without the variable, the system's certificate authorities count, if it has any.
    let (succeeded, output) = call(&[proxied]).await;
    assert!(!succeeded, "{output}");
}

#[tokio::test]
async fn local_endpoint_goes_by_no_proxy() {
    let server = kinesis().await;
    let proxy = ConnectProxy::start(server).await;
    let (proxy_url, url) = (proxy.url(), format!("http://{server}"));
    let variables = [("HTTP_PROXY", &*proxy_url), ("AWS_ENDPOINT_URL", &*url)];
    let (succeeded, output) = call(&variables).await;
    assert!(succeeded && output.contains("open shards: 0"), "{output}");
    assert_eq!(proxy.asked(), [""; 0]);
}

#[tokio::test]
async fn unreadable_certificate_authorities_keep_a_function_from_starting() {
    let (succeeded, output) = call(&[("AWS_CA_BUNDLE", "/nonexistent/ca.pem")]).await;
    let expected = "no configuration: could not read /nonexistent/ca.pem, the certificate \
                    authorities of AWS_CA_BUNDLE";
    assert!(!succeeded && output.contains(expected), "{output}");
}
