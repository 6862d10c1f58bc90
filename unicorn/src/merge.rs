//! Merges the rows of each window. Every reader of rows goes through this.

use std::collections::BTreeMap;

use windrow_core::aggregate::Merge;
use windrow_core::merge::select;

use crate::status_time::StatusTime;
use crate::summary::Summary;
use crate::totals::{Measures, Totals};

/// The merged totals of one unicorn and window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedRow {
    /// The unicorn.
    pub name: String,
    /// Start of the window.
    pub window_start: StatusTime,
    /// Length of the window in seconds.
    pub window_seconds: u32,
    /// The number of readings.
    pub readings: u64,
    /// The measures of the readings.
    pub measures: Measures,
    /// Whether this is known to include every reading that any of the rows includes. If false,
    /// records were lost before they were folded, or the rows do not show it; the totals then
    /// include what is known.
    pub exact: bool,
}

/// Merges rows by window start, name and window length, in that order.
///
/// When rows of one unicorn, window, stream and shard overlap in the log, the non-overlapping ones
/// that cover the most readings, duplicates included, count; among equal selections, the one with
/// the fewest distinct readings ([`windrow_core::merge`]). The selected rows are then combined over
/// shards and streams.
///
/// `rows` must include all rows of each window, in any order; a row may occur more than once.
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
