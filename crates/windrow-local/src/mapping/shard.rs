//! One shard's poller: read, batch, invoke, retry.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use windrow_core::window::Window;
use windrow_read::{ShardReader, ShardRecord, Start};

use super::chaos;
use super::flow::{Flow, pause};
use super::follow::{ProgressMark, ShardWork, StreamSource};
use super::hooks::{DeliveryHooks, InWindow, NextBatch, Rerun};
use super::invoke::{BatchWindow, InvocationOutcome, Invoker, MAX_STATE_BYTES};
use super::on_failure::FailedBatch;
use super::options::{MappingOptions, MappingUpdate};
use super::plan::{BatchRules, PollStep, ShardView};
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
}

impl ShardWork for Polling {
    async fn run(
        self: Arc<Self>,
        shard: String,
        start: Start,
        mark: ProgressMark,
        stop: CancellationToken,
    ) {
        let reader = self.reader(&shard, start.clone());
        let poller = Poller {
            invoker: Invoker {
                function: Arc::clone(&self.function),
                stream_arn: self.stream_arn.clone(),
                region: self.region.clone(),
                shard,
            },
            flush: self.flush.clone(),
            update: self.update.clone(),
            hooks: chaos::hooks(&self.faults, READ_AHEAD),
            polling: self,
            reader,
            checkpoint: start,
            records: VecDeque::new(),
            oldest: Instant::now(),
            read_up_to: i64::MIN,
            ended: false,
            open: None,
            mark,
            stop,
        };
        poller.run().await;
    }
}

impl Polling {
    fn reader(&self, shard: &str, start: Start) -> ShardReader {
        let client = self.source.client.clone();
        ShardReader::new(client, &self.source.stream, shard, start).limit(READ_AHEAD)
    }
}

/// A window that is still open.
struct OpenWindow {
    window: Window,
    state: Option<Box<RawValue>>,
}

struct Poller {
    polling: Arc<Polling>,
    invoker: Invoker,
    flush: watch::Receiver<i64>,
    update: watch::Receiver<MappingUpdate>,
    reader: ShardReader,
    /// The start of the records that were not delivered yet.
    checkpoint: Start,
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
    async fn run(mut self) {
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
                PollStep::Done => return,
                PollStep::Read => self.read().await,
                PollStep::Invoke { count, window } => self.deliver(count, window).await,
            };
            if let Flow::Stop = flow {
                return;
            }
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
            self.reader = self
                .polling
                .reader(&self.invoker.shard, self.checkpoint.clone());
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

    /// Delivers the first `count` records to the function, until it has accepted them or they are
    /// discarded. After a failure, the same records are delivered again, or half of them if the
    /// mapping bisects.
    async fn deliver(&mut self, count: usize, window: Option<(Window, bool)>) -> Flow {
        let mut left = count;
        let mut most = self.hooks.cut(count);
        // Failures of the batch at the front. Any progress starts a new batch.
        let mut failures = 0_u32;
        loop {
            left -= self.discard_old(left).await;
            let batch = most.min(left);
            let is_final = window.is_some_and(|(_, is_final)| is_final) && batch == left;
            if batch == 0 && !is_final {
                return Flow::Continue;
            }
            let batch_window = window.map(|(window, _)| (window, is_final));
            let reason = match self.invoke(batch, batch_window, false).await {
                InvocationOutcome::Done(state) => {
                    left -= batch;
                    failures = 0;
                    // The failed half may contain only one bad record; the rest is delivered whole.
                    most = left;
                    match self.after_batch(batch, batch_window, state).await {
                        Flow::Continue if left > 0 => continue,
                        flow => return flow,
                    }
                }
                InvocationOutcome::Partial(done) => {
                    self.drop_records(done);
                    left -= done;
                    most = left;
                    failures = 0;
                    if let Flow::Stop = pause(&self.stop, failures).await {
                        return Flow::Stop;
                    }
                    continue;
                }
                InvocationOutcome::Failed(reason) => reason,
            };
            let shard = &self.invoker.shard;
            let function = self.invoker.function.name();
            tracing::warn!(function, shard, failures, reason, "a batch failed");
            if self.polling.options.bisect_on_error && batch > 1 {
                // Lambda does not count a bisection among the attempts.
                most = batch.div_ceil(2);
            } else {
                failures += 1;
                let retries = self.polling.options.retry_attempts;
                if retries.is_some_and(|retries| failures > retries) {
                    let condition = "RetryAttemptsExhausted";
                    self.discard(batch, condition, failures, &reason).await;
                    left -= batch;
                    most = left;
                    failures = 0;
                    continue;
                }
            }
            if let Flow::Stop = pause(&self.stop, failures).await {
                return Flow::Stop;
            }
        }
    }

    async fn invoke(
        &mut self,
        count: usize,
        window: Option<(Window, bool)>,
        is_terminated_early: bool,
    ) -> InvocationOutcome {
        let batch = &self.records.make_contiguous()[..count];
        let options = &self.polling.options;
        if self.hooks.fails(batch, options.retry_attempts.is_some()) {
            return InvocationOutcome::Failed("injected fault: the batch fails".to_owned());
        }
        let open = self.open.as_ref();
        let window = window.map(|(window, is_final)| BatchWindow {
            window,
            state: open.and_then(|open| open.state.as_deref()),
            is_final,
            is_terminated_early,
        });
        self.invoker.invoke(batch, window, options).await
    }

