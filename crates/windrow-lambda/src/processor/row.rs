//! Converts rows to items of the table and back.
//!
//! The table's key is Name and StatusTime. In the table, StatusTime is followed by `#` and the hash
//! of the row's source range ([`Summary::sort_key`]). All other attributes are as in the summary.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::value::RawValue;
use thiserror::Error;
use unicorn::rejection::Rejection;
use unicorn::status_time::StatusTime;
use unicorn::summary::{SourceRange, Summary};
use windrow_write::{Attributes, NoKeyValue, TableItem};

/// The table's partition key and sort key.
pub const KEY: [&str; 2] = ["Name", "StatusTime"];

/// The attribute that DynamoDB's time to live uses, in seconds since the epoch.
pub const EXPIRES_AT: &str = "ExpiresAt";

/// An item of the table, in the SDK's representation.
pub type Item = HashMap<String, AttributeValue>;

/// An item that is not a row.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RowError {
    /// An attribute has a type that rows do not use.
    #[error("{0} is neither text nor a number nor a map of them")]
    Type(String),
    /// StatusTime has no hash.
    #[error("StatusTime does not end in `#` and a hash")]
    SortKey,
    /// The attributes are not a valid summary.
    #[error(transparent)]
    Summary(#[from] Rejection),
}

/// A summary that is written to the table.
///
/// It implements [`TableItem`] directly instead of being a map of attributes. An invocation can
/// hold about ten thousand rows in memory until they are written, and a map for each would be
/// expensive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    summary: Summary,
    sort_key: Arc<str>,
    expires_at: Option<i64>,
}

impl TableRow {
    /// The summary.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The value of the StatusTime attribute.
    pub fn sort_key(&self) -> &str {
        &self.sort_key
    }
}

impl TableItem for TableRow {
    fn show(&self, attributes: &mut impl Attributes) {
        show(&self.summary, &self.sort_key, self.expires_at, attributes);
    }

    fn key_value(&self, name: &str) -> Result<&[u8], NoKeyValue> {
        match name {
            "Name" => Ok(self.summary.name.as_bytes()),
            "StatusTime" => Ok(self.sort_key.as_bytes()),
            _ => Err(NoKeyValue::Missing),
        }
    }
}

/// Converts summaries to rows.
#[derive(Debug, Default)]
pub struct TableRows {
    expire_after_days: Option<u32>,
    last: Option<(SortKeyInputs, Arc<str>)>,
}

/// The fields that determine a sort key.
#[derive(Debug, PartialEq, Eq)]
struct SortKeyInputs {
    window_start: StatusTime,
    window_seconds: u32,
    source: SourceRange,
}

impl TableRows {
    /// Rows expire `expire_after_days` after the start of their window, or never if that is `None`.
    /// The expiry depends only on the row, so writing a row again does not change it.
    pub fn new(expire_after_days: Option<u32>) -> Self {
        Self {
            expire_after_days,
            last: None,
        }
    }

    /// The row of `summary`.
    pub fn row(&mut self, summary: Summary) -> TableRow {
        TableRow {
            sort_key: self.sort_key(&summary),
            expires_at: expires_at(&summary, self.expire_after_days),
            summary,
        }
    }

    /// The sort key, reusing that of the previous row if it is the same. Rows of the same source
    /// range share a sort key and arrive together, so its hash is computed only once for all of
    /// them.
    fn sort_key(&mut self, summary: &Summary) -> Arc<str> {
        if let Some((inputs, key)) = &self.last
            && inputs.source == summary.source
            && inputs.window_start == summary.window_start
            && inputs.window_seconds == summary.window_seconds
        {
            return Arc::clone(key);
        }
        let inputs = SortKeyInputs {
            window_start: summary.window_start,
            window_seconds: summary.window_seconds,
            source: summary.source.clone(),
        };
        let key: Arc<str> = summary.sort_key().into();
        self.last = Some((inputs, Arc::clone(&key)));
        key
    }
}

