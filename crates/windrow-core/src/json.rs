//! Parsing of the fields of a JSON object, so that a rejection can name the field.
//!
//! [`project()`] finds the values of wanted fields in one pass, and skips others. Rows, which are
//! fewer than readings, are parsed by way of `serde_json` ([`split`]), which also explains why a
//! text is not an object.

mod escape;
mod layout;
mod number;
mod project;
mod scan;
pub mod short;
mod start;
mod token;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::rejection::Rejection;

pub use layout::{FieldLayout, FieldNames};
pub use number::{Scaled, scale};
pub use project::{Projected, fields, line_end, project, visit};
pub use start::{FieldVisitor, ValueEnd, ValueStart};
pub use token::{FieldToken, TokenBuffer, TokenKind};

/// The raw JSON of a field; `None` if it is missing or null.
pub type RawField<'a> = Option<&'a RawValue>;

/// Splits a line into the raw fields of `F`, without parsing them.
///
/// # Errors
///
/// [`Rejection`] if the line is not a JSON object or has one of the fields twice.
pub fn split<'a, F: Deserialize<'a>>(line: &'a [u8]) -> Result<F, Rejection> {
    serde_json::from_str(object(line)?).map_err(not_an_object)
}

/// Splits a line into the raw fields called `names`, without parsing them. Ignores others.
///
/// # Errors
///
/// [`Rejection`] if the line is not a JSON object or has one of the fields twice.
pub fn split_by_name<'a>(
    line: &'a [u8],
    names: &[impl AsRef<str>],
) -> Result<Vec<RawField<'a>>, Rejection> {
    let mut deserializer = serde_json::Deserializer::from_str(object(line)?);
    let fields = NamedFields { names }
        .deserialize(&mut deserializer)
        .map_err(not_an_object)?;
    deserializer.end().map_err(not_an_object)?;
    Ok(fields)
}

fn object(line: &[u8]) -> Result<&str, Rejection> {
    let text = std::str::from_utf8(line).map_err(|error| Rejection::NotUtf8 {
        at: error.valid_up_to(),
    })?;
    // serde also deserializes a struct from an array of its fields, which is not an object.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Rejection::NotAnObject(
            "it does not start with {".to_owned(),
        ));
    }
    Ok(text)
}

fn not_an_object(error: serde_json::Error) -> Rejection {
    Rejection::NotAnObject(error.to_string())
}

/// The fields of an object, by index into `names`.
struct NamedFields<'n, N> {
    names: &'n [N],
}

impl<'a, N: AsRef<str>> DeserializeSeed<'a> for NamedFields<'_, N> {
    type Value = Vec<RawField<'a>>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a, N: AsRef<str>> Visitor<'a> for NamedFields<'_, N> {
    type Value = Vec<RawField<'a>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct FieldName<'a>(#[serde(borrow)] Cow<'a, str>);

        let mut fields = vec![None; self.names.len()];
        let mut is_known = vec![false; self.names.len()];
        // Usually, the fields are in the order of the names.
        let mut next = 0;
        while let Some(FieldName(name)) = map.next_key()? {
            let is_named = |known: &N| known.as_ref() == name;
            let index = if self.names.get(next).is_some_and(is_named) {
                Some(next)
            } else {
                self.names.iter().position(is_named)
            };
            let Some(index) = index else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if std::mem::replace(&mut is_known[index], true) {
                return Err(M::Error::custom(format!("duplicate field `{name}`")));
            }
            fields[index] = map.next_value::<RawField<'a>>()?;
            next = index + 1;
        }
        Ok(fields)
    }
}

/// The JSON of a field that must be there.
///
/// # Errors
///
/// [`Rejection::Missing`].
pub fn required<'a>(field: &str, raw: RawField<'a>) -> Result<&'a str, Rejection> {
    raw.map(RawValue::get).ok_or_else(|| Rejection::Missing {
        field: field.to_owned(),
    })
}

