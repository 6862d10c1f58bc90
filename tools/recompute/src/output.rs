//! Prints rows as text.

use std::io::{self, Write};
use std::sync::mpsc::sync_channel;
use std::thread;

use clap::ValueEnum;
use unicorn::table::{TableLine, table};
use windrow_connect::terminal::printable;
use windrow_core::decimal::Decimal;

use crate::rows::{WindowRow, WindowRows};

/// How rows are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RecomputeFormat {
    /// One table per window, as the producer prints them
    #[default]
    Table,
    /// One JSON object per line
    Lines,
    /// Comma-separated values with a header line
    Csv,
}

/// The columns of a row, named as in the pipeline's table.
const HEADER: &str = "Name,StatusTime,Distance,MinMagicPoints,MaxMagicPoints,MinHealthPoints,\
                      MaxHealthPoints,Readings,WindowSeconds\n";

/// How many rows a thread formats at a time.
const PIECE: usize = 512;

/// How many pieces a thread may format ahead of the output.
const AHEAD: usize = 4;

/// Prints rows, ordered by window and name. JSON lines and CSV are formatted by `threads` threads;
/// tables by one, since a table's width depends on all its rows.
///
/// # Errors
/// If the output cannot be written.
pub fn write(
    rows: &WindowRows,
    format: RecomputeFormat,
    threads: usize,
    output: impl Write,
) -> io::Result<()> {
    match format {
        RecomputeFormat::Table => write_tables(rows, output),
        RecomputeFormat::Lines => write_rows(rows, "", push_json, threads, output),
        RecomputeFormat::Csv => write_rows(rows, HEADER, push_csv, threads, output),
    }
}

/// Writes a header and one line per row. `push` appends a row, given the start of its window.
fn write_rows(
    rows: &WindowRows,
    header: &str,
    push: impl Fn(&mut Vec<u8>, &WindowRow<'_>, &str) -> io::Result<()> + Copy + Send,
    threads: usize,
    mut output: impl Write,
) -> io::Result<()> {
    let text_of = move |first: usize| -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        for (start, rows) in rows.between(first..first.saturating_add(PIECE)) {
            let start = start.to_string();
            for row in rows {
                push(&mut text, &row, &start)?;
                text.push(b'\n');
            }
        }
        Ok(text)
    };
    let pieces = || (0..rows.len()).step_by(PIECE);
    output.write_all(header.as_bytes())?;
    if threads < 2 {
        for piece in pieces() {
            output.write_all(&text_of(piece)?)?;
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
            let text = texts.recv().unwrap_or_else(|_| text_of(piece))?;
            output.write_all(&text)?;
        }
        output.flush()
    })
}

fn push_json(text: &mut Vec<u8>, row: &WindowRow<'_>, start: &str) -> io::Result<()> {
    text.extend_from_slice(b"{\"Name\":");
    serde_json::to_writer(&mut *text, row.name)?;
    text.extend_from_slice(b",\"StatusTime\":\"");
    text.extend_from_slice(start.as_bytes());
    text.extend_from_slice(b"\",\"Distance\":");
    Decimal::from(row.measures.distance).append_to(text);
    for (column, points) in [
        (",\"MinMagicPoints\":", row.measures.min_magic_points),
        (",\"MaxMagicPoints\":", row.measures.max_magic_points),
        (",\"MinHealthPoints\":", row.measures.min_health_points),
        (",\"MaxHealthPoints\":", row.measures.max_health_points),
    ] {
        text.extend_from_slice(column.as_bytes());
        push_integer(text, points);
    }
    text.extend_from_slice(b",\"Readings\":");
    push_integer(text, row.readings);
    text.extend_from_slice(b",\"WindowSeconds\":");
    push_integer(text, row.window_seconds);
    text.push(b'}');
    Ok(())
}

/// Follows RFC 4180 and quotes only where needed.
fn push_csv(text: &mut Vec<u8>, row: &WindowRow<'_>, start: &str) -> io::Result<()> {
    let needs_quotes = |byte| matches!(byte, b',' | b'"' | b'\r' | b'\n');
    if row.name.bytes().any(needs_quotes) {
        text.push(b'"');
        text.extend_from_slice(row.name.replace('"', "\"\"").as_bytes());
        text.push(b'"');
    } else {
        text.extend_from_slice(row.name.as_bytes());
    }
    text.push(b',');
    text.extend_from_slice(start.as_bytes());
    text.push(b',');
    Decimal::from(row.measures.distance).append_to(text);
    text.push(b',');
    for points in [
        row.measures.min_magic_points,
        row.measures.max_magic_points,
        row.measures.min_health_points,
        row.measures.max_health_points,
    ] {
        push_integer(text, points);
        text.push(b',');
    }
    push_integer(text, row.readings);
    text.push(b',');
    push_integer(text, row.window_seconds);
    Ok(())
}

fn push_integer(text: &mut Vec<u8>, value: impl itoa::Integer) {
    text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn write_tables(rows: &WindowRows, mut output: impl Write) -> io::Result<()> {
    for (start, rows) in rows.windows() {
        let rows: Vec<WindowRow<'_>> = rows.collect();
        let seconds = rows.first().map_or(0, |row| row.window_seconds);
        let lines: Vec<TableLine<'_>> = rows
            .iter()
            .map(|row| TableLine {
                name: printable(row.name),
                measures: &row.measures,
                readings: row.readings,
                note: "",
            })
            .collect();
        output.write_all(table(start, seconds, &lines).as_bytes())?;
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicorn::distance::Distance;
    use unicorn::totals::Measures;
    use windrow_core::time::Timestamp;

    use super::*;

    fn row(name: &str, distance: i128, points: i32, readings: u64) -> WindowRow<'_> {
        WindowRow {
            name,
            window_start: Timestamp::from_millis(0),
            window_seconds: 60,
            readings,
            duplicates: 0,
            measures: Measures {
                distance: Distance::from_micrometres(distance),
                min_magic_points: points,
                max_magic_points: 2,
                min_health_points: 3,
                max_health_points: points,
            },
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
            let row = row(&name, distance.into(), points, readings);
            let metres = row.measures.distance.to_string();
            let points = points.to_string();
            let readings = readings.to_string();
            let columns = [&name, "start", &metres, &points, "2", "3", &points, &readings, "60"];

            let mut text = HEADER.as_bytes().to_vec();
            push_csv(&mut text, &row, "start").unwrap();
            let mut reader = csv::Reader::from_reader(text.as_slice());
            let names = reader.headers().unwrap().clone();
            let records: Vec<_> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(records, [csv::StringRecord::from(&columns[..])]);

            let mut text = Vec::new();
            push_json(&mut text, &row, "start").unwrap();
            let object: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(object.len(), columns.len());
            prop_assert_eq!(object["Name"].as_str(), Some(name.as_str()));
            prop_assert_eq!(object["StatusTime"].as_str(), Some("start"));
            let text = String::from_utf8(text).unwrap();
            for (column, value) in names.iter().zip(columns).skip(2) {
                let member = format!(",\"{column}\":{value}");
                prop_assert!(text.contains(&member), "{} {}", text, member);
            }
        }
    }
}
