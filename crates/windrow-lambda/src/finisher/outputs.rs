//! What becomes of the merged rows of a window.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use windrow_core::row::{MergedRow, key_text};
use windrow_core::schema::Schema;
use windrow_core::value::FieldValue;

/// The field with a row's id.
const ROW_ID: &str = "RowId";
/// The field with a row's revision.
const REVISION: &str = "Revision";
/// The field that says that there is no such row any more.
const REMOVED: &str = "Removed";

/// The first of an output's columns that is called as a field that the finisher adds to rows,
/// whatever its case, since readers of JSON may ignore that. Such an output cannot be finished.
pub fn own_field(columns: &[String]) -> Option<&str> {
    let is_own = |column: &&String| {
        let mut own = [ROW_ID, REVISION, REMOVED].into_iter();
        own.any(|field| field.eq_ignore_ascii_case(column))
    };
    columns.iter().find(is_own).map(String::as_str)
}

/// Computes the finished rows of windows.
pub trait WindowOutputs: Send + Sync + 'static {
    /// The columns of the rows in the summary stream.
    fn schema(&self) -> &Arc<Schema>;

    /// The columns of each output, by its name.
    fn columns(&self) -> BTreeMap<String, Vec<String>>;

    /// The finished rows of one window, of which `merged` has all merged rows.
    fn finish(&self, merged: &[MergedRow]) -> Vec<FinishedRow>;
}

/// A finished row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedRow {
    /// The name of its output.
    pub output: Arc<str>,
    /// What tells it apart from all other rows. When the row is computed again, it has the same id.
    pub id: String,
    /// Its columns: a JSON object without the brace at its end.
    pub fields: Vec<u8>,
}

impl FinishedRow {
    /// The row as a line.
    pub(super) fn to_line(&self, revision: u64) -> Vec<u8> {
        let mut line = self.fields.clone();
        if line.last() != Some(&b'{') {
            line.push(b',');
        }
        write_own_fields(&self.id, revision, &mut line);
        line.extend_from_slice(b"}\n");
        line
    }
}

/// The line that says that there is no row with this id any more.
fn removed_line(id: &str, revision: u64) -> Vec<u8> {
    let mut line = vec![b'{'];
    write_own_fields(id, revision, &mut line);
    line.push(b',');
    write_name(REMOVED, &mut line);
    line.extend_from_slice(b"true}\n");
    line
}

fn write_own_fields(id: &str, revision: u64, line: &mut Vec<u8>) {
    write_name(ROW_ID, line);
    FieldValue::Text(id.into()).write_json(line);
    line.push(b',');
    write_name(REVISION, line);
    line.extend_from_slice(revision.to_string().as_bytes());
}

fn write_name(name: &str, line: &mut Vec<u8>) {
    FieldValue::Text(name.into()).write_json(line);
    line.push(b':');
}

/// A line of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutputLine {
    pub(super) output: Arc<str>,
    pub(super) id: String,
    pub(super) data: Vec<u8>,
}

/// The lines of a window that is finished for the first time.
pub(super) fn lines(outputs: &impl WindowOutputs, merged: &[MergedRow]) -> Vec<OutputLine> {
    let revision = revision(merged);
    let rows = outputs.finish(merged).into_iter();
    rows.map(|row| OutputLine {
        data: row.to_line(revision),
        output: row.output,
        id: row.id,
    })
    .collect()
}

/// The lines of a window of which rows arrived late: the finished rows that have changed, and those
/// that there are no longer. `before` are the merged rows without those that arrived late.
pub(super) fn changed_lines(
    outputs: &impl WindowOutputs,
    before: &[MergedRow],
    after: &[MergedRow],
) -> Vec<OutputLine> {
    let revision = revision(after);
    let rows = outputs.finish(before).into_iter();
    let mut written: HashMap<(Arc<str>, String), Vec<u8>> =
        rows.map(|row| ((row.output, row.id), row.fields)).collect();
    let mut lines = Vec::new();
    for row in outputs.finish(after) {
        let place = (Arc::clone(&row.output), row.id.clone());
        if written.remove(&place).as_ref() != Some(&row.fields) {
            lines.push(OutputLine {
                data: row.to_line(revision),
                output: row.output,
                id: row.id,
            });
        }
    }
    let mut removed: Vec<(Arc<str>, String)> = written.into_keys().collect();
    removed.sort();
    lines.extend(removed.into_iter().map(|(output, id)| OutputLine {
        data: removed_line(&id, revision),
        output,
        id,
    }));
    lines
}

/// The revision of the rows of a window: higher if they cover more records, and of as many records
/// higher if more are known to be duplicates. The merge rule prefers rows in that order, so what
/// is known of a window never lowers it.
fn revision(merged: &[MergedRow]) -> u64 {
    let mut readings = 0_u64;
    let mut duplicates = 0_u64;
    for row in merged {
        readings = readings.saturating_add(row.readings);
        duplicates = duplicates.saturating_add(row.duplicates);
    }
    // Pairs of a number and one that is not higher, in their order.
    let records = readings.saturating_add(duplicates);
    let pairs_before = u128::from(records) * (u128::from(records) + 1) / 2;
    let pairs_before = u64::try_from(pairs_before).unwrap_or(u64::MAX);
    pairs_before.saturating_add(duplicates)
}

