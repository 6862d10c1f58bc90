//! What the end-to-end tests share: a local cloud of their own, and an oracle.
//!
//! Each test has its own port, data directory and processes, so all of them run at once. The
//! oracle is independent of the pipeline: it reads a stream's whole log itself, and folds it with
//! plain loops over floating-point-free integers.

#![expect(clippy::unwrap_used, reason = "this is test code, which may panic")]

pub mod programs;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use bytes::Bytes;
use delivery::{KinesisStream, Policy, Record, deliver};
use local::{LocalCloud, Settings};
use serde_json::Value;
use shards::{ShardReader, Start};
use tempfile::TempDir;
use unicorn::merge::{Minute, merge};
use unicorn::summary::Summary;

/// How long anything here may take at most.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A local cloud on a free port, with a data directory that is gone afterwards.
pub struct Cloud {
    /// The cloud.
    pub cloud: LocalCloud,
    /// Its data directory.
    pub data_dir: TempDir,
    /// A client of its Kinesis.
    pub kinesis: Client,
    /// A client of its table.
    pub dynamodb: aws_sdk_dynamodb::Client,
}

impl Cloud {
    /// Starts one; `change` may alter the settings.
    pub async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), change).await
    }

    /// Ends this one and starts another on the same data directory.
    pub async fn restart(self) -> Self {
        self.cloud.stop().await;
        Self::on(self.data_dir).await
    }

    /// Starts one on a data directory that an earlier one left.
    pub async fn on(data_dir: TempDir) -> Self {
        Self::start_in(data_dir, |_| ()).await
    }

    async fn start_in(data_dir: TempDir, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            port: 0,
            data_dir: data_dir.path().to_owned(),
            window: Duration::from_secs(2),
            ..Settings::default()
        };
        change(&mut settings);
        let cloud = LocalCloud::start(settings).await.unwrap();
        let config = connect::local_config(&cloud.endpoint_url());
        Self {
            kinesis: Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            cloud,
            data_dir,
        }
    }

    /// Sends lines as records, partition key first; all of them must be taken.
    pub async fn send(&self, stream: &str, lines: impl IntoIterator<Item = (String, String)>) {
        let records = lines.into_iter().map(|(partition_key, line)| Record {
            partition_key,
            data: Bytes::from(line),
        });
        let stream = KinesisStream::new(self.kinesis.clone(), stream);
        let report = deliver(&stream, records.collect(), &Policy::within(PATIENCE)).await;
        assert!(
            report.undelivered.is_empty(),
            "{:?}",
            report.undelivered.first()
        );
    }

    /// Closes all windows and reads the table.
    pub async fn drained_rows(&self) -> Vec<Summary> {
        self.cloud.drain(PATIENCE).await.unwrap();
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
                    .map(|item| processor::row::from_item(item).unwrap()),
            );
        }
        rows
    }

    /// What the log of readings amounts to, by the oracle.
    pub async fn expected(&self, window_millis: i64) -> BTreeMap<Pane, Figures> {
        let log = read_log(&self.kinesis, "wildrydes").await;
        expected(&log, window_millis)
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

/// A unicorn and the start of a window.
pub type Pane = (String, i64);

/// What a pane holds: readings, micrometres, and the four extremes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Distinct readings.
    pub readings: u64,
    /// Their distances.
    pub micrometres: i128,
    /// Lowest and highest magic, lowest and highest health.
    pub points: [i64; 4],
}

/// A record of the log: shard, arrival, payload.
pub type Logged = (String, i64, Bytes);

/// Reads a stream's whole log.
pub async fn read_log(client: &Client, stream: &str) -> Vec<Logged> {
    let mut log = Vec::new();
    for shard in shards::list(client, stream).await.unwrap() {
        let mut reader = ShardReader::new(client.clone(), stream, &shard.id, Start::TrimHorizon);
        loop {
            let page = reader.next().await.unwrap();
            let (ended, empty) = (page.ended, page.records.is_empty());
            for record in page.records {
                log.push((shard.id.clone(), record.arrival, record.data));
            }
            if ended || empty {
                break;
            }
        }
    }
    log
}

/// Folds a log: the distinct readings of each shard and window. Lines that are no readings are
/// passed over; they must be plain JSON with a Distance of at most six decimals.
pub fn expected(log: &[Logged], window_millis: i64) -> BTreeMap<Pane, Figures> {
    let mut seen = BTreeSet::new();
    let mut panes: BTreeMap<Pane, Figures> = BTreeMap::new();
    for (shard, arrival, data) in log {
        let window = arrival - arrival.rem_euclid(window_millis);
        for line in std::str::from_utf8(data).unwrap_or_default().lines() {
            let Ok(reading) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            let (Some(name), Some(time)) =
                (reading["Name"].as_str(), reading["StatusTime"].as_str())
            else {
                continue;
            };
            let Some(micrometres) = micrometres(&reading["Distance"].to_string()) else {
                continue;
            };
            if !seen.insert((shard.clone(), window, name.to_owned(), time.to_owned())) {
                continue;
            }
            let magic = reading["MagicPoints"].as_i64().unwrap();
            let health = reading["HealthPoints"].as_i64().unwrap();
            let figures = panes.entry((name.to_owned(), window)).or_insert(Figures {
                readings: 0,
                micrometres: 0,
                points: [magic, magic, health, health],
            });
            figures.readings += 1;
            figures.micrometres += micrometres;
            let [low_magic, high_magic, low_health, high_health] = figures.points;
            figures.points = [
                low_magic.min(magic),
                high_magic.max(magic),
                low_health.min(health),
                high_health.max(health),
            ];
        }
    }
    panes
}

fn micrometres(metres: &str) -> Option<i128> {
    let (whole, fraction) = metres.split_once('.').unwrap_or((metres, ""));
    format!("{whole}{fraction:0<6}")
        .parse()
        .ok()
        .filter(|value| *value >= 0)
}

/// Merged rows in the oracle's terms.
pub fn panes(rows: Vec<Summary>) -> BTreeMap<Pane, Figures> {
    let pane = |minute: Minute| {
        let figures = Figures {
            readings: minute.readings,
            micrometres: minute.figures.distance.micrometres(),
            points: [
                minute.figures.min_magic_points.into(),
                minute.figures.max_magic_points.into(),
                minute.figures.min_health_points.into(),
                minute.figures.max_health_points.into(),
            ],
        };
        ((minute.name, minute.window_start.millis()), figures)
    };
    merge(rows).into_iter().map(pane).collect()
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
