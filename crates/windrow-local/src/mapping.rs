//! The event source mapping: it invokes a function with a stream's records.
//!
//! It follows the documentation of Lambda's own pollers: batches and batching windows, tumbling
//! windows with state and their final invoke, windows ended early past 1 MB of state, partial batch
//! responses, bisection, retry and age limits, on-failure destinations, filters, one invocation per
//! shard or lane at a time, and parents drained before their children.
//!
//! Like Lambda, it delivers every batch at least once. With a folder for checkpoints, that holds
//! across a restart too: a new mapping of the same function and stream goes on where the last one was,
//! even if that was killed.
//!
//! * `plan` decides what a shard's poller does next, as a pure function.
//! * `filter` decides which records the function gets.
//! * `invoke` builds the event and interprets the response.
//! * `shard` is the poller: it reads, invokes, and retries.
//! * `checkpoint` keeps each shard's progress on disk.
//! * `follow` runs one poller per shard and tracks the progress of all.
//! * `group` maps several streams to one function.
//! * `chaos` injects faults into delivery, within the guarantees of Lambda.

mod chaos;
mod checkpoint;
mod filter;
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

pub use checkpoint::CheckpointError;
pub(crate) use checkpoint::{Checkpoints, SavedTotals, remove_missing_streams};
pub use filter::{FilterCriteria, FilterError, FilterProblem};
pub use on_failure::OnFailure;
pub use options::MappingOptions;
pub(crate) use options::MappingUpdate;

use crate::clock::Clock;
use crate::disk_trouble::DiskTrouble;
use crate::faults::Faults;
use crate::functions::Function;
use follow::{StreamSource, follow_stream};
use plan::BatchRules;
use shard::{Polling, readers};

/// The most batches of a shard at a time.
const MAX_PARALLELIZATION: usize = 10;

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
    checkpoints: Option<Arc<Checkpoints>>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

