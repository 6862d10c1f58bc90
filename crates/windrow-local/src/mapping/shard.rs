//! One shard's poller: read, batch, invoke, retry.

mod begin;
mod deliver;
mod lanes;
mod pages;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use windrow_core::window::Window;
use windrow_read::{ReadError, Shard, ShardReader, ShardRecord, Start};

use super::chaos;
use super::checkpoint::{CheckpointWriter, Checkpoints, SavedStart, ShardToSave};
use super::flow::{Flow, pause};
use super::follow::{ProgressMark, ShardWork, StreamSource};
use super::hooks::DeliveryHooks;
use super::invoke::Invoker;
use super::options::{MappingOptions, MappingUpdate};
use super::plan::{BatchRules, PollStep, ShardView};
use crate::clock::Clock;
use crate::disk_trouble::{DiskTrouble, DiskWriter};
use crate::faults::Faults;
use crate::functions::Function;
use begin::ShardBegin;
use lanes::{LaneReader, LaneSaving};
use pages::{PageRead, PageReader, is_later, read_page};

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
        let begin = self.begin(&shard, start);
        let has_lanes = begin
            .saved
            .as_ref()
            .is_some_and(|saved| !saved.lanes.is_empty());
        if has_lanes || self.options.parallelization_factor > 1 {
            self.run_lanes(shard, begin, mark, stop).await;
        } else {
            Poller::of_shard(self, shard, begin, mark, stop).run().await;
        }
    }
}

/// A window that is still open.
struct OpenWindow {
    window: Window,
    state: Option<Box<RawValue>>,
    /// The start of its records.
    opened: Start,
}

/// How a poller saves its progress.
struct Saving {
    writer: ProgressWriter,
    /// Whether there is a file.
    is_saved: bool,
    /// How many records are done.
    records: u64,
    /// How many of the next records must be done again until the state is that of the checkpoint.
    rebuild: usize,
    /// The start of the window whose records are done again.
    rebuilt_from: Option<Start>,
}

enum ProgressWriter {
    Shard(CheckpointWriter),
    Lane(Arc<LaneSaving>, usize),
}

/// What a poller reads.
enum Pages {
    Shard(Box<dyn PageReader>),
    /// A lane, which does not go back.
    Lane(LaneReader),
}

impl Pages {
    async fn next(&mut self, clock: &Clock) -> Result<PageRead, ReadError> {
        match self {
            Self::Shard(reader) => read_page(&mut **reader, clock, READ_AHEAD).await,
            Self::Lane(lane) => lane.next().await,
        }
    }
}

/// Records that follow each other and do not match the filters.
struct FilteredRun {
    /// The sequence number of the last one.
    last: String,
    count: u64,
}

struct Poller {
    polling: Arc<Polling>,
    invoker: Invoker,
    flush: watch::Receiver<i64>,
    update: watch::Receiver<MappingUpdate>,
    pages: Pages,
    /// The start of the records that were not delivered yet.
    checkpoint: Start,
    saving: Option<Saving>,
    /// Writes to the on-failure destination.
    failed: DiskWriter,
    records: VecDeque<ShardRecord>,
    /// The records among those in `records` and after them that the function does not get.
    filtered: VecDeque<FilteredRun>,
    /// When the oldest record in `records` was read.
    oldest: Instant,
    read_up_to: i64,
    /// Whether the last read reached the end of what there was.
    at_tip: bool,
    ended: bool,
    open: Option<OpenWindow>,
    hooks: Box<dyn DeliveryHooks>,
    mark: ProgressMark,
    stop: CancellationToken,
}

impl Poller {
    /// A poller of a whole shard.
    fn of_shard(
        polling: Arc<Polling>,
        shard: String,
        begin: ShardBegin,
        mark: ProgressMark,
        stop: CancellationToken,
    ) -> Self {
        let reader = (polling.open)(&shard, begin.checkpoint.clone());
        let saving = begin.saved.map(|saved| Saving {
            writer: ProgressWriter::Shard(saved.writer),
            is_saved: saved.is_saved,
            records: saved.records,
            rebuild: 0,
            rebuilt_from: None,
        });
        Self {
            saving,
            open: begin.open,
            ..Self::new(
                polling,
                shard,
                Pages::Shard(reader),
                begin.checkpoint,
                mark,
                stop,
            )
        }
    }

