//! Delivers records to the function: retries, discards, and what to do after a batch.

use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::time::Instant;
use windrow_core::window::Window;
use windrow_read::{ShardRecord, Start};

use super::pages::is_later;
use super::{OpenWindow, Poller};
use crate::mapping::flow::{Flow, pause};
use crate::mapping::hooks::{InWindow, NextBatch, Rerun};
use crate::mapping::invoke::{BatchWindow, InvocationOutcome, MAX_STATE_BYTES};
use crate::mapping::on_failure::FailedBatch;

/// What is left of the records to deliver.
struct Remaining {
    left: usize,
    /// The most records of a batch; fewer than `left` while a failed batch is being bisected.
    most: usize,
    /// Failures of the batch at the front.
    failures: u32,
}

impl Remaining {
    /// Goes on behind `count` records. What follows is a new batch, and is delivered whole: the
    /// failed half may have contained the only bad record.
    fn went_on(&mut self, count: usize) {
        self.left -= count;
        self.most = self.left;
        self.failures = 0;
    }
}

impl Poller {
    /// Delivers the first `count` records to the function, until it has accepted them or they are
    /// discarded. After a failure, the same records are delivered again, or half of them if the
    /// mapping bisects.
    pub(super) async fn deliver(&mut self, count: usize, window: Option<(Window, bool)>) -> Flow {
        let mut rest = Remaining {
            left: count,
            most: self.hooks.cut(count),
            failures: 0,
        };
        loop {
            match self.discard_old(rest.left, rest.failures).await {
                Some(discarded) => rest.left -= discarded,
                None => return Flow::Stop,
            }
            let batch = rest.most.min(rest.left);
            let is_final = window.is_some_and(|(_, is_final)| is_final) && batch == rest.left;
            if batch == 0 && !is_final {
                return Flow::Continue;
            }
            let batch_window = window.map(|(window, _)| (window, is_final));
            let reason = match self.invoke(batch, batch_window, false).await {
                InvocationOutcome::Done(state) => {
                    rest.went_on(batch);
                    match self.after_batch(batch, batch_window, state).await {
                        Flow::Continue if rest.left > 0 => continue,
                        flow => return flow,
                    }
                }
                InvocationOutcome::Partial(done) => {
                    self.drop_records(done);
                    if let Flow::Stop = self.save(false).await {
                        return Flow::Stop;
                    }
                    rest.went_on(done);
                    if let Flow::Stop = pause(&self.stop, rest.failures).await {
                        return Flow::Stop;
                    }
                    continue;
                }
                InvocationOutcome::Failed(reason) => reason,
            };
            match self.after_failure(batch, &mut rest, &reason).await {
                Flow::Continue => {}
                flow => return flow,
            }
        }
    }

