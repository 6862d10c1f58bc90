//! An application as a sensor.

use std::borrow::Cow;
use std::sync::Arc;

use thiserror::Error;
use windrow_core::json::FieldLayout;
use windrow_core::rejection::Rejection;
use windrow_core::row::{Measure, ReadingOrder};
use windrow_core::schema::Schema;
use windrow_core::sensor::{MeasureAccumulators, Sensor, identity_of};
use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Value};
use windrow_core::window::Window;

use crate::application::{InputColumn, InputStream, SqlApplication};
use crate::input::{InputReader, InputRows, InputSchema};
use crate::output::OutputRow;
use crate::plain::{PlainColumns, PlainPlan};
use crate::problem::SqlProblems;
use crate::pump::{EvalError, RowGroup};
use crate::types::SqlType;

pub use crate::plain::{PlainRow, PlainValues};

/// A sensor made of a SQL text and the schema of its input.
///
/// A reading is a JSON object. It counts once per pump that takes it, in the pump's window of its
/// arrival. The rows have the parts of the aggregates; [`SqlApplication::finish`] computes the columns
/// of the output streams.
#[derive(Clone, Debug)]
pub struct SqlSensor {
    application: Arc<SqlApplication>,
    reader: Arc<InputReader>,
    input: Arc<InputSchema>,
    /// The columns that tell readings apart.
    identity: Arc<[usize]>,
    /// The column whose time stands for the arrival.
    rowtime: Option<usize>,
    /// Whether all readings are [`SqlReading::Rows`].
    has_rows: bool,
    /// For readings without rows.
    plain: Option<Arc<PlainPlan>>,
}

/// Why a column cannot be used as asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ColumnError {
    /// There is no such column.
    #[error("the input has no column {name}; it has {columns}")]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        columns: String,
    },
    /// It is not a timestamp.
    #[error("the column {name} is a {sql_type}; only a TIMESTAMP can stand for ROWTIME")]
    NotATime {
        /// Its name.
        name: String,
        /// Its type.
        sql_type: SqlType,
    },
}

/// What was parsed of a JSON object.
#[derive(Debug)]
pub enum SqlReading<'a> {
    /// Its rows.
    Rows(InputRows<'a>),
    /// One group that a row counts in.
    Grouped(GroupedRow),
    /// What counts of its only row, if that is only values of columns.
    Plain(PlainRow<'a>),
}

/// What is aggregated of a reading.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValues {
    /// The values of columns.
    Plain(PlainValues),
    /// The values of measures.
    Measures(Arc<[Value]>),
}

/// A row of the input in a pump's group and window.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupedRow {
    group: RowGroup,
    identity: Option<i128>,
    time: Timestamp,
}

impl SqlSensor {
    /// The sensor of a SQL text that reads this input.
    ///
    /// # Errors
    ///
    /// All [`SqlProblems`] that were found.
    pub fn new(text: &str, input: InputSchema) -> Result<Self, SqlProblems> {
        let columns = input.columns.iter().map(|column| InputColumn {
            name: column.name.clone(),
            sql_type: column.sql_type,
        });
        let stream = InputStream {
            name: input.stream.clone(),
            columns: columns.collect(),
        };
        let sensor = Self {
            application: Arc::new(SqlApplication::new(text, &stream)?),
            reader: Arc::new(InputReader::new(&input)),
            input: Arc::new(input),
            identity: Arc::default(),
            rowtime: None,
            has_rows: false,
            plain: None,
        };
        Ok(sensor.planned())
    }

    /// Plans readings without rows.
    fn planned(self) -> Self {
        let columns = self.reader.flat_columns();
        let columns = columns.filter(|_| !self.has_rows && !self.has_identity());
        let plan = columns
            .and_then(|columns| PlainPlan::new(&self.application, columns, self.rowtime))
            .map(Arc::new);
        Self {
            plain: plan,
            ..self
        }
    }

    /// Makes all readings [`SqlReading::Rows`], for callers that want the values of columns. Parsing
    /// and counting them takes longer.
    pub fn with_rows(self) -> Self {
        let sensor = Self {
            has_rows: true,
            ..self
        };
        sensor.planned()
    }

    /// Makes readings duplicates of each other if these columns are equal, as the producer's retries
    /// are. Without it, every reading counts, as in Kinesis SQL.
    ///
    /// # Errors
    ///
    /// [`ColumnError::Unknown`].
    pub fn with_identity(self, columns: &[impl AsRef<str>]) -> Result<Self, ColumnError> {
        let indices = columns.iter().map(|name| self.column(name.as_ref()));
        let sensor = Self {
            identity: indices.collect::<Result<_, _>>()?,
            ..self
        };
        Ok(sensor.planned())
    }

    /// Whether readings may be duplicates of each other.
    pub fn has_identity(&self) -> bool {
        !self.identity.is_empty()
    }

