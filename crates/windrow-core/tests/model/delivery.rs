//! Delivers a history's records to the real fold as Lambda would, and checks each step of it.

use std::ops::Range;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use windrow_core::aggregate::{Aggregate as _, Max, Merge as _, Min, Sum};
use windrow_core::fold::{Fold, FoldedRow, RecordStep, StateLimits};
use windrow_core::sequence::SequenceRange;
use windrow_core::window::Window;

use crate::history::{Act, Ending, Kind, ShardHistory, StateSize};
use crate::reference::{ClosedRange, ModelStep, RecordSet, Reference, Sample, TIMES, value};

/// Sum and extremes of the readings' values.
pub(crate) type DigitSums = (Sum, Min<i64>, Max<i64>);
type ModelFold = Fold<String, DigitSums>;
pub(crate) type ModelRow = FoldedRow<String, DigitSums>;

/// The numbers of a window and key: the group of readings that a row is about.
pub(crate) type WindowKey = (usize, usize);

/// A row that arrived, and what it was made of.
#[derive(Clone, Debug)]
pub(crate) struct EmittedRow {
    pub(crate) group: WindowKey,
    pub(crate) row: ModelRow,
    pub(crate) range: ClosedRange,
}

/// What a history leaves behind.
#[derive(Debug, Default)]
pub(crate) struct HistoryOutcome {
    /// Rows in the order in which they arrived.
    pub(crate) rows: Vec<EmittedRow>,
    /// Whether a dedup cache evicted a reading.
    pub(crate) has_evicted: bool,
    /// Where the folds began that went through the window one after the other.
    pub(crate) starts: Vec<usize>,
    /// How many records were skipped, folded into a hole, and began a new range.
    pub(crate) steps: StepCounts,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StepCounts {
    pub(crate) skipped: u64,
    pub(crate) mended: u64,
    pub(crate) restarted: u64,
    pub(crate) flushed: u64,
}

/// What Lambda knows about the window between two invocations, and what the state stands for.
#[derive(Clone, Debug)]
struct AttemptLineage {
    /// The state as text; none before the first invocation.
    state: Option<String>,
    reference: Reference,
    /// The record that is delivered next.
    next: usize,
    starts: Vec<usize>,
}

impl AttemptLineage {
    fn fresh(at: usize) -> Self {
        Self {
            state: None,
            reference: Reference::default(),
            next: at,
            starts: vec![at],
        }
    }

    /// A fresh state that goes on where another fold ended.
    fn reset(&mut self, at: usize) {
        self.state = None;
        self.reference = Reference::default();
        self.next = at;
        self.starts.push(at);
    }
}

/// What an invocation would return and send.
struct Attempt {
    state: Option<String>,
    reference: Reference,
    rows: Vec<EmittedRow>,
}

/// Runs a history to the end of its window.
pub(crate) fn deliver(history: &ShardHistory, kind: Kind) -> Result<HistoryOutcome, TestCaseError> {
    let mut delivery = Delivery::new(history);
    for act in &history.acts {
        delivery.act(*act, kind)?;
    }
    delivery.end(kind)?;
    for (from, count) in &history.late {
        let from = from % history.log.len();
        let mut late = AttemptLineage::fresh(from);
        delivery.deliver(&mut late, from, *count, true, Ending::FailsLast(u16::MAX))?;
    }
    delivery.replay();
    Ok(delivery.outcome)
}

struct Delivery<'a> {
    history: &'a ShardHistory,
    lineage: AttemptLineage,
    /// Older states, each with what follows it.
    snapshots: Vec<AttemptLineage>,
    outcome: HistoryOutcome,
}

impl<'a> Delivery<'a> {
    fn new(history: &'a ShardHistory) -> Self {
        let lineage = AttemptLineage::fresh(0);
        Self {
            history,
            snapshots: vec![lineage.clone()],
            lineage,
            outcome: HistoryOutcome::default(),
        }
    }

