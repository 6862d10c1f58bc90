//! Injects faults into the delivery of a shard's records: what a poller does after it has lost its
//! checkpoint or a window's state.

use std::sync::Arc;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use windrow_read::ShardRecord;

use super::hooks::{DeliveryHooks, InWindow, NextBatch, Rerun};
use crate::faults::{FaultKind, Faults};

/// The maximum number of batches after which a window's state is lost.
const MOST_BATCHES: usize = 2;

/// The faults of one shard's poller.
///
/// Redelivered records are not redelivered again, so redelivery ends however many faults are
/// injected.
#[derive(Debug)]
struct Chaos {
    faults: Arc<Faults>,
    /// The maximum number of a window's records to keep. If it has more, the faults that need them
    /// are not injected.
    most_kept: usize,
    /// How many of the next records were delivered before.
    redelivered: usize,
    /// The number of further batches after which the open window's state is lost, if it is lost.
    state_lost: Option<usize>,
    /// Random numbers for a redelivery out of order, once the open window has several records.
    out_of_order: Option<ChaCha8Rng>,
    /// Random numbers for a redelivery after the open window has closed, if there is one.
    after_window: Option<ChaCha8Rng>,
    /// The sequence number of the record whose invocations fail, if there is one.
    failing: Option<String>,
    /// The open window's delivered records, if a fault needs them.
    kept: Vec<ShardRecord>,
    /// How many records were kept after each batch that had new ones.
    batches: Vec<usize>,
}

/// The hooks of one shard's poller. They inject faults if any of these kinds can be injected.
pub(super) fn hooks(faults: &Arc<Faults>, most_kept: usize) -> Box<dyn DeliveryHooks> {
    let kinds = [
        FaultKind::Recut,
        FaultKind::Redelivered,
        FaultKind::RedeliveredAfterWindow,
        FaultKind::StateLost,
        FaultKind::OutOfOrder,
        FaultKind::BatchFailed,
    ];
    if kinds.into_iter().any(|kind| faults.can_inject(kind)) {
        Box::new(Chaos::new(Arc::clone(faults), most_kept))
    } else {
        Box::new(())
    }
}

impl Chaos {
    fn new(faults: Arc<Faults>, most_kept: usize) -> Self {
        Self {
            faults,
            most_kept,
            redelivered: 0,
            state_lost: None,
            out_of_order: None,
            after_window: None,
            failing: None,
            kept: Vec::new(),
            batches: Vec::new(),
        }
    }

    /// Decides which faults a window gets when it opens, so that its records are kept only for
    /// those. A redelivered window gets none.
    fn open(&mut self, is_redelivered: bool) {
        if is_redelivered {
            return;
        }
        self.kept.clear();
        self.batches.clear();
        self.after_window = self.faults.inject(FaultKind::RedeliveredAfterWindow);
        let state_lost = self.faults.inject(FaultKind::StateLost);
        self.state_lost = state_lost.map(|mut random| random.random_range(1..=MOST_BATCHES));
        self.out_of_order = self.faults.inject(FaultKind::OutOfOrder);
    }

    /// Keeps new records of the open window. If there are too many, drops all of them and the
    /// faults that need them.
    fn keep(&mut self, fresh: &[ShardRecord]) {
        let is_needed =
            self.state_lost.is_some() || self.out_of_order.is_some() || self.after_window.is_some();
        if !is_needed {
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
        self.undo_in_window();
        if self.after_window.take().is_some() {
            self.faults.undo(FaultKind::RedeliveredAfterWindow);
        }
    }

    /// Takes back the faults that were to be injected before the window closes.
    fn undo_in_window(&mut self) {
        if self.state_lost.take().is_some() {
            self.faults.undo(FaultKind::StateLost);
        }
        if self.out_of_order.take().is_some() {
            self.faults.undo(FaultKind::OutOfOrder);
        }
    }

    fn is_failing_in(&self, records: &[ShardRecord]) -> bool {
        let failing = self.failing.as_deref();
        failing.is_some_and(|failing| records.iter().any(|it| it.sequence_number == failing))
    }

    /// The open window's records so far, if its state is lost now.
    fn lost_window(&mut self) -> Option<Vec<ShardRecord>> {
        if let Some(left) = &mut self.state_lost {
            *left = left.saturating_sub(1);
        }
        // Records that are already being redelivered are delivered first.
        if self.redelivered > 0 {
            return None;
        }
        if self.state_lost == Some(0) {
            self.state_lost = None;
            return Some(self.kept.clone());
        }
        if self.kept.len() < 2 {
            return None;
        }
        let mut random = self.out_of_order.take()?;
        // Every record was processed in order before, and is again: the earlier ones are missing
        // only from the state that the later ones leave.
        let from = random.random_range(1..self.kept.len());
        Some([&self.kept[from..], &self.kept].concat())
    }
}

impl DeliveryHooks for Chaos {
    fn cut(&self, count: usize) -> usize {
        if count < 2 {
            return count;
        }
        let random = self.faults.inject(FaultKind::Recut);
        random.map_or(count, |mut random| random.random_range(1..count))
    }