/// Converts a row to an item in the SDK's representation. It expires as described at
/// [`TableRows::new`].
pub fn to_item(row: &Summary, expire_after_days: Option<u32>) -> Item {
    let mut item = Item::new();
    let expires_at = expires_at(row, expire_after_days);
    show(row, &row.sort_key(), expires_at, &mut item);
    item
}

/// When the row expires, in seconds since the epoch.
fn expires_at(row: &Summary, expire_after_days: Option<u32>) -> Option<i64> {
    let days = expire_after_days?;
    Some(row.window_start.millis().div_euclid(1000) + i64::from(days) * 86_400)
}

/// Passes every attribute of the row to `attributes`.
fn show(row: &Summary, sort_key: &str, expires_at: Option<i64>, attributes: &mut impl Attributes) {
    attributes.text("Name", &row.name);
    attributes.text("StatusTime", sort_key);
    attributes.number("Readings", row.readings);
    attributes.number("WindowSeconds", row.window_seconds);
    let SourceRange {
        stream,
        shard,
        range,
        dedup_from,
    } = &row.source;
    attributes.map("Part", |source| {
        source.text("Stream", stream);
        source.text("Shard", shard);
        source.text("From", range.from().as_str());
        source.text("To", range.to().as_str());
        if let Some(dedup_from) = dedup_from {
            source.text("Since", dedup_from.as_str());
        }
    });
    if let Some(measures) = &row.measures {
        attributes.number("Distance", measures.distance);
        attributes.number("MinMagicPoints", measures.min_magic_points);
        attributes.number("MaxMagicPoints", measures.max_magic_points);
        attributes.number("MinHealthPoints", measures.min_health_points);
        attributes.number("MaxHealthPoints", measures.max_health_points);
    }
    if row.duplicates > 0 {
        attributes.number("Repeats", row.duplicates);
    }
    if let Some(seconds) = expires_at {
        attributes.number(EXPIRES_AT, seconds);
    }
}

/// Reads a row from an item. Ignores attributes that rows do not have.
///
/// It converts the item to the summary's JSON and parses that, so that rows are validated in one
/// place.
///
/// # Errors
///
/// [`RowError`] if an attribute is missing, or has a type that rows do not use.
pub fn from_item(item: &Item) -> Result<Summary, RowError> {
    let mut fields = BTreeMap::new();
    for (name, value) in item {
        let json = match (name.as_str(), value) {
            ("StatusTime", AttributeValue::S(key)) => {
                let (time, _) = key.split_once('#').ok_or(RowError::SortKey)?;
                json_text(time)
            }
            (_, AttributeValue::S(text)) => json_text(text),
            (_, AttributeValue::N(number)) => RawValue::from_string(number.clone()).ok(),
            ("Part", AttributeValue::M(source)) => {
                let text = |(name, value): (&String, &AttributeValue)| {
                    Some((name.clone(), value.as_s().ok()?.clone()))
                };
                let source: Option<BTreeMap<_, _>> = source.iter().map(text).collect();
                source.and_then(|source| serde_json::value::to_raw_value(&source).ok())
            }
            _ => continue,
        };
        let json = json.ok_or_else(|| RowError::Type(name.clone()))?;
        fields.insert(name, json);
    }
    let line = serde_json::to_vec(&fields).map_err(|_| RowError::Type("the item".to_owned()))?;
    Ok(Summary::parse(&line)?)
}

