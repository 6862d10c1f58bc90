//! Faults in how a shard's records are handed over: what a poller does after its checkpoint or a
//! window's state was lost.
//!
//! The poller asks at four places: before a batch ([`Chaos::cut`], [`Chaos::early_end`]), after a
//! batch that was done ([`Chaos::done`]), and after a window was closed ([`Chaos::closed`]).

use std::sync::Arc;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use windrow_core::window::Window;
use windrow_read::ShardRecord;

use super::flow::{Flow, pause};
use super::invoke::{BatchWindow, InvocationOutcome, Invoker};
use super::options::MappingOptions;

use crate::faults::{FaultKind, Faults};

/// A window's state is lost after this many of its batches at most.
const MOST_BATCHES: usize = 2;

/// The faults of one shard's poller.
///
/// Records that come again draw no fault that lets records come again, so there is an end to them,
/// however many faults are injected.
#[derive(Debug)]
pub(super) struct Chaos {
    faults: Arc<Faults>,
    /// The most records that are kept of a window. Where there are more, what needs them is left out.
    most_kept: usize,
    /// How many of the records that come next were done before.
    again: usize,
    /// After how many more batches the open window's state is lost.
    state_lost: Option<usize>,
    /// What is drawn for the time after the open window.
    after_window: Option<ChaCha8Rng>,
    /// The open window's records that were done, if they are needed.
    kept: Vec<ShardRecord>,
    /// How many were kept after each batch that had new ones.
    batches: Vec<usize>,
}

/// How a window is ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EarlyEnd {
    /// By an invocation with the batch's records.
    WithRecords,
    /// By an invocation of its own, after the batch.
    AfterRecords,
}

/// Where in its window a batch was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InWindow {
    /// It was the first.
    pub(super) opened: bool,
    /// The window was ended early with it, and goes on with an empty state.
    pub(super) ended_early: bool,
}

/// What happens after a batch that was done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextBatch {
    /// It goes on.
    On,
    /// These come again, with the state as it is.
    Again(Vec<ShardRecord>),
    /// The window comes again from its start, which is these, and without its state.
    FromStart(Vec<ShardRecord>),
}

/// A run of a closed window's records that comes again, as a window of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rerun {
    pub(super) records: Vec<ShardRecord>,
    /// How many of them come in the first of two invocations; all, where there is one.
    pub(super) first: usize,
}

impl Rerun {
    /// Hands the records over, until the function has taken them or `stop`. The state that is left
    /// is dropped.
    pub(super) async fn hand_over(
        self,
        window: Window,
        invoker: &Invoker,
        options: &MappingOptions,
        stop: &CancellationToken,
    ) -> Flow {
        let mut left = self.records.as_slice();
        let mut most = self.first;
        let mut state: Option<Box<RawValue>> = None;
        let mut failures = 0;
        while !left.is_empty() {
            let state_bytes = state.as_ref().map_or(0, |state| state.get().len());
            let fit = invoker.fit(left.iter(), options.batch_size, state_bytes);
            let count = left.len().min(most).min(options.batch_size).min(fit.max(1));
            let batch = BatchWindow {
                window,
                state: state.as_deref(),
                is_final: count == left.len(),
                is_terminated_early: false,
            };
            match invoker.invoke(&left[..count], Some(batch), options).await {
                InvocationOutcome::Done(next) => {
                    state = next;
                    left = &left[count..];
                    most = usize::MAX;
                    failures = 0;
                }
                InvocationOutcome::Partly(_) | InvocationOutcome::Failed(_) => {
                    failures += 1;
                    if let Flow::Stop = pause(stop, failures).await {
                        return Flow::Stop;
                    }
                }
            }
        }
        Flow::On
    }
}

impl Chaos {
    pub(super) fn new(faults: Arc<Faults>, most_kept: usize) -> Self {
        Self {
            faults,
            most_kept,
            again: 0,
            state_lost: None,
            after_window: None,
            kept: Vec::new(),
            batches: Vec::new(),
        }
    }

    /// How many of a batch's `count` records come first: all, unless it is cut in two.
    pub(super) fn cut(&self, count: usize) -> usize {
        if count < 2 {
            return count;
        }
        let drawn = self.faults.draw(FaultKind::Recut);
        drawn.map_or(count, |mut drawn| drawn.random_range(1..count))
    }

    /// Whether the open window is ended early with the next batch of it, which is not its last.
    pub(super) fn early_end(&self) -> Option<EarlyEnd> {
        let mut drawn = self.faults.draw(FaultKind::EndedEarly)?;
        Some(if drawn.random() {
            EarlyEnd::WithRecords
        } else {
            EarlyEnd::AfterRecords
        })
    }

    /// These records are dropped.
    pub(super) fn given_up(&mut self, count: usize) {
        self.again = self.again.saturating_sub(count);
    }

