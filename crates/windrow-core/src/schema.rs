//! The columns of a sensor's rows.

mod column;
mod serialize;

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::json::{self, RawField};
use crate::rejection::Rejection;
use crate::value::{ColumnType, FieldValue, NumberType, Value};

pub use column::{KeyColumn, MeasureColumn, MeasureKind, MeasureType};

/// The columns of a sensor's rows: its key, the window's start, and its measures.
///
/// A schema is a value, so it may come from a program's types or from text.
///
/// ```
/// use windrow_core::schema::{KeyColumn, MeasureColumn, Schema};
/// use windrow_core::value::{ColumnType, NumberType};
///
/// let celsius = NumberType::decimal(2);
/// let schema = Schema::new(
///     vec![KeyColumn::new("Room", ColumnType::Text)],
///     "Minute",
///     vec![
///         MeasureColumn::max("Highest", ColumnType::Number(celsius)),
///         MeasureColumn::average("Average", celsius, 3),
///     ],
/// )?;
/// assert_eq!(schema.partition_attribute(), "Room");
/// # Ok::<(), windrow_core::schema::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    key: Vec<KeyColumn>,
    time: String,
    measures: Vec<MeasureColumn>,
    /// The names of a row's fields: the key, the time, the measures, and `Source`.
    fields: Vec<String>,
    fingerprint: String,
}

/// Why columns are not a schema.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SchemaError {
    /// A column has no name.
    #[error("a column's name is empty")]
    Unnamed,
    /// Two columns have the same name.
    #[error("two columns are called {0}")]
    SameName(String),
    /// The name is used for what every row has.
    #[error("a column cannot be called {0}: every row has an attribute of that name")]
    Reserved(String),
    /// There are more measures than a window state can hold.
    #[error("there are {0} measures, more than {MOST_MEASURES}")]
    TooManyMeasures(usize),
    /// A number has more digits after the point than fit.
    #[error("{column} has {scale} digits after the point, more than {MOST_PLACES}")]
    Scale {
        /// The column's name.
        column: String,
        /// The number of digits.
        scale: u8,
    },
}

/// The most measures of a schema.
pub const MOST_MEASURES: usize = 255;

/// The attributes that rows have besides their columns, in the stream or in the table.
const RESERVED: [&str; 3] = [SOURCE, KEY, EXPIRES_AT];

/// The attribute with the source of a row.
pub const SOURCE: &str = "Source";

/// The table's partition attribute if no single column of the key can be it.
const KEY: &str = "Key";

/// The attribute of the table that DynamoDB's time to live uses: seconds since the epoch.
pub const EXPIRES_AT: &str = "ExpiresAt";

/// The most digits after a number's point: DynamoDB's numbers have 38 digits.
pub(crate) const MOST_PLACES: u8 = 18;

impl Schema {
    /// A schema whose rows have the window's start in the column `time`.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] if a name is empty, used twice or reserved, or a scale is too large.
    pub fn new(
        key: Vec<KeyColumn>,
        time: impl Into<String>,
        measures: Vec<MeasureColumn>,
    ) -> Result<Self, SchemaError> {
        let mut schema = Self {
            key,
            time: time.into(),
            measures,
            fields: Vec::new(),
            fingerprint: String::new(),
        };
        let mut names = schema.names();
        let mut fields: Vec<String> = names.iter().copied().map(str::to_owned).collect();
        fields.push(SOURCE.to_owned());
        names.sort_unstable();
        for pair in names.windows(2) {
            if pair[0] == pair[1] {
                return Err(SchemaError::SameName(pair[0].to_owned()));
            }
        }
        for name in names {
            if name.is_empty() {
                return Err(SchemaError::Unnamed);
            }
            if RESERVED.contains(&name) {
                return Err(SchemaError::Reserved(name.to_owned()));
            }
        }
        schema.check_scales()?;
        if schema.measures.len() > MOST_MEASURES {
            return Err(SchemaError::TooManyMeasures(schema.measures.len()));
        }
        schema.fields = fields;
        schema.fingerprint = fingerprint(&schema);
        Ok(schema)
    }

