//! The computed rows.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;
use windrow_core::batch::BatchFold;
use windrow_core::row::Measure;
use windrow_core::schema::Schema;
use windrow_core::sensor::Sensor;
use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Value};

use super::keys::ArchivedKey;
use super::share::partition_among_all;

/// The rows of all windows, ordered by window and the text of the key.
pub struct WindowRows<'s, S: Sensor> {
    sensor: &'s S,
    window_seconds: u32,
    /// Sorted by text.
    keys: Vec<ArchivedKey>,
    /// The partitions of all shares, in turn.
    partitions: Vec<BatchFold<S::Accumulator>>,
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

/// The measures of one key and window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowRow<'a> {
    /// The key.
    pub key: RowKey<'a>,
    /// Start of the window.
    pub window_start: Timestamp,
    /// Length of the window in seconds.
    pub window_seconds: u32,
    /// How many distinct readings there are.
    pub readings: u64,
    /// How many duplicates were left out.
    pub duplicates: u64,
    /// The measures of the distinct readings, one per column of the schema.
    pub measures: Vec<Measure>,
}

/// The key of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKey<'a> {
    /// Its text ([`Schema::key_text`]).
    pub text: &'a str,
    /// The values of its columns; `None` if the text itself is the only one.
    pub columns: Option<&'a [Value]>,
}

impl<'a> RowKey<'a> {
    /// The values of its columns.
    pub fn values(self) -> impl Iterator<Item = FieldValue<'a>> {
        let text = match self.columns {
            None => Some(FieldValue::Text(Cow::Borrowed(self.text))),
            Some(_) => None,
        };
        let columns = self.columns.unwrap_or_default().iter();
        text.into_iter().chain(columns.map(FieldValue::from))
    }
}

/// Where a row's accumulator is.
#[derive(Clone, Copy, Debug)]
// 12 bytes, not 16: there may be a row per reading.
#[repr(Rust, packed(4))]
struct RowIndex {
    /// Index into `WindowRows::keys`. A window's rows are sorted by it.
    key: u32,
    /// Index into the key's partition.
    accumulator: usize,
}

impl<S: Sensor> fmt::Debug for WindowRows<'_, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("WindowRows");
        debug.field("len", &self.len).finish_non_exhaustive()
    }
}

impl<'s, S: Sensor> WindowRows<'s, S> {
    /// Builds the rows from partitions; each key's accumulators are at its slot.
    pub(super) fn new(
        sensor: &'s S,
        mut keys: Vec<ArchivedKey>,
        window_seconds: u32,
        partitions: Vec<BatchFold<S::Accumulator>>,
    ) -> Self {
        keys.sort_unstable_by(|one, other| one.text.cmp(&other.text));
        let mut windows: HashMap<i64, Vec<RowIndex>, RandomState> = HashMap::default();
        // Iterating by key gives each window its rows in that order.
        // More keys than 32 bits can number would need a terabyte.
        for (key, ArchivedKey { slot, .. }) in (0_u32..).zip(&keys) {
            let (partition, number) = partition_among_all(*slot);
            let batch = partitions.get(partition);
            let accumulators = batch.map(|batch| batch.windows_of(number));
            for (start, accumulator) in accumulators.into_iter().flatten() {
                windows
                    .entry(start)
                    .or_default()
                    .push(RowIndex { key, accumulator });
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
            sensor,
            window_seconds,
            keys,
            partitions,
            windows: windows.collect(),
            len,
        }
    }

    /// The sensor.
    pub fn sensor(&self) -> &'s S {
        self.sensor
    }

    /// The columns of the rows.
    pub fn schema(&self) -> &Arc<Schema> {
        self.sensor.schema()
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

    /// All rows, ordered by window and the text of the key.
    pub fn iter(&self) -> impl Iterator<Item = WindowRow<'_>> {
        self.windows().flat_map(|(_, rows)| rows)
    }

    /// The windows that have rows, each with its rows ordered by the text of the key.
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
        let key = self.keys.get(index.key as usize)?;
        let (partition, _) = partition_among_all(key.slot);
        let accumulator = self
            .partitions
            .get(partition)?
            .accumulator(index.accumulator)?;
        Some(WindowRow {
            key: RowKey {
                text: &key.text,
                columns: key.columns.as_deref(),
            },
            window_start,
            window_seconds: self.window_seconds,
            readings: accumulator.readings,
            duplicates: accumulator.duplicates,
            measures: self.sensor.measures(accumulator.aggregate),
        })
    }
}
