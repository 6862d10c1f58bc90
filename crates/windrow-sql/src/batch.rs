//! Runs an application over records, without a stream.

use std::collections::{BTreeMap, HashSet};

use windrow_core::aggregate::Merge as _;
use windrow_core::rejection::Rejection;
use windrow_core::row::{MergedRow, ReadingOrder};
use windrow_core::sensor::{MeasureAccumulators, Sensor as _, readings};
use windrow_core::time::Timestamp;
use windrow_core::window::Window;

use crate::application::SqlApplication;
use crate::finish::{self, FinishedRows};
use crate::output::OutputRow;
use crate::sensor::{SqlReading, SqlSensor};

/// Computes the finished rows of an application from records that are all at hand.
///
/// ```
/// use windrow_sql::batch::SqlBatch;
/// use windrow_sql::input::InputSchema;
/// use windrow_sql::sensor::SqlSensor;
///
/// let input = InputSchema::parse(
///     r#"{"RecordColumns":[{"Name":"TICKER","SqlType":"VARCHAR(4)","Mapping":"$.ticker"}]}"#,
/// )?;
/// let sql = r#"
///     CREATE OR REPLACE STREAM "TRADES" (TICKER VARCHAR(4), HOW_MANY INTEGER);
///     CREATE OR REPLACE PUMP "P" AS INSERT INTO "TRADES"
///     SELECT STREAM TICKER, COUNT(*) FROM SOURCE_SQL_STREAM_001
///     GROUP BY TICKER, STEP(SOURCE_SQL_STREAM_001.ROWTIME BY INTERVAL '10' SECOND);
/// "#;
/// let mut batch = SqlBatch::new(SqlSensor::new(sql, input)?);
/// let arrival = "2026-03-01 22:49:10.000".parse()?;
/// assert!(batch.add(br#"{"ticker":"AMZN"} {"ticker":"AMZN"}"#, arrival).is_empty());
/// let finished = batch.finish();
/// assert_eq!(finished.rows[0].to_json(), r#"{"TICKER":"AMZN","HOW_MANY":2}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqlBatch {
    sensor: SqlSensor,
    groups: BTreeMap<(Window, String), GroupTotals>,
    known: HashSet<(Window, String, i128)>,
    rows: Vec<OutputRow>,
    index: u64,
}

#[derive(Debug)]
struct GroupTotals {
    readings: u64,
    accumulator: MeasureAccumulators,
}

/// A part of a record that is rejected, by one pump or by all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedReading {
    /// The part.
    pub payload: Vec<u8>,
    /// Why.
    pub reason: Rejection,
}

impl SqlBatch {
    /// A batch without records.
    pub fn new(sensor: SqlSensor) -> Self {
        Self {
            sensor,
            groups: BTreeMap::new(),
            known: HashSet::new(),
            rows: Vec::new(),
            index: 0,
        }
    }

    /// Adds a record. Returns what cannot be read of it. A reading may be rejected by one pump and
    /// count in another.
    pub fn add(&mut self, record: &[u8], arrival: Timestamp) -> Vec<RejectedReading> {
        let mut rejected = Vec::new();
        let sensor = self.sensor.clone();
        for (part, reading) in readings(&sensor, record) {
            let mut reject = |reason| {
                rejected.push(RejectedReading {
                    payload: part.to_vec(),
                    reason,
                });
            };
            let mut reading = match reading {
                Ok(Some(reading)) => reading,
                Ok(None) => continue,
                Err(reason) => {
                    reject(reason);
                    continue;
                }
            };
            sensor.stateless_rows(&reading, arrival, |row| match row {
                Ok(row) => self.rows.push(row),
                Err(reason) => reject(reason),
            });
            sensor.split(&mut reading, arrival, |reading| match reading {
                Ok(reading) => self.count(reading, arrival),
                Err(reason) => reject(reason),
            });
        }
        rejected
    }

    fn count(&mut self, reading: &SqlReading<'_>, arrival: Timestamp) {
        let Some(window) = self.sensor.window(reading) else {
            return;
        };
        let key = self.sensor.key(reading).into_owned();
        if let Some(identity) = self.sensor.identity(reading)
            && !self.known.insert((window, key.clone(), identity))
        {
            return;
        }
        let order = ReadingOrder {
            sequence_number: self.index.to_string().into(),
            index: 0,
            time: arrival,
        };
        self.index += 1;
        let totals = self.groups.entry((window, key));
        let totals = totals.or_insert_with(|| GroupTotals {
            readings: 0,
            accumulator: MeasureAccumulators::identity(),
        });
        totals.readings += 1;
        let values = self.sensor.values(reading);
        self.sensor.add(&mut totals.accumulator, &values, &order);
    }

    /// Takes the rows of the outputs without windows that were added since the last call, in the order
    /// of their records.
    pub fn take_rows(&mut self) -> Vec<OutputRow> {
        std::mem::take(&mut self.rows)
    }

    /// Finishes all windows. Rows that were not [taken](Self::take_rows) are before those of windows.
    pub fn finish(mut self) -> FinishedRows {
        let mut rows = self.take_rows();
        let mut finished = self.finish_windows();
        rows.append(&mut finished.rows);
        FinishedRows { rows, ..finished }
    }

    fn finish_windows(self) -> FinishedRows {
        let schema = self.sensor.schema();
        let mut merged = Vec::new();
        for ((window, key), totals) in self.groups {
            // They are the texts of keys of this schema.
            let Ok(key) = schema.key_values(key) else {
                continue;
            };
            let measures = self.sensor.measures(&totals.accumulator);
            let columns = schema.measures().iter().zip(&measures);
            let measures = columns.map(|(column, measure)| measure.finish(column.measure_type));
            merged.push(MergedRow {
                key,
                window_start: Timestamp::from_millis(window.start),
                window_seconds: ((window.end - window.start) / 1000) as u32,
                readings: totals.readings,
                duplicates: 0,
                measures: measures.collect(),
                gap: false,
            });
        }
        finish_rows(self.sensor.application(), &merged)
    }
}

/// Finishes the merged rows of one or more windows, each with all its rows, and sorts them. Rows of
/// other applications are left out.
pub fn finish_rows<'m>(
    application: &SqlApplication,
    merged: impl IntoIterator<Item = &'m MergedRow>,
) -> FinishedRows {
    let known = merged.into_iter().filter(|row| application.has(row));
    let mut finished = application.finish(known).unwrap_or_default();
    finish::sort(&mut finished.rows);
    finished
}
