//! A schema made of sample readings, where none was exported.

use serde_json::Value;
use windrow_core::time::Timestamp;

use super::{InputError, InputSchema, JsonPath, RecordColumn};
use crate::application::INPUT_STREAM;
use crate::types::{MOST_CHARACTERS, SqlType};

/// The deepest object whose fields become columns.
const DEEPEST: usize = 8;

/// The most columns.
const MOST_COLUMNS: usize = 1_000;

/// What the values of a field have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SampleType {
    /// There are only nulls so far.
    Unknown,
    Boolean,
    Integer,
    BigInt,
    Double,
    Timestamp,
    /// Text of up to so many characters, or anything else.
    Text(usize),
}

/// Collects the fields of sample readings.
#[derive(Clone, Debug, Default)]
pub struct SchemaDiscovery {
    fields: Vec<(Vec<String>, SampleType)>,
}

impl SchemaDiscovery {
    /// Adds a reading: a JSON object. Anything else is left out.
    pub fn add(&mut self, reading: &Value) {
        self.add_object(&mut Vec::new(), reading);
    }

    fn add_object(&mut self, path: &mut Vec<String>, value: &Value) {
        for (name, value) in value.as_object().into_iter().flatten() {
            // No mapping has a name without characters.
            if name.is_empty() {
                continue;
            }
            path.push(name.clone());
            if value.is_object() && path.len() < DEEPEST {
                self.add_object(path, value);
            } else {
                self.add_value(path, value);
            }
            path.pop();
        }
    }

    fn add_value(&mut self, path: &[String], value: &Value) {
        let sampled = SampleType::of(value);
        let known = self.fields.iter().position(|(known, _)| known == path);
        if let Some((_, known)) = known.and_then(|index| self.fields.get_mut(index)) {
            *known = known.with(sampled, value);
        } else if self.fields.len() < MOST_COLUMNS {
            self.fields.push((path.to_vec(), sampled));
        }
    }

    /// The schema. Columns are named after their fields; fields of the same name, in different
    /// objects, after their path.
    ///
    /// # Errors
    ///
    /// [`InputError::NoColumns`] if no reading was added.
    pub fn schema(&self) -> Result<InputSchema, InputError> {
        let last = |path: &[String]| path.last().cloned().unwrap_or_default();
        let columns = self.fields.iter().map(|(path, sampled)| {
            let name = last(path);
            let others = self.fields.iter().filter(|(other, _)| last(other) == name);
            let is_hidden = name == super::ROWTIME;
            let name = if is_hidden {
                format!("{name}_FIELD")
            } else if others.count() > 1 {
                path.join("_")
            } else {
                name
            };
            RecordColumn {
                name,
                sql_type: sampled.sql_type(),
                path: JsonPath::of_fields(path.clone()),
            }
        });
        InputSchema::new(INPUT_STREAM, columns.collect())
    }
}

impl SampleType {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Unknown,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) => match number.as_i64() {
                Some(number) if i32::try_from(number).is_ok() => Self::Integer,
                Some(_) => Self::BigInt,
                None => Self::Double,
            },
            // Not the other forms of a time: those would be rejected on AWS.
            Value::String(text)
                if text.len() >= "1992-02-14 18:35:44".len()
                    && text.parse::<Timestamp>().is_ok() =>
            {
                Self::Timestamp
            }
            other => Self::Text(length(other)),
        }
    }

    /// The type that has this type's values and another value.
    fn with(self, other: Self, value: &Value) -> Self {
        match (self, other) {
            (known, new) if known == new => known,
            (Self::Unknown, known) | (known, Self::Unknown) => known,
            (Self::Integer | Self::BigInt, Self::Integer | Self::BigInt) => Self::BigInt,
            (Self::Integer | Self::BigInt | Self::Double, Self::Double)
            | (Self::Double, Self::Integer | Self::BigInt) => Self::Double,
            (known, _) => Self::Text(known.longest_text().max(length(value))),
        }
    }

    fn longest_text(self) -> usize {
        match self {
            Self::Text(length) => length,
            Self::Unknown | Self::Boolean => 5,
            Self::Integer | Self::BigInt => 20,
            Self::Double | Self::Timestamp => 32,
        }
    }

    fn sql_type(self) -> SqlType {
        match self {
            Self::Boolean => SqlType::Boolean,
            Self::Integer => SqlType::Integer,
            Self::BigInt => SqlType::BigInt,
            Self::Double => SqlType::Double,
            Self::Timestamp => SqlType::Timestamp,
            Self::Unknown => SqlType::Varchar(64),
            // Other readings may have longer texts.
            Self::Text(length) => {
                let length = u32::try_from(length.saturating_mul(2)).unwrap_or(MOST_CHARACTERS);
                let length = length.clamp(16, MOST_CHARACTERS);
                SqlType::Varchar(length.next_power_of_two().min(MOST_CHARACTERS))
            }
        }
    }
}

/// The number of characters of a value as text.
fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        other => other.to_string().chars().count(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_become_columns() {
        let mut discovery = SchemaDiscovery::default();
        for reading in [
            json!({"Name": "Shadowfax", "At": "2026-03-01 22:49:10.000", "Points": 7, "Late": null}),
            json!({"Name": "Rih", "Points": 7_000_000_000_i64, "Metres": 30, "Tags": [1, 2]}),
            json!({"Metres": 30.5, "Ok": true, "Place": {"Id": 1, "City": {"Id": "Bergen"}}}),
            json!([1]),
        ] {
            discovery.add(&reading);
        }
        let schema = discovery.schema().unwrap();
        let columns = schema
            .columns
            .iter()
            .map(|column| format!("{} {} {}", column.name, column.sql_type, column.path));
        assert_eq!(
            columns.collect::<Vec<_>>(),
            [
                "At TIMESTAMP $.At",
                "Late VARCHAR(64) $.Late",
                "Name VARCHAR(32) $.Name",
                "Points BIGINT $.Points",
                "Metres DOUBLE $.Metres",
                "Tags VARCHAR(16) $.Tags",
                "Ok BOOLEAN $.Ok",
                "Place_City_Id VARCHAR(16) $.Place.City.Id",
                "Place_Id INTEGER $.Place.Id",
            ]
        );
    }

    #[test]
    fn a_schema_can_be_read_again() {
        let mut discovery = SchemaDiscovery::default();
        discovery.add(&json!({"": 1, "ROWTIME": 2, "a.b": {"": 3, "it's": 4}}));
        let schema = discovery.schema().unwrap();
        let names: Vec<&str> = schema
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(names, ["ROWTIME_FIELD", "it's"]);
        let read = InputSchema::parse(&schema.to_json().to_string()).unwrap();
        assert_eq!(read, schema);
    }

    #[test]
    fn a_field_of_several_types_is_text() {
        let mut discovery = SchemaDiscovery::default();
        for value in [json!(1), json!("twelve or so"), json!(true)] {
            discovery.add(&json!({"A": value}));
        }
        let schema = discovery.schema().unwrap();
        assert_eq!(schema.columns[0].sql_type, SqlType::Varchar(64));
        assert!(SchemaDiscovery::default().schema().is_err());
    }
}