/// Why a mapping cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MappingError {
    /// The tumbling window is invalid.
    #[error("invalid tumbling window")]
    Window(#[from] InvalidWindow),
    /// The parallelization factor is not from 1 to 10.
    #[error("the parallelization factor is {0}, and must be from 1 to {MAX_PARALLELIZATION}")]
    Parallelization(usize),
    /// Several batches of a shard cannot share a window's state.
    #[error("the parallelization factor is {0}, and must be 1 with a tumbling window")]
    ParallelWindows(usize),
    /// What it has saved cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// What a mapping does, as it was checked at the start.
pub(crate) struct MappingPlan {
    /// Tells the mapping apart from others of the same stream.
    pub(crate) name: String,
    pub(crate) function: Arc<dyn Function>,
    pub(crate) options: MappingOptions,
    rules: BatchRules,
    pub(crate) faults: Arc<Faults>,
}

impl MappingPlan {
    pub(crate) fn new(
        name: &str,
        function: Arc<dyn Function>,
        options: MappingOptions,
        faults: Arc<Faults>,
    ) -> Result<Self, MappingError> {
        let rules = rules(&options)?;
        match options.parallelization_factor {
            1 => {}
            2..=MAX_PARALLELIZATION if rules.tumbling.is_none() => {}
            factor @ 2..=MAX_PARALLELIZATION => return Err(MappingError::ParallelWindows(factor)),
            factor => return Err(MappingError::Parallelization(factor)),
        }
        let metadata = options.filter_criteria.metadata();
        if !metadata.is_empty() {
            let fields = metadata.join(", ");
            tracing::warn!(
                name,
                fields,
                "a filter has fields other than `data`: here they match, but Lambda's guide says that \
                 Kinesis records are filtered on `data` alone"
            );
        }
        Ok(Self {
            name: name.to_owned(),
            function,
            options,
            rules,
            faults,
        })
    }

    /// Reads what a mapping of a stream has saved, if it saves anything.
    pub(crate) fn load(
        &self,
        stream: &str,
        disk: &DiskTrouble,
    ) -> Result<Option<Checkpoints>, CheckpointError> {
        let Some(folder) = &self.options.checkpoints else {
            return Ok(None);
        };
        let version = &self.options.state_version;
        Checkpoints::load(folder, &self.name, stream, version, disk.clone()).map(Some)
    }
}

impl Mapping {
    /// Starts to invoke `function` with the stream's records, from the oldest on or, with a folder
    /// for checkpoints, from where an earlier mapping was.
    ///
    /// # Errors
    ///
    /// [`MappingError::Window`] if the window is not a valid tumbling window, and
    /// [`MappingError::Checkpoint`] if what an earlier mapping has saved cannot be used.
    pub fn start(
        source: MappingSource,
        function: Arc<dyn Function>,
        options: MappingOptions,
    ) -> Result<Self, MappingError> {
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
    /// As for [`start`](Self::start).
    pub fn start_with(
        source: MappingSource,
        function: Arc<dyn Function>,
        options: MappingOptions,
        start: Start,
        faults: Arc<Faults>,
    ) -> Result<Self, MappingError> {
        let name = function.name().to_owned();
        let plan = MappingPlan::new(&name, function, options, faults)?;
        let disk = DiskTrouble::new();
        let checkpoints = plan.load(&source.stream, &disk)?;
        Ok(Self::spawn(source, &plan, start, checkpoints, disk))
    }

    pub(crate) fn spawn(
        source: MappingSource,
        plan: &MappingPlan,
        start: Start,
        checkpoints: Option<Checkpoints>,
        disk: DiskTrouble,
    ) -> Self {
        let (watermark_sender, watermark) = watch::channel(i64::MIN);
        let (flush, flush_receiver) = watch::channel(i64::MAX);
        let mut initial = MappingUpdate::from(&plan.options);
        if let Some(enabled) = checkpoints.as_ref().and_then(Checkpoints::enabled) {
            initial.enabled = enabled;
        }
        if !initial.enabled {
            let (function, stream) = (&plan.name, &source.stream);
            tracing::info!(function, stream, "the mapping is disabled");
        }
        let (update, update_receiver) = watch::channel(initial);
        let stop = CancellationToken::new();
        let source_of_shards = StreamSource {
            client: source.client,
            stream: source.stream,
            start,
            clock: source.clock,
        };
        let checkpoints = checkpoints.map(Arc::new);
        let polling = Arc::new(Polling {
            open: readers(&source_of_shards),
            source: source_of_shards.clone(),
            stream_arn: source.stream_arn,
            region: source.region,
            function: Arc::clone(&plan.function),
            rules: plan.rules,
            options: plan.options.clone(),
            flush: flush_receiver,
            update: update_receiver,
            faults: Arc::clone(&plan.faults),
            checkpoints: checkpoints.clone(),
            disk,
        });
        let (saved, stopped) = (checkpoints.clone(), stop.clone());
        let follow = async move {
            if let Some(saved) = saved
                && !saved.identify(&source_of_shards.client, &stopped).await
            {
                return;
            }
            follow_stream(source_of_shards, polling, watermark_sender, stopped).await;
        };
        Self {
            watermark,
            flush,
            update,
            checkpoints,
            stop,
            task: AbortOnDropHandle::new(tokio::spawn(follow)),
        }
    }

    /// The checkpoints of a mapping that replaces this one, without what this one has saved.
    fn restarted_checkpoints(&self) -> Option<Checkpoints> {
        let checkpoints = self.checkpoints.as_deref();
        checkpoints.map(Checkpoints::restarted)
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
    /// advance. With a folder for checkpoints, the mapping is disabled after a restart too.
    pub fn disable(&self) {
        self.set_enabled(false);
    }

    /// Polls again, from each shard's checkpoint.
    pub fn enable(&self) {
        self.set_enabled(true);
    }

    fn set_enabled(&self, enabled: bool) {
        self.update.send_modify(|update| update.enabled = enabled);
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.save_enabled(enabled);
        }
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

fn rules(options: &MappingOptions) -> Result<BatchRules, InvalidWindow> {
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
