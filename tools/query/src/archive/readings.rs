//! Parses lines of readings into columns.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use windrow_core::sensor::Sensor;

use super::columns::{ArchiveContents, LineColumns, Pushed};
use crate::builder::ColumnBuilder;
use crate::columns::{AppendValue, ReadingColumns};
use crate::tables::Table;

/// Readings of a sensor.
#[derive(Debug)]
pub struct ReadingContents<S: Sensor> {
    sensor: Arc<S>,
    columns: ReadingColumns<S>,
}

impl<S: Sensor> ReadingContents<S> {
    /// Readings of `sensor` with these columns, which precede the day of arrival.
    pub fn new(sensor: Arc<S>, columns: ReadingColumns<S>) -> Self {
        Self { sensor, columns }
    }
}

impl<S: Sensor> ArchiveContents for ReadingContents<S> {
    fn columns(&self, table: &Table, projection: &[usize]) -> Box<dyn LineColumns> {
        let count = self.columns.columns.len();
        let builder = |index: &usize| {
            let builder = ColumnBuilder::new(table.columns.get(*index)?.kind);
            Some(((*index < count).then_some(*index), builder))
        };
        Box::new(ReadingLines {
            sensor: Arc::clone(&self.sensor),
            append: self.columns.append,
            columns: projection.iter().filter_map(builder).collect(),
        })
    }
}

/// Builds the columns that a query needs.
struct ReadingLines<S: Sensor> {
    sensor: Arc<S>,
    append: AppendValue<S>,
    /// The column's index in the readings; `None` for the day of arrival.
    columns: Vec<(Option<usize>, ColumnBuilder)>,
}

impl<S: Sensor> LineColumns for ReadingLines<S> {
    fn push(&mut self, line: &[u8], day: Option<&str>) -> Pushed {
        let reading = match self.sensor.parse(line) {
            Ok(Some(reading)) => reading,
            Ok(None) => return Pushed::Filtered,
            Err(_) => return Pushed::Broken,
        };
        for (index, builder) in &mut self.columns {
            match index {
                Some(index) => (self.append)(&self.sensor, &reading, *index, builder),
                None => match day {
                    Some(day) => {
                        builder.text(day);
                    }
                    None => builder.null(),
                },
            }
        }
        Pushed::Row
    }

    fn take(&mut self) -> Vec<ArrayRef> {
        let columns = self.columns.iter_mut();
        columns.map(|(_, builder)| builder.finish()).collect()
    }
}