    /// A batch was done, not a window's last. Without a window, `window` is `None`.
    pub(super) fn done(&mut self, batch: Vec<ShardRecord>, window: Option<InWindow>) -> NextBatch {
        let ended = window.is_some_and(|window| window.ended_early);
        if let (true, Some(last)) = (ended, batch.last()) {
            self.faults.ended_early_after(&last.sequence_number);
        }
        let done_before = self.again.min(batch.len());
        self.again -= done_before;
        if window.is_some_and(|window| window.opened) {
            self.open(done_before > 0);
        }
        if window.is_some() {
            self.keep(&batch[done_before..]);
        }
        if let Some(left) = &mut self.state_lost {
            *left = left.saturating_sub(1);
            // What still comes again must come first.
            if *left == 0 && self.again == 0 {
                self.state_lost = None;
                self.again = self.kept.len();
                return NextBatch::FromStart(self.kept.clone());
            }
        }
        // Checkpoint and state go together: records do not come again behind the end of their part.
        if done_before == batch.len() || ended {
            return NextBatch::On;
        }
        let Some(mut drawn) = self.faults.draw(FaultKind::Redelivered) else {
            return NextBatch::On;
        };
        let from = drawn.random_range(batch.len() / 2..batch.len());
        let again = batch.into_iter().skip(from).collect::<Vec<_>>();
        self.again += again.len();
        NextBatch::Again(again)
    }

    /// A window was closed with these records; `opened` tells whether they are all it had. What
    /// comes again of it.
    pub(super) fn closed(&mut self, batch: Vec<ShardRecord>, opened: bool) -> Option<Rerun> {
        let done_before = self.again.min(batch.len());
        self.again -= done_before;
        if opened {
            self.open(done_before > 0);
        }
        self.keep(&batch[done_before..]);
        if self.state_lost.take().is_some() {
            self.faults.missed(FaultKind::StateLost);
        }
        let drawn = self.after_window.take();
        let records = std::mem::take(&mut self.kept);
        let batches = std::mem::take(&mut self.batches);
        let mut drawn = drawn?;
        if records.is_empty() {
            self.faults.missed(FaultKind::RedeliveredAfterWindow);
            return None;
        }
        Some(rerun(records, &batches, &mut drawn))
    }

    /// A window opens. It is drawn here what needs its records, so that they are kept only then.
    fn open(&mut self, comes_again: bool) {
        if comes_again {
            return;
        }
        self.kept.clear();
        self.batches.clear();
        self.after_window = self.faults.draw(FaultKind::RedeliveredAfterWindow);
        let state_lost = self.faults.draw(FaultKind::StateLost);
        self.state_lost = state_lost.map(|mut drawn| drawn.random_range(1..=MOST_BATCHES));
    }

    /// Keeps what is new of the open window's records; drops them all where they are too many.
    fn keep(&mut self, fresh: &[ShardRecord]) {
        if self.state_lost.is_none() && self.after_window.is_none() {
            return;
        }
        if self.kept.len() + fresh.len() <= self.most_kept {
            if !fresh.is_empty() {
                self.kept.extend_from_slice(fresh);
                self.batches.push(self.kept.len());
            }
            return;
        }
        self.kept = Vec::new();
        self.batches = Vec::new();
        if self.state_lost.take().is_some() {
            self.faults.missed(FaultKind::StateLost);
        }
        if self.after_window.take().is_some() {
            self.faults.missed(FaultKind::RedeliveredAfterWindow);
        }
    }
}

