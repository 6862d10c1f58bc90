//! The available tables and their columns, used for planning, `DESCRIBE` and the spelling of
//! headings.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// A table that can be queried.
#[derive(Debug)]
pub struct Table {
    /// Its name in SQL.
    pub name: &'static str,
    /// What one row represents.
    pub meaning: &'static str,
    /// Its columns, in the order of `SELECT *`.
    pub columns: &'static [Column],
}

/// A column of a table.
#[derive(Debug)]
pub struct Column {
    /// Its name, as headings spell it.
    pub name: &'static str,
    /// The type of its values.
    pub kind: ColumnKind,
    /// What its values mean.
    pub meaning: &'static str,
}

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// A time in UTC, to the millisecond.
    Time,
    /// Degrees, as a floating point number.
    Degrees,
    /// The distance of one reading in metres, to the micrometre. Its 19 digits hold the largest
    /// valid distance.
    Metres,
    /// The total distance of several readings in metres, to the micrometre.
    MetresInAll,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits, zero or more.
    Count,
    /// True or false.
    Flag,
}

impl ColumnKind {
    /// The type in the query engine.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8View,
            Self::Time => DataType::Timestamp(TimeUnit::Millisecond, None),
            Self::Degrees => DataType::Float64,
            Self::Metres => DataType::Decimal128(19, 6),
            Self::MetresInAll => DataType::Decimal128(38, 6),
            Self::Integer => DataType::Int32,
            Self::Count => DataType::Int64,
            Self::Flag => DataType::Boolean,
        }
    }

    /// The type in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Text => "varchar",
            Self::Time => "timestamp(3)",
            Self::Degrees => "double",
            Self::Metres => "decimal(19, 6)",
            Self::MetresInAll => "decimal(38, 6)",
            Self::Integer => "integer",
            Self::Count => "bigint",
            Self::Flag => "boolean",
        }
    }
}

impl Table {
    /// The schema for the query engine.
    pub fn schema(&self) -> SchemaRef {
        let fields = self
            .columns
            .iter()
            .map(|column| Field::new(column.name, column.kind.data_type(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

const fn column(name: &'static str, kind: ColumnKind, meaning: &'static str) -> Column {
    Column {
        name,
        kind,
        meaning,
    }
}

const DAY: Column = column(
    "day",
    ColumnKind::Text,
    "Day of arrival, like 2026/11/20; a condition on it limits the folders that are read",
);

/// The readings of the archive. The columns are those of the view in `template.yaml`.
pub const READINGS: Table = Table {
    name: "wildrydes",
    meaning: "A sensor reading of a unicorn, from the archive",
    columns: &[
        column("Name", ColumnKind::Text, "The unicorn"),
        column(
            "StatusTime",
            ColumnKind::Time,
            "When the reading was taken, UTC",
        ),
        column("Latitude", ColumnKind::Degrees, "Degrees north"),
        column("Longitude", ColumnKind::Degrees, "Degrees east"),
        column(
            "Distance",
            ColumnKind::Metres,
            "Metres moved since the previous reading, exact",
        ),
        column("HealthPoints", ColumnKind::Integer, "Health"),
        column("MagicPoints", ColumnKind::Integer, "Magic"),
        DAY,
    ],
};

/// The rows of the table, merged.
pub const SUMMARY: Table = Table {
    name: "summary",
    meaning: "One unicorn's window, from the table UnicornSensorData, merged",
    columns: &[
        column("Name", ColumnKind::Text, "The unicorn"),
        column("StatusTime", ColumnKind::Time, "Start of the window, UTC"),
        column("Distance", ColumnKind::MetresInAll, "Metres moved, exact"),
        column("MinMagicPoints", ColumnKind::Integer, "Lowest magic"),
        column("MaxMagicPoints", ColumnKind::Integer, "Highest magic"),
        column("MinHealthPoints", ColumnKind::Integer, "Lowest health"),
        column("MaxHealthPoints", ColumnKind::Integer, "Highest health"),
        column("Readings", ColumnKind::Count, "Number of readings"),
        column(
            "WindowSeconds",
            ColumnKind::Count,
            "Length of the window in seconds",
        ),
        column(
            "Gap",
            ColumnKind::Flag,
            "Whether the rows prove that readings are missing; false is no proof that none are",
        ),
    ],
};

/// The rejected readings and summaries. All columns are text, as in Athena.
pub const REJECTS: Table = Table {
    name: "rejects",
    meaning: "A rejected reading or summary, with its reason",
    columns: &[
        column("Reason", ColumnKind::Text, "Why it was rejected"),
        column("Stream", ColumnKind::Text, "Stream it came in"),
        column("Shard", ColumnKind::Text, "Shard of the stream"),
        column(
            "SequenceNumber",
            ColumnKind::Text,
            "Its sequence number in the shard",
        ),
        column(
            "PartitionKey",
            ColumnKind::Text,
            "Partition key of its record, or user record",
        ),
        column(
            "ArrivalTime",
            ColumnKind::Text,
            "When it arrived in the stream, UTC",
        ),
        column(
            "SubSequenceNumber",
            ColumnKind::Text,
            "Its index in an aggregated record, if it was in one",
        ),
        column("Payload", ColumnKind::Text, "The rejected text"),
        column(
            "PayloadBase64",
            ColumnKind::Text,
            "The rejected bytes, if not UTF-8",
        ),
        column(
            "Piece",
            ColumnKind::Text,
            "Number of this piece of a long payload",
        ),
        column("Pieces", ColumnKind::Text, "Number of pieces"),
        DAY,
    ],
};

/// All tables.
pub const ALL: [&Table; 3] = [&READINGS, &SUMMARY, &REJECTS];

/// The names of `tables`, separated by commas.
pub fn names(tables: &[&Table]) -> String {
    let names: Vec<_> = tables.iter().map(|table| table.name).collect();
    names.join(", ")
}
