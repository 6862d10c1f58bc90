//! Tests the command on its own and against a local Kinesis. The end-to-end tests cover the
//! embedded run.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Output, Stdio};
use std::sync::Arc;

use aws_sdk_kinesis::Client;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use unicorn::reading::Reading;
use unicorn::sensor::readings;
use windrow_kinesis::{Kinesis, KinesisOptions};
use windrow_local::endpoint::{Endpoint, EndpointOptions};
use windrow_local::faults::{FaultKind, Faults};
use windrow_read::{ShardReader, Start};
use windrow_testkit::network::ServiceClock;

/// Starts a local Kinesis, which has the limits of the real one, with the stream `wildrydes` of one
/// shard.
async fn kinesis() -> (String, Client) {
    kinesis_by(&ServiceClock::default()).await
}

/// Like [`kinesis`], by this clock.
async fn kinesis_by(clock: &ServiceClock) -> (String, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (kinesis, _report) = Kinesis::open(KinesisOptions::new(folder.path())).unwrap();
    let router = clock.of(kinesis.router());
    tokio::spawn(async move {
        // The folder goes with the server.
        let _folder = folder;
        axum::serve(listener, router).await
    });
    let client = create_stream(&url).await;
    (url, client)
}

/// Creates the stream and returns a client.
async fn create_stream(url: &str) -> Client {
    let client = Client::new(&windrow_connect::local_config(url));
    let create = client.create_stream().stream_name("wildrydes");
    create.shard_count(1).send().await.unwrap();
    while !windrow_read::list(&client, "wildrydes")
        .await
        .is_ok_and(|shards| !shards.is_empty())
    {}
    client
}

/// Counts the readings of each unicorn in the stream.
async fn count_in_stream(client: &Client) -> BTreeMap<String, u64> {
    let shard = windrow_read::list(client, "wildrydes")
        .await
        .unwrap()
        .remove(0);
    let start = Start::TrimHorizon;
    let mut reader = ShardReader::new(client.clone(), "wildrydes", shard.id, start);
    let mut found = BTreeMap::new();
    loop {
        let page = reader.next_page().await.unwrap();
        if page.records.is_empty() && page.behind.is_zero() {
            return found;
        }
        for record in page.records {
            for reading in readings(&record.data) {
                let reading: Reading<'_> = reading.1.unwrap();
                assert_eq!(reading.name, record.partition_key);
                *found.entry(reading.name.into_owned()).or_default() += 1;
            }
        }
    }
}

/// The command, with an empty environment.
fn producer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_producer"));
    command.env_clear().args(arguments).kill_on_drop(true);
    command
}

async fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = producer(arguments).output().await.unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn readings_of_another_sensor_need_a_cloud_of_their_own() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"{\"site\":\"attic\"}\n").unwrap();
    let path = file.path().to_str().unwrap();
    let arguments = ["--target", "local", "--port", "0", "--replay", path];
    let (code, stderr) = run(&[&arguments[..], &["--partition-key", "site"]].concat()).await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("start that sensor's own local cloud first"),
        "{stderr}"
    );
}

#[tokio::test]
async fn one_unicorn_prints_a_dot_per_reading() {
    // If the machine stalls for more than a second, readings are skipped: try again.
    let (url, client, code, stderr) = loop {
        let (url, client) = kinesis().await;
        let arguments = ["--endpoint-url", &url, "--rate", "100", "--count", "70"];
        let (code, stderr) = run(&arguments).await;
        if !stderr.contains(" skipped: ") {
            break (url, client, code, stderr);
        }
    };
    let dots = format!("{}\n{}\n", ".".repeat(60), ".".repeat(10));
    let expected = format!(
        "target: the endpoint {url}, with made-up credentials\n{dots}sent 70 readings, 0 failed\n"
    );
    assert_eq!((code, stderr), (Some(0), expected));
    let expected = BTreeMap::from([("Shadowfax".to_owned(), 70)]);
    assert_eq!(count_in_stream(&client).await, expected);
}

