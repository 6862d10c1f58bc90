//! Prints rows as text.

use std::io::{self, Write};
use std::sync::mpsc::sync_channel;
use std::thread;

use clap::ValueEnum;
use windrow_archive::windows::{WindowRow, WindowRows};
use windrow_connect::terminal::printable;
use windrow_core::row::Measure;
use windrow_core::schema::{MeasureType, Schema};
use windrow_core::sensor::Sensor;
use windrow_core::value::{ColumnType, FieldValue, Value};

/// How rows are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RecomputeFormat {
    /// One table per window
    #[default]
    Table,
    /// One JSON object per line
    Lines,
    /// Comma-separated values with a header line
    Csv,
}

/// The columns that follow those of the schema.
const READINGS: &str = "Readings";
const WINDOW_SECONDS: &str = "WindowSeconds";

/// How many rows a thread formats at a time.
const PIECE: usize = 512;

/// How many pieces a thread may format ahead of the output.
const AHEAD: usize = 4;

/// Prints rows, ordered by window and the text of the key. The columns are those of the schema,
/// named as in the pipeline's table, and `Readings` and `WindowSeconds`, unless the schema has
/// columns of its own with these names. As in the pipeline's rows, a column without a value is left
/// out of a JSON object; it is an empty field of CSV. JSON lines and CSV are formatted by `threads` threads;
/// tables by one, since a table's width depends on all its rows.
///
/// # Errors
/// If the output cannot be written.
pub fn write<S: Sensor>(
    rows: &WindowRows<'_, S>,
    format: RecomputeFormat,
    threads: usize,
    output: impl Write,
) -> io::Result<()> {
    let columns = RowColumns::of(rows.schema());
    match format {
        RecomputeFormat::Table => write_tables(rows, &columns, output),
        RecomputeFormat::Lines => {
            let push = |text: &mut Vec<u8>, row: &WindowRow<'_>, start: &str| {
                columns.push_json(text, row, start);
            };
            write_rows(rows, &[], push, threads, output)
        }
        RecomputeFormat::Csv => {
            let push = |text: &mut Vec<u8>, row: &WindowRow<'_>, start: &str| {
                columns.push_csv(text, row, start);
            };
            write_rows(rows, &columns.csv_header(), push, threads, output)
        }
    }
}

/// Writes a header and one line per row. `push` appends a row, given the start of its window.
fn write_rows<S: Sensor>(
    rows: &WindowRows<'_, S>,
    header: &[u8],
    push: impl Fn(&mut Vec<u8>, &WindowRow<'_>, &str) + Copy + Send,
    threads: usize,
    mut output: impl Write,
) -> io::Result<()> {
    let text_of = move |first: usize| -> Vec<u8> {
        let mut text = Vec::new();
        for (start, rows) in rows.between(first..first.saturating_add(PIECE)) {
            let start = start.to_string();
            for row in rows {
                push(&mut text, &row, &start);
                text.push(b'\n');
            }
        }
        text
    };
    let pieces = || (0..rows.len()).step_by(PIECE);
    output.write_all(header)?;
    if threads < 2 {
        for piece in pieces() {
            output.write_all(&text_of(piece))?;
        }
        return output.flush();
    }
    thread::scope(|scope| {
        // Each of n threads formats every nth piece, so reading from them in turn restores the
        // order.
        let texts: Vec<_> = (0..threads)
            .map(|thread| {
                let (sender, texts) = sync_channel(AHEAD);
                let work = move || {
                    for piece in pieces().skip(thread).step_by(threads) {
                        if sender.send(text_of(piece)).is_err() {
                            // Writing the output has failed.
                            return;
                        }
                    }
                };
                // If a thread cannot be started, its pieces are formatted below.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
                texts
            })
            .collect();
        for (piece, texts) in pieces().zip(texts.iter().cycle()) {
            let text = texts.recv().unwrap_or_else(|_| text_of(piece));
            output.write_all(&text)?;
        }
        output.flush()
    })
}

/// The columns of the printed rows.
struct RowColumns<'s> {
    schema: &'s Schema,
    /// The beginnings of the schema's fields of a JSON object: a comma, the name and a colon.
    json_names: Vec<Vec<u8>>,
    has_readings: bool,
    has_window_seconds: bool,
}

impl<'s> RowColumns<'s> {
    fn of(schema: &'s Schema) -> Self {
        let json_name = |name: &str| {
            let mut text = vec![b','];
            FieldValue::Text(name.into()).write_json(&mut text);
            text.push(b':');
            text
        };
        let names = names(schema);
        let is_free = |name: &str| !names.contains(&name);
        Self {
            schema,
            json_names: names.iter().copied().map(json_name).collect(),
            has_readings: is_free(READINGS),
            has_window_seconds: is_free(WINDOW_SECONDS),
        }
    }

