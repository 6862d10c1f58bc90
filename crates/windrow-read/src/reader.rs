//! Reads one shard.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::get_records::{GetRecordsError, GetRecordsOutput};
use aws_sdk_kinesis::operation::get_shard_iterator::GetShardIteratorError;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;
use bytes::Bytes;
use windrow_core::time::Timestamp;

use crate::retry::RetryBudget;
use crate::{ReadError, call};

/// The maximum number of records in a GetRecords response (GetRecords, API reference).
pub(crate) const MOST_RECORDS: usize = 10_000;

/// Where in a shard to start reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The oldest record in the shard.
    TrimHorizon,
    /// The first record that arrives from now on.
    Latest,
    /// The first record that arrived at or after this time, which counts to the millisecond and must
    /// not be in the future.
    AtTimestamp(Timestamp),
    /// The record after the one with this sequence number.
    AfterSequence(String),
    /// The record with this sequence number.
    AtSequence(String),
}

/// One record of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRecord {
    /// Its sequence number. Sequence numbers compare by length first, then as text.
    pub sequence_number: String,
    /// Its partition key, which determines its shard.
    pub partition_key: String,
    /// The payload.
    pub data: Bytes,
    /// When it arrived at Kinesis, to the millisecond; the epoch if Kinesis does not report it.
    pub arrival: Timestamp,
}

/// The result of one read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPage {
    /// The records, in order. Often empty.
    pub records: Vec<ShardRecord>,
    /// How far this page lags behind the end of the shard; zero at the end.
    pub behind: Duration,
    /// Whether the shard is closed and read to the end.
    pub ended: bool,
}

/// Reads one shard, a page at a time.
#[derive(Debug)]
pub struct ShardReader {
    client: Client,
    stream: String,
    shard: String,
    start: Start,
    limit: usize,
    iterator: Option<String>,
    checkpoint: Option<String>,
    /// The earliest arrival time of the first record to return.
    not_before: Option<Timestamp>,
    ended: bool,
}

impl ShardReader {
    /// A reader of `shard` that starts at `start`. It makes no request before the first read. `stream`
    /// is a name or an ARN.
    ///
    /// `client` is used as it is, except that for these calls its own retries are disabled, but for one
    /// if a wrong clock may be why a signature was not accepted, and GetShardIterator has a time limit of
    /// five seconds or less.
    pub fn new(
        client: Client,
        stream: impl Into<String>,
        shard: impl Into<String>,
        start: Start,
    ) -> Self {
        Self {
            client,
            stream: stream.into(),
            shard: shard.into(),
            start,
            limit: MOST_RECORDS,
            iterator: None,
            checkpoint: None,
            not_before: None,
            ended: false,
        }
    }

    /// Sets the maximum number of records per page, from 1 to 10,000.
    #[must_use]
    pub fn limit(mut self, records: usize) -> Self {
        self.limit = records.clamp(1, MOST_RECORDS);
        self
    }

    /// The ID of the shard.
    #[must_use]
    pub fn shard(&self) -> &str {
        &self.shard
    }