/// Draws a run of `records`: one of its batches, or any other.
fn rerun(records: Vec<ShardRecord>, batches: &[usize], drawn: &mut ChaCha8Rng) -> Rerun {
    let (from, to) = if batches.is_empty() || drawn.random() {
        let from = drawn.random_range(0..records.len());
        (from, drawn.random_range(from + 1..=records.len()))
    } else {
        let batch = drawn.random_range(0..batches.len());
        let from = batch.checked_sub(1).map_or(0, |before| batches[before]);
        (from, batches[batch])
    };
    let records: Vec<ShardRecord> = records.into_iter().take(to).skip(from).collect();
    let first = if records.len() > 1 && drawn.random() {
        drawn.random_range(1..records.len())
    } else {
        records.len()
    };
    Rerun { records, first }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Option<InWindow> = Some(InWindow {
        opened: true,
        ended_early: false,
    });
    const LATER: Option<InWindow> = Some(InWindow {
        opened: false,
        ended_early: false,
    });

    fn records(range: std::ops::Range<usize>) -> Vec<ShardRecord> {
        let record = |number: usize| ShardRecord {
            sequence_number: number.to_string(),
            partition_key: String::new(),
            data: Default::default(),
            arrival: 0,
        };
        range.map(record).collect()
    }

    fn chaos(specification: &str, most_kept: usize) -> Chaos {
        let faults = Faults::parse(specification, 9).unwrap();
        Chaos::new(Arc::new(faults), most_kept)
    }

    #[test]
    fn no_faults_keep_nothing() {
        let mut chaos = Chaos::new(Arc::new(Faults::none()), 100);
        assert_eq!(chaos.cut(7), 7);
        assert_eq!(chaos.early_end(), None);
        assert_eq!(chaos.done(records(0..3), FIRST), NextBatch::On);
        assert!(chaos.kept.is_empty());
        assert_eq!(chaos.closed(records(3..4), false), None);
        assert_eq!(chaos.done(records(0..3), None), NextBatch::On);
    }

    #[test]
    fn a_closed_window_comes_again_in_runs_of_any_kind() {
        let mut chaos = chaos("redelivered-after-window=1", 100);
        let (mut batches, mut others, mut split) = (0, 0, 0);
        for _ in 0..200 {
            assert_eq!(chaos.done(records(0..5), FIRST), NextBatch::On);
            assert_eq!(chaos.done(records(5..8), LATER), NextBatch::On);
            let rerun = chaos.closed(records(8..12), false).unwrap();
            let numbers = rerun.records.iter();
            let numbers = numbers.map(|record| record.sequence_number.parse::<usize>().unwrap());
            let numbers: Vec<usize> = numbers.collect();
            let (from, to) = (numbers[0], numbers[numbers.len() - 1] + 1);
            assert_eq!(numbers, (from..to).collect::<Vec<_>>());
            assert!((1..=numbers.len()).contains(&rerun.first));
            match (from, to) {
                (0, 5) | (5, 8) | (8, 12) => batches += 1,
                _ => others += 1,
            }
            split += usize::from(rerun.first < numbers.len());
        }
        assert!(batches > 50 && others > 50 && split > 50);
    }

    #[test]
    fn a_window_that_was_lost_is_kept_once() {
        let mut chaos = chaos("state-lost=1,redelivered-after-window=1", 100);
        // It is lost after its first or its second batch.
        let (lost, next) = match chaos.done(records(0..2), FIRST) {
            NextBatch::FromStart(lost) => (lost, records(2..3)),
            _ => match chaos.done(records(2..3), LATER) {
                NextBatch::FromStart(lost) => (lost, Vec::new()),
                next => panic!("{next:?}"),
            },
        };
        let again: Vec<ShardRecord> = lost.into_iter().chain(next).collect();
        assert_eq!(again, records(0..3));
        // It is lost once only, though it opens again.
        assert_eq!(chaos.done(again, FIRST), NextBatch::On);
        assert_eq!(chaos.done(records(3..4), LATER), NextBatch::On);
        assert_eq!(chaos.kept, records(0..4));
        assert!(chaos.closed(Vec::new(), false).is_some());
    }

    #[test]
    fn a_window_with_too_many_records_is_left_alone() {
        let mut chaos = chaos("redelivered-after-window=1", 4);
        assert_eq!(chaos.done(records(0..3), FIRST), NextBatch::On);
        assert_eq!(chaos.closed(records(3..5), false), None);
        assert_eq!(chaos.faults.injected(FaultKind::RedeliveredAfterWindow), 0);
        assert!(chaos.closed(records(5..9), true).is_some());
    }

    #[test]
    fn records_do_not_come_again_after_an_early_end() {
        let mut chaos = chaos("redelivered=1", 100);
        let ended = InWindow {
            opened: true,
            ended_early: true,
        };
        assert_eq!(chaos.done(records(0..3), Some(ended)), NextBatch::On);
        let next = chaos.done(records(3..6), LATER);
        assert!(matches!(next, NextBatch::Again(_)), "{next:?}");
    }

    #[test]
    fn what_comes_again_comes_to_an_end() {
        let mut chaos = chaos("redelivered=1,state-lost=1", 1000);
        let mut waiting = std::collections::VecDeque::from(records(0..40));
        let mut window = FIRST;
        let mut handed_over = 0;
        while !waiting.is_empty() {
            let batch: Vec<ShardRecord> = waiting.drain(..waiting.len().min(3)).collect();
            handed_over += batch.len();
            assert!(handed_over < 1000);
            let again = match chaos.done(batch, window) {
                NextBatch::On => Vec::new(),
                NextBatch::Again(again) => again,
                NextBatch::FromStart(again) => {
                    window = FIRST;
                    waiting.extend(again);
                    waiting
                        .make_contiguous()
                        .sort_by_key(|record| record.sequence_number.parse::<usize>().unwrap());
                    continue;
                }
            };
            window = LATER;
            for record in again.into_iter().rev() {
                waiting.push_front(record);
            }
        }
        assert!(handed_over > 40);
        assert_eq!(chaos.again, 0);
    }
}
