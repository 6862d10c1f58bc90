//! The event source mapping: it invokes a function with a stream's records.
//!
//! It follows the documentation of Lambda's own pollers: batches and batching windows, tumbling
//! windows with state and their final invoke, windows ended early past 1 MB of state, partial batch
//! responses, bisection, retry and age limits, an on-failure destination, one invocation per shard
//! at a time, and parents drained before their children.
//!
//! Like Lambda, it delivers every batch at least once.
//!
//! * `plan` decides what a shard's poller does next, as a pure function.
//! * `invoke` builds the event and interprets the response.
//! * `shard` is the poller: it reads, invokes, and retries.
//! * `follow` runs one poller per shard and tracks the progress of all.
//! * `group` maps several streams to one function.
//! * `chaos` injects faults into delivery, within the guarantees of Lambda.

mod chaos;
mod flow;
pub(crate) mod follow;
pub(crate) mod group;
mod hooks;
mod invoke;
mod on_failure;
mod options;
mod plan;
mod shard;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use windrow_core::window::{InvalidWindow, Tumbling};
use windrow_read::Start;

pub use options::MappingOptions;
pub(crate) use options::MappingUpdate;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::functions::Function;
use follow::{StreamSource, follow_stream};
use plan::BatchRules;
use shard::Polling;

/// A stream, with the names that the function's events carry.
#[derive(Clone, Debug)]
pub struct MappingSource {
    /// A client for the stream.
    pub client: aws_sdk_kinesis::Client,
    /// The stream's name.
    pub stream: String,
    /// Its ARN.
    pub stream_arn: String,
    /// Its region.
    pub region: String,
    /// The clock of its arrival times.
    pub clock: Clock,
}

/// A running mapping. Dropping it aborts it; [`stop`](Self::stop) lets it finish first.
#[derive(Debug)]
pub struct Mapping {
    watermark: watch::Receiver<i64>,
    flush: watch::Sender<i64>,
    update: watch::Sender<MappingUpdate>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

/// An invalid tumbling window.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("invalid tumbling window")]
pub struct InvalidMapping(#[from] InvalidWindow);

impl Mapping {
    /// Starts to invoke `function` with the stream's records, from the oldest on.
    ///
    /// # Errors
    ///
    /// [`InvalidMapping`] if the window is not a valid tumbling window.
    pub fn start(
        source: MappingSource,
        function: Arc<dyn Function>,
        options: MappingOptions,
    ) -> Result<Self, InvalidMapping> {
        let faults = Arc::new(Faults::none());
        Self::start_with(source, function, options, Start::TrimHorizon, faults)
    }

    /// Like [`start`](Self::start), with injected faults, and reading the shards from `start` on.
    /// Shards created later are read from their oldest record.
    ///
    /// These faults affect delivery. For faults of the function itself, wrap it in
    /// [`Faulty`](crate::functions::Faulty).
    ///
    /// # Errors
    ///
    /// [`InvalidMapping`] if the window is not a valid tumbling window.
    pub fn start_with(
        source: MappingSource,
        function: Arc<dyn Function>,
        options: MappingOptions,
        start: Start,
        faults: Arc<Faults>,
    ) -> Result<Self, InvalidMapping> {
        let rules = rules(&options)?;
        Ok(Self::spawn(source, function, options, rules, start, faults))
    }

    fn spawn(
        source: MappingSource,
        function: Arc<dyn Function>,
        options: MappingOptions,
        rules: BatchRules,
        start: Start,
        faults: Arc<Faults>,
    ) -> Self {
        let (watermark_sender, watermark) = watch::channel(i64::MIN);
        let (flush, flush_receiver) = watch::channel(i64::MAX);
        let (update, update_receiver) = watch::channel(MappingUpdate::from(&options));
        let stop = CancellationToken::new();
        let source_of_shards = StreamSource {
            client: source.client,
            stream: source.stream,
            start,
            clock: source.clock,
        };
        let polling = Arc::new(Polling {
            source: source_of_shards.clone(),
            stream_arn: source.stream_arn,
            region: source.region,
            function,
            rules,
            options,
            flush: flush_receiver,
            update: update_receiver,
            faults,
        });
        let follow = follow_stream(source_of_shards, polling, watermark_sender, stop.clone());
        Self {
            watermark,
            flush,
            update,
            stop,
            task: AbortOnDropHandle::new(tokio::spawn(follow)),
        }
    }

    /// The time, in milliseconds since the epoch, up to which the stream is done: every record that
    /// arrived before it was delivered, and every window that ended by then is closed.
    pub fn watermark(&self) -> watch::Receiver<i64> {
        self.watermark.clone()
    }

    /// From now on, sends short batches and ends windows early, as soon as everything that arrived
    /// before `time` has been read. The watermark then passes `time`.
    pub fn flush(&self, time: i64) {
        self.flush.send_replace(time);
    }

    /// Stops polling after the invocations in flight, until it is enabled again. Keeps each shard's
    /// checkpoint and, with a tumbling window, the open window's state. The watermark does not
    /// advance.
    pub fn disable(&self) {
        self.update.send_modify(|update| update.enabled = false);
    }

    /// Polls again, from each shard's checkpoint.
    pub fn enable(&self) {
        self.update.send_modify(|update| update.enabled = true);
    }

    /// Changes the most records in a batch, from each shard's next batch on.
    pub fn set_batch_size(&self, batch_size: usize) {
        self.update
            .send_modify(|update| update.batch_size = batch_size);
    }

    /// Stops after the invocations in flight.
    pub async fn stop(mut self) {
        self.halt().await;
    }

    async fn halt(&mut self) {
        self.stop.cancel();
        // If the task was aborted, there is nothing left to wait for.
        let _ = (&mut self.task).await;
    }
}

fn rules(options: &MappingOptions) -> Result<BatchRules, InvalidMapping> {
    let millis = |window: Duration| i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
    let tumbling = options
        .tumbling_window
        .map(|window| Tumbling::new(millis(window)))
        .transpose()?;
    Ok(BatchRules {
        batch_size: options.batch_size,
        batching_window: options.batching_window,
        tumbling,
    })
}
