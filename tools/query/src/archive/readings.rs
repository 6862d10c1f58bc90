//! Lines of readings as columns.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Decimal128Builder, Float64Builder, Int32Builder, StringViewBuilder,
    TimestampMillisecondBuilder,
};
use unicorn::reading::Reading;

use super::provider::LineColumns;
use crate::tables::{Kind, READINGS};

/// Builds the columns of `wildrydes` that are asked for.
#[derive(Debug)]
pub(super) struct ReadingColumns(Vec<Column>);

#[derive(Debug)]
enum Column {
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
    /// For the columns of these numbers, in their order.
    pub(super) fn new(projection: &[usize]) -> Self {
        let column = |index: &usize| {
            Some(match READINGS.columns.get(*index)?.name {
                "Name" => Column::Name(StringViewBuilder::new()),
                "StatusTime" => Column::StatusTime(TimestampMillisecondBuilder::new()),
                "Latitude" => Column::Latitude(Float64Builder::new()),
                "Longitude" => Column::Longitude(Float64Builder::new()),
                "Distance" => Column::Distance(
                    Decimal128Builder::new().with_data_type(Kind::Metres.data_type()),
                ),
                "HealthPoints" => Column::HealthPoints(Int32Builder::new()),
                "MagicPoints" => Column::MagicPoints(Int32Builder::new()),
                _ => Column::Day(StringViewBuilder::new()),
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
                Column::Name(names) => names.append_value(&reading.name),
                Column::StatusTime(times) => times.append_value(reading.status_time.millis()),
                Column::Latitude(degrees) => degrees.append_option(reading.latitude),
                Column::Longitude(degrees) => degrees.append_option(reading.longitude),
                Column::Distance(metres) => metres.append_value(reading.distance.micrometres()),
                Column::HealthPoints(points) => points.append_value(reading.health_points),
                Column::MagicPoints(points) => points.append_value(reading.magic_points),
                Column::Day(days) => days.append_option(day),
            }
        }
        true
    }

    fn take(&mut self) -> Vec<ArrayRef> {
        let array = |column: &mut Column| -> ArrayRef {
            match column {
                Column::Name(texts) | Column::Day(texts) => Arc::new(texts.finish()),
                Column::StatusTime(times) => Arc::new(times.finish()),
                Column::Latitude(degrees) | Column::Longitude(degrees) => {
                    Arc::new(degrees.finish())
                }
                Column::Distance(metres) => Arc::new(metres.finish()),
                Column::HealthPoints(points) | Column::MagicPoints(points) => {
                    Arc::new(points.finish())
                }
            }
        };
        self.0.iter_mut().map(array).collect()
    }
}
