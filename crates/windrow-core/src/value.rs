//! Values of a row's columns, and their JSON.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use crate::decimal::Decimal;
use crate::json::{self, RawField, ValueEnd, ValueStart};
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Text,
    /// An exact number: an integer or a decimal.
    Number(NumberType),
    /// A finite 64-bit float.
    Float,
    /// True or false.
    Boolean,
    /// A moment in UTC, to the nanosecond.
    Timestamp,
}

/// An exact number: an integer from `lowest` to `highest`, divided by 10^`scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberType {
    /// The number of digits after the point.
    pub scale: u8,
    /// The lowest integer.
    pub lowest: i128,
    /// The highest integer.
    pub highest: i128,
}

impl NumberType {
    /// Integers of 32 bits.
    pub const I32: Self = Self::between(i32::MIN as i128, i32::MAX as i128);
    /// Integers of 64 bits.
    pub const I64: Self = Self::between(i64::MIN as i128, i64::MAX as i128);
    /// Counts.
    pub const U64: Self = Self::between(0, u64::MAX as i128);

    /// Integers from `lowest` to `highest`.
    pub const fn between(lowest: i128, highest: i128) -> Self {
        Self {
            scale: 0,
            lowest,
            highest,
        }
    }

    /// Any number with up to `scale` digits after the point.
    pub const fn any(scale: u8) -> Self {
        Self {
            scale,
            lowest: i128::MIN,
            highest: i128::MAX,
        }
    }

    /// Decimals with up to `scale` digits after the point, and 38 digits in all.
    pub const fn decimal(scale: u8) -> Self {
        const HIGHEST: i128 = 10_i128.pow(38) - 1;
        Self {
            scale,
            lowest: -HIGHEST,
            highest: HIGHEST,
        }
    }
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// There is none.
    Null,
    /// True or false.
    Boolean(bool),
    /// An exact number.
    Number(Decimal),
    /// A float.
    Float(Finite),
    /// A moment.
    Timestamp(Timestamp),
    /// Text.
    Text(String),
}

/// The value of a reading's field, which may borrow from its JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// There is none.
    Null,
    /// True or false.
    Boolean(bool),
    /// An exact number.
    Number(Decimal),
    /// A float.
    Float(Finite),
    /// A moment.
    Timestamp(Timestamp),
    /// Text.
    Text(Cow<'a, str>),
}

/// A float that is a number, ordered numerically. There is only one zero.
#[derive(Clone, Copy, Debug)]
pub struct Finite(f64);

impl Finite {
    /// The float; `None` if it is infinite or not a number.
    pub fn new(value: f64) -> Option<Self> {
        // Adding zero turns the negative zero into the positive one.
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// The float.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Finite {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Finite {}

impl std::hash::Hash for Finite {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl<'a> FieldValue<'a> {
    /// Parses a field's JSON. A missing field is [`FieldValue::Null`].
    ///
    /// # Errors
    ///
    /// [`Rejection`] if it has another type or is out of range. It names the field.
    pub fn parse(
        column_type: ColumnType,
        field: &str,
        raw: RawField<'a>,
    ) -> Result<Self, Rejection> {
        if raw.is_none() {
            return Ok(Self::Null);
        }
        match column_type {
            ColumnType::Text => json::text(field, raw).map(Self::Text),
            ColumnType::Number(number) => decimal(field, raw, number).map(Self::Number),
            ColumnType::Float => float(field, raw).map(Self::Float),
            ColumnType::Boolean => match json::required(field, raw)? {
                "true" => Ok(Self::Boolean(true)),
                "false" => Ok(Self::Boolean(false)),
                _ => Err(Rejection::field(field, "is neither true nor false")),
            },
            ColumnType::Timestamp => timestamp(field, raw).map(Self::Timestamp),
        }
    }

    /// The value of a field, and its end; `None` if it is null or invalid or has an unusual form,
    /// which takes [`parse`](Self::parse).
    #[inline(always)]
    pub(crate) fn from_usual(
        column_type: ColumnType,
        start: ValueStart<'a>,
    ) -> Option<(Self, ValueEnd<'a>)> {
        match column_type {
            ColumnType::Text => {
                let (text, end) = start.text()?;
                Some((Self::Text(text), end))
            }
            ColumnType::Number(number) => {
                let (is_negative, decimal, end) = start.decimal()?;
                let unscaled = i128::from(decimal.scale_exactly(number.scale.into())?);
                let unscaled = if is_negative { -unscaled } else { unscaled };
                let is_valid = number.lowest <= unscaled && unscaled <= number.highest;
                let value = Self::Number(Decimal {
                    unscaled,
                    scale: number.scale,
                });
                is_valid.then_some((value, end))
            }
            ColumnType::Float => {
                let (is_negative, decimal, end) = start.decimal()?;
                let float = decimal.nearest_up_to(u8::MAX)?;
                let float = Finite::new(if is_negative { -float } else { float })?;
                Some((Self::Float(float), end))
            }
            ColumnType::Boolean => {
                let (value, end) = start.boolean()?;
                Some((Self::Boolean(value), end))
            }
            ColumnType::Timestamp => {
                let (time, end) = start.timestamp()?;
                Some((Self::Timestamp(time), end))
            }
        }
    }

    /// Appends the value as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend(b"null"),
            Self::Boolean(false) => out.extend(b"false"),
            Self::Boolean(true) => out.extend(b"true"),
            Self::Text(text) => json::write_text(text, out),
            Self::Number(number) => number.append_to(out),
            Self::Float(float) => write_float(*float, out),
            Self::Timestamp(time) => json::write_text(&time.to_exact_string(), out),
        }
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// The value of a row.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Number(number) => Value::Number(*number),
            Self::Float(float) => Value::Float(*float),
            Self::Timestamp(time) => Value::Timestamp(*time),
            Self::Text(text) => Value::Text(text.clone().into_owned()),
        }
    }
}

