//! Which records of the log a fold has folded.

use std::cmp::Ordering;

use crate::sequence::{InvalidSequenceNumber, SequenceNumber, SequenceRange, check, compare};

/// What to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProgressStep {
    /// Add its readings.
    Fold,
    /// Skip it: it was folded before.
    Skip,
    /// Close and [restart](super::Fold::restart) the fold, then begin the record again: it comes
    /// before the open source range, belongs to a range that is closed already, or follows records
    /// that were folded before an earlier restart.
    Restart,
}

/// The maximum number of runs. Lambda invokes the function at most a few times per second and
/// window.
const MAX_RUNS: usize = 1_000;

/// The records that a fold has folded since it was created or restarted, and its open source range.
#[derive(Clone, Debug, Default)]
pub(super) struct FoldProgress {
    /// Runs of records that were delivered one after the other, ascending and disjoint.
    ///
    /// Sequence numbers have gaps, so two runs may have a record between them that was never
    /// delivered. Only records of one invocation are known to follow each other.
    folded: Vec<SequenceRange>,
    /// The first record of the open source range, which ends with the last run.
    from: Option<SequenceNumber>,
    /// The first records of the runs that were folded before a restart, ascending. A source range
    /// that passed one by would overlap the range that has it.
    earlier: Vec<SequenceNumber>,
    /// The run of the last record of this invocation.
    current: Option<usize>,
}

impl FoldProgress {
    /// Progress at the start of an invocation. `None` if the runs are not ascending and disjoint,
    /// or the open range does not begin within them.
    pub(super) fn new(folded: Vec<SequenceRange>, from: Option<SequenceNumber>) -> Option<Self> {
        let is_ascending = folded.windows(2).all(|runs| runs[0].to() < runs[1].from());
        let is_within = from.as_ref().is_none_or(|from| {
            let runs = folded.first().zip(folded.last());
            runs.is_some_and(|(first, last)| first.from() <= from && from <= last.to())
        });
        (is_ascending && is_within).then_some(Self {
            folded,
            from,
            earlier: Vec::new(),
            current: None,
        })
    }

    /// Begins a record.
    pub(super) fn begin(&mut self, text: &str) -> Result<ProgressStep, InvalidSequenceNumber> {
        check(text)?;
        let is_before = |number: &SequenceNumber| compare(text, number.as_str()) == Ordering::Less;
        let is_after = |number: &SequenceNumber| compare(text, number.as_str()).is_gt();
        // Nearly every record follows the one before it, at the end of the last run.
        let index = match self.folded.last() {
            Some(last) if !is_after(last.to()) => {
                self.folded.partition_point(|run| is_after(run.to()))
            }
            _ => self.folded.len(),
        };
        let before = index.checked_sub(1);
        let follows_current = before.is_some() && before == self.current;
        if let Some(run) = self.folded.get(index)
            && !is_before(run.from())
        {
            // Delivered one after the other, both runs are one.
            if follows_current && run.from().as_str() == text {
                self.join(index - 1);
                self.current = before;
            } else {
                self.current = Some(index);
            }
            return Ok(ProgressStep::Skip);
        }
        let is_behind = match &self.from {
            Some(from) => is_before(from),
            None => index < self.folded.len(),
        };
        if is_behind {
            return Ok(ProgressStep::Restart);
        }
        if !follows_current && index == self.folded.len() && self.passes_by(text) {
            return Ok(ProgressStep::Restart);
        }
        if follows_current {
            self.folded[index - 1].extend_to(text);
        } else {
            let number = text.parse()?;
            self.folded.insert(index, SequenceRange::at(number));
            self.current = Some(index);
            if self.folded.len() > MAX_RUNS {
                self.join(0);
                self.current = self.current.map(|current| current.saturating_sub(1));
            }
        }
        if self.from.is_none() {
            self.from = Some(text.parse()?);
        }
        Ok(ProgressStep::Fold)
    }

    /// Whether the open range, if it went on with `text`, would pass by a record that was folded
    /// before a restart.
    fn passes_by(&self, text: &str) -> bool {
        let Some(last) = self.folded.last() else {
            return false;
        };
        let following = self.earlier.partition_point(|first| first <= last.to());
        let following = self.earlier.get(following);
        following.is_some_and(|first| compare(first.as_str(), text).is_lt())
    }