    fn act(&mut self, act: Act, kind: Kind) -> Result<(), TestCaseError> {
        let mut lineage = self.lineage.clone();
        let next = lineage.next;
        match act {
            Act::Deliver { count, ending } => {
                self.deliver(&mut lineage, next, count, false, ending)?;
            }
            Act::Redeliver {
                back,
                count,
                ending,
            } => {
                let first = lineage.reference.folded.first().unwrap_or(next);
                let from = next.saturating_sub(back).max(first).min(next);
                self.deliver(&mut lineage, from, count, false, ending)?;
            }
            Act::Rollback { snapshot } => lineage = self.snapshot(snapshot),
            Act::LoseState => lineage = AttemptLineage::fresh(0),
            Act::StartAt { at } => lineage = AttemptLineage::fresh(at % self.history.log.len()),
            Act::Rewind { back } => lineage.next = next.saturating_sub(back),
            Act::Swap { first, second } if kind == Kind::Hostile || self.may_swap(&lineage) => {
                let middle = (next + first).min(self.history.log.len());
                self.deliver(&mut lineage, middle, second, false, Ending::Success)?;
                self.deliver(&mut lineage, next, first, false, Ending::Success)?;
            }
            Act::Swap { .. } => {}
            Act::Parallel {
                snapshot,
                count,
                closes,
                ending,
            } => {
                let mut parallel = self.snapshot(snapshot);
                let from = parallel.next;
                self.deliver(&mut parallel, from, count, closes, not_used(ending))?;
            }
            Act::EndEarly { count } => {
                self.deliver(&mut lineage, next, count, true, Ending::Success)?;
                lineage.reset(lineage.next);
            }
            Act::StartAtRange => {
                let start = lineage.reference.open.first().unwrap_or(next);
                lineage.reset(start);
            }
            Act::Discard { count } => lineage.next += count,
            Act::Stale {
                snapshot,
                ahead,
                count,
            } => {
                let mut stale = self.snapshot(snapshot);
                let from = stale.next + ahead;
                self.deliver(&mut stale, from, count, true, Ending::FailsLast(u16::MAX))?;
            }
            Act::Detour { back, count } => {
                let from = next.saturating_sub(back);
                self.deliver(&mut lineage, from, count, false, Ending::Success)?;
            }
        }
        self.lineage = lineage.clone();
        self.snapshots.push(lineage);
        Ok(())
    }

    /// Whether two batches in the wrong order leave no hole: the open range begins before them, and
    /// nothing closes it in between.
    fn may_swap(&self, lineage: &AttemptLineage) -> bool {
        let StateSize {
            accumulators,
            bytes,
            ..
        } = self.history.size;
        let last = lineage.reference.open.last();
        (accumulators, bytes) == (None, None) && last.is_some_and(|last| last + 1 == lineage.next)
    }

    fn snapshot(&self, index: usize) -> AttemptLineage {
        self.snapshots[index % self.snapshots.len()].clone()
    }

    /// Delivers what is left, and ends the window.
    fn end(&mut self, kind: Kind) -> Result<(), TestCaseError> {
        let mut lineage = self.lineage.clone();
        let is_whole = matches!(kind, Kind::Whole | Kind::LostRows | Kind::Evicting);
        if is_whole && lineage.reference.folded.first() != Some(0) {
            lineage.next = 0;
        }
        while lineage.next < self.history.log.len() {
            let from = lineage.next;
            self.deliver(
                &mut lineage,
                from,
                self.history.batch,
                false,
                Ending::Success,
            )?;
        }
        let from = lineage.next;
        self.deliver(&mut lineage, from, 0, true, Ending::Success)?;
        self.outcome.starts = lineage.starts;
        Ok(())
    }

    /// One attempt with `count` records from `from`. After a success, the lineage has its state.
    fn deliver(
        &mut self,
        lineage: &mut AttemptLineage,
        from: usize,
        count: usize,
        closes: bool,
        ending: Ending,
    ) -> Result<(), TestCaseError> {
        let end = self.history.log.len();
        let records = from.min(end)..(from + count).min(end);
        let attempt = self.invoke(lineage, records.clone(), closes)?;
        let sent = match ending {
            Ending::Success => u16::MAX,
            Ending::FailsFirst => 0,
            Ending::FailsLast(sent) => sent,
        };
        let rows = attempt.rows.into_iter().enumerate();
        let rows = rows.filter(|(index, _)| sent & (1 << (index % 16)) != 0);
        self.outcome.rows.extend(rows.map(|(_, row)| row));
        if ending == Ending::Success {
            lineage.state = attempt.state;
            lineage.reference = attempt.reference;
            lineage.next = lineage.next.max(records.end);
        }
        Ok(())
    }

