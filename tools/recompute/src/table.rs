//! Rows into a DynamoDB table of their own.
//!
//! A row has the form that it has in the pipeline's table, so whoever reads that can read this one.
//! Its part is that of no shard: stream and shard are called `archive`, and it goes from 1 to the
//! number of the minute's records in the archive, repeats included. So
//!
//! * a run over the same archive writes the same rows again, each over its like;
//! * all rows of one unicorn's minute overlap, so that the merge rule takes one of them, and it takes
//!   the one with the most records. Where the archive has grown in between, that is the later run's:
//!   what was added to a minute, be it new readings or repeats, makes its records more;
//! * a run over a part of the archive changes nothing about minutes that are there whole.
//!
//! Rows of an archive that has lost readings since do not give way. They want a new table.
//!
//! The pipeline's own table is rejected: the pipeline counts by arrival and this by StatusTime, and the
//! rows of both would be added up.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, KeyType, TableDescription};
use thiserror::Error;
use unicorn::summary::{SourceRange, Summary};
use windrow_connect::cloud::Cloud;
use windrow_core::sequence::{InvalidSequenceNumber, SequenceRange};
use windrow_lambda::processor::row::{self, Item, KEY};
use windrow_write::{DynamoTable, Policy, deliver};

use crate::rows::{WindowRow, WindowRows};

/// What stream and shard of a row are called. No shard of Kinesis has this name.
pub const ARCHIVE: &str = "archive";

/// The table that the pipeline writes to, unless it was given another.
pub const LIVE_TABLE: &str = "UnicornSensorData";

/// How many items of a table are looked at before it is written to.
const LOOKED_AT: i32 = 100;

/// How many rows are written before the next ones are made.
const ROWS: usize = 2_500;

/// How long these may take: a table of 25 writes a second gets through.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// A table that is not written to, or not whole.
#[derive(Debug, Error)]
pub enum TableError {
    /// It is the pipeline's.
    #[error(
        "the table {0} is the pipeline's: the pipeline counts by arrival, this by StatusTime, and rows \
         of both would be added up; name a table of its own"
    )]
    Live(String),
    /// It holds something that is not of here.
    #[error(
        "the table {table} holds {what}, so it is not written to: the rows of both would be added up; \
         name a table of its own"
    )]
    Foreign {
        /// The table.
        table: String,
        /// What was found.
        what: String,
    },
    /// There is none of that name.
    #[error(
        "there is no table {0}; make one with: aws dynamodb create-table --table-name {0} \
         --billing-mode PAY_PER_REQUEST \
         --attribute-definitions AttributeName=Name,AttributeType=S AttributeName=StatusTime,AttributeType=S \
         --key-schema AttributeName=Name,KeyType=HASH AttributeName=StatusTime,KeyType=RANGE"
    )]
    Missing(String),
    /// Its key is not that of a table of rows.
    #[error("the key of the table {0} is not Name and StatusTime")]
    Key(String),
    /// It cannot be looked at.
    #[error("the table {table} cannot be read: {reason}")]
    Unreadable {
        /// The table.
        table: String,
        /// What the service said.
        reason: String,
    },
    /// A row cannot be written.
    #[error("{count} rows were not written to the table {table}; the first: {reason}")]
    Undelivered {
        /// The table.
        table: String,
        /// How many.
        count: usize,
        /// What happened to the first.
        reason: String,
    },
    /// A number of records is no position, which cannot be.
    #[error(transparent)]
    SequenceNumber(#[from] InvalidSequenceNumber),
}

/// Rejects the pipeline's table by its name: the usual one, and `live`, the one that the environment
/// names.
///
/// # Errors
/// [`TableError::Live`].
pub fn check_name(name: &str, live: Option<&str>) -> Result<(), TableError> {
    if name == LIVE_TABLE || live == Some(name) {
        return Err(TableError::Live(name.to_owned()));
    }
    Ok(())
}

/// A table for rows of an archive.
#[derive(Clone, Debug)]
pub struct RecomputedTable {
    client: Client,
    name: String,
}

impl RecomputedTable {
    /// The table of that name, if it is there and holds nothing else: some of its items are looked at.
    ///
    /// # Errors
    /// [`TableError`], with what to do.
    pub async fn open(cloud: &Cloud, name: &str) -> Result<Self, TableError> {
        let config = aws_sdk_dynamodb::config::Builder::from(cloud.config())
            .retry_config(RetryConfig::standard())
            .build();
        let table = Self {
            client: Client::from_conf(config),
            name: name.to_owned(),
        };
        table.check_key().await?;
        table.check_items().await?;
        Ok(table)
    }

