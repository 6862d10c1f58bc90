//! The program for a Kinesis SQL application: its output streams are tables.

use std::sync::Arc;

use sql::text::warn;
use windrow_core::row::MergedRow;
use windrow_core::value::{FieldValue, Value};
use windrow_sql::batch::finish_rows;
use windrow_sql::output::OutputStream;
use windrow_sql::pump::Pump;
use windrow_sql::sensor::{SqlReading, SqlSensor};

use crate::builder::ColumnBuilder;
use crate::columns::ReadingColumns;
use crate::program::QueryProgram;
use crate::tables::{TableColumn, TableLabel};
use crate::view::RowView;

const EXAMPLES: &str = "\
Examples:
  query --sql ticker.sql --schema schema.json \"SHOW TABLES\"
  query --sql ticker.sql --schema schema.json 'SELECT * FROM \"DESTINATION_SQL_STREAM\"'

Each output stream is a table of finished rows. The table `parts` has what they are computed of.";

/// The program for an application, with the names that `local --sql` has.
pub fn program(sensor: SqlSensor) -> QueryProgram<SqlSensor> {
    // The columns of readings are queried.
    let sensor = sensor.with_rows();
    let application = Arc::clone(sensor.application());
    let mut names = TableNames::default();
    let mut view = |stream: &OutputStream| {
        let columns = stream.columns.iter().map(|(name, sql_type)| {
            TableColumn::new(name, sql_type.column_type(), sql_type.to_string())
        });
        let (application, name) = (Arc::clone(&application), stream.name.clone());
        let rows = move |merged: &[MergedRow]| -> Vec<Vec<Value>> {
            let mut finished = finish_rows(&application, merged);
            let pumps = application.pumps().iter();
            let pumps: Vec<&str> = pumps
                .filter(|pump| pump.stream() == name)
                .map(Pump::name)
                .collect();
            finished
                .problems
                .retain(|problem| pumps.contains(&problem.pump.as_str()));
            warn(&finished.problems);
            let of_stream = finished.rows.into_iter();
            let of_stream = of_stream.filter(|row| row.stream.name == name);
            of_stream.map(|row| row.values).collect()
        };
        RowView::new(
            names.unique(&stream.name),
            "The finished rows of this output stream",
            columns.collect(),
            rows,
        )
    };
    let views = application.outputs().map(&mut view).collect();
    let columns = columns(&sensor);
    QueryProgram {
        table: "sql".to_owned(),
        stream: "wildrydes".to_owned(),
        rejects_stream: "sql-rejects".to_owned(),
        readings: TableLabel::new(names.unique("readings"), "A reading, from the archive"),
        rows: TableLabel::new(
            names.unique("parts"),
            "The parts of a group's aggregates, merged",
        ),
        rejects: TableLabel::new(
            names.unique("rejects"),
            "A rejected reading or row, with its reason",
        ),
        views,
        examples: EXAMPLES.to_owned(),
        ..QueryProgram::with_columns(sensor, "sql", columns)
    }
}

/// Names of tables, which differ not only in case. Those of output streams come first.
#[derive(Default)]
struct TableNames(Vec<String>);

impl TableNames {
    /// The name, with a number if it is taken.
    fn unique(&mut self, name: &str) -> String {
        let mut unique = name.to_owned();
        let mut number = 2;
        while self.0.contains(&unique.to_lowercase()) {
            unique = format!("{name}_{number}");
            number += 1;
        }
        self.0.push(unique.to_lowercase());
        unique
    }
}

/// The columns of the input. Of a reading whose array is flattened, those of its first element.
fn columns(sensor: &SqlSensor) -> ReadingColumns<SqlSensor> {
    let columns = sensor.input().columns.iter().map(|column| {
        let meaning = format!("{} from {}", column.sql_type, column.path);
        TableColumn::new(&column.name, column.sql_type.column_type(), meaning)
    });
    ReadingColumns {
        columns: columns.collect(),
        append,
    }
}

fn append(_: &SqlSensor, reading: &SqlReading<'_>, column: usize, values: &mut ColumnBuilder) {
    let value = match reading {
        SqlReading::Rows(rows) => rows.first(column),
        _ => None,
    };
    let is_valid = values.value(value.unwrap_or(&FieldValue::Null));
    debug_assert!(is_valid, "column {column} has another type");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_not_only_in_case() {
        let mut names = TableNames::default();
        let unique = ["Readings", "readings", "READINGS", "parts"].map(|name| names.unique(name));
        assert_eq!(unique, ["Readings", "readings_2", "READINGS_3", "parts"]);
    }
}