#[tokio::test]
async fn fleet_survives_throttling() {
    let forced = "throttled@1,throttled@3,put-failed@1,put-failed@2,put-failed@3";
    let faults = Arc::new(Faults::parse(forced, 7).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut options = EndpointOptions::new(folder.path());
    options.port = 0;
    options.faults = Arc::clone(&faults);
    let endpoint = Endpoint::start(options, CancellationToken::new());
    let endpoint = endpoint.await.unwrap();
    let (url, client) = (endpoint.url(), create_stream(&endpoint.url()).await);
    let fleet = ["--unicorns", "600", "--rate", "4", "--count", "3"];
    let (code, stderr) = run(&[&["--endpoint-url", &url][..], &fleet].concat()).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.ends_with("sent 1800 readings, 0 failed\n"),
        "{stderr}"
    );
    assert_eq!(faults.injected(FaultKind::Throttled), 2);
    assert_eq!(faults.injected(FaultKind::PutFailed), 3);
    let found = count_in_stream(&client).await;
    assert_eq!(found.len(), 600);
    assert!(found.values().all(|readings| *readings == 3), "{found:?}");
}

#[tokio::test]
async fn recording_is_sent_without_its_broken_lines() {
    let (url, client) = kinesis().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for name in ["Franky", "Zoë"] {
        writeln!(
            file,
            r#"{{"Name":"{name}","StatusTime":"2026-11-20 09:17:08.189","Distance":175,"MagicPoints":110,"HealthPoints":150}}"#
        )
        .unwrap();
        writeln!(file, "neigh").unwrap();
    }
    let path = file.path().to_str().unwrap();
    let (code, stderr) = run(&["--endpoint-url", &url, "--replay", path]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("line 4 was not sent: "), "{stderr}");
    assert!(stderr.ends_with("sent 2 readings, 2 failed\n"), "{stderr}");
    let expected = BTreeMap::from([("Franky".to_owned(), 1), ("Zoë".to_owned(), 1)]);
    assert_eq!(count_in_stream(&client).await, expected);
}

#[tokio::test]
async fn empty_recording_is_an_error() {
    let (url, _client) = kinesis().await;
    for text in ["", "\n \n"] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap();
        let (code, stderr) = run(&["--endpoint-url", &url, "--replay", path]).await;
        assert_eq!(code, Some(1), "{stderr}");
        let expected =
            format!("error: the recording {path} has no readings\nsent 0 readings, 0 failed\n");
        assert!(stderr.ends_with(&expected), "{stderr}");
    }
}

#[tokio::test]
async fn wrong_clock_costs_one_call_of_each_client() {
    let clock = ServiceClock::default();
    let (url, client) = kinesis_by(&clock).await;
    clock.set(603);
    let arguments = [
        "--endpoint-url",
        &url,
        "--unicorns",
        "5",
        "--rate",
        "100",
        "--count",
        "1",
    ];
    let (code, stderr) = run(&arguments).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.ends_with("sent 5 readings, 0 failed\n"), "{stderr}");
    // One client checks the stream, another sends.
    assert_eq!(clock.rejected(), 2);
    let found = count_in_stream(&client).await;
    assert_eq!(found.values().sum::<u64>(), 5);
}

#[tokio::test]
async fn stream_may_be_named_by_its_arn() {
    const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes";
    let (url, client) = kinesis().await;
    let arguments = [
        "--endpoint-url",
        &url,
        "--stream",
        ARN,
        "--rate",
        "100",
        "--count",
        "2",
    ];
    let (code, stderr) = run(&arguments).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(count_in_stream(&client).await.values().sum::<u64>(), 2);

    let (code, stderr) = run(&["--target", "local", "--port", "0", "--stream", ARN]).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.starts_with("error: --stream is an ARN, but the local cloud"),
        "{stderr}"
    );
}