    /// Writes all rows, and tells `progress` of every few. Rows that are there already are written over.
    ///
    /// # Errors
    /// [`TableError::Undelivered`], when DynamoDB rejects a row or takes too long. What was written
    /// until then stays, and another run writes the rest.
    pub async fn write(
        &self,
        rows: &WindowRows,
        progress: impl Fn(usize),
    ) -> Result<(), TableError> {
        let destination = DynamoTable::new(self.client.clone(), &self.name, KEY);
        let mut left = rows.len();
        let mut rows = rows.iter();
        while left > 0 {
            let items: Vec<Item> = rows
                .by_ref()
                .take(ROWS)
                .map(|row| Ok(row::to_item(&summary(&row)?, None)))
                .collect::<Result<_, InvalidSequenceNumber>>()?;
            let count = items.len();
            left -= count;
            let report = deliver(&destination, items, &Policy::within(TIME_LIMIT)).await;
            if let Some(first) = report.undelivered.first() {
                return Err(TableError::Undelivered {
                    table: self.name.clone(),
                    count: report.undelivered.len() + left,
                    reason: first.reason.to_string(),
                });
            }
            progress(count);
        }
        Ok(())
    }

    async fn check_key(&self) -> Result<(), TableError> {
        let described = self
            .client
            .describe_table()
            .table_name(&self.name)
            .send()
            .await;
        let described = described.map_err(|error| match error.as_service_error() {
            Some(service) if service.is_resource_not_found_exception() => {
                TableError::Missing(self.name.clone())
            }
            _ => self.unreadable(&error),
        })?;
        if !described.table().is_some_and(has_key_of_rows) {
            return Err(TableError::Key(self.name.clone()));
        }
        Ok(())
    }

    async fn check_items(&self) -> Result<(), TableError> {
        let page = self.client.scan().table_name(&self.name).limit(LOOKED_AT);
        let page = page.consistent_read(true).send().await;
        let page = page.map_err(|error| self.unreadable(&error))?;
        for item in page.items() {
            if let Some(what) = foreign(item) {
                let table = self.name.clone();
                return Err(TableError::Foreign { table, what });
            }
        }
        Ok(())
    }

    fn unreadable<E: std::error::Error + 'static, R: std::fmt::Debug>(
        &self,
        error: &SdkError<E, R>,
    ) -> TableError {
        TableError::Unreadable {
            table: self.name.clone(),
            reason: DisplayErrorContext(error).to_string(),
        }
    }
}

fn has_key_of_rows(table: &TableDescription) -> bool {
    let key = table.key_schema().iter();
    let key: HashMap<&str, &KeyType> = key
        .map(|element| (element.attribute_name(), element.key_type()))
        .collect();
    let [partition, sort] = KEY;
    key == HashMap::from([(partition, &KeyType::Hash), (sort, &KeyType::Range)])
}

/// What an item is, if it is no row of an archive.
fn foreign(item: &HashMap<String, AttributeValue>) -> Option<String> {
    match row::from_item(item) {
        Ok(row) if row.source.stream == ARCHIVE && row.source.shard == ARCHIVE => None,
        Ok(row) => Some(format!(
            "rows of the stream {} and its shard {}",
            row.source.stream, row.source.shard
        )),
        Err(_) => Some("items that are no rows".to_owned()),
    }
}

/// The row as the pipeline's table would have it.
///
/// # Errors
/// Never for a row of at least one reading.
pub fn summary(row: &WindowRow<'_>) -> Result<Summary, InvalidSequenceNumber> {
    let records = row.readings.saturating_add(row.duplicates);
    let mut range = SequenceRange::at("1".parse()?);
    range.extend(&records.to_string().parse()?);
    Ok(Summary {
        name: row.name.to_owned(),
        window_start: row.window_start,
        window_seconds: row.window_seconds,
        readings: row.readings,
        duplicates: row.duplicates,
        measures: Some(row.measures),
        source: SourceRange {
            stream: ARCHIVE.to_owned(),
            shard: ARCHIVE.to_owned(),
            range,
            dedup_from: None,
        },
    })
}
