//! Converts rows to items of the table and back.
//!
//! The table's key is the schema's [partition attribute](Schema::partition_attribute) and its time,
//! which is followed by `#` and the row's hash ([`Row::sort_value`]). All other attributes are as
//! in the row's line.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::value::{RawValue, to_raw_value};
use thiserror::Error;
use windrow_core::rejection::Rejection;
use windrow_core::row::{Measure, Row, SourceRange};
use windrow_core::schema::{EXPIRES_AT, SOURCE, Schema};
use windrow_core::value::Value;
use windrow_write::{Attributes, NoKeyValue, TableItem};

/// An item of the table, in the SDK's representation.
pub type Item = HashMap<String, AttributeValue>;

/// An item that is not a row.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RowError {
    /// An attribute has a type that rows do not use.
    #[error("{0} is neither text nor a number nor true or false nor a map of them")]
    Type(String),
    /// The sort attribute has no hash.
    #[error("{0} does not end in `#` and a hash")]
    SortKey(String),
    /// The attributes are not those that the hash was made of: something else changed the item.
    #[error(
        "the row's hash is {expected}, but {attribute} ends in {found}: something changed the item, or a sensor with other columns wrote it"
    )]
    Hash {
        /// The sort attribute.
        attribute: String,
        /// The hash of the attributes.
        expected: String,
        /// The hash in the sort attribute.
        found: String,
    },
    /// The attributes are not a valid row.
    #[error(transparent)]
    Row(#[from] Rejection),
}

/// A row that is written to the table.
///
/// It implements [`TableItem`] directly instead of being a map of attributes. An invocation can
/// hold about ten thousand rows in memory until they are written, and a map for each would be
/// expensive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    schema: Arc<Schema>,
    row: Row,
    /// The partition attribute's value, unless that is a column of the row.
    partition: Option<String>,
    sort_value: String,
    expires_at: Option<i64>,
}

impl TableRow {
    /// The row as it is written. It expires `expire_after_days` after the start of its window, or
    /// never if that is `None`.
    ///
    /// The expiry depends only on the window, so writing a row again does not change it, and all
    /// rows of a window expire together.
    pub fn new(schema: &Arc<Schema>, row: Row, expire_after_days: Option<u32>) -> Self {
        let start = row.window_start.millis().div_euclid(1000);
        Self {
            partition: match row.partition_value(schema) {
                Cow::Borrowed(_) => None,
                Cow::Owned(value) => Some(value),
            },
            sort_value: row.sort_value(schema),
            expires_at: expire_after_days.map(|days| start + i64::from(days) * 86_400),
            schema: Arc::clone(schema),
            row,
        }
    }

    /// The row.
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// The value of the sort attribute.
    pub fn sort_value(&self) -> &str {
        &self.sort_value
    }

    /// The row as an item in the SDK's representation.
    pub fn to_item(&self) -> Item {
        let mut item = Item::new();
        self.show(&mut item);
        item
    }
}

impl TableItem for TableRow {
    fn show(&self, attributes: &mut impl Attributes) {
        let Self { schema, row, .. } = self;
        if let Some(partition) = &self.partition {
            attributes.text(schema.partition_attribute(), partition);
        }
        for (column, value) in schema.key().iter().zip(&row.key) {
            show_value(&column.name, value, attributes);
        }
        attributes.text(schema.time(), &self.sort_value);
        for (column, measure) in schema.measures().iter().zip(&row.measures) {
            match measure {
                Measure::Value(value) | Measure::Ordered { value, .. } => {
                    show_value(&column.name, value, attributes);
                }
                average => {
                    let finished = average.finish(column.measure_type);
                    show_value(&column.name, &finished, attributes);
                }
            }
        }
        attributes.map(SOURCE, |source| show_source(row, schema, source));
        if let Some(seconds) = self.expires_at {
            attributes.number(EXPIRES_AT, seconds);
        }
    }

