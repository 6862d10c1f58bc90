//! The streams that the finisher reads, and their shards.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kinesis::Client;
use windrow_core::time::Timestamp;
use windrow_read::{ReadError, Shard, list};
use windrow_service::chain;

use super::error::FinisherError;
use super::progress::{Progress, name_of};
use super::summaries::MARGIN_MILLIS;
use super::watermark::FinishTime;
use super::windows::ListedShards;

/// The names of the streams that the finisher reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinisherStreams {
    /// The stream of rows.
    pub summaries: String,
    /// The stream of readings. Other streams of readings are known once they have a watermark.
    pub readings: String,
}

/// The stream of rows.
pub(super) struct SummaryLog {
    /// The key of the progress: the stream's ARN, and when it was created. A stream that was created
    /// again has other records.
    pub(super) key: String,
    /// When it was created, and how long it keeps records, in milliseconds.
    created: i64,
    pub(super) retention: i64,
}

impl SummaryLog {
    /// Describes the stream.
    pub(super) async fn describe(client: &Client, stream: &str) -> Result<Self, FinisherError> {
        let described = client.describe_stream_summary().stream_name(stream);
        let described = described.send().await;
        let described = described.map_err(|error| FinisherError::Stream {
            stream: stream.to_owned(),
            reason: chain(&error),
        })?;
        let summary = described.stream_description_summary();
        let arn = summary.map_or(stream, |summary| summary.stream_arn());
        let created = summary.map(|summary| summary.stream_creation_timestamp());
        let created = created.and_then(|time| time.to_millis().ok()).unwrap_or(0);
        let hours = summary.map_or(24, |summary| summary.retention_period_hours());
        Ok(Self {
            key: format!("{arn} {}", Timestamp::from_millis(created)),
            created,
            retention: i64::from(hours) * 3_600_000,
        })
    }

    /// From when on a new finisher reads: what is older than an hour was finished by nobody, and
    /// nobody waits for it.
    pub(super) fn since(&self, time: FinishTime) -> i64 {
        let created = self.created.saturating_sub(MARGIN_MILLIS);
        created.max(time.now.millis().saturating_sub(3_600_000))
    }

    /// The start of the first windows of which all rows are read.
    pub(super) fn first_start(&self, progress: &Progress) -> i64 {
        if progress.since < self.created {
            return i64::MIN;
        }
        progress.since
    }
}

/// What is known of the streams before their records are read.
pub(super) struct StreamShards {
    pub(super) summaries: Vec<Shard>,
    /// Those of each stream of readings, by its name. A stream that was deleted has none.
    pub(super) readings: BTreeMap<String, Vec<Shard>>,
}

impl StreamShards {
    /// Lists the shards of the stream of rows, and of all streams of readings that are known.
    pub(super) async fn list(
        client: &Client,
        streams: &FinisherStreams,
        progress: &Progress,
    ) -> Result<Self, FinisherError> {
        let of_watermarks = progress.watermarks.keys().map(|arn| name_of(arn));
        let known: BTreeSet<&str> = of_watermarks.collect();
        let mut names = known.clone();
        names.insert(&streams.readings);
        let mut readings = BTreeMap::new();
        for name in names {
            let listed = match list(client, name).await {
                // It was deleted. One without watermarks never had the right name.
                Err(ReadError::NoSuchStream { .. }) if known.contains(name) => Vec::new(),
                listed => listed?,
            };
            readings.insert(name.to_owned(), listed);
        }
        Ok(Self {
            summaries: list(client, &streams.summaries).await?,
            readings,
        })
    }

    /// The names of the shards.
    pub(super) fn listed(&self) -> ListedShards {
        let ids = |shards: &[Shard]| shards.iter().map(|shard| shard.id.clone()).collect();
        let readings = self.readings.iter();
        ListedShards {
            summaries: ids(&self.summaries),
            readings: readings
                .map(|(stream, shards)| (stream.clone(), ids(shards)))
                .collect(),
        }
    }
}
