//! The phases of a run: the local cloud is started, gets readings, drains, and stops, once or
//! several times on the same data directory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_kinesis::Client as Kinesis;
use redrive::{RedriveArgs, redrive};
use soak::finished::FinishedCheck;
use soak::log::{LoggedRecord, read_log};
use soak::outputs::OutputCheck;
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::{Environment, Target, TargetArgs};
use windrow_core::row::Row;
use windrow_lambda::processor::row::StoredRow;
use windrow_local::{CloudSettings, LocalCloud};
use windrow_pipeline::SensorApplication;

use crate::sensors::TrafficSensor;
use crate::topology::{self, ChangesEnd};
use crate::traffic::{self, Sent, TrafficPlan};

/// The time limit for closing the open windows.
const DRAIN_LIMIT: Duration = Duration::from_secs(600);

/// The time of the first readings: 2023-11-14. Readings of the future would be rejected if windows
/// are by event time.
const FIRST_MILLIS: i64 = 1_700_000_000_000;
/// How much later the readings of the next phase are, so that no two are the same.
const PHASE_MILLIS: i64 = 1_000_000_000;

/// What to run.
pub(crate) struct Soak<S> {
    pub(crate) settings: CloudSettings,
    pub(crate) application: SensorApplication<S>,
    pub(crate) seed: u64,
    pub(crate) readings: u64,
    pub(crate) keys: u32,
    pub(crate) rate: u64,
    pub(crate) at_least: u64,
}

/// What the run left.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) sent: Sent,
    /// The records of all streams of readings.
    pub(crate) log: Vec<LoggedRecord>,
    /// The table's rows.
    pub(crate) rows: Vec<Row>,
    /// What the outputs without windows have.
    pub(crate) outputs: OutputCheck,
    /// What the streams of finished rows have.
    pub(crate) finished: FinishedCheck,
    /// How many records of failed batches were redriven.
    pub(crate) redriven: u64,
    /// How often the cloud was started.
    pub(crate) phases: u64,
}

/// Runs the phases.
pub(crate) async fn run_all<S: TrafficSensor>(soak: &Soak<S>) -> anyhow::Result<Evidence> {
    let mut evidence = Evidence::default();
    loop {
        let phase = Phase::start(soak).await?;
        let end = phase.send(soak, &mut evidence).await?;
        let finished = phase.finish(soak, &mut evidence).await;
        phase.cloud.stop().await;
        finished?;
        evidence.phases += 1;
        if end == ChangesEnd::Stopped {
            return Ok(evidence);
        }
    }
}

/// A running cloud.
struct Phase {
    cloud: LocalCloud,
    kinesis: Kinesis,
    streams: [String; 2],
}

impl Phase {
    async fn start<S: TrafficSensor>(soak: &Soak<S>) -> anyhow::Result<Self> {
        soak.settings.faults.switch_on();
        let cloud = LocalCloud::start(soak.settings.clone(), &soak.application).await?;
        // Its readings are aggregated into the same table.
        let second = format!("{}-second", soak.settings.names.stream);
        cloud.add_stream(&second, 1).await?;
        let config = windrow_connect::local_config(&cloud.endpoint_url());
        let streams = [soak.settings.names.stream.clone(), second];
        Ok(Self {
            cloud,
            kinesis: Kinesis::new(&config),
            streams,
        })
    }

    /// Sends readings until all are sent or the cloud is to be restarted. Then drains it, while
    /// readings are still sent if it is to be restarted.
    async fn send<S: TrafficSensor>(
        &self,
        soak: &Soak<S>,
        evidence: &mut Evidence,
    ) -> anyhow::Result<ChangesEnd> {
        let phase = evidence.phases;
        let plan = TrafficPlan {
            seed: soak.seed.wrapping_add(phase.wrapping_mul(1 << 32)),
            readings: soak.readings.saturating_sub(evidence.sent.readings),
            at_least: soak.at_least,
            faults: Arc::clone(&soak.settings.faults),
            first_millis: FIRST_MILLIS + PHASE_MILLIS * i64::try_from(phase)?,
            keys: soak.keys,
            rate: soak.rate,
            streams: self.streams.clone(),
        };
        let site = topology::Site {
            cloud: &self.cloud,
            kinesis: &self.kinesis,
            faults: &soak.settings.faults,
            stream: &self.streams[0],
            summary_stream: &soak.settings.names.summary_stream,
            window_millis: i64::try_from(soak.settings.window.as_millis())?,
        };
        let (all_sent, drained) = (CancellationToken::new(), CancellationToken::new());
        let sending = async {
            let sent =
                traffic::send(&soak.application.sensor, &self.kinesis, &plan, &drained).await;
            all_sent.cancel();
            sent
        };
        let changing = async {
            let end = topology::change(&site, &all_sent).await;
            eprintln!("soak: closing the open windows");
            let outcome = self.cloud.drain(DRAIN_LIMIT).await;
            drained.cancel();
            outcome.context("not all rows reached the table")?;
            anyhow::Ok(end)
        };
        let (sent, end) = tokio::join!(sending, changing);
        evidence.sent.add(sent);
        end
    }

