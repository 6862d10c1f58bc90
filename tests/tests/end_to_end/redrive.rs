//! Failed batches are redriven, and what was sent before anybody read it is not lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use bytes::Bytes;
use end_to_end::programs::{Ran, program, run};
use end_to_end::{TIME_LIMIT, TestCloud, by_window, read_log, reading};
use unicorn::summary::{Summary, summaries};
use windrow_event::Event;
use windrow_lambda::aggregator::Aggregator;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_lambda::processor::Processor;
use windrow_lambda::processor::row::{KEY, from_item};
use windrow_local::functions::Embedded;
use windrow_local::mapping::{Mapping, MappingOptions, MappingSource};
use windrow_local::settings::{aggregator_mapping, processor_mapping};
use windrow_write::{Collected, DynamoTable, KinesisRecord};

const WINDOW: Duration = Duration::from_secs(2);

/// A table that is made later than it is written to.
const TABLE: &str = "Restored";

fn source(cloud: &TestCloud, stream: &str) -> MappingSource {
    MappingSource {
        client: cloud.kinesis.clone(),
        stream: stream.to_owned(),
        stream_arn: format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}"),
        region: "us-east-1".to_owned(),
    }
}

/// A second processor on the summaries, which writes to [`TABLE`] and gives up soon.
fn second_processor(cloud: &TestCloud, failed: &Path) -> Mapping {
    let table = DynamoTable::new(cloud.dynamodb.clone(), TABLE, KEY);
    let rejects = Collected::<Bytes>::default();
    let function = Processor::new(table, rejects, None, Box::new(|_| ()));
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
        ..processor_mapping(failed.to_owned())
    };
    let summaries = source(cloud, "wildrydes-summary");
    Mapping::start(summaries, Arc::new(embedded), options).unwrap()
}

/// Waits until the mapping is done with all that was sent so far.
async fn caught_up(mapping: &Mapping) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the watermark is in wall-clock time"
    )]
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
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
    for (name, kind) in KEY.into_iter().zip([KeyType::Hash, KeyType::Range]) {
        let text = ScalarAttributeType::S;
        let definition = AttributeDefinition::builder().attribute_name(name);
        let element = KeySchemaElement::builder().attribute_name(name);
        request = request
            .attribute_definitions(definition.attribute_type(text).build().unwrap())
            .key_schema(element.key_type(kind).build().unwrap());
    }
    request.send().await.unwrap();
}

async fn restored(cloud: &TestCloud) -> Vec<Summary> {
    let mut pages = cloud.dynamodb.scan().table_name(TABLE);
    pages = pages.consistent_read(true);
    let mut pages = pages.into_paginator().items().send();
    let mut rows = Vec::new();
    while let Some(item) = pages.next().await {
        rows.push(from_item(&item.unwrap()).unwrap());
    }
    rows
}

fn sorted(mut rows: Vec<Summary>) -> Vec<Summary> {
    rows.sort_by_key(|row| (row.name.clone(), row.sort_key()));
    rows
}

/// The files in the folder, those that were moved away included or not.
fn files(folder: &Path, moved: bool) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                files.push(path);
            } else if moved || !path.ends_with("redriven") {
                folders.push(path);
            }
        }
    }
    files
}

