//! Parsing of what a unicorn's sensor sends.

pub(crate) mod model;

use std::borrow::Cow;

use serde::Deserialize;

use crate::distance::Distance;
use crate::fast;
use windrow_core::json::{self, RawField};
use windrow_core::rejection::Rejection;
use windrow_core::value;

pub use model::{LONGEST_NAME, Reading};

impl<'a> Reading<'a> {
    /// Parses one JSON object.
    ///
    /// The order of keys, spacing, unknown fields and escapes do not matter.
    ///
    /// A line formatted as [`to_line`](Self::to_line) does is parsed in a seventh of the time that
    /// other JSON takes, and one with its fields in another order or with spaces between them in
    /// less than a third.
    ///
    /// # Errors
    ///
    /// [`Rejection`], which names the invalid field. If several are invalid, it names the one that
    /// is declared first in [`Reading`].
    #[inline]
    pub fn parse(line: &'a [u8]) -> Result<Self, Rejection> {
        match fast::reading(line) {
            Some((reading, b"" | b"\r" | b"\n" | b"\r\n")) => Ok(reading),
            _ => Self::parse_other(line),
        }
    }

    /// Parses a line in another format. A separate function, so that it takes no registers from
    /// [`parse`](Self::parse).
    #[inline(never)]
    fn parse_other(line: &'a [u8]) -> Result<Self, Rejection> {
        fast::reading_in_any_order(line).map_or_else(|| Self::parse_any(line), Ok)
    }

    /// Parses any JSON object.
    fn parse_any(line: &'a [u8]) -> Result<Self, Rejection> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct ReadingFields<'a> {
            #[serde(borrow)]
            name: RawField<'a>,
            #[serde(borrow)]
            status_time: RawField<'a>,
            #[serde(borrow)]
            latitude: RawField<'a>,
            #[serde(borrow)]
            longitude: RawField<'a>,
            #[serde(borrow)]
            distance: RawField<'a>,
            #[serde(borrow)]
            magic_points: RawField<'a>,
            #[serde(borrow)]
            health_points: RawField<'a>,
        }

        let fields: ReadingFields<'a> = json::split(line)?;
        Ok(Self {
            name: name(fields.name)?,
            status_time: value::timestamp("StatusTime", fields.status_time)?,
            latitude: degrees("Latitude", fields.latitude, 90.0)?,
            longitude: degrees("Longitude", fields.longitude, 180.0)?,
            distance: distance(fields.distance)?,
            magic_points: json::integer("MagicPoints", fields.magic_points)?,
            health_points: json::integer("HealthPoints", fields.health_points)?,
        })
    }
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

/// Parses the reading in the first line of a text. Also returns what follows it: nothing, or a
/// newline and the rest of the text.
///
/// This is one pass, without a search for the end of the line first. It parses only lines formatted
/// as [`Reading::to_line`] does. `None` does not mean that the line is invalid.
#[inline(always)]
pub fn first_line(text: &[u8]) -> Option<(Reading<'_>, &[u8])> {
    let (reading, after) = fast::reading(text)?;
    let after = after.strip_prefix(b"\r").unwrap_or(after);
    matches!(after, [] | [b'\n', ..]).then_some((reading, after))
}
