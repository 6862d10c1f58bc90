//! Builds the query engine's columns from values.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Decimal128Builder, Float64Builder, Int32Builder, Int64Builder,
    StringViewBuilder, TimestampMillisecondBuilder,
};
use windrow_core::decimal::Decimal;
use windrow_core::value::FieldValue;

use crate::tables::ColumnKind;

/// A column that is built value by value.
#[derive(Debug)]
pub(crate) enum ColumnBuilder {
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
        match kind {
            ColumnKind::Text => Self::Text(StringViewBuilder::new()),
            ColumnKind::Time => Self::Time(TimestampMillisecondBuilder::new()),
            ColumnKind::Float => Self::Float(Float64Builder::new()),
            ColumnKind::Decimal { precision, scale } => Self::Decimal {
                values: Decimal128Builder::new().with_data_type(kind.data_type()),
                scale,
                limit: 10_i128.checked_pow(precision.into()).unwrap_or(i128::MAX),
            },
            ColumnKind::Integer => Self::Integer(Int32Builder::new()),
            ColumnKind::BigInteger => Self::BigInteger(Int64Builder::new()),
            ColumnKind::Flag => Self::Flag(BooleanBuilder::new()),
        }
    }

    /// Appends a value. Returns false, and appends null, if the value is not of the column's type
    /// or has too many digits for it.
    #[inline]
    pub(crate) fn append(&mut self, value: &FieldValue<'_>) -> bool {
        match (self, value) {
            (Self::Text(texts), FieldValue::Text(text)) => texts.append_value(text),
            (Self::Text(texts), FieldValue::Number(number)) => {
                texts.append_value(number.to_string());
            }
            (Self::Time(times), FieldValue::Timestamp(time)) => times.append_value(time.millis()),
            (Self::Float(floats), FieldValue::Float(float)) => floats.append_value(float.value()),
            (Self::Flag(flags), FieldValue::Boolean(flag)) => flags.append_value(*flag),
            (
                Self::Decimal {
                    values,
                    scale,
                    limit,
                },
                FieldValue::Number(number),
            ) => {
                let unscaled = at_scale(*number, *scale);
                let unscaled = unscaled.filter(|value| -*limit < *value && *value < *limit);
                values.append_option(unscaled);
                return unscaled.is_some();
            }
            (Self::Integer(values), FieldValue::Number(number)) => {
                let whole = at_scale(*number, 0).and_then(|value| value.try_into().ok());
                values.append_option(whole);
                return whole.is_some();
            }
            (Self::BigInteger(values), FieldValue::Number(number)) => {
                let whole = at_scale(*number, 0).and_then(|value| value.try_into().ok());
                values.append_option(whole);
                return whole.is_some();
            }
            (column, value) => {
                column.append_null();
                return value.is_null();
            }
        }
        true
    }

    pub(crate) fn append_text(&mut self, text: Option<&str>) {
        match self {
            Self::Text(texts) => texts.append_option(text),
            other => other.append_null(),
        }
    }

    fn append_null(&mut self) {
        match self {
            Self::Text(values) => values.append_null(),
            Self::Time(values) => values.append_null(),
            Self::Float(values) => values.append_null(),
            Self::Decimal { values, .. } => values.append_null(),
            Self::Integer(values) => values.append_null(),
            Self::BigInteger(values) => values.append_null(),
            Self::Flag(values) => values.append_null(),
        }
    }

    /// Removes and returns the values so far.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(values) => Arc::new(values.finish()),
            Self::Time(values) => Arc::new(values.finish()),
            Self::Float(values) => Arc::new(values.finish()),
            Self::Decimal { values, .. } => Arc::new(values.finish()),
            Self::Integer(values) => Arc::new(values.finish()),
            Self::BigInteger(values) => Arc::new(values.finish()),
            Self::Flag(values) => Arc::new(values.finish()),
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
