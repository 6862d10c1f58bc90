//! Finished rows in the local cloud: of every window, once it is complete, through all faults.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use end_to_end::programs::binary;
use end_to_end::{TIME_LIMIT, TestCloud, read_log};
use local::Functions;
use serde_json::Value;
use soak::finished::FinishedCheck;
use sql_functions::finished::SqlOutputs;
use tempfile::TempDir;
use windrow_core::time::Timestamp;
use windrow_local::faults::{FaultKind, Faults};
use windrow_local::functions::Function as _;
use windrow_local::{Clock, CloudSettings, ResourceNames};
use windrow_pipeline::embedded_finisher;

use crate::sql_application::{settings_of, write_files};

/// Windows of two lengths, a distinct count, a HAVING, and a chain of pumps after a window.
const WINDOWS: &str = r#"
CREATE OR REPLACE STREAM "TOTALS" ("Name" VARCHAR(40), "At" TIMESTAMP, "Readings" INTEGER, "Distance" DOUBLE);
CREATE OR REPLACE PUMP "TOTAL_PUMP" AS INSERT INTO "TOTALS"
    SELECT STREAM "Name", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' SECOND), COUNT(*), SUM("Distance")
    FROM "SOURCE_SQL_STREAM_001"
    GROUP BY "Name", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' SECOND);
CREATE OR REPLACE STREAM "FAR" ("Name" VARCHAR(40), "Distance" DOUBLE);
CREATE OR REPLACE PUMP "FAR_PUMP" AS INSERT INTO "FAR"
    SELECT STREAM "Name", "Distance" FROM "TOTALS" WHERE "Distance" > 400;
CREATE OR REPLACE STREAM "BUSY" ("MagicPoints" INTEGER, "Readings" INTEGER);
CREATE OR REPLACE PUMP "BUSY_PUMP" AS INSERT INTO "BUSY"
    SELECT STREAM "MagicPoints", COUNT(*) FROM "SOURCE_SQL_STREAM_001"
    GROUP BY "MagicPoints", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '2' SECOND)
    HAVING COUNT(*) > 1;
CREATE OR REPLACE STREAM "QUIET" ("Name" VARCHAR(40), "Readings" INTEGER);
CREATE OR REPLACE PUMP "QUIET_PUMP" AS INSERT INTO "QUIET"
    SELECT STREAM "Name", COUNT(*) FROM "SOURCE_SQL_STREAM_001"
    GROUP BY "Name", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' SECOND)
    HAVING COUNT(*) < 2;
CREATE OR REPLACE STREAM "NAMES" ("Names" INTEGER);
CREATE OR REPLACE PUMP "NAME_PUMP" AS INSERT INTO "NAMES"
    SELECT STREAM COUNT(*) FROM (
        SELECT STREAM DISTINCT "Name",
            STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' SECOND) AS "At"
        FROM "SOURCE_SQL_STREAM_001")
    GROUP BY "At";
"#;

const SCHEMA: &str = r#"{"RecordColumns": [
    {"Name": "Name", "SqlType": "VARCHAR(40)", "Mapping": "$.Name"},
    {"Name": "Distance", "SqlType": "DOUBLE", "Mapping": "$.Distance"},
    {"Name": "MagicPoints", "SqlType": "INTEGER", "Mapping": "$.MagicPoints"}
]}"#;

struct FinishedCloud {
    cloud: TestCloud,
    outputs: SqlOutputs,
    names: ResourceNames,
    faults: Arc<Faults>,
    _files: TempDir,
}

impl FinishedCloud {
    async fn start(functions: Functions, faults: &Arc<Faults>) -> Self {
        let [files, data_dir] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let flags = write_files(files.path(), WINDOWS, SCHEMA);
        let sensor = flags.sensor().unwrap().unwrap();
        let mut program = local::sql_program(sensor.clone(), &flags).unwrap();
        program.application.functions = functions;
        let settings = CloudSettings {
            shards: 3,
            faults: Arc::clone(faults),
            ..settings_of(&program, data_dir.path())
        };
        let names = settings.names.clone();
        let cloud = TestCloud::start_application(&program.application, settings, data_dir).await;
        Self {
            cloud,
            outputs: SqlOutputs::new(Arc::clone(sensor.application())),
            names,
            faults: Arc::clone(faults),
            _files: files,
        }
    }

    /// Sends a round of readings. The records of most rounds are in one or two of the shards.
    async fn send(&self, round: u32) {
        let lines = (0..40).map(|number| {
            let (name, metres, magic) = (number % 9, number * 7 + round, number % 12);
            let line = format!(
                "{{\"Name\":\"unicorn {name}\",\"Distance\":{metres}.25,\"MagicPoints\":{magic}}}\n"
            );
            (format!("partition {}", number % (1 + round % 4)), line)
        });
        self.cloud.send("wildrydes", lines).await;
    }

