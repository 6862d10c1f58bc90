//! Items of the table, read as rows.

use sha2::{Digest, Sha256};
use thiserror::Error;
use windrow_core::row::Row;
use windrow_core::schema::Schema;
use windrow_core::time::Timestamp;
use windrow_core::value::{ColumnType, FieldValue};
use windrow_lambda::processor::row::{Item, StoredRow};

use crate::measures::{AuditMeasure, AuditTotals};
use crate::merge::AuditRow;
use crate::position::LogPosition;

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
    pub fn of(schema: &Schema, item: &Item) -> Self {
        let sort_value = text_of(item, schema.time());
        Self::row_of(schema, item).unwrap_or_else(|reason| {
            let (time, _) = sort_value
                .and_then(|value| value.split_once('#'))
                .unwrap_or_default();
            Self::NotARow {
                sort_value: sort_value.unwrap_or_default().to_owned(),
                start: time.parse::<Timestamp>().ok().map(Timestamp::millis),
                reason: reason.to_string(),
            }
        })
    }

    /// The text of the row's key.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Row { row, .. } => Some(&row.key),
            Self::NotARow { .. } => None,
        }
    }

    fn row_of(schema: &Schema, item: &Item) -> Result<Self, NotARow> {
        let stored = StoredRow::from_item(schema, item)?;
        let hash = text_of(item, schema.time()).and_then(|value| value.rsplit_once('#'));
        let hash = hash.and_then(|(_, hash)| u64::from_str_radix(hash, 16).ok());
        let hash = hash.ok_or(NotARow::Columns)?;
        let row = audit_row(schema, &stored.row, hash.to_be_bytes())?;
        let attribute = schema.partition_attribute();
        let partition = partition_value(schema, &row.key);
        match text_of(item, attribute) {
            Some(found) if found == partition => Ok(Self::Row {
                row: Box::new(row),
                expires_at: stored.expires_at,
            }),
            found => Err(NotARow::Partition {
                attribute: attribute.to_owned(),
                expected: partition,
                found: found.unwrap_or_default().to_owned(),
            }),
        }
    }
}

/// Why a row cannot be audited.
#[derive(Debug, Error)]
pub enum NotARow {
    /// The item is not a row.
    #[error(transparent)]
    Item(#[from] windrow_lambda::processor::row::RowError),
    /// It has other columns than the schema.
    #[error("its columns are not those of the schema")]
    Columns,
    /// An average is not the one of its sum and count.
    #[error("{column} is {found}, but its sum and count make {expected}")]
    Average {
        /// The column.
        column: String,
        /// The average.
        expected: String,
        /// The average in the row.
        found: String,
    },
    /// Readers of its key do not find it.
    #[error("{attribute} is {found}, but its key makes that {expected}")]
    Partition {
        /// The partition attribute.
        attribute: String,
        /// Its value.
        expected: String,
        /// Its value in the item.
        found: String,
    },
}

fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value.map(String::as_str)
}

/// The longest text of a key, in bytes, that is a partition attribute unless it is a column.
const LONGEST_KEY: usize = 1024;