    fn fails(&mut self, batch: &[ShardRecord], is_limited: bool) -> bool {
        let Some(first) = batch.first().filter(|_| is_limited) else {
            return false;
        };
        if self.failing.is_none() && self.faults.inject(FaultKind::BatchFailed).is_some() {
            self.failing = Some(first.sequence_number.clone());
        }
        self.is_failing_in(batch)
    }

    fn discarded(&mut self, records: &[ShardRecord]) {
        if self.is_failing_in(records) {
            self.failing = None;
        }
    }

    fn is_redelivering(&self) -> bool {
        self.redelivered > 0
    }

    fn dropped(&mut self, count: usize) {
        self.redelivered = self.redelivered.saturating_sub(count);
    }

    fn done(&mut self, batch: Vec<ShardRecord>, window: Option<InWindow>) -> NextBatch {
        let done_before = self.redelivered.min(batch.len());
        self.redelivered -= done_before;
        if window.is_some_and(|window| window.opened) {
            self.open(done_before > 0);
        }
        if window.is_some() {
            self.keep(&batch[done_before..]);
        }
        if let Some(records) = self.lost_window() {
            self.redelivered = records.len();
            return NextBatch::FromStart(records);
        }
        if done_before == batch.len() {
            return NextBatch::Continue;
        }
        let Some(mut random) = self.faults.inject(FaultKind::Redelivered) else {
            return NextBatch::Continue;
        };
        let from = random.random_range(batch.len() / 2..batch.len());
        let again = batch.into_iter().skip(from).collect::<Vec<_>>();
        self.redelivered += again.len();
        NextBatch::Again(again)
    }