    /// Progress after a restart.
    pub(super) fn restarted(self) -> Self {
        let mut earlier = self.earlier;
        earlier.extend(self.folded.into_iter().map(|run| run.from().clone()));
        earlier.sort_unstable();
        earlier.dedup();
        // Those that are dropped are the least likely to come again.
        earlier.drain(..earlier.len().saturating_sub(MAX_RUNS));
        Self {
            earlier,
            ..Self::default()
        }
    }

    /// The first records of the runs that were folded before a restart.
    pub(super) fn earlier(&self) -> &[SequenceNumber] {
        &self.earlier
    }

    /// Progress that was restarted.
    pub(super) fn with_earlier(self, earlier: Vec<SequenceNumber>) -> Option<Self> {
        let is_ascending = earlier.windows(2).all(|pair| pair[0] < pair[1]);
        is_ascending.then_some(Self { earlier, ..self })
    }

    /// Makes one run of two.
    fn join(&mut self, index: usize) {
        let next = self.folded.remove(index + 1);
        self.folded[index].extend_to(next.to().as_str());
    }

    /// Ends the open source range, if there is one. Returns it with the first record whose readings
    /// are in the dedup cache.
    pub(super) fn end_range(&mut self) -> Option<(SequenceRange, &SequenceNumber)> {
        let from = self.from.take()?;
        let (first, last) = (self.folded.first()?, self.folded.last()?);
        Some((SequenceRange::new(from, last.to().clone())?, first.from()))
    }

    /// The first record of the open source range.
    pub(super) fn from(&self) -> Option<&SequenceNumber> {
        self.from.as_ref()
    }

    /// An upper bound for the encoded size in bytes, before compression.
    pub(super) fn cost(&self) -> usize {
        let longest = self.folded.last().map_or(0, |run| run.to().as_str().len());
        (2 * self.folded.len() + self.earlier.len() + 1) * (longest + 2)
    }

