//! `audit` finds every difference between the log and the table, and none where there is none.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audit::{AuditArgs, AuditError, AuditProgram};
use aws_sdk_dynamodb::types::AttributeValue;
use clap::Parser;
use end_to_end::programs::{program, run};
use end_to_end::{TIME_LIMIT, TestCloud, reading, send, with_event_time};
use tokio_util::sync::CancellationToken;
use unicorn::row::schema;
use unicorn::sensor::Unicorn;
use windrow_connect::cloud::Environment;
use windrow_core::decimal::Decimal;
use windrow_core::row::{Measure, Row, SourceRange};
use windrow_core::sensor::{Aggregation, DeclaredSensor, Field, Sensor};
use windrow_core::value::{ColumnType, NumberType, Value};
use windrow_lambda::processor::row::{Item, StoredRow, TableRow};
use windrow_local::faults::Faults;
use windrow_local::{CloudSettings, LocalCloud};
use windrow_pipeline::{LocalProgram, SensorApplication};

const TABLE: &str = "UnicornSensorData";

/// What an audit printed, and how it ended.
struct Audited {
    ended: Result<bool, AuditError>,
    out: String,
    notes: String,
}

/// Standard error of an audit, which stops it after the first line that has a text.
#[derive(Default)]
struct StoppingNotes {
    text: Vec<u8>,
    stop_at: Option<&'static str>,
    stop: CancellationToken,
}

impl Write for &mut StoppingNotes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        let text = String::from_utf8_lossy(&self.text);
        if self.stop_at.is_some_and(|stop_at| text.contains(stop_at)) {
            self.stop.cancel();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn audit_until(
    cloud: &TestCloud,
    arguments: &[&str],
    stop_at: Option<&'static str>,
) -> Audited {
    let program = AuditProgram {
        table: TABLE.to_owned(),
        ..AuditProgram::new(Unicorn, "wildrydes")
    };
    audit_of(&program, &cloud.cloud, arguments, stop_at).await
}

async fn audit_of<S: Sensor>(
    program: &AuditProgram<S>,
    cloud: &LocalCloud,
    arguments: &[&str],
    stop_at: Option<&'static str>,
) -> Audited {
    let url = cloud.endpoint_url();
    let usual = ["audit", "--endpoint-url", &url];
    let mut arguments = [&usual, arguments].concat();
    if !arguments.contains(&"--window") {
        arguments.extend(["--window", "1s"]);
    }
    if !arguments.contains(&"--settle") {
        arguments.extend(["--settle", "0s"]);
    }
    let args = AuditArgs::try_parse_from(arguments).unwrap();
    let environment = Environment::from_iter([]);
    let mut notes = StoppingNotes {
        stop_at,
        ..StoppingNotes::default()
    };
    let stop = notes.stop.clone();
    let mut out = Vec::new();
    let running = audit::run(program, &args, &environment, &stop, &mut out, &mut notes);
    let ended = tokio::time::timeout(TIME_LIMIT, running).await.unwrap();
    let (out, notes) = [out, notes.text]
        .map(|text| String::from_utf8(text).unwrap())
        .into();
    Audited { ended, out, notes }
}

async fn audit(cloud: &TestCloud, arguments: &[&str]) -> Audited {
    audit_until(cloud, arguments, None).await
}

/// Audits a cloud with windows of this length, which must have ended and agree with the log. Returns
/// what the audit printed.
pub(crate) async fn agrees(cloud: &TestCloud, window: &str) -> String {
    let audited = audit(cloud, &["--window", window]).await;
    assert!(audited.ended.unwrap(), "{}{}", audited.out, audited.notes);
    audited.out
}

/// Audits, and returns the differences by key.
async fn differences(cloud: &TestCloud, arguments: &[&str]) -> Vec<(String, String)> {
    let arguments = [&["--format", "jsonl"], arguments].concat();
    let audited = audit(cloud, &arguments).await;
    let lines = audited.out.lines();
    let differences = lines.map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("Key"), text("Kind"))
    });
    let differences: Vec<_> = differences.collect();
    assert_eq!(
        audited.ended.unwrap(),
        differences.is_empty(),
        "{}",
        audited.notes
    );
    differences
}

