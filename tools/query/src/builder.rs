//! Builds the query engine's columns from values.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Decimal128Builder, Float64Builder, Int32Builder, Int64Builder,
    StringViewBuilder, TimestampMillisecondBuilder,
};
use windrow_core::decimal::Decimal;
use windrow_core::time::Timestamp;
use windrow_core::value::FieldValue;

use crate::tables::ColumnKind;

/// A column that is built value by value. A value that is not of its type, or has too many digits for
/// it, becomes null.
#[derive(Debug)]
pub struct ColumnBuilder(ColumnValues);

#[derive(Debug)]
enum ColumnValues {
    Text(StringViewBuilder),
    Time(TimestampMillisecondBuilder),
    Float(Float64Builder),
    Decimal {
        values: Decimal128Builder,
        scale: i8,
        /// The lowest positive number with too many digits.
        limit: i128,
    },
    Integer(Int32Builder),
    BigInteger(Int64Builder),
    Flag(BooleanBuilder),
}

impl ColumnBuilder {
    pub(crate) fn new(kind: ColumnKind) -> Self {
        Self(match kind {
            ColumnKind::Text => ColumnValues::Text(StringViewBuilder::new()),
            ColumnKind::Time => ColumnValues::Time(TimestampMillisecondBuilder::new()),
            ColumnKind::Float => ColumnValues::Float(Float64Builder::new()),
            ColumnKind::Decimal { precision, scale } => ColumnValues::Decimal {
                values: Decimal128Builder::new().with_data_type(kind.data_type()),
                scale,
                limit: 10_i128.checked_pow(precision.into()).unwrap_or(i128::MAX),
            },
            ColumnKind::Integer => ColumnValues::Integer(Int32Builder::new()),
            ColumnKind::BigInteger => ColumnValues::BigInteger(Int64Builder::new()),
            ColumnKind::Flag => ColumnValues::Flag(BooleanBuilder::new()),
        })
    }

    /// Appends a value. Returns false if it became null.
    pub fn value(&mut self, value: &FieldValue<'_>) -> bool {
        match value {
            FieldValue::Null => {
                self.null();
                true
            }
            FieldValue::Text(text) => self.text(text),
            FieldValue::Number(number) => self.number(*number),
            FieldValue::Float(float) => self.float(float.value()),
            FieldValue::Boolean(flag) => self.boolean(*flag),
            FieldValue::Timestamp(time) => self.time(*time),
        }
    }

    /// Appends text. Returns false if it became null.
    #[inline]
    pub fn text(&mut self, text: &str) -> bool {
        match &mut self.0 {
            ColumnValues::Text(values) => values.append_value(text),
            _ => return self.invalid(),
        }
        true
    }

    /// Appends a time. Returns false if it became null.
    #[inline]
    pub fn time(&mut self, time: Timestamp) -> bool {
        match &mut self.0 {
            ColumnValues::Time(values) => values.append_value(time.millis()),
            _ => return self.invalid(),
        }
        true
    }

    /// Appends a float. Returns false if it became null.
    #[inline]
    pub fn float(&mut self, float: f64) -> bool {
        match &mut self.0 {
            ColumnValues::Float(values) => values.append_value(float),
            _ => return self.invalid(),
        }
        true
    }

    /// Appends true or false. Returns false if it became null.
    #[inline]
    pub fn boolean(&mut self, flag: bool) -> bool {
        match &mut self.0 {
            ColumnValues::Flag(values) => values.append_value(flag),
            _ => return self.invalid(),
        }
        true
    }

    /// Appends a whole number of 32 bits. Returns false if it became null.
    #[inline]
    pub fn integer(&mut self, integer: i32) -> bool {
        match &mut self.0 {
            ColumnValues::Integer(values) => values.append_value(integer),
            _ => {
                return self.number(Decimal {
                    unscaled: integer.into(),
                    scale: 0,
                });
            }
        }
        true
    }

    /// Appends an exact number. Returns false if it became null.
    #[inline]
    pub fn number(&mut self, number: Decimal) -> bool {
        match &mut self.0 {
            ColumnValues::Decimal {
                values,
                scale,
                limit,
            } => {
                let unscaled = at_scale(number, *scale);
                let unscaled = unscaled.filter(|value| -*limit < *value && *value < *limit);
                values.append_option(unscaled);
                unscaled.is_some()
            }
            ColumnValues::Integer(values) => {
                let whole = at_scale(number, 0).and_then(|value| value.try_into().ok());
                values.append_option(whole);
                whole.is_some()
            }
            ColumnValues::BigInteger(values) => {
                let whole = at_scale(number, 0).and_then(|value| value.try_into().ok());
                values.append_option(whole);
                whole.is_some()
            }
            ColumnValues::Text(values) => {
                values.append_value(number.to_string());
                true
            }
            _ => self.invalid(),
        }
    }

    /// Appends null.
    pub fn null(&mut self) {
        match &mut self.0 {
            ColumnValues::Text(values) => values.append_null(),
            ColumnValues::Time(values) => values.append_null(),
            ColumnValues::Float(values) => values.append_null(),
            ColumnValues::Decimal { values, .. } => values.append_null(),
            ColumnValues::Integer(values) => values.append_null(),
            ColumnValues::BigInteger(values) => values.append_null(),
            ColumnValues::Flag(values) => values.append_null(),
        }
    }

    #[cold]
    fn invalid(&mut self) -> bool {
        self.null();
        false
    }

    /// Removes and returns the values so far.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        match &mut self.0 {
            ColumnValues::Text(values) => Arc::new(values.finish()),
            ColumnValues::Time(values) => Arc::new(values.finish()),
            ColumnValues::Float(values) => Arc::new(values.finish()),
            ColumnValues::Decimal { values, .. } => Arc::new(values.finish()),
            ColumnValues::Integer(values) => Arc::new(values.finish()),
            ColumnValues::BigInteger(values) => Arc::new(values.finish()),
            ColumnValues::Flag(values) => Arc::new(values.finish()),
        }
    }
}

/// The number in units of its digit `scale`; `None` if that is no whole number or too large.
#[inline]
fn at_scale(number: Decimal, scale: i8) -> Option<i128> {
    let scale = scale.unsigned_abs();
    if number.scale == scale {
        return Some(number.unscaled);
    }
    if number.scale < scale {
        let factor = 10_i128.checked_pow((scale - number.scale).into())?;
        return number.unscaled.checked_mul(factor);
    }
    let divisor = 10_i128.checked_pow((number.scale - scale).into())?;
    (number.unscaled % divisor == 0).then_some(number.unscaled / divisor)
}