impl<'a> From<&'a Value> for FieldValue<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Number(number) => Self::Number(*number),
            Value::Float(float) => Self::Float(*float),
            Value::Timestamp(time) => Self::Timestamp(*time),
            Value::Text(text) => Self::Text(Cow::Borrowed(text)),
        }
    }
}

impl From<FieldValue<'_>> for Value {
    fn from(value: FieldValue<'_>) -> Self {
        match value {
            FieldValue::Text(text) => Self::Text(text.into_owned()),
            other => other.to_value(),
        }
    }
}

impl Value {
    /// Parses a field's JSON. A missing field is [`Value::Null`].
    ///
    /// # Errors
    ///
    /// [`Rejection`] if it has another type or is out of range. It names the field.
    pub fn parse(
        column_type: ColumnType,
        field: &str,
        raw: RawField<'_>,
    ) -> Result<Self, Rejection> {
        FieldValue::parse(column_type, field, raw).map(Self::from)
    }

    /// Appends the value as JSON.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        FieldValue::from(self).write_json(out);
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }
}

/// Formats the value without quotes; nothing if there is none.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Boolean(value) => value.fmt(formatter),
            Self::Number(number) => number.fmt(formatter),
            Self::Float(float) => float.value().fmt(formatter),
            Self::Timestamp(time) => formatter.write_str(&time.to_exact_string()),
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

/// Parses a time: a string, or a number of seconds or milliseconds since the epoch
/// ([`Timestamp::from_number`]).
///
/// # Errors
///
/// [`Rejection`] if it is missing or something else.
pub fn timestamp(field: &str, raw: RawField<'_>) -> Result<Timestamp, Rejection> {
    let value = json::required(field, raw)?;
    let invalid =
        |text: &str, error| Rejection::field(field, format!("{} {error}", json::quote(text)));
    if value.starts_with('"') {
        let text = json::text(field, raw)?;
        return text.parse().map_err(|error| invalid(&text, error));
    }
    if !value.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(Rejection::field(field, "is neither a string nor a number"));
    }
    Timestamp::from_number(value).map_err(|error| invalid(value, error))
}

/// Parses an exact number.
pub(crate) fn decimal(
    field: &str,
    raw: RawField<'_>,
    number_type: NumberType,
) -> Result<Decimal, Rejection> {
    let scale = number_type.scale;
    let scaled = json::number(field, raw, scale.into())?;
    let value = json::required(field, raw)?;
    if !scaled.exact && scale == 0 {
        let problem = format!("is {}, which is not an integer", json::quote(value));
        return Err(Rejection::field(field, problem));
    }
    if !scaled.exact {
        let digits = if scale == 1 { "digit" } else { "digits" };
        let value = json::quote(value);
        let problem = format!("is {value}, with more than {scale} {digits} after the point");
        return Err(Rejection::field(field, problem));
    }
    if scaled.negative && number_type.lowest == 0 {
        let problem = format!("is {}, which is below zero", json::quote(value));
        return Err(Rejection::field(field, problem));
    }
    if scaled.value < number_type.lowest || number_type.highest < scaled.value {
        return Err(json::out_of_range(field, value));
    }
    Ok(Decimal {
        unscaled: scaled.value,
        scale,
    })
}

/// The smallest and the largest absolute value of a number in DynamoDB, other than 0.
const FLOATS: std::ops::RangeInclusive<f64> = 1e-130..=9.9e125;

/// Parses a float that a table can hold.
fn float(field: &str, raw: RawField<'_>) -> Result<Finite, Rejection> {
    let value = json::number_text(field, raw)?;
    let float = value.parse().ok().and_then(Finite::new);
    float
        .filter(|float| float.value() == 0.0 || FLOATS.contains(&float.value().abs()))
        .ok_or_else(|| json::out_of_range(field, value))
}

/// Appends a float as a JSON number.
fn write_float(float: Finite, out: &mut Vec<u8>) {
    // Finite numbers always serialize, and writing to a vector cannot fail.
    let _ = serde_json::to_writer(out, &float.value());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_zero() {
        assert_eq!(Finite::new(-0.0), Finite::new(0.0));
        assert_eq!(Finite::new(f64::NAN), None);
        assert!(Finite::new(-1.0) < Finite::new(0.5));
    }

    #[test]
    fn decimals_are_exact() {
        let parse = |text: &str, number_type| {
            let line = format!("{{\"A\":{text}}}");
            let fields = json::split_by_name(line.as_bytes(), &["A"]).unwrap();
            decimal("A", fields[0], number_type)
                .map(|decimal| decimal.to_string())
                .map_err(|rejection| rejection.to_string())
        };
        let cents = NumberType::decimal(2);
        assert_eq!(parse("1.50", cents), Ok("1.5".to_owned()));
        assert_eq!(parse("-15e-1", cents), Ok("-1.5".to_owned()));
        for (text, number_type, problem) in [
            (
                "1.505",
                cents,
                "is `1.505`, with more than 2 digits after the point",
            ),
            ("1.5", NumberType::I32, "is `1.5`, which is not an integer"),
            (
                "2147483648",
                NumberType::I32,
                "is `2147483648`, which is out of range",
            ),
            ("-1", NumberType::U64, "is `-1`, which is below zero"),
            ("\"1\"", cents, "is not a number"),
            ("null", cents, "is missing"),
        ] {
            assert_eq!(parse(text, number_type), Err(format!("A {problem}")));
        }
    }
}
