//! Sensors: what a reading is, and what is computed from readings per window and key.
//!
//! A [`Sensor`] is a value, so that its schema may come from a program's types or from text. There
//! are two ways to make one:
//!
//! * [`DeclaredSensor`] is made from a list of [fields](Field), or from a struct with marked fields
//!   by the derive macro of the crate `windrow`. It reads any JSON.
//! * Implementing the trait gives full control over parsing and over what an accumulator holds.

mod accumulator;
mod declared;
mod field;
mod fields;

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::aggregate::Merge;
use crate::codec::Columnar;
use crate::framing::{self, Part};
use crate::json::FieldLayout;
use crate::rejection::Rejection;
use crate::row::{Measure, ReadingOrder};
use crate::schema::{Schema, key_array};
use crate::signature::Signature;
use crate::time::Timestamp;
use crate::value::{FieldValue, Value};
use crate::window::Window;

pub use accumulator::{MeasureAccumulators, OpenMeasures};
pub use declared::{DeclaredInputs, DeclaredReading, DeclaredSensor, SensorError};
pub use field::{Aggregation, Field, FieldRole};
pub use fields::{FieldType, Fields, Fixed, InvalidValue};

/// What a reading is, and what is computed from the readings of a window and key.
pub trait Sensor: Send + Sync + 'static {
    /// A parsed reading, which may borrow from its JSON.
    type Reading<'a>;

    /// What is aggregated of a reading, independent of its JSON.
    type Values: Send + 'static;

    /// The aggregate of the readings of one window and key.
    type Accumulator: Merge + Columnar + Send + Sync + 'static;

    /// The columns of the sensor's rows.
    fn schema(&self) -> &Arc<Schema>;

    /// Parses one JSON object; `None` if the sensor's filter leaves the reading out.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if it is not a reading. It names the invalid field.
    fn parse<'a>(&self, json: &'a [u8]) -> Result<Option<Self::Reading<'a>>, Rejection>;

    /// As [`first_line`](Self::first_line), for the one form that most readings of the sensor have,
    /// if it has a faster parser for that. Tried before it.
    ///
    /// Two methods, since one value with two origins would be copied, which takes an eighth of the
    /// time of parsing.
    #[inline(always)]
    fn usual_line<'a>(&self, _text: &'a [u8]) -> Option<FirstLine<'a, Self::Reading<'a>>> {
        None
    }

    /// Parses the reading at the start of a text in one pass, and returns what follows: nothing, or a
    /// newline and the rest of the text. `reading` is `None`, and becomes the reading unless the
    /// sensor's filter leaves it out. It is filled in place, since copying a large one takes as long as
    /// a tenth of parsing it.
    ///
    /// Returns `None` if the text starts with anything else; then `reading` has no meaning. This does
    /// not mean that its first line is not a reading: white space before one, for example, takes
    /// [`parse`](Self::parse). A sensor that implements this saves the search for the end of each line.
    ///
    /// `layout` is that of the reading before.
    #[inline(always)]
    fn first_line<'a>(
        &self,
        _layout: &mut FieldLayout,
        _text: &'a [u8],
        _reading: &mut Option<Self::Reading<'a>>,
    ) -> Option<&'a [u8]> {
        None
    }

    /// Passes on the readings that count of what was parsed, each in one key and window; or why it
    /// does not count. Usually, that is the reading itself. `arrival` is when its record arrived. What
    /// was parsed may be changed, and has no meaning after that.
    ///
    /// A sensor made of SQL passes on a reading per pump, and none if all of them filter it out.
    #[inline(always)]
    fn split(
        &self,
        reading: &mut Self::Reading<'_>,
        _arrival: Timestamp,
        mut count: impl FnMut(Result<&Self::Reading<'_>, Rejection>),
    ) {
        count(Ok(reading));
    }

    /// The window of a reading that counts, if the sensor has windows of its own. Usually, all
    /// readings have windows of one length, which is set where the sensor runs.
    #[inline(always)]
    fn window(&self, _reading: &Self::Reading<'_>) -> Option<Window> {
        None
    }

    /// The reading's key, as in [`Schema::key_text`].
    fn key<'r>(&self, reading: &'r Self::Reading<'_>) -> Cow<'r, str>;

    /// As [`key`](Self::key), with memory for a key that has to be formatted, for callers that keep it
    /// from one reading to the next.
    #[inline(always)]
    fn key_in<'r>(&self, reading: &'r Self::Reading<'_>, memory: &'r mut String) -> &'r str {
        match self.key(reading) {
            Cow::Borrowed(key) => key,
            Cow::Owned(key) => {
                *memory = key;
                memory
            }
        }
    }

    /// Whether readings have a time. Only then can windows follow it.
    fn has_time(&self) -> bool;

    /// When the sensor took the reading; `None` if readings have no time.
    fn time(&self, reading: &Self::Reading<'_>) -> Option<Timestamp>;

    /// Tells the readings of a key apart: of those with the same identity, one counts per window.
    /// `None` if the reading is never a duplicate.
    ///
    /// Usually the time in nanoseconds since the epoch. Identities beyond ±2^96 are never
    /// duplicates, and those that lie close together take less space in the window state.
    fn identity(&self, reading: &Self::Reading<'_>) -> Option<i128>;

    /// What is aggregated of the reading.
    fn values(&self, reading: &Self::Reading<'_>) -> Self::Values;

    /// The value that each measure of the schema aggregates; [`Value::Null`] for none. An average
    /// or a sum gets the number itself; a count is the sum of ones.
    ///
    /// This is for checks that compute measures independently of the accumulator.
    fn inputs(&self, values: &Self::Values) -> Vec<Value>;

    /// Adds a reading to the accumulator of its window and key.
    fn add(
        &self,
        accumulator: &mut Self::Accumulator,
        values: &Self::Values,
        order: &ReadingOrder<'_>,
    );

    /// The measures of an accumulator, one per column of the schema. Empty if it has no readings.
    fn measures(&self, accumulator: &Self::Accumulator) -> Vec<Measure>;
}

/// The reading in the first line of a text, `None` if the sensor's filter leaves it out; and what
/// follows it.
pub type FirstLine<'a, R> = (Option<R>, &'a [u8]);

/// A part of a record, and the reading in it; `None` if the sensor's filter leaves it out.
pub type ParsedPart<'a, S> = (
    &'a [u8],
    Result<Option<<S as Sensor>::Reading<'a>>, Rejection>,
);

