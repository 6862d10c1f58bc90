//! The tables there are, and their columns: one list for planning, for `DESCRIBE` and for the
//! spelling of headings.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// A table that can be asked.
#[derive(Debug)]
pub struct Table {
    /// Its name in SQL.
    pub name: &'static str,
    /// What a row of it is.
    pub meaning: &'static str,
    /// Its columns, in the order of `SELECT *`.
    pub columns: &'static [Column],
}

/// A column of a table.
#[derive(Debug)]
pub struct Column {
    /// Its name, as headings spell it.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// What that means.
    pub meaning: &'static str,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// A moment in UTC, to the millisecond.
    Time,
    /// Degrees, a floating point number.
    Degrees,
    /// Metres of one reading, to the micrometre: 19 digits, which hold the farthest there is.
    Metres,
    /// Metres of a sum of readings, to the micrometre.
    MetresInAll,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits, zero or more.
    Count,
    /// True or false.
    Flag,
}

impl ColumnKind {
    /// The type by which the query engine knows it.
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

    /// The type as SQL calls it.
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
    /// The columns as the query engine knows them.
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
    "Day of arrival as 2026/11/20: only its folders are read where it is asked for",
);

/// The readings of the archive. The columns are those of the view in `template.yaml`.
pub const READINGS: Table = Table {
    name: "wildrydes",
    meaning: "A reading of a unicorn's sensor, from the archive",
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
            "Metres moved since the last reading, exact",
        ),
        column("HealthPoints", ColumnKind::Integer, "Health"),
        column("MagicPoints", ColumnKind::Integer, "Magic"),
        DAY,
    ],
};

/// The rows of the table, merged.
pub const SUMMARY: Table = Table {
    name: "summary",
    meaning: "A unicorn's minute, from the table UnicornSensorData, merged",
    columns: &[
        column("Name", ColumnKind::Text, "The unicorn"),
        column("StatusTime", ColumnKind::Time, "Start of the window, UTC"),
        column("Distance", ColumnKind::MetresInAll, "Metres moved, exact"),
        column("MinMagicPoints", ColumnKind::Integer, "Lowest magic"),
        column("MaxMagicPoints", ColumnKind::Integer, "Highest magic"),
        column("MinHealthPoints", ColumnKind::Integer, "Lowest health"),
        column("MaxHealthPoints", ColumnKind::Integer, "Highest health"),
        column("Readings", ColumnKind::Count, "How many readings it holds"),
        column("WindowSeconds", ColumnKind::Count, "Length of the window"),
        column(
            "Exact",
            ColumnKind::Flag,
            "Whether the rows are known to hold every reading",
        ),
    ],
};

/// The readings and summaries that were rejected. All text, as on Athena.
pub const REJECTS: Table = Table {
    name: "rejects",
    meaning: "A rejected reading or summary, with its reason",
    columns: &[
        column("Reason", ColumnKind::Text, "Why it was rejected"),
        column("Stream", ColumnKind::Text, "Stream it came in"),
        column("Shard", ColumnKind::Text, "Shard of the stream"),
        column("SequenceNumber", ColumnKind::Text, "Its place in the shard"),
        column("PartitionKey", ColumnKind::Text, "What it was grouped by"),
        column(
            "ArrivalTime",
            ColumnKind::Text,
            "When the stream took it, UTC",
        ),
        column("Payload", ColumnKind::Text, "The rejected text"),
        column(
            "PayloadBase64",
            ColumnKind::Text,
            "The rejected bytes where they are not UTF-8",
        ),
        column(
            "Piece",
            ColumnKind::Text,
            "Number of this piece of a long payload",
        ),
        column("Pieces", ColumnKind::Text, "How many pieces there are"),
        DAY,
    ],
};

/// All tables.
pub const ALL: [&Table; 3] = [&READINGS, &SUMMARY, &REJECTS];

/// The names of `tables`, for a message.
pub fn names(tables: &[&Table]) -> String {
    let names: Vec<_> = tables.iter().map(|table| table.name).collect();
    names.join(", ")
}
