//! Kinesis SQL without windows in the local cloud: every row is written, in order, through all faults.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use end_to_end::programs::binary;
use end_to_end::{TIME_LIMIT, TestCloud, read_log};
use local::Functions;
use serde_json::Value;
use soak::outputs::OutputCheck;
use sql::text::SqlFlags;
use windrow_core::row::merge;
use windrow_core::sensor::Sensor as _;
use windrow_local::CloudSettings;
use windrow_local::faults::{FaultKind, Faults};
use windrow_record::kpl::AggregateBuilder;
use windrow_sql::sensor::SqlSensor;
use windrow_write::{KinesisRecord, KinesisStream, Policy, deliver};

use crate::sql_application::{settings_of, write_files};

/// Two pumps write one output, and another one comes by a chain of pumps.
const OUTPUTS: &str = r#"
CREATE OR REPLACE STREAM "ALARMS" ("Name" VARCHAR(9), "At" TIMESTAMP, "Why" VARCHAR(8), "Quotient" SMALLINT);
CREATE OR REPLACE PUMP "MAGIC_PUMP" AS INSERT INTO "ALARMS"
    SELECT STREAM "Name", ROWTIME, 'magic', 100 / ("MagicPoints" - 13)
    FROM "SOURCE_SQL_STREAM_001" WHERE "MagicPoints" > 10;
CREATE OR REPLACE PUMP "HEALTH_PUMP" AS INSERT INTO "ALARMS" ("Name", "Why")
    SELECT STREAM "Name", 'health' FROM "SOURCE_SQL_STREAM_001" WHERE "HealthPoints" < 20;
CREATE OR REPLACE STREAM "MILES" ("Name" VARCHAR(40), "Miles" DOUBLE);
CREATE OR REPLACE PUMP "MILES_PUMP" AS INSERT INTO "MILES"
    SELECT STREAM "Name", "Distance" / 1609.344 FROM "SOURCE_SQL_STREAM_001";
CREATE OR REPLACE STREAM "far away" ("Name" VARCHAR(40), "Miles" DECIMAL(9,3), "Long" VARCHAR(5000));
CREATE OR REPLACE PUMP "FAR_PUMP" AS INSERT INTO "far away"
    SELECT STREAM "Name", "Miles", 'LONG TEXT' FROM "MILES" WHERE "Miles" > 0.2;
"#;

const WINDOW: &str = r#"
CREATE OR REPLACE STREAM "COUNTS" ("Readings" INTEGER);
CREATE OR REPLACE PUMP "COUNT_PUMP" AS INSERT INTO "COUNTS" SELECT STREAM COUNT(*)
    FROM "SOURCE_SQL_STREAM_001" GROUP BY STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' SECOND);
"#;

const SCHEMA: &str = r#"{"RecordColumns": [
    {"Name": "Name", "SqlType": "VARCHAR(40)", "Mapping": "$.Name"},
    {"Name": "Distance", "SqlType": "DOUBLE", "Mapping": "$.Distance"},
    {"Name": "MagicPoints", "SqlType": "INTEGER", "Mapping": "$.MagicPoints"},
    {"Name": "HealthPoints", "SqlType": "INTEGER", "Mapping": "$.HealthPoints"}
]}"#;

/// A reading that cannot be converted.
const BROKEN: &str = r#"{"Name":"Franky","MagicPoints":"many"}"#;

/// The faults that can disturb the function without windows.
const MUTATIONS: [FaultKind; 12] = [
    FaultKind::PutFailed,
    FaultKind::Throttled,
    FaultKind::ResponseDropped,
    FaultKind::RejectsFailed,
    FaultKind::Crash,
    FaultKind::CrashDuring,
    FaultKind::CrashAfter,
    FaultKind::TimeOut,
    FaultKind::TwiceAtOnce,
    FaultKind::TwiceLate,
    FaultKind::Redelivered,
    FaultKind::Recut,
];

/// A cloud with an application without windows, or with one.
struct OutputCloud {
    cloud: TestCloud,
    sensor: SqlSensor,
    outputs: BTreeMap<String, String>,
    faults: Arc<Faults>,
    _files: tempfile::TempDir,
}

