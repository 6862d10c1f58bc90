//! The unicorn's sensor: its own parser and accumulator on the general pipeline.

use std::borrow::Cow;
use std::sync::Arc;

use windrow_core::decimal::Decimal;
use windrow_core::json::FieldLayout;
use windrow_core::rejection::Rejection;
use windrow_core::row::{Measure, ReadingOrder};
use windrow_core::schema::Schema;
use windrow_core::sensor::{self, FirstLine, Sensor};
use windrow_core::time::Timestamp;
use windrow_core::value::Value;

use crate::distance::Distance;
use crate::reading::{Reading, first_line, usual_line};
use crate::row::schema;
use crate::totals::{ReadingSample, Totals};

/// The sensor of a unicorn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unicorn;

impl Sensor for Unicorn {
    type Reading<'a> = Reading<'a>;
    type Values = ReadingSample;
    type Accumulator = Totals;

    fn schema(&self) -> &Arc<Schema> {
        schema()
    }

    #[inline]
    fn parse<'a>(&self, json: &'a [u8]) -> Result<Option<Reading<'a>>, Rejection> {
        Reading::parse(json).map(Some)
    }

    #[inline(always)]
    fn usual_line<'a>(&self, text: &'a [u8]) -> Option<FirstLine<'a, Reading<'a>>> {
        let (reading, after) = usual_line(text)?;
        Some((Some(reading), after))
    }

    #[inline]
    fn first_line<'a>(
        &self,
        layout: &mut FieldLayout,
        text: &'a [u8],
        reading: &mut Option<Reading<'a>>,
    ) -> Option<&'a [u8]> {
        let (first, after) = first_line(layout, text)?;
        *reading = Some(first);
        Some(after)
    }

    #[inline]
    fn key<'r>(&self, reading: &'r Reading<'_>) -> Cow<'r, str> {
        Cow::Borrowed(&reading.name)
    }

    fn has_time(&self) -> bool {
        true
    }

    #[inline]
    fn time(&self, reading: &Reading<'_>) -> Option<Timestamp> {
        Some(reading.status_time)
    }

    #[inline]
    fn identity(&self, reading: &Reading<'_>) -> Option<i128> {
        Some(reading.status_time.nanos())
    }

    #[inline]
    fn values(&self, reading: &Reading<'_>) -> ReadingSample {
        reading.into()
    }

    fn inputs(&self, sample: &ReadingSample) -> Vec<Value> {
        let points = |points: i32| {
            Value::Number(Decimal {
                unscaled: points.into(),
                scale: 0,
            })
        };
        let distance = Distance::from_micrometres(sample.micrometres.into());
        let distance = Value::Number(distance.into());
        let [magic, health] = [sample.magic_points, sample.health_points].map(points);
        vec![distance, magic.clone(), magic, health.clone(), health]
    }

    #[inline]
    fn add(&self, totals: &mut Totals, sample: &ReadingSample, _order: &ReadingOrder<'_>) {
        totals.add(*sample);
    }

    fn measures(&self, totals: &Totals) -> Vec<Measure> {
        totals.to_row()
    }
}

/// Parses the readings in a record, one per line ([`windrow_core::sensor::readings`]).
pub fn readings(record: &[u8]) -> impl Iterator<Item = (&[u8], Result<Reading<'_>, Rejection>)> {
    let lines = sensor::readings(&Unicorn, record);
    lines.filter_map(|(line, reading)| Some((line, reading.transpose()?)))
}
