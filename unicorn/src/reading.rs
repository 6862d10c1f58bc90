//! Parsing of what a unicorn's sensor sends.

pub(crate) mod model;

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::distance::Distance;
use crate::fast;
use windrow_core::json::short::ShortDecimal;
use windrow_core::json::{
    self, FieldLayout, FieldNames, FieldToken, FieldVisitor, RawField, ValueEnd, ValueStart,
};
use windrow_core::rejection::Rejection;
use windrow_core::time::Timestamp;
use windrow_core::value;

pub use model::{LONGEST_NAME, Reading};

impl<'a> Reading<'a> {
    /// Parses one JSON object.
    ///
    /// The order of keys, spacing, unknown fields and escapes do not matter.
    ///
    /// A line formatted as [`to_line`](Self::to_line) does takes two thirds of the time of other JSON.
    ///
    /// # Errors
    ///
    /// [`Rejection`], which names the invalid field. If several are invalid, it names the one that
    /// is declared first in [`Reading`].
    #[inline]
    pub fn parse(line: &'a [u8]) -> Result<Self, Rejection> {
        match fast::reading(line) {
            Some((reading, b"" | b"\r" | b"\n" | b"\r\n")) => Ok(reading),
            _ => Self::parse_any(line),
        }
    }

    /// Parses a line of any form. A separate function, so that it takes no registers from
    /// [`parse`](Self::parse).
    #[inline(never)]
    fn parse_any(line: &'a [u8]) -> Result<Self, Rejection> {
        let mut fields = UsualFields::default();
        if let Some(object) = json::visit(&NAMES, &mut FieldLayout::default(), line, &mut fields)
            && object.is_all()
            && let Some(reading) = fields.reading()
        {
            return Ok(reading);
        }
        let mut values = [FieldToken::default(); FIELDS];
        json::fields(&NAMES, &mut FieldLayout::default(), line, &mut values)?;
        Self::from_unusual(&values)
    }

    /// Parses values of any form, in the order of the fields, since a rejection names the first
    /// that is invalid.
    #[inline(never)]
    fn from_unusual(values: &[FieldToken<'a>; FIELDS]) -> Result<Self, Rejection> {
        let values = values.each_ref().map(FieldToken::raw);
        let [name_field, time, latitude, longitude, moved, magic, health] = values;
        Ok(Self {
            name: name(name_field)?,
            status_time: value::timestamp("StatusTime", time)?,
            latitude: degrees("Latitude", latitude, 90.0)?,
            longitude: degrees("Longitude", longitude, 180.0)?,
            distance: distance(moved)?,
            magic_points: json::integer("MagicPoints", magic)?,
            health_points: json::integer("HealthPoints", health)?,
        })
    }
}

/// The number of fields.
const FIELDS: usize = 7;

static NAMES: LazyLock<FieldNames> = LazyLock::new(|| {
    let names: [&str; FIELDS] = [
        "Name",
        "StatusTime",
        "Latitude",
        "Longitude",
        "Distance",
        "MagicPoints",
        "HealthPoints",
    ];
    FieldNames::new(names)
});

/// Parses the reading at the start of a text, and returns it with what follows: nothing, or a
/// newline and the rest of the text.
///
/// This is one pass, without a search for the end of the line first. It parses only lines formatted
/// as [`Reading::to_line`] does. `None` does not mean that the line is invalid.
#[inline(always)]
pub fn usual_line(text: &[u8]) -> Option<(Reading<'_>, &[u8])> {
    let (reading, after) = fast::reading(text)?;
    Some((reading, json::line_end(after)?))
}

/// As [`usual_line`], for readings of any form, but without white space around them.
#[inline(never)]
pub fn first_line<'a>(layout: &mut FieldLayout, text: &'a [u8]) -> Option<(Reading<'a>, &'a [u8])> {
    let mut fields = UsualFields::default();
    let rest = json::visit(&NAMES, layout, text, &mut fields)?.line_end()?;
    Some((fields.reading()?, rest))
}

/// The fields of a reading whose values have usual forms.
#[derive(Default)]
struct UsualFields<'a> {
    name: Option<Cow<'a, str>>,
    status_time: Option<Timestamp>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    distance: Option<Distance>,
    magic_points: Option<i32>,
    health_points: Option<i32>,
}

