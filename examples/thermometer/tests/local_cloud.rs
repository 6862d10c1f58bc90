//! The application in a local cloud, with its functions in this process and as real programs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use windrow::core::row::{Row, merge};
use windrow::core::sensor::Sensor as _;
use windrow::core::value::Value;
use windrow::local::{Functions, LocalCloud, LocalProgram, SensorApplication};
use windrow::processor::row::StoredRow;

/// Three rooms of two sites, and what is not a reading. One reading is sent twice.
const LINES: [&str; 7] = [
    r#"{"Site":"Berlin","Room":"Attic","Time":"2026-11-20 09:17:08","Celsius":21.5}"#,
    r#"{"Site":"Berlin","Room":"Attic","Time":"2026-11-20 09:17:09","Celsius":-0.25}"#,
    r#"{"Site":"Berlin","Room":"Attic","Time":"2026-11-20 09:17:09","Celsius":-0.25}"#,
    r#"{"Site":"Berlin","Room":"Cellar","Time":"2026-11-20T09:17:08Z","Celsius":12,"Id":[7]}"#,
    r#"{"Site":"Rome","Room":"Attic","Time":"2026-11-20 09:17:08","Celsius":30}"#,
    r#"{"Site":"Rome","Room":"Attic","Time":"2026-11-20 09:17:10","Celsius":30.005}"#,
    r#"{"Site":"Rome","Room":"Attic","Time":"2026-11-20 09:17:11","Celsius":31}"#,
];

/// Sends the lines, and returns the merged rows as text.
async fn rows(functions: Functions, data_dir: &Path) -> Vec<String> {
    let sensor = thermometer::sensor().unwrap();
    let schema = sensor.schema().clone();
    let template = include_str!("../template.yaml");
    let program = LocalProgram::from_template(SensorApplication::new(sensor), template).unwrap();
    let mut settings = program.settings();
    settings.port = 0;
    settings.data_dir = data_dir.to_owned();
    // All lines arrive in one window.
    settings.window = Duration::from_secs(900);
    let application = SensorApplication {
        functions,
        ..program.application
    };
    let cloud = LocalCloud::start(settings, &application).await.unwrap();
    let config = windrow_connect::local_config(&cloud.endpoint_url());
    let kinesis = aws_sdk_kinesis::Client::new(&config);
    for line in LINES {
        let put = kinesis.put_record().stream_name("thermometer");
        let put = put.partition_key("Berlin").data(Blob::new(line));
        put.send().await.unwrap();
    }
    cloud.drain(Duration::from_secs(120)).await.unwrap();

    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let items = dynamodb.scan().table_name("thermometer").send().await;
    let items = items.unwrap().items.unwrap_or_default();
    let stored = items.iter().map(|item| StoredRow::from_item(&schema, item));
    let stored: Vec<Row> = stored.map(|stored| stored.unwrap().row).collect();
    let text = |values: &[Value]| {
        let values: Vec<String> = values.iter().map(Value::to_string).collect();
        values.join(" ")
    };
    let merged = merge(&schema, stored).into_iter();
    let rows = merged.map(|row| format!("{}: {}", text(&row.key), text(&row.measures)));
    let rows = rows.collect();
    cloud.stop().await;
    rows
}

/// The lowest, the highest and the average temperature, and the number of readings.
const EXPECTED: [&str; 3] = [
    "Berlin Attic: -0.25 21.5 10.625 2",
    "Berlin Cellar: 12 12 12 1",
    "Rome Attic: 30 31 30.5 2",
];

#[tokio::test]
async fn temperatures_are_in_the_table() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(rows(Functions::Embedded, folder.path()).await, EXPECTED);
}

#[tokio::test]
async fn functions_run_as_programs() {
    let folder = tempfile::tempdir().unwrap();
    let aggregator = Path::new(env!("CARGO_BIN_EXE_thermometer-aggregator"));
    let programs = Functions::Bootstrap(aggregator.parent().unwrap().to_owned());
    assert_eq!(rows(programs, folder.path()).await, EXPECTED);
}
