//! Reads the table of rows.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;
use windrow_core::schema::{EXPIRES_AT, Schema};
use windrow_core::time::Timestamp;
use windrow_lambda::processor::row::Item;
use windrow_service::ServiceError;

use crate::check::Lifetimes;
use crate::error::AuditError;

/// How many keys the table may have. They are kept in memory.
const MOST_KEYS: usize = 5_000_000;

/// The table of rows.
#[derive(Clone, Debug)]
pub(crate) struct AuditTable {
    client: Client,
    name: String,
    schema: Arc<Schema>,
}

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct ScannedTable {
    /// The values of the partition attribute that items in the range have.
    pub(crate) partitions: BTreeSet<Arc<str>>,
}

impl AuditTable {
    pub(crate) fn new(client: Client, name: &str, schema: &Arc<Schema>) -> Self {
        Self {
            client,
            name: name.to_owned(),
            schema: Arc::clone(schema),
        }
    }

    /// Finds the keys that have items of windows in `range`. Reads the whole table once, but
    /// receives only the keys of items that are not older.
    pub(crate) async fn scan(
        &self,
        range: &Range<i64>,
        lifetimes: &mut Lifetimes,
        progress: impl Fn(usize),
    ) -> Result<ScannedTable, AuditError> {
        let [partition, sort] = self.schema.table_key();
        let pages = self
            .client
            .scan()
            .table_name(&self.name)
            .projection_expression("#partition, #sort, #expires")
            .filter_expression("#sort >= :from")
            .expression_attribute_names("#partition", partition)
            .expression_attribute_names("#sort", sort)
            .expression_attribute_names("#expires", EXPIRES_AT)
            .expression_attribute_values(":from", text(range.start));
        let mut pages = pages.into_paginator().send();
        let end = Timestamp::from_millis(range.end).to_string();
        let mut scanned = ScannedTable::default();
        let mut examined = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed(&error))?;
            for item in page.items() {
                scanned.add(item, [partition, sort], &end, lifetimes);
            }
            if scanned.partitions.len() > MOST_KEYS {
                return Err(AuditError::TooManyKeys(scanned.partitions.len()));
            }
            examined += usize::try_from(page.scanned_count()).unwrap_or_default();
            progress(examined);
        }
        Ok(scanned)
    }

    /// All items of windows in `range` with this value of the partition attribute.
    pub(crate) async fn items(
        &self,
        key: &str,
        range: &Range<i64>,
    ) -> Result<Vec<Item>, AuditError> {
        let [partition, sort] = self.schema.table_key();
        let end = Timestamp::from_millis(range.end).to_string();
        let pages = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("#partition = :key AND #sort BETWEEN :from AND :to")
            .expression_attribute_names("#partition", partition)
            .expression_attribute_names("#sort", sort)
            .expression_attribute_values(":key", AttributeValue::S(key.to_owned()))
            .expression_attribute_values(":from", text(range.start))
            .expression_attribute_values(":to", AttributeValue::S(end.clone()));
        let mut pages = pages.into_paginator().send();
        let mut items = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed(&error))?;
            items.extend(page.items.unwrap_or_default());
        }
        // BETWEEN includes its end, which is before every row of the window that starts there.
        items.retain(|item| text_of(item, sort) != Some(&end));
        Ok(items)
    }

    fn failed<E: ProvideErrorMetadata + std::error::Error>(&self, error: &E) -> AuditError {
        let table = self.name.clone();
        if error.code() == Some("ResourceNotFoundException") {
            return AuditError::NoTable(table);
        }
        let source = ServiceError::from(error);
        AuditError::Table { table, source }
    }
}

impl ScannedTable {
    fn add(&mut self, item: &Item, key: [&str; 2], end: &str, lifetimes: &mut Lifetimes) {
        let [partition, sort] = key;
        let (Some(partition), Some(sort)) = (text_of(item, partition), text_of(item, sort)) else {
            return;
        };
        let start = sort.split_once('#').map_or(sort.as_str(), |(time, _)| time);
        if let Ok(start) = start.parse::<Timestamp>() {
            let expires_at = item.get(EXPIRES_AT).and_then(|value| value.as_n().ok());
            let expires_at = expires_at.and_then(|seconds| seconds.parse().ok());
            lifetimes.add(start.millis(), expires_at);
        }
        if sort.as_str() < end && !self.partitions.contains(partition.as_str()) {
            self.partitions.insert(partition.as_str().into());
        }
    }
}

fn text(start: i64) -> AttributeValue {
    AttributeValue::S(Timestamp::from_millis(start).to_string())
}

fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a String> {
    item.get(name).and_then(|value| value.as_s().ok())
}
