//! Types that declare the fields of a sensor's readings.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use super::Field;
use crate::decimal::Decimal;
use crate::rejection::Rejection;
use crate::time::Timestamp;
use crate::value::{ColumnType, FieldValue, Finite, NumberType};

/// A type whose fields are those of a sensor's readings.
///
/// The derive macro `windrow::Sensor` implements it for a struct. Such a struct may have one
/// lifetime; the trait is implemented where that is `'static`, and
/// [`Reading`](Fields::Reading) stands for all lifetimes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not declare a sensor's readings",
    label = "declares no fields",
    note = "put `#[derive(windrow::Sensor)]` on the struct of a reading"
)]
pub trait Fields: 'static {
    /// The type itself, as it borrows from a reading's JSON.
    type Reading<'a>;

    /// Whether a reading counts; `None` if all do.
    const FILTER: Option<fn(&Self::Reading<'_>) -> bool>;

    /// Whether the type of a field may reject a value of its column
    /// ([`FieldType::IS_CHECKED`]).
    const IS_CHECKED: bool;

    /// The fields.
    fn fields() -> Vec<Field>;

    /// A reading of these values, one per field.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if a field's type rejects its value. It names the field.
    fn from_values<'a>(values: &[FieldValue<'a>]) -> Result<Self::Reading<'a>, Rejection>;

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

/// Why a value is not one of a field's type: the rest of a sentence that starts with the field's
/// name, such as "is 120, which is no percentage".
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{problem}")]
pub struct InvalidValue {
    problem: String,
}

impl InvalidValue {
    /// A value with this problem.
    pub fn new(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
        }
    }

    fn not_of(column_type: ColumnType) -> Self {
        Self::new(match column_type {
            ColumnType::Text => "is not text",
            ColumnType::Number(_) => "is not a number of its type",
            ColumnType::Float => "is not a float",
            ColumnType::Boolean => "is neither true nor false",
            ColumnType::Timestamp => "is not a timestamp",
        })
    }
}

/// A Rust type of a field's values. An application may have types of its own: a reading whose value
/// such a type does not take is rejected.
///
/// ```
/// use windrow_core::sensor::{FieldType, InvalidValue};
/// use windrow_core::value::{ColumnType, FieldValue};
///
/// struct Percentage(u8);
///
/// impl<'a> FieldType<'a> for Percentage {
///     const COLUMN_TYPE: ColumnType = <u8 as FieldType<'_>>::COLUMN_TYPE;
///
///     fn from_value(value: &FieldValue<'a>) -> Result<Self, InvalidValue> {
///         match u8::from_value(value)? {
///             percentage @ 0..=100 => Ok(Self(percentage)),
///             other => Err(InvalidValue::new(format!("is {other}, which is no percentage"))),
///         }
///     }
///
///     fn to_value(&self) -> FieldValue<'_> {
///         self.0.to_value()
///     }
/// }
///
/// let rejected = Percentage::of_field("humidity", Some(&120_u8.to_value()));
/// assert_eq!(rejected.err().unwrap().to_string(), "humidity is 120, which is no percentage");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the type of a sensor's field",
    label = "no field has this type",
    note = "the types are String and Cow<'a, str> for text, i8 to i64 and u8 to u64 for integers, \
            Fixed<PLACES> for exact decimals, f64, bool, Timestamp, and Option of each of them",
    note = "use f64 or Fixed instead of f32, String or Cow<'a, str> instead of &str, and u64 or i64 \
            instead of usize or isize",
    note = "or implement FieldType for a type of your own"
)]
pub trait FieldType<'a>: Sized {
    /// The type of the column.
    const COLUMN_TYPE: ColumnType;

    /// Whether a value may be missing.
    const IS_NULLABLE: bool = false;

    /// Whether the type may reject a value of its column. Only then are values converted to it when
    /// a reading is parsed, unless there is a filter.
    const IS_CHECKED: bool = true;

    /// The value.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`] if it is not one of this type.
    fn from_value(value: &FieldValue<'a>) -> Result<Self, InvalidValue>;

    /// The value as that of a field.
    fn to_value(&self) -> FieldValue<'_>;

    /// The value of the field with this name.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if there is none, or if it is not one of this type. It names the field.
    fn of_field(name: &str, value: Option<&FieldValue<'a>>) -> Result<Self, Rejection> {
        let Some(value) = value else {
            let field = name.to_owned();
            return Err(Rejection::Missing { field });
        };
        Self::from_value(value).map_err(|invalid| Rejection::field(name, invalid.problem))
    }
}

impl<'a> FieldType<'a> for String {
    const COLUMN_TYPE: ColumnType = ColumnType::Text;
    const IS_CHECKED: bool = false;

    fn from_value(value: &FieldValue<'a>) -> Result<Self, InvalidValue> {
        match value {
            FieldValue::Text(text) => Ok(text.clone().into_owned()),
            _ => Err(InvalidValue::not_of(Self::COLUMN_TYPE)),
        }
    }

    fn to_value(&self) -> FieldValue<'_> {
        FieldValue::Text(Cow::Borrowed(self))
    }
}

impl<'a> FieldType<'a> for Cow<'a, str> {
    const COLUMN_TYPE: ColumnType = ColumnType::Text;
    const IS_CHECKED: bool = false;

    fn from_value(value: &FieldValue<'a>) -> Result<Self, InvalidValue> {
        match value {
            FieldValue::Text(text) => Ok(text.clone()),
            _ => Err(InvalidValue::not_of(Self::COLUMN_TYPE)),
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
            const IS_CHECKED: bool = false;

            fn from_value(value: &FieldValue<'a>) -> Result<Self, InvalidValue> {
                match value {
                    FieldValue::Number(number) if number.scale == 0 => {
                        let integer = Self::try_from(number.unscaled);
                        integer.map_err(|_| InvalidValue::new("is out of range"))
                    }
                    _ => Err(InvalidValue::not_of(Self::COLUMN_TYPE)),
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
            const IS_CHECKED: bool = false;

            fn from_value(value: &FieldValue<'a>) -> Result<Self, InvalidValue> {
                match value {
                    FieldValue::$variant(value) => Ok(*value),
                    _ => Err(InvalidValue::not_of(Self::COLUMN_TYPE)),
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
    const IS_CHECKED: bool = false;

    fn from_value(value: &FieldValue<'a>) -> Result<Self, InvalidValue> {
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
    const IS_CHECKED: bool = T::IS_CHECKED;

    fn from_value(value: &FieldValue<'a>) -> Result<Self, InvalidValue> {
        match value {
            FieldValue::Null => Ok(None),
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
    const IS_CHECKED: bool = false;

    fn from_value(value: &FieldValue<'a>) -> Result<Self, InvalidValue> {
        match value {
            FieldValue::Number(number) if number.scale == PLACES => Ok(Self(number.unscaled)),
            _ => Err(InvalidValue::not_of(Self::COLUMN_TYPE)),
        }
    }

    fn to_value(&self) -> FieldValue<'_> {
        FieldValue::Number((*self).into())
    }
}