    /// One invocation: the same steps as the aggregator's handler.
    fn invoke(
        &mut self,
        lineage: &AttemptLineage,
        records: Range<usize>,
        closes: bool,
    ) -> Result<Attempt, TestCaseError> {
        let limits = limits(self.history.size);
        let fold = match &lineage.state {
            Some(state) => ModelFold::decode(state, limits)
                .map_err(|error| TestCaseError::fail(format!("a state cannot be read: {error}")))?,
            None => ModelFold::new(limits),
        };
        let mut invocation = ModelInvocation {
            history: self.history,
            fold,
            reference: lineage.reference,
            rows: Vec::new(),
            steps: self.outcome.steps,
        };
        for place in records {
            invocation.record(place)?;
        }
        let state = invocation.next_state(closes)?;
        self.outcome.has_evicted |= invocation.fold.evicted() > 0;
        self.outcome.steps = invocation.steps;
        Ok(Attempt {
            state,
            reference: invocation.reference,
            rows: invocation.rows,
        })
    }

    /// Loses some rows, and delivers some twice, in another order.
    fn replay(&mut self) {
        let rows = &mut self.outcome.rows;
        for index in &self.history.lost {
            if !rows.is_empty() {
                rows.remove(index % rows.len());
            }
        }
        for index in &self.history.replayed {
            if !rows.is_empty() {
                let row = rows[index % rows.len()].clone();
                rows.insert(index / 2 % rows.len(), row);
            }
        }
    }
}

fn limits(size: StateSize) -> StateLimits {
    let default = StateLimits::default();
    StateLimits {
        // A fold keeps this much free for the compressor.
        state: size.bytes.map_or(default.state, |bytes| 8_000 + bytes),
        dedup: size.dedup.unwrap_or(default.dedup),
        accumulators: size.accumulators.unwrap_or(default.accumulators),
    }
}

/// An attempt whose state is not used has failed, as far as Lambda is concerned.
fn not_used(ending: Ending) -> Ending {
    match ending {
        Ending::Success => Ending::FailsLast(u16::MAX),
        failure => failure,
    }
}

struct ModelInvocation<'a> {
    history: &'a ShardHistory,
    fold: ModelFold,
    reference: Reference,
    rows: Vec<EmittedRow>,
    steps: StepCounts,
}