impl OutputCloud {
    async fn start(text: &str, functions: Functions, faults: &Arc<Faults>) -> Self {
        let [files, data_dir] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let flags = write(files.path(), text);
        let sensor = flags.sensor().unwrap().unwrap();
        let mut program = local::sql_program(sensor.clone(), &flags).unwrap();
        program.application.functions = functions;
        let settings = CloudSettings {
            faults: Arc::clone(faults),
            ..settings_of(&program, data_dir.path())
        };
        let outputs = settings.names.outputs.clone();
        let cloud = TestCloud::start_application(&program.application, settings, data_dir).await;
        Self {
            cloud,
            sensor,
            outputs,
            faults: Arc::clone(faults),
            _files: files,
        }
    }

    /// Sends 60 records with one or more readings, and two packed ones.
    async fn send(&self, round: u32) {
        self.cloud.send("wildrydes", records(round)).await;
        let lines: String = records(round + 1_000)
            .map(|(_, line)| line)
            .take(9)
            .collect();
        let compressed = zstd::bulk::compress(lines.as_bytes(), 3).unwrap();
        let mut aggregate = AggregateBuilder::default();
        aggregate.add("one", &compressed);
        aggregate.add("other", lines.as_bytes());
        let packed = [compressed, aggregate.finish()].map(|data| KinesisRecord {
            partition_key: format!("packed {round}"),
            data: data.into(),
        });
        let stream = KinesisStream::new(self.cloud.kinesis.clone(), "wildrydes");
        let sent = deliver(&stream, packed.to_vec(), &Policy::within(TIME_LIMIT)).await;
        assert_eq!(sent.undelivered, []);
    }

    /// Closes the cloud's streams, and compares the outputs with the log.
    async fn checked(&self) -> OutputCheck {
        self.cloud.cloud.drain(TIME_LIMIT).await.unwrap();
        self.faults.switch_off();
        let log = read_log(&self.cloud.kinesis, "wildrydes").await;
        let mut outputs = BTreeMap::new();
        for (output, stream) in &self.outputs {
            outputs.insert(output.clone(), read_log(&self.cloud.kinesis, stream).await);
        }
        OutputCheck::of(&self.sensor, &log, &outputs)
    }
}

fn write(folder: &Path, text: &str) -> SqlFlags {
    // So long that the rows of a batch become several records.
    let text = text.replace("LONG TEXT", &"x".repeat(4_000));
    write_files(folder, &text, SCHEMA)
}

/// Records of one round, as partition key and data.
fn records(round: u32) -> impl Iterator<Item = (String, String)> {
    (0..60).map(move |number| {
        let (metres, magic, health) = (number * 9 + round, number % 40, number % 50);
        let line = format!(
            "{{\"Name\":\"unicorn number {number}\",\"Distance\":{metres}.25,\"MagicPoints\":{magic},\"HealthPoints\":{health}}}\n"
        );
        (format!("partition {}", number % 7), line.repeat(1 + number as usize % 3))
    })
}

fn none() -> Arc<Faults> {
    Arc::new(Faults::none())
}

fn rejects(cloud: &TestCloud) -> Vec<String> {
    let rejects = cloud.archived("sql-rejects");
    let text = |reject: &Value| reject["Reason"].as_str().unwrap().to_owned();
    rejects.iter().map(text).collect()
}

