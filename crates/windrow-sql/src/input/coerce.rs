//! A JSON value as the value of a column.

use std::borrow::Cow;

use windrow_core::decimal::Decimal;
use windrow_core::json::{self, FieldToken, Scaled, TokenKind};
use windrow_core::rejection::Rejection;
use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Finite};

use super::RecordColumn;
use crate::convert::fit;
use crate::types::SqlType;

/// The value of a column.
///
/// # Errors
///
/// [`Rejection`] if it cannot be converted to the column's type. It names the column.
#[inline]
pub(crate) fn coerce<'a>(
    column: &RecordColumn,
    token: &FieldToken<'a>,
) -> Result<FieldValue<'a>, Rejection> {
    let value = match column.sql_type {
        _ if matches!(token.kind(), TokenKind::Missing | TokenKind::Null) => Some(FieldValue::Null),
        SqlType::Real => None,
        SqlType::Double => usual_float(token).map(FieldValue::Float),
        sql_type if sql_type.is_exact() => usual_exact(sql_type, token),
        SqlType::Timestamp => usual_timestamp(token).map(FieldValue::Timestamp),
        SqlType::Varchar(_) => token.text().map(|text| fit(text, column.sql_type)),
        _ => None,
    };
    match value {
        Some(value) => Ok(value),
        None => unusual(column.sql_type, token)
            .map_err(|problem| Rejection::field(&column.name, problem)),
    }
}

/// The float of a number of the usual form.
#[inline]
pub(crate) fn usual_float(token: &FieldToken<'_>) -> Option<Finite> {
    let (is_negative, decimal) = token.decimal()?;
    let float = decimal.nearest_up_to(u8::MAX)?;
    Finite::new(if is_negative { -float } else { float })
}

/// The time of a string of the usual form.
#[inline]
pub(crate) fn usual_timestamp(token: &FieldToken<'_>) -> Option<Timestamp> {
    token.formatted_time().or_else(|| other_timestamp(token))
}

#[inline(never)]
fn other_timestamp(token: &FieldToken<'_>) -> Option<Timestamp> {
    // A number is no timestamp here.
    if token.kind() != TokenKind::Text {
        return None;
    }
    let millis = token.timestamp()?.millis();
    Some(Timestamp::from_millis(millis))
}

fn usual_exact<'a>(sql_type: SqlType, token: &FieldToken<'a>) -> Option<FieldValue<'a>> {
    let (is_negative, decimal) = token.decimal()?;
    let scale = sql_type.scale();
    let unscaled = i128::from(decimal.scale_exactly(scale.into())?);
    let unscaled = if is_negative { -unscaled } else { unscaled };
    let (lowest, highest) = sql_type.bounds()?;
    let is_valid = lowest <= unscaled && unscaled <= highest;
    is_valid.then_some(FieldValue::Number(Decimal { unscaled, scale }))
}

/// The value of a JSON value of any form, or what is wrong with it.
#[inline(never)]
fn unusual<'a>(sql_type: SqlType, token: &FieldToken<'a>) -> Result<FieldValue<'a>, String> {
    let raw = token.raw().map(serde_json::value::RawValue::get);
    // Nothing else has no text than what is missing.
    let raw = raw.ok_or_else(|| "is not JSON".to_owned())?;
    match sql_type {
        SqlType::Boolean => boolean(raw, token),
        SqlType::Char(_) | SqlType::Varchar(_) if raw.starts_with('"') => {
            let text = token.text();
            let text = text.ok_or_else(|| format!("is {}, which is not text", json::quote(raw)))?;
            Ok(fit(text, sql_type))
        }
        SqlType::Char(_) | SqlType::Varchar(_) => Ok(fit(Cow::Borrowed(raw), sql_type)),
        SqlType::Date | SqlType::Time | SqlType::Timestamp => datetime(sql_type, raw, token),
        SqlType::Real | SqlType::Double => float(sql_type, raw, token),
        _ => exact(sql_type, raw, token),
    }
}

fn boolean<'a>(raw: &str, token: &FieldToken<'a>) -> Result<FieldValue<'a>, String> {
    let is_true = match token.kind() {
        TokenKind::True => true,
        TokenKind::False => false,
        TokenKind::Text | TokenKind::EscapedText => token
            .text()
            .is_some_and(|text| text.eq_ignore_ascii_case("true")),
        TokenKind::Nested => return Err(not_a(SqlType::Boolean, raw)),
        _ => raw
            .bytes()
            .take_while(|byte| !matches!(byte, b'e' | b'E'))
            .any(|byte| matches!(byte, b'1'..=b'9')),
    };
    Ok(FieldValue::Boolean(is_true))
}

