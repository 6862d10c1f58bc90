//! Finished rows of Kinesis SQL from an archive.

use std::collections::BTreeMap;
use std::io::{self, Write};

use sql::text::warn;
use thiserror::Error;
use windrow_archive::windows::WindowRows;
use windrow_core::row::{Measure, MergeScope, MergedRow};
use windrow_core::sensor::Sensor as _;
use windrow_core::time::Timestamp;
use windrow_core::value::Value;
use windrow_core::window::Tumbling;
use windrow_sql::batch::finish_rows;
use windrow_sql::finish::FinishedRows;
use windrow_sql::sensor::SqlSensor;

use crate::program::{OwnWindows, RecomputeProgram};

/// Why an application cannot be recomputed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NotRecomputable {
    /// There is nothing to compute.
    #[error(
        "the application has no windows; `sql run` prints the rows of its outputs from a file of records"
    )]
    NoWindows,
    /// Duplicates are left out per window, and the windows have different lengths.
    #[error(
        "readings that are sent twice can be left out only if all pumps have windows of one length; these have {0} s and {1} s"
    )]
    Lengths(u32, u32),
}

/// The program that recomputes the finished rows of an application. The time in the sensor's column
/// for ROWTIME decides the windows.
///
/// # Errors
///
/// [`NotRecomputable`] if there are no windows, or if there is an identity, and the windows have
/// different lengths.
pub fn program(sensor: SqlSensor) -> Result<RecomputeProgram<SqlSensor>, NotRecomputable> {
    if sensor.application().pumps().is_empty() {
        return Err(NotRecomputable::NoWindows);
    }
    let own_windows = OwnWindows {
        scanned_seconds: scanned_seconds(&sensor)?,
        print,
    };
    Ok(RecomputeProgram {
        own_windows: Some(own_windows),
        ..RecomputeProgram::new(sensor, "")
    })
}

/// The length in seconds of the windows to scan: every pump's windows are made of them.
fn scanned_seconds(sensor: &SqlSensor) -> Result<u32, NotRecomputable> {
    let lengths = sensor.application().pumps().iter();
    let lengths: Vec<u32> = lengths.map(|pump| pump.window_seconds()).collect();
    let common = lengths
        .iter()
        .copied()
        .fold(0, greatest_common_divisor)
        .max(1);
    if sensor.has_identity()
        && let Some(other) = lengths.iter().find(|length| **length != common)
    {
        let shortest = lengths.iter().copied().min().unwrap_or(common);
        return Err(NotRecomputable::Lengths(shortest, *other));
    }
    Ok(common)
}

fn greatest_common_divisor(one: u32, other: u32) -> u32 {
    if other == 0 {
        return one;
    }
    greatest_common_divisor(other, one % other)
}

/// The values of a key, the number of readings, and the measures.
type MergedGroup = (Vec<Value>, u64, Vec<Measure>);

/// Merges rows of scanned windows into rows of the pumps' windows, and finishes these.
fn finish(rows: &WindowRows<'_, SqlSensor>) -> FinishedRows {
    let sensor = rows.sensor();
    let schema = sensor.schema();
    let pumps = sensor.application().pumps();
    let mut merged: BTreeMap<(i64, &str, u32), MergedGroup> = BTreeMap::new();
    for row in rows.iter() {
        let values: Vec<Value> = row.key.values().map(Value::from).collect();
        let pump = pumps
            .iter()
            .find(|pump| matches!(values.first(), Some(Value::Text(name)) if name == pump.name()));
        // Every row is of a pump.
        let Some(seconds) = pump.map(|pump| pump.window_seconds()) else {
            continue;
        };
        let Ok(windows) = Tumbling::new(i64::from(seconds) * 1000) else {
            continue;
        };
        let start = windows.window_of(row.window_start.millis()).start;
        let group = merged.entry((start, row.key.text, seconds));
        let (_, readings, measures) = group.or_insert_with(|| (values, 0, Vec::new()));
        *readings += row.readings;
        if measures.is_empty() {
            *measures = row.measures;
            continue;
        }
        let columns = schema.measures().iter().zip(measures);
        for ((column, measure), other) in columns.zip(&row.measures) {
            measure.merge(column.measure_type.kind(), MergeScope::AcrossShards, other);
        }
    }
    let merged: Vec<MergedRow> = merged
        .into_iter()
        .map(|((start, _, window_seconds), (key, readings, measures))| {
            let columns = schema.measures().iter().zip(&measures);
            let measures = columns.map(|(column, measure)| measure.finish(column.measure_type));
            MergedRow {
                key,
                window_start: Timestamp::from_millis(start),
                window_seconds,
                readings,
                duplicates: 0,
                measures: measures.collect(),
                gap: false,
            }
        })
        .collect();
    finish_rows(sensor.application(), &merged)
}

/// Prints finished rows as JSON lines, and on standard error why values that cannot be computed
/// are null.
fn print(rows: &WindowRows<'_, SqlSensor>, output: &mut dyn Write) -> io::Result<()> {
    let finished = finish(rows);
    for row in &finished.rows {
        writeln!(output, "{}", row.to_json())?;
    }
    warn(&finished.problems);
    output.flush()
}
