//! Rows of the output streams, and their JSON.

use std::sync::Arc;

use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Value};

use crate::convert::float_text;
use crate::moment;
use crate::types::SqlType;

/// A stream that pumps with windows write, or pumps that read their rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputStream {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<(String, SqlType)>,
}

/// A finished row.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputRow {
    /// The stream.
    pub stream: Arc<OutputStream>,
    /// The pump with the window.
    pub pump: Arc<str>,
    /// The start of the window that it was computed from.
    pub window_start: Timestamp,
    /// The values, one per column of the stream.
    pub values: Vec<Value>,
    /// What ORDER BY sorts it by, and whether the order is descending.
    pub(crate) order: Vec<(Value, bool)>,
}

impl OutputRow {
    /// The row as a JSON object in one line, keyed by column.
    ///
    /// Numbers are numbers with all their digits, timestamps are texts such as `2026-03-01
    /// 22:49:10.000`, and a missing value is `null`.
    pub fn to_json(&self) -> String {
        let mut json = vec![b'{'];
        for ((name, sql_type), value) in self.stream.columns.iter().zip(&self.values) {
            if json.len() > 1 {
                json.push(b',');
            }
            FieldValue::Text(name.as_str().into()).write_json(&mut json);
            json.push(b':');
            match value {
                Value::Timestamp(time) => {
                    let text = moment::format(*time, *sql_type);
                    FieldValue::Text(text.into()).write_json(&mut json);
                }
                Value::Float(float) if *sql_type == SqlType::Real => {
                    json.extend(float_text(float.value(), true).bytes());
                }
                other => FieldValue::from(other).write_json(&mut json),
            }
        }
        json.push(b'}');
        // JSON is always UTF-8.
        String::from_utf8(json).unwrap_or_default()
    }
}
