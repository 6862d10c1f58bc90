//! A small reader of the cases' records.

use serde_json::Value as Json;
use windrow_core::decimal::Decimal;
use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Finite};
use windrow_sql::application::{INPUT_STREAM, InputColumn, InputStream};
use windrow_sql::types::SqlType;

/// The input stream of a schema as DescribeApplication gives it.
pub(crate) fn input(schema: &Json) -> InputStream {
    let columns = schema["RecordColumns"].as_array().unwrap().iter();
    let columns = columns.map(|column| InputColumn {
        name: column["Name"].as_str().unwrap().to_owned(),
        sql_type: column["SqlType"].as_str().unwrap().parse().unwrap(),
    });
    InputStream {
        name: INPUT_STREAM.to_owned(),
        columns: columns.collect(),
    }
}

/// The rows of records, and how many were rejected.
pub(crate) fn rows(
    schema: &Json,
    input: &InputStream,
    records: &[Json],
) -> (Vec<(Vec<FieldValue<'static>>, Timestamp)>, usize) {
    let mut rows = Vec::new();
    let mut rejected = 0;
    for record in records {
        let arrival = record["arrival"].as_str().unwrap().parse().unwrap();
        let columns = schema["RecordColumns"].as_array().unwrap().iter();
        let values = columns.zip(&input.columns).map(|(column, typed)| {
            let mapping = column["Mapping"].as_str()?.trim_start_matches("$.");
            let data = record.get("data").filter(|data| data.is_object())?;
            let field = mapping.split('.').fold(data, |value, name| &value[name]);
            value(field, typed.sql_type)
        });
        match values.collect::<Option<Vec<_>>>() {
            Some(values) => rows.push((values, arrival)),
            None => rejected += 1,
        }
    }
    (rows, rejected)
}

fn value(field: &Json, sql_type: SqlType) -> Option<FieldValue<'static>> {
    let text = match field {
        Json::Null => return Some(FieldValue::Null),
        Json::Bool(value) => i32::from(*value).to_string(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    if sql_type.is_exact() {
        return decimal(&text, sql_type).map(FieldValue::Number);
    }
    if sql_type.is_float() {
        return text
            .parse()
            .ok()
            .and_then(Finite::new)
            .map(FieldValue::Float);
    }
    match sql_type {
        SqlType::Varchar(length) => {
            let text: String = text.chars().take(length as usize).collect();
            Some(FieldValue::Text(text.into()))
        }
        SqlType::Timestamp => text.parse().ok().map(FieldValue::Timestamp),
        _ => None,
    }
}

fn decimal(text: &str, sql_type: SqlType) -> Option<Decimal> {
    let scale = sql_type.scale();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction:0<width$}", width = usize::from(scale));
    let unscaled: i128 = digits.parse().ok()?;
    let (lowest, highest) = sql_type.bounds()?;
    let is_valid =
        fraction.len() <= usize::from(scale) && lowest <= unscaled && unscaled <= highest;
    is_valid.then_some(Decimal { unscaled, scale })
}
