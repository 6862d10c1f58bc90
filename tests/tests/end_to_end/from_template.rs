//! `local --template` runs the applications in `examples/` from the templates that deploy them, with
//! the binaries that cargo builds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use end_to_end::programs::{Running, endpoint, program};
use end_to_end::{TIME_LIMIT, read_log};
use serde_json::Value;

fn example(file: &str) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    examples.join(file)
}

/// Starts the template of an example. Returns what it printed up to the line with its address.
fn start(folder: &Path, template: &str, overrides: &str) -> (Running, String) {
    let mut local = program("local");
    local.args(["--port", "0", "--data-dir"]).arg(folder);
    local.arg("--template").arg(example(template));
    local.args(["--parameter-overrides", overrides]);
    let mut local = Running::start(&mut local);
    let line = local.until(" answer at ");
    let notes = local.until_text("Ctrl-C");
    assert!(!notes.contains("does not run"), "{notes}");
    (local, endpoint(&line))
}

/// Sends the lines of a file, with partition keys of all kinds.
async fn send(kinesis: &aws_sdk_kinesis::Client, stream: &str, file: &str) -> usize {
    let lines = fs::read_to_string(example(file)).unwrap();
    for (index, line) in lines.lines().enumerate() {
        let put = kinesis.put_record().stream_name(stream);
        let put = put.partition_key(index.to_string());
        put.data(Blob::new(line)).send().await.unwrap();
    }
    lines.lines().count()
}

/// Calls `found` until it returns true.
async fn until(mut found: impl AsyncFnMut() -> bool) {
    let found = async {
        while !found().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(TIME_LIMIT, found).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_thermometer_runs_from_its_template() {
    let folder = tempfile::tempdir().unwrap();
    let (local, url) = start(
        folder.path(),
        "thermometer/template.yaml",
        "WindowSeconds=1",
    );
    let config = windrow_connect::local_config(&url);
    let kinesis = aws_sdk_kinesis::Client::new(&config);
    let sent = send(&kinesis, "thermometer", "thermometer/readings.jsonl").await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    // All readings but those that are rejected.
    until(async || {
        let rows = dynamodb.scan().table_name("thermometer").send().await;
        let rows = rows.unwrap();
        let readings = rows.items().iter().map(|item| {
            let source = item["Source"].as_m().unwrap();
            let readings: usize = source["Readings"].as_n().unwrap().parse().unwrap();
            readings
        });
        readings.sum::<usize>() == sent
    })
    .await;
    assert_eq!(local.interrupt().code, Some(0));
}

/// The SQL text is in a layer, which is a folder beside the template.
#[tokio::test(flavor = "multi_thread")]
async fn the_ticker_runs_from_its_template() {
    let folder = tempfile::tempdir().unwrap();
    let (local, url) = start(folder.path(), "ticker/template.yaml", "WindowSeconds=10");
    let config = windrow_connect::local_config(&url);
    let kinesis = aws_sdk_kinesis::Client::new(&config);
    let sent = send(&kinesis, "ticker", "ticker/ticks.jsonl").await;
    until(async || {
        // Of each row, the one with the highest revision counts.
        let mut rows = BTreeMap::new();
        for record in read_log(&kinesis, "ticker-trades-per-ticker").await {
            for line in std::str::from_utf8(&record.data).unwrap().lines() {
                let row: Value = serde_json::from_str(line).unwrap();
                rows.insert(row["RowId"].to_string(), row);
            }
        }
        let trades = rows.values().map(|row| row["TRADES"].as_u64().unwrap_or(0));
        trades.sum::<u64>() == u64::try_from(sent).unwrap()
    })
    .await;
    assert_eq!(local.interrupt().code, Some(0));
}