/// What is wrong with a value that cannot be converted.
fn not_a(sql_type: SqlType, raw: &str) -> String {
    let value = json::quote(raw);
    match sql_type {
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Integer | SqlType::BigInt => {
            format!("is {value}, which is not an integer")
        }
        SqlType::Decimal { .. } | SqlType::Real | SqlType::Double => {
            format!("is {value}, which is not a number")
        }
        SqlType::Date => format!("is {value}, which is not a DATE such as \"1992-02-14\""),
        SqlType::Time => format!("is {value}, which is not a TIME such as \"18:35:44\""),
        SqlType::Timestamp => {
            format!("is {value}, which is not a TIMESTAMP such as \"1992-02-14 18:35:44.0\"")
        }
        _ => format!("is {value}, which is not a {sql_type}"),
    }
}

fn out_of_range(sql_type: SqlType, raw: &str) -> String {
    format!(
        "is {}, which is out of the range of {sql_type}",
        json::quote(raw)
    )
}

/// The text of a number, which may be in a string; one and zero for true and false.
fn number_text<'t>(raw: &'t str, token: &'t FieldToken<'_>) -> Option<Cow<'t, str>> {
    match token.kind() {
        TokenKind::True => Some(Cow::Borrowed("1")),
        TokenKind::False => Some(Cow::Borrowed("0")),
        TokenKind::Nested => None,
        TokenKind::Text | TokenKind::EscapedText => {
            let text = token.text()?;
            let number = text.trim();
            let number = number.strip_prefix('+').unwrap_or(number);
            // What is valid within a string is what is valid outside.
            let is_number = number
                .starts_with(|first: char| first == '-' || first.is_ascii_digit())
                && serde_json::from_str::<&serde_json::value::RawValue>(number).is_ok();
            is_number.then(|| Cow::Owned(number.to_owned()))
        }
        _ => Some(Cow::Borrowed(raw)),
    }
}

fn exact<'a>(
    sql_type: SqlType,
    raw: &str,
    token: &FieldToken<'a>,
) -> Result<FieldValue<'a>, String> {
    let text = number_text(raw, token).ok_or_else(|| not_a(sql_type, raw))?;
    let scale = sql_type.scale();
    let Some(Scaled { value, exact, .. }) = json::scale(&text, scale.into()) else {
        return Err(out_of_range(sql_type, raw));
    };
    if !exact && sql_type.is_integer() {
        return Err(not_a(sql_type, raw));
    }
    if !exact {
        let value = json::quote(raw);
        return Err(format!("is {value}, which has more digits than {sql_type}"));
    }
    match sql_type.bounds() {
        Some((lowest, highest)) if lowest <= value && value <= highest => {
            Ok(FieldValue::Number(Decimal {
                unscaled: value,
                scale,
            }))
        }
        _ => Err(out_of_range(sql_type, raw)),
    }
}

fn float<'a>(
    sql_type: SqlType,
    raw: &str,
    token: &FieldToken<'a>,
) -> Result<FieldValue<'a>, String> {
    let text = number_text(raw, token).ok_or_else(|| not_a(sql_type, raw))?;
    let float = match sql_type {
        SqlType::Real => text.parse::<f32>().map(f64::from),
        _ => text.parse(),
    };
    let float = float.ok().and_then(Finite::new);
    let float = float.ok_or_else(|| out_of_range(sql_type, raw))?;
    Ok(FieldValue::Float(float))
}

/// A day, a time of day or a moment in a string. It is cut to milliseconds, as in Kinesis SQL.
fn datetime<'a>(
    sql_type: SqlType,
    raw: &str,
    token: &FieldToken<'a>,
) -> Result<FieldValue<'a>, String> {
    let is_text = matches!(token.kind(), TokenKind::Text | TokenKind::EscapedText);
    let text = token.text().filter(|_| is_text);
    let text = text.ok_or_else(|| not_a(sql_type, raw))?;
    let text = text.trim();
    let time = match sql_type {
        SqlType::Time => format!("1970-01-01 {text}").parse(),
        // A day alone is its midnight.
        _ if text.len() == "1992-02-14".len() => format!("{text} 00:00:00").parse(),
        _ => text.parse::<Timestamp>(),
    };
    let time = time.map_err(|_| {
        let value = json::quote(text);
        let form = match sql_type {
            SqlType::Date => "1992-02-14",
            SqlType::Time => "18:35:44",
            _ => "1992-02-14 18:35:44.0",
        };
        format!("is {value}, which is not a {sql_type} such as {form}")
    })?;
    let millis = time.millis();
    const DAY: i64 = 86_400_000;
    let millis = match sql_type {
        SqlType::Date => millis - millis.rem_euclid(DAY),
        SqlType::Time => millis.rem_euclid(DAY),
        _ => millis,
    };
    Ok(FieldValue::Timestamp(Timestamp::from_millis(millis)))
}
