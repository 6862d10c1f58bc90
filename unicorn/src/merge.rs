//! The fleet's rows, merged.

use windrow_core::row::{self, MergedRow, Row};
use windrow_core::time::Timestamp;

use crate::row::{name, schema};
use crate::totals::Measures;

/// The merged totals of one unicorn and window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetRow {
    /// The unicorn.
    pub name: String,
    /// Start of the window.
    pub window_start: Timestamp,
    /// Length of the window in seconds.
    pub window_seconds: u32,
    /// The number of readings.
    pub readings: u64,
    /// The measures of the readings.
    pub measures: Measures,
    /// Whether the rows prove that readings are missing ([`MergedRow::gap`]).
    pub gap: bool,
}

impl FleetRow {
    /// A merged row of the fleet's [schema]; `None` if it is one of another schema.
    pub fn new(merged: &MergedRow) -> Option<Self> {
        Some(Self {
            name: name(&merged.key)?.to_owned(),
            window_start: merged.window_start,
            window_seconds: merged.window_seconds,
            readings: merged.readings,
            measures: Measures::from_values(&mut merged.measures.iter())?,
            gap: merged.gap,
        })
    }
}

/// Merges rows by window start, name and window length, in that order
/// ([`windrow_core::row::merge`]).
///
/// `rows` must include all rows of each window, in any order; a row may occur more than once.
pub fn merge(rows: impl IntoIterator<Item = Row>) -> Vec<FleetRow> {
    let merged = row::merge(schema(), rows);
    merged.iter().filter_map(FleetRow::new).collect()
}
