//! The fields of a declared sensor's readings.

use crate::schema::MOST_PLACES;
use crate::value::ColumnType;

/// A field of a sensor's readings, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the readings' JSON.
    pub name: String,
    /// The type of its values.
    pub column_type: ColumnType,
    /// Whether it may be missing or null.
    pub is_nullable: bool,
    /// What it is for.
    pub roles: Vec<FieldRole>,
}

/// What a field is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldRole {
    /// A column of the key.
    Key,
    /// When the sensor took the reading.
    Time,
    /// Tells the readings of a key apart.
    Identity,
    /// Aggregated per window and key.
    Measure {
        /// The name of the measure's column.
        name: String,
        /// How it is aggregated.
        function: Aggregation,
    },
}

/// How a field's values are aggregated. Readings without a value do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// The sum of numbers.
    Sum,
    /// The lowest value.
    Min,
    /// The highest value.
    Max,
    /// The number of values.
    Count,
    /// The average of numbers, with `places` digits after the point.
    Average {
        /// The number of digits.
        places: u8,
    },
    /// The value of the first reading ([`MeasureType::First`](crate::schema::MeasureType::First)).
    First,
    /// The value of the last reading.
    Last,
}

impl Aggregation {
    /// The average of a field, with two digits more after the point than its values have.
    pub fn average_of(column_type: ColumnType) -> Self {
        let scale = match column_type {
            ColumnType::Number(number) => number.scale,
            _ => 0,
        };
        Self::Average {
            places: scale.saturating_add(2).min(MOST_PLACES),
        }
    }
}

impl Field {
    /// A field whose values are never missing, and that is for nothing yet.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self {
            name: name.into(),
            column_type,
            is_nullable: false,
            roles: Vec::new(),
        }
    }

    /// Allows the field to be missing or null.
    pub fn nullable(self) -> Self {
        Self {
            is_nullable: true,
            ..self
        }
    }

    /// Makes the field a column of the key. Columns have the order of their fields.
    pub fn key(self) -> Self {
        self.with(FieldRole::Key)
    }

    /// Makes the field the time of the reading. It is then part of the identity, unless other fields
    /// are marked for that.
    pub fn time(self) -> Self {
        self.with(FieldRole::Time)
    }

    /// Makes the field part of the identity.
    pub fn identity(self) -> Self {
        self.with(FieldRole::Identity)
    }

    /// Aggregates the field in a column of this name.
    pub fn measure(self, name: impl Into<String>, function: Aggregation) -> Self {
        let name = name.into();
        self.with(FieldRole::Measure { name, function })
    }

    fn with(mut self, role: FieldRole) -> Self {
        self.roles.push(role);
        self
    }
}

impl AsRef<str> for Field {
    fn as_ref(&self) -> &str {
        &self.name
    }
}
