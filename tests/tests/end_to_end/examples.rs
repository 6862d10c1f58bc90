//! The applications in `examples/sql`: the rows that the local cloud writes to streams are those that
//! `sql run` prints.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use end_to_end::{TIME_LIMIT, TestCloud, read_log};
use serde_json::{Value, json};
use soak::log::LoggedRecord;
use sql::run::run;
use windrow_core::time::Timestamp;
use windrow_sql::sensor::SqlSensor;

use crate::sql_application::{flags_of, settings_of};

/// How often each record is sent.
const ROUNDS: usize = 4;

fn folder(example: &str) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/sql");
    examples.join(example)
}

/// The data of the example's records, each several times, with partition keys that spread them over
/// all shards.
fn records(example: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder(example).join("records.jsonl")).unwrap();
    let lines = text.lines().flat_map(|line| [line; ROUNDS]);
    let records = lines.enumerate().map(|(index, line)| {
        let record: Value = serde_json::from_str(line).unwrap();
        (
            format!("partition {}", index % 13),
            record["data"].to_string(),
        )
    });
    records.collect()
}

/// A log as `sql run` takes it: each record with the time at which it arrived.
fn as_input(log: &[LoggedRecord]) -> String {
    let lines = log.iter().map(|record| {
        let arrival = Timestamp::from_millis(record.arrival).to_string();
        let raw = String::from_utf8(record.data.to_vec()).unwrap();
        format!("{}\n", json!({"arrival": arrival, "raw": raw}))
    });
    lines.collect()
}

/// The rows of an output that `sql run` prints, in the order of their JSON.
fn expected(sensor: &SqlSensor, input: &str, output: &str) -> Vec<String> {
    let mut printed = Vec::new();
    let sensor = sensor.clone();
    run(
        sensor,
        Some(output),
        input.as_bytes(),
        &mut printed,
        Vec::new(),
    )
    .unwrap();
    sorted(String::from_utf8(printed).unwrap().lines().map(as_value))
}

/// The rows in a stream, as a consumer keeps them: of each id that with the highest revision, without
/// those that were removed. Rows without a window have no revision, and all lines of one id are equal.
fn written(log: &[LoggedRecord]) -> Vec<String> {
    let mut latest: BTreeMap<String, (u64, Value)> = BTreeMap::new();
    let lines = log.iter().flat_map(|record| {
        let text = std::str::from_utf8(&record.data).unwrap();
        text.lines().map(as_value)
    });
    for mut row in lines {
        let fields = row.as_object_mut().unwrap();
        let id = fields.remove("RowId").unwrap().as_str().unwrap().to_owned();
        let revision = fields.remove("Revision");
        let revision = revision.map_or(0, |revision| revision.as_u64().unwrap());
        if latest.get(&id).is_none_or(|(known, _)| *known < revision) {
            latest.insert(id, (revision, row));
        }
    }
    let rows = latest.into_values().map(|(_, row)| row);
    sorted(rows.filter(|row| row.get("Removed").is_none()))
}

fn as_value(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn sorted(rows: impl Iterator<Item = Value>) -> Vec<String> {
    let mut rows: Vec<String> = rows.map(|row| row.to_string()).collect();
    rows.sort_unstable();
    rows
}

/// Sends the records of an example, and compares each of its outputs. Returns their names.
async fn check(example: &str) -> Vec<String> {
    let data_dir = tempfile::tempdir().unwrap();
    let flags = flags_of(&folder(example));
    let sensor = flags.sensor().unwrap().unwrap();
    let program = local::sql_program(sensor.clone(), &flags).unwrap();
    let settings = settings_of(&program, data_dir.path());
    let names = [&settings.names.outputs, &settings.names.finished];
    let streams: BTreeMap<String, String> = names.into_iter().flatten().map(owned).collect();
    let cloud = TestCloud::start_application(&program.application, settings, data_dir).await;
    let records = records(example);
    for part in records.chunks(records.len().div_ceil(3)) {
        cloud.send("wildrydes", part.to_vec()).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    cloud.cloud.drain(TIME_LIMIT).await.unwrap();

    let input = as_input(&read_log(&cloud.kinesis, "wildrydes").await);
    assert_eq!(input.lines().count(), records.len());
    for (output, stream) in &streams {
        let expected = expected(&sensor, &input, output);
        assert!(!expected.is_empty(), "{output}");
        let written = written(&read_log(&cloud.kinesis, stream).await);
        assert_eq!(written, expected, "{output}");
    }
    cloud.stop().await;
    streams.into_keys().collect()
}

fn owned((output, stream): (&String, &String)) -> (String, String) {
    (output.clone(), stream.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_are_those_of_sql_run() {
    assert_eq!(check("alarms").await, ["ALARMS"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn page_views_and_top_pages_are_those_of_sql_run() {
    assert_eq!(check("page-views").await, ["PAGE_VIEWS", "TOP_PAGES"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn distinct_visitors_are_those_of_sql_run() {
    assert_eq!(check("visitors").await, ["VISITORS"]);
}
