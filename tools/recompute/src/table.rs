//! Writes rows to a DynamoDB table.
//!
//! Rows have the same form as in the pipeline's table, so the same programs can read them. Their
//! source range is artificial: stream and shard are called `archive`, and it spans 1 to the number
//! of the window's readings in the archive, including duplicates. Therefore:
//!
//! * a run over the same archive overwrites its rows with equal ones;
//! * all rows of one key and window overlap, so the merge rule picks one: the row that covers
//!   the most readings. If the archive has grown, that is the later run's row, since new readings
//!   and duplicates both extend its source range;
//! * a run over part of an archive does not change windows that an earlier run has read completely.
//!
//! If the archive has lost readings since, the old rows still win. Use a new table then.
//!
//! The pipeline's own table is rejected: the pipeline assigns windows by arrival time and this
//! program by the readings' time, and the rows of both would be added up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{AttributeValue, KeyType, TableDescription};
use thiserror::Error;
use windrow_archive::windows::{WindowRow, WindowRows};
use windrow_connect::cloud::Cloud;
use windrow_connect::terminal::counted;
use windrow_core::row::{Row, SourceRange};
use windrow_core::schema::Schema;
use windrow_core::sensor::Sensor;
use windrow_core::sequence::{InvalidSequenceNumber, SequenceNumber, SequenceRange};
use windrow_core::value::Value;
use windrow_lambda::processor::row::{StoredRow, TableRow};
use windrow_service::chain;
use windrow_write::{DynamoTable, Policy, deliver};

/// The stream and shard name in a row's source range. No Kinesis shard has this name.
pub const ARCHIVE: &str = "archive";

/// How many of a table's items are checked before writing.
const CHECKED_ITEMS: i32 = 100;

/// How many rows are converted and written at a time.
const ROWS_PER_BATCH: usize = 2_500;

/// The time limit for one batch: enough for a table with 25 writes per second.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Why a table was not written, or not completely.
#[derive(Debug, Error)]
pub enum TableError {
    /// It is the pipeline's table.
    #[error(
        "the table {table} is the pipeline's table, whose rows are by arrival time instead of {time}: \
         the rows of both would be added up; use a separate table"
    )]
    Live {
        /// The table.
        table: String,
        /// The column with the time.
        time: String,
    },
    /// It holds items that this program did not write.
    #[error(
        "the table {table} holds {what}: the rows of both would be added up; use a separate table"
    )]
    Foreign {
        /// The table.
        table: String,
        /// What was found.
        what: String,
    },
    /// It does not exist.
    #[error(
        "there is no table {table}; create it with: aws dynamodb create-table --table-name {table} \
         --billing-mode PAY_PER_REQUEST \
         --attribute-definitions AttributeName={partition},AttributeType=S AttributeName={sort},AttributeType=S \
         --key-schema AttributeName={partition},KeyType=HASH AttributeName={sort},KeyType=RANGE"
    )]
    Missing {
        /// The table.
        table: String,
        /// The partition attribute of its key.
        partition: String,
        /// The sort attribute of its key.
        sort: String,
    },
    /// Its key schema is wrong.
    #[error("the key of the table {table} is not {partition} and {sort}")]
    Key {
        /// The table.
        table: String,
        /// The partition attribute that its key should have.
        partition: String,
        /// The sort attribute that its key should have.
        sort: String,
    },
    /// It cannot be read.
    #[error("the table {table} cannot be read: {reason}")]
    Unreadable {
        /// The table.
        table: String,
        /// The error of the service.
        reason: String,
    },
    /// Some rows could not be written.
    #[error(
        "could not write {} to the table {table}; first failure: {reason}",
        counted(*count as u64, "row")
    )]
    Undelivered {
        /// The table.
        table: String,
        /// The number of rows that were not written.
        count: usize,
        /// Why the first one failed.
        reason: String,
    },
    /// A number of readings is not a valid sequence number. This cannot happen.
    #[error(transparent)]
    SequenceNumber(#[from] InvalidSequenceNumber),
}

/// Rejects the names of the pipeline's table, `live`: its default name, and the one set in the
/// environment, if there is one.
///
/// # Errors
/// [`TableError::Live`].
pub fn check_name(name: &str, live: &[Option<&str>], schema: &Schema) -> Result<(), TableError> {
    if live.contains(&Some(name)) {
        return Err(TableError::Live {
            table: name.to_owned(),
            time: schema.time().to_owned(),
        });
    }
    Ok(())
}