    /// The names of the columns before `WindowSeconds`.
    fn names(&self) -> Vec<&'s str> {
        let readings = self.has_readings.then_some(READINGS);
        names(self.schema).into_iter().chain(readings).collect()
    }

    fn measures<'r>(&self, row: &'r WindowRow<'_>) -> impl Iterator<Item = FieldValue<'r>> {
        let columns = self.schema.measures().iter().zip(&row.measures);
        columns.map(|(column, measure)| finished(measure, column.measure_type))
    }

    fn push_json(&self, text: &mut Vec<u8>, row: &WindowRow<'_>, start: &str) {
        let object = text.len();
        let mut names = self.json_names.iter();
        let mut push = |text: &mut Vec<u8>, value: FieldValue<'_>| {
            let name = names.next().map_or(&[][..], Vec::as_slice);
            if !value.is_null() {
                text.extend_from_slice(name);
                value.write_json(text);
            }
        };
        for value in row.key.values() {
            push(text, value);
        }
        push(text, FieldValue::Text(start.into()));
        for value in self.measures(row) {
            push(text, value);
        }
        if self.has_readings {
            text.extend_from_slice(b",\"Readings\":");
            push_integer(text, row.readings);
        }
        if self.has_window_seconds {
            text.extend_from_slice(b",\"WindowSeconds\":");
            push_integer(text, row.window_seconds);
        }
        // The time always has a value, so there is a comma in the place of the brace.
        if let Some(comma) = text.get_mut(object) {
            *comma = b'{';
        }
        text.push(b'}');
    }

    /// Follows RFC 4180 and quotes only where needed.
    fn push_csv(&self, text: &mut Vec<u8>, row: &WindowRow<'_>, start: &str) {
        for value in row.key.values() {
            push_csv_value(text, &value);
            text.push(b',');
        }
        text.extend_from_slice(start.as_bytes());
        for value in self.measures(row) {
            text.push(b',');
            push_csv_value(text, &value);
        }
        if self.has_readings {
            text.push(b',');
            push_integer(text, row.readings);
        }
        if self.has_window_seconds {
            text.push(b',');
            push_integer(text, row.window_seconds);
        }
    }

    fn csv_header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        let window_seconds = self.has_window_seconds.then_some(WINDOW_SECONDS);
        for name in self.names().into_iter().chain(window_seconds) {
            if !header.is_empty() {
                header.push(b',');
            }
            push_csv_text(&mut header, name);
        }
        header.push(b'\n');
        header
    }

    /// The columns of a text table, each with whether it is aligned to the right: all but the
    /// window, which is the same for all rows.
    fn headings(&self) -> Vec<(&'s str, bool)> {
        let is_number = |of: ColumnType| matches!(of, ColumnType::Number(_) | ColumnType::Float);
        let key = self.schema.key().iter();
        let key = key.map(|column| (column.name.as_str(), is_number(column.column_type)));
        let measures = self.schema.measures().iter();
        let measures =
            measures.map(|column| (column.name.as_str(), is_number(column.column_type())));
        let readings = self.has_readings.then_some((READINGS, true));
        key.chain(measures).chain(readings).collect()
    }

    /// A row's cells below the [headings](Self::headings).
    fn cells(&self, row: &WindowRow<'_>) -> Vec<String> {
        let values = row.key.values().chain(self.measures(row));
        let values = values.map(|value| printable(&Value::from(value).to_string()));
        let readings = self.has_readings.then(|| row.readings.to_string());
        values.chain(readings).collect()
    }
}

/// The names of a schema's columns, in the order of a row's fields.
fn names(schema: &Schema) -> Vec<&str> {
    let key = schema.key().iter().map(|column| column.name.as_str());
    let measures = schema.measures().iter();
    let measures = measures.map(|column| column.name.as_str());
    key.chain([schema.time()]).chain(measures).collect()
}

/// The finished value of a measure, as [`Measure::finish`] returns it, without a copy.
fn finished(measure: &Measure, measure_type: MeasureType) -> FieldValue<'_> {
    match measure {
        Measure::Value(value) | Measure::Ordered { value, .. } => value.into(),
        Measure::Average { .. } => match measure.finish(measure_type) {
            Value::Number(number) => FieldValue::Number(number),
            _ => FieldValue::Null,
        },
    }
}