/// Parses the readings in a record, which may follow each other in any way that [`framing`] knows.
/// Returns each with the JSON it was parsed from, and what is not a reading with the reason.
///
/// A record without anything is rejected, since its sender probably meant to send something.
#[inline]
pub fn readings<'a, S: Sensor>(
    sensor: &'a S,
    record: &'a [u8],
) -> impl Iterator<Item = ParsedPart<'a, S>> {
    let mut layout = FieldLayout::default();
    let mut readings = RecordReadings::new(record);
    std::iter::from_fn(move || readings.next(sensor, &mut layout))
}

/// The readings in a record, for callers that keep the layout from one record to the next.
#[derive(Debug)]
pub struct RecordReadings<'a> {
    rejection: Option<Rejection>,
    record: &'a [u8],
    rest: &'a [u8],
}

impl<'a> RecordReadings<'a> {
    /// The readings in a record, as in [`readings`].
    #[inline]
    pub fn new(record: &'a [u8]) -> Self {
        Self {
            rejection: framing::rejection_of(record),
            record,
            rest: record,
        }
    }

    /// Parses the next reading; `None` at the end. `layout` is that of the reading before.
    #[inline]
    pub fn next<S: Sensor>(
        &mut self,
        sensor: &S,
        layout: &mut FieldLayout,
    ) -> Option<ParsedPart<'a, S>> {
        if let Some(rejection) = self.rejection.take() {
            self.rest = &[];
            return Some((self.record, Err(rejection)));
        }
        next_reading(sensor, layout, &mut self.rest)
    }
}

#[inline]
fn next_reading<'a, S: Sensor>(
    sensor: &S,
    layout: &mut FieldLayout,
    rest: &mut &'a [u8],
) -> Option<ParsedPart<'a, S>> {
    *rest = rest.get(framing::separators(rest)..)?;
    if let Some((reading, after)) = sensor.usual_line(rest)
        && framing::may_follow(after)
    {
        let part = rest.get(..rest.len().checked_sub(after.len())?)?;
        *rest = after;
        return Some((part, Ok(reading)));
    }
    let mut reading = None;
    if let Some(after) = sensor.first_line(layout, rest, &mut reading)
        && framing::may_follow(after)
    {
        let part = rest.get(..rest.len().checked_sub(after.len())?)?;
        *rest = after;
        return Some((part, Ok(reading)));
    }
    Some(match framing::next_part(rest)? {
        Part::Object(object) => (object, sensor.parse(object)),
        Part::Other(part) => (part, Err(rejection_of_part(sensor, part))),
    })
}

/// An [identity](Sensor::identity) of these values: 95 bits of their SHA-256, so that two that differ
/// practically never have the same one.
pub fn identity_of<'v>(values: impl IntoIterator<Item = FieldValue<'v>>) -> i128 {
    let digest = Sha256::digest(key_array(values));
    let first = digest.first_chunk().copied().unwrap_or_default();
    (u128::from_be_bytes(first) >> 33) as i128
}

/// Why a part of a text that is not an object is not a reading.
#[cold]
pub fn rejection_of_part<S: Sensor>(sensor: &S, part: &[u8]) -> Rejection {
    if let Some(signature) = Signature::of_other(part) {
        return signature.into();
    }
    if framing::wrong_separators(part) == part.len() {
        let problem = "it does not separate readings; use a newline, a comma or nothing";
        return Rejection::NotAnObject(problem.to_owned());
    }
    match sensor.parse(part) {
        Err(rejection) => rejection,
        Ok(_) => Rejection::NotAnObject("it does not end where it should".to_owned()),
    }
}