    fn new(
        polling: Arc<Polling>,
        shard: String,
        pages: Pages,
        checkpoint: Start,
        mark: ProgressMark,
        stop: CancellationToken,
    ) -> Self {
        Self {
            pages,
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
            saving: None,
            records: VecDeque::new(),
            filtered: VecDeque::new(),
            oldest: Instant::now(),
            read_up_to: i64::MIN,
            at_tip: false,
            ended: false,
            open: None,
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
        let writer = match &saving.writer {
            ProgressWriter::Shard(writer) => writer,
            ProgressWriter::Lane(lanes, lane) => {
                let (checkpoint, records) = (&self.checkpoint, saving.records);
                let saved = lanes.save(*lane, checkpoint, records, finished, now, &self.stop);
                return if saved.await {
                    Flow::Continue
                } else {
                    Flow::Stop
                };
            }
        };
        let open = self.open.as_ref();
        let opened = open.map(|open| SavedStart::of(&open.opened, now));
        let open = open.zip(opened.as_ref());
        let progress = ShardToSave {
            start: SavedStart::of(&self.checkpoint, now),
            records: saving.records,
            finished,
            window: open.map(|(open, opened)| (open.window, opened, open.state.as_deref())),
            lanes: Vec::new(),
            now,
        };
        if writer.save(progress, &self.stop).await {
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
        if let Pages::Shard(reader) = &mut self.pages
            && !self.hooks.is_redelivering()
        {
            *reader = (self.polling.open)(&self.invoker.shard, self.checkpoint.clone());
            self.records.clear();
            self.filtered.clear();
            self.read_up_to = i64::MIN;
            self.at_tip = false;
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
        if self.at_tip {
            let pause = tokio::time::sleep(self.pause_at_tip());
            tokio::select! {
                () = self.stop.cancelled() => return Flow::Stop,
                _ = self.flush.changed() => {}
                _ = self.update.changed() => return Flow::Replan,
                () = pause => {}
            }
        }
        let page = tokio::select! {
            () = self.stop.cancelled() => return Flow::Stop,
            page = self.pages.next(&self.polling.source.clock) => page,
        };
        match page {
            Ok(page) => {
                if self.records.is_empty() {
                    self.oldest = Instant::now();
                }
                self.at_tip = page.is_tip || page.ended;
                if self.at_tip {
                    self.read_up_to = page.asked_at - SETTLE_MILLIS;
                }
                self.ended = page.ended;
                self.accept(page);
                if self.skip_filtered() {
                    return self.save(false).await;
                }
                Flow::Continue
            }
            Err(error) => {
                let shard = &self.invoker.shard;
                tracing::warn!(stream = self.polling.source.stream, shard, %error, "cannot read");
                pause(&self.stop, 0).await
            }
        }
    }

    /// How long to wait for new records: the poll interval, or less if the open window ends before.
    fn pause_at_tip(&self) -> Duration {
        let interval = self.polling.options.poll_interval;
        let Some(open) = &self.open else {
            return interval;
        };
        let left = open.window.end + SETTLE_MILLIS - self.now_millis();
        match u64::try_from(left) {
            Ok(left) if left > 0 => interval.min(Duration::from_millis(left)),
            _ => interval,
        }
    }

    /// Queues the records of a page that the function gets, and notes the others.
    fn accept(&mut self, page: PageRead) {
        for record in page.records {
            if self.polling.options.filter_criteria.matches(&record) {
                self.records.push_back(record);
            } else {
                self.skip(record.sequence_number, 1);
            }
        }
        let is_lane = matches!(self.pages, Pages::Lane(_));
        if let Some(last) = page.last.filter(|_| is_lane) {
            // The records in between are those of other lanes.
            self.skip(last, 0);
        }
    }

    /// Notes that `count` records that the function does not get are followed by none that it gets
    /// up to the one with the sequence number `last`.
    fn skip(&mut self, last: String, count: u64) {
        let queued = self.records.back().map(|it| &it.sequence_number);
        if queued.is_some_and(|queued| !is_later(&last, queued)) {
            return;
        }
        match self.filtered.back_mut() {
            Some(run) if queued.is_none_or(|queued| is_later(&run.last, queued)) => {
                run.last = last;
                run.count += count;
            }
            _ => self.filtered.push_back(FilteredRun { last, count }),
        }
    }

    /// Moves the checkpoint over the records that the function does not get, up to the next one that
    /// it does get. Returns whether there were any.
    fn skip_filtered(&mut self) -> bool {
        let queued = self.records.front();
        let queued = queued.map(|queued| queued.sequence_number.clone());
        let is_before = |run: &mut FilteredRun| {
            let queued = queued.as_deref();
            queued.is_none_or(|queued| is_later(queued, &run.last))
        };
        let mut moved = false;
        while let Some(run) = self.filtered.pop_front_if(is_before) {
            if let Some(saving) = &mut self.saving {
                saving.records += run.count;
            }
            // One between records of a batch is before the last of them.
            if self.is_after_checkpoint(&run.last) {
                self.checkpoint = Start::AfterSequence(run.last);
            }
            moved = true;
        }
        moved
    }
}

#[cfg(test)]
mod tests;