fn push_csv_value(text: &mut Vec<u8>, value: &FieldValue<'_>) {
    match value {
        FieldValue::Null => {}
        FieldValue::Text(value) => push_csv_text(text, value),
        FieldValue::Timestamp(time) => text.extend_from_slice(time.to_exact_string().as_bytes()),
        FieldValue::Boolean(_) | FieldValue::Number(_) | FieldValue::Float(_) => {
            value.write_json(text);
        }
    }
}

fn push_csv_text(text: &mut Vec<u8>, value: &str) {
    let needs_quotes = |byte| matches!(byte, b',' | b'"' | b'\r' | b'\n');
    if value.bytes().any(needs_quotes) {
        text.push(b'"');
        text.extend_from_slice(value.replace('"', "\"\"").as_bytes());
        text.push(b'"');
    } else {
        text.extend_from_slice(value.as_bytes());
    }
}

fn push_integer(text: &mut Vec<u8>, value: impl itoa::Integer) {
    text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The maximum width of a column; a longer text shifts the rest of its line to the right.
const WIDEST: usize = 32;

fn write_tables<S: Sensor>(
    rows: &WindowRows<'_, S>,
    columns: &RowColumns<'_>,
    mut output: impl Write,
) -> io::Result<()> {
    let headings = columns.headings();
    for (start, rows_of_window) in rows.windows() {
        let names = headings.iter().map(|(name, _)| printable(name)).collect();
        let mut lines = vec![names];
        lines.extend(rows_of_window.map(|row| columns.cells(&row)));
        let mut text = format!("{start}, {} s\n", rows.window_seconds());
        push_table(&mut text, &headings, &lines);
        output.write_all(text.as_bytes())?;
    }
    output.flush()
}

/// Appends lines as aligned columns.
fn push_table(text: &mut String, headings: &[(&str, bool)], lines: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|cells| cells.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max();
        widest.unwrap_or(0).min(WIDEST)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    for cells in lines {
        let start = text.len();
        for ((cell, width), (_, is_right)) in cells.iter().zip(&widths).zip(headings) {
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            let parts = if *is_right {
                [padding.as_str(), cell]
            } else {
                [cell.as_str(), &padding]
            };
            text.extend(["  "].into_iter().chain(parts));
        }
        let end = text.trim_end_matches(' ').len();
        text.truncate(end.max(start));
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicorn::distance::Distance;
    use unicorn::row::schema;
    use unicorn::totals::Measures;
    use windrow_archive::windows::RowKey;
    use windrow_core::time::Timestamp;

    use super::*;

    fn row(name: &str, measures: Measures, readings: u64) -> WindowRow<'_> {
        WindowRow {
            key: RowKey {
                text: name,
                columns: None,
            },
            window_start: Timestamp::from_millis(0),
            window_seconds: 60,
            readings,
            duplicates: 0,
            measures: measures.to_row(),
        }
    }

    proptest! {
        #[test]
        fn csv_and_json_can_be_parsed(
            name in "[a-c,\"\r\n\\\\\u{0} é]{1,8}|.{1,20}",
            distance: u64,
            points: i32,
            readings: u64,
        ) {
            let measures = Measures {
                distance: Distance::from_micrometres(distance.into()),
                min_magic_points: points.min(2),
                max_magic_points: points.max(2),
                min_health_points: points.min(3),
                max_health_points: points.max(3),
            };
            let row = row(&name, measures, readings);
            let metres = measures.distance.to_string();
            let points = [
                measures.min_magic_points,
                measures.max_magic_points,
                measures.min_health_points,
                measures.max_health_points,
            ]
            .map(|points| points.to_string());
            let readings = readings.to_string();
            let [a, b, c, d] = &points;
            let values = [&name, "start", &metres, a, b, c, d, &readings, "60"];

            let columns = RowColumns::of(schema());
            let mut text = columns.csv_header();
            columns.push_csv(&mut text, &row, "start");
            let mut reader = csv::Reader::from_reader(text.as_slice());
            let names = reader.headers().unwrap().clone();
            let records: Vec<_> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(records, [csv::StringRecord::from(&values[..])]);

            let mut text = Vec::new();
            columns.push_json(&mut text, &row, "start");
            let object: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(object.len(), values.len());
            prop_assert_eq!(object["Name"].as_str(), Some(name.as_str()));
            prop_assert_eq!(object["StatusTime"].as_str(), Some("start"));
            let text = String::from_utf8(text).unwrap();
            for (column, value) in names.iter().zip(values).skip(2) {
                let member = format!(",\"{column}\":{value}");
                prop_assert!(text.contains(&member), "{} {}", text, member);
            }
        }
    }
}
