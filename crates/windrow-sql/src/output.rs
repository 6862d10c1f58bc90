//! Rows of the output streams, and their JSON.

use std::fmt;
use std::sync::Arc;

use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Value};

use crate::convert::float_text;
use crate::moment;
use crate::types::SqlType;

/// The field with the [`RowId`] in the JSON of a row. No column of such an output has this name,
/// whatever its case, since readers of JSON may ignore it.
pub const ROW_ID: &str = "RowId";

/// The field with the revision of a finished row: of the rows with one id, that with the highest
/// counts.
pub const REVISION: &str = "Revision";

/// The fields that are added to the finished rows of windows, the last one to rows that are no longer
/// there. If an output has a column with such a name, whatever its case, its finished rows cannot be
/// written to a stream.
pub const FINISHED_FIELDS: [&str; 3] = [ROW_ID, REVISION, "Removed"];

/// A stream that has rows of windows, or rows of pumps without windows that no other pump reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputStream {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<(String, SqlType)>,
}

/// Tells a row apart from all others of an application: a row that is written again has the same one.
///
/// Its text is `STREAM/SHARD/SEQUENCE-NUMBER/SUB-SEQUENCE-NUMBER/INDEX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowId<'a> {
    /// The name of the stream of the row's record.
    pub stream: &'a str,
    /// The id of the shard.
    pub shard: &'a str,
    /// The sequence number of the record.
    pub sequence_number: &'a str,
    /// Which user record it was of an aggregated record of the Kinesis Producer Library, from 0; 0 if
    /// it was a record of its own.
    pub sub_sequence_number: u64,
    /// Which of the rows it is that the user record or the record became, from 0. The rows of all
    /// outputs are counted together.
    pub index: u64,
}

impl fmt::Display for RowId<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stream,
            shard,
            sequence_number,
            sub_sequence_number,
            index,
        } = self;
        write!(
            formatter,
            "{stream}/{shard}/{sequence_number}/{sub_sequence_number}/{index}"
        )
    }
}

/// A row of an output stream.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputRow {
    /// The stream.
    pub stream: Arc<OutputStream>,
    /// The pump with the window, or without one, the pump that wrote it.
    pub pump: Arc<str>,
    /// What tells it apart from all other rows of windows of the application: the pumps that it came
    /// through, its window, and its group. Empty without a window, where a row has a [`RowId`].
    pub id: String,
    /// The start of the window that it was computed from. Without a window, the time at which its
    /// record arrived.
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
        let mut json = self.fields();
        json.push(b'}');
        // JSON is always UTF-8.
        String::from_utf8(json).unwrap_or_default()
    }

    /// Appends the row as a line: its [JSON](Self::to_json), with its id in the last field,
    /// [`RowId`](ROW_ID).
    pub fn write_line(&self, id: RowId<'_>, line: &mut Vec<u8>) {
        line.extend(self.fields());
        if !self.stream.columns.is_empty() {
            line.push(b',');
        }
        FieldValue::Text(ROW_ID.into()).write_json(line);
        line.push(b':');
        FieldValue::Text(id.to_string().into()).write_json(line);
        line.extend(b"}\n");
    }

    /// The [JSON](Self::to_json) object without the brace at its end.
    pub fn fields(&self) -> Vec<u8> {
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
        json
    }
}
