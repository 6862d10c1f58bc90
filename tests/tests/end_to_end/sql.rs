//! A Kinesis SQL application in the local cloud: its finished rows, its audit and its rejects.

use std::path::Path;
use std::time::Duration;

use end_to_end::programs::{ProgramOutput, Running, binary, endpoint, program, run};
use end_to_end::{TIME_LIMIT, TestCloud, read_log, send};
use local::Functions;
use serde_json::Value;
use sql::text::SqlFlags;
use windrow_core::row::{Row, merge};
use windrow_core::sensor::Sensor as _;
use windrow_core::time::Timestamp;
use windrow_local::CloudSettings;
use windrow_pipeline::LocalProgram;
use windrow_sql::batch::{SqlBatch, finish_rows};
use windrow_sql::finish::FinishedRows;
use windrow_sql::sensor::SqlSensor;

use crate::sql_application::{settings_of, write_files};

/// Two pumps, with windows of one and two seconds.
const SQL: &str = r#"
CREATE OR REPLACE STREAM "PER_NAME" (
    "Site" VARCHAR(8), "Name" VARCHAR(16), "Ends" TIMESTAMP, "Readings" INTEGER,
    "Magic" DECIMAL(10,2), "Metres" SMALLINT
);
CREATE OR REPLACE PUMP "PER_NAME_PUMP" AS INSERT INTO "PER_NAME"
    SELECT STREAM "Site", "Name", ROWTIME, COUNT(*), AVG("MagicPoints"), SUM("Distance")
    FROM "SOURCE_SQL_STREAM_001" WHERE "HealthPoints" > 10
    GROUP BY "Site", "Name", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' SECOND);
CREATE OR REPLACE STREAM "PER_SITE" (
    "Site" VARCHAR(8), "Starts" TIMESTAMP, "Ends" TIMESTAMP, "Most" INTEGER
);
CREATE OR REPLACE PUMP "PER_SITE_PUMP" AS INSERT INTO "PER_SITE"
    SELECT STREAM "Site", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '2' SECOND),
        ROWTIME, MAX("MagicPoints")
    FROM "SOURCE_SQL_STREAM_001"
    GROUP BY "Site", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '2' SECOND)
    HAVING COUNT(*) > 2;
"#;

const SCHEMA: &str = r#"{"RecordColumns": [
    {"Name": "Site", "SqlType": "VARCHAR(8)", "Mapping": "$.place.site"},
    {"Name": "Name", "SqlType": "VARCHAR(16)", "Mapping": "$.Name"},
    {"Name": "Distance", "SqlType": "DOUBLE", "Mapping": "$.Distance"},
    {"Name": "MagicPoints", "SqlType": "INTEGER", "Mapping": "$.MagicPoints"},
    {"Name": "HealthPoints", "SqlType": "INTEGER", "Mapping": "$.HealthPoints"}
]}"#;

/// A reading that cannot be converted.
const BROKEN: &str = r#"{"Name":"Franky","MagicPoints":"many"}"#;

/// The application's files in a folder.
fn files(folder: &Path) -> SqlFlags {
    write_files(folder, SQL, SCHEMA)
}

/// The application in the local cloud, and the settings of that.
fn local_program(flags: &SqlFlags, data_dir: &Path) -> (LocalProgram<SqlSensor>, CloudSettings) {
    let sensor = flags.sensor().unwrap().unwrap();
    let program = local::sql_program(sensor, flags).unwrap();
    let settings = settings_of(&program, data_dir);
    (program, settings)
}

/// Records of one round, as partition key and data. Some have several equal readings, and one has
/// a reading that cannot be converted.
fn records(round: u32) -> Vec<(String, String)> {
    let record = |number: u32| {
        let site = ["\"Berlin\"", "\"Tromsø\"", "null"][number as usize % 3];
        let name = format!("unicorn number {}", number % 23);
        let (metres, magic, health) = (number * 7 + round, number % 40, number % 50);
        let line = format!(
            "{{\"Name\":\"{name}\",\"place\":{{\"site\":{site}}},\"Distance\":{metres}.25,\"MagicPoints\":{magic},\"HealthPoints\":{health}}}\n"
        );
        let broken = if number == 40 { BROKEN } else { "" };
        // Readings of a key are in several shards.
        let partition_key = format!("partition {}", number % 7);
        (partition_key, line.repeat(1 + number as usize % 3) + broken)
    };
    (0..120).map(record).collect()
}

/// The rows in the order of their JSON.
fn lines(finished: &FinishedRows) -> Vec<String> {
    let rows = finished.rows.iter();
    let mut lines: Vec<String> = rows
        .map(|row| format!("{} {}", row.stream.name, row.to_json()))
        .collect();
    lines.sort_unstable();
    lines
}

