//! The columns of a sensor's readings.

use windrow_core::sensor::{DeclaredReading, DeclaredSensor, Field, FieldRole, Sensor};
use windrow_core::value::FieldValue;

use crate::builder::ColumnBuilder;
use crate::tables::TableColumn;

/// The columns of a sensor's readings, and how to get their values out of a reading.
pub struct ReadingColumns<S: Sensor> {
    /// The columns, in the order of `SELECT *`.
    pub columns: Vec<TableColumn>,
    /// Appends the value of the column with an index.
    pub append: AppendValue<S>,
}

/// Appends the value that the column with an index has in a reading, exactly one.
pub type AppendValue<S> = fn(&S, &<S as Sensor>::Reading<'_>, usize, &mut ColumnBuilder);

impl<S: Sensor> Clone for ReadingColumns<S> {
    fn clone(&self) -> Self {
        Self {
            columns: self.columns.clone(),
            append: self.append,
        }
    }
}

impl<S: Sensor> std::fmt::Debug for ReadingColumns<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("ReadingColumns");
        debug
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl From<&DeclaredSensor> for ReadingColumns<DeclaredSensor> {
    /// A column per field.
    fn from(sensor: &DeclaredSensor) -> Self {
        let column =
            |field: &Field| TableColumn::new(&field.name, field.column_type, meaning(field));
        Self {
            columns: sensor.fields().iter().map(column).collect(),
            append,
        }
    }
}

fn meaning(field: &Field) -> String {
    let role = if field.roles.contains(&FieldRole::Key) {
        "Key"
    } else if field.roles.contains(&FieldRole::Time) {
        "When the reading was taken, UTC"
    } else {
        "Field of the reading"
    };
    let missing = if field.is_nullable {
        "; may be missing"
    } else {
        ""
    };
    [role, missing].concat()
}

fn append(
    _: &DeclaredSensor,
    reading: &DeclaredReading<'_>,
    column: usize,
    values: &mut ColumnBuilder,
) {
    values.value(reading.values.get(column).unwrap_or(&FieldValue::Null));
}