    /// The sequence number of the last record read, if any.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&str> {
        self.checkpoint.as_deref()
    }

    /// Reads the next page. Gets a new iterator first if there is none or it has expired.
    ///
    /// A shard allows five reads per second for all its readers together, so pause between calls.
    /// Once a page has `ended` set, all later pages are empty and have it set, too.
    ///
    /// Dropping the future loses nothing: the next call reads the same records.
    ///
    /// # Errors
    /// [`ReadError`], after retrying throttling and transient errors. No record is skipped: the
    /// next call reads the same records.
    pub async fn next_page(&mut self) -> Result<ShardPage, ReadError> {
        if self.ended {
            return Ok(ShardPage {
                records: Vec::new(),
                behind: Duration::ZERO,
                ended: true,
            });
        }
        let mut budget = RetryBudget::new(&self.stream);
        loop {
            let iterator = match self.iterator.take() {
                Some(iterator) => iterator,
                None => self.new_iterator(&mut budget).await?,
            };
            self.iterator = Some(iterator.clone());
            let result = self
                .client
                .get_records()
                .shard_iterator(iterator)
                .set_stream_arn(call::name_and_arn(&self.stream).1)
                // The limit is clamped to 10,000, so the conversion cannot fail.
                .limit(i32::try_from(self.limit).unwrap_or(i32::MAX))
                .customize()
                .config_override(call::large::<GetRecordsError>())
                .interceptor(budget.endpoint())
                .send()
                .await;
            match result {
                Ok(output) => return Ok(self.take_page(output)),
                Err(error) => {
                    if budget.wait("GetRecords", error).await? {
                        self.iterator = None;
                    }
                }
            }
        }
    }

    /// Gets an iterator after the last record returned, or at the start if there is none.
    async fn new_iterator(&mut self, budget: &mut RetryBudget) -> Result<String, ReadError> {
        loop {
            let requested_at = now();
            let start = match &self.checkpoint {
                Some(checkpoint) => &Start::AfterSequence(checkpoint.clone()),
                None => &self.start,
            };
            let (kind, sequence_number, timestamp) = match start {
                Start::TrimHorizon => (ShardIteratorType::TrimHorizon, None, None),
                Start::Latest => (ShardIteratorType::Latest, None, None),
                Start::AtTimestamp(time) => {
                    (ShardIteratorType::AtTimestamp, None, Some(time.millis()))
                }
                Start::AfterSequence(number) => (
                    ShardIteratorType::AfterSequenceNumber,
                    Some(number.clone()),
                    None,
                ),
                Start::AtSequence(number) => (
                    ShardIteratorType::AtSequenceNumber,
                    Some(number.clone()),
                    None,
                ),
            };
            let (stream_name, stream_arn) = call::name_and_arn(&self.stream);
            let result = self
                .client
                .get_shard_iterator()
                .set_stream_name(stream_name)
                .set_stream_arn(stream_arn)
                .shard_id(&self.shard)
                .shard_iterator_type(kind)
                .set_starting_sequence_number(sequence_number)
                .set_timestamp(timestamp.map(DateTime::from_millis))
                .customize()
                .config_override(call::small::<GetShardIteratorError>(&self.client))
                .interceptor(budget.endpoint())
                .send()
                .await;
            match result {
                Ok(output) => {
                    match self.start {
                        // A later LATEST iterator would skip the records that arrive until then, so
                        // any new iterator starts at this time. It is rounded down, because some
                        // emulators report arrival in whole seconds.
                        Start::Latest => {
                            let second = requested_at - requested_at % 1000;
                            self.start = Start::AtTimestamp(Timestamp::from_millis(second));
                        }
                        Start::AtTimestamp(time) if self.checkpoint.is_none() => {
                            self.not_before = Some(time);
                        }
                        _ => {}
                    }
                    return Ok(output.shard_iterator.unwrap_or_default());
                }
                Err(error) => {
                    budget.wait("GetShardIterator", error).await?;
                }
            }
        }
    }

    /// Converts a response to a page and advances past it.
    fn take_page(&mut self, output: GetRecordsOutput) -> ShardPage {
        self.iterator = output.next_shard_iterator;
        self.ended = self.iterator.is_none();
        let mut records = Vec::with_capacity(output.records.len());
        for record in output.records {
            let arrival = record
                .approximate_arrival_timestamp
                .as_ref()
                .map(nearest_millis);
            self.checkpoint = Some(record.sequence_number.clone());
            // Kinesis never returns these, but emulators may start at the oldest record if none is
            // later.
            if self
                .not_before
                .is_some_and(|time| arrival.is_some_and(|arrival| arrival < time))
            {
                continue;
            }
            // Arrival times are approximate: a record after this one may appear to be earlier than
            // the start.
            self.not_before = None;
            records.push(ShardRecord {
                sequence_number: record.sequence_number,
                partition_key: record.partition_key.unwrap_or_default(),
                data: record.data.into_bytes(),
                arrival: arrival.unwrap_or(Timestamp::EPOCH),
            });
        }
        let millis_behind = output.millis_behind_latest.unwrap_or(0);
        let behind = Duration::from_millis(u64::try_from(millis_behind).unwrap_or(0));
        ShardPage {
            records,
            behind,
            ended: self.ended,
        }
    }
}

/// The millisecond of a time in a response. In JSON and CBOR it is a binary fraction of seconds, which
/// may be up to 0.3 microseconds early: 1764513818.652 becomes .651999950.
fn nearest_millis(time: &DateTime) -> Timestamp {
    const EARLY_NANOS: i128 = 1_000;
    let millis = (time.as_nanos() + EARLY_NANOS).div_euclid(1_000_000);
    Timestamp::from_millis(i64::try_from(millis).unwrap_or_default())
}

/// The current time, in milliseconds since 1970-01-01 UTC.
#[expect(
    clippy::disallowed_methods,
    reason = "an iterator at the latest record can only be renewed by time"
)]
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