fn redrive(cloud: &TestCloud, folder: &Path, again: bool) -> Ran {
    let mut command = program("redrive");
    command.arg(folder);
    command.args(["--endpoint-url", &cloud.cloud.endpoint_url()]);
    if again {
        command.arg("--again");
    }
    run(&mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_batches_are_redriven_whole_however_often() {
    let cloud = TestCloud::start(|settings| settings.shards = 2).await;
    for round in 0..3_u32 {
        let numbers = round * 1000..round * 1000 + 100;
        let readings =
            numbers.map(|number| reading(&format!("unicorn {}", number % 20), number, "1.5", 150));
        cloud.send("wildrydes", readings).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let rows = sorted(cloud.drained_rows().await);
    let expected = cloud.expected(2000).await;
    assert_eq!(by_window(rows.clone()), expected);

    // A processor without its table gives every record up, and the files hold all of them.
    let folder = tempfile::tempdir().unwrap();
    let second = second_processor(&cloud, folder.path());
    caught_up(&second).await;
    let sent = read_log(&cloud.kinesis, "wildrydes-summary").await.len();
    assert!(sent > 0);
    let failed = files(folder.path(), false).len();
    assert!(failed > 0);

    create_table(&cloud).await;
    let ran = redrive(&cloud, folder.path(), false);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let told = format!("redrove {sent} records of {failed} files");
    assert_eq!(ran.err.lines().last(), Some(told.as_str()), "{}", ran.err);
    assert!(files(folder.path(), false).is_empty());
    assert_eq!(files(folder.path(), true).len(), failed);
    caught_up(&second).await;
    assert_eq!(sorted(restored(&cloud).await), rows);
    // The table that had them already has nothing else now.
    assert_eq!(sorted(cloud.rows().await), rows);

    let ran = redrive(&cloud, folder.path(), false);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.err, "redrove 0 records of 0 files\n");
    let ran = redrive(&cloud, folder.path(), true);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.err.lines().last(), Some(told.as_str()), "{}", ran.err);
    caught_up(&second).await;
    let restored = restored(&cloud).await;
    assert_eq!(by_window(restored.clone()), expected);
    assert_eq!(sorted(restored), rows);
    assert_eq!(files(folder.path(), true).len(), failed);
    second.stop().await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_none_is_named_and_does_not_hold_up_the_others() {
    let cloud = TestCloud::start(|_| ()).await;
    let one = [reading("Shadowfax", 1, "30", 150)];
    cloud.send("wildrydes", one).await;
    let rows = cloud.drained_rows().await;
    let folder = tempfile::tempdir().unwrap();
    let second = second_processor(&cloud, folder.path());
    caught_up(&second).await;
    create_table(&cloud).await;
    let nonsense = folder.path().join("a-note");
    std::fs::write(&nonsense, "not what Lambda writes").unwrap();

    let ran = redrive(&cloud, folder.path(), false);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let told = "redrove 1 records of 1 files; left as they were: 1";
    assert_eq!(ran.err.lines().last(), Some(told), "{}", ran.err);
    assert!(
        ran.err.contains("a-note: it is no invocation record"),
        "{}",
        ran.err
    );
    assert!(nonsense.is_file());
    caught_up(&second).await;
    assert_eq!(restored(&cloud).await, rows);
    second.stop().await;
    cloud.stop().await;
}

#[test]
fn redrive_without_a_cloud_or_with_bad_usage_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = |arguments: &[&str]| {
        let mut command = program("redrive");
        run(command.current_dir(folder.path()).args(arguments))
    };
    let ran = elsewhere(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.err, "redrove 0 records of 0 files\n");
    let ran = elsewhere(&["missing"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(
        ran.err
            .starts_with("error: the folder missing cannot be read"),
        "{}",
        ran.err
    );
    let ran = elsewhere(&["--port", "0"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let ran = elsewhere(&["--help"]);
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.out.contains("aws s3 sync s3://BUCKET failed"),
        "{}",
        ran.out
    );

    std::fs::create_dir_all(folder.path().join(".wildrydes/on-failure/processor")).unwrap();
    std::fs::write(
        folder.path().join(".wildrydes/on-failure/processor/a"),
        "{}",
    )
    .unwrap();
    let ran = elsewhere(&["--endpoint-url", "http://127.0.0.1:1"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(
        ran.err
            .contains("the endpoint http://127.0.0.1:1 gives no answer"),
        "{}",
        ran.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_before_a_mapping_started_is_in_the_rows() {
    let cloud = TestCloud::start(|settings| settings.shards = 2).await;
    let readings =
        (0..300).map(|number| reading(&format!("unicorn {}", number % 7), number, "2.25", 150));
    cloud.send("wildrydes", readings).await;
    cloud.drained_rows().await;
    let expected = cloud.expected(2000).await;
    let readings: u64 = expected.values().map(|measures| measures.readings).sum();
    assert_eq!(readings, 300);

    let sent: &'static Collected<KinesisRecord> = Box::leak(Box::default());
    let rejects = Collected::<Bytes>::default();
    let function = Aggregator::new(sent, rejects, WindowTime::Arrival, Box::new(|_| ()));
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
        aggregator_mapping(WINDOW),
    );
    let late = late.unwrap();
    caught_up(&late).await;
    let sent = sent.items();
    let rows = sent.iter().flat_map(|record| summaries(&record.data));
    assert_eq!(
        by_window(rows.map(|(_, row)| row.unwrap()).collect()),
        expected
    );
    late.stop().await;
    cloud.stop().await;
}
