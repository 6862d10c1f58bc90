//! Finished rows of Kinesis SQL from an archive.

use std::collections::BTreeMap;
use std::io::{self, Write};

use sql::text::warn;
use thiserror::Error;
use windrow_archive::windows::{WindowRow, WindowRows};
use windrow_core::row::{Measure, MergeScope, MergedRow};
use windrow_core::sensor::Sensor as _;
use windrow_core::time::Timestamp;
use windrow_core::value::Value;
use windrow_core::window::Tumbling;
use windrow_sql::finish::sort;
use windrow_sql::output::OutputRow;
use windrow_sql::pump::{EvalError, Pump};
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
        .map(|length| i64::from(*length))
        .fold(0, greatest_common_divisor);
    // It divides lengths of 32 bits.
    let common = common.max(1) as u32;
    if sensor.has_identity()
        && let Some(other) = lengths.iter().find(|length| **length != common)
    {
        let shortest = lengths.iter().copied().min().unwrap_or(common);
        return Err(NotRecomputable::Lengths(shortest, *other));
    }
    Ok(common)
}

fn greatest_common_divisor(one: i64, other: i64) -> i64 {
    if other == 0 {
        return one;
    }
    greatest_common_divisor(other, one % other)
}

/// The milliseconds of the shortest period that has whole windows of all pumps.
fn period(sensor: &SqlSensor) -> i64 {
    let pumps = sensor.application().pumps().iter();
    let seconds = pumps.map(|pump| i64::from(pump.window_seconds()));
    let common = seconds.fold(1_i64, |period, length| {
        let divisor = greatest_common_divisor(length, period % length.max(1));
        // If it is longer than any time, there is one period.
        period.saturating_mul(length / divisor.max(1))
    });
    common.saturating_mul(1000)
}

/// The start of a window, the text of its key, and its length in seconds.
type GroupKey<'r> = (i64, &'r str, u32);

/// The values of a key, the number of readings, and the measures.
type MergedGroup = (Vec<Value>, u64, Vec<Measure>);

/// The rows of a period, merged into rows of the pumps' windows.
struct MergedPeriod<'s, 'r> {
    sensor: &'s SqlSensor,
    /// By the name of the pump.
    pumps: BTreeMap<&'s str, BTreeMap<GroupKey<'r>, MergedGroup>>,
}

impl<'s, 'r> MergedPeriod<'s, 'r> {
    fn new(sensor: &'s SqlSensor) -> Self {
        Self {
            sensor,
            pumps: BTreeMap::new(),
        }
    }

    fn add(&mut self, row: WindowRow<'r>) {
        let values: Vec<Value> = row.key.values().map(Value::from).collect();
        let mut pumps = self.sensor.application().pumps().iter();
        let is_own =
            |pump: &&Pump| matches!(values.first(), Some(Value::Text(name)) if name == pump.name());
        // Every row is of a pump.
        let Some(pump) = pumps.find(is_own) else {
            return;
        };
        let seconds = pump.window_seconds();
        let Ok(windows) = Tumbling::new(i64::from(seconds) * 1000) else {
            return;
        };
        let start = windows.window_of(row.window_start.millis()).start;
        let groups = self.pumps.entry(pump.name()).or_default();
        let group = groups.entry((start, row.key.text, seconds));
        let (_, readings, measures) = group.or_insert_with(|| (values, 0, Vec::new()));
        *readings += row.readings;
        if measures.is_empty() {
            *measures = row.measures;
            return;
        }
        let columns = self.sensor.schema().measures().iter().zip(measures);
        for ((column, measure), other) in columns.zip(&row.measures) {
            measure.merge(column.measure_type.kind(), MergeScope::AcrossShards, other);
        }
    }

    /// Finishes the rows. Passes on the problems of each pump.
    fn finish(self, mut note: impl FnMut(&'s str, Vec<EvalError>)) -> Vec<OutputRow> {
        let mut rows = Vec::new();
        for (pump, groups) in self.pumps {
            let groups = groups.into_iter();
            let merged: Vec<MergedRow> = groups
                .map(|(key, group)| merged_row(self.sensor, key, group))
                .collect();
            // All of them are of the application.
            let finished = self
                .sensor
                .application()
                .finish(&merged)
                .unwrap_or_default();
            rows.extend(finished.rows);
            note(pump, finished.problems);
        }
        sort(&mut rows);
        rows
    }
}

fn merged_row(
    sensor: &SqlSensor,
    (start, _, window_seconds): GroupKey<'_>,
    (key, readings, measures): MergedGroup,
) -> MergedRow {
    let columns = sensor.schema().measures().iter().zip(&measures);
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
}

/// Prints finished rows as JSON lines, and on standard error why values that cannot be computed
/// are null.
///
/// One period after the other, so that the finished rows of all windows are never in memory at once.
fn print(rows: &WindowRows<'_, SqlSensor>, output: &mut dyn Write) -> io::Result<()> {
    let sensor = rows.sensor();
    let period = period(sensor);
    let mut problems: BTreeMap<&str, Vec<EvalError>> = BTreeMap::new();
    let mut windows = rows.windows().peekable();
    while let Some((start, rows)) = windows.next() {
        let number = start.millis().div_euclid(period);
        let mut merged = MergedPeriod::new(sensor);
        rows.for_each(|row| merged.add(row));
        while let Some((_, rows)) =
            windows.next_if(|(start, _)| start.millis().div_euclid(period) == number)
        {
            rows.for_each(|row| merged.add(row));
        }
        let finished = merged.finish(|pump, more| problems.entry(pump).or_default().extend(more));
        for row in finished {
            writeln!(output, "{}", row.to_json())?;
        }
    }
    let problems: Vec<EvalError> = problems.into_values().flatten().collect();
    warn(&problems);
    output.flush()
}

#[cfg(test)]
mod tests {
    use windrow_sql::input::InputSchema;

    use super::*;

    #[test]
    fn a_period_has_whole_windows_of_all_pumps() {
        let schema = r#"{"RecordColumns":[{"Name":"A","SqlType":"TIMESTAMP","Mapping":"$.a"}]}"#;
        for (lengths, expected) in [
            (&[60][..], 60_000),
            (&[60, 60], 60_000),
            (&[10, 45], 90_000),
            (&[60, 86_400, 3_600], 86_400_000),
            (&[86_399, 86_381, 86_369, 86_357], i64::MAX),
        ] {
            let pump = |(number, seconds): (usize, &u32)| {
                format!(
                    "CREATE STREAM o{number} (n BIGINT);
                    CREATE PUMP p{number} AS INSERT INTO o{number} SELECT STREAM COUNT(*)
                    FROM SOURCE_SQL_STREAM_001
                    GROUP BY STEP(SOURCE_SQL_STREAM_001.ROWTIME BY INTERVAL '{seconds}' SECOND(5));"
                )
            };
            let text: String = lengths.iter().enumerate().map(pump).collect();
            let sensor = SqlSensor::new(&text, InputSchema::parse(schema).unwrap());
            let sensor = sensor.unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(period(&sensor), expected, "{lengths:?}");
        }
    }
}
