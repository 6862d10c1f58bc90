//! Items of the table, read as rows.

use unicorn::row::{name, schema};
use windrow_core::row::{Measure, Row};
use windrow_core::time::Timestamp;
use windrow_core::value::Value;
use windrow_lambda::processor::row::{Item, StoredRow};

use crate::merge::AuditRow;
use crate::position::LogPosition;
use crate::totals::AuditTotals;

/// An item of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableEntry {
    /// A row.
    Row {
        /// The row.
        row: Box<AuditRow>,
        /// When it expires, in seconds since the epoch; `None` if never.
        expires_at: Option<i64>,
    },
    /// An item that is not a row, or no longer the one that was written.
    NotARow {
        /// The value of the sort attribute.
        sort_value: String,
        /// Start of the window, in milliseconds since the epoch, if the sort attribute has it.
        start: Option<i64>,
        /// What is wrong.
        reason: String,
    },
}

impl TableEntry {
    /// Reads an item. The row's hash is checked, so an item that was changed is not a row.
    pub fn of(item: &Item) -> Self {
        let sort_value = item.get(schema().time());
        let sort_value = sort_value.and_then(|value| value.as_s().ok());
        let not_a_row = |reason: String| {
            let (time, _) = sort_value
                .and_then(|value| value.split_once('#'))
                .unwrap_or_default();
            Self::NotARow {
                sort_value: sort_value.cloned().unwrap_or_default(),
                start: time.parse::<Timestamp>().ok().map(Timestamp::millis),
                reason,
            }
        };
        let stored = match StoredRow::from_item(schema(), item) {
            Ok(stored) => stored,
            Err(error) => return not_a_row(error.to_string()),
        };
        let hash = sort_value.and_then(|value| value.rsplit_once('#'));
        let hash = hash.and_then(|(_, hash)| u64::from_str_radix(hash, 16).ok());
        let row = hash.and_then(|hash| audit_row(&stored.row, hash.to_be_bytes()));
        match row {
            Some(row) => Self::Row {
                row: Box::new(row),
                expires_at: stored.expires_at,
            },
            None => not_a_row("the row is not one of a unicorn".to_owned()),
        }
    }
}

/// A row and its hash; `None` if it has other columns than a unicorn's rows.
pub fn audit_row(row: &Row, hash: [u8; 8]) -> Option<AuditRow> {
    let range = &row.source.range;
    Some(AuditRow {
        name: name(&row.key)?.to_owned(),
        start: row.window_start.millis(),
        seconds: row.window_seconds,
        stream: row.source.stream.clone(),
        shard: row.source.shard.clone(),
        from: LogPosition::parse(range.from().as_str())?,
        to: LogPosition::parse(range.to().as_str())?,
        totals: totals(row)?,
        duplicates: row.duplicates,
        hash,
    })
}

/// The totals of a row, by the names of the columns.
fn totals(row: &Row) -> Option<AuditTotals> {
    if row.readings == 0 {
        return Some(AuditTotals::NONE);
    }
    let column = |name: &str, scale: u8| {
        let columns = schema().measures().iter();
        let index = columns.clone().position(|column| column.name == name)?;
        match row.measures.get(index)? {
            Measure::Value(Value::Number(number)) if number.scale == scale => Some(number.unscaled),
            _ => None,
        }
    };
    let points = |name: &str| i32::try_from(column(name, 0)?).ok();
    Some(AuditTotals {
        readings: row.readings,
        micrometres: column("Distance", 6)?,
        magic: [points("MinMagicPoints")?, points("MaxMagicPoints")?],
        health: [points("MinHealthPoints")?, points("MaxHealthPoints")?],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::Path;

    use aws_sdk_dynamodb::types::AttributeValue;
    use serde::Deserialize;
    use serde_json::{Value as Json, json};
    use sha2::{Digest, Sha256};
    use unicorn::row::parse;
    use windrow_lambda::processor::row::TableRow;

    use super::*;
    use crate::merge::merge_rows;

    #[derive(Deserialize)]
    struct AuditCase {
        case: String,
        rows: Vec<String>,
        merged: Vec<String>,
    }

    fn golden() -> Vec<AuditCase> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/merge.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn golden_row(line: &str) -> AuditRow {
        let digest = Sha256::digest(line);
        audit_row(
            &parse(line.as_bytes()).unwrap(),
            digest[..8].try_into().unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn rows_merge_as_in_the_golden_vectors() {
        let cases = golden();
        assert!(cases.len() > 10);
        for AuditCase { case, rows, merged } in cases {
            let mut groups: std::collections::BTreeMap<_, Vec<AuditRow>> = Default::default();
            for row in rows.iter().map(|line| golden_row(line)) {
                let window = (row.start, row.name.clone(), row.seconds);
                groups.entry(window).or_default().push(row);
            }
            let found = groups.into_iter().map(|((start, name, seconds), rows)| {
                let found = merge_rows(&rows);
                let totals = found.totals;
                (totals.readings > 0).then(|| {
                    json!({
                        "Name": name,
                        "StatusTime": Timestamp::from_millis(start).to_string(),
                        "Distance": serde_json::from_str::<Json>(&totals.metres()).unwrap(),
                        "MinMagicPoints": totals.magic[0],
                        "MaxMagicPoints": totals.magic[1],
                        "MinHealthPoints": totals.health[0],
                        "MaxHealthPoints": totals.health[1],
                        "Readings": totals.readings,
                        "WindowSeconds": seconds,
                        "Gap": found.gap,
                    })
                })
            });
            let found: Vec<Json> = found.flatten().collect();
            let expected = merged
                .iter()
                .map(|line| serde_json::from_str(line).unwrap());
            assert_eq!(found, expected.collect::<Vec<Json>>(), "{case}");
        }
    }

    fn item() -> Item {
        let cases = golden();
        let line = cases.iter().find_map(|case| case.rows.first()).unwrap();
        TableRow::new(schema(), parse(line.as_bytes()).unwrap(), Some(2)).to_item()
    }

    #[test]
    fn items_are_rows_with_the_hash_of_their_line() {
        let cases = golden();
        let line = cases.iter().find_map(|case| case.rows.first()).unwrap();
        let start = golden_row(line).start;
        assert_eq!(
            TableEntry::of(&item()),
            TableEntry::Row {
                row: Box::new(golden_row(line)),
                expires_at: Some(start / 1000 + 2 * 86_400),
            }
        );
    }

    #[test]
    fn changed_and_foreign_items_are_not_rows() {
        let mut changed = item();
        changed.insert("Distance".to_owned(), AttributeValue::N("7".to_owned()));
        let TableEntry::NotARow { start, reason, .. } = TableEntry::of(&changed) else {
            panic!("{changed:?}");
        };
        assert!(start.is_some());
        assert!(reason.starts_with("the row's hash is "), "{reason}");
        let foreign = TableEntry::of(&HashMap::new());
        assert!(
            matches!(&foreign, TableEntry::NotARow { start: None, sort_value, .. } if sort_value.is_empty()),
            "{foreign:?}"
        );
    }
}