    fn check_scales(&self) -> Result<(), SchemaError> {
        let check = |column: &str, number: NumberType| {
            if number.scale <= MOST_PLACES {
                return Ok(());
            }
            Err(SchemaError::Scale {
                column: column.to_owned(),
                scale: number.scale,
            })
        };
        for column in &self.key {
            if let ColumnType::Number(number) = column.column_type {
                check(&column.name, number)?;
            }
        }
        for column in &self.measures {
            if let ColumnType::Number(number) = column.column_type() {
                check(&column.name, number)?;
            }
            if let MeasureType::Average { of, .. } = column.measure_type {
                check(&column.name, of)?;
            }
        }
        Ok(())
    }

    /// 16 hex digits that practically always differ between schemas with different columns.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The columns of the key.
    pub fn key(&self) -> &[KeyColumn] {
        &self.key
    }

    /// The column with the window's start. It is the sort attribute of the table.
    pub fn time(&self) -> &str {
        &self.time
    }

    /// The measures.
    pub fn measures(&self) -> &[MeasureColumn] {
        &self.measures
    }

    /// The names of a row's fields: those of the columns, and `Source`.
    pub(crate) fn fields(&self) -> &[String] {
        &self.fields
    }

    fn names(&self) -> Vec<&str> {
        let key = self.key.iter().map(|column| column.name.as_str());
        let measures = self.measures.iter().map(|column| column.name.as_str());
        key.chain([self.time.as_str()]).chain(measures).collect()
    }

    /// The attributes of the table's key: partition and sort attribute.
    pub fn table_key(&self) -> [&str; 2] {
        [self.partition_attribute(), &self.time]
    }

    /// The text of a key: the value itself if the [partition
    /// attribute](Self::partition_attribute) is the key's only column, otherwise the JSON array of
    /// the values of its columns.
    pub fn key_text<'v>(&self, values: &'v [FieldValue<'_>]) -> Cow<'v, str> {
        if let [FieldValue::Text(text)] = values
            && self.has_text_key()
        {
            return Cow::Borrowed(text);
        }
        Cow::Owned(key_array(values.iter().cloned()))
    }

    /// The values of a key's columns from its [text](Self::key_text).
    ///
    /// # Errors
    ///
    /// [`Rejection`] if it is not the text of a key of this schema.
    pub fn key_values(&self, text: String) -> Result<Vec<Value>, Rejection> {
        if self.has_text_key() {
            return Ok(vec![Value::Text(text)]);
        }
        let not_a_key = || Rejection::field(KEY, format!("{} is not a key", json::quote(&text)));
        let raw: Vec<RawField<'_>> = serde_json::from_str(&text).map_err(|_| not_a_key())?;
        if raw.len() != self.key.len() {
            return Err(not_a_key());
        }
        let columns = self.key.iter().zip(raw);
        let values =
            columns.map(|(column, raw)| Value::parse(column.column_type, &column.name, raw));
        values.collect()
    }

    /// Whether the partition attribute is a column of the key.
    pub(crate) fn has_text_key(&self) -> bool {
        self.partition_attribute() != KEY
    }

    /// The partition attribute of the table: the key's column where there is exactly one and its
    /// values are text and never missing, otherwise `Key`.
    pub fn partition_attribute(&self) -> &str {
        match self.key.as_slice() {
            [column] if column.column_type == ColumnType::Text && !column.is_nullable => {
                &column.name
            }
            _ => KEY,
        }
    }
}

/// 16 hex digits of a SHA-256 over the schema's JSON.
fn fingerprint(schema: &Schema) -> String {
    // A schema always serializes.
    let json = serde_json::to_vec(schema).unwrap_or_default();
    hex(&Sha256::digest(json)[..8])
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xF] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text
}

