//! Parses lines of readings into columns.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Decimal128Builder, Float64Builder, Int32Builder, StringViewBuilder,
    TimestampMillisecondBuilder,
};
use unicorn::reading::Reading;

use super::columns::LineColumns;
use crate::tables::{ColumnKind, READINGS};

/// Builds the columns of `wildrydes` that a query needs.
#[derive(Debug)]
pub(super) struct ReadingColumns(Vec<ReadingColumn>);

#[derive(Debug)]
enum ReadingColumn {
    Name(StringViewBuilder),
    StatusTime(TimestampMillisecondBuilder),
    Latitude(Float64Builder),
    Longitude(Float64Builder),
    Distance(Decimal128Builder),
    HealthPoints(Int32Builder),
    MagicPoints(Int32Builder),
    Day(StringViewBuilder),
}

impl ReadingColumns {
    /// Builds the columns with these indexes, in this order.
    pub(super) fn new(projection: &[usize]) -> Self {
        let column = |index: &usize| {
            Some(match READINGS.columns.get(*index)?.name {
                "Name" => ReadingColumn::Name(StringViewBuilder::new()),
                "StatusTime" => ReadingColumn::StatusTime(TimestampMillisecondBuilder::new()),
                "Latitude" => ReadingColumn::Latitude(Float64Builder::new()),
                "Longitude" => ReadingColumn::Longitude(Float64Builder::new()),
                "Distance" => ReadingColumn::Distance(
                    Decimal128Builder::new().with_data_type(ColumnKind::Metres.data_type()),
                ),
                "HealthPoints" => ReadingColumn::HealthPoints(Int32Builder::new()),
                "MagicPoints" => ReadingColumn::MagicPoints(Int32Builder::new()),
                _ => ReadingColumn::Day(StringViewBuilder::new()),
            })
        };
        Self(projection.iter().filter_map(column).collect())
    }
}

impl LineColumns for ReadingColumns {
    fn push(&mut self, line: &[u8], day: Option<&str>) -> bool {
        let Ok(reading) = Reading::parse(line) else {
            return false;
        };
        for column in &mut self.0 {
            match column {
                ReadingColumn::Name(names) => names.append_value(&reading.name),
                ReadingColumn::StatusTime(times) => {
                    times.append_value(reading.status_time.millis())
                }
                ReadingColumn::Latitude(degrees) => degrees.append_option(reading.latitude),
                ReadingColumn::Longitude(degrees) => degrees.append_option(reading.longitude),
                ReadingColumn::Distance(metres) => {
                    metres.append_value(reading.distance.micrometres())
                }
                ReadingColumn::HealthPoints(points) => points.append_value(reading.health_points),
                ReadingColumn::MagicPoints(points) => points.append_value(reading.magic_points),
                ReadingColumn::Day(days) => days.append_option(day),
            }
        }
        true
    }

    fn take(&mut self) -> Vec<ArrayRef> {
        let array = |column: &mut ReadingColumn| -> ArrayRef {
            match column {
                ReadingColumn::Name(texts) | ReadingColumn::Day(texts) => Arc::new(texts.finish()),
                ReadingColumn::StatusTime(times) => Arc::new(times.finish()),
                ReadingColumn::Latitude(degrees) | ReadingColumn::Longitude(degrees) => {
                    Arc::new(degrees.finish())
                }
                ReadingColumn::Distance(metres) => Arc::new(metres.finish()),
                ReadingColumn::HealthPoints(points) | ReadingColumn::MagicPoints(points) => {
                    Arc::new(points.finish())
                }
            }
        };
        self.0.iter_mut().map(array).collect()
    }
}
