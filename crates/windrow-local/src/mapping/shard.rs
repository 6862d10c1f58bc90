//! One shard's poller: read, batch, invoke, retry.

mod deliver;

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use windrow_core::window::Window;
use windrow_read::{ReadError, Shard, ShardPage, ShardReader, ShardRecord, Start};

use super::chaos;
use super::checkpoint::{CheckpointWriter, Checkpoints, SavedStart, ShardToSave};
use super::flow::{Flow, pause};
use super::follow::{ProgressMark, ShardWork, StreamSource};
use super::hooks::DeliveryHooks;
use super::invoke::Invoker;
use super::options::{MappingOptions, MappingUpdate};
use super::plan::{BatchRules, PollStep, ShardView};
use crate::disk_trouble::{DiskTrouble, DiskWriter};
use crate::faults::Faults;
use crate::functions::Function;

/// The maximum number of records to read ahead of the function.
const READ_AHEAD: usize = 10_000;
/// A record may become readable this long after its arrival time, as the emulator stamps it first.
const SETTLE_MILLIS: i64 = 100;

/// What all shards of a mapping share.
pub(super) struct Polling {
    pub(super) source: StreamSource,
    pub(super) stream_arn: String,
    pub(super) region: String,
    pub(super) function: Arc<dyn Function>,
    pub(super) options: MappingOptions,
    pub(super) rules: BatchRules,
    /// The time from which to flush, in milliseconds since the epoch; `i64::MAX` for never.
    pub(super) flush: watch::Receiver<i64>,
    pub(super) update: watch::Receiver<MappingUpdate>,
    pub(super) faults: Arc<Faults>,
    /// What is kept on disk, if anything is.
    pub(super) checkpoints: Option<Arc<Checkpoints>>,
    /// The disk of the on-failure destination.
    pub(super) disk: DiskTrouble,
    /// Opens a reader of a shard.
    pub(super) open: OpenReader,
}

/// Reads a shard, a page at a time.
pub(super) trait PageReader: Send + Sync {
    /// The next page.
    fn next_page(&mut self) -> BoxFuture<'_, Result<ShardPage, ReadError>>;
}

impl PageReader for ShardReader {
    fn next_page(&mut self) -> BoxFuture<'_, Result<ShardPage, ReadError>> {
        Box::pin(self.next_page())
    }
}

/// Opens a reader of a shard, from a record on.
type OpenReader = Box<dyn Fn(&str, Start) -> Box<dyn PageReader> + Send + Sync>;

/// Opens readers of a stream's shards.
pub(super) fn readers(source: &StreamSource) -> OpenReader {
    let (client, stream) = (source.client.clone(), source.stream.clone());
    Box::new(move |shard, start| {
        Box::new(ShardReader::new(client.clone(), &stream, shard, start).limit(READ_AHEAD))
    })
}

impl ShardWork for Polling {
    fn is_finished(&self, shard: &str) -> bool {
        let checkpoints = self.checkpoints.as_ref();
        checkpoints.is_some_and(|checkpoints| checkpoints.is_finished(shard))
    }

    fn listed(&self, shards: &[Shard]) {
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.keep_listed(shards.iter().map(|shard| shard.id.as_str()));
        }
    }

    async fn run(
        self: Arc<Self>,
        shard: String,
        start: Start,
        mark: ProgressMark,
        stop: CancellationToken,
    ) {
        Poller::new(self, shard, start, mark, stop).run().await;
    }
}

/// A window that is still open.
struct OpenWindow {
    window: Window,
    state: Option<Box<RawValue>>,
    /// The start of its records.
    opened: Start,
}

/// How a poller saves its shard's progress.
struct Saving {
    writer: CheckpointWriter,
    /// Whether there is a file.
    is_saved: bool,
    /// How many records are done.
    records: u64,
    /// How many of the next records must be done again until the state is that of the checkpoint.
    rebuild: usize,
    /// The start of the window whose records are done again.
    rebuilt_from: Option<Start>,
}

struct Poller {
    polling: Arc<Polling>,
    invoker: Invoker,
    flush: watch::Receiver<i64>,
    update: watch::Receiver<MappingUpdate>,
    reader: Box<dyn PageReader>,
    /// The start of the records that were not delivered yet.
    checkpoint: Start,
    saving: Option<Saving>,
    /// Writes to the on-failure destination.
    failed: DiskWriter,
    records: VecDeque<ShardRecord>,
    /// When the oldest record in `records` was read.
    oldest: Instant,
    read_up_to: i64,
    ended: bool,
    open: Option<OpenWindow>,
    hooks: Box<dyn DeliveryHooks>,
    mark: ProgressMark,
    stop: CancellationToken,
}

