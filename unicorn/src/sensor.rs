//! The unicorn's sensor: its own parser and accumulator on the general pipeline.

use std::borrow::Cow;
use std::sync::Arc;

use windrow_core::decimal::Decimal;
use windrow_core::rejection::Rejection;
use windrow_core::row::{Measure, ReadingOrder};
use windrow_core::schema::Schema;
use windrow_core::sensor::Sensor;
use windrow_core::time::Timestamp;
use windrow_core::value::Value;

use crate::distance::Distance;
use crate::reading::{Reading, first_line};
use crate::row::schema;
use crate::totals::Totals;

/// The sensor of a unicorn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unicorn;

/// What is aggregated of a reading, in 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How far the unicorn moved, in micrometres.
    pub micrometres: i64,
    /// The unicorn's magic.
    pub magic_points: i32,
    /// The unicorn's health.
    pub health_points: i32,
}

impl From<&Reading<'_>> for Sample {
    #[inline]
    fn from(reading: &Reading<'_>) -> Self {
        Self {
            // The distance of a reading always fits 64 bits.
            micrometres: i64::try_from(reading.distance.micrometres()).unwrap_or(i64::MAX),
            magic_points: reading.magic_points,
            health_points: reading.health_points,
        }
    }
}

impl Sensor for Unicorn {
    type Reading<'a> = Reading<'a>;
    type Values = Sample;
    type Accumulator = Totals;

    fn schema(&self) -> &Arc<Schema> {
        schema()
    }

    #[inline]
    fn parse<'a>(&self, json: &'a [u8]) -> Result<Option<Reading<'a>>, Rejection> {
        Reading::parse(json).map(Some)
    }

    #[inline(always)]
    fn first_line<'a>(&self, text: &'a [u8]) -> Option<(Reading<'a>, &'a [u8])> {
        first_line(text)
    }

    #[inline]
    fn key<'r>(&self, reading: &'r Reading<'_>) -> Cow<'r, str> {
        Cow::Borrowed(&reading.name)
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
    fn values(&self, reading: &Reading<'_>) -> Sample {
        reading.into()
    }

    fn inputs(&self, sample: &Sample) -> Vec<Value> {
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
    fn add(&self, totals: &mut Totals, sample: &Sample, _order: &ReadingOrder<'_>) {
        totals.add(*sample);
    }

    fn measures(&self, totals: &Totals) -> Vec<Measure> {
        totals.to_row()
    }
}
