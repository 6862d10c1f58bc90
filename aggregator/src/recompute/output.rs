//! Rows as text.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;
use unicorn::distance::Distance;
use unicorn::status_time::StatusTime;

use super::rows::{Row, Rows};

/// How rows are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table a window, as the producer prints them
    #[default]
    Table,
    /// One JSON object a line
    Lines,
    /// Comma-separated values under their names
    Csv,
}

/// The columns of a row, as in the table of the pipeline.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Columns<'a> {
    name: &'a str,
    status_time: &'a str,
    distance: Distance,
    min_magic_points: i32,
    max_magic_points: i32,
    min_health_points: i32,
    max_health_points: i32,
    readings: u64,
    window_seconds: u32,
}

const COLUMNS: [&str; 9] = [
    "Name",
    "StatusTime",
    "Distance",
    "MinMagicPoints",
    "MaxMagicPoints",
    "MinHealthPoints",
    "MaxHealthPoints",
    "Readings",
    "WindowSeconds",
];

/// Prints rows, by window and name.
///
/// # Errors
/// When the output takes no more.
pub fn write(rows: &Rows, format: Format, output: impl Write) -> io::Result<()> {
    match format {
        Format::Table => write_tables(rows, output),
        Format::Lines => write_lines(rows, output),
        Format::Csv => write_csv(rows, output),
    }
}

fn write_lines(rows: &Rows, mut output: impl Write) -> io::Result<()> {
    for (start, rows) in rows.windows() {
        let start = start.to_string();
        for row in rows {
            serde_json::to_writer(&mut output, &columns(&row, &start))?;
            output.write_all(b"\n")?;
        }
    }
    output.flush()
}

fn columns<'a>(row: &Row<'a>, start: &'a str) -> Columns<'a> {
    let figures = row.figures;
    Columns {
        name: row.name,
        status_time: start,
        distance: figures.distance,
        min_magic_points: figures.min_magic_points,
        max_magic_points: figures.max_magic_points,
        min_health_points: figures.min_health_points,
        max_health_points: figures.max_health_points,
        readings: row.readings,
        window_seconds: row.window_seconds,
    }
}

fn write_csv(rows: &Rows, output: impl Write) -> io::Result<()> {
    let mut output = csv::Writer::from_writer(output);
    output.write_record(COLUMNS).map_err(io_error)?;
    for (start, rows) in rows.windows() {
        let start = start.to_string();
        for row in rows {
            let figures = row.figures;
            let record = [
                row.name,
                &start,
                &figures.distance.to_string(),
                &figures.min_magic_points.to_string(),
                &figures.max_magic_points.to_string(),
                &figures.min_health_points.to_string(),
                &figures.max_health_points.to_string(),
                &row.readings.to_string(),
                &row.window_seconds.to_string(),
            ];
            output.write_record(record).map_err(io_error)?;
        }
    }
    output.flush()
}

/// The error of the output itself, so that one can tell that nobody reads it any more.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// The widest a name is printed; longer ones push their line's columns to the right.
const WIDEST_NAME: usize = 32;

fn write_tables(rows: &Rows, mut output: impl Write) -> io::Result<()> {
    for (start, rows) in rows.windows() {
        write_table(start, &rows, &mut output)?;
    }
    output.flush()
}

fn write_table(start: StatusTime, rows: &[Row<'_>], output: &mut impl Write) -> io::Result<()> {
    let width = rows.iter().map(|row| row.name.chars().count()).max();
    let width = width.unwrap_or(0).clamp("Name".len(), WIDEST_NAME);
    let seconds = rows.first().map_or(0, |row| row.window_seconds);
    writeln!(output, "{start}, {seconds} s")?;
    let mut line = |name: &str, columns: [&str; 4]| {
        let [distance, magic, health, readings] = columns;
        writeln!(
            output,
            "  {name:<width$}  {distance:>14}  {magic:>13}  {health:>13}  {readings:>8}"
        )
    };
    line("Name", ["Distance m", "Magic", "Health", "Readings"])?;
    for row in rows {
        let figures = &row.figures;
        let range = |lowest: i32, highest: i32| format!("{lowest}–{highest}");
        line(
            &printable(row.name),
            [
                &figures.distance.to_string(),
                &range(figures.min_magic_points, figures.max_magic_points),
                &range(figures.min_health_points, figures.max_health_points),
                &row.readings.to_string(),
            ],
        )?;
    }
    Ok(())
}

/// Text without characters that would steer the terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character.is_control() {
            true => char::REPLACEMENT_CHARACTER,
            false => character,
        })
        .collect()
}