impl Poller {
    /// A poller that goes on where an earlier process has left the shard, or begins at `start`.
    fn new(
        polling: Arc<Polling>,
        shard: String,
        start: Start,
        mark: ProgressMark,
        stop: CancellationToken,
    ) -> Self {
        let mut checkpoint = start;
        let (mut open, mut saving) = (None, None);
        if let Some(checkpoints) = &polling.checkpoints {
            let (mut records, mut is_saved) = (0, false);
            if let Some(saved) = checkpoints.take(&shard, polling.rules.tumbling.is_some()) {
                (records, is_saved) = (saved.records, true);
                checkpoint = saved.start.into();
                open = saved.window.map(|saved| OpenWindow {
                    window: saved.window(),
                    opened: saved.opened.into(),
                    state: saved.state,
                });
            } else if checkpoints.is_resumed() {
                checkpoint = Start::TrimHorizon;
            } else if checkpoint == Start::Latest {
                // A later start at the latest record would skip what arrives until then.
                let now = polling.source.clock.now_millis();
                checkpoint = SavedStart::of(&checkpoint, now).into();
            }
            saving = Some(Saving {
                writer: checkpoints.writer(&shard),
                is_saved,
                records,
                rebuild: 0,
                rebuilt_from: None,
            });
        }
        Self {
            reader: (polling.open)(&shard, checkpoint.clone()),
            invoker: Invoker {
                function: Arc::clone(&polling.function),
                stream_arn: polling.stream_arn.clone(),
                region: polling.region.clone(),
                shard,
            },
            flush: polling.flush.clone(),
            update: polling.update.clone(),
            hooks: chaos::hooks(&polling.faults, READ_AHEAD),
            failed: polling.disk.writer(),
            polling,
            checkpoint,
            saving,
            records: VecDeque::new(),
            oldest: Instant::now(),
            read_up_to: i64::MIN,
            ended: false,
            open,
            mark,
            stop,
        }
    }

    async fn run(mut self) {
        // Without a file, another start would be at the oldest record.
        let is_saved = self.saving.as_ref().is_none_or(|saving| saving.is_saved);
        if !is_saved
            && self.checkpoint != Start::TrimHorizon
            && let Flow::Stop = self.save(false).await
        {
            return;
        }
        while !self.stop.is_cancelled() {
            if !self.update.borrow_and_update().enabled {
                match self.enabled().await {
                    Flow::Stop => return,
                    Flow::Continue | Flow::Replan => continue,
                }
            }
            let rules = self.rules();
            let view = self.view();
            self.mark.set(rules.watermark(view)).await;
            let flow = match rules.next(view) {
                PollStep::Done => {
                    self.save(true).await;
                    return;
                }
                PollStep::Read => self.read().await,
                PollStep::Invoke { count, window } => self.deliver(count, window).await,
            };
            if let Flow::Stop = flow {
                return;
            }
        }
    }

    /// Saves the shard's progress, unless the open window's state is that of an earlier record. Does
    /// not return before that has succeeded, or the mapping stops.
    async fn save(&self, finished: bool) -> Flow {
        let Some(saving) = self.saving.as_ref().filter(|saving| saving.rebuild == 0) else {
            return Flow::Continue;
        };
        let now = self.now_millis();
        let open = self.open.as_ref();
        let opened = open.map(|open| SavedStart::of(&open.opened, now));
        let open = open.zip(opened.as_ref());
        let progress = ShardToSave {
            start: SavedStart::of(&self.checkpoint, now),
            records: saving.records,
            finished,
            window: open.map(|(open, opened)| (open.window, opened, open.state.as_deref())),
            now,
        };
        if saving.writer.save(progress, &self.stop).await {
            Flow::Continue
        } else {
            Flow::Stop
        }
    }

    /// Waits until the mapping is enabled, then reads again from the checkpoint.
    async fn enabled(&mut self) -> Flow {
        tokio::select! {
            () = self.stop.cancelled() => return Flow::Stop,
            enabled = self.update.wait_for(|update| update.enabled) => if enabled.is_err() {
                return Flow::Stop;
            }
        }
        // Records that wait to be delivered again come before the checkpoint.
        if !self.hooks.is_redelivering() {
            self.reader = (self.polling.open)(&self.invoker.shard, self.checkpoint.clone());
            self.records.clear();
            self.read_up_to = i64::MIN;
            self.ended = false;
        }
        Flow::Replan
    }

    fn rules(&self) -> BatchRules {
        BatchRules {
            batch_size: self.update.borrow().batch_size,
            ..self.polling.rules
        }
    }

    fn view(&self) -> ShardView<'_> {
        let state = self.open.as_ref().and_then(|open| open.state.as_ref());
        let state_bytes = state.map_or(0, |state| state.get().len());
        let most = self.update.borrow().batch_size;
        ShardView {
            records: &self.records,
            fit: self.invoker.fit(self.records.iter(), most, state_bytes),
            read_up_to: self.read_up_to,
            ended: self.ended,
            flush_from: *self.flush.borrow(),
            waited: self.oldest.elapsed(),
            open: self.open.as_ref().map(|open| open.window),
        }
    }

    fn now_millis(&self) -> i64 {
        self.polling.source.clock.now_millis()
    }

    /// Reads once. Waits first if the last read reached the end, so that an idle shard is not
    /// polled without a pause.
    async fn read(&mut self) -> Flow {
        if self.read_up_to > i64::MIN {
            let pause = tokio::time::sleep(self.polling.options.poll_interval);
            tokio::select! {
                () = self.stop.cancelled() => return Flow::Stop,
                _ = self.flush.changed() => {}
                _ = self.update.changed() => return Flow::Replan,
                () = pause => {}
            }
        }
        let asked_at = self.now_millis();
        let page = tokio::select! {
            () = self.stop.cancelled() => return Flow::Stop,
            page = self.reader.next_page() => page,
        };
        match page {
            Ok(page) => {
                if self.records.is_empty() {
                    self.oldest = Instant::now();
                }
                let all = page.behind.is_zero() && page.records.len() < READ_AHEAD;
                if all || page.ended {
                    self.read_up_to = asked_at - SETTLE_MILLIS;
                }
                self.ended = page.ended;
                self.records.extend(page.records);
                Flow::Continue
            }
            Err(error) => {
                let shard = &self.invoker.shard;
                tracing::warn!(stream = self.polling.source.stream, shard, %error, "cannot read");
                pause(&self.stop, 0).await
            }
        }
    }
}

#[cfg(test)]
mod tests;
