//! The handle that a program uses.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::watch;

use crate::error::KinesisError;
use crate::http;
use crate::ops::put::{RecordToPut, check_keys};
use crate::ops::read::{GetRecordsInput, ReadStart};
use crate::ops::shards::ListShardsInput;
use crate::ops::streams::CreateStreamInput;
use crate::ops::target::StreamTarget;
use crate::options::KinesisOptions;
use crate::report::{Damage, DiskStatus, OpenError, OpenReport};
use crate::store::{Store, complete};
use crate::wire::{EncodedBytes, WireTime};

/// Kinesis Data Streams in a folder. Clones share it.
///
/// What a call has acknowledged is in the files, and is there again when the folder is opened
/// after a crash of the process. Dropping the last clone makes everything durable and unlocks the
/// folder.
#[derive(Clone)]
pub struct Kinesis {
    store: Arc<Store>,
}

impl fmt::Debug for Kinesis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Kinesis")
            .field("options", &self.store.options)
            .finish_non_exhaustive()
    }
}

/// A record to put with [`Kinesis::put_records`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Its shard is that of the key's MD5 hash.
    pub partition_key: String,
    /// Its data.
    pub data: Bytes,
}

/// A record of a [`ReadRecords`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadRecord {
    /// Its place in the shard's log.
    pub sequence_number: String,
    /// Its partition key.
    pub partition_key: String,
    /// Its data.
    pub data: Bytes,
    /// When it arrived, in milliseconds since the epoch.
    pub arrival: i64,
}

/// What [`Kinesis::get_records`] returns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadRecords {
    /// The records, in order.
    pub records: Vec<ReadRecord>,
    /// Where to go on. `None` at the end of a closed shard.
    pub next_iterator: Option<String>,
    /// How long ago the next record arrived, in milliseconds. Zero if there is none yet.
    pub millis_behind_latest: i64,
    /// The shards that continue this one, at its end.
    pub child_shards: Vec<String>,
}

/// Where a shard iterator starts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IteratorStart {
    /// The oldest record.
    TrimHorizon,
    /// After the newest record.
    Latest,
    /// The first record that arrived at this time or later, in milliseconds since the epoch.
    AtTimestamp(i64),
    /// The record with this sequence number.
    AtSequenceNumber(String),
    /// The record after the one with this sequence number.
    AfterSequenceNumber(String),
}

impl Kinesis {
    /// Opens a folder, which is created if it is missing.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. Damaged files are no error: they are in the report.
    pub fn open(options: KinesisOptions) -> Result<(Self, OpenReport), OpenError> {
        let (store, report) = Store::open(options)?;
        Ok((Self { store }, report))
    }

