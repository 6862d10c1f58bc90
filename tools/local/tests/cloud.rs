//! The page, the endpoint that it calls, and the program.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::ShardIteratorType;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures_util::future::join_all;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;
use windrow_local::dashboard::DashboardError;
use windrow_local::{CloudSettings, DashboardPort, LocalCloud, StartError};

use windrow_testkit::retry_within_a_second;

async fn start(folder: &TempDir, port: Option<DashboardPort>) -> Result<LocalCloud, StartError> {
    let settings = CloudSettings {
        port: 0,
        data_dir: folder.path().to_owned(),
        dashboard: port,
        ..local::settings().unwrap()
    };
    LocalCloud::start(settings, &local::wild_rydes()).await
}

async fn get(url: &str) -> (StatusCode, String) {
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(url).body(Body::empty()).unwrap();
    let response = client.request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_browser_finds_the_page_and_the_page_finds_kinesis() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = start(&folder, Some(DashboardPort::Exactly(0)))
        .await
        .unwrap();
    let url = cloud.dashboard_url().unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert_ne!(url, cloud.endpoint_url());

    let (status, page) = get(&url).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("<title>"), "{page}");
    let (_, config) = get(&format!("{url}/config.json")).await;
    let expected = json!({
        "endpoint": cloud.endpoint_url(),
        "region": "us-east-1",
        "stream": "wildrydes",
        "summaryStream": "wildrydes-summary",
        "schema": &**unicorn::row::schema(),
    });
    assert_eq!(json(&config), expected);
    let (status, _) = get(&format!("{url}/table.html")).await;
    assert_eq!(status, StatusCode::OK);
    let (_, description) = get(&format!("{}/_local", cloud.endpoint_url())).await;
    assert_eq!(json(&description)["dashboard"], url);

    cloud.stop().await;
    let address = url.strip_prefix("http://").unwrap();
    tokio::net::TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn there_is_no_page_unless_requested() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = start(&folder, None).await.unwrap();
    assert_eq!(cloud.dashboard_url(), None);
    let (_, description) = get(&format!("{}/_local", cloud.endpoint_url())).await;
    assert_eq!(json(&description)["dashboard"], Value::Null);
    cloud.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_an_error_only_if_it_was_requested() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = start(&folder, Some(DashboardPort::Exactly(port)))
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    assert!(
        matches!(error, StartError::Dashboard(DashboardError::PortInUse { port: reported }) if reported == port),
        "{error}"
    );

    // The data directory is unlocked again, and the pipeline runs on another port.
    let cloud = start(&folder, Some(DashboardPort::Preferred(port)))
        .await
        .unwrap();
    let url = cloud.dashboard_url().unwrap();
    assert!(!url.ends_with(&format!(":{port}")), "{url}");
    assert_eq!(get(&url).await.0, StatusCode::OK);
    cloud.stop().await;
}

/// The program, with an empty environment.
fn program(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command
        .env_clear()
        .args(["--port", "0", "--data-dir"])
        .arg(folder.path())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

#[test]
fn the_program_prints_the_address_of_the_map() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = program(&folder, &["--dashboard-port", "0"])
        .spawn()
        .unwrap();
    let output = BufReader::new(running.stderr.take().unwrap()).lines();
    let output: Vec<String> = output.take(2).map(Result::unwrap).collect();
    running.kill().unwrap();
    running.wait().unwrap();
    // Other programs parse the endpoint's address from the first line.
    assert!(
        output[0].contains("answer at http://127.0.0.1:"),
        "{output:?}"
    );
    assert!(
        output[1].starts_with("local: the page is at http://127.0.0.1:"),
        "{output:?}"
    );
}

#[test]
fn the_program_says_that_the_last_run_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let first_line = || {
        let running = program(&folder, &["--dashboard-port", "0"]).spawn();
        let mut running = running.unwrap();
        let output = BufReader::new(running.stderr.take().unwrap()).lines();
        let lines: Vec<String> = output.map(Result::unwrap).take(2).collect();
        running.kill().unwrap();
        running.wait().unwrap();
        lines
    };
    assert!(first_line()[0].contains("answer at"));
    let lines = first_line();
    let expected = "local: the last run ended without a clean stop: ";
    assert!(lines[0].starts_with(expected), "{lines:?}");
    assert!(lines[1].contains("answer at"), "{lines:?}");
}

#[test]
fn the_program_fails_if_the_requested_port_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = program(&folder, &["--dashboard-port", &port]).output();
    let ended = ended.unwrap();
    let output = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{output}");
    assert!(output.contains(&port), "{output}");
    assert!(output.contains("--dashboard-port"), "{output}");
}

#[test]
fn invalid_ports_and_rates_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [["--reads-per-second", "0"], ["--dashboard-port", "map"]] {
        let ended = program(&folder, &arguments).output().unwrap();
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn the_program_limits_reads_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--dashboard-port", "0", "--reads-per-second", "1"];
    let mut running = program(&folder, &arguments).spawn().unwrap();
    let mut output = BufReader::new(running.stderr.take().unwrap()).lines();
    let output = output.next().unwrap().unwrap();
    let url = output.split_once("answer at ").unwrap().1;
    let url = url.split_once(';').unwrap().0;
    let client = aws_sdk_kinesis::Client::new(&windrow_connect::local_config(url));
    let iterator = client
        .get_shard_iterator()
        .stream_name("wildrydes")
        .shard_id("shardId-000000000000")
        .shard_iterator_type(ShardIteratorType::Latest)
        .send()
        .await
        .unwrap()
        .shard_iterator;
    let read = || {
        client
            .get_records()
            .set_shard_iterator(iterator.clone())
            .send()
    };
    let reads = retry_within_a_second(async || join_all([read(), read(), read()]).await).await;
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(
        reads.iter().filter(|read| read.is_ok()).count(),
        1,
        "{reads:?}"
    );
}

#[tokio::test]
async fn the_read_limit_does_not_affect_the_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let settings = CloudSettings {
        port: 0,
        data_dir: folder.path().to_owned(),
        // No other client may read at all.
        reads_per_second: Some(0),
        ..local::settings().unwrap()
    };
    let cloud = LocalCloud::start(settings, &local::wild_rydes())
        .await
        .unwrap();
    let config = windrow_connect::local_config(&cloud.endpoint_url());
    let client = aws_sdk_kinesis::Client::new(&config);
    let reading = r#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:08.189","Distance":175,"MagicPoints":110,"HealthPoints":150}"#;
    client
        .put_record()
        .stream_name("wildrydes")
        .partition_key("Shadowfax")
        .data(Blob::new(reading))
        .send()
        .await
        .unwrap();
    let iterator = client
        .get_shard_iterator()
        .stream_name("wildrydes")
        .shard_id("shardId-000000000000")
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await
        .unwrap()
        .shard_iterator;
    let read = client.get_records().set_shard_iterator(iterator).send();
    let throttled = read.await.unwrap_err();
    assert_eq!(
        throttled.as_service_error().unwrap().code(),
        Some("ProvisionedThroughputExceededException")
    );
    cloud.drain(Duration::from_secs(300)).await.unwrap();
    let rows = aws_sdk_dynamodb::Client::new(&config)
        .scan()
        .table_name("UnicornSensorData")
        .send()
        .await
        .unwrap();
    assert_eq!(rows.count, 1);
    cloud.stop().await;
}
