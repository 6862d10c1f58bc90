//! What the finisher has done so far, and the table that keeps it.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use windrow_core::sequence;
use windrow_service::chain;

/// What the finisher has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Progress {
    /// Windows that ended by then are finished, in milliseconds since the epoch.
    pub finished_through: Option<i64>,
    /// The shards of the stream of rows.
    pub shards: BTreeMap<String, ShardProgress>,
    /// The watermarks of the shards of each stream of readings, in milliseconds since the epoch, by
    /// the stream's ARN and the shard's ID.
    pub watermarks: BTreeMap<String, BTreeMap<String, i64>>,
    /// What is being written to the outputs. If an invocation ends before it is done, the next one
    /// writes the same: it leaves out whatever came since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<FinishAttempt>,
}

/// What an invocation writes to the outputs.
///
/// It is written down first. Otherwise, rows that arrive between two attempts could make a finished
/// row that the first has written vanish, and the second would not know that it has to say so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FinishAttempt {
    /// The end of the windows that are finished, in milliseconds since the epoch; none if there are
    /// only finished windows of which rows arrived late.
    pub through: Option<i64>,
    /// The last record that counts, of each shard of the stream of rows.
    pub read: BTreeMap<String, String>,
}

impl FinishAttempt {
    /// Whether a record of a shard counts.
    pub(super) fn covers(&self, shard: &str, sequence_number: &str) -> bool {
        let last = self.read.get(shard);
        last.is_some_and(|last| sequence::compare(sequence_number, last).is_le())
    }
}

/// How far a shard of the stream of rows was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShardProgress {
    /// The record before the first one that has rows of a window that is not finished.
    pub finished: Option<String>,
    /// The last record that was read.
    pub read: Option<String>,
}

impl Progress {
    /// Raises the watermark of a shard.
    pub(super) fn raise(&mut self, stream: String, shard: String, through: i64) {
        let of_stream = self.watermarks.entry(stream).or_default();
        let watermark = of_stream.entry(shard).or_insert(through);
        *watermark = through.max(*watermark);
    }
}

/// Why progress could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProgressError {
    /// DynamoDB failed, or access is denied.
    #[error("could not {action} the progress in table {table}: {reason}")]
    Table {
        /// What failed.
        action: &'static str,
        /// The table.
        table: String,
        /// Why.
        reason: String,
    },
    /// The item is not one that the finisher wrote.
    #[error(
        "the progress in table {table} is not readable; delete the item {log} to start again: {reason}"
    )]
    Unreadable {
        /// The table.
        table: String,
        /// The key of the item.
        log: String,
        /// Why.
        reason: String,
    },
    /// Another invocation has written its progress meanwhile.
    #[error("another invocation of the finisher ran at the same time")]
    Overtaken,
}

/// The attribute with the key.
const LOG: &str = "Log";
const VERSION: &str = "Version";
const PROGRESS: &str = "Progress";

/// A table of progress, with the partition key `Log`: a text that names the stream of rows.
#[derive(Clone, Debug)]
pub struct ProgressTable {
    client: Client,
    table: String,
}

/// Progress with what the table has of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StoredProgress {
    pub(super) progress: Progress,
    /// What is in the table, if there is an item.
    pub(super) written: Option<Progress>,
    /// The version of the item: 0 if there is none.
    pub(super) version: u64,
}

impl ProgressTable {
    /// The table called `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let table = table.into();
        Self { client, table }
    }

    /// Reads the progress of a stream of rows.
    pub(super) async fn read(&self, log: &str) -> Result<StoredProgress, ProgressError> {
        let request = self.client.get_item().table_name(&self.table);
        let request = request.key(LOG, AttributeValue::S(log.to_owned()));
        let output = request.consistent_read(true).send().await;
        let output = output.map_err(|error| self.failed("read", error))?;
        let Some(item) = output.item else {
            return Ok(StoredProgress::default());
        };
        parse(&item).map_err(|reason| ProgressError::Unreadable {
            table: self.table.clone(),
            log: log.to_owned(),
            reason,
        })
    }

    /// Replaces the progress that was read, unless another invocation has replaced it.
    pub(super) async fn write(
        &self,
        log: &str,
        stored: &mut StoredProgress,
    ) -> Result<(), ProgressError> {
        // Maps of text and numbers can always be written.
        let json = serde_json::to_string(&stored.progress).unwrap_or_default();
        let next = stored.version + 1;
        let request = self.client.put_item().table_name(&self.table);
        let request = request
            .item(LOG, AttributeValue::S(log.to_owned()))
            .item(VERSION, AttributeValue::N(next.to_string()))
            .item(PROGRESS, AttributeValue::S(json));
        let request = if stored.version == 0 {
            request.condition_expression("attribute_not_exists(#version)")
        } else {
            let before = AttributeValue::N(stored.version.to_string());
            request
                .condition_expression("#version = :before")
                .expression_attribute_values(":before", before)
        };
        let request = request.expression_attribute_names("#version", VERSION);
        match request.send().await {
            Ok(_) => {
                stored.version = next;
                stored.written = Some(stored.progress.clone());
                Ok(())
            }
            Err(error) => {
                let service_error = error.as_service_error();
                if service_error.is_some_and(|error| error.is_conditional_check_failed_exception())
                {
                    return Err(ProgressError::Overtaken);
                }
                Err(self.failed("write", error))
            }
        }
    }

    fn failed(&self, action: &'static str, error: impl std::error::Error) -> ProgressError {
        ProgressError::Table {
            action,
            table: self.table.clone(),
            reason: chain(&error),
        }
    }
}

fn parse(item: &HashMap<String, AttributeValue>) -> Result<StoredProgress, String> {
    let text = |name: &str| match item.get(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => Ok(text.as_str()),
        _ => Err(format!("it has no {name}")),
    };
    let progress: Progress =
        serde_json::from_str(text(PROGRESS)?).map_err(|error| error.to_string())?;
    Ok(StoredProgress {
        version: text(VERSION)?
            .parse()
            .map_err(|_| format!("its {VERSION} is not a number"))?,
        written: Some(progress.clone()),
        progress,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watermarks_only_rise() {
        let mut progress = Progress::default();
        for through in [5, 9, 7] {
            progress.raise("s".to_owned(), "0".to_owned(), through);
        }
        assert_eq!(progress.watermarks["s"]["0"], 9);
    }

    #[test]
    fn item_is_parsed() {
        let mut progress = Progress {
            finished_through: Some(-1),
            ..Progress::default()
        };
        progress.raise("s".to_owned(), "0".to_owned(), 5);
        let shard = ShardProgress {
            finished: None,
            read: Some("12".to_owned()),
        };
        progress.shards.insert("shardId-0".to_owned(), shard);
        let json = serde_json::to_string(&progress).unwrap();
        let mut item = HashMap::from([
            (VERSION.to_owned(), AttributeValue::N("3".to_owned())),
            (PROGRESS.to_owned(), AttributeValue::S(json)),
        ]);
        let stored = StoredProgress {
            written: Some(progress.clone()),
            progress,
            version: 3,
        };
        assert_eq!(parse(&item), Ok(stored));
        item.remove(VERSION);
        assert_eq!(parse(&item).unwrap_err(), "it has no Version");
    }
}