    /// Redrives failed batches, and reads the logs and the table.
    async fn finish<S: TrafficSensor>(
        &self,
        soak: &Soak<S>,
        evidence: &mut Evidence,
    ) -> anyhow::Result<()> {
        soak.settings.faults.switch_off();
        evidence.redriven += self.redrive(soak).await?;
        let mut outputs = BTreeMap::new();
        for (output, stream) in &soak.settings.names.outputs {
            outputs.insert(output.clone(), read_log(&self.kinesis, stream).await?);
        }
        let mut whole_log = Vec::new();
        for stream in &self.streams {
            let log = read_log(&self.kinesis, stream).await?;
            whole_log.extend(log.iter().cloned());
            // A shard of the next phase has the same name, and none of these records.
            evidence.log.extend(log.into_iter().map(|record| {
                let (stream, shard) = record.place;
                LoggedRecord {
                    place: (stream, format!("{shard} {}", evidence.phases)),
                    ..record
                }
            }));
        }
        // The outputs are those of this phase, as the readings are.
        let sensor = &soak.application.sensor;
        let checked = sensor.check_outputs(&whole_log, &outputs);
        evidence.outputs.add(checked);
        evidence.finished.add(self.finished(soak).await?);
        evidence.rows = self.rows(soak).await?;
        Ok(())
    }

    /// Compares the finished rows with the rows of this phase.
    async fn finished<S: TrafficSensor>(&self, soak: &Soak<S>) -> anyhow::Result<FinishedCheck> {
        let names = &soak.settings.names;
        if names.finished.is_empty() {
            return Ok(FinishedCheck::default());
        }
        let summaries = read_log(&self.kinesis, &names.summary_stream).await?;
        let mut finished = BTreeMap::new();
        for (output, stream) in &names.finished {
            let mut log = read_log(&self.kinesis, stream).await?;
            // A stream may also have rows without windows, which have no revision.
            log.retain(|record| has_revision(&record.data));
            finished.insert(output.clone(), log);
        }
        let outputs = soak.application.sensor.window_outputs();
        Ok(FinishedCheck::of(&outputs, &summaries, &finished))
    }

    /// Redrives the failed batches, as the program `redrive` does, and waits for their rows.
    async fn redrive<S: TrafficSensor>(&self, soak: &Soak<S>) -> anyhow::Result<u64> {
        let arguments = RedriveArgs {
            folder: None,
            data_dir: soak.settings.data_dir.clone(),
            stream: soak.settings.names.summary_stream.clone(),
            again: false,
            target: TargetArgs {
                target: Target::Local,
                endpoint_url: Some(self.cloud.endpoint_url()),
                ..TargetArgs::default()
            },
        };
        let redriven = redrive(&arguments, &Environment::default(), std::io::stderr()).await?;
        let left = redriven.left;
        ensure!(
            left == 0,
            "{left} files of failed batches were not redriven"
        );
        let drained = self.cloud.drain(DRAIN_LIMIT).await;
        drained.context("not all redriven rows reached the table")?;
        Ok(redriven.records as u64)
    }

    async fn rows<S: TrafficSensor>(&self, soak: &Soak<S>) -> anyhow::Result<Vec<Row>> {
        let config = windrow_connect::local_config(&self.cloud.endpoint_url());
        let scan = DynamoDb::new(&config)
            .scan()
            .table_name(&soak.settings.names.table);
        let mut pages = scan.into_paginator().send();
        let mut rows = Vec::new();
        while let Some(page) = pages.next().await {
            for item in page?.items() {
                rows.push(StoredRow::from_item(soak.application.sensor.schema(), item)?.row);
            }
        }
        Ok(rows)
    }
}

fn has_revision(data: &[u8]) -> bool {
    let row = serde_json::from_slice::<serde_json::Value>(data);
    row.is_ok_and(|row| row.get("Revision").is_some())
}
