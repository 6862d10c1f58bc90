//! Tests the command against a local Kinesis.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Output, Stdio};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use tokio::net::{TcpListener, TcpSocket};
use tokio::process::Command;
use windrow_kinesis::{Kinesis, KinesisOptions};

/// Starts a local Kinesis with a stream `wildrydes` that holds `records`. Returns its URL.
async fn kinesis(records: &[&[u8]]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (kinesis, _report) = Kinesis::open(KinesisOptions::new(folder.path())).unwrap();
    tokio::spawn(async move {
        // The folder goes with the server.
        let _folder = folder;
        axum::serve(listener, kinesis.router()).await
    });

    let client = Client::new(&windrow_connect::local_config(&url));
    let create = client.create_stream().stream_name("wildrydes");
    create.shard_count(1).send().await.unwrap();
    while windrow_read::list(&client, "wildrydes").await.is_err() {}
    for record in records {
        let put = client.put_record().stream_name("wildrydes");
        let put = put.partition_key("Shadowfax").data(Blob::new(*record));
        put.send().await.unwrap();
    }
    url
}

/// The command, with an empty environment.
fn consumer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consumer"));
    command.env_clear().args(arguments).kill_on_drop(true);
    command
}

async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = consumer(arguments).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test]
async fn prints_readings_up_to_the_count() {
    let url = kinesis(&[
        b"{\"Name\":\"Shadowfax\",\"Distance\":29.999999999999996}\n{\"b\":2}\n",
        b"neigh",
        b"{}",
    ])
    .await;
    let from_start = ["--endpoint-url", &url, "--from", "start", "--count", "3"];

    let (code, stdout, stderr) = run(&from_start).await;
    assert_eq!(code, Some(0), "{stderr}");
    let expected = "{\n    \"Name\": \"Shadowfax\",\n    \"Distance\": 29.999999999999996\n}\n\
                    {\n    \"b\": 2\n}\nneigh\n";
    assert_eq!(stdout, expected);
    assert!(
        stderr.starts_with(&format!("target: the endpoint {url}")),
        "{stderr}"
    );
    assert!(stderr.contains("is not JSON"), "{stderr}");

    let (code, stdout, _) = run(&[&from_start[..], &["--format", "lines"]].concat()).await;
    assert_eq!(code, Some(0));
    let expected = "{\"Name\":\"Shadowfax\",\"Distance\":29.999999999999996}\n{\"b\":2}\nneigh\n";
    assert_eq!(stdout, expected);
}

#[tokio::test]
async fn closed_output_is_not_an_error() {
    let url = kinesis(&[b"{}"]).await;
    let mut child = consumer(&["--endpoint-url", &url, "--from", "start"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[tokio::test]
async fn missing_stream_is_reported() {
    let url = kinesis(&[]).await;
    let (code, stdout, stderr) = run(&["--endpoint-url", &url, "--stream", "unicorns"]).await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.contains("there is no stream \"unicorns\" here; existing streams: wildrydes."),
        "{stderr}"
    );
}

#[tokio::test]
async fn unreachable_endpoint_is_reported() {
    // A port that is bound, so that no other program gets it, but not listening.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", bound.local_addr().unwrap());
    let (code, _, stderr) = run(&["--endpoint-url", &url]).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains(&format!("the endpoint {url} does not respond")),
        "{stderr}"
    );
}

#[tokio::test]
async fn exit_code_is_2_for_bad_usage_and_0_for_help() {
    for arguments in [
        &["--from", "yesterday"][..],
        &["--stream", "no name"],
        &["--count", "0"],
        &["--format", "xml"],
        &["unicorn"],
    ] {
        let (code, _, stderr) = run(arguments).await;
        assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
    }
    let (code, stdout, _) = run(&["--help"]).await;
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("Prints a stream's readings"), "{stdout}");
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_exits_with_0() {
    use tokio::io::{AsyncBufReadExt, BufReader};

    let url = kinesis(&[b"{}"]).await;
    let mut child = consumer(&["--endpoint-url", &url, "--from", "start"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(output.next_line().await.unwrap().as_deref(), Some("{}"));
    let process = child.id().unwrap().to_string();
    let kill = Command::new("kill").args(["-INT", &process]).status().await;
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}