/// The JSON array of a key's values.
pub fn key_array<'v>(values: impl IntoIterator<Item = FieldValue<'v>>) -> String {
    let mut array = vec![b'['];
    for value in values {
        if array.len() > 1 {
            array.push(b',');
        }
        value.write_json(&mut array);
    }
    array.push(b']');
    // JSON is always UTF-8.
    String::from_utf8(array).unwrap_or_default()
}

/// Appends the [`key_array`] of these values to a text, without memory of its own for usual ones.
#[inline]
pub(crate) fn write_key_array<'v>(
    values: impl Iterator<Item = &'v FieldValue<'v>>,
    array: &mut String,
) {
    let mut separator = '[';
    for value in values {
        array.push(separator);
        separator = ',';
        match value {
            FieldValue::Text(text) if !json::has_escapes(text) => {
                array.push('"');
                array.push_str(text);
                array.push('"');
            }
            other => {
                let mut json = Vec::new();
                other.write_json(&mut json);
                // JSON is always UTF-8.
                array.push_str(&String::from_utf8(json).unwrap_or_default());
            }
        }
    }
    if separator == '[' {
        array.push('[');
    }
    array.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(names: &[&str]) -> Vec<KeyColumn> {
        names
            .iter()
            .map(|name| KeyColumn::new(*name, ColumnType::Text))
            .collect()
    }

    #[test]
    fn only_a_single_text_is_the_partition_attribute_itself() {
        let attribute = |key: Vec<KeyColumn>| {
            let schema = Schema::new(key, "Minute", Vec::new()).unwrap();
            schema.partition_attribute().to_owned()
        };
        assert_eq!(attribute(key(&["Room"])), "Room");
        assert_eq!(attribute(key(&["Room", "Floor"])), "Key");
        assert_eq!(attribute(Vec::new()), "Key");
        let text = || KeyColumn::new("Room", ColumnType::Text);
        assert_eq!(attribute(vec![text().nullable()]), "Key");
        let number = KeyColumn::new("Room", ColumnType::Number(NumberType::I64));
        assert_eq!(attribute(vec![number]), "Key");
    }

    #[test]
    fn schemas_with_other_columns_have_other_fingerprints() {
        let column = ColumnType::Number(NumberType::decimal(2));
        let schema = |time, measure| {
            let schema = Schema::new(key(&["Room"]), time, vec![measure]).unwrap();
            schema.fingerprint().to_owned()
        };
        let expected = schema("Minute", MeasureColumn::min("A", column));
        // States were written with it.
        assert_eq!(expected, "09c7d802f9b3a5a4");
        for (time, measure) in [
            ("Time", MeasureColumn::min("A", column)),
            ("Minute", MeasureColumn::max("A", column)),
            ("Minute", MeasureColumn::min("B", column)),
            ("Minute", MeasureColumn::min("A", column).nullable()),
            ("Minute", MeasureColumn::min("A", ColumnType::Text)),
        ] {
            assert_ne!(schema(time, measure), expected);
        }
    }

    #[test]
    fn names_are_checked() {
        let error = |names: &[&str], time: &str| {
            let error = Schema::new(key(names), time, Vec::new()).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            error(&["Room", "Room"], "Minute"),
            "two columns are called Room"
        );
        assert_eq!(
            error(&["Minute"], "Minute"),
            "two columns are called Minute"
        );
        assert_eq!(error(&["Room"], ""), "a column's name is empty");
        assert_eq!(
            error(&["Source"], "Minute"),
            "a column cannot be called Source: every row has an attribute of that name"
        );
        let fine = MeasureColumn::average("Fine", NumberType::decimal(2), 19);
        assert_eq!(
            Schema::new(Vec::new(), "Minute", vec![fine])
                .unwrap_err()
                .to_string(),
            "Fine has 19 digits after the point, more than 18"
        );
        let many = (0..256).map(|n| MeasureColumn::min(format!("A{n}"), ColumnType::Text));
        assert_eq!(
            Schema::new(Vec::new(), "Minute", many.collect()),
            Err(SchemaError::TooManyMeasures(256))
        );
    }
}
