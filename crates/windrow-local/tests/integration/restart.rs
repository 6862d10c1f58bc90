//! What outlives a killed process: mappings, delivery streams, and what the next one reports.
//!
//! Kinesis goes on while the mappings are killed, since its streams are in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_firehose::error::ProvideErrorMetadata as _;
use aws_sdk_firehose::primitives::Blob;
use aws_sdk_firehose::types::Record;
use axum::Router;
use futures_util::future::BoxFuture;
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use windrow_event::Event;
use windrow_local::faults::Faults;
use windrow_local::functions::{Function, InvokeError};
use windrow_local::mapping::{Mapping, MappingError, MappingOptions, MappingSource};
use windrow_local::{Application, CloudSettings, LocalCloud, Pipeline, ResourceNames, StartError};
use windrow_read::Start;
use windrow_testkit::files::{files, texts};

use crate::endpoint::create_stream;
use crate::{TestEndpoint, until_unlocked};

const LIMIT: Duration = Duration::from_secs(300);
const STREAM: &str = "stream";

/// A row: the records of one range of a shard's window, by their data.
type RangeRow = (String, i64, Vec<u32>);

/// Folds the records of a window, and remembers the rows.
#[derive(Default)]
struct Folding {
    rows: Mutex<BTreeSet<RangeRow>>,
    invocations: Mutex<usize>,
}

fn numbers(event: &Event) -> Vec<u32> {
    let number = |data: &[u8]| String::from_utf8_lossy(data).parse().unwrap();
    let records = event.records();
    records.map(|record| number(record.data.unwrap())).collect()
}

impl Function for Folding {
    fn name(&self) -> &str {
        "folding"
    }

    fn invoke(&self, payload: Vec<u8>, _: Duration) -> BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        let event = Event::from_json(&payload).unwrap();
        let state = event.state.as_ref().map_or("{}", |state| state.get());
        let state: Value = serde_json::from_str(state).unwrap();
        let folded = state.get("folded").cloned().unwrap_or_else(|| json!([]));
        let mut folded: Vec<u32> = serde_json::from_value(folded).unwrap();
        for number in numbers(&event) {
            if !folded.contains(&number) {
                folded.push(number);
            }
        }
        *self.invocations.lock().unwrap() += 1;
        let mut state = json!({"folded": folded});
        if event.is_final_invoke_for_window {
            let window = event.window.unwrap().start;
            let row = (event.shard().unwrap().to_owned(), window, folded);
            self.rows.lock().unwrap().insert(row);
            state = json!({});
        }
        Box::pin(async move { Ok(json!({"state": state}).to_string().into_bytes()) })
    }
}

fn options(folder: &Path) -> MappingOptions {
    MappingOptions {
        batch_size: 3,
        tumbling_window: Some(Duration::from_secs(1)),
        checkpoints: Some(folder.to_owned()),
        poll_interval: Duration::from_millis(20),
        ..MappingOptions::default()
    }
}

fn source(cloud: &TestEndpoint) -> MappingSource {
    MappingSource {
        client: cloud.kinesis(),
        stream: STREAM.to_owned(),
        stream_arn: format!("arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}"),
        region: "us-east-1".to_owned(),
        clock: cloud.endpoint.clock().clone(),
    }
}

async fn put(cloud: &TestEndpoint, numbers: std::ops::Range<u32>) {
    use aws_sdk_kinesis::primitives::Blob;
    use aws_sdk_kinesis::types::PutRecordsRequestEntry;
    let entry = |number: u32| {
        let entry = PutRecordsRequestEntry::builder().partition_key(number.to_string());
        let data = Blob::new(number.to_string());
        entry.data(data).build().unwrap()
    };
    let entries = numbers.map(entry).collect();
    let call = cloud.kinesis().put_records().stream_name(STREAM);
    let output = call.set_records(Some(entries)).send().await.unwrap();
    assert_eq!(output.failed_record_count(), Some(0));
}