/// What the rows of the table say, finished.
fn finished(sensor: &SqlSensor, rows: Vec<Row>) -> FinishedRows {
    let merged = merge(sensor.schema(), rows);
    assert!(merged.iter().all(|row| !row.gap));
    finish_rows(sensor.application(), &merged)
}

async fn audited(cloud: &TestCloud, flags: &SqlFlags) -> ProgramOutput {
    let url = cloud.cloud.endpoint_url();
    let files = [&flags.sql, &flags.schema].map(|path| path.clone().unwrap());
    let audit = move || {
        let [sql, schema] = &files;
        let usual = ["--endpoint-url", &url, "--window", "1s", "--settle", "0s"];
        let mut audit = program("audit");
        audit.args(usual).arg("--sql").arg(sql);
        run(audit.arg("--schema").arg(schema))
    };
    tokio::task::spawn_blocking(audit).await.unwrap()
}

async fn check(functions: Functions) {
    let [folder, data_dir] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let flags = files(folder.path());
    let (mut program, settings) = local_program(&flags, data_dir.path());
    program.application.functions = functions;
    let sensor = &program.application.sensor;
    let cloud = TestCloud::start_application(&program.application, settings, data_dir).await;
    for round in 0..3 {
        cloud.send("wildrydes", records(round)).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    cloud.cloud.drain(TIME_LIMIT).await.unwrap();
    let rows = cloud.rows_of("sql", sensor.schema()).await;
    let found = finished(sensor, rows);

    let mut batch = SqlBatch::new(sensor.clone());
    let mut rejected = Vec::new();
    for record in read_log(&cloud.kinesis, "wildrydes").await {
        rejected.extend(batch.add(&record.data, Timestamp::from_millis(record.arrival)));
    }
    let expected = batch.finish();
    assert_eq!(lines(&found), lines(&expected));
    let streams = ["PER_NAME", "PER_SITE"];
    let count_of = |name| {
        expected
            .rows
            .iter()
            .filter(|row| row.stream.name == name)
            .count()
    };
    assert!(streams.into_iter().all(|name| count_of(name) > 2));

    assert_eq!(rejected.len(), 3);
    let rejects = cloud.archived("sql-rejects");
    assert_eq!(rejects.len(), 3);
    for reject in rejects {
        assert_eq!(reject["Payload"], BROKEN);
        assert_eq!(reject["Reason"], rejected[0].reason.to_string());
        let reason = "MagicPoints is `\"many\"`, which is not an integer";
        assert_eq!(reject["Reason"], reason);
    }

    // A window of two seconds ends.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let audited = audited(&cloud, &flags).await;
    assert_eq!(audited.code, Some(0), "{}{}", audited.out, audited.err);
    assert!(
        audited.out.ends_with(" verified, 0 differ\n"),
        "{}",
        audited.out
    );
    assert!(
        !audited.err.contains("neither the log nor the table"),
        "{}",
        audited.err
    );
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn finished_rows_are_those_of_the_log() {
    check(Functions::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deployed_binaries_run_the_same_application() {
    let folder = tokio::task::spawn_blocking(|| binary("sql-aggregator").with_file_name(""));
    check(Functions::Bootstrap(folder.await.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_passes_the_files_to_the_binaries() {
    let [folder, data_dir] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let flags = files(folder.path());
    let (program_of_files, settings) = local_program(&flags, data_dir.path());
    let mut local = program("local");
    local.args(["--port", "0", "--dashboard-port", "0", "--window", "1s"]);
    local.args(["--functions", "bootstrap", "--data-dir"]);
    local.arg(data_dir.path());
    // Relative paths: the functions run in another folder.
    local.args(["--sql", "application.sql", "--schema", "schema.json"]);
    local.current_dir(folder.path());
    let mut running = Running::start(&mut local);
    let url = endpoint(&running.until("answer at"));
    let kinesis = aws_sdk_kinesis::Client::new(&windrow_connect::local_config(&url));
    send(&kinesis, "wildrydes", records(0)).await;
    let ended = running.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.err);

    let application = &program_of_files.application;
    let cloud = TestCloud::start_application(application, settings, data_dir).await;
    let sensor = &application.sensor;
    let rows = cloud.rows_of("sql", sensor.schema()).await;
    let found = finished(sensor, rows);
    let readings = found
        .rows
        .iter()
        .filter(|row| row.stream.name == "PER_NAME");
    let readings = readings.map(|row| {
        let row: Value = serde_json::from_str(&row.to_json()).unwrap();
        row["Readings"].as_u64().unwrap()
    });
    // One to three per record, without those of low health.
    let counted = (0..120).filter(|number| number % 50 > 10);
    assert_eq!(
        readings.sum::<u64>(),
        counted.map(|number| 1 + number % 3).sum::<u64>()
    );
    cloud.stop().await;
}