/// A table for recomputed rows.
#[derive(Clone, Debug)]
pub struct RecomputedTable {
    client: Client,
    name: String,
    schema: Arc<Schema>,
}

impl RecomputedTable {
    /// Opens a table for rows with these columns. Checks its key and some of its items.
    ///
    /// # Errors
    /// [`TableError`] if it does not exist, has another key, or holds other items. The message says
    /// what to do.
    pub async fn open(cloud: &Cloud, name: &str, schema: Arc<Schema>) -> Result<Self, TableError> {
        let config = aws_sdk_dynamodb::config::Builder::from(cloud.config())
            .retry_config(RetryConfig::standard())
            .build();
        let table = Self {
            client: Client::from_conf(config),
            name: name.to_owned(),
            schema,
        };
        table.check_key().await?;
        table.check_items().await?;
        Ok(table)
    }

    /// Writes all rows, overwriting existing ones. Calls `progress` with the number of rows after
    /// each batch.
    ///
    /// # Errors
    /// [`TableError::Undelivered`] if DynamoDB rejects a row or takes too long. Rows written before
    /// stay; another run writes the rest.
    pub async fn write<S: Sensor>(
        &self,
        rows: &WindowRows<'_, S>,
        progress: impl Fn(usize),
    ) -> Result<(), TableError> {
        let destination =
            DynamoTable::new(self.client.clone(), &self.name, self.schema.table_key());
        let mut left = rows.len();
        let mut rows = rows.iter();
        while left > 0 {
            let items: Vec<TableRow> = rows
                .by_ref()
                .take(ROWS_PER_BATCH)
                .map(|row| Ok(TableRow::new(&self.schema, table_row(row)?, None)))
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
            Some(service) if service.is_resource_not_found_exception() => self.missing(),
            _ => self.unreadable(&error),
        })?;
        let key = self.schema.table_key();
        if described.table().is_some_and(|table| has_key(table, key)) {
            return Ok(());
        }
        let [partition, sort] = key.map(str::to_owned);
        Err(TableError::Key {
            table: self.name.clone(),
            partition,
            sort,
        })
    }

    fn missing(&self) -> TableError {
        let [partition, sort] = self.schema.table_key().map(str::to_owned);
        TableError::Missing {
            table: self.name.clone(),
            partition,
            sort,
        }
    }

    async fn check_items(&self) -> Result<(), TableError> {
        let page = self
            .client
            .scan()
            .table_name(&self.name)
            .limit(CHECKED_ITEMS);
        let page = page.consistent_read(true).send().await;
        let page = page.map_err(|error| self.unreadable(&error))?;
        for item in page.items() {
            if let Some(what) = foreign(&self.schema, item) {
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
            reason: chain(error),
        }
    }
}

fn has_key(table: &TableDescription, [partition, sort]: [&str; 2]) -> bool {
    let key = table.key_schema().iter();
    let key: HashMap<&str, &KeyType> = key
        .map(|element| (element.attribute_name(), element.key_type()))
        .collect();
    key == HashMap::from([(partition, &KeyType::Hash), (sort, &KeyType::Range)])
}

/// Describes an item that is not a recomputed row.
fn foreign(schema: &Schema, item: &HashMap<String, AttributeValue>) -> Option<String> {
    let Ok(stored) = StoredRow::from_item(schema, item) else {
        return Some("items that are not rows".to_owned());
    };
    let SourceRange { stream, shard, .. } = &*stored.row.source;
    if stream == ARCHIVE && shard == ARCHIVE {
        return None;
    }
    Some(format!("rows of the stream {stream} and its shard {shard}"))
}

/// Converts a row to the form of the pipeline's table.
///
/// # Errors
/// Never, if the row has at least one reading.
pub fn table_row(row: WindowRow<'_>) -> Result<Row, InvalidSequenceNumber> {
    let records = row.readings.saturating_add(row.duplicates);
    let first: SequenceNumber = "1".parse()?;
    let last: SequenceNumber = records.max(1).to_string().parse()?;
    let range = SequenceRange::new(first.clone(), last).unwrap_or(SequenceRange::at(first));
    Ok(Row {
        key: row.key.values().map(Value::from).collect(),
        window_start: row.window_start,
        window_seconds: row.window_seconds,
        readings: row.readings,
        duplicates: row.duplicates,
        measures: row.measures,
        source: Arc::new(SourceRange {
            stream: ARCHIVE.to_owned(),
            shard: ARCHIVE.to_owned(),
            range,
            dedup_from: None,
        }),
    })
}
