//! Types that declare the fields of a sensor's readings.

use std::borrow::Cow;
use std::fmt;

use super::Field;
use crate::decimal::Decimal;
use crate::time::Timestamp;
use crate::value::{ColumnType, FieldValue, Finite, NumberType};

/// A type whose fields are those of a sensor's readings.
///
/// The derive macro `windrow::Sensor` implements it for a struct. Such a struct may have one
/// lifetime; the trait is implemented where that is `'static`, and
/// [`Reading`](Fields::Reading) stands for all lifetimes.
pub trait Fields: 'static {
    /// The type itself, as it borrows from a reading's JSON.
    type Reading<'a>;

    /// Whether a reading counts; `None` if all do.
    const FILTER: Option<fn(&Self::Reading<'_>) -> bool>;

    /// The fields.
    fn fields() -> Vec<Field>;

    /// A reading of these values, one per field. `None` if a value has another type than its field.
    fn from_values<'a>(values: &[FieldValue<'a>]) -> Option<Self::Reading<'a>>;

    /// The values of a reading, one per field.
    fn values<'a>(reading: &'a Self::Reading<'_>) -> Vec<FieldValue<'a>>;

    /// Formats a reading as it is sent: a JSON object and a newline.
    fn to_line(reading: &Self::Reading<'_>) -> Vec<u8> {
        let mut line = Vec::new();
        let fields = Self::fields();
        for (field, value) in fields.iter().zip(Self::values(reading)) {
            line.push(if line.is_empty() { b'{' } else { b',' });
            crate::json::write_text(&field.name, &mut line);
            line.push(b':');
            value.write_json(&mut line);
        }
        if line.is_empty() {
            line.push(b'{');
        }
        line.extend(b"}\n");
        line
    }
}

/// A Rust type of a field's values.
pub trait FieldType<'a>: Sized {
    /// The type of the column.
    const COLUMN_TYPE: ColumnType;

    /// Whether a value may be missing.
    const IS_NULLABLE: bool = false;

    /// The value; `None` if it has another type.
    fn from_value(value: &FieldValue<'a>) -> Option<Self>;

    /// The value as that of a field.
    fn to_value(&self) -> FieldValue<'_>;
}

impl<'a> FieldType<'a> for String {
    const COLUMN_TYPE: ColumnType = ColumnType::Text;

    fn from_value(value: &FieldValue<'a>) -> Option<Self> {
        match value {
            FieldValue::Text(text) => Some(text.clone().into_owned()),
            _ => None,
        }
    }

    fn to_value(&self) -> FieldValue<'_> {
        FieldValue::Text(Cow::Borrowed(self))
    }
}

impl<'a> FieldType<'a> for Cow<'a, str> {
    const COLUMN_TYPE: ColumnType = ColumnType::Text;

    fn from_value(value: &FieldValue<'a>) -> Option<Self> {
        match value {
            FieldValue::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn to_value(&self) -> FieldValue<'_> {
        FieldValue::Text(Cow::Borrowed(self))
    }
}

macro_rules! integers {
    ($($integer:ty)+) => {$(
        impl<'a> FieldType<'a> for $integer {
            const COLUMN_TYPE: ColumnType = ColumnType::Number(NumberType::between(
                <$integer>::MIN as i128,
                <$integer>::MAX as i128,
            ));

            fn from_value(value: &FieldValue<'a>) -> Option<Self> {
                match value {
                    FieldValue::Number(Decimal { unscaled, scale: 0 }) => {
                        Self::try_from(*unscaled).ok()
                    }
                    _ => None,
                }
            }

            fn to_value(&self) -> FieldValue<'_> {
                let unscaled = i128::from(*self);
                FieldValue::Number(Decimal { unscaled, scale: 0 })
            }
        }
    )+};
}

integers!(i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! scalars {
    ($($scalar:ty, $variant:ident;)+) => {$(
        impl<'a> FieldType<'a> for $scalar {
            const COLUMN_TYPE: ColumnType = ColumnType::$variant;

            fn from_value(value: &FieldValue<'a>) -> Option<Self> {
                match value {
                    FieldValue::$variant(value) => Some(*value),
                    _ => None,
                }
            }

            fn to_value(&self) -> FieldValue<'_> {
                FieldValue::$variant(*self)
            }
        }
    )+};
}

scalars! {
    bool, Boolean;
    Timestamp, Timestamp;
    Finite, Float;
}

/// An infinite float or one that is not a number has no value.
impl<'a> FieldType<'a> for f64 {
    const COLUMN_TYPE: ColumnType = ColumnType::Float;

    fn from_value(value: &FieldValue<'a>) -> Option<Self> {
        Finite::from_value(value).map(Finite::value)
    }

    fn to_value(&self) -> FieldValue<'_> {
        Finite::new(*self).map_or(FieldValue::Null, FieldValue::Float)
    }
}

/// A field that may be missing or null.
impl<'a, T: FieldType<'a>> FieldType<'a> for Option<T> {
    const COLUMN_TYPE: ColumnType = T::COLUMN_TYPE;
    const IS_NULLABLE: bool = true;

    fn from_value(value: &FieldValue<'a>) -> Option<Self> {
        match value {
            FieldValue::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }

    fn to_value(&self) -> FieldValue<'_> {
        self.as_ref().map_or(FieldValue::Null, T::to_value)
    }
}

/// An exact decimal with up to `PLACES` digits after the point, and 38 digits in all.
///
/// ```
/// use windrow_core::sensor::Fixed;
///
/// let price: Fixed<2> = Fixed::of_units(1950);
/// assert_eq!(price.to_string(), "19.5");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fixed<const PLACES: u8>(i128);

impl<const PLACES: u8> Fixed<PLACES> {
    /// The number of `units` of the last digit.
    pub fn of_units(units: i128) -> Self {
        Self(units)
    }

    /// The number in units of the last digit.
    pub fn units(self) -> i128 {
        self.0
    }
}

impl<const PLACES: u8> From<Fixed<PLACES>> for Decimal {
    fn from(number: Fixed<PLACES>) -> Self {
        Self {
            unscaled: number.0,
            scale: PLACES,
        }
    }
}

impl<const PLACES: u8> fmt::Display for Fixed<PLACES> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal::from(*self).fmt(formatter)
    }
}

impl<'a, const PLACES: u8> FieldType<'a> for Fixed<PLACES> {
    const COLUMN_TYPE: ColumnType = ColumnType::Number(NumberType::decimal(PLACES));

    fn from_value(value: &FieldValue<'a>) -> Option<Self> {
        match value {
            FieldValue::Number(Decimal { unscaled, scale }) if *scale == PLACES => {
                Some(Self(*unscaled))
            }
            _ => None,
        }
    }

    fn to_value(&self) -> FieldValue<'_> {
        FieldValue::Number((*self).into())
    }
}