impl<'a> UsualFields<'a> {
    /// The reading; `None` if it lacks a field that it must have.
    #[inline(always)]
    fn reading(self) -> Option<Reading<'a>> {
        Some(Reading {
            name: self.name?,
            status_time: self.status_time?,
            latitude: self.latitude,
            longitude: self.longitude,
            distance: self.distance?,
            magic_points: self.magic_points?,
            health_points: self.health_points?,
        })
    }
}

/// Stops at a value that is invalid or has an unusual form.
impl<'a> FieldVisitor<'a> for UsualFields<'a> {
    #[inline(always)]
    fn visit(&mut self, field: usize, start: ValueStart<'a>) -> Option<ValueEnd<'a>> {
        if field == 0 {
            let (name, end) = start.text()?;
            // A name cannot have more characters than bytes.
            self.name = (1..=LONGEST_NAME).contains(&name.len()).then_some(name);
            return Some(end);
        }
        if field == 1 {
            let (time, end) = start.timestamp()?;
            self.status_time = Some(time);
            return Some(end);
        }
        if let 2 | 3 = field
            && let Some(end) = start.null()
        {
            return Some(end);
        }
        let (is_negative, decimal, end) = start.decimal()?;
        match field {
            2 => self.latitude = Some(usual_degrees(is_negative, decimal, 90)?),
            3 => self.longitude = Some(usual_degrees(is_negative, decimal, 180)?),
            4 => self.distance = Some(usual_distance(is_negative, decimal)?),
            5 => self.magic_points = Some(usual_points(is_negative, decimal)?),
            _ => self.health_points = Some(usual_points(is_negative, decimal)?),
        }
        Some(end)
    }
}

#[inline(always)]
fn usual_degrees(is_negative: bool, degrees: ShortDecimal, limit: u8) -> Option<f64> {
    let degrees = degrees.nearest_up_to(limit)?;
    Some(if is_negative { -degrees } else { degrees })
}

#[inline(always)]
fn usual_distance(is_negative: bool, metres: ShortDecimal) -> Option<Distance> {
    if is_negative {
        return None;
    }
    let distance = Distance::from_micrometres(metres.scale(6)?.into());
    (distance <= Distance::FARTHEST).then_some(distance)
}

#[inline(always)]
fn usual_points(is_negative: bool, points: ShortDecimal) -> Option<i32> {
    let points = i64::try_from(points.scale_exactly(0)?).ok()?;
    i32::try_from(if is_negative { -points } else { points }).ok()
}

fn name(raw: RawField<'_>) -> Result<Cow<'_, str>, Rejection> {
    let name = json::text("Name", raw)?;
    if name.is_empty() {
        return Err(Rejection::field("Name", "is empty"));
    }
    // A name cannot have more characters than bytes, so short ones need not be counted.
    if name.len() > LONGEST_NAME {
        let length = name.chars().count();
        if length > LONGEST_NAME {
            let problem = format!("has {length} characters, more than {LONGEST_NAME}");
            return Err(Rejection::field("Name", problem));
        }
    }
    Ok(name)
}

fn distance(raw: RawField<'_>) -> Result<Distance, Rejection> {
    const FIELD: &str = "Distance";
    let scaled = json::number(FIELD, raw, 6)?;
    let quoted = || json::required(FIELD, raw).map(json::quote);
    if scaled.negative {
        let problem = format!("is {}, which is below zero", quoted()?);
        return Err(Rejection::field(FIELD, problem));
    }
    let distance = Distance::from_micrometres(scaled.value);
    if distance > Distance::FARTHEST {
        let problem = format!("is {}, which is out of range", quoted()?);
        return Err(Rejection::field(FIELD, problem));
    }
    Ok(distance)
}

/// Parses a coordinate in degrees, if there is one.
fn degrees(field: &str, raw: RawField<'_>, limit: f64) -> Result<Option<f64>, Rejection> {
    if raw.is_none() {
        return Ok(None);
    }
    json::number(field, raw, 0)?;
    let value = json::required(field, raw)?;
    match value.parse::<f64>() {
        Ok(degrees) if degrees.abs() <= limit => Ok(Some(degrees)),
        _ => {
            let problem = format!("is {}, beyond {limit} degrees", json::quote(value));
            Err(Rejection::field(field, problem))
        }
    }
}