    /// Decides what to deliver after the first `batch` records have failed: half of them, the same
    /// ones after a pause, or those behind them if they may not be tried again.
    async fn after_failure(&mut self, batch: usize, rest: &mut Remaining, reason: &str) -> Flow {
        let shard = &self.invoker.shard;
        let function = self.invoker.function.name();
        let failures = rest.failures;
        tracing::warn!(function, shard, failures, reason, "a batch failed");
        if self.polling.options.bisect_on_error && batch > 1 {
            // Lambda does not count a bisection among the attempts.
            rest.most = batch.div_ceil(2);
        } else {
            rest.failures += 1;
            let retries = self.polling.options.retry_attempts;
            if retries.is_some_and(|retries| rest.failures > retries) {
                let condition = "RetryAttemptsExhausted";
                let discarded = self.discard(batch, condition, rest.failures, reason).await;
                rest.went_on(batch);
                return discarded;
            }
        }
        match pause(&self.stop, rest.failures).await {
            Flow::Continue if self.update.borrow().enabled => Flow::Continue,
            Flow::Stop => Flow::Stop,
            // What has failed is still at the front when the mapping is enabled again.
            Flow::Continue | Flow::Replan => Flow::Replan,
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
        let before = self.checkpoint.clone();
        let batch = self.take_records(count);
        let opened = self.open.is_none();
        let size = state.as_ref().map_or(0, |state| state.get().len());
        let open = self.open.take();
        if let Some((window, false)) = window {
            let opened = open.map_or_else(|| self.opened(before), |open| open.opened);
            self.open = Some(OpenWindow {
                window,
                state,
                opened,
            });
            if size > MAX_STATE_BYTES
                && let Flow::Stop = self.end_early(window).await
            {
                return Flow::Stop;
            }
        }
        // From here on, a killed process goes on after the batch.
        if let Flow::Stop = self.save(false).await {
            return Flow::Stop;
        }
        let next = match window {
            None => self.hooks.done(batch, None),
            Some((_, false)) => self.hooks.done(batch, Some(InWindow { opened })),
            Some((window, true)) => {
                if let Some(saving) = &mut self.saving {
                    saving.rebuilt_from = None;
                }
                return match self.hooks.closed(batch, opened) {
                    None => Flow::Continue,
                    Some(rerun) => self.deliver_again(window, rerun).await,
                };
            }
        };
        let again = match next {
            NextBatch::Continue => return Flow::Continue,
            NextBatch::Again(records) => records,
            NextBatch::FromStart(records) => {
                let open = self.open.take();
                if let Some(saving) = &mut self.saving {
                    // What is saved now remains, with the state that is lost here.
                    saving.rebuild = records.len();
                    saving.rebuilt_from = open.map(|open| open.opened);
                }
                records
            }
        };
        for record in again.into_iter().rev() {
            self.records.push_front(record);
        }
        Flow::Replan
    }

    /// The start of a window's records if it opened at `before`.
    fn opened(&mut self, before: Start) -> Start {
        let rebuilt_from = self
            .saving
            .as_mut()
            .and_then(|saving| saving.rebuilt_from.take());
        rebuilt_from.unwrap_or(before)
    }

    /// Ends the open window early, as Lambda does when its state is too large. The window continues
    /// with an empty state.
    async fn end_early(&mut self, window: Window) -> Flow {
        let mut failures = 0;
        loop {
            let reason = match self.invoke(0, Some((window, true)), true).await {
                InvocationOutcome::Done(_) => {
                    if let Some(open) = &mut self.open {
                        open.state = None;
                    }
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

    /// Discards the records at the front that are older than the mapping allows. Returns how many;
    /// `None` if the mapping stops.
    async fn discard_old(&mut self, most: usize, attempts: u32) -> Option<usize> {
        let Some(age) = self.polling.options.record_age else {
            return Some(0);
        };
        let oldest = self.now_millis() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let old = |record: &&ShardRecord| record.arrival.millis() < oldest;
        let count = self.records.iter().take(most).take_while(old).count();
        let condition = "RecordAgeExceeded";
        match self.discard(count, condition, attempts, "too old").await {
            Flow::Stop => None,
            Flow::Continue | Flow::Replan => Some(count),
        }
    }

    /// Writes the first `count` records to the on-failure destination, if there is one, and drops
    /// them.
    async fn discard(
        &mut self,
        count: usize,
        condition: &str,
        attempts: u32,
        reason: &str,
    ) -> Flow {
        if count == 0 {
            return Flow::Continue;
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
            records: batch,
            event: &event,
            now: Timestamp::from_millisecond(now).unwrap_or_default(),
        };
        match &self.polling.options.on_failure {
            None => {
                tracing::error!(
                    count,
                    condition,
                    reason,
                    "records failed permanently and are lost"
                );
            }
            Some(to) => loop {
                match failed.write(to).await {
                    Ok(path) => {
                        self.failed.succeeded();
                        let path = path.display();
                        tracing::error!(count, condition, reason, %path, "records failed permanently");
                        break;
                    }
                    Err(error) => {
                        self.failed.failed(to.folder(), &error);
                        // Delivery stops until they are written, because there is no other copy.
                        if let Flow::Stop = pause(&self.stop, u32::MAX).await {
                            return Flow::Stop;
                        }
                    }
                }
            },
        }
        self.drop_records(count);
        self.save(false).await
    }

    fn drop_records(&mut self, count: usize) {
        self.take_records(count);
        self.hooks.dropped(count);
    }

    /// Takes the first `count` records, which are done.
    fn take_records(&mut self, count: usize) -> Vec<ShardRecord> {
        let batch: Vec<ShardRecord> = self.records.drain(..count).collect();
        self.oldest = Instant::now();
        if let Some(saving) = &mut self.saving {
            saving.rebuild = saving.rebuild.saturating_sub(count);
        }
        let new = batch
            .iter()
            .filter(|record| self.is_after_checkpoint(&record.sequence_number));
        let new = new.count() as u64;
        if let Some(saving) = &mut self.saving {
            saving.records += new;
        }
        let done = batch.last().map(|last| last.sequence_number.clone());
        if let Some(done) = done.filter(|done| self.is_after_checkpoint(done)) {
            self.checkpoint = Start::AfterSequence(done);
        }
        self.skip_filtered();
        batch
    }

    /// Whether a record is after the checkpoint. One that is delivered again is not.
    pub(super) fn is_after_checkpoint(&self, number: &str) -> bool {
        match &self.checkpoint {
            Start::AfterSequence(last) => is_later(number, last),
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
