//! Failed batches are redriven, and readings sent before a mapping starts are not lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use bytes::Bytes;
use end_to_end::programs::{ProgramOutput, program, run};
use end_to_end::{TIME_LIMIT, TestCloud, by_window, read_log, reading};
use soak::log::LoggedRecord;
use unicorn::row::{self, schema};
use unicorn::sensor::Unicorn;
use windrow_core::row::{Row, ShardWatermark};
use windrow_event::Event;
use windrow_lambda::aggregator::Aggregator;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_lambda::processor::Processor;
use windrow_lambda::processor::row::StoredRow;
use windrow_local::functions::Embedded;
use windrow_local::mapping::{Mapping, MappingOptions, MappingSource, OnFailure};
use windrow_local::settings::PipelineMappings;
use windrow_write::{Collected, DynamoTable, KinesisRecord};

const WINDOW: Duration = Duration::from_secs(2);

/// A table that is created only after writes to it have failed.
const TABLE: &str = "Restored";

fn source(cloud: &TestCloud, stream: &str) -> MappingSource {
    MappingSource {
        client: cloud.kinesis.clone(),
        stream: stream.to_owned(),
        stream_arn: format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}"),
        region: "us-east-1".to_owned(),
        clock: cloud.cloud.clock().clone(),
    }
}

/// A second processor of the summaries, which writes to [`TABLE`] and retries once.
fn second_processor(cloud: &TestCloud, failed: &Path) -> Mapping {
    let table = DynamoTable::new(cloud.dynamodb.clone(), TABLE, schema().table_key());
    let rejects = Collected::<Bytes>::default();
    let function = Processor::new(schema(), table, rejects, None, Box::new(|_| ()));
    let function = Arc::new(function);
    let embedded = Embedded::new("processor", move |event, deadline| {
        let function = Arc::clone(&function);
        async move {
            let event = Event::from_json(&event).map_err(|error| error.to_string())?;
            let response = function.handle(&event, deadline).await;
            serde_json::to_vec(&response).map_err(|error| error.to_string())
        }
    });
    let options = MappingOptions {
        retry_attempts: Some(1),
        on_failure: Some(OnFailure::S3(failed.to_owned())),
        ..PipelineMappings::default().processor
    };
    let summaries = source(cloud, "wildrydes-summary");
    Mapping::start(summaries, Arc::new(embedded), options).unwrap()
}

/// Waits until the mapping has processed every record sent so far.
async fn catch_up(cloud: &TestCloud, mapping: &Mapping) {
    let now = cloud.cloud.clock().now_millis();
    mapping.flush(now);
    let mut watermark = mapping.watermark();
    let done = watermark.wait_for(|mark| *mark >= now);
    tokio::time::timeout(TIME_LIMIT, done)
        .await
        .unwrap()
        .unwrap();
}

async fn create_table(cloud: &TestCloud) {
    let mut request = cloud.dynamodb.create_table().table_name(TABLE);
    request = request.billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in schema()
        .table_key()
        .into_iter()
        .zip([KeyType::Hash, KeyType::Range])
    {
        let text = ScalarAttributeType::S;
        let definition = AttributeDefinition::builder().attribute_name(name);
        let element = KeySchemaElement::builder().attribute_name(name);
        request = request
            .attribute_definitions(definition.attribute_type(text).build().unwrap())
            .key_schema(element.key_type(kind).build().unwrap());
    }
    request.send().await.unwrap();
}

async fn restored(cloud: &TestCloud) -> Vec<Row> {
    let mut pages = cloud.dynamodb.scan().table_name(TABLE);
    pages = pages.consistent_read(true);
    let mut pages = pages.into_paginator().items().send();
    let mut rows = Vec::new();
    while let Some(item) = pages.next().await {
        rows.push(StoredRow::from_item(schema(), &item.unwrap()).unwrap().row);
    }
    rows
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| (row.key.clone(), row.sort_value(schema())));
    rows
}

/// The files in the folder, with or without those that `redrive` has moved.
fn files(folder: &Path, with_redriven: bool) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                files.push(path);
            } else if with_redriven || !path.ends_with("redriven") {
                folders.push(path);
            }
        }
    }
    files
}