fn json_text(text: &str) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use windrow_write::{Destination, DynamoTable};

    use super::*;

    fn line(name: &str, metres: &str, points: i32, readings: u64) -> String {
        let name = serde_json::to_string(name).unwrap();
        format!(
            r#"{{"Name":{name},"StatusTime":"2026-11-20 09:17:00.000","Distance":{metres},"MinMagicPoints":{points},"MaxMagicPoints":{points},"MinHealthPoints":{points},"MaxHealthPoints":{points},"Readings":{readings},"WindowSeconds":60,"Part":{{"Stream":"wildrydes","Shard":"shardId-000000000000","From":"1","To":"2"}}}}"#
        )
    }

    #[test]
    fn row_expires_days_after_its_window_starts() {
        let row = Summary::parse(line("Franky", "1", 1, 1).as_bytes()).unwrap();
        assert_eq!(to_item(&row, None).get(EXPIRES_AT), None);
        let item = to_item(&row, Some(2));
        // date -u -d '2026-11-22 09:17:00' +%s
        let expected = AttributeValue::N("1795339020".to_owned());
        assert_eq!(item.get(EXPIRES_AT), Some(&expected));
        assert_eq!(from_item(&item).unwrap(), row);
    }

    #[test]
    fn row_and_item_have_the_same_attributes_key_and_size() {
        let mut summary = Summary::parse(line("Franky", "1.25", -7, 60).as_bytes()).unwrap();
        summary.duplicates = 3;
        summary.source.dedup_from = Some("0".parse().unwrap());
        let row = TableRows::new(Some(2)).row(summary.clone());
        let item = to_item(&summary, Some(2));

        let mut shown = Item::new();
        row.show(&mut shown);
        assert_eq!(shown, item);
        for name in KEY {
            assert_eq!(row.key_value(name), item.key_value(name));
        }
        assert_eq!(row.key_value("Readings"), Err(NoKeyValue::Missing));
        let config = aws_sdk_dynamodb::Config::builder();
        let config = config.behavior_version_latest().build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        let rows = DynamoTable::<TableRow>::new(client.clone(), "rows", KEY);
        let items = DynamoTable::<Item>::new(client, "items", KEY);
        assert_eq!(rows.size(&row), items.size(&item));
    }

    #[test]
    fn rows_with_different_sources_or_windows_have_different_sort_keys() {
        let line = line("Franky", "1", 1, 1);
        let first = Summary::parse(line.as_bytes()).unwrap();
        let changed = [
            (r#""WindowSeconds":60"#, r#""WindowSeconds":2"#),
            ("09:17:00.000", "09:18:00.000"),
            ("wildrydes", "elsewhere"),
            ("shardId-000000000000", "shardId-000000000001"),
            (r#""From":"1""#, r#""From":"0""#),
            (r#""To":"2""#, r#""To":"3""#),
            (r#""To":"2""#, r#""To":"2","Since":"0""#),
        ]
        .map(|(from, to)| Summary::parse(line.replace(from, to).as_bytes()).unwrap());
        let mut rows = TableRows::new(None);
        for changed in changed {
            assert_ne!(changed.sort_key(), first.sort_key());
            for summary in [&first, &changed, &changed, &first] {
                let row = rows.row(summary.clone());
                assert_eq!(row.sort_key(), summary.sort_key());
            }
        }
    }

    #[test]
    fn invalid_item_is_an_error() {
        let row = Summary::parse(line("Franky", "1", 1, 1).as_bytes()).unwrap();
        let with = |name: &str, value| {
            let mut item = to_item(&row, None);
            item.insert(name.to_owned(), value);
            from_item(&item).unwrap_err().to_string()
        };
        let text = |text: &str| AttributeValue::S(text.to_owned());
        assert_eq!(
            with("StatusTime", text("2026-11-20 09:17:00.000")),
            "StatusTime does not end in `#` and a hash"
        );
        assert_eq!(with("Readings", text("7")), "Readings is not a number");
        assert_eq!(with("Part", text("7")), "Part is not an object");
        assert_eq!(with("Name", AttributeValue::Bool(true)), "Name is missing");
    }

    proptest! {
        #[test]
        fn rows_round_trip(name in ".{1,40}", metres in 0..i64::MAX, points: i32, readings in 1..u64::MAX) {
            let row = Summary::parse(line(&name, &metres.to_string(), points, readings).as_bytes()).unwrap();
            prop_assert_eq!(from_item(&to_item(&row, Some(30))), Ok(row));
        }
    }
}
