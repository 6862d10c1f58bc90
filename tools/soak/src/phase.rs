//! The phases of a run: the local cloud is started, gets readings, and is drained and stopped, or
//! killed, once or several times on the same data directory.

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
use tokio::runtime::{Handle, Runtime};
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
pub(crate) async fn run_all<S: TrafficSensor + 'static>(
    soak: &Soak<S>,
) -> anyhow::Result<Evidence> {
    let mut evidence = Evidence::default();
    let mut drained_at = i64::MIN;
    loop {
        let mut phase = Phase::start(soak, drained_at).await?;
        let end = phase.send(soak, &mut evidence).await?;
        evidence.phases += 1;
        match end {
            ChangesEnd::CloudKilled => {}
            ChangesEnd::CloudRestarted => {
                evidence.redriven += phase.redrive(soak).await?;
                drained_at = phase.cloud.clock().now_millis();
                phase.stop().await?;
            }
            ChangesEnd::Stopped => {
                let finished = phase.finish(soak, &mut evidence).await;
                phase.stop().await?;
                finished?;
                return Ok(evidence);
            }
        }
    }
}

/// A running cloud.
struct Phase {
    cloud: Arc<LocalCloud>,
    /// Where it runs, so that it can be killed.
    runtime: CloudRuntime,
    kinesis: Kinesis,
    streams: [String; 2],
    drained_at: i64,
}

impl Phase {
    async fn start<S: TrafficSensor + 'static>(
        soak: &Soak<S>,
        drained_at: i64,
    ) -> anyhow::Result<Self> {
        soak.settings.faults.switch_on();
        let runtime = CloudRuntime(Some(Runtime::new()?));
        let (settings, application) = (soak.settings.clone(), soak.application.clone());
        let second = format!("{}-second", soak.settings.names.stream);
        let streams = [soak.settings.names.stream.clone(), second.clone()];
        let starting = async move {
            let cloud = LocalCloud::start(settings, &application).await?;
            // Its readings are aggregated into the same table.
            cloud.add_stream(&second, 1).await?;
            anyhow::Ok(cloud)
        };
        let cloud = runtime.handle()?.spawn(starting).await??;
        let config = windrow_connect::local_config(&cloud.endpoint_url());
        Ok(Self {
            cloud: Arc::new(cloud),
            runtime,
            kinesis: Kinesis::new(&config),
            streams,
            drained_at,
        })
    }

    /// Sends readings until all are sent or the cloud is to be restarted or killed. Then drains or kills
    /// it, while readings are still sent if it is started again.
    async fn send<S: TrafficSensor>(
        &mut self,
        soak: &Soak<S>,
        evidence: &mut Evidence,
    ) -> anyhow::Result<ChangesEnd> {
        let plan = self.plan(soak, evidence)?;
        let handle = self.runtime.handle()?.clone();
        let site = topology::Site {
            cloud: &self.cloud,
            runtime: handle,
            kinesis: &self.kinesis,
            faults: &soak.settings.faults,
            stream: &self.streams[0],
            summary_stream: &soak.settings.names.summary_stream,
            window_millis: i64::try_from(soak.settings.window.as_millis())?,
            drained_at: self.drained_at,
        };
        let (all_sent, ended) = (CancellationToken::new(), CancellationToken::new());
        let sending = async {
            let sent = traffic::send(&soak.application.sensor, &self.kinesis, &plan, &ended).await;
            all_sent.cancel();
            sent
        };
        let changing = async {
            let end = topology::change(&site, &all_sent).await;
            if end == ChangesEnd::CloudKilled {
                eprintln!("soak: killing the cloud");
                self.runtime.kill().await?;
                ended.cancel();
                return anyhow::Ok(end);
            }
            eprintln!("soak: closing the open windows");
            let outcome = self.cloud.drain(DRAIN_LIMIT).await;
            ended.cancel();
            outcome.context("not all rows reached the table")?;
            Ok(end)
        };
        let (sent, end) = tokio::join!(sending, changing);
        evidence.sent.add(sent);
        end
    }

    fn plan<S: TrafficSensor>(
        &self,
        soak: &Soak<S>,
        evidence: &Evidence,
    ) -> anyhow::Result<TrafficPlan> {
        let phase = evidence.phases;
        Ok(TrafficPlan {
            seed: soak.seed.wrapping_add(phase.wrapping_mul(1 << 32)),
            readings: soak.readings.saturating_sub(evidence.sent.readings),
            at_least: soak.at_least,
            faults: Arc::clone(&soak.settings.faults),
            first_millis: FIRST_MILLIS + PHASE_MILLIS * i64::try_from(phase)?,
            keys: soak.keys,
            rate: soak.rate,
            streams: self.streams.clone(),
        })
    }

    /// Stops the cloud, after a drain.
    async fn stop(mut self) -> anyhow::Result<()> {
        let cloud = Arc::into_inner(self.cloud).context("the cloud is still used")?;
        cloud.stop().await;
        self.runtime.kill().await
    }

    /// Redrives failed batches, and reads the logs and the table.
    async fn finish<S: TrafficSensor>(
        &self,
        soak: &Soak<S>,
        evidence: &mut Evidence,
    ) -> anyhow::Result<()> {
        evidence.redriven += self.redrive(soak).await?;
        let mut outputs = BTreeMap::new();
        for (output, stream) in &soak.settings.names.outputs {
            outputs.insert(output.clone(), read_log(&self.kinesis, stream).await?);
        }
        for stream in &self.streams {
            evidence.log.extend(read_log(&self.kinesis, stream).await?);
        }
        let sensor = &soak.application.sensor;
        evidence.outputs = sensor.check_outputs(&evidence.log, &outputs);
        evidence.finished = self.finished(soak).await?;
        evidence.rows = self.rows(soak).await?;
        Ok(())
    }

    /// Compares the finished rows with the rows.
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

    /// Redrives the failed batches, as the program `redrive` does, and waits for their rows. No fault is
    /// injected from here on.
    async fn redrive<S: TrafficSensor>(&self, soak: &Soak<S>) -> anyhow::Result<u64> {
        soak.settings.faults.switch_off();
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

/// Where a cloud runs. None after it was killed.
struct CloudRuntime(Option<Runtime>);

impl CloudRuntime {
    fn handle(&self) -> anyhow::Result<&Handle> {
        let runtime = self.0.as_ref().context("the cloud was killed")?;
        Ok(runtime.handle())
    }

    /// Cuts off what runs here where it waits, as far as a process can do that to a part of itself.
    /// What is in the middle of a write completes it.
    async fn kill(&mut self) -> anyhow::Result<()> {
        let runtime = self.0.take().context("the cloud was killed")?;
        let kill = move || runtime.shutdown_timeout(DRAIN_LIMIT);
        Ok(tokio::task::spawn_blocking(kill).await?)
    }
}

impl Drop for CloudRuntime {
    fn drop(&mut self) {
        // Another runtime must not wait for it.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn has_revision(data: &[u8]) -> bool {
    let row = serde_json::from_slice::<serde_json::Value>(data);
    row.is_ok_and(|row| row.get("Revision").is_some())
}
