//! One shard, read from a place on.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{Config, retry::RetryConfig};
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;
use bytes::Bytes;

use crate::ReadError;
use crate::retry::RetryBudget;

/// The most records in a GetRecords answer (GetRecords, API reference).
pub(crate) const MOST_RECORDS: usize = 10_000;

/// Where in a shard to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The oldest record that is kept.
    TrimHorizon,
    /// The first record that arrives from now on.
    Latest,
    /// The first record that arrived at this time or later, in milliseconds since 1970-01-01 UTC.
    /// The time must not be in the future.
    AtTimestamp(i64),
    /// The record after the one with this sequence number.
    AfterSequence(String),
    /// The record with this sequence number.
    AtSequence(String),
}

/// One record of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRecord {
    /// Its place in its shard. They compare by length first, then as text.
    pub sequence_number: String,
    /// What decided its shard.
    pub partition_key: String,
    /// The payload, as it was put.
    pub data: Bytes,
    /// When Kinesis took it, in milliseconds since 1970-01-01 UTC; 0 if Kinesis does not say.
    pub arrival: i64,
}

/// What one read gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPage {
    /// The records, in order; often none.
    pub records: Vec<ShardRecord>,
    /// How far this page is behind the end of the shard, in milliseconds; 0 at the end.
    pub millis_behind: i64,
    /// Whether the shard is closed and read to its end.
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
    /// The time that the first record handed out must have arrived at or after.
    not_before: Option<i64>,
    ended: bool,
}

impl ShardReader {
    /// A reader of `shard` from `start` on. Nothing is asked of Kinesis before the first read.
    ///
    /// The retries of `client` itself are switched off here.
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

    /// The same with at most `records` a page, from 1 to 10,000.
    #[must_use]
    pub fn limit(mut self, records: usize) -> Self {
        self.limit = records.clamp(1, MOST_RECORDS);
        self
    }

    /// The id of the shard.
    #[must_use]
    pub fn shard(&self) -> &str {
        &self.shard
    }

    /// The sequence number of the last record read, if any was.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&str> {
        self.checkpoint.as_deref()
    }

    /// Reads once, and makes an iterator first if there is none or it has expired.
    ///
    /// A shard gives five reads a second to all its readers together, so pause between calls. After
    /// the page that ends the shard, every further one is empty and ends it too.
    ///
    /// Dropping the future loses nothing: the next call reads the same place.
    ///
    /// # Errors
    /// [`ReadError`], after waiting out throttling and passing faults for a while. The reader stays
    /// where it was.
    pub async fn next(&mut self) -> Result<ShardPage, ReadError> {
        if self.ended {
            return Ok(ShardPage {
                records: Vec::new(),
                millis_behind: 0,
                ended: true,
            });
        }
        let mut budget = RetryBudget::new(&self.stream);
        loop {
            let iterator = match self.iterator.take() {
                Some(iterator) => iterator,
                None => self.make_iterator(&mut budget).await?,
            };
            self.iterator = Some(iterator.clone());
            let answer = self
                .client
                .get_records()
                .shard_iterator(iterator)
                // The limit is clamped to what fits.
                .limit(i32::try_from(self.limit).unwrap_or(i32::MAX))
                .customize()
                .config_override(Config::builder().retry_config(RetryConfig::disabled()))
                .send()
                .await;
            match answer {
                Ok(output) => return Ok(self.hand_out(output)),
                Err(error) => {
                    if budget.wait(error).await? {
                        self.iterator = None;
                    }
                }
            }
        }
    }

    /// Makes an iterator after the last record handed out, or at the start if there was none.
    async fn make_iterator(&mut self, budget: &mut RetryBudget) -> Result<String, ReadError> {
        loop {
            let asked = now();
            let place = match &self.checkpoint {
                Some(checkpoint) => &Start::AfterSequence(checkpoint.clone()),
                None => &self.start,
            };
            let (kind, sequence_number, timestamp) = match place {
                Start::TrimHorizon => (ShardIteratorType::TrimHorizon, None, None),
                Start::Latest => (ShardIteratorType::Latest, None, None),
                Start::AtTimestamp(time) => (ShardIteratorType::AtTimestamp, None, Some(*time)),
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
            let answer = self
                .client
                .get_shard_iterator()
                .stream_name(&self.stream)
                .shard_id(&self.shard)
                .shard_iterator_type(kind)
                .set_starting_sequence_number(sequence_number)
                .set_timestamp(timestamp.map(DateTime::from_millis))
                .customize()
                .config_override(Config::builder().retry_config(RetryConfig::disabled()))
                .send()
                .await;
            match answer {
                Ok(output) => {
                    match self.start {
                        // The latest of a later moment would skip what has come since this one.
                        // Some emulators tell the seconds of arrival only, so whole seconds it is.
                        Start::Latest => self.start = Start::AtTimestamp(asked - asked % 1000),
                        Start::AtTimestamp(time) if self.checkpoint.is_none() => {
                            self.not_before = Some(time);
                        }
                        _ => {}
                    }
                    return Ok(output.shard_iterator.unwrap_or_default());
                }
                Err(error) => {
                    budget.wait(error).await?;
                }
            }
        }
    }

    /// Turns an answer into a page and moves on behind it.
    fn hand_out(&mut self, output: GetRecordsOutput) -> ShardPage {
        self.iterator = output.next_shard_iterator;
        self.ended = self.iterator.is_none();
        let mut records = Vec::with_capacity(output.records.len());
        for record in output.records {
            let arrival = record
                .approximate_arrival_timestamp
                .and_then(|time| time.to_millis().ok());
            self.checkpoint = Some(record.sequence_number.clone());
            // Kinesis has left these out. Emulators may start at the horizon if nothing is later.
            if self
                .not_before
                .is_some_and(|time| arrival.is_some_and(|arrival| arrival < time))
            {
                continue;
            }
            // Arrival times are approximate, so a later record may claim to be earlier than the
            // start.
            self.not_before = None;
            records.push(ShardRecord {
                sequence_number: record.sequence_number,
                partition_key: record.partition_key.unwrap_or_default(),
                data: record.data.into_bytes(),
                arrival: arrival.unwrap_or(0),
            });
        }
        let millis_behind = output.millis_behind_latest.unwrap_or(0);
        ShardPage {
            records,
            millis_behind,
            ended: self.ended,
        }
    }
}

/// The time of day, in milliseconds since 1970-01-01 UTC.
#[expect(
    clippy::disallowed_methods,
    reason = "where the latest record was is known to the clock alone"
)]
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
