//! Helpers for the end-to-end tests: a local cloud per test, and the audit of its rows.
//!
//! Each test has its own port, data directory and processes, so all of them can run in parallel.

#![expect(clippy::unwrap_used, reason = "this is test code, which may panic")]

pub mod programs;

use std::collections::BTreeMap;
use std::time::Duration;

use audit::expected::LogFold;
use audit::measures::AuditTotals;
use audit::windows::{AuditWindows, WindowBy};
use aws_sdk_kinesis::Client;
use bytes::Bytes;
use local::{Functions, WildRydes};
use serde_json::Value;
use soak::log::{self, LoggedRecord, fold_log};
use soak::rows::{KeyWindow, flat, merge_twice};
use tempfile::TempDir;
use unicorn::row::schema;
use unicorn::sensor::Unicorn;
use windrow_core::row::Row;
use windrow_core::schema::Schema;
use windrow_core::sensor::Sensor;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_lambda::processor::row::StoredRow;
use windrow_local::{CloudSettings, LocalCloud};
use windrow_pipeline::SensorApplication;
use windrow_write::{KinesisRecord, KinesisStream, Policy, deliver};

/// The time limit of every wait, which only stops a hanging test.
pub const TIME_LIMIT: Duration = Duration::from_secs(300);

/// The application with the deployed binaries as functions.
pub fn with_binaries() -> WildRydes {
    WildRydes {
        functions: Functions::Bootstrap(programs::binary("aggregator").with_file_name("")),
        ..local::wild_rydes()
    }
}

/// The application with windows by event time.
pub fn with_event_time() -> WildRydes {
    WildRydes {
        window_time: WindowTime::Event,
        ..local::wild_rydes()
    }
}

/// A local cloud on a free port, with a temporary data directory.
pub struct TestCloud {
    /// The cloud.
    pub cloud: LocalCloud,
    /// Its data directory.
    pub data_dir: TempDir,
    /// A Kinesis client for it.
    pub kinesis: Client,
    /// A DynamoDB client for it.
    pub dynamodb: aws_sdk_dynamodb::Client,
}

impl TestCloud {
    /// Starts a cloud with settings modified by `change`.
    pub async fn start(change: impl FnOnce(&mut CloudSettings)) -> Self {
        Self::start_with(local::wild_rydes(), change).await
    }

    /// Starts a cloud with this application.
    pub async fn start_with(
        application: WildRydes,
        change: impl FnOnce(&mut CloudSettings),
    ) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &application, change).await
    }

    /// Stops this cloud and starts another with the same data directory.
    pub async fn restart(self) -> Self {
        self.cloud.stop().await;
        Self::start_on(self.data_dir).await
    }

    /// Starts a cloud with the data directory of an earlier one.
    pub async fn start_on(data_dir: TempDir) -> Self {
        Self::start_in(data_dir, &local::wild_rydes(), |_| ()).await
    }

    async fn start_in(
        data_dir: TempDir,
        application: &WildRydes,
        change: impl FnOnce(&mut CloudSettings),
    ) -> Self {
        let mut settings = CloudSettings {
            port: 0,
            data_dir: data_dir.path().to_owned(),
            window: Duration::from_secs(2),
            ..local::settings().unwrap()
        };
        change(&mut settings);
        Self::start_application(application, settings, data_dir).await
    }

    /// Starts a cloud with the application of any sensor. `data_dir` is the folder that the
    /// settings name.
    pub async fn start_application<S: Sensor + Clone>(
        application: &SensorApplication<S>,
        settings: CloudSettings,
        data_dir: TempDir,
    ) -> Self {
        let cloud = LocalCloud::start(settings, application).await.unwrap();
        let config = windrow_connect::local_config(&cloud.endpoint_url());
        Self {
            kinesis: Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            cloud,
            data_dir,
        }
    }

    /// Sends lines as records, given as partition key and line. Panics if one is not accepted.
    pub async fn send(&self, stream: &str, lines: impl IntoIterator<Item = (String, String)>) {
        send(&self.kinesis, stream, lines).await;
    }

    /// Closes all windows and reads the table.
    pub async fn drained_rows(&self) -> Vec<Row> {
        self.cloud.drain(TIME_LIMIT).await.unwrap();
        self.rows().await
    }

    /// All rows of the table.
    pub async fn rows(&self) -> Vec<Row> {
        self.rows_of("UnicornSensorData", schema()).await
    }

    /// All rows of a table with this schema.
    pub async fn rows_of(&self, table: &str, schema: &Schema) -> Vec<Row> {
        let scan = self.dynamodb.scan().table_name(table);
        let mut pages = scan.into_paginator().send();
        let mut rows = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            rows.extend(
                page.items()
                    .iter()
                    .map(|item| StoredRow::from_item(schema, item).unwrap().row),
            );
        }
        rows
    }

    /// What the rows must say of the log of readings, in windows of this length by arrival.
    pub async fn expected(&self, window: Duration) -> TotalsByWindow {
        fold_of(&self.kinesis, "wildrydes", window).await
    }

    /// The lines of all files of a delivery stream.
    pub fn archived(&self, delivery_stream: &str) -> Vec<Value> {
        let text = self.archived_text(delivery_stream);
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::from(line)))
            .collect()
    }

    /// All files of a delivery stream, one after the other.
    pub fn archived_text(&self, delivery_stream: &str) -> String {
        let mut text = String::new();
        let mut folders = vec![self.data_dir.path().join("archive").join(delivery_stream)];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            for entry in entries {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    text.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        text
    }

    /// Stops the cloud.
    pub async fn stop(self) {
        self.cloud.stop().await;
    }
}

