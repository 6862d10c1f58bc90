//! Parsing of single fields of a JSON object, so that a rejection can name the field.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::number::{Scaled, scale};
use crate::rejection::Rejection;

/// The raw JSON of a field; `None` if it is missing or null.
pub(crate) type RawField<'a> = Option<&'a RawValue>;

/// Splits a line into the raw fields of `F`, without parsing them.
///
/// Uses `serde_json`: without wide vector instructions, `sonic-rs` 0.5.10 takes 1.8 times as long
/// per line, and a deeply nested field overflows its stack.
pub(crate) fn split<'a, F: Deserialize<'a>>(line: &'a [u8]) -> Result<F, Rejection> {
    let text = std::str::from_utf8(line).map_err(|error| Rejection::NotUtf8 {
        at: error.valid_up_to(),
    })?;
    // serde also deserializes a struct from an array of its fields, which is not a reading.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Rejection::NotAnObject(
            "it does not start with {".to_owned(),
        ));
    }
    serde_json::from_str(text).map_err(|error| Rejection::NotAnObject(error.to_string()))
}

pub(crate) fn required<'a>(field: &'static str, raw: RawField<'a>) -> Result<&'a str, Rejection> {
    raw.map(RawValue::get).ok_or(Rejection::Missing { field })
}

pub(crate) fn text<'a>(field: &'static str, raw: RawField<'a>) -> Result<Cow<'a, str>, Rejection> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct FieldText<'a>(#[serde(borrow)] Cow<'a, str>);

    let value = required(field, raw)?;
    if !value.starts_with('"') {
        return Err(Rejection::field(field, "is not a string"));
    }
    serde_json::from_str::<FieldText>(value)
        .map(|text| text.0)
        .map_err(|error| Rejection::field(field, format!("is not a string: {error}")))
}

/// The maximum length of a quote, in characters.
const LONGEST_QUOTE: usize = 60;

/// Quotes a piece of the input for an error message, shortened if it is long.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("`{}...`", &text[..end]),
        None => format!("`{text}`"),
    }
}

pub(crate) fn number(
    field: &'static str,
    raw: RawField<'_>,
    places: i64,
) -> Result<Scaled, Rejection> {
    let value = required(field, raw)?;
    if !value.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(Rejection::field(field, "is not a number"));
    }
    scale(value, places).ok_or_else(|| {
        Rejection::field(field, format!("is {}, which is out of range", quote(value)))
    })
}

/// Parses an integer; `150.0` and `1.5e2` are integers, `150.5` is not.
pub(crate) fn integer<T: TryFrom<i128>>(
    field: &'static str,
    raw: RawField<'_>,
) -> Result<T, Rejection> {
    let scaled = number(field, raw, 0)?;
    let value = required(field, raw)?;
    if !scaled.exact {
        let problem = format!("is {}, which is not an integer", quote(value));
        return Err(Rejection::field(field, problem));
    }
    T::try_from(scaled.value)
        .map_err(|_| Rejection::field(field, format!("is {}, which is out of range", quote(value))))
}

/// Parses a coordinate in degrees, if there is one.
pub(crate) fn degrees(
    field: &'static str,
    raw: RawField<'_>,
    limit: f64,
) -> Result<Option<f64>, Rejection> {
    if raw.is_none() {
        return Ok(None);
    }
    number(field, raw, 0)?;
    let value = required(field, raw)?;
    match value.parse::<f64>() {
        Ok(degrees) if degrees.abs() <= limit => Ok(Some(degrees)),
        _ => {
            let problem = format!("is {}, beyond {limit} degrees", quote(value));
            Err(Rejection::field(field, problem))
        }
    }
}
