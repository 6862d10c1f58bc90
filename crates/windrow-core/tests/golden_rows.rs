//! The golden vectors of rows with every type of column, which every implementation in any language
//! must pass.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use windrow_core::row::{MergedRow, Row, merge};
use windrow_core::schema::{KeyColumn, MeasureColumn, Schema};
use windrow_core::value::{ColumnType, NumberType, Value};

#[derive(Deserialize)]
struct Golden {
    schema: Json,
    cases: Vec<RowsCase>,
}

/// Rows are text: their hashes and decimals depend on every character.
#[derive(Deserialize)]
struct RowsCase {
    case: String,
    rows: Vec<String>,
    merged: Vec<String>,
}

impl Golden {
    fn read(file: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
        serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap()
    }

    /// Checks the JSON of the schema, the lines of the rows, and their merge.
    fn check(&self, schema: &Schema) {
        assert_eq!(serde_json::to_value(schema).unwrap(), self.schema);
        for RowsCase { case, rows, merged } in &self.cases {
            let parsed: Vec<Row> = rows
                .iter()
                .map(|row| Row::parse(schema, row.as_bytes()).unwrap())
                .collect();
            for (row, line) in parsed.iter().zip(rows) {
                let written = String::from_utf8(row.to_line(schema)).unwrap();
                assert_eq!(written, format!("{line}\n"), "{case}");
            }
            let reversed: Vec<Row> = parsed.iter().rev().cloned().collect();
            for rows in [parsed, reversed] {
                let rows = merge(schema, rows);
                let rows: Vec<String> = rows.iter().map(|row| to_json(schema, row)).collect();
                assert_eq!(&rows, merged, "{case}");
            }
        }
    }
}

fn to_json(schema: &Schema, row: &MergedRow) -> String {
    let keys = schema.key().iter().map(|column| column.name.as_str());
    let measures = schema.measures().iter().map(|column| column.name.as_str());
    let mut fields: Vec<(&str, String)> = keys.zip(row.key.iter().map(text)).collect();
    let start = json!(row.window_start.to_string());
    fields.push((schema.time(), start.to_string()));
    fields.extend(measures.zip(row.measures.iter().map(text)));
    fields.push(("Readings", row.readings.to_string()));
    fields.push(("WindowSeconds", row.window_seconds.to_string()));
    fields.push(("Gap", row.gap.to_string()));
    let fields = fields.iter().filter(|(_, value)| value != "null");
    let fields: Vec<String> = fields
        .map(|(name, value)| format!("{}:{value}", json!(name)))
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Float(float) => json!(float.value()).to_string(),
        Value::Boolean(_) | Value::Number(_) => value.to_string(),
        other => json!(other.to_string()).to_string(),
    }
}

#[test]
fn rooms() {
    let coldest = ColumnType::Number(NumberType::any(1));
    let schema = Schema::new(
        vec![
            KeyColumn::new("Room", ColumnType::Text).nullable(),
            KeyColumn::new("Floor", ColumnType::Number(NumberType::I32)),
        ],
        "WindowStart",
        vec![
            MeasureColumn::average("Mean", NumberType::decimal(2), 3).nullable(),
            MeasureColumn::sum("Energy", NumberType::any(3)),
            MeasureColumn::min("Coldest", coldest).nullable(),
            MeasureColumn::min("Lowest", ColumnType::Float).nullable(),
            MeasureColumn::max("Label", ColumnType::Text).nullable(),
            MeasureColumn::max("Open", ColumnType::Boolean).nullable(),
        ],
    );
    Golden::read("merge_rooms.json").check(&schema.unwrap());
}

#[test]
fn first_and_last_values() {
    let price = ColumnType::Number(NumberType::any(2));
    let schema = Schema::new(
        vec![KeyColumn::new("Since", ColumnType::Timestamp)],
        "Minute",
        vec![
            MeasureColumn::first("Opening", price),
            MeasureColumn::last("Closing", price),
            MeasureColumn::last("Label", ColumnType::Text).nullable(),
            MeasureColumn::max("Seen", ColumnType::Timestamp).nullable(),
        ],
    );
    Golden::read("merge_ordered.json").check(&schema.unwrap());
}

#[test]
fn a_schema_may_have_no_columns() {
    let none = Schema::new(Vec::new(), "Minute", Vec::new()).unwrap();
    let expected = json!({"key": [], "time": "Minute", "measures": []});
    assert_eq!(serde_json::to_value(none).unwrap(), expected);
}
