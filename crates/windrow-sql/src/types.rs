//! The types of SQL columns.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use windrow_core::value::{ColumnType, NumberType};

/// The type of a column or of an expression.
///
/// Its values are [`FieldValue`](windrow_core::value::FieldValue)s: integers and decimals are
/// numbers, `REAL` and `DOUBLE` are floats, `DATE` is the timestamp of its midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SqlType {
    /// True, false or unknown.
    Boolean,
    /// An integer of 8 bits.
    TinyInt,
    /// An integer of 16 bits.
    SmallInt,
    /// An integer of 32 bits.
    Integer,
    /// An integer of 64 bits.
    BigInt,
    /// An exact number: `precision` digits in all, of which `scale` come after the point.
    Decimal {
        /// The number of digits.
        precision: u8,
        /// The number of digits after the point.
        scale: u8,
    },
    /// A float of 32 bits.
    Real,
    /// A float of 64 bits.
    Double,
    /// Text of up to so many characters, padded to them.
    Char(u32),
    /// Text of up to so many characters.
    Varchar(u32),
    /// A day.
    Date,
    /// A time of day.
    Time,
    /// A moment, to the millisecond.
    Timestamp,
}

/// The most digits of a decimal, as the SQL reference of Kinesis Data Analytics has it.
pub const MOST_DIGITS: u8 = 19;

/// The most characters of a text.
pub const MOST_CHARACTERS: u32 = 65_535;

/// How many digits after the point a float has when it is summed.
pub const FLOAT_SUM_PLACES: u8 = 15;

/// Why a text is not the type of a column.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TypeError {
    /// There is no such type.
    #[error("`{0}` is not a type of Kinesis SQL")]
    Unknown(String),
    /// The type cannot be read from JSON or be part of a window.
    #[error("columns of type {0} are not supported")]
    NotSupported(String),
    /// A length, precision or scale is out of range.
    #[error("`{text}` is out of range: {limit}")]
    OutOfRange {
        /// The type as it was written.
        text: String,
        /// What is in range.
        limit: String,
    },
}

impl SqlType {
    /// The type of a row's column with such values.
    ///
    /// Bounds are not part of it: parts of an aggregate may be out of the range of the column that
    /// they are assigned to.
    pub fn column_type(self) -> ColumnType {
        match self {
            Self::Boolean => ColumnType::Boolean,
            Self::TinyInt | Self::SmallInt | Self::Integer | Self::BigInt => {
                ColumnType::Number(NumberType::I64)
            }
            Self::Decimal { scale, .. } => ColumnType::Number(NumberType::decimal(scale)),
            Self::Real | Self::Double => ColumnType::Float,
            Self::Char(_) | Self::Varchar(_) => ColumnType::Text,
            Self::Date | Self::Time | Self::Timestamp => ColumnType::Timestamp,
        }
    }

    /// Whether it is an exact number without digits after the point.
    pub fn is_integer(self) -> bool {
        matches!(
            self,
            Self::TinyInt | Self::SmallInt | Self::Integer | Self::BigInt
        )
    }

    /// Whether it is an exact number.
    pub fn is_exact(self) -> bool {
        self.is_integer() || matches!(self, Self::Decimal { .. })
    }

    /// Whether it is a float.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Real | Self::Double)
    }

    /// Whether it is a number.
    pub fn is_number(self) -> bool {
        self.is_exact() || self.is_float()
    }

    /// Whether it is text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Char(_) | Self::Varchar(_))
    }

    /// The lowest and the highest value of an exact number, without its point; `None` if it is
    /// another type.
    pub fn bounds(self) -> Option<(i128, i128)> {
        let bits = |bits: u32| (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1);
        Some(match self {
            Self::TinyInt => bits(8),
            Self::SmallInt => bits(16),
            Self::Integer => bits(32),
            Self::BigInt => bits(64),
            Self::Decimal { precision, .. } => {
                let highest = 10_i128.checked_pow(precision.into())? - 1;
                (-highest, highest)
            }
            _ => return None,
        })
    }

    /// The number of digits after the point of an exact number; 0 for other types.
    pub fn scale(self) -> u8 {
        match self {
            Self::Decimal { scale, .. } => scale,
            _ => 0,
        }
    }
}

/// Formats the type as SQL has it.
impl fmt::Display for SqlType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => formatter.write_str("BOOLEAN"),
            Self::TinyInt => formatter.write_str("TINYINT"),
            Self::SmallInt => formatter.write_str("SMALLINT"),
            Self::Integer => formatter.write_str("INTEGER"),
            Self::BigInt => formatter.write_str("BIGINT"),
            Self::Decimal { precision, scale } => {
                write!(formatter, "DECIMAL({precision},{scale})")
            }
            Self::Real => formatter.write_str("REAL"),
            Self::Double => formatter.write_str("DOUBLE"),
            Self::Char(length) => write!(formatter, "CHAR({length})"),
            Self::Varchar(length) => write!(formatter, "VARCHAR({length})"),
            Self::Date => formatter.write_str("DATE"),
            Self::Time => formatter.write_str("TIME"),
            Self::Timestamp => formatter.write_str("TIMESTAMP"),
        }
    }
}

