//! Merges the rows of each window. Every reader of rows goes through this.

use std::collections::BTreeMap;

use super::{Measure, MergeScope, Row, SourceRange};
use crate::merge::{RangedRow, RowHash, select};
use crate::schema::Schema;
use crate::sequence::SequenceRange;
use crate::time::Timestamp;
use crate::value::Value;

/// The merged and finished measures of one key and window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedRow {
    /// The values of the key's columns.
    pub key: Vec<Value>,
    /// Start of the window.
    pub window_start: Timestamp,
    /// Length of the window in seconds.
    pub window_seconds: u32,
    /// The number of distinct readings.
    pub readings: u64,
    /// The number of further readings in the rows that count, which were left out as duplicates.
    pub duplicates: u64,
    /// The finished measures, one per column of the schema.
    pub measures: Vec<Value>,
    /// Whether the rows prove that records of the window are in none of the rows that count. False
    /// is no proof of completeness: lost records that no row covers leave no trace.
    pub gap: bool,
}

/// Merges rows by window start, key and window length, in that order.
///
/// When rows of one key, window, stream and shard overlap in the log, the non-overlapping ones that
/// cover the most readings count ([`crate::merge`]). These are then combined over shards and
/// streams, and finished.
///
/// `rows` must include all rows of each window, in any order; a row may occur more than once.
pub fn merge(schema: &Schema, rows: impl IntoIterator<Item = Row>) -> Vec<MergedRow> {
    let mut groups: BTreeMap<_, BTreeMap<_, Vec<Row>>> = BTreeMap::new();
    for row in rows {
        let window = (row.window_start, row.key.clone(), row.window_seconds);
        let SourceRange { stream, shard, .. } = &*row.source;
        let log = (stream.clone(), shard.clone());
        let logs = groups.entry(window).or_default();
        logs.entry(log).or_default().push(row);
    }
    let groups = groups.into_iter();
    let merged = groups.filter_map(|((window_start, key, window_seconds), logs)| {
        let merged = merge_logs(schema, logs.into_values());
        (merged.readings > 0).then(|| MergedRow {
            key,
            window_start,
            window_seconds,
            readings: merged.readings,
            duplicates: merged.duplicates,
            measures: finish(schema, &merged.measures),
            gap: merged.gap,
        })
    });
    merged.collect()
}

#[derive(Default)]
struct MergedLogs {
    readings: u64,
    duplicates: u64,
    measures: Vec<Measure>,
    gap: bool,
}

/// Merges the rows of one key and window, each shard's apart.
fn merge_logs(schema: &Schema, logs: impl Iterator<Item = Vec<Row>>) -> MergedLogs {
    let mut merged = MergedLogs::default();
    for rows in logs {
        let candidates = rows.iter().map(|row| Candidate { schema, row });
        let candidates: Vec<Candidate<'_>> = candidates.collect();
        let selection = select(&candidates);
        merged.gap |= selection.gap;
        let mut of_shard = Vec::new();
        for index in selection.rows {
            let row = &rows[index];
            merged.readings = merged.readings.saturating_add(row.readings);
            merged.duplicates = merged.duplicates.saturating_add(row.duplicates);
            merge_measures(schema, MergeScope::SameShard, &mut of_shard, &row.measures);
        }
        let scope = MergeScope::AcrossShards;
        merge_measures(schema, scope, &mut merged.measures, &of_shard);
    }
    merged
}

/// Merges the measures of other readings into `measures`. None are those of no readings.
fn merge_measures(
    schema: &Schema,
    scope: MergeScope,
    measures: &mut Vec<Measure>,
    others: &[Measure],
) {
    if measures.is_empty() {
        measures.extend_from_slice(others);
        return;
    }
    let columns = schema.measures().iter().zip(measures);
    for ((column, measure), other) in columns.zip(others) {
        measure.merge(column.measure_type.kind(), scope, other);
    }
}

fn finish(schema: &Schema, measures: &[Measure]) -> Vec<Value> {
    let columns = schema.measures().iter().zip(measures);
    columns
        .map(|(column, measure)| measure.finish(column.measure_type))
        .collect()
}

/// A row among those to select from.
struct Candidate<'a> {
    schema: &'a Schema,
    row: &'a Row,
}

impl RangedRow for Candidate<'_> {
    fn range(&self) -> &SequenceRange {
        &self.row.source.range
    }

    fn readings(&self) -> u64 {
        self.row.readings
    }

    fn duplicates(&self) -> u64 {
        self.row.duplicates
    }

    fn hash(&self) -> RowHash {
        self.row.hash(self.schema)
    }
}