    /// The runs of folded records.
    pub(super) fn folded(&self) -> &[SequenceRange] {
        &self.folded
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn begin(progress: &mut FoldProgress, number: u32) -> ProgressStep {
        progress.begin(&number.to_string()).unwrap()
    }

    /// The state as the next invocation reads it.
    fn next_invocation(progress: FoldProgress) -> FoldProgress {
        let next = FoldProgress::new(progress.folded, progress.from).unwrap();
        next.with_earlier(progress.earlier).unwrap()
    }

    fn range(progress: &mut FoldProgress) -> Option<(String, String)> {
        let (range, _) = progress.end_range()?;
        Some((range.from().to_string(), range.to().to_string()))
    }

    #[test]
    fn redelivered_records_are_skipped() {
        let mut progress = FoldProgress::default();
        for number in 8..12 {
            assert_eq!(begin(&mut progress, number), ProgressStep::Fold);
        }
        let mut progress = next_invocation(progress);
        for number in 9..12 {
            assert_eq!(begin(&mut progress, number), ProgressStep::Skip);
        }
        assert_eq!(begin(&mut progress, 12), ProgressStep::Fold);
        assert_eq!(progress.folded.len(), 1, "12 follows 11");
        assert_eq!(range(&mut progress), Some(("8".into(), "12".into())));
        for number in 8..13 {
            assert_eq!(begin(&mut progress, number), ProgressStep::Skip);
        }
        assert_eq!(range(&mut progress), None);
    }

    #[test]
    fn a_record_before_the_range_restarts_the_fold() {
        let mut progress = FoldProgress::default();
        begin(&mut progress, 5);
        assert_eq!(begin(&mut progress, 4), ProgressStep::Restart);
        range(&mut progress);
        assert_eq!(begin(&mut progress, 4), ProgressStep::Restart);
        assert_eq!(begin(&mut progress, 5), ProgressStep::Skip);
    }

    /// Otherwise, the range from 1 to 7 would overlap the one from 4 to 6.
    #[test]
    fn a_range_does_not_pass_by_what_was_folded_before_a_restart() {
        let mut progress = FoldProgress::default();
        for number in 4..7 {
            begin(&mut progress, number);
        }
        assert_eq!(begin(&mut progress, 1), ProgressStep::Restart);
        let mut progress = progress.restarted();
        assert_eq!(begin(&mut progress, 1), ProgressStep::Fold);
        let mut progress = next_invocation(progress);
        assert_eq!(begin(&mut progress, 7), ProgressStep::Restart);
        let mut progress = progress.restarted();
        assert_eq!(begin(&mut progress, 7), ProgressStep::Fold);
        assert_eq!(begin(&mut progress, 8), ProgressStep::Fold);
    }

    /// Delivered again in order, they belong to the range.
    #[test]
    fn a_range_takes_what_was_folded_before_a_restart() {
        let mut progress = FoldProgress::default();
        begin(&mut progress, 4);
        assert_eq!(begin(&mut progress, 1), ProgressStep::Restart);
        let mut progress = progress.restarted();
        for number in [1, 4, 7] {
            assert_eq!(begin(&mut progress, number), ProgressStep::Fold);
        }
    }

    #[test]
    fn a_hole_in_the_range_is_filled() {
        let mut progress = FoldProgress::default();
        begin(&mut progress, 1);
        let mut progress = next_invocation(progress);
        begin(&mut progress, 7);
        let mut progress = next_invocation(progress);
        assert_eq!(begin(&mut progress, 4), ProgressStep::Fold);
        assert_eq!(begin(&mut progress, 5), ProgressStep::Fold);
        assert_eq!(begin(&mut progress, 7), ProgressStep::Skip);
        assert_eq!(progress.folded.len(), 2, "7 follows 5");
        assert_eq!(range(&mut progress), Some(("1".into(), "7".into())));
        // A record of a hole in a closed range can no longer be added to it.
        assert_eq!(begin(&mut progress, 3), ProgressStep::Restart);
    }

    #[test]
    fn only_states_in_order_are_read() {
        let range = |from: &str, to: &str| {
            SequenceRange::new(from.parse().unwrap(), to.parse().unwrap()).unwrap()
        };
        let from = |text: &str| Some(text.parse().unwrap());
        let runs = || vec![range("1", "3"), range("5", "9")];
        assert!(FoldProgress::new(runs(), from("2")).is_some());
        assert!(FoldProgress::new(runs(), None).is_some());
        assert!(FoldProgress::new(runs(), from("10")).is_none());
        assert!(FoldProgress::new(Vec::new(), from("1")).is_none());
        assert!(FoldProgress::new(vec![range("1", "5"), range("5", "9")], None).is_none());
    }

    #[test]
    fn the_number_of_runs_is_limited() {
        let mut progress = FoldProgress::default();
        for number in 0..2 * MAX_RUNS as u32 {
            progress = next_invocation(progress);
            assert_eq!(begin(&mut progress, 2 * number), ProgressStep::Fold);
        }
        assert_eq!(progress.folded.len(), MAX_RUNS);
        assert_eq!(progress.folded[0].from().as_str(), "0");
    }

    proptest! {
        /// Invocations with any consecutive records, in any order.
        #[test]
        fn a_record_is_folded_once_between_restarts(
            invocations in prop::collection::vec((0..40_u32, 1..6_u32, any::<bool>()), 0..30),
        ) {
            let mut progress = FoldProgress::default();
            let mut folded = BTreeSet::new();
            let mut in_range: BTreeSet<u32> = BTreeSet::new();
            // The first records of the runs that were folded before a restart.
            let mut earlier: BTreeSet<u32> = BTreeSet::new();
            for (first, count, closes) in invocations {
                progress = next_invocation(progress);
                for number in first..first + count {
                    let mut step = begin(&mut progress, number);
                    if step == ProgressStep::Restart {
                        let last = folded.last().copied().unwrap_or(number);
                        let passes_by = earlier.iter().any(|run| last < *run && *run < number);
                        let is_before = in_range.first().is_none_or(|first| number < *first);
                        prop_assert!(is_before || passes_by);
                        let firsts = progress.folded().iter().map(|run| run.from().as_str());
                        earlier.extend(firsts.map(|first| first.parse::<u32>().unwrap()));
                        progress = progress.restarted();
                        folded.clear();
                        in_range.clear();
                        step = begin(&mut progress, number);
                    }
                    prop_assert_eq!(step == ProgressStep::Fold, folded.insert(number));
                    if step == ProgressStep::Fold {
                        in_range.insert(number);
                    }
                }
                let expected = in_range.first().zip(in_range.last());
                if let Some((from, to)) = expected {
                    let mut within = earlier.iter().filter(|run| from < run && *run <= to);
                    prop_assert!(within.all(|run| folded.contains(run)), "{from} to {to}");
                }
                let expected = expected.map(|(from, to)| (from.to_string(), to.to_string()));
                if closes {
                    prop_assert_eq!(range(&mut progress), expected);
                    in_range.clear();
                } else {
                    let from = progress.from().map(|from| from.to_string());
                    prop_assert_eq!(from, expected.map(|(from, _)| from));
                }
            }
        }
    }
}
