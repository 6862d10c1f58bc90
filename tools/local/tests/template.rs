//! `local --template` runs an application that it knows nothing of: a SAM template, and a function in
//! Python that speaks the Runtime API.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kinesis::primitives::Blob;
use serde_json::json;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(300);

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String}
Resources:
  Orders:
    Type: AWS::Kinesis::Stream
    Properties: {Name: !Sub '${Stage}-orders', ShardCount: 1}
  Total:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      CodeUri: total
      Environment: {Variables: {TABLE: !Ref Totals}}
      Events:
        Window:
          Type: Kinesis
          Properties:
            Stream: !GetAtt Orders.Arn
            StartingPosition: TRIM_HORIZON
            TumblingWindowInSeconds: 1
        Web: {Type: Api, Properties: {Path: /, Method: get}}
  Report:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.13, CodeUri: report, Handler: app.handler}
  Totals:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: window, AttributeType: S}]
      KeySchema: [{AttributeName: window, KeyType: HASH}]
  Role: {Type: AWS::IAM::Role}
";

/// Sums the amounts of a window, and writes the sum to the table at its end.
const FUNCTION: &str = r#"#!/usr/bin/env python3
import base64, json, os, urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"

def put(window, total):
    item = {"window": {"S": window}, "total": {"N": str(total)}}
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL"],
        json.dumps({"TableName": os.environ["TABLE"], "Item": item}).encode(),
        {
            "X-Amz-Target": "DynamoDB_20120810.PutItem",
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, "
            "SignedHeaders=host;x-amz-date, Signature=0",
        },
    )
    urllib.request.urlopen(request).read()

def handle(event):
    total = (event.get("state") or {}).get("total", 0)
    for record in event["Records"]:
        total += json.loads(base64.b64decode(record["kinesis"]["data"]))["amount"]
    if event["isFinalInvokeForWindow"]:
        put(event["window"]["start"], total)
    return {"state": {"total": total}}

while True:
    with urllib.request.urlopen(f"{API}/next") as response:
        request = response.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(response)
    answer = json.dumps(handle(event)).encode()
    urllib.request.urlopen(urllib.request.Request(f"{API}/{request}/response", answer)).read()
"#;

/// A folder with the template and the function.
fn application() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("template.yaml"), TEMPLATE).unwrap();
    let code = folder.path().join("total");
    std::fs::create_dir(&code).unwrap();
    let bootstrap = code.join("bootstrap");
    std::fs::write(&bootstrap, FUNCTION).unwrap();
    std::fs::set_permissions(&bootstrap, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn local(folder: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .args(["--port", "0", "--template", "template.yaml"])
        .args(flags)
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// A running program. It is killed when dropped.
struct LocalProcess(Child);

impl Drop for LocalProcess {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines up to the one with `text`.
fn until(log: &mut BufReader<ChildStderr>, text: &str) -> String {
    let mut read = String::new();
    while !read.contains(text) {
        assert_ne!(
            log.read_line(&mut read).unwrap(),
            0,
            "the program ended: {read}"
        );
    }
    read
}

fn ended(output: Output) -> (Option<i32>, String) {
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[tokio::test]
async fn a_foreign_template_runs() {
    runs(&application(), &["--parameter-overrides", "Stage=test"]).await;
}

#[tokio::test]
async fn a_function_may_be_a_command() {
    let folder = application();
    let code = folder.path().join("total");
    // Nothing else would find it there.
    std::fs::rename(code.join("bootstrap"), code.join("app.py")).unwrap();
    let command = "Total=python3 'app.py'";
    let overrides = "ParameterKey=Stage,ParameterValue=test";
    let flags = ["--parameter-overrides", overrides, "--function", command];
    runs(&folder, &flags).await;
}

/// Runs the template with these flags until the function has summed all amounts.
async fn runs(folder: &TempDir, flags: &[&str]) {
    let mut command = local(folder.path(), flags);
    let mut program = LocalProcess(command.spawn().unwrap());
    let mut log = BufReader::new(program.0.stderr.take().unwrap());
    let started = until(&mut log, "Ctrl-C");
    for expected in [
        "Kinesis test-orders; DynamoDB Totals answer at http://127.0.0.1:",
        "the function Total gets the records of test-orders in windows of 1 s",
        "line 22: the event Web of the function Total is of the type Api",
        "line 23: the function Report does not run, since it is not known how",
        "left out: AWS::IAM::Role\n",
    ] {
        assert!(started.contains(expected), "{expected}: {started}");
    }

    let (_, url) = started.split_once(" answer at ").unwrap();
    let config = windrow_connect::local_config(url.split(';').next().unwrap());
    let kinesis = aws_sdk_kinesis::Client::new(&config);
    for amount in 1..=20 {
        let data = Blob::new(json!({ "amount": amount }).to_string());
        let put = kinesis.put_record().stream_name("test-orders");
        put.partition_key("a").data(data).send().await.unwrap();
    }
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let total = async {
        loop {
            let scanned = dynamodb.scan().table_name("Totals").send().await.unwrap();
            let totals = scanned.items().iter().map(|item| match &item["total"] {
                AttributeValue::N(total) => total.parse::<u64>().unwrap(),
                other => panic!("{other:?}"),
            });
            if totals.sum::<u64>() == 210 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, total).await.unwrap();

    let id = program.0.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(killed.success());
    assert!(program.0.wait().unwrap().success());
    assert!(folder.path().join(".local-cloud").is_dir());
}

#[test]
fn what_is_wrong_is_said() {
    let folder = application();
    let cases: [(&[&str], &str); 5] = [
        (
            &[],
            "template.yaml: the parameter `Stage` (line 4) has no default: give it a value with \
             --parameter-overrides Stage=VALUE",
        ),
        (
            &["--parameter-overrides", "Stage=a", "Stag=b"],
            "the template has no parameter `Stag`; did you mean `Stage`?",
        ),
        (
            &["--parameter-overrides", "Stage=a", "--function", "Totl=x"],
            "the template has no function `Totl`; it has Total, Report",
        ),
        (
            &[
                "--parameter-overrides",
                "Stage=a",
                "--function",
                "Total=build/x",
            ],
            "build/x is not a file",
        ),
        (&["--window", "5s"], "cannot be used with"),
    ];
    for (flags, expected) in cases {
        let (code, err) = ended(local(folder.path(), flags).output().unwrap());
        assert!(err.contains(expected), "{flags:?}: {err}");
        assert_eq!(code, Some(if flags == ["--window", "5s"] { 2 } else { 1 }));
    }
}