    /// Makes the time in a column stand for ROWTIME, where it is not known when a reading arrived:
    /// in an archive.
    ///
    /// # Errors
    ///
    /// [`ColumnError`] if there is no such column, or if it is not a timestamp.
    pub fn with_rowtime(self, column: &str) -> Result<Self, ColumnError> {
        let index = self.column(column)?;
        let sql_type = self.input.columns[index].sql_type;
        if sql_type != SqlType::Timestamp {
            return Err(ColumnError::NotATime {
                name: column.to_owned(),
                sql_type,
            });
        }
        let sensor = Self {
            rowtime: Some(index),
            ..self
        };
        Ok(sensor.planned())
    }

    /// The SQL text, planned.
    pub fn application(&self) -> &Arc<SqlApplication> {
        &self.application
    }

    /// The schema of the input.
    pub fn input(&self) -> &InputSchema {
        &self.input
    }

    /// Passes on the rows of the [stateless outputs](SqlApplication::stateless_outputs) that a
    /// reading becomes, in an order that is always the same. Instead of a row, there is a
    /// [`Rejection`] if an expression of a pump has no value; other pumps still write theirs.
    pub fn stateless_rows(
        &self,
        reading: &SqlReading<'_>,
        arrival: Timestamp,
        mut take: impl FnMut(Result<OutputRow, Rejection>),
    ) {
        let SqlReading::Rows(rows) = reading else {
            return;
        };
        for row in rows.iter() {
            let time = match self.rowtime(row, arrival) {
                Ok(time) => time,
                Err(rejection) => {
                    take(Err(rejection));
                    continue;
                }
            };
            // Pumps may share the first pumps of their chains, which fail once.
            let mut failed: Vec<EvalError> = Vec::new();
            for pump in self.application.stateless() {
                for written in pump.rows(row, time) {
                    match written {
                        Ok(written) => take(Ok(written)),
                        Err(error) if failed.contains(&error) => {}
                        Err(error) => {
                            take(Err(rejection(&error)));
                            failed.push(error);
                        }
                    }
                }
            }
        }
    }

    fn column(&self, name: &str) -> Result<usize, ColumnError> {
        let columns = &self.input.columns;
        let index = columns.iter().position(|column| column.name == name);
        index.ok_or_else(|| {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            ColumnError::Unknown {
                name: name.to_owned(),
                columns: names.join(", "),
            }
        })
    }

    /// What tells a row of a reading apart from others in a window; `None` if nothing does. A row may
    /// come through several chains of pumps, and counts once for each.
    fn identity_of(&self, index: usize, chain: usize, row: &[FieldValue<'_>]) -> Option<i128> {
        let values = || self.identity.iter().filter_map(|column| row.get(*column));
        let is_known = values().any(|value| !value.is_null());
        is_known.then(|| {
            // The elements of an array are rows that only their index may tell apart.
            let place = FieldValue::Text(Cow::Owned(format!("{index} {chain}")));
            identity_of(values().cloned().chain([place]))
        })
    }

    /// The time that stands for the arrival of a row.
    fn rowtime(&self, row: &[FieldValue<'_>], arrival: Timestamp) -> Result<Timestamp, Rejection> {
        let Some(column) = self.rowtime else {
            return Ok(arrival);
        };
        match row.get(column) {
            Some(FieldValue::Timestamp(time)) => Ok(*time),
            _ => Err(Rejection::Missing {
                field: self.input.columns[column].name.clone(),
            }),
        }
    }
}

fn rejection(error: &EvalError) -> Rejection {
    let problem = format!(
        "of pump {} has no value for it: {} (line {}, column {})",
        error.pump, error.reason, error.at.line, error.at.column
    );
    Rejection::field(&error.expression, problem)
}

impl Sensor for SqlSensor {
    type Reading<'a> = SqlReading<'a>;
    type Values = SqlValues;
    type Accumulator = MeasureAccumulators;

    fn schema(&self) -> &Arc<Schema> {
        self.application.schema()
    }

    fn parse<'a>(&self, json: &'a [u8]) -> Result<Option<SqlReading<'a>>, Rejection> {
        let rows = self.reader.read(json)?;
        Ok(Some(SqlReading::Rows(rows)))
    }