fn redrive(cloud: &TestCloud, folder: &Path, again: bool) -> ProgramOutput {
    let mut command = program("redrive");
    command.arg(folder);
    command.args(["--endpoint-url", &cloud.cloud.endpoint_url()]);
    if again {
        command.arg("--again");
    }
    run(&mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_batches_can_be_redriven_repeatedly() {
    let cloud = TestCloud::start(|settings| settings.shards = 2).await;
    for round in 0..3_u32 {
        let numbers = round * 1000..round * 1000 + 100;
        let readings =
            numbers.map(|number| reading(&format!("unicorn {}", number % 20), number, "1.5", 150));
        cloud.send("wildrydes", readings).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let rows = sorted(cloud.drained_rows().await);
    let expected = cloud.expected(WINDOW).await;
    assert_eq!(by_window(rows.clone()), expected);

    // A processor without its table fails every record, and the files contain all of them.
    let folder = tempfile::tempdir().unwrap();
    let second = second_processor(&cloud, folder.path());
    catch_up(&cloud, &second).await;
    let summaries = read_log(&cloud.kinesis, "wildrydes-summary").await;
    // Records of watermarks need no table.
    let is_of_rows = |record: &&LoggedRecord| ShardWatermark::parse(&record.data).is_none();
    let sent = summaries.iter().filter(is_of_rows).count();
    assert!(sent > 1);
    let failed = files(folder.path(), false).len();
    assert!(failed > 0);

    create_table(&cloud).await;
    let output = redrive(&cloud, folder.path(), false);
    assert_eq!(output.code, Some(0), "{}", output.err);
    let noun = if failed == 1 { "file" } else { "files" };
    let report = format!("redrove {sent} records of {failed} {noun}");
    assert_eq!(
        output.err.lines().last(),
        Some(report.as_str()),
        "{}",
        output.err
    );
    assert!(files(folder.path(), false).is_empty());
    assert_eq!(files(folder.path(), true).len(), failed);
    catch_up(&cloud, &second).await;
    assert_eq!(sorted(restored(&cloud).await), rows);
    // The pipeline's own table is unchanged.
    assert_eq!(sorted(cloud.rows().await), rows);

    let output = redrive(&cloud, folder.path(), false);
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert_eq!(output.err, "redrove 0 records of 0 files\n");
    let output = redrive(&cloud, folder.path(), true);
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert_eq!(
        output.err.lines().last(),
        Some(report.as_str()),
        "{}",
        output.err
    );
    catch_up(&cloud, &second).await;
    let restored = restored(&cloud).await;
    assert_eq!(by_window(restored.clone()), expected);
    assert_eq!(sorted(restored), rows);
    assert_eq!(files(folder.path(), true).len(), failed);
    second.stop().await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_file_is_named_and_others_are_redriven() {
    let cloud = TestCloud::start(|_| ()).await;
    let one = [reading("Shadowfax", 1, "30", 150)];
    cloud.send("wildrydes", one).await;
    let rows = cloud.drained_rows().await;
    let folder = tempfile::tempdir().unwrap();
    let second = second_processor(&cloud, folder.path());
    catch_up(&cloud, &second).await;
    create_table(&cloud).await;
    let nonsense = folder.path().join("a-note");
    std::fs::write(&nonsense, "not what Lambda writes").unwrap();

    let output = redrive(&cloud, folder.path(), false);
    assert_eq!(output.code, Some(1), "{}", output.err);
    let report = "redrove 1 record of 1 file; not redriven: 1";
    assert_eq!(output.err.lines().last(), Some(report), "{}", output.err);
    assert!(
        output.err.contains("a-note: not an invocation record"),
        "{}",
        output.err
    );
    assert!(nonsense.is_file());
    catch_up(&cloud, &second).await;
    assert_eq!(restored(&cloud).await, rows);
    second.stop().await;
    cloud.stop().await;
}

#[test]
fn missing_cloud_and_bad_usage_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let redrive_in_folder = |arguments: &[&str]| {
        let mut command = program("redrive");
        run(command.current_dir(folder.path()).args(arguments))
    };
    let output = redrive_in_folder(&[]);
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert_eq!(output.err, "redrove 0 records of 0 files\n");
    let output = redrive_in_folder(&["missing"]);
    assert_eq!(output.code, Some(1), "{}", output.err);
    assert!(
        output
            .err
            .starts_with("error: the folder missing cannot be read"),
        "{}",
        output.err
    );
    let output = redrive_in_folder(&["--port", "0"]);
    assert_eq!(output.code, Some(2), "{}", output.err);
    let output = redrive_in_folder(&["--help"]);
    assert_eq!(output.code, Some(0));
    assert!(
        output.out.contains("aws s3 sync s3://BUCKET failed"),
        "{}",
        output.out
    );

    std::fs::create_dir_all(folder.path().join(".wildrydes/on-failure/processor")).unwrap();
    std::fs::write(
        folder.path().join(".wildrydes/on-failure/processor/a"),
        "{}",
    )
    .unwrap();
    let output = redrive_in_folder(&["--endpoint-url", "http://127.0.0.1:1"]);
    assert_eq!(output.code, Some(1), "{}", output.err);
    assert!(
        output
            .err
            .contains("the endpoint http://127.0.0.1:1 does not respond"),
        "{}",
        output.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_mapping_reads_older_records() {
    let cloud = TestCloud::start(|settings| settings.shards = 2).await;
    let readings =
        (0..300).map(|number| reading(&format!("unicorn {}", number % 7), number, "2.25", 150));
    cloud.send("wildrydes", readings).await;
    cloud.drained_rows().await;
    let expected = cloud.expected(WINDOW).await;
    let readings: u64 = expected.values().map(|measures| measures.readings).sum();
    assert_eq!(readings, 300);

    let sent: &'static Collected<KinesisRecord> = Box::leak(Box::default());
    let rejects = Collected::<Bytes>::default();
    let function = Aggregator::new(
        Unicorn,
        sent,
        rejects,
        WindowTime::Arrival,
        Box::new(|_| ()),
    );
    let function = Arc::new(function);
    let embedded = Embedded::new("aggregator", move |event, deadline| {
        let function = Arc::clone(&function);
        async move {
            let event = Event::from_json(&event).map_err(|error| error.to_string())?;
            let response = function.handle(&event, deadline).await;
            let response = response.map_err(|error| error.to_string())?;
            serde_json::to_vec(&response).map_err(|error| error.to_string())
        }
    });
    let late = Mapping::start(
        source(&cloud, "wildrydes"),
        Arc::new(embedded),
        MappingOptions {
            tumbling_window: Some(WINDOW),
            ..PipelineMappings::default().aggregator
        },
    );
    let late = late.unwrap();
    catch_up(&cloud, &late).await;
    let sent = sent.items();
    let rows = sent.iter().flat_map(|record| row::rows(&record.data));
    assert_eq!(
        by_window(rows.map(|(_, row)| row.unwrap()).collect()),
        expected
    );
    late.stop().await;
    cloud.stop().await;
}
