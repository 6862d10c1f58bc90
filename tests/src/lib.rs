//! What the end-to-end tests share: a local cloud of their own, and an oracle.
//!
//! Each test has its own port, data directory and processes, so all of them run at once.

#![expect(clippy::unwrap_used, reason = "this is test code, which may panic")]

pub mod programs;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use bytes::Bytes;
use local::{Functions, WildRydes};
use serde_json::Value;
use soak::oracle;
pub use soak::oracle::{Logged, OracleKey, OracleRow};
use tempfile::TempDir;
use unicorn::merge::merge;
use unicorn::summary::Summary;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_local::{CloudSettings, LocalCloud};
use windrow_write::{KinesisRecord, KinesisStream, Policy, deliver};

/// How long anything here may take: it only ends what hangs.
pub const TIME_LIMIT: Duration = Duration::from_secs(300);

/// The application with the deployed binaries for functions.
pub fn with_binaries() -> WildRydes {
    WildRydes {
        functions: Functions::Bootstrap(programs::binary("aggregator").with_file_name("")),
        ..WildRydes::default()
    }
}

/// The application with windows by event time.
pub fn with_event_time() -> WildRydes {
    WildRydes {
        window_time: WindowTime::Event,
        ..WildRydes::default()
    }
}

/// A local cloud on a free port, with a data directory that is gone afterwards.
pub struct TestCloud {
    /// The cloud.
    pub cloud: LocalCloud,
    /// Its data directory.
    pub data_dir: TempDir,
    /// A client of its Kinesis.
    pub kinesis: Client,
    /// A client of its table.
    pub dynamodb: aws_sdk_dynamodb::Client,
}

impl TestCloud {
    /// Starts one; `change` may alter the settings.
    pub async fn start(change: impl FnOnce(&mut CloudSettings)) -> Self {
        Self::of(WildRydes::default(), change).await
    }

    /// Starts one of this application.
    pub async fn of(application: WildRydes, change: impl FnOnce(&mut CloudSettings)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &application, change).await
    }

    /// Ends this one and starts another on the same data directory.
    pub async fn restart(self) -> Self {
        self.cloud.stop().await;
        Self::on(self.data_dir).await
    }

    /// Starts one on a data directory that an earlier one left.
    pub async fn on(data_dir: TempDir) -> Self {
        Self::start_in(data_dir, &WildRydes::default(), |_| ()).await
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
            ..local::settings()
        };
        change(&mut settings);
        let cloud = LocalCloud::start(settings, application).await.unwrap();
        let config = windrow_connect::local_config(&cloud.endpoint_url());
        Self {
            kinesis: Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            cloud,
            data_dir,
        }
    }

    /// Sends lines as records, partition key first; all of them must be taken.
    pub async fn send(&self, stream: &str, lines: impl IntoIterator<Item = (String, String)>) {
        send(&self.kinesis, stream, lines).await;
    }

    /// Closes all windows and reads the table.
    pub async fn drained_rows(&self) -> Vec<Summary> {
        self.cloud.drain(TIME_LIMIT).await.unwrap();
        self.rows().await
    }

    /// All rows of the table.
    pub async fn rows(&self) -> Vec<Summary> {
        let mut pages = self
            .dynamodb
            .scan()
            .table_name("UnicornSensorData")
            .into_paginator()
            .send();
        let mut rows = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            rows.extend(
                page.items()
                    .iter()
                    .map(|item| windrow_lambda::processor::row::from_item(item).unwrap()),
            );
        }
        rows
    }

    /// What the log of readings amounts to, by the oracle.
    pub async fn expected(&self, window_millis: i64) -> BTreeMap<OracleKey, OracleRow> {
        let log = read_log(&self.kinesis, "wildrydes").await;
        oracle::expected(&log, window_millis)
    }

    /// The lines of all files of a delivery stream.
    pub fn archived(&self, delivery_stream: &str) -> Vec<Value> {
        let mut lines = Vec::new();
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
                    let text = std::fs::read_to_string(path).unwrap();
                    lines.extend(text.lines().map(|line| {
                        serde_json::from_str(line).unwrap_or_else(|_| Value::from(line))
                    }));
                }
            }
        }
        lines
    }

    /// Ends the cloud.
    pub async fn stop(self) {
        self.cloud.stop().await;
    }
}

/// Sends lines as records, partition key first; all of them must be taken.
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
pub async fn read_log(client: &Client, stream: &str) -> Vec<Logged> {
    oracle::read_log(client, stream).await.unwrap()
}

/// Merged rows in the oracle's terms.
pub fn by_window(rows: Vec<Summary>) -> BTreeMap<OracleKey, OracleRow> {
    oracle::by_window(merge(rows))
}

/// A plain reading of `name`; `number` makes it distinct.
pub fn reading(name: &str, number: u32, metres: &str, points: i32) -> (String, String) {
    let time = unicorn::status_time::StatusTime::from_millis(1_790_000_000_000 + i64::from(number));
    let quoted = serde_json::to_string(name).unwrap();
    let line = format!(
        "{{\"Name\":{quoted},\"StatusTime\":\"{time}\",\"Distance\":{metres},\"MagicPoints\":{points},\"HealthPoints\":{}}}\n",
        points + 40
    );
    (name.to_owned(), line)
}
