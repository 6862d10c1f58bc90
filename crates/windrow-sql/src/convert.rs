//! Values as those of another type: CAST, and the assignment to a column.
//!
//! * Text that is too long is cut, by characters. `CHAR` is filled with blanks.
//! * Numbers with more digits after the point than the type has are rounded half away from zero.
//! * What is out of range is an error; nothing wraps.
//! * Floats are formatted as the shortest decimal, timestamps with milliseconds.

use std::borrow::Cow;

use windrow_core::decimal::Decimal;
use windrow_core::value::{FieldValue, Finite};

use crate::exact;
use crate::expression::Type;
use crate::moment;
use crate::types::SqlType;

/// Whether CAST converts from one type to the other.
pub(crate) fn can_cast(from: Type, to: SqlType) -> bool {
    let Type::Sql(from) = from else {
        // An interval is cast to the number of its units, which is done before.
        return from == Type::Null;
    };
    let is_day = |sql_type| matches!(sql_type, SqlType::Date | SqlType::Timestamp);
    let is_clock = |sql_type| matches!(sql_type, SqlType::Time | SqlType::Timestamp);
    from == to
        || from.is_text()
        || to.is_text()
        || (from.is_number() && to.is_number())
        || (is_day(from) && is_day(to))
        || (is_clock(from) && is_clock(to))
}

/// Whether a value of one type may be assigned to a column of the other without CAST.
pub(crate) fn can_assign(from: Type, to: SqlType) -> bool {
    let Type::Sql(from) = from else {
        return from == Type::Null;
    };
    from == to
        || (from.is_text() && to.is_text())
        || (from.is_number() && to.is_number())
        || (from == SqlType::Date && to == SqlType::Timestamp)
        || (from == SqlType::Timestamp && to == SqlType::Date)
}

/// Whether every value of one type is one of the other, as it is.
pub(crate) fn is_same(from: Type, to: SqlType) -> bool {
    match (from, to) {
        (Type::Sql(SqlType::Varchar(from)), SqlType::Varchar(to)) => from <= to,
        (Type::Sql(from), to) => from == to && from != SqlType::Real,
        _ => false,
    }
}

/// The value as one of type `to`.
///
/// # Errors
///
/// Why it cannot be one.
pub(crate) fn convert<'v>(
    value: FieldValue<'v>,
    from: Type,
    to: SqlType,
) -> Result<FieldValue<'v>, String> {
    match value {
        FieldValue::Null => Ok(FieldValue::Null),
        FieldValue::Boolean(boolean) => boolean_to(boolean, to),
        FieldValue::Number(number) => number_to(number, to),
        FieldValue::Float(float) => float_to(float, from, to),
        FieldValue::Timestamp(time) => {
            let from = from.sql().unwrap_or(SqlType::Timestamp);
            if to.is_text() {
                return Ok(fit(Cow::Owned(moment::format(time, from)), to));
            }
            let time = moment::round_to(time, to).ok_or("the time is out of range")?;
            Ok(FieldValue::Timestamp(time))
        }
        FieldValue::Text(text) => text_to(text, to),
    }
}

fn boolean_to(boolean: bool, to: SqlType) -> Result<FieldValue<'static>, String> {
    if to.is_text() {
        let text = if boolean { "TRUE" } else { "FALSE" };
        return Ok(fit(Cow::Borrowed(text), to));
    }
    Ok(FieldValue::Boolean(boolean))
}

/// An exact number in the range of a type.
///
/// # Errors
///
/// Why it is not.
pub(crate) fn in_range(number: Option<Decimal>, to: SqlType) -> Result<Decimal, String> {
    let in_range = number.filter(|number| {
        let (lowest, highest) = to.bounds().unwrap_or((i128::MIN, i128::MAX));
        lowest <= number.unscaled && number.unscaled <= highest
    });
    in_range.ok_or_else(|| match number {
        Some(number) => format!("{number} is out of range for {to}"),
        None => format!("the number is out of range for {to}"),
    })
}

/// A float that is a number.
///
/// # Errors
///
/// If it is not one.
pub(crate) fn finite(float: f64, to: SqlType) -> Result<FieldValue<'static>, String> {
    let float = if to == SqlType::Real {
        f64::from(float as f32)
    } else {
        float
    };
    let finite = Finite::new(float).map(FieldValue::Float);
    finite.ok_or_else(|| format!("the result is out of range for {to}"))
}

fn number_to(number: Decimal, to: SqlType) -> Result<FieldValue<'static>, String> {
    if to.is_exact() {
        let rescaled = exact::rescale(number, to.scale());
        let number = in_range(rescaled, to).map_err(|error| match rescaled {
            Some(_) => error,
            None => format!("{number} is out of range for {to}"),
        })?;
        return Ok(FieldValue::Number(number));
    }
    if to.is_float() {
        return finite(exact::to_float(number), to);
    }
    Ok(fit(Cow::Owned(number.to_string()), to))
}

fn float_to(float: Finite, from: Type, to: SqlType) -> Result<FieldValue<'static>, String> {
    let value = float.value();
    if to.is_float() {
        return finite(value, to);
    }
    let text = float_text(value, from == Type::Sql(SqlType::Real));
    if to.is_exact() {
        let number = in_range(exact::of_text_or_whole(&text, value, to.scale()), to);
        return number
            .map(FieldValue::Number)
            .map_err(|_| format!("{text} is out of range for {to}"));
    }
    Ok(fit(Cow::Owned(text), to))
}