    /// Continues after a delivered batch with the window's new state.
    async fn after_batch(
        &mut self,
        count: usize,
        window: Option<(Window, bool)>,
        state: Option<Box<RawValue>>,
    ) -> Flow {
        let batch = self.take_records(count);
        let opened = self.open.is_none();
        let next = match window {
            None => self.hooks.done(batch, None),
            Some((window, true)) => {
                self.open = None;
                return match self.hooks.closed(batch, opened) {
                    None => Flow::Continue,
                    Some(rerun) => self.deliver_again(window, rerun).await,
                };
            }
            Some((window, false)) => {
                let size = state.as_ref().map_or(0, |state| state.get().len());
                self.open = Some(OpenWindow { window, state });
                if size > MAX_STATE_BYTES
                    && let Flow::Stop = self.end_early(window).await
                {
                    return Flow::Stop;
                }
                self.hooks.done(batch, Some(InWindow { opened }))
            }
        };
        let again = match next {
            NextBatch::Continue => return Flow::Continue,
            NextBatch::Again(records) => records,
            NextBatch::FromStart(records) => {
                self.open = None;
                records
            }
        };
        for record in again.into_iter().rev() {
            self.records.push_front(record);
        }
        Flow::Replan
    }

    /// Ends the open window early, as Lambda does when its state is too large. The window continues
    /// with an empty state.
    async fn end_early(&mut self, window: Window) -> Flow {
        let mut failures = 0;
        loop {
            let reason = match self.invoke(0, Some((window, true)), true).await {
                InvocationOutcome::Done(_) => {
                    let state = None;
                    self.open = Some(OpenWindow { window, state });
                    return Flow::Continue;
                }
                InvocationOutcome::Partial(_) => "only some records were accepted".to_owned(),
                InvocationOutcome::Failed(reason) => reason,
            };
            failures += 1;
            let shard = &self.invoker.shard;
            tracing::warn!(shard, failures, reason, "a window could not be ended early");
            if let Flow::Stop = pause(&self.stop, failures).await {
                return Flow::Stop;
            }
        }
    }

    /// Discards the records at the front that are older than the mapping allows. Returns how many.
    async fn discard_old(&mut self, most: usize) -> usize {
        let Some(age) = self.polling.options.record_age else {
            return 0;
        };
        let oldest = self.now_millis() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let old = |record: &&ShardRecord| record.arrival.millis() < oldest;
        let count = self.records.iter().take(most).take_while(old).count();
        self.discard(count, "RecordAgeExceeded", 0, "too old").await;
        count
    }

    /// Writes the first `count` records to the on-failure destination, if there is one, and drops
    /// them.
    async fn discard(&mut self, count: usize, condition: &str, attempts: u32, reason: &str) {
        if count == 0 {
            return;
        }
        let batch = &self.records.make_contiguous()[..count];
        self.hooks.discarded(batch);
        let event = self.invoker.event(batch, None);
        let now = self.polling.source.clock.now_millis();
        let failed = FailedBatch {
            function: self.invoker.function.name(),
            stream_arn: &self.invoker.stream_arn,
            shard: &self.invoker.shard,
            condition,
            attempts,
            reason,
            records: batch,
            event: &event,
            now: Timestamp::from_millisecond(now).unwrap_or_default(),
        };
        match &self.polling.options.on_failure {
            None => tracing::error!(count, condition, "records failed permanently and are lost"),
            Some(folder) => loop {
                match failed.write(folder).await {
                    Ok(path) => {
                        let path = path.display();
                        tracing::error!(count, condition, %path, "records failed permanently");
                        break;
                    }
                    Err(error) => {
                        tracing::error!(count, condition, %error, "cannot write to the on-failure destination; records are kept");
                        // Delivery stops until they are written, because there is no other copy.
                        if let Flow::Stop = pause(&self.stop, u32::MAX).await {
                            return;
                        }
                    }
                }
            },
        }
        self.drop_records(count);
    }

    fn drop_records(&mut self, count: usize) {
        self.take_records(count);
        self.hooks.dropped(count);
    }

    /// Takes the first `count` records, which are done.
    fn take_records(&mut self, count: usize) -> Vec<ShardRecord> {
        let batch: Vec<ShardRecord> = self.records.drain(..count).collect();
        self.oldest = Instant::now();
        let done = batch.last().map(|last| last.sequence_number.clone());
        if let Some(done) = done.filter(|done| self.is_after_checkpoint(done)) {
            self.checkpoint = Start::AfterSequence(done);
        }
        batch
    }

    /// Whether a record is after the checkpoint. One that is delivered again is not.
    fn is_after_checkpoint(&self, number: &str) -> bool {
        match &self.checkpoint {
            Start::AfterSequence(last) => (last.len(), last.as_str()) < (number.len(), number),
            _ => true,
        }
    }

    /// Delivers records of a closed window again, until the function has accepted them. Drops the
    /// state that it returns last.
    async fn deliver_again(&self, window: Window, rerun: Rerun) -> Flow {
        let options = &self.polling.options;
        let mut left = rerun.records.as_slice();
        let mut most = rerun.first;
        let mut state: Option<Box<RawValue>> = None;
        let mut failures = 0;
        while !left.is_empty() {
            let state_bytes = state.as_ref().map_or(0, |state| state.get().len());
            let fit = self
                .invoker
                .fit(left.iter(), options.batch_size, state_bytes);
            let count = left.len().min(most).min(options.batch_size).min(fit.max(1));
            let batch = BatchWindow {
                window,
                state: state.as_deref(),
                is_final: count == left.len(),
                is_terminated_early: false,
            };
            match self
                .invoker
                .invoke(&left[..count], Some(batch), options)
                .await
            {
                InvocationOutcome::Done(next) => {
                    state = next;
                    left = &left[count..];
                    most = usize::MAX;
                    failures = 0;
                }
                InvocationOutcome::Partial(_) | InvocationOutcome::Failed(_) => {
                    failures += 1;
                    if let Flow::Stop = pause(&self.stop, failures).await {
                        return Flow::Stop;
                    }
                }
            }
        }
        Flow::Continue
    }
}
