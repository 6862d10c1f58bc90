//! Reads the rows of an embedded run: the summary stream announces them, the table has them.

use std::collections::HashMap;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::query::QueryError;
use aws_sdk_dynamodb::types::AttributeValue;
use unicorn::row::{rows, schema};
use windrow_connect::cloud::Cloud;
use windrow_core::row::Row;
use windrow_core::time::Timestamp;
use windrow_lambda::processor::row::StoredRow;
use windrow_read::{Lineage, ReadError, ShardReader, Start};

/// Reads each row of the summary stream once.
#[derive(Debug)]
pub(crate) struct NewRows {
    client: aws_sdk_kinesis::Client,
    stream: String,
    since: Timestamp,
    lineage: Lineage,
    readers: Vec<ShardReader>,
    found: Vec<Row>,
}

impl NewRows {
    /// Reads the records of `stream` that arrived at `since` or later.
    pub(crate) fn new(cloud: &Cloud, stream: impl Into<String>, since: Timestamp) -> Self {
        Self {
            client: aws_sdk_kinesis::Client::new(cloud.config()),
            stream: stream.into(),
            since,
            lineage: Lineage::default(),
            readers: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Returns the rows added since the last call, up to the current end of the stream.
    ///
    /// # Errors
    /// [`ReadError`]. Rows already read are returned by the next call.
    pub(crate) async fn read(&mut self) -> Result<Vec<Row>, ReadError> {
        let listing = windrow_read::list(&self.client, &self.stream).await?;
        self.lineage.update(&listing);
        loop {
            for shard in self.lineage.ready() {
                let (client, stream) = (self.client.clone(), self.stream.as_str());
                let start = Start::AtTimestamp(self.since);
                self.readers
                    .push(ShardReader::new(client, stream, shard, start));
            }
            let mut ended = Vec::new();
            for reader in &mut self.readers {
                if read_shard(reader, &mut self.found).await? {
                    ended.push(reader.shard().to_owned());
                }
            }
            if ended.is_empty() {
                return Ok(std::mem::take(&mut self.found));
            }
            self.readers
                .retain(|reader| !ended.iter().any(|shard| shard == reader.shard()));
            for shard in ended {
                self.lineage.finish(&shard);
            }
        }
    }
}

/// Reads a shard to its current end. Returns whether the shard is closed and finished.
async fn read_shard(reader: &mut ShardReader, found: &mut Vec<Row>) -> Result<bool, ReadError> {
    let mut unreadable = Unreadable::default();
    let closed = loop {
        let page = reader.next_page().await?;
        for record in &page.records {
            for (_, row) in rows(&record.data) {
                match row {
                    Ok(row) => found.push(row),
                    Err(rejection) => unreadable.note(|| {
                        let number = &record.sequence_number;
                        format!("record {number}: {rejection}")
                    }),
                }
            }
        }
        if page.ended {
            break true;
        }
        if page.records.is_empty() && page.behind.is_zero() {
            break false;
        }
    };
    unreadable.log("lines of the summary stream are not rows");
    Ok(closed)
}

/// Counts items that cannot be read, so that they are logged as one line.
#[derive(Debug, Default)]
struct Unreadable {
    count: u64,
    first: String,
}

impl Unreadable {
    fn note(&mut self, reason: impl FnOnce() -> String) {
        if self.count == 0 {
            self.first = reason();
        }
        self.count += 1;
    }

    fn log(self, what: &str) {
        let Self { count, first } = self;
        if count > 0 {
            tracing::warn!(count, first, "{what}");
        }
    }
}

/// The table of rows.
#[derive(Clone, Debug)]
pub(crate) struct RowTable {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

impl RowTable {
    /// The table called `name`.
    pub(crate) fn new(cloud: &Cloud, name: impl Into<String>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(cloud.config())
            .retry_config(RetryConfig::standard())
            .build();
        Self {
            client: aws_sdk_dynamodb::Client::from_conf(config),
            name: name.into(),
        }
    }

    /// Reads all rows of a unicorn's window, including those of other runs.
    ///
    /// # Errors
    /// If the query fails three times.
    pub(crate) async fn rows(
        &self,
        unicorn: &str,
        window: PrintedWindow,
    ) -> Result<Vec<Row>, SdkError<QueryError>> {
        let text = |text: &dyn ToString| AttributeValue::S(text.to_string());
        // A row's sort key is its time, `#` and more, so it is greater than the bare time. The
        // range therefore ends before the next window's rows.
        let values = HashMap::from([
            (":name".to_owned(), text(&unicorn)),
            (":from".to_owned(), text(&window.start)),
            (":to".to_owned(), text(&window.end())),
        ]);
        let mut pages = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("#name = :name AND #time BETWEEN :from AND :to")
            .expression_attribute_names("#name", schema().partition_attribute())
            .expression_attribute_names("#time", schema().time())
            .set_expression_attribute_values(Some(values))
            .into_paginator()
            .items()
            .send();
        let mut rows = Vec::new();
        let mut unreadable = Unreadable::default();
        while let Some(item) = pages.next().await {
            match StoredRow::from_item(schema(), &item?) {
                Ok(stored) if stored.row.window_seconds == window.seconds => rows.push(stored.row),
                Ok(_) => {}
                Err(error) => unreadable.note(|| format!("{unicorn}: {error}")),
            }
        }
        unreadable.log("items of the table are not rows");
        Ok(rows)
    }
}

/// A window, by start and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PrintedWindow {
    /// The start of the window.
    pub(crate) start: Timestamp,
    /// The length of the window in seconds.
    pub(crate) seconds: u32,
}

impl PrintedWindow {
    /// The window of a row.
    pub(crate) fn of(row: &Row) -> Self {
        Self {
            start: row.window_start,
            seconds: row.window_seconds,
        }
    }

    /// The end of the window (exclusive): the start of the next one.
    pub(crate) fn end(&self) -> Timestamp {
        let millis = i64::from(self.seconds) * 1000;
        Timestamp::from_millis(self.start.millis().saturating_add(millis))
    }
}
