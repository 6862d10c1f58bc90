//! Parsing of what a unicorn's sensor sends.

pub(crate) mod model;

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::distance::Distance;
use crate::fast;
use windrow_core::json::{self, FieldLayout, FieldNames, FieldToken, RawField, TokenKind};
use windrow_core::rejection::Rejection;
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
        let mut values = [FieldToken::default(); FIELDS];
        json::fields(&NAMES, &mut FieldLayout::default(), line, &mut values)?;
        Self::from_fields(&values)
    }

    #[inline(always)]
    fn from_fields(values: &[FieldToken<'a>; FIELDS]) -> Result<Self, Rejection> {
        Self::from_usual(values).map_or_else(|| Self::from_unusual(values), Ok)
    }

    /// The reading with these values; `None` if one is invalid or has an unusual form.
    #[inline(always)]
    fn from_usual(values: &[FieldToken<'a>; FIELDS]) -> Option<Self> {
        let [name, time, latitude, longitude, distance, magic, health] = values;
        Some(Self {
            name: usual_name(name)?,
            status_time: time.timestamp()?,
            latitude: usual_degrees(latitude, 90)?,
            longitude: usual_degrees(longitude, 180)?,
            distance: usual_distance(distance)?,
            magic_points: usual_points(magic)?,
            health_points: usual_points(health)?,
        })
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
    let mut values = [FieldToken::default(); FIELDS];
    let object = json::project(&NAMES, layout, text, &mut values)?;
    let rest = object.line_end()?;
    let reading = Reading::from_fields(&values).ok()?;
    Some((reading, rest))
}

#[inline(always)]
fn usual_name<'a>(value: &FieldToken<'a>) -> Option<Cow<'a, str>> {
    let name = value.text()?;
    // A name cannot have more characters than bytes.
    (1..=LONGEST_NAME).contains(&name.len()).then_some(name)
}

#[inline(always)]
fn usual_degrees(value: &FieldToken<'_>, limit: u8) -> Option<Option<f64>> {
    if let TokenKind::Missing | TokenKind::Null = value.kind() {
        return Some(None);
    }
    let (is_negative, degrees) = value.decimal()?;
    let degrees = degrees.nearest_up_to(limit)?;
    Some(Some(if is_negative { -degrees } else { degrees }))
}

#[inline(always)]
fn usual_distance(value: &FieldToken<'_>) -> Option<Distance> {
    let (false, metres) = value.decimal()? else {
        return None;
    };
    let distance = Distance::from_micrometres(metres.scale(6)?.into());
    (distance <= Distance::FARTHEST).then_some(distance)
}

#[inline(always)]
fn usual_points(value: &FieldToken<'_>) -> Option<i32> {
    let (is_negative, points) = value.decimal()?;
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