/// Fills two shards, one of which is split, over several windows, and closes these. Some readings
/// are sent twice within a record, and some records hold no reading.
async fn filled() -> TestCloud {
    let cloud = TestCloud::start(|settings| {
        settings.window = Duration::from_secs(1);
        settings.shards = 2;
        // The audit's reads are not spared.
        settings.faults = Arc::new(Faults::parse("iterator-expired=0.03", 1).unwrap());
    })
    .await;
    for round in 0..3 {
        let records = (0..60).map(|number| {
            let name = format!("unicorn {}", number % 12);
            let (key, line) = reading(&name, round * 60 + number, "29.123456", number as i32);
            let broken = if number % 10 == 0 { "neigh\n" } else { "" };
            let twice = if number % 7 == 0 { line.as_str() } else { "" };
            (key, format!("{line}{broken}{twice}"))
        });
        cloud.send("wildrydes", records).await;
        if round == 0 {
            let split = cloud.kinesis.split_shard().stream_name("wildrydes");
            let split = split.shard_to_split("shardId-000000000000");
            let split = split.new_starting_hash_key((1_u128 << 126).to_string());
            split.send().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    settle(&cloud).await;
    cloud
}

/// Closes all windows, and waits until the last one has ended by the clock.
async fn settle(cloud: &TestCloud) {
    cloud.cloud.drain(TIME_LIMIT).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

/// All items of the table, by unicorn.
async fn items(cloud: &TestCloud) -> HashMap<String, Vec<Item>> {
    let scan = cloud.dynamodb.scan().table_name(TABLE).into_paginator();
    let all = scan.items().send().collect::<Result<Vec<Item>, _>>().await;
    let mut items: HashMap<String, Vec<Item>> = HashMap::new();
    for item in all.unwrap() {
        let name = item["Name"].as_s().unwrap().clone();
        items.entry(name).or_default().push(item);
    }
    items
}

async fn put(cloud: &TestCloud, item: Item) {
    let put = cloud.dynamodb.put_item().table_name(TABLE);
    put.set_item(Some(item)).send().await.unwrap();
}

async fn delete(cloud: &TestCloud, item: &Item) {
    let delete = cloud.dynamodb.delete_item().table_name(TABLE);
    let delete = delete.key("Name", item["Name"].clone());
    let delete = delete.key("StatusTime", item["StatusTime"].clone());
    delete.send().await.unwrap();
}

/// An item with a valid hash that the pipeline did not write.
fn forged(item: &Item, change: impl FnOnce(&mut Row)) -> Item {
    let mut row = StoredRow::from_item(schema(), item).unwrap().row;
    change(&mut row);
    TableRow::new(schema(), row, None).to_item()
}

fn named(name: &str, kind: &str) -> (String, String) {
    (name.to_owned(), kind.to_owned())
}

/// Damages the rows of six unicorns, each in another way.
async fn damage(cloud: &TestCloud, items: &HashMap<String, Vec<Item>>) {
    let original = |number: usize| &items[&format!("unicorn {number}")][0];
    // A changed item has another hash.
    let mut changed = original(1).clone();
    changed.insert("Distance".to_owned(), AttributeValue::N("1".to_owned()));
    put(cloud, changed).await;
    // All rows of one unicorn.
    for item in &items["unicorn 2"] {
        delete(cloud, item).await;
    }
    // A row of a shard that does not exist, of a window that exists.
    let extra = forged(original(3), |row| {
        row.source = Arc::new(SourceRange {
            shard: "shardId-000000000099".to_owned(),
            ..SourceRange::clone(&row.source)
        });
    });
    put(cloud, extra).await;
    // A row of a unicorn that does not exist.
    let ghost = |row: &mut Row| row.key = vec![Value::Text("Ghost".to_owned())];
    put(cloud, forged(original(4), ghost)).await;
    // A row that hides the original one, with other totals.
    let hides = forged(original(5), |row| row.measures.swap(1, 3));
    delete(cloud, original(5)).await;
    put(cloud, hides).await;
    // A row that readers ignore because it has expired.
    let mut expired = original(6).clone();
    expired.insert("ExpiresAt".to_owned(), AttributeValue::N("1".to_owned()));
    put(cloud, expired).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_damage_is_named() {
    let cloud = filled().await;
    let audited = audit(&cloud, &[]).await;
    assert!(audited.ended.unwrap(), "{}{}", audited.out, audited.notes);
    assert!(
        audited
            .out
            .ends_with(" windows of 12 keys verified, 0 differ\n"),
        "{}",
        audited.out
    );
    assert!(
        audited.notes.contains(", 180 readings, 0 differ\n"),
        "{}",
        audited.notes
    );

    let items = items(&cloud).await;
    damage(&cloud, &items).await;
    let mut expected = vec![named("Ghost", "NotInLog"), named("unicorn 1", "NotARow")];
    expected.extend(
        items["unicorn 2"]
            .iter()
            .map(|_| named("unicorn 2", "NoRow")),
    );
    expected.push(named("unicorn 3", "CountedTwice"));
    expected.push(named("unicorn 5", "Changed"));
    expected.push(named("unicorn 6", "Expired"));
    assert_eq!(differences(&cloud, &[]).await, expected);
    let without_scan = differences(&cloud, &["--no-scan"]).await;
    assert_eq!(without_scan, expected[1..], "only a scan finds Ghost");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_audit_says_where_to_continue() {
    let cloud = filled().await;
    let items = items(&cloud).await;
    for item in &items["unicorn 2"] {
        delete(&cloud, item).await;
    }
    let whole = audit(&cloud, &["--chunk", "1s", "--no-scan"]).await;
    assert!(!whole.ended.unwrap());
    let result = |out: &str| -> Vec<String> {
        let lines = out.lines().map(str::to_owned);
        lines.filter(|line| !line.contains(" verified, ")).collect()
    };

    let stopped = audit_until(&cloud, &["--chunk", "1s", "--no-scan"], Some(" differ\n")).await;
    assert!(matches!(stopped.ended, Err(AuditError::Interrupted)));
    assert!(
        stopped.out.contains("the audit did not complete\n"),
        "{}",
        stopped.out
    );
    let from = stopped.notes.lines().last().unwrap();
    let from = from.strip_prefix("continue with --from '").unwrap();
    let from = from.strip_suffix('\'').unwrap();
    let rest = audit(&cloud, &["--chunk", "1h", "--from", from]).await;
    assert!(!rest.ended.unwrap());
    let together = [result(&stopped.out), result(&rest.out)].concat();
    assert_eq!(together, result(&whole.out));
    assert_eq!(together.len(), 3 * items["unicorn 2"].len());

    // A part that is undamaged.
    let agrees = audit(
        &cloud,
        &["--from", from, "--stream", "wildrydes", "--table", "Gone"],
    )
    .await;
    let error = agrees.ended.unwrap_err().to_string();
    assert!(error.starts_with("there is no table Gone"), "{error}");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_by_event_time_agree() {
    let application = with_event_time();
    let cloud = TestCloud::start_with(application, |settings| {
        settings.window = Duration::from_secs(1);
    })
    .await;
    // Their StatusTime is 1,790,000,000 s after the epoch: 2026-09-21 13:33:20.
    let readings = |from: u32| {
        (from..from + 40)
            .map(|number| reading(&format!("unicorn {}", number % 3), number * 50, "1", 150))
    };
    cloud.send("wildrydes", readings(0)).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    cloud.send("wildrydes", readings(20)).await;
    settle(&cloud).await;

    let arguments = [
        "--window-time",
        "event",
        "--from",
        "2026-09-21 00:00:00",
        "--no-scan",
    ];
    let audited = audit(&cloud, &arguments).await;
    assert!(audited.ended.unwrap(), "{}{}", audited.out, audited.notes);
    assert_eq!(audited.out, "3 windows of 3 keys verified, 0 differ\n");
    // Half of the second batch comes again, in another Lambda window.
    assert!(
        audited.notes.contains(", 80 readings, 0 differ"),
        "{}",
        audited.notes
    );

    for item in &items(&cloud).await["unicorn 1"] {
        delete(&cloud, item).await;
    }
    let found = differences(&cloud, &arguments).await;
    assert_eq!(found, vec![named("unicorn 1", "NoRow"); 3]);
    cloud.stop().await;
}

/// Trades, which have neither a time nor an identity. A market may be missing.
fn trades() -> DeclaredSensor {
    let price = ColumnType::Number(NumberType::decimal(2));
    let sensor = DeclaredSensor::new(vec![
        Field::new("Symbol", ColumnType::Text).key(),
        Field::new("Market", ColumnType::Text).key().nullable(),
        Field::new("Price", price)
            .measure("Opening", Aggregation::First)
            .measure("Closing", Aggregation::Last)
            .measure("Average", Aggregation::Average { places: 1 })
            .measure("Trades", Aggregation::Count),
    ]);
    sensor.unwrap()
}

/// A local cloud whose stream `trades` has two shards and, over several windows, trades of four keys.
/// Half of the keys are in both shards.
async fn traded(data_dir: &Path) -> (LocalCloud, AuditProgram<DeclaredSensor>) {
    let program = LocalProgram::new(SensorApplication::new(trades()), "trades");
    let settings = CloudSettings {
        port: 0,
        data_dir: data_dir.to_owned(),
        window: Duration::from_secs(1),
        shards: 2,
        ..program.settings()
    };
    let cloud = LocalCloud::start(settings, &program.application).await;
    let cloud = cloud.unwrap();
    let kinesis =
        aws_sdk_kinesis::Client::new(&windrow_connect::local_config(&cloud.endpoint_url()));
    for round in 0..3 {
        let records = (0..40).map(|number| {
            let market = ["null", "\"Rome\""][number % 2];
            let symbol = number / 2 % 2;
            let price = (number * 37 + round * 11) % 100;
            let line =
                format!("{{\"Symbol\":\"S{symbol}\",\"Market\":{market},\"Price\":{price}.25}}\n");
            (
                format!("partition {}", number % 7),
                line.repeat(1 + number % 3),
            )
        });
        send(&kinesis, "trades", records).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    cloud.drain(TIME_LIMIT).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    (cloud, AuditProgram::new(trades(), "trades"))
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sensor_is_audited() {
    let folder = tempfile::tempdir().unwrap();
    let (cloud, program) = traded(folder.path()).await;
    let audited = audit_of(&program, &cloud, &[], None).await;
    assert!(audited.ended.unwrap(), "{}{}", audited.out, audited.notes);
    assert!(
        audited.out.ends_with(" of 4 keys verified, 0 differ\n"),
        "{}",
        audited.out
    );

    let config = windrow_connect::local_config(&cloud.endpoint_url());
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let schema = program.sensor.schema();
    let scan = dynamodb.scan().table_name("trades").send().await.unwrap();
    let [partition, sort] = schema.table_key();
    let is_of = |item: &&Item| item[partition].as_s().unwrap() == r#"["S1",null]"#;
    // Rows that hide the original ones, with another opening price.
    for item in scan.items().iter().filter(is_of) {
        let mut row = StoredRow::from_item(schema, item).unwrap().row;
        let Measure::Ordered { value, .. } = &mut row.measures[0] else {
            panic!("{row:?}");
        };
        *value = Value::Number(Decimal {
            unscaled: -7,
            scale: 2,
        });
        let delete = dynamodb.delete_item().table_name("trades");
        let delete = delete.key(partition, item[partition].clone());
        delete.key(sort, item[sort].clone()).send().await.unwrap();
        let put = dynamodb.put_item().table_name("trades");
        let put = put.set_item(Some(TableRow::new(schema, row, None).to_item()));
        put.send().await.unwrap();
    }

    let audited = audit_of(&program, &cloud, &[], None).await;
    assert!(!audited.ended.unwrap());
    let first = audited.out.lines().next().unwrap();
    assert!(first.starts_with(r#"["S1",null]  "#), "{first}");
    assert!(
        first.contains("rows changed: Opening is -0.07 instead of "),
        "{first}"
    );
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_log_and_unsettled_windows_are_reported() {
    let cloud = TestCloud::start(|settings| settings.window = Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let audited = audit(&cloud, &[]).await;
    assert!(audited.ended.unwrap());
    assert!(
        audited.notes.contains("neither the log nor the table"),
        "{}",
        audited.notes
    );
    let audited = audit(&cloud, &["--settle", "1h"]).await;
    let error = audited.ended.unwrap_err().to_string();
    assert!(error.starts_with("no window has settled yet"), "{error}");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_of_an_audit() {
    let cloud = filled().await;
    let url = cloud.cloud.endpoint_url();
    let audit = |arguments: &[&str]| {
        let usual = ["--endpoint-url", &url, "--window", "1s", "--settle", "0s"];
        run(program("audit").args(usual).args(arguments))
    };
    let output = audit(&[]);
    assert_eq!(output.code, Some(0), "{}{}", output.out, output.err);
    let items = items(&cloud).await;
    delete(&cloud, &items["unicorn 2"][0]).await;
    let output = audit(&[]);
    assert_eq!(output.code, Some(1), "{}", output.err);
    assert!(output.out.contains("\n  rows  nothing\n"), "{}", output.out);
    let output = audit(&["--stream", "missing"]);
    assert_eq!((output.code, output.out.as_str()), (Some(1), ""));
    let time = "2026-11-20 09:17:00";
    assert_eq!(audit(&["--from", time, "--to", time]).code, Some(2));
    assert_eq!(audit(&["--from", "yesterday"]).code, Some(2));
    let output = audit(&["--help"]);
    assert_eq!(output.code, Some(0));
    assert!(
        output.out.contains("readings counted twice"),
        "{}",
        output.out
    );
    cloud.stop().await;
}
