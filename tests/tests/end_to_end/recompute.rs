//! Runs `recompute` on the archive of a local cloud, and writes to its tables.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use end_to_end::programs::{ProgramOutput, program, run};
use end_to_end::{TestCloud, reading, with_event_time};
use serde_json::{Value, json};
use unicorn::merge::{FleetRow, merge};
use unicorn::row::schema;
use windrow_core::row::Row;
use windrow_lambda::processor::row::StoredRow;

fn recompute(archive: &Path, arguments: &[&str]) -> ProgramOutput {
    run(program("recompute").arg(archive).args(arguments))
}

/// A merged row as `--format lines` prints it.
fn line(minute: &FleetRow) -> Value {
    let measures = &minute.measures;
    let distance: Value = serde_json::from_str(&measures.distance.to_string()).unwrap();
    json!({
        "Name": minute.name,
        "StatusTime": minute.window_start.to_string(),
        "Distance": distance,
        "MinMagicPoints": measures.min_magic_points,
        "MaxMagicPoints": measures.max_magic_points,
        "MinHealthPoints": measures.min_health_points,
        "MaxHealthPoints": measures.max_health_points,
        "Readings": minute.readings,
        "WindowSeconds": minute.window_seconds,
    })
}

fn lines(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Readings of a fleet over about ten seconds; a few are late.
fn fleet() -> Vec<(String, String)> {
    let reading = |number: u32| {
        let name = format!("unicorn {}", number % 17);
        let metres = format!("{}.{:06}", number % 60, number);
        reading(&name, number * 3, &metres, (number % 200) as i32)
    };
    let mut readings: Vec<_> = (0..3_000).map(reading).collect();
    let late = readings.split_off(2_900);
    readings.splice(100..100, late);
    readings
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_by_event_time_are_those_of_the_archive() {
    let cloud = TestCloud::start_with(with_event_time(), |settings| settings.shards = 3).await;
    let readings = fleet();
    for chunk in readings.chunks(1_000) {
        cloud.send("wildrydes", chunk.to_vec()).await;
        // So that a window's readings arrive in more than one window of the mapping.
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    }
    let broken = [("x".to_owned(), "neigh\n".to_owned())];
    cloud.send("wildrydes", broken).await;
    let minutes = merge(cloud.drained_rows().await);
    let data_dir = cloud.data_dir.path().to_owned();
    let archive = data_dir.join("archive/wildrydes");
    cloud.cloud.stop().await;

    let readings: u64 = minutes.iter().map(|minute| minute.readings).sum();
    assert_eq!(readings, 3_000);
    let expected: Vec<Value> = minutes.iter().map(line).collect();
    for threads in ["1", "4"] {
        let arguments = ["--window", "2s", "--format", "lines", "--threads", threads];
        let output = recompute(&archive, &arguments);
        assert_eq!(output.code, Some(0), "{}", output.err);
        assert!(
            output
                .err
                .contains("3000 readings, 0 duplicates left out, 1 rejected part; "),
            "{}",
            output.err
        );
        assert_eq!(lines(&output.out), expected);
    }
}

async fn create_table(cloud: &TestCloud, name: &str, key: [&str; 2]) {
    let mut request = cloud
        .dynamodb
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest);
    for (attribute, kind) in key.into_iter().zip([KeyType::Hash, KeyType::Range]) {
        let definition = AttributeDefinition::builder()
            .attribute_name(attribute)
            .attribute_type(ScalarAttributeType::S);
        let element = KeySchemaElement::builder()
            .attribute_name(attribute)
            .key_type(kind);
        request = request
            .attribute_definitions(definition.build().unwrap())
            .key_schema(element.build().unwrap());
    }
    request.send().await.unwrap();
}

async fn table_rows(cloud: &TestCloud, name: &str) -> Vec<Row> {
    let scan = cloud.dynamodb.scan().table_name(name).into_paginator();
    let items = scan.items().send().collect::<Result<Vec<_>, _>>().await;
    let items = items.unwrap();
    items
        .iter()
        .map(|item| StoredRow::from_item(schema(), item).unwrap().row)
        .collect()
}

fn archive(folder: &Path, name: &str, readings: &[(String, String)]) -> PathBuf {
    let archive = folder.join("archived");
    fs::create_dir_all(&archive).unwrap();
    let text: String = readings.iter().map(|(_, line)| line.as_str()).collect();
    fs::write(archive.join(name), text).unwrap();
    archive
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_shows_the_newest_run() {
    let cloud = TestCloud::start(|_| ()).await;
    create_table(&cloud, "Recomputed", ["Name", "StatusTime"]).await;
    let url = cloud.cloud.endpoint_url();
    let arguments = [
        "--window",
        "5s",
        "--table",
        "Recomputed",
        "--endpoint-url",
        &url,
    ];
    let minutes_of = |archive: &Path| {
        let output = recompute(archive, &["--window", "5s", "--format", "lines"]);
        lines(&output.out)
    };
    let readings = fleet();

    let folder = archive(cloud.data_dir.path(), "b", &readings[1_000..]);
    for _ in 0..2 {
        let output = recompute(&folder, &arguments);
        assert_eq!(
            (output.code, output.out.as_str()),
            (Some(0), ""),
            "{}",
            output.err
        );
        let rows = table_rows(&cloud, "Recomputed").await;
        // The second run overwrites every row with equal values.
        assert_eq!(rows.len(), minutes_of(&folder).len());
        let minutes: Vec<Value> = merge(rows).iter().map(line).collect();
        assert_eq!(minutes, minutes_of(&folder));
    }

    // A new file sorts before the existing one, and one of its readings has another distance for
    // the same time.
    let mut earlier = readings[..1_500].to_vec();
    earlier[1_499].1 = readings[1_499].1.replace("\"Distance\":", "\"Distance\":1");
    archive(cloud.data_dir.path(), "a", &earlier);
    let output = recompute(&folder, &arguments);
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert!(
        output
            .err
            .contains(" 3000 readings, 500 duplicates left out"),
        "{}",
        output.err
    );
    let minutes = merge(table_rows(&cloud, "Recomputed").await);
    assert!(!minutes.iter().any(|minute| minute.gap));
    let minutes: Vec<Value> = minutes.iter().map(line).collect();
    assert_eq!(minutes, minutes_of(&folder));

    // A run over only one of the files changes nothing.
    let output = recompute(&folder.join("a"), &arguments);
    assert_eq!(output.code, Some(0), "{}", output.err);
    let again: Vec<Value> = merge(table_rows(&cloud, "Recomputed").await)
        .iter()
        .map(line)
        .collect();
    assert_eq!(again, minutes);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_tables_are_rejected() {
    let cloud = TestCloud::start(|settings| settings.names.table = "FleetWindows".to_owned()).await;
    cloud.send("wildrydes", fleet().into_iter().take(10)).await;
    cloud.cloud.drain(end_to_end::TIME_LIMIT).await.unwrap();
    create_table(&cloud, "OtherKey", ["Name", "Day"]).await;
    create_table(&cloud, "OtherItems", ["Name", "StatusTime"]).await;
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    cloud
        .dynamodb
        .put_item()
        .table_name("OtherItems")
        .item("Name", text("a"))
        .item("StatusTime", text("b"))
        .send()
        .await
        .unwrap();
    let folder = archive(cloud.data_dir.path(), "a", &fleet());
    let url = cloud.cloud.endpoint_url();
    for (table, code, message) in [
        ("UnicornSensorData", 2, "is the pipeline's"),
        (
            "FleetWindows",
            1,
            "holds rows of the stream arn:aws:kinesis:",
        ),
        ("Missing", 1, "create it with: aws dynamodb create-table"),
        ("OtherKey", 1, "is not Name and StatusTime"),
        ("OtherItems", 1, "holds items that are not rows"),
        ("no", 2, "3 to 255"),
    ] {
        let output = recompute(&folder, &["--table", table, "--endpoint-url", &url]);
        assert_eq!(output.code, Some(code), "{table}: {}", output.err);
        assert!(output.err.contains(message), "{table}: {}", output.err);
        assert_eq!(output.out, "");
    }
    let mut named = program("recompute");
    named.env("TABLE_NAME", "Elsewhere").arg(&folder);
    let output = run(named.args(["--table", "Elsewhere", "--endpoint-url", &url]));
    assert_eq!(output.code, Some(2), "{}", output.err);
    assert_eq!(table_rows(&cloud, "FleetWindows").await.len(), 10);
    cloud.stop().await;
}

#[test]
fn exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path(), "a", &fleet());
    let output = recompute(&archive, &[]);
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert!(output.out.contains("\n  unicorn 16"), "{}", output.out);

    fs::write(archive.join("b"), b"\x1f\x8b\x08\x00not packed at all").unwrap();
    let output = recompute(&archive, &[]);
    assert_eq!(output.code, Some(0));
    assert!(output.out.contains("\n  unicorn 16"), "{}", output.out);
    assert!(
        output
            .err
            .contains("archived/b: its compressed data is corrupt"),
        "{}",
        output.err
    );

    let output = recompute(&folder.path().join("gone"), &[]);
    assert_eq!(output.code, Some(1));
    assert!(
        output.err.contains("gone cannot be read: "),
        "{}",
        output.err
    );

    assert_eq!(recompute(&archive, &["--threads", "0"]).code, Some(2));
    assert_eq!(run(&mut program("recompute")).code, Some(2));
}

/// Firehose appends a newline to every record, and most records already end in one.
#[test]
fn blank_lines_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let plain = archive(&folder.path().join("plain"), "a", &fleet());
    let mut delimited = fleet();
    for (number, (_, line)) in delimited.iter_mut().enumerate() {
        line.push_str(["\n", "\r\n", " \t\n\n"][number % 3]);
    }
    let delimited = archive(&folder.path().join("delimited"), "a", &delimited);
    let expected = recompute(&plain, &["--format", "lines"]);
    let output = recompute(&delimited, &["--format", "lines"]);
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert!(!lines(&output.out).is_empty());
    assert_eq!(output.out, expected.out);
    assert!(output.err.contains(", 0 rejected parts"), "{}", output.err);
}

#[test]
fn closed_pipe_exits_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path(), "a", &fleet());
    for format in ["table", "lines", "csv"] {
        let mut command = program("recompute");
        command
            .arg(&archive)
            .args(["--window", "1s", "--format", format]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{err}");
        assert_eq!(err, "");
    }
}