/// Parses a type as `RecordColumns` and `CREATE STREAM` have it: `VARCHAR(16)`, `DECIMAL(10, 2)`.
impl FromStr for SqlType {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<Self, TypeError> {
        let unknown = || TypeError::Unknown(text.trim().to_owned());
        let upper = text.trim().to_ascii_uppercase();
        let (name, rest) = match upper.split_once('(') {
            None => (upper.as_str(), None),
            Some((name, rest)) => (name, Some(rest.strip_suffix(')').ok_or_else(unknown)?)),
        };
        let name: Vec<&str> = name.split_ascii_whitespace().collect();
        let sizes: Vec<u32> = match rest {
            None => Vec::new(),
            Some(rest) => {
                let sizes = rest.split(',').map(|size| size.trim().parse());
                sizes.collect::<Result<_, _>>().map_err(|_| unknown())?
            }
        };
        Self::from_parts(&name.join(" "), &sizes, text)
    }
}

impl SqlType {
    /// The type of this name, in upper case, with these sizes. `text` is what errors name.
    ///
    /// # Errors
    ///
    /// [`TypeError`] if there is no such type, or it is not supported.
    pub fn from_parts(name: &str, sizes: &[u32], text: &str) -> Result<Self, TypeError> {
        let unknown = || TypeError::Unknown(text.trim().to_owned());
        let no_sizes = |sql_type: Self| match sizes {
            [] => Ok(sql_type),
            _ => Err(unknown()),
        };
        match name {
            "BOOLEAN" => no_sizes(Self::Boolean),
            "TINYINT" => no_sizes(Self::TinyInt),
            "SMALLINT" => no_sizes(Self::SmallInt),
            "INTEGER" | "INT" => no_sizes(Self::Integer),
            "BIGINT" => no_sizes(Self::BigInt),
            "REAL" => no_sizes(Self::Real),
            "DOUBLE" | "DOUBLE PRECISION" | "FLOAT" => no_sizes(Self::Double),
            "DATE" => no_sizes(Self::Date),
            "TIME" => no_sizes(Self::Time),
            "TIMESTAMP" => no_sizes(Self::Timestamp),
            "DECIMAL" | "DEC" | "NUMERIC" => decimal(sizes, text),
            "CHAR" | "CHARACTER" => Ok(Self::Char(length(sizes, text)?)),
            "VARCHAR" | "CHARACTER VARYING" | "CHAR VARYING" => {
                Ok(Self::Varchar(length(sizes, text)?))
            }
            "BINARY" | "VARBINARY" | "BINARY VARYING" | "INTERVAL" | "ANY" => {
                Err(TypeError::NotSupported(name.to_owned()))
            }
            _ => Err(unknown()),
        }
    }
}

fn decimal(sizes: &[u32], text: &str) -> Result<SqlType, TypeError> {
    let (precision, scale) = match *sizes {
        [] => (u32::from(MOST_DIGITS), 0),
        [precision] => (precision, 0),
        [precision, scale] => (precision, scale),
        _ => return Err(TypeError::Unknown(text.trim().to_owned())),
    };
    if precision == 0 || precision > MOST_DIGITS.into() || scale > precision {
        return Err(TypeError::OutOfRange {
            text: text.trim().to_owned(),
            limit: format!(
                "the precision is from 1 to {MOST_DIGITS}, and the scale at most the precision"
            ),
        });
    }
    // Both are at most 19.
    Ok(SqlType::Decimal {
        precision: precision as u8,
        scale: scale as u8,
    })
}

fn length(sizes: &[u32], text: &str) -> Result<u32, TypeError> {
    match *sizes {
        [] => Ok(1),
        [length] if (1..=MOST_CHARACTERS).contains(&length) => Ok(length),
        [_] => Err(TypeError::OutOfRange {
            text: text.trim().to_owned(),
            limit: format!("a text has from 1 to {MOST_CHARACTERS} characters"),
        }),
        _ => Err(TypeError::Unknown(text.trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_parsed_as_they_are_formatted() {
        for (text, expected) in [
            ("varchar(16)", "VARCHAR(16)"),
            ("DECIMAL(10, 2)", "DECIMAL(10,2)"),
            ("NUMERIC", "DECIMAL(19,0)"),
            (" Double  Precision ", "DOUBLE"),
            ("int", "INTEGER"),
            ("CHAR", "CHAR(1)"),
        ] {
            let parsed: SqlType = text.parse().unwrap();
            assert_eq!(parsed.to_string(), expected);
            assert_eq!(expected.parse(), Ok(parsed));
        }
    }

    #[test]
    fn errors_name_the_type() {
        for (text, problem) in [
            ("JSON", "`JSON` is not a type of Kinesis SQL"),
            (
                "VARBINARY(9)",
                "columns of type VARBINARY are not supported",
            ),
            (
                "DECIMAL(20,2)",
                "`DECIMAL(20,2)` is out of range: the precision is from 1 to 19, and the scale at most the precision",
            ),
            (
                "VARCHAR(0)",
                "`VARCHAR(0)` is out of range: a text has from 1 to 65535 characters",
            ),
            ("INTEGER(4)", "`INTEGER(4)` is not a type of Kinesis SQL"),
        ] {
            let error = text.parse::<SqlType>().unwrap_err();
            assert_eq!(error.to_string(), problem);
        }
    }
}