    #[cfg(test)]
    pub(crate) fn of(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// A router that answers `POST /`.
    pub fn router(&self) -> Router {
        let kinesis = self.clone();
        let answer = move |request: Request| async move { kinesis.respond(request).await };
        Router::new()
            .route("/", axum::routing::post(answer))
            // `respond` has its own limit.
            .layer(DefaultBodyLimit::disable())
    }

    /// Answers one request, whatever its method and path are.
    pub async fn respond(&self, request: Request) -> Response {
        http::respond(&self.store, request).await
    }

    /// The ARN of a stream of this name.
    #[must_use]
    pub fn stream_arn(&self, name: &str) -> String {
        self.store.arn(name)
    }

    /// The names of all streams, in order.
    #[must_use]
    pub fn stream_names(&self) -> Vec<String> {
        let streams = self.store.streams().into_iter();
        streams
            .map(|stream| stream.state().meta.name.clone())
            .collect()
    }

    /// Creates a provisioned stream with this many shards, and waits until it is ACTIVE.
    ///
    /// # Errors
    ///
    /// As CreateStream.
    pub async fn create_stream(&self, name: &str, shards: u32) -> Result<(), KinesisError> {
        let input = CreateStreamInput {
            stream_name: Some(name.to_owned()),
            shard_count: Some(i64::from(shards)),
            ..CreateStreamInput::default()
        };
        let store = Arc::clone(&self.store);
        complete(async move { store.create_stream(input).await }).await?;
        tokio::time::sleep(self.store.options.change_delay).await;
        Ok(())
    }

    /// Puts records, and returns where each is: its shard and its sequence number. Those that
    /// failed have their error instead.
    ///
    /// # Errors
    ///
    /// As PutRecords, if none was put. Only the call's limit on records does not apply.
    pub async fn put_records(
        &self,
        stream: &str,
        records: &[NewRecord],
    ) -> Result<Vec<Result<(Arc<str>, String), KinesisError>>, KinesisError> {
        check_keys(records.iter().map(|record| record.partition_key.as_str()))?;
        let records: Vec<_> = records
            .iter()
            .map(|record| RecordToPut {
                data: EncodedBytes::Raw(&record.data),
                key: &record.partition_key,
                explicit_hash: None,
            })
            .collect();
        let target = StreamTarget {
            name: Some(stream),
            arn: None,
        };
        let (results, _) = self.store.put(target, &records, false).await?;
        let placed = results.into_iter().map(|result| {
            let put = result?;
            Ok((put.shard, put.sequence.to_string()))
        });
        Ok(placed.collect())
    }

    /// The ids of all shards of a stream that can be read, parents before children.
    ///
    /// # Errors
    ///
    /// As ListShards.
    pub fn list_shards(&self, stream: &str) -> Result<Vec<Arc<str>>, KinesisError> {
        let mut ids = Vec::new();
        let mut token = None;
        loop {
            let page = self
                .store
                .list_shards(&ListShardsInput::of(stream, token))?;
            ids.extend(page.shards.into_iter().map(|shard| shard.shard_id));
            token = page.next_token;
            if token.is_none() {
                return Ok(ids);
            }
        }
    }

    /// A shard iterator.
    ///
    /// # Errors
    ///
    /// As GetShardIterator.
    pub async fn shard_iterator(
        &self,
        stream: &str,
        shard: &str,
        start: IteratorStart,
    ) -> Result<String, KinesisError> {
        let target = StreamTarget {
            name: Some(stream),
            arn: None,
        };
        let (stream, state) = self.store.find_ready(target)?;
        let shard = self.store.find_shard(&state, shard)?;
        let cursor = self.store.start(&state, &shard, &start.into()).await?;
        Ok(self
            .store
            .iterator(stream.number, shard.meta.number, cursor))
    }

    /// Reads records. Does not count for the limit on reads.
    ///
    /// # Errors
    ///
    /// As GetRecords.
    pub async fn get_records(
        &self,
        iterator: &str,
        limit: u32,
    ) -> Result<ReadRecords, KinesisError> {
        let input = GetRecordsInput {
            shard_iterator: Some(iterator.to_owned()),
            limit: Some(i64::from(limit)),
            stream_arn: None,
        };
        let page = self.store.get_records(input, false).await?;
        let children = page.child_shards.unwrap_or_default();
        let records = page.records.into_iter().map(|record| ReadRecord {
            sequence_number: record.sequence_number.to_string(),
            partition_key: record.partition_key,
            data: record.data.0,
            arrival: record.approximate_arrival_timestamp.0,
        });
        Ok(ReadRecords {
            records: records.collect(),
            next_iterator: page.next_shard_iterator,
            millis_behind_latest: page.millis_behind_latest,
            child_shards: children
                .into_iter()
                .map(|child| child.shard_id.to_string())
                .collect(),
        })
    }

    /// Closes a stream to writers, until the folder is opened again: they get ServiceUnavailable.
    /// When this returns, no put is under way, and every acknowledged record can be read.
    ///
    /// A stream that does not exist is left alone.
    pub async fn close_stream(&self, name: &str) {
        if let Some(stream) = self.store.stream(name) {
            *stream.closed.write().await = true;
        }
    }

    /// Whether the files can be written. Changes when a write fails, and when one succeeds again.
    #[must_use]
    pub fn disk(&self) -> watch::Receiver<DiskStatus> {
        self.store.writer.disk()
    }

    /// The damage in the files that was found so far: at the start, and by reads since.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.store.damage()
    }
}

impl From<IteratorStart> for ReadStart {
    fn from(start: IteratorStart) -> Self {
        let (kind, sequence_number, timestamp) = match start {
            IteratorStart::TrimHorizon => ("TRIM_HORIZON", None, None),
            IteratorStart::Latest => ("LATEST", None, None),
            IteratorStart::AtTimestamp(time) => ("AT_TIMESTAMP", None, Some(WireTime(time))),
            IteratorStart::AtSequenceNumber(number) => ("AT_SEQUENCE_NUMBER", Some(number), None),
            IteratorStart::AfterSequenceNumber(number) => {
                ("AFTER_SEQUENCE_NUMBER", Some(number), None)
            }
        };
        Self {
            kind: Some(kind.to_owned()),
            sequence_number,
            timestamp,
        }
    }
}
