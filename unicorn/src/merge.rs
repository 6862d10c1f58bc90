//! From rows to minutes: the one way in which rows are read.

use std::collections::BTreeMap;

use windrow_core::aggregate::Merge;
use windrow_core::merge::select;

use crate::status_time::StatusTime;
use crate::summary::Summary;
use crate::totals::{Measures, Totals};

/// A unicorn's minute (or other window) as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedRow {
    /// The unicorn.
    pub name: String,
    /// Start of the window.
    pub window_start: StatusTime,
    /// Length of the window in seconds.
    pub window_seconds: u32,
    /// How many readings it holds.
    pub readings: u64,
    /// Their figures.
    pub measures: Measures,
    /// Whether the rows are known to hold every reading that was ever in one of them. If not, records
    /// were lost before they were folded, or the rows do not tell; what is known is given.
    pub exact: bool,
}

/// Merges rows into minutes, by start, name and length.
///
/// Of the rows of one unicorn, window, stream and shard, those are taken that do not overlap in the
/// log and hold the most readings, repeats included, and of such choices that with the fewest
/// distinct ones ([`windrow_core::merge`]); what is taken is then combined over shards and streams. The rows may come in any order and more than once, but must be all there
/// are of their windows.
pub fn merge(rows: impl IntoIterator<Item = Summary>) -> Vec<MergedRow> {
    let mut groups: BTreeMap<_, BTreeMap<_, Vec<Summary>>> = BTreeMap::new();
    for row in rows {
        let merged = (row.window_start, row.name.clone(), row.window_seconds);
        let log = (row.source.stream.clone(), row.source.shard.clone());
        let logs = groups.entry(merged).or_default();
        logs.entry(log).or_default().push(row);
    }
    groups
        .into_iter()
        .filter_map(|((window_start, name, window_seconds), logs)| {
            let mut totals = Totals::identity();
            let mut readings = 0_u64;
            let mut exact = true;
            for rows in logs.values() {
                let selection = select(rows);
                exact &= selection.exact;
                for index in selection.rows {
                    let row = &rows[index];
                    if let Some(measures) = row.measures {
                        totals.merge(&measures.into());
                    }
                    readings = readings.saturating_add(row.readings);
                }
            }
            Some(MergedRow {
                name,
                window_start,
                window_seconds,
                readings,
                measures: totals.measures()?,
                exact,
            })
        })
        .collect()
}