    fn closed(&mut self, batch: Vec<ShardRecord>, opened: bool) -> Option<Rerun> {
        let done_before = self.redelivered.min(batch.len());
        self.redelivered -= done_before;
        if opened {
            self.open(done_before > 0);
        }
        self.keep(&batch[done_before..]);
        self.undo_in_window();
        let random = self.after_window.take();
        let records = std::mem::take(&mut self.kept);
        let batches = std::mem::take(&mut self.batches);
        let mut random = random?;
        if records.is_empty() {
            self.faults.undo(FaultKind::RedeliveredAfterWindow);
            return None;
        }
        Some(rerun(records, &batches, &mut random))
    }
}

/// Picks consecutive records: one of the batches, or any others.
fn rerun(records: Vec<ShardRecord>, batches: &[usize], random: &mut ChaCha8Rng) -> Rerun {
    let (from, to) = if batches.is_empty() || random.random() {
        let from = random.random_range(0..records.len());
        (from, random.random_range(from + 1..=records.len()))
    } else {
        let batch = random.random_range(0..batches.len());
        let from = batch.checked_sub(1).map_or(0, |before| batches[before]);
        (from, batches[batch])
    };
    let records: Vec<ShardRecord> = records.into_iter().take(to).skip(from).collect();
    let first = if records.len() > 1 && random.random() {
        random.random_range(1..records.len())
    } else {
        records.len()
    };
    Rerun { records, first }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Option<InWindow> = Some(InWindow { opened: true });
    const LATER: Option<InWindow> = Some(InWindow { opened: false });

    fn records(range: std::ops::Range<usize>) -> Vec<ShardRecord> {
        let record = |number: usize| ShardRecord {
            sequence_number: number.to_string(),
            partition_key: String::new(),
            data: Default::default(),
            arrival: windrow_read::Timestamp::EPOCH,
        };
        range.map(record).collect()
    }

    fn chaos(specification: &str, most_kept: usize) -> Chaos {
        let faults = Faults::parse(specification, 9).unwrap();
        Chaos::new(Arc::new(faults), most_kept)
    }

    #[test]
    fn without_faults_no_records_are_kept() {
        let mut chaos = Chaos::new(Arc::new(Faults::none()), 100);
        assert_eq!(chaos.cut(7), 7);
        assert_eq!(chaos.done(records(0..3), FIRST), NextBatch::Continue);
        assert!(chaos.kept.is_empty());
        assert_eq!(chaos.closed(records(3..4), false), None);
        assert_eq!(chaos.done(records(0..3), None), NextBatch::Continue);
    }

    #[test]
    fn a_closed_window_is_redelivered_whole_or_in_part() {
        let mut chaos = chaos("redelivered-after-window=1", 100);
        let (mut batches, mut others, mut split) = (0, 0, 0);
        for _ in 0..200 {
            assert_eq!(chaos.done(records(0..5), FIRST), NextBatch::Continue);
            assert_eq!(chaos.done(records(5..8), LATER), NextBatch::Continue);
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
    fn a_lost_window_is_redelivered_once() {
        let mut chaos = chaos("state-lost=1,redelivered-after-window=1", 100);
        // The window's state is lost after its first or its second batch.
        let (lost, next) = match chaos.done(records(0..2), FIRST) {
            NextBatch::FromStart(lost) => (lost, records(2..3)),
            _ => match chaos.done(records(2..3), LATER) {
                NextBatch::FromStart(lost) => (lost, Vec::new()),
                next => panic!("{next:?}"),
            },
        };
        let again: Vec<ShardRecord> = lost.into_iter().chain(next).collect();
        assert_eq!(again, records(0..3));
        // The state is lost only once, although the window opens again.
        assert_eq!(chaos.done(again, FIRST), NextBatch::Continue);
        assert_eq!(chaos.done(records(3..4), LATER), NextBatch::Continue);
        assert_eq!(chaos.kept, records(0..4));
        assert!(chaos.closed(Vec::new(), false).is_some());
    }

    #[test]
    fn later_records_are_redelivered_before_earlier_ones() {
        let mut chaos = chaos("out-of-order=1", 100);
        assert_eq!(chaos.done(records(0..1), FIRST), NextBatch::Continue);
        let NextBatch::FromStart(again) = chaos.done(records(1..5), LATER) else {
            panic!("{chaos:?}");
        };
        let (later, all) = again.split_at(again.len() - 5);
        assert_eq!(all, records(0..5));
        assert_eq!(later, records(5 - later.len()..5));
        assert!((1..5).contains(&later.len()));
        // Redelivered records are not redelivered again.
        assert!(chaos.is_redelivering());
        assert_eq!(chaos.done(again, FIRST), NextBatch::Continue);
        assert!(!chaos.is_redelivering());
        assert_eq!(chaos.closed(records(5..6), false), None);
        assert_eq!(chaos.faults.injected(FaultKind::OutOfOrder), 1);
    }

    #[test]
    fn a_record_fails_until_it_is_discarded() {
        let mut chaos = chaos("batch-failed@1,batch-failed@3", 100);
        let batch = records(3..9);
        assert!(!chaos.fails(&batch, false));
        assert!(chaos.fails(&batch, true));
        assert!(chaos.fails(&batch[..1], true));
        assert!(!chaos.fails(&batch[1..], true));
        chaos.discarded(&batch[1..]);
        assert!(chaos.fails(&batch[..1], true));
        chaos.discarded(&batch[..1]);
        assert!(!chaos.fails(&batch[1..], true));
        assert!(chaos.fails(&batch[1..], true));
        assert_eq!(chaos.faults.injected(FaultKind::BatchFailed), 2);
    }

    #[test]
    fn a_window_with_too_many_records_gets_no_faults() {
        let mut chaos = chaos("redelivered-after-window=1", 4);
        assert_eq!(chaos.done(records(0..3), FIRST), NextBatch::Continue);
        assert_eq!(chaos.closed(records(3..5), false), None);
        assert_eq!(chaos.faults.injected(FaultKind::RedeliveredAfterWindow), 0);
        assert!(chaos.closed(records(5..9), true).is_some());
    }

    #[test]
    fn redelivery_ends() {
        let mut chaos = chaos("redelivered=1,state-lost=1", 1000);
        let mut waiting = std::collections::VecDeque::from(records(0..40));
        let mut window = FIRST;
        let mut delivered = 0;
        while !waiting.is_empty() {
            let batch: Vec<ShardRecord> = waiting.drain(..waiting.len().min(3)).collect();
            delivered += batch.len();
            assert!(delivered < 1000);
            let again = match chaos.done(batch, window) {
                NextBatch::Continue => Vec::new(),
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
        assert!(delivered > 40);
        assert_eq!(chaos.redelivered, 0);
    }
}