/// Parses a string.
///
/// # Errors
///
/// [`Rejection`] if it is missing or something else.
pub fn text<'a>(field: &str, raw: RawField<'a>) -> Result<Cow<'a, str>, Rejection> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct FieldText<'a>(#[serde(borrow)] Cow<'a, str>);

    let value = required(field, raw)?;
    if !value.starts_with('"') {
        return Err(Rejection::field(field, "is not a string"));
    }
    // The text between quotes is its own value, unless it has an escape.
    if !value.contains('\\')
        && let Some(text) = value.get(1..value.len() - 1)
    {
        return Ok(Cow::Borrowed(text));
    }
    serde_json::from_str::<FieldText>(value)
        .map(|text| text.0)
        .map_err(|error| Rejection::field(field, format!("is not a string: {error}")))
}

/// The maximum length of a quote, in characters.
const LONGEST_QUOTE: usize = 60;

/// Quotes a piece of the input for an error message, shortened if it is long.
pub fn quote(text: &str) -> String {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("`{}...`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// Parses a number times 10^`places`.
///
/// # Errors
///
/// [`Rejection`] if it is missing, something else, or exceeds 128 bits.
pub fn number(field: &str, raw: RawField<'_>, places: i64) -> Result<Scaled, Rejection> {
    let value = number_text(field, raw)?;
    scale(value, places).ok_or_else(|| out_of_range(field, value))
}

/// The text of a number.
pub(crate) fn number_text<'a>(field: &str, raw: RawField<'a>) -> Result<&'a str, Rejection> {
    let value = required(field, raw)?;
    if !value.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(Rejection::field(field, "is not a number"));
    }
    Ok(value)
}

pub(crate) fn out_of_range(field: &str, value: &str) -> Rejection {
    Rejection::field(field, format!("is {}, which is out of range", quote(value)))
}

/// Parses an integer; `150.0` and `1.5e2` are integers, `150.5` is not.
///
/// # Errors
///
/// [`Rejection`] if it is missing, something else, or out of the range of `T`.
pub fn integer<T: TryFrom<i128>>(field: &str, raw: RawField<'_>) -> Result<T, Rejection> {
    let scaled = number(field, raw, 0)?;
    let value = required(field, raw)?;
    if !scaled.exact {
        let problem = format!("is {}, which is not an integer", quote(value));
        return Err(Rejection::field(field, problem));
    }
    T::try_from(scaled.value).map_err(|_| out_of_range(field, value))
}

/// Appends a text as a JSON string.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    if has_escapes(text) {
        // Text always serializes, and writing to a vector cannot fail.
        let _ = serde_json::to_writer(out, text);
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Whether a text has escapes as a JSON string.
#[inline]
pub(crate) fn has_escapes(text: &str) -> bool {
    // Looks at all bytes, which takes less time than to stop at the first that needs an escape.
    let needs_escape = |byte: u8| matches!(byte, ..b' ' | b'"' | b'\\');
    text.bytes()
        .fold(false, |so_far, byte| so_far | needs_escape(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str) -> Result<Vec<Option<String>>, String> {
        let fields = split_by_name(line.as_bytes(), &["A", "B", "C"]);
        let fields = fields.map_err(|rejection| rejection.to_string())?;
        let text = |field: RawField<'_>| field.map(|raw| raw.get().to_owned());
        Ok(fields.into_iter().map(text).collect())
    }

    #[test]
    fn fields_are_found_in_any_order() {
        let found = |a: &str, b: &str| Ok(vec![Some(a.to_owned()), Some(b.to_owned()), None]);
        assert_eq!(fields(r#"{"A":1,"B":"x"}"#), found("1", "\"x\""));
        assert_eq!(
            fields(r#" { "B" : [{}] , "Z":{"A":7}, "\u0041": 1 , "C": null } "#),
            found("1", "[{}]")
        );
        assert_eq!(fields("{}"), Ok(vec![None; 3]));
    }

    #[test]
    fn other_texts_are_rejected() {
        for (line, reason) in [
            ("", "it does not start with {"),
            ("[1,2,3]", "it does not start with {"),
            ("{\"A\":1} x", "trailing characters at line 1 column 9"),
            (
                "{\"A\":1,\"A\":2}",
                "duplicate field `A` at line 1 column 10",
            ),
            ("{\"A\":1", "EOF while parsing an object at line 1 column 6"),
        ] {
            assert_eq!(
                fields(line),
                Err(format!("the text is not a JSON object: {reason}")),
                "{line}"
            );
        }
    }
}