    fn key_value(&self, name: &str) -> Result<&[u8], NoKeyValue> {
        if name == self.schema.time() {
            return Ok(self.sort_value.as_bytes());
        }
        if name != self.schema.partition_attribute() {
            return Err(NoKeyValue::Missing);
        }
        match (&self.partition, self.row.key.as_slice()) {
            (Some(partition), _) => Ok(partition.as_bytes()),
            (None, [Value::Text(text)]) => Ok(text.as_bytes()),
            _ => Err(NoKeyValue::Missing),
        }
    }
}

fn show_value(name: &str, value: &Value, attributes: &mut impl Attributes) {
    match value {
        Value::Null => {}
        Value::Boolean(value) => attributes.boolean(name, *value),
        Value::Number(number) => attributes.number(name, number),
        Value::Float(float) => attributes.number(name, float.value()),
        Value::Timestamp(time) => attributes.text(name, &time.to_exact_string()),
        Value::Text(text) => attributes.text(name, text),
    }
}

fn show_source(row: &Row, schema: &Schema, source: &mut impl Attributes) {
    let SourceRange {
        stream,
        shard,
        range,
        dedup_from,
    } = &*row.source;
    source.text("Stream", stream);
    source.text("Shard", shard);
    source.text("From", range.from().as_str());
    source.text("To", range.to().as_str());
    if let Some(dedup_from) = dedup_from {
        source.text("DedupFrom", dedup_from.as_str());
    }
    source.number("Readings", row.readings);
    if row.duplicates > 0 {
        source.number("Duplicates", row.duplicates);
    }
    source.number("WindowSeconds", row.window_seconds);
    let parts = || schema.measures().iter().zip(&row.measures);
    if parts().all(|(_, measure)| matches!(measure, Measure::Value(_))) {
        return;
    }
    source.map("Parts", |attributes| {
        for (column, measure) in parts() {
            match measure {
                Measure::Value(_) => {}
                Measure::Average { sum, count } => attributes.map(&column.name, |parts| {
                    parts.number("Sum", sum);
                    parts.number("Count", count);
                }),
                Measure::Ordered { order, .. } => attributes.map(&column.name, |parts| {
                    parts.text("SequenceNumber", &order.sequence_number);
                    parts.number("Index", order.index);
                    parts.text("Time", &order.time.to_exact_string());
                }),
            }
        }
    });
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// The row.
    pub row: Row,
    /// When it expires, in seconds since the epoch; `None` if never.
    pub expires_at: Option<i64>,
}

impl StoredRow {
    /// Reads a row from an item. Ignores attributes that rows do not have.
    ///
    /// It converts the item to the row's JSON and parses that, so that rows are validated in one
    /// place.
    ///
    /// # Errors
    ///
    /// [`RowError`] if an attribute is missing, has a type that rows do not use, or is not what the
    /// row's hash was made of.
    pub fn from_item(schema: &Schema, item: &Item) -> Result<Self, RowError> {
        let attribute = schema.time();
        let no_hash = || RowError::SortKey(attribute.to_owned());
        let sort_value = item.get(attribute).and_then(|value| value.as_s().ok());
        let (time, found) = sort_value
            .and_then(|value| value.split_once('#'))
            .ok_or_else(no_hash)?;

        let mut fields = BTreeMap::new();
        for (name, value) in item {
            let json = if name == attribute {
                to_raw_value(time).ok()
            } else {
                json(value)
            };
            fields.insert(name, json.ok_or_else(|| RowError::Type(name.clone()))?);
        }
        let line = serde_json::to_vec(&fields);
        let line = line.map_err(|_| RowError::Type("the item".to_owned()))?;
        let row = Row::parse(schema, &line)?;
        let expected = row.sort_value(schema);
        let expected = expected.split_once('#').map_or("", |(_, hash)| hash);
        if expected != found {
            return Err(RowError::Hash {
                attribute: attribute.to_owned(),
                expected: expected.to_owned(),
                found: found.to_owned(),
            });
        }
        let expires_at = item.get(EXPIRES_AT).and_then(|value| value.as_n().ok());
        Ok(Self {
            row,
            expires_at: expires_at.and_then(|seconds| seconds.parse().ok()),
        })
    }