/// The shortest text that is this float. Of a whole `REAL` it has all digits, not zeros for some.
pub(crate) fn float_text(float: f64, is_real: bool) -> String {
    const WHOLE: f64 = (1_u64 << 53) as f64;
    let is_whole = float.fract() == 0.0 && float.abs() < WHOLE;
    if is_real && !is_whole {
        return (float as f32).to_string();
    }
    float.to_string()
}

fn text_to(text: Cow<'_, str>, to: SqlType) -> Result<FieldValue<'_>, String> {
    if to.is_text() {
        return Ok(fit(text, to));
    }
    let trimmed = text.trim();
    let invalid = || format!("'{}' is not a value of {to}", shortened(trimmed));
    if to.is_exact() {
        let number = exact::parse(trimmed, to.scale());
        let number = in_range(Some(number.ok_or_else(invalid)?), to)?;
        return Ok(FieldValue::Number(number));
    }
    if to.is_float() {
        // The parser also takes `inf`, `nan` and their like.
        let is_number = trimmed
            .bytes()
            .all(|byte| !byte.is_ascii_alphabetic() || byte.eq_ignore_ascii_case(&b'e'));
        let float: Option<f64> = trimmed.parse().ok().filter(|_| is_number);
        return finite(float.ok_or_else(invalid)?, to);
    }
    if to == SqlType::Boolean {
        return match trimmed.to_ascii_uppercase().as_str() {
            "TRUE" => Ok(FieldValue::Boolean(true)),
            "FALSE" => Ok(FieldValue::Boolean(false)),
            _ => Err(invalid()),
        };
    }
    let time = moment::parse(trimmed, to).ok_or_else(invalid)?;
    Ok(FieldValue::Timestamp(time))
}

/// The first characters of a text, for a message.
fn shortened(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// A text cut or filled to its type's length.
pub(crate) fn fit(text: Cow<'_, str>, to: SqlType) -> FieldValue<'_> {
    let (length, is_filled) = match to {
        SqlType::Char(length) => (length as usize, true),
        SqlType::Varchar(length) => (length as usize, false),
        _ => return FieldValue::Text(text),
    };
    // A byte or more per character: most texts are short enough without counting.
    let end = if text.len() <= length {
        None
    } else {
        text.char_indices().nth(length).map(|(end, _)| end)
    };
    let text = match (end, text) {
        (None, text) => text,
        (Some(end), Cow::Borrowed(text)) => Cow::Borrowed(&text[..end]),
        (Some(end), Cow::Owned(mut text)) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    };
    if is_filled {
        let missing = length.saturating_sub(text.chars().count());
        if missing > 0 {
            let mut text = text.into_owned();
            text.extend(std::iter::repeat_n(' ', missing));
            return FieldValue::Text(Cow::Owned(text));
        }
    }
    FieldValue::Text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast(text: &str, types: &[SqlType]) -> String {
        let mut value = FieldValue::Text(text.into());
        let mut from = Type::Sql(SqlType::Varchar(100));
        for to in types {
            assert!(can_cast(from, *to));
            match convert(value, from, *to) {
                Ok(converted) => value = converted,
                Err(error) => return error,
            }
            from = Type::Sql(*to);
        }
        value.to_value().to_string()
    }

    #[test]
    fn values_are_rounded_cut_or_out_of_range() {
        use SqlType::*;
        let cents = Decimal {
            precision: 5,
            scale: 2,
        };
        for (text, types, expected) in [
            ("29.5", &[Double, SmallInt][..], "30"),
            ("-29.5", &[Double, SmallInt], "-30"),
            ("361.75", &[Double, SmallInt], "362"),
            (
                "32767.5",
                &[Double, SmallInt],
                "32767.5 is out of range for SMALLINT",
            ),
            ("1.005", &[cents], "1.01"),
            ("1.005", &[Double, cents], "1.01"),
            (
                "4611686018427387904",
                &[Double, BigInt],
                "4611686018427387904",
            ),
            ("177240590", &[Real, Integer], "177240592"),
            ("177240590", &[Real, Varchar(12)], "177240592"),
            ("177240.6", &[Real, Varchar(12)], "177240.6"),
            ("999.995", &[cents], "1000 is out of range for DECIMAL(5,2)"),
            ("1e400", &[Double], "the result is out of range for DOUBLE"),
            ("inf", &[Double], "'inf' is not a value of DOUBLE"),
            ("Bergenhus", &[Varchar(6)], "Bergen"),
            ("Malmö", &[Varchar(5)], "Malmö"),
            ("Malmö", &[Varchar(4)], "Malm"),
            ("ab", &[Char(4)], "ab  "),
            ("x", &[Integer], "'x' is not a value of INTEGER"),
            (" 7 ", &[Integer], "7"),
            ("true", &[Boolean, Varchar(9)], "TRUE"),
            ("0.1", &[Real, Varchar(9)], "0.1"),
            (
                "2026-03-01 10:00:00",
                &[Timestamp, Date, Varchar(30)],
                "2026-03-01",
            ),
        ] {
            assert_eq!(cast(text, types), expected, "{text}");
        }
    }
}