/// Sends rounds until each kind was injected, and checks the outputs.
async fn check_through(specification: &str, kinds: &[FaultKind], functions: Functions) {
    let faults = Arc::new(Faults::parse(specification, 11).unwrap());
    let text = format!("{OUTPUTS}{WINDOW}");
    let cloud = OutputCloud::start(&text, functions, &faults).await;
    let sending = async {
        for round in 0.. {
            let is_done = |kind: &FaultKind| faults.injected(*kind) > 0;
            if round >= 8 && kinds.iter().all(is_done) {
                return;
            }
            cloud.send(round).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let sent = tokio::time::timeout(TIME_LIMIT, sending).await;
    assert!(sent.is_ok(), "{faults:?}");
    let checked = cloud.checked().await;
    assert!(checked.is_right(), "{specification}: {checked}");
    assert!(checked.expected > 500, "{checked}");
    // The pump that divides by zero rejects a reading; every fault leaves its rejects.
    assert!(!rejects(&cloud.cloud).is_empty());
    cloud.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_written_in_order_under_each_fault() {
    let mut runs = tokio::task::JoinSet::new();
    for kind in MUTATIONS {
        let name = kind.name();
        let specification = format!("{name}@1,{name}@3,{name}=0.1");
        runs.spawn(async move {
            check_through(&specification, &[kind], Functions::Embedded).await;
        });
    }
    runs.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_written_in_order_under_all_faults_together() {
    let specification = MUTATIONS
        .map(|kind| format!("{}=0.05", kind.name()))
        .join(",");
    check_through(&specification, &[], Functions::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_written_in_order_when_binaries_are_killed() {
    let folder = tokio::task::spawn_blocking(|| binary("sql-stateless").with_file_name(""));
    let functions = Functions::Bootstrap(folder.await.unwrap());
    let kinds = [FaultKind::CrashDuring, FaultKind::TimeOut];
    check_through(
        "crash-during@2,crash-during@5,time-out@3",
        &kinds,
        functions,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_and_disabled_mappings_lose_no_row() {
    let cloud =
        OutputCloud::start(&format!("{OUTPUTS}{WINDOW}"), Functions::Embedded, &none()).await;
    for round in 0..6 {
        cloud.send(2 * round).await;
        let before = cloud.cloud.cloud.aggregator_watermark();
        if round % 2 == 0 {
            cloud.cloud.cloud.restart_aggregator(before - 700).await;
        } else {
            cloud.cloud.cloud.disable_aggregator().await;
            cloud.send(2 * round + 1).await;
            cloud.cloud.cloud.set_aggregator_batch_size(7).await;
            cloud.cloud.cloud.enable_aggregator().await;
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let checked = cloud.checked().await;
    assert!(checked.is_right() && checked.expected > 500, "{checked}");
    cloud.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_windows_there_is_no_aggregator() {
    let cloud = OutputCloud::start(OUTPUTS, Functions::Embedded, &none()).await;
    let names = [
        ("ALARMS".to_owned(), "sql-ALARMS".to_owned()),
        ("far away".to_owned(), "sql-far-away".to_owned()),
    ];
    assert_eq!(cloud.outputs, BTreeMap::from(names));
    cloud.send(0).await;
    let broken = [("key".to_owned(), BROKEN.to_owned())];
    cloud.cloud.send("wildrydes", broken).await;
    let checked = cloud.checked().await;
    assert!(checked.is_right(), "{checked}");
    // Without faults, no row is written twice.
    assert_eq!(checked.lines, checked.expected, "{checked}");
    let rows = cloud.cloud.rows_of("sql", cloud.sensor.schema()).await;
    assert_eq!(rows, []);
    let rejects = rejects(&cloud.cloud);
    let of_value = rejects
        .iter()
        .filter(|reason| reason.contains("MagicPoints is `"));
    assert_eq!(of_value.count(), 1, "{rejects:?}");
    let by_zero = rejects
        .iter()
        .filter(|reason| reason.contains("of pump MAGIC_PUMP has no value"));
    assert!(by_zero.count() > 0, "{rejects:?}");
    cloud.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_beside_outputs_stay_exact() {
    let text = format!("{OUTPUTS}{WINDOW}");
    let cloud = OutputCloud::start(&text, Functions::Embedded, &none()).await;
    cloud.send(0).await;
    let checked = cloud.checked().await;
    assert!(checked.is_right() && checked.expected > 50, "{checked}");
    let rows = cloud.cloud.rows_of("sql", cloud.sensor.schema()).await;
    let merged = merge(cloud.sensor.schema(), rows);
    let readings: u64 = merged.iter().map(|row| row.readings).sum();
    // Of a round, and of the first nine records of another one, three times.
    let of = |records: u32| -> u64 { (0..records).map(|number| u64::from(1 + number % 3)).sum() };
    assert_eq!(readings, of(60) + 3 * of(9));
    cloud.cloud.stop().await;
}
