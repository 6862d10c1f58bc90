//! Reads the stream of rows to its end.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use windrow_core::time::Timestamp;
use windrow_read::{ReadError, Shard, ShardPage, ShardReader, ShardRecord, Start};

use super::progress::{Progress, ShardProgress};

/// The most records of a page.
const MOST_RECORDS: usize = 10_000;

/// How far clocks may differ.
pub(super) const MARGIN_MILLIS: i64 = 60_000;

/// The pause between two reads of a shard, which allows five per second for all its readers.
const PAUSE: Duration = Duration::from_millis(200);

/// The stream of rows, and when to stop reading it.
pub(super) struct SummaryStream<'a> {
    pub(super) client: &'a aws_sdk_kinesis::Client,
    pub(super) name: &'a str,
    pub(super) shards: &'a [Shard],
    pub(super) deadline: Instant,
}

/// Why not all rows were read.
#[derive(Debug)]
pub(super) enum SummaryReadError {
    Read(ReadError),
    OutOfTime,
}

impl SummaryStream<'_> {
    /// Reads all shards from where they are not finished.
    ///
    /// Kinesis returns empty pages for the time in which a shard had no records, so a shard that has
    /// nothing to finish is read from the time at which it was last read to its end.
    pub(super) async fn read(
        &self,
        progress: &Progress,
        take: impl FnMut(&str, ShardRecord),
    ) -> Result<(), SummaryReadError> {
        let at = |millis: i64| Start::AtTimestamp(Timestamp::from_millis(millis));
        let start = |shard: &str| match progress.shards.get(shard) {
            Some(shard) if shard.finished == shard.read => at(progress
                .since
                .max(shard.ended_at.saturating_sub(MARGIN_MILLIS))),
            Some(ShardProgress {
                finished: Some(finished),
                ..
            }) => Start::AfterSequence(finished.clone()),
            _ => at(progress.since),
        };
        self.read_from(start, take).await
    }

    /// Reads all shards from a time on.
    pub(super) async fn read_since(
        &self,
        time: Timestamp,
        take: impl FnMut(&str, ShardRecord),
    ) -> Result<(), SummaryReadError> {
        self.read_from(|_| Start::AtTimestamp(time), take).await
    }

    async fn read_from(
        &self,
        start: impl Fn(&str) -> Start,
        mut take: impl FnMut(&str, ShardRecord),
    ) -> Result<(), SummaryReadError> {
        let mut reading = FuturesUnordered::new();
        for shard in self.shards {
            let (client, start) = (self.client.clone(), start(&shard.id));
            let reader = ShardReader::new(client, self.name, &shard.id, start);
            reading.push(next_page(reader, Duration::ZERO));
        }
        let read_all = async {
            while let Some((reader, page)) = reading.next().await {
                let page = page.map_err(SummaryReadError::Read)?;
                // Some emulators never say how far a page is behind.
                let is_full = page.records.len() >= MOST_RECORDS;
                for record in page.records {
                    take(reader.shard(), record);
                }
                if !page.ended && (is_full || !page.behind.is_zero()) {
                    reading.push(next_page(reader, PAUSE));
                }
            }
            Ok(())
        };
        let read = tokio::time::timeout_at(self.deadline, read_all).await;
        read.unwrap_or(Err(SummaryReadError::OutOfTime))
    }
}

async fn next_page(
    mut reader: ShardReader,
    pause: Duration,
) -> (ShardReader, Result<ShardPage, ReadError>) {
    tokio::time::sleep(pause).await;
    let page = reader.next_page().await;
    (reader, page)
}