impl ModelInvocation<'_> {
    fn record(&mut self, place: usize) -> Result<(), TestCaseError> {
        let mut step = self.begin(place)?;
        if step == ModelStep::Restart {
            self.steps.restarted += 1;
            self.close()?;
            self.fold.restart();
            self.reference.restart();
            step = self.begin(place)?;
            prop_assert_eq!(step, ModelStep::Fold, "after a restart");
        }
        if step == ModelStep::Skip {
            self.steps.skipped += 1;
            return Ok(());
        }
        self.steps.mended += u64::from(self.reference.open.last() > Some(place));
        self.reference.fold(place);
        if self.fold.is_full() {
            self.steps.flushed += 1;
            self.close()?;
        }
        Ok(())
    }

    /// Begins a record, and adds its readings if it is to be folded.
    fn begin(&mut self, place: usize) -> Result<ModelStep, TestCaseError> {
        let record = &self.history.log[place];
        let step = self.fold.begin_record(&record.number);
        let step = match step.map_err(|error| TestCaseError::fail(error.to_string()))? {
            RecordStep::Skip => ModelStep::Skip,
            RecordStep::Restart => ModelStep::Restart,
            RecordStep::Fold(mut open) => {
                for sample in &record.samples {
                    let group = group(*sample, self.history.by_event_time);
                    let time = sample.time as i128 * 20_000_000_000;
                    let value = value(sample.time);
                    let add = |sums: &mut DigitSums| sums.add(&value);
                    open.add(window(group), KEYS[sample.key], Some(time), add);
                }
                ModelStep::Fold
            }
        };
        if step == ModelStep::Restart && self.reference.passes_by(place) {
            return Ok(step);
        }
        prop_assert_eq!(
            step,
            self.reference.step(place),
            "record {} of {:?}",
            place,
            self.reference
        );
        Ok(step)
    }

    fn next_state(&mut self, closes: bool) -> Result<Option<String>, TestCaseError> {
        if closes {
            self.close()?;
            return Ok(None);
        }
        let state = self.fold.encode();
        if state.len() <= limits(self.history.size).state {
            return Ok(Some(state));
        }
        self.close()?;
        Ok(Some(self.fold.encode()))
    }

    /// Closes the range. Its rows are the fold of its records' distinct readings, without those of
    /// earlier ranges, unless the dedup cache evicted some.
    fn close(&mut self) -> Result<(), TestCaseError> {
        let rows = self.fold.close();
        let range = self.reference.close();
        let expected = expected_rows(self.history, range);
        prop_assert_eq!(rows.len(), expected.len());
        for (row, mut expected) in rows.into_iter().zip(expected) {
            if self.history.size.dedup.is_some() {
                let uncached = row.readings.saturating_sub(expected.row.readings);
                expected.row.duplicates = expected.row.duplicates.saturating_sub(uncached);
                expected.row.readings += uncached;
                expected.row.aggregate = row.aggregate;
            }
            prop_assert_eq!(&row, &expected.row, "{:?}", range);
            self.rows.push(EmittedRow { row, ..expected });
        }
        Ok(())
    }
}

/// The rows of a closed range, ordered by window and key.
fn expected_rows(history: &ShardHistory, range: ClosedRange) -> Vec<EmittedRow> {
    let places = range.folded.first().zip(range.folded.last());
    let Some((first, last)) = places else {
        return Vec::new();
    };
    let number = |place: usize| history.log[place].number.parse().unwrap();
    let source = SequenceRange::new(number(first), number(last)).unwrap();
    let dedup_from = number(range.cached.first().unwrap_or(first));
    let row = |group: WindowKey| {
        let known = occurrences(history, range.cached, group);
        let all = occurrences(history, range.folded, group);
        let mut aggregate = DigitSums::identity();
        let mut readings = 0;
        for time in (0..TIMES).filter(|time| all[*time] > 0 && known[*time] == 0) {
            readings += 1;
            aggregate.add(&value(time));
        }
        let row = ModelRow {
            window: window(group),
            key: KEYS[group.1].to_owned(),
            readings,
            duplicates: all.iter().sum::<u64>() - readings,
            aggregate,
            range: source.clone(),
            dedup_from: dedup_from.clone(),
        };
        EmittedRow { group, row, range }
    };
    groups(history, range.folded).into_iter().map(row).collect()
}

/// The groups of which the records have readings, in order.
pub(crate) fn groups(history: &ShardHistory, records: RecordSet) -> Vec<WindowKey> {
    let mut groups = Vec::new();
    for place in records.places() {
        for sample in &history.log[place].samples {
            groups.push(group(*sample, history.by_event_time));
        }
    }
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// How often each reading of a group is in the records, by time.
pub(crate) fn occurrences(
    history: &ShardHistory,
    records: RecordSet,
    of: WindowKey,
) -> [u64; TIMES] {
    let mut occurrences = [0; TIMES];
    for place in records.places() {
        for sample in &history.log[place].samples {
            if group(*sample, history.by_event_time) == of {
                occurrences[sample.time] += 1;
            }
        }
    }
    occurrences
}

/// Three times per window.
pub(crate) fn group(sample: Sample, by_event_time: bool) -> WindowKey {
    let window = if by_event_time { sample.time / 3 } else { 0 };
    (window, sample.key)
}

const KEYS: [&str; 3] = ["a", "bb", "ccc"];

fn window((number, _): WindowKey) -> Window {
    let start = number as i64 * 60_000;
    Window {
        start,
        end: start + 60_000,
    }
}
