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

/// An error in one line of a file. The parser only knows that line, and would call it the first.
fn without_line(error: &serde_json::Error) -> anyhow::Error {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    anyhow::anyhow!("{reason} at column {}", error.column())
}

/// The data of a record in one line; `None` if it is another line.
pub(crate) fn data(line: &str) -> Option<Vec<u8>> {
    let record: RecordedRecord<'_> = serde_json::from_str(line).ok()?;
    record.bytes().map(Cow::into_owned)
}

/// What was run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunReport {
    /// How many records there were.
    pub records: u64,
    /// How many of their readings were rejected.
    pub rejected: u64,
    /// How many rows were written.
    pub rows: u64,
    /// How many values of these could not be computed, and are null.
    pub problems: u64,
}

/// Reads records, one per line, and writes the rows of the outputs, and what is rejected, as JSON lines.
/// Rows without a window are written at once, and all windows are finished at the end. With `stream`,
/// only the rows of that output stream are written.
///
/// # Errors
///
/// If there is no such output stream, if a line is not a record, or if something cannot be read or
/// written.
pub fn run(
    sensor: SqlSensor,
    stream: Option<&str>,
    input: impl BufRead,
    mut output: impl Write,
    mut rejects: impl Write,
) -> anyhow::Result<RunReport> {
    if let Some(stream) = stream {
        check_stream(&sensor, stream)?;
    }
    let mut report = RunReport::default();
    let mut batch = SqlBatch::new(sensor);
    for (index, line) in input.lines().enumerate() {
        let line = line.context("cannot read the input")?;
        if line.trim().is_empty() {
            continue;
        }
        let context = || {
            let number = index + 1;
            format!(
                "line {number} of the input is not a record, as {{\"arrival\":\"2026-03-01 22:49:10.000\",\"data\":{{...}}}} is"
            )
        };
        let record = serde_json::from_str(&line).map_err(|error| without_line(&error));
        let record: RecordedRecord<'_> = record.with_context(context)?;
        let bytes = record.bytes();
        let bytes = bytes.ok_or_else(|| anyhow::anyhow!("it needs `data` or `raw`"));
        let arrival: Timestamp = record.arrival.parse().with_context(context)?;
        report.records += 1;
        for rejected in batch.add(&bytes.with_context(context)?, arrival) {
            report.rejected += 1;
            let line = json!({
                "arrival": record.arrival,
                "reason": rejected.reason.to_string(),
                "payload": String::from_utf8_lossy(&rejected.payload),
            });
            writeln!(rejects, "{line}")?;
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