/// Sends lines as records, given as partition key and line. Panics if one is not accepted.
pub async fn send(
    kinesis: &Client,
    stream: &str,
    lines: impl IntoIterator<Item = (String, String)>,
) {
    let records = lines
        .into_iter()
        .map(|(partition_key, line)| KinesisRecord {
            partition_key,
            data: Bytes::from(line),
        });
    let stream = KinesisStream::new(kinesis.clone(), stream);
    let report = deliver(&stream, records.collect(), &Policy::within(TIME_LIMIT)).await;
    assert!(
        report.undelivered.is_empty(),
        "{:?}",
        report.undelivered.first()
    );
}

/// Reads a stream's whole log.
pub async fn read_log(client: &Client, stream: &str) -> Vec<LoggedRecord> {
    log::read_log(client, stream).await.unwrap()
}

/// Totals by unicorn and start of the window.
pub type TotalsByWindow = BTreeMap<KeyWindow, AuditTotals>;

/// What the rows must say of a stream's log, in windows of this length by arrival.
pub async fn fold_of(client: &Client, stream: &str, window: Duration) -> TotalsByWindow {
    let windows = AuditWindows::new(window, WindowBy::Arrival);
    let fold = LogFold::new(&Unicorn, windows, i64::MIN..i64::MAX);
    let expected = fold_log(&read_log(client, stream).await, fold);
    let windows = expected.into_iter().flat_map(|(name, windows)| {
        let windows = windows.into_iter();
        windows.map(move |(start, window)| ((name.to_string(), start), window.totals))
    });
    windows.collect()
}

/// Merges rows. Panics if the readers' merge and the audit's do not say the same.
pub fn by_window(rows: Vec<Row>) -> TotalsByWindow {
    let merged = merge_twice(schema(), rows);
    assert_eq!(merged.merged_differently, []);
    flat(&merged.found)
        .map(|(window_key, window)| (window_key, window.totals.clone()))
        .collect()
}

/// A reading of `name`, as partition key and line. `number` makes it distinct.
pub fn reading(name: &str, number: u32, metres: &str, points: i32) -> (String, String) {
    let time = windrow_core::time::Timestamp::from_millis(1_790_000_000_000 + i64::from(number));
    let quoted = serde_json::to_string(name).unwrap();
    let line = format!(
        "{{\"Name\":{quoted},\"StatusTime\":\"{time}\",\"Distance\":{metres},\"MagicPoints\":{points},\"HealthPoints\":{}}}\n",
        points + 40
    );
    (name.to_owned(), line)
}