    /// Splits the first shard of a stream, as soon as its faults allow it.
    async fn split(&self, stream: &str) {
        until(async || {
            let split = self.cloud.kinesis.split_shard().stream_name(stream);
            let split = split.shard_to_split("shardId-000000000000");
            // In the middle of the first of three shards.
            let split = split.new_starting_hash_key((1_u128 << 125).to_string());
            // The answer to the first attempt may be lost.
            let _ = split.send().await;
            let listed = self.cloud.kinesis.list_shards().stream_name(stream).send();
            listed.await.is_ok_and(|listed| listed.shards().len() > 3)
        })
        .await;
    }

    async fn output(&self, output: &str) -> Vec<Value> {
        let log = read_log(&self.cloud.kinesis, &self.names.finished[output]).await;
        let lines = log
            .iter()
            .map(|record| serde_json::from_slice(&record.data).unwrap());
        lines.collect()
    }

    /// Closes the cloud's streams, and compares the finished rows with the rows.
    async fn checked(&self) -> FinishedCheck {
        self.cloud.cloud.drain(TIME_LIMIT).await.unwrap();
        self.faults.switch_off();
        let summaries = read_log(&self.cloud.kinesis, "sql-summary").await;
        let mut finished = BTreeMap::new();
        for (output, stream) in &self.names.finished {
            finished.insert(output.clone(), read_log(&self.cloud.kinesis, stream).await);
        }
        FinishedCheck::of(&self.outputs, &summaries, &finished)
    }
}

