//! What a unicorn's sensor sends.

pub(crate) mod model;

use std::borrow::Cow;

use serde::Deserialize;

use crate::distance::Distance;
use crate::fast;
use crate::field::{self, RawField};
use crate::rejection::Rejection;
use crate::status_time::StatusTime;

pub(crate) use model::to_line;
pub use model::{LONGEST_NAME, Reading};

impl<'a> Reading<'a> {
    /// Reads one JSON object.
    ///
    /// The order of keys, spacing, unknown fields and escapes do not matter. Of two faults, the one
    /// of the field that this crate's [`Reading`] lists first is told.
    ///
    /// A line in the spelling of [`to_line`](Self::to_line) is read in a seventh of the time that any
    /// JSON takes, and one with the fields in another order or spaces between them in less than a third.
    ///
    /// # Errors
    ///
    /// [`Rejection`], which names the first field that is wrong.
    #[inline]
    pub fn parse(line: &'a [u8]) -> Result<Self, Rejection> {
        match fast::reading(line) {
            Some((reading, b"" | b"\r" | b"\n" | b"\r\n")) => Ok(reading),
            _ => Self::parse_other(line),
        }
    }

    /// Reads a line in another spelling. Apart from [`parse`](Self::parse), whose few registers it
    /// would claim.
    #[inline(never)]
    fn parse_other(line: &'a [u8]) -> Result<Self, Rejection> {
        fast::reading_in_any_order(line).map_or_else(|| Self::parse_any(line), Ok)
    }

    /// Reads one JSON object, whatever it is like.
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

        let fields: ReadingFields<'a> = field::split(line)?;
        Ok(Self {
            name: name(fields.name)?,
            status_time: status_time(fields.status_time)?,
            latitude: field::degrees("Latitude", fields.latitude, 90.0)?,
            longitude: field::degrees("Longitude", fields.longitude, 180.0)?,
            distance: distance(fields.distance, Distance::FARTHEST)?,
            magic_points: field::integer("MagicPoints", fields.magic_points)?,
            health_points: field::integer("HealthPoints", fields.health_points)?,
        })
    }
}

pub(crate) fn name(raw: RawField<'_>) -> Result<Cow<'_, str>, Rejection> {
    let name = field::text("Name", raw)?;
    if name.is_empty() {
        return Err(Rejection::field("Name", "is empty"));
    }
    // Counting characters is only needed where there are more bytes than characters allowed.
    if name.len() > LONGEST_NAME {
        let length = name.chars().count();
        if length > LONGEST_NAME {
            let problem = format!("has {length} characters, more than {LONGEST_NAME}");
            return Err(Rejection::field("Name", problem));
        }
    }
    Ok(name)
}

pub(crate) fn status_time(raw: RawField<'_>) -> Result<StatusTime, Rejection> {
    let text = field::text("StatusTime", raw)?;
    text.parse()
        .map_err(|error| Rejection::field("StatusTime", format!("{} {error}", field::quote(&text))))
}

pub(crate) fn distance(raw: RawField<'_>, farthest: Distance) -> Result<Distance, Rejection> {
    const FIELD: &str = "Distance";
    let scaled = field::number(FIELD, raw, 6)?;
    let quoted = || field::required(FIELD, raw).map(field::quote);
    if scaled.negative {
        let problem = format!("is {}, which is below zero", quoted()?);
        return Err(Rejection::field(FIELD, problem));
    }
    let distance = Distance::from_micrometres(scaled.value);
    if distance > farthest {
        let problem = format!("is {}, which is out of range", quoted()?);
        return Err(Rejection::field(FIELD, problem));
    }
    Ok(distance)
}

/// The bytes with which a record of the Kinesis Producer Library's aggregation starts.
///
/// Source: `aggregation-format.md` of the amazon-kinesis-producer repository.
const KPL_MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];

/// The reading in the first line of a text, and what follows it: nothing, or a newline and what comes
/// after that.
///
/// A line that is read in one pass need not be searched for its end first. But only one in the
/// spelling of [`Reading::to_line`] is read; that there is none here says nothing about the line.
#[inline(always)]
pub fn first_line(text: &[u8]) -> Option<(Reading<'_>, &[u8])> {
    let (reading, after) = fast::reading(text)?;
    let after = after.strip_prefix(b"\r").unwrap_or(after);
    matches!(after, [] | [b'\n', ..]).then_some((reading, after))
}

/// The readings in a record, one a line, each beside the line it was read from.
///
/// Blank lines are passed over; a record with nothing else in it is rejected, since its sender will
/// have meant something by it.
pub fn readings(record: &[u8]) -> impl Iterator<Item = (&[u8], Result<Reading<'_>, Rejection>)> {
    let mut rejection = rejection_of(record);
    let mut rest = record;
    std::iter::from_fn(move || {
        if let Some(rejection) = rejection.take() {
            rest = &[];
            return Some((record, Err(rejection)));
        }
        if let Some((reading, after)) = first_line(rest) {
            let (line, _) = rest.split_at_checked(rest.len() - after.len())?;
            rest = after.get(1..).unwrap_or_default();
            return Some((line, Ok(reading)));
        }
        let line = next_line(&mut rest)?;
        Some((line, Reading::parse(line)))
    })
}

/// The lines in a record that are not blank; or the whole record, with the reason for which it is
/// not made of lines.
pub(crate) fn lines(record: &[u8]) -> impl Iterator<Item = (&[u8], Result<(), Rejection>)> {
    let rejection = rejection_of(record);
    let mut rest = if rejection.is_some() { &[] } else { record };
    let rejected = rejection.map(|rejection| (record, Err(rejection)));
    let lines = std::iter::from_fn(move || next_line(&mut rest));
    rejected.into_iter().chain(lines.map(|line| (line, Ok(()))))
}

/// Why a record is not made of lines, where it is not.
fn rejection_of(record: &[u8]) -> Option<Rejection> {
    if record.starts_with(&KPL_MAGIC) {
        return Some(Rejection::KplAggregated);
    }
    record.trim_ascii().is_empty().then_some(Rejection::Empty)
}

/// Takes the next line that is not blank, without its end.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end)?;
        *rest = after.get(1..).unwrap_or_default();
        if !line.trim_ascii().is_empty() {
            return Some(line);
        }
    }
    None
}