    /// The row, unless it has expired by `now`, in seconds since the epoch.
    ///
    /// DynamoDB deletes expired items within days, not at once and not together. A window whose
    /// rows are deleted only in part must not look whole, so readers ignore what has expired.
    pub fn unexpired(self, now: i64) -> Option<Row> {
        let is_expired = self.expires_at.is_some_and(|expires_at| expires_at <= now);
        (!is_expired).then_some(self.row)
    }
}

/// The JSON of an attribute; `None` if it has a type that rows do not use.
fn json(value: &AttributeValue) -> Option<Box<RawValue>> {
    match value {
        AttributeValue::S(text) => to_raw_value(text).ok(),
        AttributeValue::N(number) => RawValue::from_string(number.clone()).ok(),
        AttributeValue::Bool(value) => to_raw_value(value).ok(),
        AttributeValue::M(entries) => {
            let entries = entries
                .iter()
                .map(|(name, value)| Some((name, json(value)?)));
            let entries: BTreeMap<_, _> = entries.collect::<Option<_>>()?;
            to_raw_value(&entries).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use windrow_core::decimal::Decimal;
    use windrow_core::schema::{KeyColumn, MeasureColumn};
    use windrow_core::value::{ColumnType, NumberType};
    use windrow_write::{Destination, DynamoTable};

    use super::*;

    const LINE: &str = r#"{"Name":"Franky","StatusTime":"2026-11-20 09:17:00.000","Distance":1.25,"MinMagicPoints":-7,"MaxMagicPoints":1,"MinHealthPoints":1,"MaxHealthPoints":1,"Source":{"Stream":"arn:aws:kinesis:eu-west-1:123456789012:stream/wildrydes","Shard":"shardId-000000000000","From":"1","To":"2","DedupFrom":"0","Readings":60,"Duplicates":3,"WindowSeconds":60}}"#;

    fn schema() -> Arc<Schema> {
        let points = || ColumnType::Number(NumberType::I32);
        let columns = vec![
            MeasureColumn::sum("Distance", NumberType::decimal(6)),
            MeasureColumn::min("MinMagicPoints", points()),
            MeasureColumn::max("MaxMagicPoints", points()),
            MeasureColumn::min("MinHealthPoints", points()),
            MeasureColumn::max("MaxHealthPoints", points()),
        ];
        let key = vec![KeyColumn::new("Name", ColumnType::Text)];
        Arc::new(Schema::new(key, "StatusTime", columns).unwrap())
    }

    fn parse(line: &str) -> Row {
        Row::parse(&schema(), line.as_bytes()).unwrap()
    }

    fn item(line: &str) -> Item {
        TableRow::new(&schema(), parse(line), Some(2)).to_item()
    }

    fn stored(item: &Item) -> Result<StoredRow, String> {
        StoredRow::from_item(&schema(), item).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_of_a_window_expire_together() {
        let never = TableRow::new(&schema(), parse(LINE), None);
        assert_eq!(never.to_item().get(EXPIRES_AT), None);
        // date -u -d '2026-11-22 09:17:00' +%s
        let seconds = 1_795_339_020;
        let expires_at = AttributeValue::N(seconds.to_string());
        for line in [
            LINE,
            &LINE.replace("shardId-000000000000", "shardId-000000000001"),
        ] {
            assert_eq!(item(line).get(EXPIRES_AT), Some(&expires_at));
        }
        let stored = stored(&item(LINE)).unwrap();
        assert_eq!(stored.clone().unexpired(seconds - 1), Some(parse(LINE)));
        assert_eq!(stored.unexpired(seconds), None);
    }

    #[test]
    fn row_and_item_have_the_same_key_and_size() {
        let schema = schema();
        let row = TableRow::new(&schema, parse(LINE), Some(2));
        let item = row.to_item();
        let key = [schema.partition_attribute(), schema.time()];
        assert_eq!(key, ["Name", "StatusTime"]);
        for name in key {
            assert_eq!(row.key_value(name), item.key_value(name));
        }
        assert_eq!(row.key_value("Source"), Err(NoKeyValue::Missing));
        let config = aws_sdk_dynamodb::Config::builder();
        let config = config.behavior_version_latest().build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        let rows = DynamoTable::<TableRow>::new(client.clone(), "rows", key);
        let items = DynamoTable::<Item>::new(client, "items", key);
        assert_eq!(rows.size(&row), items.size(&item));
    }

    #[test]
    fn keys_and_averages_of_any_columns_are_stored() {
        let celsius = NumberType::decimal(2);
        let key = vec![
            KeyColumn::new("Room", ColumnType::Text).nullable(),
            KeyColumn::new("Floor", ColumnType::Number(NumberType::I32)),
            KeyColumn::new("Heated", ColumnType::Boolean),
        ];
        let measures = vec![
            MeasureColumn::average("Mean", celsius, 3),
            MeasureColumn::max("Highest", ColumnType::Float),
        ];
        let schema = Arc::new(Schema::new(key, "WindowStart", measures).unwrap());
        let line = r#"{"Floor":-1,"Heated":true,"WindowStart":"2026-11-20 09:17:00.000","Mean":0.333,"Highest":1e+21,"Source":{"Stream":"s","Shard":"0","From":"1","To":"2","Readings":3,"WindowSeconds":60,"Parts":{"Mean":{"Sum":1,"Count":3}}}}"#;
        let row = Row::parse(&schema, line.as_bytes()).unwrap();
        let table_row = TableRow::new(&schema, row.clone(), None);
        assert_eq!(table_row.key_value("Key").unwrap(), b"[null,-1,true]");
        let item = table_row.to_item();
        assert_eq!(item["Key"], AttributeValue::S("[null,-1,true]".to_owned()));
        let stored = StoredRow::from_item(&schema, &item).unwrap();
        assert_eq!(stored.row, row);
    }

    #[test]
    fn invalid_item_is_an_error() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let with = |name: &str, value| {
            let mut item = item(LINE);
            item.insert(name.to_owned(), value);
            stored(&item).unwrap_err()
        };
        assert_eq!(
            with("StatusTime", text("2026-11-20 09:17:00.000")),
            "StatusTime does not end in `#` and a hash"
        );
        assert_eq!(with("Distance", text("7")), "Distance is not a number");
        assert_eq!(with("Source", text("7")), "Source is not an object");
        assert_eq!(
            with("Name", AttributeValue::Bool(true)),
            "Name is not a string"
        );
        let bytes = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(*b"7"));
        assert!(with("Name", bytes).starts_with("Name is neither text nor"));
        let changed = with("Distance", AttributeValue::N("7".to_owned()));
        assert!(changed.starts_with("the row's hash is "), "{changed}");
    }

    proptest! {
        #[test]
        fn rows_round_trip(name in ".{1,40}", metres in 0..i64::MAX, points: i32, readings in 1..u64::MAX) {
            let mut row = parse(LINE);
            row.key = vec![Value::Text(name)];
            row.readings = readings;
            let unscaled = metres.into();
            row.measures[0] = Measure::Value(Value::Number(Decimal { unscaled, scale: 6 }));
            let number = Decimal { unscaled: points.into(), scale: 0 };
            row.measures[1] = Measure::Value(Value::Number(number));
            let item = TableRow::new(&schema(), row.clone(), Some(30)).to_item();
            prop_assert_eq!(stored(&item).map(|stored| stored.row), Ok(row));
        }
    }
}
