//! A short text that differs between schemas.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{KeyColumn, MeasureColumn, MeasureType};
use crate::value::ColumnType;

/// 16 hex digits of a SHA-256 over all columns. It is part of every window state, so its input must
/// stay the same.
pub(super) fn fingerprint(key: &[KeyColumn], time: &str, measures: &[MeasureColumn]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail, and quotes tell a name from what follows it.
    for column in key {
        let KeyColumn {
            name, is_nullable, ..
        } = column;
        let column_type = type_text(column.column_type);
        let _ = writeln!(text, "key {name:?} {column_type} {is_nullable}");
    }
    let _ = writeln!(text, "time {time:?}");
    for column in measures {
        let MeasureColumn {
            name, is_nullable, ..
        } = column;
        let (function, column_type) = match column.measure_type {
            MeasureType::Sum(of) => ("sum".to_owned(), ColumnType::Number(of)),
            MeasureType::Min(of) => ("min".to_owned(), of),
            MeasureType::Max(of) => ("max".to_owned(), of),
            MeasureType::First(of) => ("first".to_owned(), of),
            MeasureType::Last(of) => ("last".to_owned(), of),
            MeasureType::Average { of, places } => {
                (format!("average {places}"), ColumnType::Number(of))
            }
        };
        let column_type = type_text(column_type);
        let _ = writeln!(text, "{function} {name:?} {column_type} {is_nullable}");
    }
    let digest = Sha256::digest(text);
    let mut hex = String::with_capacity(16);
    for byte in digest.iter().take(8) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn type_text(column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Text => "text".to_owned(),
        ColumnType::Float => "float".to_owned(),
        ColumnType::Boolean => "boolean".to_owned(),
        ColumnType::Timestamp => "timestamp".to_owned(),
        ColumnType::Number(number) => {
            format!(
                "number {} {} {}",
                number.scale, number.lowest, number.highest
            )
        }
    }
}
