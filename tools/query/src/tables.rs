//! The available tables and their columns, used for planning, `DESCRIBE` and the spelling of
//! headings.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use windrow_core::schema::{self, MeasureType};
use windrow_core::value::{ColumnType, NumberType};

/// A table that can be queried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in SQL.
    pub name: String,
    /// What one row represents.
    pub meaning: String,
    /// Its columns, in the order of `SELECT *`.
    pub columns: Vec<Column>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as headings spell it.
    pub name: String,
    /// The type of its values.
    pub kind: ColumnKind,
    /// What its values mean.
    pub meaning: String,
}

/// A column of readings or of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// The type of its values. Each may be missing.
    pub column_type: ColumnType,
    /// What its values mean, for `DESCRIBE`.
    pub meaning: String,
}

impl TableColumn {
    /// A column.
    pub fn new(
        name: impl Into<String>,
        column_type: ColumnType,
        meaning: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            column_type,
            meaning: meaning.into(),
        }
    }
}

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// A time in UTC, to the millisecond.
    Time,
    /// A floating point number.
    Float,
    /// An exact number.
    Decimal {
        /// The number of digits, at most 38.
        precision: u8,
        /// How many of them are after the point.
        scale: i8,
    },
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    BigInteger,
    /// True or false.
    Flag,
}

/// The most digits of a number in the query engine, and in SQL.
const MOST_DIGITS: u8 = 38;

impl ColumnKind {
    /// The type of a column of readings or rows. A number with more than 38 digits after the point
    /// is text.
    pub fn of(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Text => Self::Text,
            ColumnType::Number(number) => Self::of_number(number),
            ColumnType::Float => Self::Float,
            ColumnType::Boolean => Self::Flag,
            ColumnType::Timestamp => Self::Time,
        }
    }

    fn of_number(number: NumberType) -> Self {
        let fits = |of: NumberType| {
            number.scale == 0 && of.lowest <= number.lowest && number.highest <= of.highest
        };
        if fits(NumberType::I32) {
            return Self::Integer;
        }
        if fits(NumberType::I64) {
            return Self::BigInteger;
        }
        if number.scale > MOST_DIGITS {
            return Self::Text;
        }
        let largest = number.lowest.unsigned_abs();
        let largest = largest.max(number.highest.unsigned_abs());
        let digits = largest.checked_ilog10().unwrap_or(0) + 1;
        let digits = u8::try_from(digits).unwrap_or(MOST_DIGITS);
        Self::Decimal {
            precision: digits.clamp(number.scale.max(1), MOST_DIGITS),
            scale: i8::try_from(number.scale).unwrap_or(0),
        }
    }

    /// The type in the query engine.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8View,
            Self::Time => DataType::Timestamp(TimeUnit::Millisecond, None),
            Self::Float => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            Self::Integer => DataType::Int32,
            Self::BigInteger => DataType::Int64,
            Self::Flag => DataType::Boolean,
        }
    }

    /// The type in SQL.
    pub fn sql(self) -> String {
        match self {
            Self::Text => "varchar".to_owned(),
            Self::Time => "timestamp(3)".to_owned(),
            Self::Float => "double".to_owned(),
            Self::Decimal { precision, scale } => format!("decimal({precision}, {scale})"),
            Self::Integer => "integer".to_owned(),
            Self::BigInteger => "bigint".to_owned(),
            Self::Flag => "boolean".to_owned(),
        }
    }
}

