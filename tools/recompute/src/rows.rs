//! The computed rows.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;
use unicorn::totals::{Measures, Totals};
use windrow_core::batch::BatchFold;
use windrow_core::time::Timestamp;

use crate::names::NameSlot;

/// The rows of all windows, ordered by window and name.
#[derive(Clone, Debug)]
pub struct WindowRows {
    window_seconds: u32,
    /// Sorted by name.
    names: Vec<(Arc<str>, NameSlot)>,
    partitions: Vec<BatchFold<Totals>>,
    /// Sorted by start.
    windows: Vec<RowWindow>,
    len: usize,
}

/// A window's rows.
#[derive(Clone, Debug)]
struct RowWindow {
    start: Timestamp,
    /// The number of rows in earlier windows.
    before: usize,
    indexes: Vec<RowIndex>,
}

/// The totals of one unicorn and window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowRow<'a> {
    /// The unicorn.
    pub name: &'a str,
    /// Start of the window.
    pub window_start: Timestamp,
    /// Length of the window in seconds.
    pub window_seconds: u32,
    /// How many distinct readings there are.
    pub readings: u64,
    /// How many duplicates were left out.
    pub duplicates: u64,
    /// The aggregates of the distinct readings.
    pub measures: Measures,
}

/// Where a row's accumulator is.
#[derive(Clone, Copy, Debug)]
struct RowIndex {
    /// Index into `WindowRows::names`. A window's rows are sorted by it.
    name: usize,
    /// Index into the name's partition.
    accumulator: usize,
}

impl WindowRows {
    /// Builds the rows from partitions; each name's accumulators are at its slot.
    pub(super) fn new(
        mut names: Vec<(Arc<str>, NameSlot)>,
        window_seconds: u32,
        partitions: Vec<BatchFold<Totals>>,
    ) -> Self {
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut windows: HashMap<i64, Vec<RowIndex>, RandomState> = HashMap::default();
        // Iterating by name gives each window its rows in that order.
        for (name, (_, slot)) in names.iter().enumerate() {
            let batch = partitions.get(slot.partition as usize);
            let accumulators = batch.map(|batch| batch.windows_of(slot.key as usize));
            for (start, accumulator) in accumulators.into_iter().flatten() {
                windows
                    .entry(start)
                    .or_default()
                    .push(RowIndex { name, accumulator });
            }
        }
        let mut windows: Vec<(i64, Vec<RowIndex>)> = windows.into_iter().collect();
        windows.sort_unstable_by_key(|(start, _)| *start);
        let mut len = 0;
        let windows = windows.into_iter().map(|(start, indexes)| {
            let before = len;
            len += indexes.len();
            let start = Timestamp::from_millis(start);
            RowWindow {
                start,
                before,
                indexes,
            }
        });
        Self {
            window_seconds,
            names,
            partitions,
            windows: windows.collect(),
            len,
        }
    }

    /// Length of the windows in seconds.
    pub fn window_seconds(&self) -> u32 {
        self.window_seconds
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All rows, ordered by window and name.
    pub fn iter(&self) -> impl Iterator<Item = WindowRow<'_>> {
        self.windows().flat_map(|(_, rows)| rows)
    }

    /// The windows that have rows, each with its rows ordered by name.
    pub fn windows(
        &self,
    ) -> impl Iterator<Item = (Timestamp, impl Iterator<Item = WindowRow<'_>>)> {
        self.between(0..self.len)
    }

    /// The rows with the indexes `range`, grouped by window.
    pub fn between(
        &self,
        range: Range<usize>,
    ) -> impl Iterator<Item = (Timestamp, impl Iterator<Item = WindowRow<'_>>)> {
        let ends_before = |window: &RowWindow| window.before + window.indexes.len() <= range.start;
        let first = self.windows.partition_point(ends_before);
        let windows = self.windows.iter().skip(first);
        let windows = windows.take_while(move |window| window.before < range.end);
        windows.map(move |window| {
            let (start, before) = (window.start, window.before);
            let skipped = range.start.saturating_sub(before);
            let indexes = window.indexes.iter().take(range.end - before).skip(skipped);
            (
                start,
                indexes.filter_map(move |index| self.row(index, start)),
            )
        })
    }

    /// The row at an index; always `Some`.
    fn row(&self, index: &RowIndex, window_start: Timestamp) -> Option<WindowRow<'_>> {
        let (name, slot) = self.names.get(index.name)?;
        let partition = self.partitions.get(slot.partition as usize)?;
        let accumulator = partition.accumulator(index.accumulator)?;
        Some(WindowRow {
            name,
            window_start,
            window_seconds: self.window_seconds,
            readings: accumulator.readings,
            duplicates: accumulator.duplicates,
            measures: accumulator.aggregate.measures()?,
        })
    }
}
