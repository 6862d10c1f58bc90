//! The whole local cloud: endpoint, streams, table and mappings.

mod start;

pub(crate) use start::{MAPPINGS, remove_old_checkpoints};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use aws_types::SdkConfig;
use axum::Router;

use crate::clock::Clock;
use crate::dashboard::Dashboard;
use crate::endpoint::Endpoint;
use crate::functions::Function;
use crate::resources::create_stream;
use crate::restart::RestartReport;
use crate::settings::{CloudSettings, ResourceNames};
use crate::start_error::StartError;
use start::{CloudParts, describe, done_before};

/// A drain that did not finish in time.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{what} had not caught up after {} s", waited.as_secs())]
pub struct DrainError {
    what: &'static str,
    waited: Duration,
}

impl DrainError {
    pub(crate) fn new(what: &'static str, waited: Duration) -> Self {
        Self { what, waited }
    }
}

/// The functions of a local cloud.
pub struct Pipeline {
    /// Invoked for every stream of readings, with tumbling windows, if there is one.
    pub aggregator: Option<Arc<dyn Function>>,
    /// Invoked for every stream of readings, without windows, if there is one.
    pub stateless: Option<Arc<dyn Function>>,
    /// Invoked for the stream of rows.
    pub processor: Arc<dyn Function>,
    /// Invoked at regular times, to finish the windows that are complete, if it runs.
    pub finisher: Option<Arc<dyn Function>>,
    /// What the states of the aggregator's windows depend on, such as the columns of a sensor: see
    /// [`MappingOptions::state_version`](crate::mapping::MappingOptions::state_version).
    pub state_version: String,
}

/// What a program runs in its local cloud: the functions and the page, which know what the streams
/// carry.
pub trait Application {
    /// Creates the functions. `config` points the AWS SDK at the endpoint.
    ///
    /// # Errors
    ///
    /// [`StartError`] if a function cannot be run.
    fn pipeline(&self, names: &ResourceNames, config: &SdkConfig) -> Result<Pipeline, StartError>;

    /// Creates the dashboard's page, which reads the streams in `names`, in `region`, from the
    /// endpoint at `endpoint_url`.
    fn page(&self, endpoint_url: &str, region: &str, names: &ResourceNames) -> Router;
}

/// A running local cloud.
///
/// Dropping it aborts everything. To end it cleanly, call [`drain`](Self::drain), then
/// [`stop`](Self::stop).
#[derive(Debug)]
pub struct LocalCloud {
    endpoint: Endpoint,
    endpoint_stop: CancellationToken,
    parts: CloudParts,
    description: String,
    streams: Mutex<Vec<String>>,
    watermark: watch::Receiver<i64>,
    _watermark_task: AbortOnDropHandle<()>,
}

impl LocalCloud {
    /// Starts the endpoint, creates the streams and the table, and starts the mappings. When it
    /// returns, readings can be sent.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running.
    pub async fn start(
        settings: CloudSettings,
        application: &impl Application,
    ) -> Result<Self, StartError> {
        let endpoint_stop = CancellationToken::new();
        let options = settings.endpoint_options();
        let endpoint = Endpoint::start(options, endpoint_stop.clone()).await?;
        let parts = match CloudParts::start(&settings, application, &endpoint, &endpoint_stop).await
        {
            Ok(parts) => parts,
            Err(error) => {
                endpoint.abandon().await;
                return Err(error);
            }
        };
        let (sender, watermark) = watch::channel(i64::MIN);
        let watermark_task = combine(
            parts.readers.watermark(),
            parts.processor.watermark(),
            sender,
            settings.clock.clone(),
        );
        let url = endpoint.url();
        Ok(Self {
            endpoint,
            endpoint_stop,
            description: describe(&settings, &url),
            streams: Mutex::new(vec![settings.names.stream.clone()]),
            parts,
            watermark,
            _watermark_task: AbortOnDropHandle::new(tokio::spawn(watermark_task)),
        })
    }

    /// What the data directory had of an earlier run, if there was one, and what becomes of it.
    pub fn restart_report(&self) -> Option<&RestartReport> {
        self.parts.report.as_ref()
    }

    /// The endpoint URL of Kinesis, DynamoDB and Firehose, for an AWS SDK.
    pub fn endpoint_url(&self) -> String {
        self.endpoint.url()
    }

    /// The dashboard's URL, if it is served.
    pub fn dashboard_url(&self) -> Option<String> {
        self.parts.dashboard.as_ref().map(Dashboard::url)
    }

    /// The streams, the table, the endpoint and the data directory, in one line.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// The clock of the arrival times. Watermarks are times of this clock.
    pub fn clock(&self) -> &Clock {
        &self.parts.sources.clock
    }

    /// The time up to which windows are complete, in milliseconds since the epoch: each window that
    /// ended by then is closed, and its rows are in the table.
    pub fn watermark(&self) -> watch::Receiver<i64> {
        self.watermark.clone()
    }

