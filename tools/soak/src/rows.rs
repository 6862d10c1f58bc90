//! The table's rows, merged by the pipeline and by the audit.

use std::collections::BTreeMap;

use audit::merge::{AuditRow, FoundWindow, FoundWindows, merge_windows};
use audit::stored::audit_row;
use windrow_core::row::{MergedRow, Row, merge};
use windrow_core::schema::Schema;
use windrow_core::value::{FieldValue, Value};

/// The text of a key and the start of a window, in milliseconds since the epoch.
pub type KeyWindow = (String, i64);

/// Rows merged twice.
#[derive(Clone, Debug, Default)]
pub struct MergedTwice {
    /// What the audit's merge says.
    pub found: FoundWindows,
    /// The windows in which the pipeline's merge, which readers use, says anything else.
    pub merged_differently: Vec<KeyWindow>,
}

/// Merges rows by both merges.
pub fn merge_twice(schema: &Schema, rows: Vec<Row>) -> MergedTwice {
    let found = merge_windows(rows.iter().filter_map(|row| to_audit(schema, row)));
    let merged_differently = differing(schema, &found, merge(schema, rows));
    MergedTwice {
        found,
        merged_differently,
    }
}

/// A row as the audit sees it; `None` if it is not one of this schema.
fn to_audit(schema: &Schema, row: &Row) -> Option<AuditRow> {
    audit_row(schema, row, row.hash(schema)).ok()
}

/// What readers see of a window.
#[derive(Debug, PartialEq)]
struct SeenWindow {
    readings: u64,
    measures: Vec<Value>,
    gap: bool,
}

/// The windows of which the rows of readers do not say the same. Readers see no window without
/// readings.
fn differing(schema: &Schema, found: &FoundWindows, merged: Vec<MergedRow>) -> Vec<KeyWindow> {
    let mut differing = Vec::new();
    let mut seen: BTreeMap<KeyWindow, SeenWindow> = BTreeMap::new();
    for row in merged {
        let key: Vec<FieldValue<'_>> = row.key.iter().map(FieldValue::from).collect();
        let key = schema.key_text(&key).into_owned();
        let window_key = (key, row.window_start.millis());
        let window = SeenWindow {
            readings: row.readings,
            measures: row.measures,
            gap: row.gap,
        };
        if seen.insert(window_key.clone(), window).is_some() {
            differing.push(window_key);
        }
    }
    for (window_key, window) in flat(found) {
        let audited = (window.totals.readings > 0).then(|| SeenWindow {
            readings: window.totals.readings,
            measures: window.totals.values(schema),
            gap: window.gap,
        });
        if seen.remove(&window_key) != audited {
            differing.push(window_key);
        }
    }
    differing.extend(seen.into_keys());
    differing
}

/// All windows, by key and start.
pub fn flat(found: &FoundWindows) -> impl Iterator<Item = (KeyWindow, &FoundWindow)> {
    found.iter().flat_map(|(key, windows)| {
        let windows = windows.iter();
        windows.map(move |(start, window)| ((key.clone(), *start), window))
    })
}

#[cfg(test)]
mod tests {
    use unicorn::row::{parse, schema};
    use windrow_core::decimal::Decimal;

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
            let merged = merge_twice(schema(), rows.clone());
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
        let found = merge_twice(schema(), rows.clone()).found;
        let merged = merge(schema(), rows);
        assert_eq!((found.len(), merged.len()), (1, 1));
        assert_eq!(differing(schema(), &found, merged.clone()), []);
        assert_eq!(differing(schema(), &found, Vec::new()).len(), 1);
        assert_eq!(
            differing(schema(), &FoundWindows::new(), merged.clone()).len(),
            1
        );
        let twice = [merged.clone(), merged.clone()].concat();
        assert_eq!(differing(schema(), &found, twice).len(), 1);
        let other = Value::Number(Decimal {
            unscaled: 7,
            scale: 0,
        });
        let changes: [&dyn Fn(&mut MergedRow); 4] = [
            &|row| row.gap = !row.gap,
            &|row| row.readings += 1,
            &|row| row.measures[1] = other.clone(),
            &|row| row.measures[4] = other.clone(),
        ];
        for change in changes {
            let mut changed = merged.clone();
            changed.iter_mut().for_each(change);
            assert_eq!(differing(schema(), &found, changed).len(), 1);
        }
    }
}
