//! A row as an item of the table, and back.
//!
//! The table's key is Name and StatusTime. In the table StatusTime goes on with `#` and the hash of
//! the row's part ([`Summary::sort_key`]); everything else is as in the summary.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::value::RawValue;
use thiserror::Error;
use unicorn::rejection::Rejection;
use unicorn::summary::Summary;

/// The table's partition key and sort key.
pub const KEY: [&str; 2] = ["Name", "StatusTime"];

/// The attribute that DynamoDB's time to live goes by: seconds since the epoch.
pub const EXPIRES_AT: &str = "ExpiresAt";

/// An item of the table.
pub type Item = HashMap<String, AttributeValue>;

/// An item that is not a row.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RowError {
    /// An attribute has a type that no row has.
    #[error("{0} is neither text nor a number nor a map of them")]
    Type(String),
    /// StatusTime has no hash.
    #[error("StatusTime has no `#` and hash")]
    SortKey,
    /// It reads as no summary.
    #[error(transparent)]
    Summary(#[from] Rejection),
}

/// The item of a row. Where rows expire, they do so a number of days after their window started, so
/// that writing a row again does not change it.
pub fn to_item(row: &Summary, expire_after_days: Option<u32>) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: &dyn ToString| AttributeValue::N(number.to_string());
    let mut part = HashMap::from([
        ("Stream".to_owned(), text(&row.part.stream)),
        ("Shard".to_owned(), text(&row.part.shard)),
        ("From".to_owned(), text(row.part.interval.from().as_str())),
        ("To".to_owned(), text(row.part.interval.to().as_str())),
    ]);
    if let Some(since) = &row.part.since {
        part.insert("Since".to_owned(), text(since.as_str()));
    }
    let mut item = HashMap::from([
        ("Name".to_owned(), text(&row.name)),
        ("StatusTime".to_owned(), text(&row.sort_key())),
        ("Readings".to_owned(), number(&row.readings)),
        ("WindowSeconds".to_owned(), number(&row.window_seconds)),
        ("Part".to_owned(), AttributeValue::M(part)),
    ]);
    if let Some(figures) = &row.figures {
        let figures: [(&str, &dyn ToString); 5] = [
            ("Distance", &figures.distance),
            ("MinMagicPoints", &figures.min_magic_points),
            ("MaxMagicPoints", &figures.max_magic_points),
            ("MinHealthPoints", &figures.min_health_points),
            ("MaxHealthPoints", &figures.max_health_points),
        ];
        item.extend(figures.map(|(name, value)| (name.to_owned(), number(value))));
    }
    if row.repeats > 0 {
        item.insert("Repeats".to_owned(), number(&row.repeats));
    }
    if let Some(days) = expire_after_days {
        let seconds = row.window_start.millis().div_euclid(1000) + i64::from(days) * 86_400;
        item.insert(EXPIRES_AT.to_owned(), number(&seconds));
    }
    item
}

/// The row of an item. Attributes that no row has are passed over.
///
/// It goes by way of the summary's own JSON, so that a row is checked in one place only.
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
            ("Part", AttributeValue::M(part)) => {
                let text = |(name, value): (&String, &AttributeValue)| {
                    Some((name.clone(), value.as_s().ok()?.clone()))
                };
                let part: Option<BTreeMap<_, _>> = part.iter().map(text).collect();
                part.and_then(|part| serde_json::value::to_raw_value(&part).ok())
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
    use super::*;
    use proptest::prelude::*;

    fn line(name: &str, metres: &str, points: i32, readings: u64) -> String {
        let name = serde_json::to_string(name).unwrap();
        format!(
            r#"{{"Name":{name},"StatusTime":"2026-11-20 09:17:00.000","Distance":{metres},"MinMagicPoints":{points},"MaxMagicPoints":{points},"MinHealthPoints":{points},"MaxHealthPoints":{points},"Readings":{readings},"WindowSeconds":60,"Part":{{"Stream":"wildrydes","Shard":"shardId-000000000000","From":"1","To":"2"}}}}"#
        )
    }

    #[test]
    fn a_row_expires_days_after_its_window_started() {
        let row = Summary::parse(line("Franky", "1", 1, 1).as_bytes()).unwrap();
        assert_eq!(to_item(&row, None).get(EXPIRES_AT), None);
        let item = to_item(&row, Some(2));
        // date -u -d '2026-11-22 09:17:00' +%s
        let expected = AttributeValue::N("1795339020".to_owned());
        assert_eq!(item.get(EXPIRES_AT), Some(&expected));
        assert_eq!(from_item(&item).unwrap(), row);
    }

    #[test]
    fn an_item_that_is_no_row_is_an_error() {
        let row = Summary::parse(line("Franky", "1", 1, 1).as_bytes()).unwrap();
        let with = |name: &str, value| {
            let mut item = to_item(&row, None);
            item.insert(name.to_owned(), value);
            from_item(&item).unwrap_err().to_string()
        };
        let text = |text: &str| AttributeValue::S(text.to_owned());
        assert_eq!(
            with("StatusTime", text("2026-11-20 09:17:00.000")),
            "StatusTime has no `#` and hash"
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