#[tokio::test]
async fn misspelt_profile_never_starts_a_local_cloud() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = producer(&["--count", "1", "--port", "0", "--dashboard-port", "0"]);
    command
        .env("HOME", folder.path())
        .env("AWS_PROFILE", "prdo");
    command.arg("--data-dir").arg(folder.path().join("data"));
    let Output { status, stderr, .. } = command.output().await.unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    let expected = "error: there is no profile \"prdo\", which AWS_PROFILE names";
    assert!(stderr.starts_with(expected), "{stderr}");
    assert!(!folder.path().join("data").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_stops_sending() {
    let (url, client) = kinesis().await;
    let mut child = producer(&["--endpoint-url", &url, "--rate", "10"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"...") {
        text.push(stderr.read_u8().await.unwrap());
    }
    let process = child.id().unwrap().to_string();
    let kill = Command::new("kill").args(["-INT", &process]).status().await;
    assert!(kill.unwrap().success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    let sent: u64 = count_in_stream(&client).await.values().sum();
    assert!(
        rest.ends_with(&format!("sent {sent} readings, 0 failed\n")),
        "{rest}"
    );
}

#[tokio::test]
async fn missing_stream_or_recording_is_reported() {
    let (url, _client) = kinesis().await;
    let (code, stderr) = run(&["--endpoint-url", &url, "--stream", "unicorns"]).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("there is no stream \"unicorns\""),
        "{stderr}"
    );

    let (code, stderr) = run(&["--endpoint-url", &url, "--replay", "/no/such/file"]).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("the recording /no/such/file cannot be opened: "),
        "{stderr}"
    );

    let taken = url.rsplit_once(':').unwrap().1;
    let (code, stderr) = run(&["--target", "local", "--port", taken]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("is not the local cloud"), "{stderr}");
}

/// Runs an embedded run of one reading.
async fn one_reading(arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec!["--port", "0", "--count", "1", "--rate", "100"];
    all.extend(arguments);
    let mut command = producer(&all);
    let output = command.arg("--data-dir").arg(folder.path()).output().await;
    let Output { status, stderr, .. } = output.unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn embedded_run_prints_the_map_address() {
    let (code, stderr) = one_reading(&["--dashboard-port", "0"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let map = stderr.lines().nth(1).unwrap();
    assert!(map.starts_with("  map       http://127.0.0.1:"), "{stderr}");
    assert!(!map.contains("in use"), "{stderr}");

    // Take the default port, unless another program has it and may release it at any time.
    let taken = TcpListener::bind("127.0.0.1:8080").await;
    let (code, stderr) = one_reading(&[]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let map = stderr.lines().nth(1).unwrap();
    assert!(map.starts_with("  map       http://127.0.0.1:"), "{stderr}");
    let reported = map.ends_with(" (port 8080 is in use)");
    assert!(reported || taken.is_err(), "{stderr}");

    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, stderr) = one_reading(&["--dashboard-port", &port]).await;
    assert_eq!(code, Some(1), "{stderr}");
    let expected = format!("the dashboard's port {port} is in use");
    assert!(stderr.contains(&expected), "{stderr}");
    assert!(stderr.contains("--dashboard-port"), "{stderr}");
    assert!(!stderr.contains("map "), "{stderr}");
}

#[tokio::test]
async fn exit_code_is_2_for_bad_usage_and_0_for_help() {
    let embedded = |flag, value| ["--endpoint-url", "http://127.0.0.1:1", flag, value];
    for arguments in [
        &["--rate", "fast"][..],
        &["--rate", "1001"],
        &["--window", "1h"],
        &["--target", "moon"],
        &["--format", "xml"],
        &embedded("--window", "5s"),
        &embedded("--data-dir", "elsewhere"),
        &embedded("--shards", "2"),
        &embedded("--port", "0"),
        &embedded("--dashboard-port", "0"),
        &["--dashboard-port", "65536"],
    ] {
        let (code, stderr) = run(arguments).await;
        assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("sent "), "{stderr}");
    }
    let help = producer(&["--help"]).output().await.unwrap();
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.starts_with("Sends a unicorn fleet's"), "{help}");
    assert!(help.contains("Examples:"), "{help}");
}
