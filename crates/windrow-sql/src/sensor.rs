//! An application as a sensor.

use std::borrow::Cow;
use std::sync::Arc;

use thiserror::Error;
use windrow_core::json::FieldLayout;
use windrow_core::rejection::Rejection;
use windrow_core::row::{Measure, ReadingOrder};
use windrow_core::schema::Schema;
use windrow_core::sensor::{FirstLine, MeasureAccumulators, Sensor, identity_of};
use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Value};
use windrow_core::window::Window;

use crate::application::{InputColumn, InputStream, SqlApplication};
use crate::input::{InputReader, InputRows, InputSchema};
use crate::output::OutputRow;
use crate::problem::SqlProblems;
use crate::pump::{EvalError, RowGroup};
use crate::types::SqlType;

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
        Ok(Self {
            application: Arc::new(SqlApplication::new(text, &stream)?),
            reader: Arc::new(InputReader::new(&input)),
            input: Arc::new(input),
            identity: Arc::default(),
            rowtime: None,
        })
    }

    /// Makes readings duplicates of each other if these columns are equal, as the producer's retries
    /// are. Without it, every reading counts, as in Kinesis SQL.
    ///
    /// # Errors
    ///
    /// [`ColumnError::Unknown`].
    pub fn with_identity(self, columns: &[impl AsRef<str>]) -> Result<Self, ColumnError> {
        let indices = columns.iter().map(|name| self.column(name.as_ref()));
        Ok(Self {
            identity: indices.collect::<Result<_, _>>()?,
            ..self
        })
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
        Ok(Self {
            rowtime: Some(index),
            ..self
        })
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
    type Values = Arc<[Value]>;
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
    ) -> Option<FirstLine<'a, SqlReading<'a>>> {
        let (rows, rest) = self.reader.first_line(layout, text)?;
        Some((Some(SqlReading::Rows(rows)), rest))
    }

    fn split<'a>(
        &self,
        reading: SqlReading<'a>,
        arrival: Timestamp,
        mut count: impl FnMut(Result<SqlReading<'a>, Rejection>),
    ) {
        let rows = match reading {
            SqlReading::Rows(rows) => rows,
            grouped @ SqlReading::Grouped(_) => return count(Ok(grouped)),
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
                    count(match grouped {
                        Ok(grouped) => Ok(SqlReading::Grouped(grouped)),
                        Err(error) => Err(rejection(&error)),
                    });
                }
            }
        }
    }

    fn window(&self, reading: &SqlReading<'_>) -> Option<Window> {
        match reading {
            SqlReading::Rows(_) => None,
            SqlReading::Grouped(row) => Some(row.group.window),
        }
    }

    /// Nothing before [`split`](Self::split).
    fn key<'r>(&self, reading: &'r SqlReading<'_>) -> Cow<'r, str> {
        match reading {
            SqlReading::Rows(_) => Cow::Borrowed(""),
            SqlReading::Grouped(row) => Cow::Borrowed(&row.group.key),
        }
    }

    fn has_time(&self) -> bool {
        self.rowtime.is_some()
    }

    fn time(&self, reading: &SqlReading<'_>) -> Option<Timestamp> {
        let column = self.rowtime?;
        match reading {
            SqlReading::Grouped(row) => Some(row.time),
            SqlReading::Rows(rows) => rows.iter().find_map(|row| match row.get(column)? {
                FieldValue::Timestamp(time) => Some(*time),
                _ => None,
            }),
        }
    }

    fn identity(&self, reading: &SqlReading<'_>) -> Option<i128> {
        match reading {
            SqlReading::Rows(_) => None,
            SqlReading::Grouped(row) => row.identity,
        }
    }

    fn values(&self, reading: &SqlReading<'_>) -> Arc<[Value]> {
        match reading {
            SqlReading::Rows(_) => Arc::default(),
            SqlReading::Grouped(row) => Arc::clone(&row.group.inputs),
        }
    }

    fn inputs(&self, values: &Arc<[Value]>) -> Vec<Value> {
        values.to_vec()
    }

    fn add(
        &self,
        accumulator: &mut MeasureAccumulators,
        values: &Arc<[Value]>,
        order: &ReadingOrder<'_>,
    ) {
        let columns = self.schema().measures().iter();
        let types = columns.map(|column| column.measure_type);
        accumulator.add(types, values.iter(), order);
    }

    fn measures(&self, accumulator: &MeasureAccumulators) -> Vec<Measure> {
        accumulator.measures()
    }
}
