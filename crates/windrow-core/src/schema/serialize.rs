//! The JSON of a schema, which readers in other languages need. `dashboard/src/schema.ts` describes it
//! and reads it.

use serde::{Serialize, Serializer};

use super::{KeyColumn, MeasureColumn, MeasureType, Schema};
use crate::value::{ColumnType, NumberType};

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SchemaFields {
            key: self.key.iter().map(KeyFields::of).collect(),
            time: &self.time,
            measures: self.measures.iter().map(MeasureFields::of).collect(),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct SchemaFields<'a> {
    key: Vec<KeyFields<'a>>,
    time: &'a str,
    measures: Vec<MeasureFields<'a>>,
}

#[derive(Serialize)]
struct KeyFields<'a> {
    name: &'a str,
    #[serde(flatten)]
    column_type: TypeFields,
    #[serde(skip_serializing_if = "is_false")]
    nullable: bool,
}

#[derive(Serialize)]
struct MeasureFields<'a> {
    name: &'a str,
    kind: &'static str,
    #[serde(flatten)]
    column_type: TypeFields,
    #[serde(skip_serializing_if = "Option::is_none")]
    places: Option<u8>,
    #[serde(skip_serializing_if = "is_false")]
    nullable: bool,
}

/// Bounds are text: a number in JSON may be read as a double. Those of 128 bits are left out.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum TypeFields {
    Text,
    Number {
        scale: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        lowest: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        highest: Option<String>,
    },
    Float,
    Boolean,
    Timestamp,
}

impl<'a> KeyFields<'a> {
    fn of(column: &'a KeyColumn) -> Self {
        Self {
            name: &column.name,
            column_type: TypeFields::of(column.column_type),
            nullable: column.is_nullable,
        }
    }
}

impl<'a> MeasureFields<'a> {
    fn of(column: &'a MeasureColumn) -> Self {
        let (kind, column_type, places) = match column.measure_type {
            MeasureType::Sum(number) => ("sum", ColumnType::Number(number), None),
            MeasureType::Min(column_type) => ("min", column_type, None),
            MeasureType::Max(column_type) => ("max", column_type, None),
            MeasureType::First(column_type) => ("first", column_type, None),
            MeasureType::Last(column_type) => ("last", column_type, None),
            MeasureType::Average { of, places } => {
                ("average", ColumnType::Number(of), Some(places))
            }
        };
        Self {
            name: &column.name,
            kind,
            column_type: TypeFields::of(column_type),
            places,
            nullable: column.is_nullable,
        }
    }
}

impl TypeFields {
    fn of(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Text => Self::Text,
            ColumnType::Number(NumberType {
                scale,
                lowest,
                highest,
            }) => Self::Number {
                scale,
                lowest: (lowest != i128::MIN).then(|| lowest.to_string()),
                highest: (highest != i128::MAX).then(|| highest.to_string()),
            },
            ColumnType::Float => Self::Float,
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Timestamp => Self::Timestamp,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}