impl Table {
    /// The schema for the query engine.
    pub fn schema(&self) -> SchemaRef {
        let fields = self
            .columns
            .iter()
            .map(|column| Field::new(&column.name, column.kind.data_type(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// The name and meaning of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLabel {
    /// Its name in SQL.
    pub name: String,
    /// What one row represents.
    pub meaning: String,
}

impl TableLabel {
    /// The label of a table.
    pub fn new(name: impl Into<String>, meaning: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            meaning: meaning.into(),
        }
    }

    /// The table with these columns.
    pub(crate) fn table(&self, columns: Vec<Column>) -> Table {
        Table {
            name: self.name.clone(),
            meaning: self.meaning.clone(),
            columns,
        }
    }
}

/// Two tables have the same name, or names that differ only in case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two tables are called {name}: give one of them another name")]
pub struct SameTableName {
    /// The name.
    pub name: String,
}

/// The tables of a program.
///
/// SQL's names are case-insensitive, so a name that occurs in several tables has one spelling: the
/// first. Of columns of one table whose names differ only in case, the later ones get a number:
/// `Id`, `ID_2`. The sensor's own columns come before those that every table of a kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryTables {
    /// The readings of the archive.
    pub readings: Arc<Table>,
    /// The rows, merged.
    pub rows: Arc<Table>,
    /// What was rejected.
    pub rejects: Arc<Table>,
    /// The tables computed from merged rows.
    pub views: Vec<Arc<Table>>,
    /// The spelling of each name, by its lower case form.
    spellings: BTreeMap<String, String>,
}

impl QueryTables {
    pub(crate) fn new(
        readings: Table,
        rows: Table,
        rejects: Table,
        views: Vec<Table>,
    ) -> Result<Self, SameTableName> {
        let mut spellings = BTreeMap::new();
        let mut names: Vec<String> = Vec::new();
        let mut spelled = |table: Table| {
            let table = with_one_spelling(table, &mut spellings);
            if names.contains(&table.name) {
                return Err(SameTableName { name: table.name });
            }
            names.push(table.name.clone());
            Ok(Arc::new(table))
        };
        Ok(Self {
            readings: spelled(readings)?,
            rows: spelled(rows)?,
            rejects: spelled(rejects)?,
            views: views.into_iter().map(spelled).collect::<Result<_, _>>()?,
            spellings,
        })
    }

    /// All tables.
    pub fn all(&self) -> Vec<&Arc<Table>> {
        let tables = [&self.readings, &self.rows, &self.rejects];
        tables.into_iter().chain(&self.views).collect()
    }

    /// The table with this name.
    pub fn find(&self, name: &str) -> Option<&Arc<Table>> {
        self.all().into_iter().find(|table| table.name == name)
    }

    /// Whether the table is computed from rows: it is their table or a view.
    pub(crate) fn is_of_rows(&self, name: &str) -> bool {
        self.rows.name == name || self.views.iter().any(|view| view.name == name)
    }

    /// The names of all tables, separated by commas.
    pub fn names(&self) -> String {
        let names: Vec<_> = self.all().iter().map(|table| table.name.as_str()).collect();
        names.join(", ")
    }

    /// The spelling of each name, by its lower case form.
    pub(crate) fn spellings(&self) -> &BTreeMap<String, String> {
        &self.spellings
    }
}

/// Gives the table's names the spelling that they have in earlier tables, and columns whose names
/// are equal then a number.
fn with_one_spelling(table: Table, spellings: &mut BTreeMap<String, String>) -> Table {
    let mut taken: Vec<String> = Vec::new();
    for column in &table.columns {
        let folded = column.name.to_lowercase();
        let mut unique = folded.clone();
        let mut number = 1;
        // A number must not make the name of a later column.
        while taken.contains(&unique)
            || number > 1
                && table
                    .columns
                    .iter()
                    .any(|other| other.name.to_lowercase() == unique)
        {
            number += 1;
            unique = format!("{folded}_{number}");
        }
        let name = match number {
            1 => column.name.clone(),
            _ => format!("{}_{number}", column.name),
        };
        spellings.entry(unique.clone()).or_insert(name);
        taken.push(unique);
    }
    let folded = table.name.to_lowercase();
    let name = spellings.entry(folded).or_insert(table.name).clone();
    let columns = table.columns.into_iter().zip(taken);
    let columns = columns.map(|(column, unique)| Column {
        name: spellings.get(&unique).cloned().unwrap_or(unique),
        ..column
    });
    Table {
        name,
        meaning: table.meaning,
        columns: columns.collect(),
    }
}

fn column(name: &str, kind: ColumnKind, meaning: &str) -> Column {
    Column {
        name: name.to_owned(),
        kind,
        meaning: meaning.to_owned(),
    }
}

/// The day of arrival: the last column of a table of the archive.
fn day() -> Column {
    let meaning =
        "Day of arrival, like 2026/11/20; a condition on it limits the folders that are read";
    column("day", ColumnKind::Text, meaning)
}

/// The columns of a table with these columns.
pub(crate) fn columns_of(columns: &[TableColumn]) -> Vec<Column> {
    let columns = columns.iter();
    let columns = columns.map(|column| Column {
        name: column.name.clone(),
        kind: ColumnKind::of(column.column_type),
        meaning: column.meaning.clone(),
    });
    columns.collect()
}

/// The columns of the readings of the archive: those of the sensor, and the day.
pub(crate) fn reading_columns(columns: &[TableColumn]) -> Vec<Column> {
    let mut columns = columns_of(columns);
    columns.push(day());
    columns
}

/// The columns of merged rows: those of the schema, and what every row has. `meanings` are those of
/// the schema's columns by their names, if they are not the general ones.
pub(crate) fn row_columns(
    schema: &schema::Schema,
    meanings: &BTreeMap<String, String>,
) -> Vec<Column> {
    let described = |name: &str, kind, general: &str| {
        let meaning = meanings.get(name).map_or(general, String::as_str);
        column(name, kind, meaning)
    };
    let keys = schema.key().iter().map(|key| {
        let general = if key.is_nullable {
            "Key; may be missing"
        } else {
            "Key"
        };
        described(&key.name, ColumnKind::of(key.column_type), general)
    });
    let mut columns: Vec<Column> = keys.collect();
    let start = "Start of the window, UTC";
    columns.push(described(schema.time(), ColumnKind::Time, start));
    for measure in schema.measures() {
        let (kind, general) = match measure.measure_type {
            // No window has as many readings as 64 bits can count.
            MeasureType::Sum(NumberType::U64) => (ColumnKind::BigInteger, "Count"),
            MeasureType::Sum(_) => (ColumnKind::of(measure.column_type()), "Sum"),
            other => (ColumnKind::of(measure.column_type()), meaning_of(other)),
        };
        columns.push(described(&measure.name, kind, general));
    }
    let gap = "Whether the rows prove that readings are missing; false is no proof that none are";
    let length = "Length of the window in seconds";
    columns.extend([
        column("Readings", ColumnKind::BigInteger, "Number of readings"),
        column("WindowSeconds", ColumnKind::BigInteger, length),
        column("Gap", ColumnKind::Flag, gap),
    ]);
    columns
}

fn meaning_of(measure: MeasureType) -> &'static str {
    match measure {
        MeasureType::Sum(_) => "Sum",
        MeasureType::Min(_) => "Lowest value",
        MeasureType::Max(_) => "Highest value",
        MeasureType::Average { .. } => "Average",
        MeasureType::First(_) => "Value of the first reading",
        MeasureType::Last(_) => "Value of the last reading",
    }
}

/// The columns of rejected readings and rows, without the day, and their meanings. All are text, as
/// in Athena.
pub(crate) const REJECT_COLUMNS: [(&str, &str); 11] = [
    ("Reason", "Why it was rejected"),
    ("Stream", "Stream it came in"),
    ("Shard", "Shard of the stream"),
    ("SequenceNumber", "Its sequence number in the shard"),
    (
        "PartitionKey",
        "Partition key of its record, or user record",
    ),
    ("ArrivalTime", "When it arrived in the stream, UTC"),
    (
        "SubSequenceNumber",
        "Its index in an aggregated record, if it was in one",
    ),
    ("Payload", "The rejected text"),
    ("PayloadBase64", "The rejected bytes, if not UTF-8"),
    ("Piece", "Number of this piece of a long payload"),
    ("Pieces", "Number of pieces"),
];

/// The columns of rejected readings and rows.
pub(crate) fn reject_columns() -> Vec<Column> {
    let text = |(name, meaning)| column(name, ColumnKind::Text, meaning);
    let mut columns: Vec<Column> = REJECT_COLUMNS.map(text).to_vec();
    columns.push(day());
    columns
}
