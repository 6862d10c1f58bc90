//! Converts the query engine's batches to cells.

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{Cell, CellKind, Heading};
use crate::sql::{Sql, Texts};

/// The headings of a result, spelled as in the tables and the query. The heading of an unnamed
/// expression is its text.
pub fn headings(schema: &Schema, sql: &Sql, texts: &Texts) -> Vec<Heading> {
    let columns = schema.fields().len();
    let heading = |(index, field): (usize, &FieldRef)| {
        let text = texts.get(index, columns);
        Heading {
            name: text.unwrap_or(sql.spelled(field.name())).to_owned(),
            kind: match field.data_type() {
                DataType::Boolean => CellKind::Flag,
                other if other.is_numeric() => CellKind::Number,
                _ => CellKind::Text,
            },
        }
    };
    schema.fields().iter().enumerate().map(heading).collect()
}

/// The rows of a batch.
///
/// Times have the format of `StatusTime`; decimals are exact, without trailing zeros.
///
/// # Errors
/// If a value cannot be formatted, such as a date far outside the calendar.
pub fn rows(
    batch: &RecordBatch,
) -> Result<impl Iterator<Item = Result<Vec<Cell>, ArrowError>>, ArrowError> {
    let columns = batch.columns().iter();
    let formatters = columns.map(|column| Formatter::new(column.as_ref()));
    let formatters: Vec<Formatter<'_>> = formatters.collect::<Result<_, _>>()?;
    let row = move |index| {
        formatters
            .iter()
            .map(|formatter| formatter.cell(index))
            .collect()
    };
    Ok((0..batch.num_rows()).map(row))
}

struct Formatter<'a> {
    array: &'a dyn Array,
    values: ArrayFormatter<'a>,
    is_decimal: bool,
}

impl<'a> Formatter<'a> {
    fn new(array: &'a dyn Array) -> Result<Self, ArrowError> {
        let time = match array.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => "%Y-%m-%d %H:%M:%S%.6f",
            DataType::Timestamp(TimeUnit::Nanosecond, _) => "%Y-%m-%d %H:%M:%S%.9f",
            _ => "%Y-%m-%d %H:%M:%S%.3f",
        };
        let options = FormatOptions::new()
            .with_display_error(false)
            .with_timestamp_format(Some(time))
            .with_timestamp_tz_format(Some(time));
        Ok(Self {
            array,
            values: ArrayFormatter::try_new(array, &options)?,
            is_decimal: matches!(
                array.data_type(),
                DataType::Decimal32(..)
                    | DataType::Decimal64(..)
                    | DataType::Decimal128(..)
                    | DataType::Decimal256(..)
            ),
        })
    }

    fn cell(&self, index: usize) -> Result<Cell, ArrowError> {
        if self.array.is_null(index) {
            return Ok(None);
        }
        let mut text = String::new();
        self.values.value(index).write(&mut text)?;
        if self.is_decimal {
            shorten(&mut text);
        }
        Ok(Some(text))
    }
}

/// Removes a decimal's trailing zeros: `1789.250000` becomes `1789.25`.
pub(crate) fn shorten(decimal: &mut String) {
    if !decimal.contains('.') {
        return;
    }
    let length = decimal.trim_end_matches('0').trim_end_matches('.').len();
    decimal.truncate(length);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        ArrayRef, BooleanArray, Decimal128Array, Float64Array, StringArray,
        TimestampMillisecondArray, TimestampNanosecondArray,
    };

    use super::*;

    #[test]
    fn values_are_formatted_as_in_readings() {
        let metres = |micrometres: Vec<Option<i128>>| {
            let array = Decimal128Array::from(micrometres);
            array.with_precision_and_scale(38, 6).unwrap()
        };
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "name",
                Arc::new(StringArray::from(vec![Some("Shadowfax"), None])),
            ),
            (
                "StatusTime",
                Arc::new(TimestampMillisecondArray::from(vec![1_795_166_228_189, -1])),
            ),
            ("n", Arc::new(TimestampNanosecondArray::from(vec![1, 0]))),
            (
                "sum(wildrydes.Distance)",
                Arc::new(metres(vec![Some(1_789_250_000), Some(-100_000_000_000)])),
            ),
            (
                "Latitude",
                Arc::new(Float64Array::from(vec![40.749167, 1e300])),
            ),
            ("Gap", Arc::new(BooleanArray::from(vec![true, false]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let text = "SELECT name, statustime, 1 AS n, sum(distance), latitude, gap FROM x";
        let sql = Sql::read(text, &crate::wild_rydes::program().tables().unwrap()).unwrap();
        let texts = Texts::of(&sql.parse().unwrap());
        let names: Vec<_> = headings(&batch.schema(), &sql, &texts)
            .into_iter()
            .map(|heading| (heading.name, heading.kind))
            .collect();
        let expected = [
            ("Name", CellKind::Text),
            ("StatusTime", CellKind::Text),
            ("n", CellKind::Text),
            ("sum(Distance)", CellKind::Number),
            ("Latitude", CellKind::Number),
            ("Gap", CellKind::Flag),
        ];
        assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind)));
        let rows: Vec<Vec<Cell>> = rows(&batch).unwrap().map(Result::unwrap).collect();
        let text = |row: &[Cell]| {
            let cells = row.iter().map(|cell| cell.as_deref().unwrap_or("-"));
            cells.collect::<Vec<_>>().join("|")
        };
        assert_eq!(
            text(&rows[0]),
            "Shadowfax|2026-11-20 09:17:08.189|1970-01-01 00:00:00.000000001|1789.25|40.749167|true"
        );
        assert_eq!(
            text(&rows[1]),
            "-|1969-12-31 23:59:59.999|1970-01-01 00:00:00.000000000|-100000|1e300|false"
        );
    }
}