    /// The time up to which the aggregator has closed its windows, in milliseconds since the epoch.
    /// Their rows may not be in the table yet. If rows without windows are written, those of readings
    /// that arrived before are.
    pub fn aggregator_watermark(&self) -> i64 {
        *self.parts.readers.watermark().borrow()
    }

    /// Restarts the aggregator's mappings, and those of the function without windows: what is done to
    /// the aggregator's mappings is done to both. In every shard, they read the records that arrived
    /// at `from_millis` (since the epoch) or later. The state of open windows is lost, so readings are
    /// lost too if `from_millis` is after [`aggregator_watermark`](Self::aggregator_watermark).
    /// Aborts invocations that do not end within five seconds.
    pub async fn restart_aggregator(&self, from_millis: i64) {
        self.parts.readers.restart(from_millis).await;
    }

    /// Disables the aggregator's mappings. Lambda keeps the checkpoints; what it does with the
    /// state of open windows is not documented, and here it is kept too. A [`drain`](Self::drain)
    /// waits until the mappings are enabled.
    pub async fn disable_aggregator(&self) {
        self.parts.readers.set_enabled(false).await;
    }

    /// Enables the aggregator's mappings again.
    pub async fn enable_aggregator(&self) {
        self.parts.readers.set_enabled(true).await;
    }

    /// Changes the most records in a batch of the aggregator's mappings.
    pub async fn set_aggregator_batch_size(&self, batch_size: usize) {
        self.parts.readers.set_batch_size(batch_size).await;
    }

    /// Creates another stream of readings, unless it exists, which the same aggregator sums into the
    /// same table.
    /// [`drain`](Self::drain) drains it too. It has no archive.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the stream cannot be created, or what was saved of it cannot be used.
    pub async fn add_stream(&self, name: &str, shards: u32) -> Result<(), StartError> {
        let before = self.clock().now_millis();
        let created = create_stream(&self.parts.sources.client, name, shards).await?;
        let source = self.parts.sources.source(name);
        let readers = &self.parts.readers;
        readers
            .add(&source, created, done_before(created, before))
            .await?;
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.push(name.to_owned());
        Ok(())
    }

    /// Stops accepting readings, closes the open windows early, and waits until everything that was
    /// acknowledged is in the table and in the archive's files. Writers get the error
    /// ServiceUnavailable, so they know what was not sent.
    ///
    /// # Errors
    ///
    /// [`DrainError`] if something has not caught up within `timeout`.
    pub async fn drain(&self, timeout: Duration) -> Result<(), DrainError> {
        let deadline = Instant::now() + timeout;
        let wait = async |what, mut watermark: watch::Receiver<i64>, time: i64| {
            let reached = watermark.wait_for(|mark| *mark >= time);
            match tokio::time::timeout_at(deadline, reached).await {
                Ok(Ok(_)) => Ok(()),
                _ => Err(DrainError {
                    what,
                    waited: timeout,
                }),
            }
        };
        for stream in self.streams() {
            let closed = self.endpoint.close_stream(&stream);
            if tokio::time::timeout_at(deadline, closed).await.is_err() {
                return Err(DrainError {
                    what: "a call that writes readings",
                    waited: timeout,
                });
            }
        }
        let sent = self.clock().now_millis();
        self.parts.readers.flush(sent).await;
        wait(
            "a function that reads readings",
            self.parts.readers.watermark(),
            sent,
        )
        .await?;
        let summed = self.clock().now_millis();
        self.parts.processor.flush(summed);
        wait("the processor", self.parts.processor.watermark(), summed).await?;
        if let Some(finisher) = &self.parts.finisher
            && !finisher.drain(deadline).await
        {
            return Err(DrainError {
                what: "the finisher",
                waited: timeout,
            });
        }
        wait("the archive", self.parts.archive_watermark.clone(), sent).await?;
        if let Err(error) = self.endpoint.firehose().flush().await {
            tracing::warn!(%error, "the archive's last objects are not delivered yet");
        }
        Ok(())
    }

    fn streams(&self) -> Vec<String> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.clone()
    }

    /// Stops everything, after the invocations in flight.
    pub async fn stop(self) {
        self.parts.stop(&self.endpoint_stop).await;
        self.endpoint.stopped().await;
    }
}

/// Sends the aggregator's watermark to `done` once the processor has handled everything that the
/// aggregator had emitted by then.
async fn combine(
    mut aggregator: watch::Receiver<i64>,
    mut processor: watch::Receiver<i64>,
    done: watch::Sender<i64>,
    clock: Clock,
) {
    while aggregator.changed().await.is_ok() {
        let time = *aggregator.borrow_and_update();
        let sent = clock.now_millis();
        if processor.wait_for(|mark| *mark >= sent).await.is_err() {
            return;
        }
        done.send_replace(time);
    }
}