/// Waits until `condition` is true.
async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(TIME_LIMIT, waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_finished_once_though_shards_are_idle() {
    let cloud = FinishedCloud::start(Functions::Embedded, &Arc::new(Faults::none())).await;
    let outputs: Vec<&String> = cloud.names.finished.keys().collect();
    assert_eq!(outputs, ["BUSY", "FAR", "NAMES", "QUIET", "TOTALS"]);
    // All records are in one shard, so the others never have a watermark.
    cloud.send(0).await;
    until(async || !cloud.output("BUSY").await.is_empty()).await;
    assert_eq!(cloud.output("TOTALS").await.len(), 9);
    assert_eq!(cloud.output("NAMES").await[0]["Names"], 9);
    for round in 1..12 {
        cloud.send(round).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let checked = cloud.checked().await;
    assert!(checked.is_right(), "{checked}");
    assert!(checked.expected > 60, "{checked}");
    cloud.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_window_is_finished_before_all_its_records_are_aggregated() {
    let cloud = FinishedCloud::start(Functions::Embedded, &Arc::new(Faults::none())).await;
    cloud.cloud.cloud.disable_aggregator().await;
    for round in 0..4 {
        cloud.send(round).await;
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(cloud.output("TOTALS").await, [] as [Value; 0]);
    cloud.cloud.cloud.enable_aggregator().await;
    let checked = cloud.checked().await;
    assert!(checked.is_right(), "{checked}");
    // Nothing arrived late, so nothing was revised.
    assert_eq!(checked.revised, 0, "{checked}");
    let ids: BTreeSet<String> = cloud
        .output("TOTALS")
        .await
        .iter()
        .map(|row| row["RowId"].as_str().unwrap().to_owned())
        .collect();
    assert!(ids.len() >= 9);
    cloud.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_rows_revise_and_remove_finished_ones() {
    let cloud = FinishedCloud::start(Functions::Embedded, &Arc::new(Faults::none())).await;
    let line = "{\"Name\":\"late\",\"Distance\":300.5,\"MagicPoints\":7}\n";
    let reading = [("key".to_owned(), line.to_owned())];
    cloud.cloud.send("wildrydes", reading).await;
    until(async || cloud.output("QUIET").await.len() == 1).await;
    until(async || cloud.output("TOTALS").await.len() == 1).await;
    assert!(cloud.output("FAR").await.is_empty());
    let summaries = read_log(&cloud.cloud.kinesis, "sql-summary").await;
    let rows = summaries
        .iter()
        .filter_map(|record| std::str::from_utf8(&record.data).ok());
    let rows: String = rows.filter(|rows| rows.contains("late")).collect();

    // The same rows, as of another shard.
    let of_other_shard = rows.replace(
        "\"Shard\":\"shardId-00000000000",
        "\"Shard\":\"shardId-00000000099",
    );
    assert_ne!(rows, of_other_shard);
    let late = [("key".to_owned(), of_other_shard)];
    cloud.cloud.send("sql-summary", late).await;
    until(async || cloud.output("QUIET").await.len() == 2).await;
    until(async || cloud.output("TOTALS").await.len() == 2).await;
    let quiet = cloud.output("QUIET").await;
    assert_eq!(quiet[0]["Readings"], 1);
    assert_eq!(quiet[0]["RowId"], quiet[1]["RowId"]);
    assert_eq!(quiet[1]["Removed"], true);
    let totals = cloud.output("TOTALS").await;
    assert_eq!(totals[0]["RowId"], totals[1]["RowId"]);
    assert!(totals[0]["Revision"].as_u64() < totals[1]["Revision"].as_u64());
    assert_eq!(
        (&totals[0]["Distance"], &totals[1]["Distance"]),
        (&300.5.into(), &601.0.into())
    );
    // The pump after the window reads the revised row.
    until(async || cloud.output("FAR").await.len() == 1).await;

    // Rows that come again change nothing.
    cloud
        .cloud
        .send("sql-summary", [("other key".to_owned(), rows)])
        .await;
    let checked = cloud.checked().await;
    assert!(checked.is_right(), "{checked}");
    assert_eq!(cloud.output("TOTALS").await.len(), 2);
    cloud.cloud.stop().await;
}

/// On AWS, watermarks and a schedule invoke the function, whether it is running or not.
#[tokio::test(flavor = "multi_thread")]
async fn invocations_at_the_same_time_succeed() {
    let cloud = FinishedCloud::start(Functions::Embedded, &Arc::new(Faults::none())).await;
    let config = windrow_connect::local_config(&cloud.cloud.cloud.endpoint_url());
    let finisher = embedded_finisher(cloud.outputs.clone(), &cloud.names, &config);
    let clock = Clock::system();
    for round in 0..6 {
        cloud.send(round).await;
        let time = Timestamp::from_millis(clock.now_millis()).to_string();
        let event = serde_json::json!({"time": time}).to_string();
        let invoke = || finisher.invoke(event.clone().into(), TIME_LIMIT);
        let results = tokio::join!(invoke(), invoke(), invoke(), invoke());
        let results: [_; 4] = results.into();
        for result in results {
            result.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let checked = cloud.checked().await;
    assert!(checked.is_right(), "{checked}");
    assert!(checked.expected > 30, "{checked}");
    cloud.cloud.stop().await;
}

/// The faults that can disturb the finisher, or give it late rows.
const DISTURBING: [FaultKind; 12] = [
    FaultKind::PutFailed,
    FaultKind::Throttled,
    FaultKind::ResponseDropped,
    FaultKind::IteratorExpired,
    FaultKind::Crash,
    FaultKind::CrashDuring,
    FaultKind::CrashAfter,
    FaultKind::TimeOut,
    FaultKind::TwiceAtOnce,
    FaultKind::TwiceLate,
    FaultKind::Redelivered,
    FaultKind::OutOfOrder,
];

async fn check_through(specification: &str, functions: Functions) {
    let faults = Arc::new(Faults::parse(specification, 11).unwrap());
    let cloud = FinishedCloud::start(functions, &faults).await;
    for round in 0..16 {
        cloud.send(round).await;
        if round == 7 {
            cloud.split("wildrydes").await;
            cloud.split("sql-summary").await;
        }
        if round % 5 == 4 {
            let before = cloud.cloud.cloud.aggregator_watermark();
            cloud.cloud.cloud.restart_aggregator(before - 1500).await;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let checked = cloud.checked().await;
    assert!(checked.is_right(), "{specification}: {checked}");
    assert!(checked.expected > 60, "{checked}");
    cloud.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_revisions_are_right_under_all_faults_together() {
    let specification = DISTURBING
        .map(|kind| format!("{}=0.05", kind.name()))
        .join(",");
    check_through(&specification, Functions::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_revisions_are_right_when_binaries_are_killed() {
    let folder = tokio::task::spawn_blocking(|| binary("sql-finisher").with_file_name(""));
    let functions = Functions::Bootstrap(folder.await.unwrap());
    check_through("crash-during=0.1,time-out=0.1", functions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unicorns_have_finished_rows_too() {
    let mut application = local::wild_rydes();
    let mut names = local::names().unwrap();
    application
        .finish_windows(&mut names, "wildrydes-finished")
        .unwrap();
    let cloud = TestCloud::start_with(application, |settings| settings.names = names).await;
    let lines = (0..5).map(|number| end_to_end::reading("Shadowfax", number, "1.5", 7));
    cloud.send("wildrydes", lines).await;
    cloud.cloud.drain(TIME_LIMIT).await.unwrap();
    let log = read_log(&cloud.kinesis, "wildrydes-finished").await;
    let rows: Vec<Value> = log
        .iter()
        .map(|record| serde_json::from_slice(&record.data).unwrap())
        .collect();
    let metres = rows.iter().map(|row| row["Distance"].as_f64().unwrap());
    assert!((metres.sum::<f64>() - 7.5).abs() < 1e-9, "{rows:?}");
    cloud.stop().await;
}
