//! The table's rows, merged by the pipeline and by the audit.

use std::collections::BTreeMap;

use audit::merge::{AuditRow, FoundWindow, FoundWindows, merge_windows};
use audit::stored::audit_row;
use audit::totals::AuditTotals;
use unicorn::merge::{FleetRow, merge};
use unicorn::row::schema;
use windrow_core::row::Row;

/// A unicorn's name and the start of a window, in milliseconds since the epoch.
pub type UnicornWindow = (String, i64);

/// Rows merged twice.
#[derive(Clone, Debug, Default)]
pub struct MergedTwice {
    /// What the audit's merge says.
    pub found: FoundWindows,
    /// The windows in which the pipeline's merge, which readers use, says anything else.
    pub merged_differently: Vec<UnicornWindow>,
}

/// Merges rows by both merges.
pub fn merge_twice(rows: Vec<Row>) -> MergedTwice {
    let found = merge_windows(rows.iter().filter_map(to_audit));
    let merged_differently = differing(&found, merge(rows));
    MergedTwice {
        found,
        merged_differently,
    }
}

/// A row as the audit sees it; `None` if it is not one of a unicorn.
fn to_audit(row: &Row) -> Option<AuditRow> {
    audit_row(row, row.hash(schema()))
}

/// The windows of which the rows of readers do not say the same. Readers see no window without
/// readings.
fn differing(found: &FoundWindows, merged: Vec<FleetRow>) -> Vec<UnicornWindow> {
    let mut differing = Vec::new();
    let mut seen: BTreeMap<UnicornWindow, (AuditTotals, bool)> = BTreeMap::new();
    for row in merged {
        let window_key = (row.name.clone(), row.window_start.millis());
        if seen
            .insert(window_key.clone(), (totals(&row), row.gap))
            .is_some()
        {
            differing.push(window_key);
        }
    }
    for (window_key, window) in flat(found) {
        let audited = (window.totals.readings > 0).then_some((window.totals, window.gap));
        if seen.remove(&window_key) != audited {
            differing.push(window_key);
        }
    }
    differing.extend(seen.into_keys());
    differing
}

fn totals(row: &FleetRow) -> AuditTotals {
    let measures = &row.measures;
    AuditTotals {
        readings: row.readings,
        micrometres: measures.distance.micrometres(),
        magic: [measures.min_magic_points, measures.max_magic_points],
        health: [measures.min_health_points, measures.max_health_points],
    }
}

/// All windows, by unicorn and start.
pub fn flat(found: &FoundWindows) -> impl Iterator<Item = (UnicornWindow, &FoundWindow)> {
    found.iter().flat_map(|(name, windows)| {
        let windows = windows.iter();
        windows.map(move |(start, window)| ((name.clone(), *start), window))
    })
}

#[cfg(test)]
mod tests {
    use unicorn::row::parse;

    use super::*;

    /// The rows of each golden case, those of windows of a minute.
    fn golden() -> Vec<Vec<Row>> {
        let text = include_str!("../../../tests/golden/merge.json");
        let cases: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        let rows = |case: &serde_json::Value| {
            let rows = case["rows"].as_array().into_iter().flatten();
            let rows = rows.map(|row| parse(row.as_str().unwrap().as_bytes()).unwrap());
            rows.filter(|row| row.window_seconds == 60).collect()
        };
        cases.iter().map(rows).collect()
    }

    #[test]
    fn both_merges_say_the_same_of_the_golden_rows() {
        let mut windows = 0;
        for rows in golden() {
            let merged = merge_twice(rows.clone());
            assert_eq!(merged.merged_differently, [], "{rows:?}");
            windows += flat(&merged.found).count();
        }
        assert!(windows > 10);
    }

    #[test]
    fn any_other_total_or_mark_is_found() {
        let rows = golden().concat();
        let rows: Vec<Row> = rows
            .into_iter()
            .filter(|row| row.readings > 0)
            .take(1)
            .collect();
        let found = merge_twice(rows.clone()).found;
        let merged = merge(rows);
        assert_eq!((found.len(), merged.len()), (1, 1));
        assert_eq!(differing(&found, merged.clone()), []);
        assert_eq!(differing(&found, Vec::new()).len(), 1);
        assert_eq!(differing(&FoundWindows::new(), merged.clone()).len(), 1);
        let twice = [merged.clone(), merged.clone()].concat();
        assert_eq!(differing(&found, twice).len(), 1);
        let changes: [fn(&mut FleetRow); 4] = [
            |row| row.gap = !row.gap,
            |row| row.readings += 1,
            |row| row.measures.min_magic_points -= 1,
            |row| row.measures.max_health_points += 1,
        ];
        for change in changes {
            let mut changed = merged.clone();
            changed.iter_mut().for_each(change);
            assert_eq!(differing(&found, changed).len(), 1);
        }
    }
}