    fn first_line<'a>(
        &self,
        layout: &mut FieldLayout,
        text: &'a [u8],
        reading: &mut Option<SqlReading<'a>>,
    ) -> Option<&'a [u8]> {
        if let Some(plan) = &self.plain
            && let SqlReading::Plain(plain) = reading.insert(SqlReading::Plain(PlainRow::EMPTY))
        {
            let mut columns = PlainColumns {
                plan,
                columns: &self.input.columns,
                reading: plain,
            };
            let rest = self.reader.visit(layout, text, &mut columns);
            if rest.is_some() && columns.are_complete() {
                return rest;
            }
        }
        let (rows, rest) = self.reader.first_line(layout, text)?;
        *reading = Some(SqlReading::Rows(rows));
        Some(rest)
    }

    fn split(
        &self,
        reading: &mut SqlReading<'_>,
        arrival: Timestamp,
        mut count: impl FnMut(Result<&SqlReading<'_>, Rejection>),
    ) {
        let rows = match reading {
            SqlReading::Rows(rows) => rows,
            SqlReading::Grouped(_) => return count(Ok(reading)),
            SqlReading::Plain(_) => {
                for pump in 0..self.plain.as_ref().map_or(0, |plan| plan.pumps()) {
                    if let SqlReading::Plain(plain) = reading {
                        plain.enter(pump);
                        if self.rowtime.is_none() {
                            plain.millis = arrival.millis();
                        }
                    }
                    count(Ok(reading));
                }
                return;
            }
        };
        for (index, row) in rows.iter().enumerate() {
            let time = match self.rowtime(row, arrival) {
                Ok(time) => time,
                Err(rejection) => {
                    count(Err(rejection));
                    continue;
                }
            };
            for pump in self.application.pumps() {
                for group in pump.groups(row, time) {
                    let grouped = group.map(|group| GroupedRow {
                        identity: self.identity_of(index, group.chain, row),
                        group,
                        time,
                    });
                    match grouped {
                        Ok(grouped) => count(Ok(&SqlReading::Grouped(grouped))),
                        Err(error) => count(Err(rejection(&error))),
                    }
                }
            }
        }
    }

    #[inline]
    fn window(&self, reading: &SqlReading<'_>) -> Option<Window> {
        match reading {
            SqlReading::Rows(_) => None,
            SqlReading::Grouped(row) => Some(row.group.window),
            SqlReading::Plain(reading) => {
                let pump = self.application.pumps().get(reading.pump())?;
                Some(pump.window.window_of(reading.millis))
            }
        }
    }

    /// Nothing before [`split`](Self::split).
    fn key<'r>(&self, reading: &'r SqlReading<'_>) -> Cow<'r, str> {
        match reading {
            SqlReading::Rows(_) => Cow::Borrowed(""),
            SqlReading::Grouped(row) => Cow::Borrowed(&row.group.key),
            SqlReading::Plain(_) => {
                let mut key = String::with_capacity(64);
                self.key_in(reading, &mut key);
                Cow::Owned(key)
            }
        }
    }

    #[inline]
    fn key_in<'r>(&self, reading: &'r SqlReading<'_>, memory: &'r mut String) -> &'r str {
        match reading {
            SqlReading::Rows(_) => "",
            SqlReading::Grouped(row) => &row.group.key,
            SqlReading::Plain(reading) => {
                memory.clear();
                if let Some(plan) = &self.plain {
                    plan.write_key(reading, memory);
                }
                memory
            }
        }
    }

    fn has_time(&self) -> bool {
        self.rowtime.is_some()
    }

    #[inline]
    fn time(&self, reading: &SqlReading<'_>) -> Option<Timestamp> {
        let column = self.rowtime?;
        match reading {
            SqlReading::Grouped(row) => Some(row.time),
            SqlReading::Plain(reading) => Some(Timestamp::from_millis(reading.millis)),
            SqlReading::Rows(rows) => rows.iter().find_map(|row| match row.get(column)? {
                FieldValue::Timestamp(time) => Some(*time),
                _ => None,
            }),
        }
    }

    #[inline]
    fn identity(&self, reading: &SqlReading<'_>) -> Option<i128> {
        match reading {
            SqlReading::Grouped(row) => row.identity,
            _ => None,
        }
    }

    #[inline]
    fn values(&self, reading: &SqlReading<'_>) -> SqlValues {
        match reading {
            SqlReading::Rows(_) => SqlValues::Measures(Arc::default()),
            SqlReading::Grouped(row) => SqlValues::Measures(Arc::clone(&row.group.inputs)),
            SqlReading::Plain(reading) => SqlValues::Plain(reading.values()),
        }
    }

    fn inputs(&self, values: &SqlValues) -> Vec<Value> {
        match values {
            SqlValues::Measures(values) => values.to_vec(),
            SqlValues::Plain(values) => {
                let mut inputs = vec![Value::Null; self.schema().measures().len()];
                if let Some(plan) = &self.plain {
                    plan.inputs(values, |measure, value| inputs[measure] = value);
                }
                inputs
            }
        }
    }

    #[inline]
    fn add(
        &self,
        accumulator: &mut MeasureAccumulators,
        values: &SqlValues,
        order: &ReadingOrder<'_>,
    ) {
        let columns = self.schema().measures().iter();
        let types = columns.map(|column| column.measure_type);
        match values {
            SqlValues::Measures(values) => accumulator.add(types, values.iter(), order),
            SqlValues::Plain(values) => {
                if let Some(plan) = &self.plain {
                    plan.add_to(values, &mut accumulator.open(types), order);
                }
            }
        }
    }

    fn measures(&self, accumulator: &MeasureAccumulators) -> Vec<Measure> {
        accumulator.measures()
    }
}
