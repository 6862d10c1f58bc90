//! Runs an application over a file of records.

use std::borrow::Cow;
use std::io::{BufRead, Write};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use windrow_core::time::Timestamp;
use windrow_sql::batch::SqlBatch;
use windrow_sql::output::OutputRow;
use windrow_sql::sensor::SqlSensor;

/// A record of the input, in one line.
#[derive(Debug, Deserialize)]
struct RecordedRecord<'a> {
    /// When it arrived.
    arrival: String,
    /// Its data, if that is JSON.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    /// Its data: base64, or text if it is not.
    raw: Option<String>,
}

impl RecordedRecord<'_> {
    fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        match (self.data, &self.raw) {
            (Some(data), None) => Some(Cow::Borrowed(data.get().as_bytes())),
            // JSON is not base64.
            (None, Some(raw)) => Some(match base64_simd::STANDARD.decode_to_vec(raw.as_bytes()) {
                Ok(bytes) => Cow::Owned(bytes),
                Err(_) => Cow::Borrowed(raw.as_bytes()),
            }),
            _ => None,
        }
    }
}

/// What is wrong with a line. The parser only knows that line, and would call it the first.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    format!("{reason} at column {}", error.column())
}

/// The record in a line: its arrival as it is written and as a time, and its data.
///
/// # Errors
///
/// Why the line is not a record.
fn record(line: &[u8]) -> Result<(String, Timestamp, Vec<u8>), String> {
    let record: Result<RecordedRecord<'_>, _> = serde_json::from_slice(line);
    let record = record.map_err(|error| without_line(&error))?;
    let data = record
        .bytes()
        .ok_or("it needs `data` or `raw`")?
        .into_owned();
    let arrival = record.arrival.parse::<Timestamp>();
    let arrival = arrival.map_err(|error| format!("`{}` {error}", record.arrival))?;
    Ok((record.arrival, arrival, data))
}

/// The data of a record in one line; `None` if it is another line.
pub(crate) fn data(line: &str) -> Option<Vec<u8>> {
    let record: RecordedRecord<'_> = serde_json::from_str(line).ok()?;
    record.bytes().map(Cow::into_owned)
}

/// What was run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunReport {
    /// How many lines there were, without blank ones.
    pub lines: u64,
    /// How many of them were not records.
    pub invalid: u64,
    /// How many readings of the others were rejected.
    pub rejected: u64,
    /// How many rows were written.
    pub rows: u64,
    /// How many values of these could not be computed, and are null.
    pub problems: u64,
}

/// Reads records, one per line, and writes the rows of the outputs, and what is rejected, as JSON lines.
/// Rows without a window are written at once, and all windows are finished at the end. With `stream`,
/// only the rows of that output stream are written. A line that is not a record is a reject, too.
///
/// # Errors
///
/// If there is no such output stream, or if something cannot be read or written.
pub fn run(
    sensor: SqlSensor,
    stream: Option<&str>,
    mut input: impl BufRead,
    mut output: impl Write,
    mut rejects: impl Write,
) -> anyhow::Result<RunReport> {
    if let Some(stream) = stream {
        check_stream(&sensor, stream)?;
    }
    let mut report = RunReport::default();
    let mut batch = SqlBatch::new(sensor);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        if read.context("cannot read the input")? == 0 {
            break;
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        report.lines += 1;
        let (written, arrival, data) = match record(text) {
            Ok(record) => record,
            Err(reason) => {
                report.invalid += 1;
                let payload = String::from_utf8_lossy(text);
                let reason = format!("it is not a record: {reason}");
                let reject = json!({"line": number, "reason": reason, "payload": payload});
                writeln!(rejects, "{reject}")?;
                continue;
            }
        };
        for rejected in batch.add(&data, arrival) {
            report.rejected += 1;
            let reject = json!({
                "arrival": written,
                "reason": rejected.reason.to_string(),
                "payload": String::from_utf8_lossy(&rejected.payload),
            });
            writeln!(rejects, "{reject}")?;
        }
        report.rows += write_rows(&batch.take_rows(), stream, &mut output)?;
    }
    let finished = batch.finish();
    report.rows += write_rows(&finished.rows, stream, &mut output)?;
    for problem in &finished.problems {
        report.problems += 1;
        writeln!(rejects, "{}", json!({"problem": problem.to_string()}))?;
    }
    output.flush()?;
    Ok(report)
}

/// Writes the rows of a stream, or all. Returns how many there were.
fn write_rows(
    rows: &[OutputRow],
    stream: Option<&str>,
    output: &mut impl Write,
) -> anyhow::Result<u64> {
    let mut written = 0;
    for row in rows {
        if stream.is_none_or(|stream| row.stream.name == stream) {
            written += 1;
            writeln!(output, "{}", row.to_json())?;
        }
    }
    Ok(written)
}

fn check_stream(sensor: &SqlSensor, stream: &str) -> anyhow::Result<()> {
    let application = sensor.application();
    let outputs = application.outputs().chain(application.stateless_outputs());
    let mut names: Vec<&str> = Vec::new();
    for output in outputs {
        if !names.contains(&output.name.as_str()) {
            names.push(&output.name);
        }
    }
    if names.contains(&stream) {
        return Ok(());
    }
    anyhow::bail!(
        "there is no output stream {stream}; there is {}",
        names.join(", ")
    )
}