/// Writes the merged rows themselves, with the columns of the schema.
#[derive(Clone, Debug)]
pub struct MergedOutput {
    schema: Arc<Schema>,
    name: Arc<str>,
}

impl MergedOutput {
    /// An output called `name`.
    pub fn new(schema: &Arc<Schema>, name: &str) -> Self {
        Self {
            schema: Arc::clone(schema),
            name: name.into(),
        }
    }
}

impl WindowOutputs for MergedOutput {
    fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    fn columns(&self) -> BTreeMap<String, Vec<String>> {
        let schema = &self.schema;
        let key = schema.key().iter().map(|column| column.name.clone());
        let measures = schema.measures().iter().map(|column| column.name.clone());
        let columns = key.chain([schema.time().to_owned()]).chain(measures);
        BTreeMap::from([(self.name.as_ref().to_owned(), columns.collect())])
    }

    fn finish(&self, merged: &[MergedRow]) -> Vec<FinishedRow> {
        let rows = merged.iter().map(|row| FinishedRow {
            output: Arc::clone(&self.name),
            id: format!(
                "{}/{}/{}",
                row.window_start,
                row.window_seconds,
                key_text(&row.key)
            ),
            fields: self.fields(row),
        });
        rows.collect()
    }
}

impl MergedOutput {
    fn fields(&self, row: &MergedRow) -> Vec<u8> {
        let schema = &self.schema;
        let key = schema.key().iter().map(|column| &column.name);
        let measures = schema.measures().iter().map(|column| &column.name);
        let start = row.window_start.to_string();
        let time = (schema.time(), FieldValue::Text(start.as_str().into()));
        let columns = key
            .zip(&row.key)
            .map(|(name, value)| (name.as_str(), FieldValue::from(value)))
            .chain([time])
            .chain(
                measures
                    .zip(&row.measures)
                    .map(|(name, value)| (name.as_str(), FieldValue::from(value))),
            );
        let mut fields = vec![b'{'];
        for (name, value) in columns {
            if matches!(value, FieldValue::Null) {
                continue;
            }
            if fields.len() > 1 {
                fields.push(b',');
            }
            write_name(name, &mut fields);
            value.write_json(&mut fields);
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use windrow_core::decimal::Decimal;
    use windrow_core::schema::{KeyColumn, MeasureColumn};
    use windrow_core::time::Timestamp;
    use windrow_core::value::{ColumnType, NumberType, Value};

    use super::*;

    fn output() -> MergedOutput {
        let key = vec![KeyColumn::new("Room", ColumnType::Text).nullable()];
        let measures = vec![MeasureColumn::max(
            "Highest",
            ColumnType::Number(NumberType::decimal(1)),
        )];
        let schema = Schema::new(key, "WindowStart", measures).unwrap();
        MergedOutput::new(&Arc::new(schema), "Rooms")
    }

    fn merged(room: &str, tenths: i128, [readings, duplicates]: [u64; 2]) -> MergedRow {
        let highest = Decimal {
            unscaled: tenths,
            scale: 1,
        };
        MergedRow {
            key: vec![Value::Text(room.to_owned())],
            window_start: Timestamp::from_millis(60_000),
            window_seconds: 60,
            readings,
            duplicates,
            measures: vec![Value::Number(highest)],
            gap: false,
        }
    }

    fn texts(lines: Vec<OutputLine>) -> Vec<String> {
        let lines = lines.into_iter();
        lines
            .map(|line| String::from_utf8(line.data).unwrap())
            .collect()
    }

    #[test]
    fn row_is_a_line_with_id_and_revision() {
        assert_eq!(
            texts(lines(&output(), &[merged("Attic", 215, [3, 1])])),
            [concat!(
                r#"{"Room":"Attic","WindowStart":"1970-01-01 00:01:00.000","Highest":21.5,"#,
                r#""RowId":"1970-01-01 00:01:00.000/60/[\"Attic\"]","Revision":11}"#,
                "\n"
            )]
        );
    }

    #[test]
    fn only_what_changes_is_written_again() {
        let before = [merged("Attic", 215, [3, 0]), merged("Cellar", 90, [2, 0])];
        let after = [
            merged("Attic", 215, [3, 0]),
            merged("Cellar", 91, [3, 0]),
            merged("Loft", 1, [1, 0]),
        ];
        let changed = texts(changed_lines(&output(), &before, &after));
        assert_eq!(changed.len(), 2);
        assert!(changed[0].contains("Cellar") && changed[0].contains("9.1"));
        assert!(changed[1].contains("Loft"));
        let removed = texts(changed_lines(&output(), &after, &before[..1]));
        assert_eq!(removed.len(), 2);
        assert!(removed[0].ends_with("\"Revision\":6,\"Removed\":true}\n"));
        assert!(removed[0].contains("Cellar") && removed[1].contains("Loft"));
    }

    #[test]
    fn revisions_are_in_the_order_of_the_merge_rule() {
        let mut known = Vec::new();
        for records in 0..40_u64 {
            for duplicates in 0..=records {
                known.push(revision(&[merged(
                    "",
                    0,
                    [records - duplicates, duplicates],
                )]));
            }
        }
        assert!(known.is_sorted_by(|left, right| left < right));
        let most = merged("", 0, [u64::MAX, u64::MAX]);
        assert_eq!(revision(&[most.clone(), most]), u64::MAX);
    }
}
