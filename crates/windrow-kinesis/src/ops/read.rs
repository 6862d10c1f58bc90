//! GetShardIterator and GetRecords.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::check::FieldChecks;
use crate::error::KinesisError;
use crate::log::read::{LogCursor, LogPage, PageLimits, StoredRecord};
use crate::ops::shards::HashKeyRange;
use crate::ops::target::StreamTarget;
use crate::sequence::{SequencePlace, is_sequence_number};
use crate::store::Store;
use crate::stream::{LiveShard, StreamState};
use crate::wire::{ByteString, WireTime};

/// Source: Kinesis API reference, `GetRecords`: "The maximum size of data that GetRecords can return
/// is 10 MB", and at most 10,000 records.
const MAX_BYTES: usize = 10 * 1024 * 1024;
pub(crate) const MAX_RECORDS: u32 = 10_000;

const ITERATOR_TYPES: [&str; 5] = [
    "AFTER_SEQUENCE_NUMBER",
    "AT_SEQUENCE_NUMBER",
    "AT_TIMESTAMP",
    "LATEST",
    "TRIM_HORIZON",
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetShardIteratorInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    shard_id: Option<String>,
    shard_iterator_type: Option<String>,
    starting_sequence_number: Option<String>,
    timestamp: Option<WireTime>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetShardIteratorOutput {
    pub(crate) shard_iterator: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetRecordsInput {
    pub(crate) shard_iterator: Option<String>,
    pub(crate) limit: Option<i64>,
    #[serde(rename = "StreamARN")]
    pub(crate) stream_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetRecordsOutput {
    pub(crate) records: Vec<RecordOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_shard_iterator: Option<String>,
    pub(crate) millis_behind_latest: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) child_shards: Option<Vec<ChildShardOutput>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RecordOutput {
    pub(crate) sequence_number: SequencePlace,
    pub(crate) approximate_arrival_timestamp: WireTime,
    pub(crate) data: ByteString,
    pub(crate) partition_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_type: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ChildShardOutput {
    pub(crate) shard_id: Arc<str>,
    pub(crate) parent_shards: Vec<String>,
    hash_key_range: HashKeyRange,
}

/// Where to start to read a shard.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReadStart {
    #[serde(rename = "Type")]
    pub(crate) kind: Option<String>,
    pub(crate) sequence_number: Option<String>,
    pub(crate) timestamp: Option<WireTime>,
}

impl ReadStart {
    pub(crate) fn check(&self, checks: &mut FieldChecks, kind: &str, number: &str) {
        checks.required(kind, self.kind.as_ref());
        checks.one_of(kind, self.kind.as_deref(), &ITERATOR_TYPES);
        checks.pattern(
            number,
            self.sequence_number.as_deref(),
            r"0|([1-9]\d{0,128})",
            is_sequence_number,
        );
    }
}

impl Store {
    pub(crate) async fn get_shard_iterator(
        &self,
        input: GetShardIteratorInput,
    ) -> Result<GetShardIteratorOutput, KinesisError> {
        let target = StreamTarget::new(input.stream_name.as_ref(), input.stream_arn.as_ref());
        let mut checks = FieldChecks::default();
        target.check(&mut checks);
        checks.shard_id("shardId", input.shard_id.as_ref());
        let start = ReadStart {
            kind: input.shard_iterator_type,
            sequence_number: input.starting_sequence_number,
            timestamp: input.timestamp,
        };
        start.check(&mut checks, "shardIteratorType", "startingSequenceNumber");
        checks.finish()?;

        let (stream, state) = self.find_ready(target)?;
        let shard = self.find_shard(&state, &input.shard_id.unwrap_or_default())?;
        let cursor = self.start(&state, &shard, &start).await?;
        Ok(GetShardIteratorOutput {
            shard_iterator: self.iterator(stream.number, shard.meta.number, cursor),
        })
    }

    /// The cursor at which to start to read a shard.
    pub(crate) async fn start(
        &self,
        state: &StreamState,
        shard: &LiveShard,
        start: &ReadStart,
    ) -> Result<LogCursor, KinesisError> {
        let kind = start.kind.as_deref().unwrap_or_default();
        match kind {
            "TRIM_HORIZON" => Ok(shard.log.oldest()),
            "LATEST" => Ok(shard.log.latest()),
            "AT_TIMESTAMP" => {
                let Some(WireTime(time)) = start.timestamp else {
                    return Err(KinesisError::invalid_argument(
                        "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.",
                    ));
                };
                let now = self.now();
                if time > now {
                    // The behaviour and message of Kinesis.
                    return Err(KinesisError::invalid_argument(format!(
                        "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {time}, currentTimestampInMillis: {now}"
                    )));
                }
                let log = Arc::clone(&shard.log);
                let path = log.folder().to_owned();
                self.reading(&path, move || log.at_time(time)).await
            }
            _ => {
                let Some(number) = &start.sequence_number else {
                    return Err(KinesisError::invalid_argument(format!(
                        "Must either specify (1) AT_SEQUENCE_NUMBER and StartingSequenceNumber or (2) AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (3) TRIM_HORIZON or (4) LATEST and no StartingSequenceNumber. Request specified {kind} and no StartingSequenceNumber."
                    )));
                };
                let place = place_of(state, shard, number)?;
                let after = u64::from(kind == "AFTER_SEQUENCE_NUMBER");
                // The first record has 1.
                Ok(LogCursor::at(place.saturating_add(after).max(1)))
            }
        }
    }

    /// Reads a page. `counted` says whether it counts for the limit on reads.
    pub(crate) async fn get_records(
        &self,
        input: GetRecordsInput,
        counted: bool,
    ) -> Result<GetRecordsOutput, KinesisError> {
        let mut checks = FieldChecks::default();
        StreamTarget::new(None, input.stream_arn.as_ref()).check(&mut checks);
        let iterator = input.shard_iterator.as_deref();
        checks.required("shardIterator", iterator.as_ref());
        checks.length("shardIterator", iterator, 1, 512);
        checks.range("limit", input.limit, 1, i64::from(MAX_RECORDS));
        checks.finish()?;

        let token = self.parse_iterator(iterator.unwrap_or_default())?;
        let stream = self.stream_by_number(token.stream);
        let gone = || KinesisError::not_found("The stream of the ShardIterator does not exist.");
        let stream = stream.ok_or_else(gone)?;
        let state = stream.state();
        if let Some(arn) = input.stream_arn.as_deref()
            && arn != self.arn(&state.meta.name)
        {
            return Err(KinesisError::invalid_argument(
                "StreamARN names another stream than the ShardIterator.",
            ));
        }
        let shard = state.shard(token.shard, self.now()).ok_or_else(|| {
            KinesisError::not_found("The shard of the ShardIterator is past its retention.")
        })?;
        if counted
            && let Some(limit) = self.options.reads_per_second
            && !shard.limits.try_read(limit, Instant::now())
        {
            return Err(self.rate_exceeded(&state.meta.name, &shard.id));
        }
        let limit = input.limit.unwrap_or(i64::from(MAX_RECORDS));
        let limit = usize::try_from(limit).unwrap_or_default();
        let page = self
            .read_page(&state, shard, token.cursor, limit, MAX_BYTES)
            .await?;
        let newest = stream.state();
        let ended = page.ended && is_closed(&newest, shard);
        let next = || self.iterator(stream.number, shard.meta.number, page.next);
        Ok(GetRecordsOutput {
            millis_behind_latest: self.millis_behind(&page),
            next_shard_iterator: (!ended).then(next),
            child_shards: ended.then(|| children(&newest, shard)),
            records: page
                .records
                .into_iter()
                .map(|record| RecordOutput::new(shard, record))
                .collect(),
        })
    }

    pub(crate) async fn read_page(
        &self,
        state: &StreamState,
        shard: &LiveShard,
        cursor: LogCursor,
        records: usize,
        bytes: usize,
    ) -> Result<LogPage, KinesisError> {
        let limits = PageLimits {
            records,
            bytes,
            horizon: self.now().saturating_sub(state.meta.retention_millis()),
        };
        let log = Arc::clone(&shard.log);
        let path = log.folder().to_owned();
        let mut page = self
            .reading(&path, move || log.read(cursor, limits))
            .await?;
        if !page.damage.is_empty() {
            self.report_damage(std::mem::take(&mut page.damage));
        }
        Ok(page)
    }

    /// How long ago the first unread record arrived. Zero only if there is none.
    pub(crate) fn millis_behind(&self, page: &LogPage) -> i64 {
        page.next_arrival
            .map_or(0, |arrival| self.now().saturating_sub(arrival).max(1))
    }
}

/// The place of a sequence number in a shard.
fn place_of(state: &StreamState, shard: &LiveShard, number: &str) -> Result<u64, KinesisError> {
    if number == "0" {
        return Ok(0);
    }
    let own = SequencePlace::parse(number)
        .filter(|found| found.epoch == shard.meta.epoch && found.shard == shard.meta.number);
    let own = own.ok_or_else(|| {
        // The message of Kinesis.
        KinesisError::invalid_argument(format!(
            "StartingSequenceNumber {number} used in GetShardIterator on shard {} in stream {} is invalid because it did not come from this stream.",
            shard.id, state.meta.name
        ))
    })?;
    Ok(own.place)
}

/// Whether a shard is closed for good. Its log is closed a moment before that is on disk and the
/// children are there, and is opened again if the disk fails.
pub(crate) fn is_closed(state: &StreamState, shard: &LiveShard) -> bool {
    let number = shard.meta.number;
    let mut shards = state.shards.iter();
    shards.any(|other| other.meta.number == number && other.meta.closed.is_some())
}

/// The shards that continue a closed one.
pub(crate) fn children(state: &StreamState, shard: &LiveShard) -> Vec<ChildShardOutput> {
    let number = Some(shard.meta.number);
    let is_child = |other: &&Arc<LiveShard>| {
        other.meta.parent == number || other.meta.adjacent_parent == number
    };
    let children = state.shards.iter().filter(is_child);
    children
        .map(|child| ChildShardOutput {
            shard_id: Arc::clone(&child.id),
            parent_shards: [child.meta.parent, child.meta.adjacent_parent]
                .into_iter()
                .flatten()
                .map(crate::stream::shard_id)
                .collect(),
            hash_key_range: HashKeyRange::of(child),
        })
        .collect()
}

impl RecordOutput {
    pub(crate) fn new(shard: &LiveShard, record: StoredRecord) -> Self {
        Self {
            sequence_number: shard.sequence(record.place),
            approximate_arrival_timestamp: WireTime(record.arrival),
            partition_key: String::from_utf8_lossy(&record.key).into_owned(),
            data: ByteString(record.data),
            encryption_type: record.encrypted.then_some("KMS"),
        }
    }
}