/// The value of the table's partition attribute, from the text of a key.
pub fn partition_value(schema: &Schema, key: &str) -> String {
    let is_column = match schema.key() {
        [only] => only.column_type == ColumnType::Text && !only.is_nullable,
        _ => false,
    };
    if is_column || key.len() <= LONGEST_KEY {
        return key.to_owned();
    }
    let digest = Sha256::digest(key);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A row and its hash.
///
/// # Errors
///
/// [`NotARow`] if it has other columns than the schema, or a wrong average.
pub fn audit_row(schema: &Schema, row: &Row, hash: [u8; 8]) -> Result<AuditRow, NotARow> {
    let range = &row.source.range;
    let position = |text: &str| LogPosition::parse(text).ok_or(NotARow::Columns);
    let key: Vec<FieldValue<'_>> = row.key.iter().map(FieldValue::from).collect();
    Ok(AuditRow {
        key: schema.key_text(&key).into_owned(),
        start: row.window_start.millis(),
        seconds: row.window_seconds,
        stream: row.source.stream.clone(),
        shard: row.source.shard.clone(),
        from: position(range.from().as_str())?,
        to: position(range.to().as_str())?,
        totals: totals(schema, row)?,
        duplicates: row.duplicates,
        hash,
    })
}

/// The totals of a row.
fn totals(schema: &Schema, row: &Row) -> Result<AuditTotals, NotARow> {
    if row.readings == 0 {
        return Ok(AuditTotals::default());
    }
    if row.measures.len() != schema.measures().len() {
        return Err(NotARow::Columns);
    }
    let mut measures = Vec::with_capacity(row.measures.len());
    for (column, measure) in schema.measures().iter().zip(&row.measures) {
        let audited = AuditMeasure::of_row(column.measure_type, measure).ok_or(NotARow::Columns)?;
        let found = measure.finish(column.measure_type);
        let expected = audited.value(column.measure_type);
        if found != expected {
            return Err(NotARow::Average {
                column: column.name.clone(),
                expected: expected.to_string(),
                found: found.to_string(),
            });
        }
        measures.push(audited);
    }
    Ok(AuditTotals {
        readings: row.readings,
        measures,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::path::Path;
    use std::sync::Arc;

    use aws_sdk_dynamodb::types::AttributeValue;
    use serde::Deserialize;
    use serde_json::Value as Json;
    use windrow_core::schema::{KeyColumn, MeasureColumn};
    use windrow_core::value::{NumberType, Value};
    use windrow_lambda::processor::row::TableRow;

    use super::*;
    use crate::merge::{FoundWindow, merge_rows};

    #[derive(Deserialize)]
    struct AuditCase {
        case: String,
        rows: Vec<String>,
        merged: Vec<String>,
    }

    #[derive(Deserialize)]
    struct AuditCases {
        schema: Json,
        cases: Vec<AuditCase>,
    }

    fn golden<T: serde::de::DeserializeOwned>(file: &str) -> T {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
        serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap()
    }

    fn unicorns() -> Vec<AuditCase> {
        golden("merge.json")
    }

    fn golden_row(schema: &Schema, line: &str) -> AuditRow {
        let digest = Sha256::digest(line);
        let row = Row::parse(schema, line.as_bytes()).unwrap();
        audit_row(schema, &row, digest[..8].try_into().unwrap()).unwrap()
    }

    /// A merged row, as the golden vectors have it: decimals are text, to be exact.
    fn merged_line(
        schema: &Schema,
        (start, key, seconds): (i64, String, u32),
        found: &FoundWindow,
    ) -> String {
        let key = schema.key_values(key).unwrap();
        let keys = schema.key().iter().map(|column| column.name.as_str());
        let measures = schema.measures().iter().map(|column| column.name.as_str());
        let start = Value::Text(Timestamp::from_millis(start).to_string());
        let values = found.totals.values(schema);
        let fields = keys.zip(key).chain([(schema.time(), start)]);
        let fields = fields.chain(measures.zip(values));
        let fields = fields.filter(|(_, value)| !value.is_null());
        let fields = fields.map(|(name, value)| {
            let mut json = Vec::new();
            FieldValue::from(&value).write_json(&mut json);
            format!("\"{name}\":{}", String::from_utf8(json).unwrap())
        });
        let fields: Vec<String> = fields.collect();
        let (readings, gap) = (found.totals.readings, found.gap);
        format!(
            "{{{},\"Readings\":{readings},\"WindowSeconds\":{seconds},\"Gap\":{gap}}}",
            fields.join(",")
        )
    }

    fn check(schema: &Schema, cases: Vec<AuditCase>) {
        assert!(!cases.is_empty());
        for AuditCase { case, rows, merged } in cases {
            let mut groups: BTreeMap<_, Vec<AuditRow>> = BTreeMap::new();
            for row in rows.iter().map(|line| golden_row(schema, line)) {
                let window = (row.start, row.key.clone(), row.seconds);
                groups.entry(window).or_default().push(row);
            }
            let found = groups.into_iter().map(|(window, rows)| {
                let reversed: Vec<AuditRow> = rows.iter().rev().cloned().collect();
                let found = merge_rows(&rows);
                assert_eq!(merge_rows(&reversed), found, "{case}");
                (found.totals.readings > 0).then(|| merged_line(schema, window, &found))
            });
            let mut found: Vec<String> = found.flatten().collect();
            // Readers order the keys by their values, not by their text.
            let mut merged = merged;
            found.sort();
            merged.sort();
            assert_eq!(found, merged, "{case}");
        }
    }

    #[test]
    fn rows_merge_as_in_the_golden_vectors() {
        check(unicorn::row::schema(), unicorns());
    }

    #[test]
    fn rows_with_every_type_of_column_merge_as_in_the_golden_vectors() {
        let AuditCases { schema, cases } = golden("merge_rooms.json");
        let rooms = rooms();
        assert_eq!(serde_json::to_value(&rooms).unwrap(), schema);
        check(&rooms, cases);
        let price = ColumnType::Number(NumberType::any(2));
        let ordered = Schema::new(
            vec![KeyColumn::new("Since", ColumnType::Timestamp)],
            "Minute",
            vec![
                MeasureColumn::first("Opening", price),
                MeasureColumn::last("Closing", price),
                MeasureColumn::last("Label", ColumnType::Text).nullable(),
                MeasureColumn::max("Seen", ColumnType::Timestamp).nullable(),
            ],
        );
        let ordered = ordered.unwrap();
        let AuditCases { schema, cases } = golden("merge_ordered.json");
        assert_eq!(serde_json::to_value(&ordered).unwrap(), schema);
        check(&ordered, cases);
    }

    fn rooms() -> Schema {
        let schema = Schema::new(
            vec![
                KeyColumn::new("Room", ColumnType::Text).nullable(),
                KeyColumn::new("Floor", ColumnType::Number(NumberType::I32)),
            ],
            "WindowStart",
            vec![
                MeasureColumn::average("Mean", NumberType::decimal(2), 3).nullable(),
                MeasureColumn::sum("Energy", NumberType::any(3)),
                MeasureColumn::min("Coldest", ColumnType::Number(NumberType::any(1))).nullable(),
                MeasureColumn::min("Lowest", ColumnType::Float).nullable(),
                MeasureColumn::max("Label", ColumnType::Text).nullable(),
                MeasureColumn::max("Open", ColumnType::Boolean).nullable(),
            ],
        );
        schema.unwrap()
    }

    fn item_of(schema: Schema, line: &str) -> (Arc<Schema>, Item) {
        let schema = Arc::new(schema);
        let row = Row::parse(&schema, line.as_bytes()).unwrap();
        let item = TableRow::new(&schema, row, Some(2)).to_item();
        (schema, item)
    }

    fn first_row(cases: &[AuditCase]) -> &str {
        cases.iter().find_map(|case| case.rows.first()).unwrap()
    }

    #[test]
    fn items_are_rows_with_the_hash_of_their_line() {
        let cases = unicorns();
        let line = first_row(&cases);
        let (schema, item) = item_of(Schema::clone(unicorn::row::schema()), line);
        let row = golden_row(&schema, line);
        let expires_at = Some(row.start / 1000 + 2 * 86_400);
        let row = Box::new(row);
        assert_eq!(
            TableEntry::of(&schema, &item),
            TableEntry::Row { row, expires_at }
        );
    }

    fn reason(schema: &Schema, item: &Item) -> String {
        match TableEntry::of(schema, item) {
            TableEntry::NotARow { reason, .. } => reason,
            row @ TableEntry::Row { .. } => panic!("{row:?}"),
        }
    }

    #[test]
    fn changed_and_foreign_items_are_not_rows() {
        let cases = unicorns();
        let (schema, mut changed) =
            item_of(Schema::clone(unicorn::row::schema()), first_row(&cases));
        changed.insert("Distance".to_owned(), AttributeValue::N("7".to_owned()));
        let reason = reason(&schema, &changed);
        assert!(reason.starts_with("the row's hash is "), "{reason}");
        let TableEntry::NotARow { start, .. } = TableEntry::of(&schema, &changed) else {
            panic!("{changed:?}");
        };
        assert!(start.is_some());
        let foreign = TableEntry::of(&schema, &HashMap::new());
        assert!(
            matches!(&foreign, TableEntry::NotARow { start: None, sort_value, .. } if sort_value.is_empty()),
            "{foreign:?}"
        );
    }

    #[test]
    fn a_row_must_be_where_readers_of_its_key_look() {
        let AuditCases { cases, .. } = golden("merge_rooms.json");
        let (schema, mut item) = item_of(rooms(), first_row(&cases));
        assert!(matches!(
            TableEntry::of(&schema, &item),
            TableEntry::Row { .. }
        ));
        item.insert("Key".to_owned(), AttributeValue::S("[\"x\",1]".to_owned()));
        let reason = reason(&schema, &item);
        assert!(
            reason.starts_with("Key is [\"x\",1], but its key makes that ["),
            "{reason}"
        );
    }

    #[test]
    fn long_keys_are_hashed_as_readers_do() {
        for (length, is_hashed) in [(900, false), (1_100, true)] {
            let line = format!(
                "{{\"Room\":\"{}\",\"Floor\":1,\"WindowStart\":\"2026-11-20 09:17:00.000\",\"Energy\":1,\"Source\":{{\"Stream\":\"s\",\"Shard\":\"0\",\"From\":\"1\",\"To\":\"1\",\"Readings\":1,\"WindowSeconds\":60,\"Parts\":{{\"Mean\":{{\"Sum\":0,\"Count\":0}}}}}}}}",
                "r".repeat(length)
            );
            let (schema, item) = item_of(rooms(), &line);
            let entry = TableEntry::of(&schema, &item);
            assert!(matches!(entry, TableEntry::Row { .. }), "{entry:?}");
            assert_eq!(item["Key"].as_s().unwrap().len() == 64, is_hashed);
        }
    }
}
