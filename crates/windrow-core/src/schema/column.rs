//! One column of a schema.

use crate::value::{ColumnType, NumberType};

/// One column of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub column_type: ColumnType,
    /// Whether a value may be missing. Rows without it are a key of their own.
    pub is_nullable: bool,
}

impl KeyColumn {
    /// A column whose values are never missing.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self {
            name: name.into(),
            column_type,
            is_nullable: false,
        }
    }

    /// Allows values to be missing.
    pub fn nullable(self) -> Self {
        Self {
            is_nullable: true,
            ..self
        }
    }
}

/// One column of what is computed per window and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasureColumn {
    /// Its name.
    pub name: String,
    /// How it is computed.
    pub measure_type: MeasureType,
    /// Whether it may be missing, because none of the window's readings has a value.
    pub is_nullable: bool,
}

/// How two rows' values of a measure are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureKind {
    /// Added.
    Sum,
    /// The lower one.
    Min,
    /// The higher one.
    Max,
    /// Sums and counts added.
    Average,
    /// The one of the earlier reading.
    First,
    /// The one of the later reading.
    Last,
}

/// How a measure is computed, and so how two rows' measures are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureType {
    /// The sum of numbers; the number of readings is a sum as well. Sums of floats are not offered:
    /// they depend on the order.
    Sum(NumberType),
    /// The lowest value.
    Min(ColumnType),
    /// The highest value.
    Max(ColumnType),
    /// The average of numbers, rounded half away from zero. Rows carry the sum and the count, and
    /// the average is computed after the merge.
    Average {
        /// The type of the sum.
        of: NumberType,
        /// The number of digits after the point of the average.
        places: u8,
    },
    /// The value of the first reading: within a shard by sequence number; over several shards by
    /// the readings' own time, or by arrival if they have none.
    First(ColumnType),
    /// The value of the last reading, by the same order.
    Last(ColumnType),
}

impl MeasureType {
    /// How two rows' values are merged.
    pub fn kind(self) -> MeasureKind {
        match self {
            Self::Sum(_) => MeasureKind::Sum,
            Self::Min(_) => MeasureKind::Min,
            Self::Max(_) => MeasureKind::Max,
            Self::Average { .. } => MeasureKind::Average,
            Self::First(_) => MeasureKind::First,
            Self::Last(_) => MeasureKind::Last,
        }
    }
}

impl MeasureColumn {
    fn new(name: impl Into<String>, measure_type: MeasureType) -> Self {
        Self {
            name: name.into(),
            measure_type,
            is_nullable: false,
        }
    }

    /// A sum of numbers.
    pub fn sum(name: impl Into<String>, of: NumberType) -> Self {
        Self::new(name, MeasureType::Sum(of))
    }

    /// The lowest value.
    pub fn min(name: impl Into<String>, of: ColumnType) -> Self {
        Self::new(name, MeasureType::Min(of))
    }

    /// The highest value.
    pub fn max(name: impl Into<String>, of: ColumnType) -> Self {
        Self::new(name, MeasureType::Max(of))
    }

    /// The average of numbers, with `places` digits after the point.
    pub fn average(name: impl Into<String>, of: NumberType, places: u8) -> Self {
        Self::new(name, MeasureType::Average { of, places })
    }

    /// The value of the first reading.
    pub fn first(name: impl Into<String>, of: ColumnType) -> Self {
        Self::new(name, MeasureType::First(of))
    }

    /// The value of the last reading.
    pub fn last(name: impl Into<String>, of: ColumnType) -> Self {
        Self::new(name, MeasureType::Last(of))
    }

    /// Allows the measure to be missing.
    pub fn nullable(self) -> Self {
        Self {
            is_nullable: true,
            ..self
        }
    }

    /// The type of the finished value.
    pub fn column_type(&self) -> ColumnType {
        match self.measure_type {
            MeasureType::Sum(number) => ColumnType::Number(number),
            MeasureType::Min(column_type)
            | MeasureType::Max(column_type)
            | MeasureType::First(column_type)
            | MeasureType::Last(column_type) => column_type,
            // The bounds of the values are no bounds of an average with more digits.
            MeasureType::Average { places, .. } => ColumnType::Number(NumberType::any(places)),
        }
    }
}