async fn split(cloud: &TestEndpoint, shard: &str) {
    let half = (1_u128 << 126).to_string();
    let call = cloud.kinesis().split_shard().stream_name(STREAM);
    let call = call.shard_to_split(shard).new_starting_hash_key(half);
    call.send().await.unwrap();
}

/// A mapping in a process of its own, as far as that goes: killing it cuts it off where it waits.
struct Killable {
    runtime: Runtime,
    mapping: Mapping,
}

impl Killable {
    fn start(
        cloud: &TestEndpoint,
        folder: &Path,
        function: &Arc<Folding>,
        faults: &Arc<Faults>,
    ) -> Self {
        let builder = &mut tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let function: Arc<dyn Function> = Arc::clone(function) as Arc<dyn Function>;
        let _entered = runtime.enter();
        let (source, faults) = (source(cloud), Arc::clone(faults));
        let mapping = Mapping::start_with(
            source,
            function,
            options(folder),
            Start::TrimHorizon,
            faults,
        );
        Self {
            mapping: mapping.unwrap(),
            runtime,
        }
    }

    async fn kill(self) {
        let Self { runtime, mapping } = self;
        drop(mapping);
        let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LIMIT));
        ended.await.unwrap();
    }
}

/// Kills mappings while records are put and shards are split, and checks that the rows have each
/// record once.
async fn rows_are_exact(faults: Faults, seed: u64) {
    const BATCHES: u32 = 80;
    const BATCH: u32 = 7;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (cloud, folder) = (TestEndpoint::start().await, tempfile::tempdir().unwrap());
    create_stream(&cloud.kinesis(), STREAM, 2).await;
    let (function, faults) = (Arc::new(Folding::default()), Arc::new(faults));
    let killing = async {
        for _ in 0..12 {
            let running = Killable::start(&cloud, folder.path(), &function, &faults);
            tokio::time::sleep(Duration::from_millis(random.random_range(0..500))).await;
            running.kill().await;
        }
    };
    let putting = async {
        for batch in 0..BATCHES {
            put(&cloud, batch * BATCH..(batch + 1) * BATCH).await;
            if batch == BATCHES / 3 {
                split(&cloud, "shardId-000000000000").await;
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    };
    tokio::join!(killing, putting);
    let last = Killable::start(&cloud, folder.path(), &function, &faults);
    let now = cloud.endpoint.clock().now_millis();
    last.mapping.flush(now);
    let mut watermark = last.mapping.watermark();
    let done = watermark.wait_for(|mark| *mark >= now);
    tokio::time::timeout(LIMIT, done).await.unwrap().unwrap();

    let rows = function.rows.lock().unwrap().clone();
    let mut windows: BTreeMap<(String, i64), Vec<Vec<u32>>> = BTreeMap::new();
    for (shard, window, numbers) in rows {
        windows.entry((shard, window)).or_default().push(numbers);
    }
    let mut counted = Vec::new();
    for (window, rows) in windows {
        let all: BTreeSet<u32> = rows.iter().flatten().copied().collect();
        let all: Vec<u32> = all.into_iter().collect();
        // Some rows must cover the window's records without an overlap.
        let mut reached = BTreeSet::from([0]);
        while let Some(at) = reached.pop_first() {
            if at == all.len() {
                counted.extend(all);
                break;
            }
            let fits = rows.iter().filter(|row| all[at..].starts_with(row));
            reached.extend(fits.map(|row| at + row.len()));
            assert!(!reached.is_empty(), "{window:?}: {rows:?}");
        }
    }
    counted.sort_unstable();
    assert_eq!(counted, (0..BATCHES * BATCH).collect::<Vec<u32>>());
    last.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_mappings_go_on_where_they_were() {
    rows_are_exact(Faults::none(), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_mappings_go_on_with_injected_faults() {
    let faults = "recut=0.2,state-lost=0.3,redelivered=0.2";
    rows_are_exact(Faults::parse(faults, 2).unwrap(), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_does_not_go_past_what_it_cannot_save() {
    let (cloud, folder) = (TestEndpoint::start().await, tempfile::tempdir().unwrap());
    create_stream(&cloud.kinesis(), STREAM, 1).await;
    let (function, faults) = (Arc::new(Folding::default()), Arc::new(Faults::none()));
    put(&cloud, 0..3).await;
    let running = Killable::start(&cloud, folder.path(), &function, &faults);
    let invocations = || *function.invocations.lock().unwrap();
    let saved = folder.path().join("folding");
    let until = async |condition: &dyn Fn() -> bool| {
        let wait = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap();
    };
    until(&|| saved.exists()).await;
    fs::remove_dir_all(&saved).unwrap();
    fs::write(&saved, "in the way").unwrap();
    let before = invocations();
    put(&cloud, 3..30).await;
    // What it cannot save now, it may have invoked already.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(
        invocations() <= before + 1,
        "it went on without a checkpoint"
    );
    fs::remove_file(&saved).unwrap();
    let now = cloud.endpoint.clock().now_millis();
    running.mapping.flush(now);
    let mut watermark = running.mapping.watermark();
    let done = watermark.wait_for(|mark| *mark >= now);
    tokio::time::timeout(LIMIT, done).await.unwrap().unwrap();
    running.kill().await;

    // What is damaged is not read from the start in silence.
    let file = files(folder.path()).pop().unwrap();
    fs::write(&file, "{").unwrap();
    let function: Arc<dyn Function> = Arc::clone(&function) as Arc<dyn Function>;
    let error = Mapping::start(source(&cloud), function, options(folder.path())).unwrap_err();
    assert!(matches!(error, MappingError::Checkpoint(_)));
    assert!(
        error.to_string().contains(&file.display().to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn delivery_streams_outlive_the_process() {
    let cloud = TestEndpoint::start().await;
    let destination = aws_sdk_firehose::types::ExtendedS3DestinationConfiguration::builder()
        .role_arn("arn:aws:iam::000000000000:role/firehose")
        .bucket_arn("arn:aws:s3:::archive")
        .build()
        .unwrap();
    for name in ["kept", "deleted"] {
        let create = cloud.firehose().create_delivery_stream();
        let create = create.delivery_stream_name(name);
        let create = create.extended_s3_destination_configuration(destination.clone());
        create.send().await.unwrap();
    }
    let put = async |cloud: &TestEndpoint, data: &str| {
        let record = Record::builder().data(Blob::new(data)).build().unwrap();
        let put = cloud.firehose().put_record().delivery_stream_name("kept");
        put.record(record).send().await.unwrap();
    };
    put(&cloud, "before\n").await;
    let delete = cloud.firehose().delete_delivery_stream();
    delete.delivery_stream_name("deleted").send().await.unwrap();
    // Killed: nothing is flushed. The last put was not acknowledged.
    let TestEndpoint {
        endpoint, folder, ..
    } = cloud;
    drop(endpoint);
    until_unlocked(folder.path()).await;
    let object = files(&folder.path().join("incoming")).pop().unwrap();
    fs::write(&object, "before\nunfin").unwrap();

    let cloud = TestEndpoint::start_in(folder).await;
    put(&cloud, "after\n").await;
    let deleted = cloud.firehose().describe_delivery_stream();
    let deleted = deleted
        .delivery_stream_name("deleted")
        .send()
        .await
        .unwrap_err();
    assert_eq!(deleted.code(), Some("ResourceNotFoundException"));
    let found = cloud.endpoint.firehose().found();
    assert_eq!((found.objects, found.bytes, found.removed), (1, 7, 5));
    let folder = cloud.stop().await;
    let mut archived = texts(&folder.path().join("archive"));
    archived.sort();
    assert_eq!(archived, ["after\n", "before\n"]);
}

/// A processor that does nothing.
struct Idle;

impl Function for Idle {
    fn name(&self) -> &str {
        "processor"
    }

    fn invoke(&self, _: Vec<u8>, _: Duration) -> BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        Box::pin(async { Ok(b"null".to_vec()) })
    }
}

struct IdleApplication;

impl Application for IdleApplication {
    fn pipeline(
        &self,
        _: &ResourceNames,
        _: &aws_types::SdkConfig,
    ) -> Result<Pipeline, StartError> {
        Ok(Pipeline {
            aggregator: Some(Arc::new(Folding::default())),
            stateless: None,
            processor: Arc::new(Idle),
            finisher: None,
            state_version: String::new(),
        })
    }

    fn page(&self, _: &str, _: &str, _: &ResourceNames) -> Router {
        Router::new()
    }
}

/// The settings of a cloud with an idle application.
fn idle_settings(folder: &Path) -> CloudSettings {
    let names = ResourceNames {
        stream: STREAM.to_owned(),
        summary_stream: "rows".to_owned(),
        table: "table".to_owned(),
        table_key: ["Key", "Time"].map(str::to_owned),
        rejects: "rejects".to_owned(),
        outputs: BTreeMap::new(),
        finished: BTreeMap::new(),
        progress_table: "progress".to_owned(),
    };
    let mut settings = CloudSettings::new(names, folder);
    settings.port = 0;
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_of_deleted_streams_are_removed_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let started = LocalCloud::start(idle_settings(folder.path()), &IdleApplication);
        started.await.unwrap()
    };
    let client = |cloud: &LocalCloud| {
        aws_sdk_kinesis::Client::new(&windrow_connect::local_config(&cloud.endpoint_url()))
    };
    let saved = |stream: &str| folder.path().join("mappings/aggregator").join(stream);

    let cloud = start().await;
    cloud.add_stream("other", 1).await.unwrap();
    for stream in [STREAM, "other"] {
        let put = client(&cloud).put_record().stream_name(stream);
        let put = put
            .partition_key("1")
            .data(aws_sdk_kinesis::primitives::Blob::new("1"));
        put.send().await.unwrap();
    }
    cloud.drain(LIMIT).await.unwrap();
    cloud.stop().await;

    // A stream that nothing reads now may be read again later.
    let cloud = start().await;
    assert!(saved(STREAM).is_dir() && saved("other").is_dir());
    let delete = client(&cloud).delete_stream().stream_name("other");
    delete.send().await.unwrap();
    cloud.stop().await;
    let cloud = start().await;
    assert!(saved(STREAM).is_dir() && !saved("other").exists());
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_says_how_the_last_run_ended() {
    let folder = tempfile::tempdir().unwrap();
    let settings = idle_settings(folder.path());
    let start = async || {
        let started = LocalCloud::start(settings.clone(), &IdleApplication).await;
        let cloud = started.unwrap();
        let report = cloud.restart_report().map(ToString::to_string);
        (cloud, report)
    };
    let (cloud, report) = start().await;
    assert_eq!(report, None);
    cloud.stop().await;
    let (cloud, report) = start().await;
    assert!(
        report
            .unwrap()
            .starts_with("going on with what the last run has left: ")
    );
    drop(cloud);
    until_unlocked(folder.path()).await;
    let (cloud, report) = start().await;
    assert!(
        report
            .unwrap()
            .starts_with("the last run ended without a clean stop: ")
    );
    cloud.drain(LIMIT).await.unwrap();
    cloud.stop().await;

    // A start that fails neither hides an unclean end nor looks like one.
    let rejects = folder.path().join("firehose/rejects/committed.json");
    fs::write(&rejects, "{").unwrap();
    let error = LocalCloud::start(settings.clone(), &IdleApplication)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("committed.json"), "{error}");
    fs::remove_file(rejects).unwrap();
    let (cloud, report) = start().await;
    assert!(report.unwrap().starts_with("going on"), "{error}");
    cloud.stop().await;
}
