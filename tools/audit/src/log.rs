//! Reads the streams' logs, all shards in step.

use std::collections::HashMap;

use aws_sdk_kinesis::Client;
use futures_util::future::join_all;
use windrow_core::sensor::Sensor;
use windrow_service::ServiceError;

use crate::check::{AuditedShard, AuditedStream};
use crate::cursor::{ReadFrom, ShardCursor, arrival_of};
use crate::error::AuditError;
use crate::expected::{AuditRecord, LogFold};
use crate::position::LogPosition;
use crate::range::LogAge;
use crate::windows::{AuditWindows, WindowBy};

/// Arrival times within a shard are approximate, so a record may arrive this much before an earlier
/// one.
const MARGIN: i64 = 10_000;

/// How far ahead of the slowest shard the others are read.
const STEP: i64 = 60_000;

/// How many shards are read at the same time.
const CONCURRENT: usize = 16;

/// The number of accumulators (keys times windows) at which a chunk ends.
const MOST_ACCUMULATORS: usize = 1_000_000;

/// A stream and its log.
#[derive(Debug)]
struct StreamLog {
    name: String,
    arn: String,
    created: i64,
    retention: i64,
}

/// The logs of the audited streams.
#[derive(Debug)]
pub(crate) struct LogReader {
    client: Client,
    streams: Vec<StreamLog>,
    cursors: Vec<ShardCursor>,
}

/// What to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadSpan {
    /// The start of the first window of the chunk.
    pub(crate) from: i64,
    /// The end of its last window.
    pub(crate) to: i64,
    /// Records that arrived from then on have not settled.
    pub(crate) settled: i64,
}

/// How reading a chunk ended.
#[derive(Debug)]
pub(crate) enum ReadOutcome {
    /// The windows up to this one are complete.
    Complete {
        /// The end of the last window.
        to: i64,
        /// The last record that was folded, by shard.
        folded_to: Vec<Option<LogPosition>>,
    },
    /// The retention deletes records before they are read.
    Cut,
}

impl LogReader {
    /// Opens the logs of streams.
    pub(crate) async fn open(client: Client, names: &[String]) -> Result<Self, AuditError> {
        let mut reader = Self {
            client,
            streams: Vec::new(),
            cursors: Vec::new(),
        };
        for name in names {
            let described = reader.client.describe_stream_summary().stream_name(name);
            let described = described.send().await;
            let described = described.map_err(|error| failed(name, "", &error))?;
            let summary = described.stream_description_summary;
            let summary = summary.ok_or_else(|| AuditError::NotDescribed(name.clone()))?;
            let created = summary.stream_creation_timestamp.to_millis();
            reader.streams.push(StreamLog {
                name: name.clone(),
                arn: summary.stream_arn,
                created: created.unwrap_or_default(),
                retention: i64::from(summary.retention_period_hours) * 3_600_000,
            });
        }
        reader.list_shards().await?;
        Ok(reader)
    }

    /// Adds the shards that are new.
    async fn list_shards(&mut self) -> Result<(), AuditError> {
        for stream in &self.streams {
            let mut token = None;
            loop {
                let request = self.client.list_shards();
                let request = match token {
                    None => request.stream_name(&stream.name),
                    Some(token) => request.next_token(token),
                };
                let page = request.send().await;
                let page = page.map_err(|error| failed(&stream.name, "", &error))?;
                for shard in page.shards() {
                    let is_known = self.cursors.iter().any(|cursor| {
                        cursor.stream == stream.name && cursor.shard == shard.shard_id
                    });
                    if !is_known {
                        self.cursors.push(ShardCursor::new(&stream.name, shard));
                    }
                }
                token = page.next_token;
                if token.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// How far each stream's log goes back. The oldest record is looked up only where records may
    /// have been deleted.
    pub(crate) async fn ages(&mut self, now: i64) -> Result<Vec<(String, LogAge)>, AuditError> {
        let mut ages = Vec::new();
        for stream in &self.streams {
            let mut age = LogAge {
                created: stream.created,
                oldest: None,
                retention: stream.retention,
            };
            if !age.is_whole(now) {
                let cursors = self.cursors.iter_mut();
                let cursors = cursors.filter(|cursor| cursor.stream == stream.name);
                let mut cursors: Vec<&mut ShardCursor> = cursors.collect();
                for cursors in cursors.chunks_mut(CONCURRENT) {
                    let client = &self.client;
                    let oldest = cursors.iter_mut().map(|cursor| cursor.oldest(client));
                    for oldest in join_all(oldest).await {
                        age.oldest = age.oldest.into_iter().chain(oldest?).min();
                    }
                }
            }
            ages.push((stream.name.clone(), age));
        }
        Ok(ages)
    }

    /// The streams, with the last records that were folded.
    pub(crate) async fn audited(
        &mut self,
        folded_to: &[Option<LogPosition>],
    ) -> Result<HashMap<String, AuditedStream>, AuditError> {
        // Rows may come from shards that are new.
        self.list_shards().await?;
        let audited = |stream: &StreamLog| {
            let cursors = self.cursors.iter().enumerate();
            let cursors = cursors.filter(|(_, cursor)| cursor.stream == stream.name);
            let shard = |(number, cursor): (usize, &ShardCursor)| {
                let shard = AuditedShard {
                    first: cursor.first,
                    folded_to: folded_to.get(number).copied().flatten(),
                };
                (cursor.shard.clone(), shard)
            };
            let audited = AuditedStream {
                created: stream.created,
                shards: cursors.map(shard).collect(),
            };
            (stream.arn.clone(), audited)
        };
        Ok(self.streams.iter().map(audited).collect())
    }

    /// Folds the records of the windows in `span`, or of fewer windows if they have too many
    /// accumulators.
    pub(crate) async fn read<S: Sensor>(
        &mut self,
        fold: &mut LogFold<'_, S>,
        windows: AuditWindows,
        span: ReadSpan,
        clock: impl Fn() -> i64,
    ) -> Result<ReadOutcome, AuditError> {
        let first = (span.from - windows.earliest_arrival() - MARGIN).max(0);
        for cursor in &mut self.cursors {
            cursor.rewind(ReadFrom::Arrival(first));
        }
        let mut folded_to = vec![None; self.cursors.len()];
        let mut to = span.to;
        let mut arrival_to = match windows.by() {
            WindowBy::Arrival => windows.arrivals_end(to),
            WindowBy::Event => span.settled,
        };
        loop {
            let lagging = self.lagging(arrival_to + MARGIN);
            let slowest = lagging.iter().map(|number| self.cursors[*number].arrival);
            let Some(slowest) = slowest.min() else {
                return Ok(ReadOutcome::Complete { to, folded_to });
            };
            if self.is_cut(&lagging, clock()) {
                return Ok(ReadOutcome::Cut);
            }
            fold.end_before(slowest - MARGIN);
            self.read_pages(&lagging, slowest, |shard, record| {
                if record.arrival < span.settled {
                    fold.add(shard, record);
                    if windows.by() == WindowBy::Event {
                        folded_to[shard] = Some(record.position);
                    }
                }
            })
            .await?;
            if fold.accumulators() > MOST_ACCUMULATORS {
                to = fold.shrink_to(MOST_ACCUMULATORS);
                if windows.by() == WindowBy::Arrival {
                    arrival_to = arrival_to.min(windows.arrivals_end(to));
                }
                if fold.accumulators() > 4 * MOST_ACCUMULATORS {
                    return Err(AuditError::TooManyKeys(fold.accumulators()));
                }
            }
        }
    }

    /// The shards that have not been read up to `arrival` and whose parents have.
    fn lagging(&self, arrival: i64) -> Vec<usize> {
        let is_read = |cursor: &ShardCursor| cursor.is_at_end || cursor.arrival >= arrival;
        let unread = self.cursors.iter().filter(|cursor| !is_read(cursor));
        let unread: Vec<(&str, &str)> = unread
            .map(|cursor| (cursor.stream.as_str(), cursor.shard.as_str()))
            .collect();
        let is_ready = |cursor: &ShardCursor| {
            let mut parents = cursor.parents.iter();
            !parents.any(|parent| unread.contains(&(&cursor.stream, parent)))
        };
        let cursors = self.cursors.iter().enumerate();
        cursors
            .filter(|(_, cursor)| !is_read(cursor) && is_ready(cursor))
            .map(|(number, _)| number)
            .collect()
    }

    /// Whether the next record of a shard may have been deleted.
    fn is_cut(&self, lagging: &[usize], now: i64) -> bool {
        lagging.iter().any(|number| {
            let cursor = &self.cursors[*number];
            let stream = self.streams.iter();
            let stream = stream.filter(|stream| stream.name == cursor.stream);
            stream.into_iter().any(|stream| {
                let age = LogAge {
                    created: stream.created,
                    oldest: None,
                    retention: stream.retention,
                };
                !age.is_whole(now) && cursor.arrival < now - stream.retention
            })
        })
    }

    /// Reads a page of each lagging shard that is not far ahead of the slowest, and passes the
    /// records to `take`.
    async fn read_pages(
        &mut self,
        lagging: &[usize],
        slowest: i64,
        mut take: impl FnMut(usize, AuditRecord<'_>),
    ) -> Result<(), AuditError> {
        let client = &self.client;
        let cursors = self.cursors.iter_mut().enumerate();
        let cursors = cursors.filter(|(number, cursor)| {
            lagging.contains(number) && cursor.arrival <= slowest + STEP
        });
        let mut cursors: Vec<(usize, &mut ShardCursor)> = cursors.collect();
        for cursors in cursors.chunks_mut(CONCURRENT) {
            let pages = cursors.iter_mut().map(|(_, cursor)| cursor.read(client));
            let pages = join_all(pages).await;
            for ((number, _), page) in cursors.iter().zip(pages) {
                for record in page? {
                    let audited = AuditRecord {
                        position: LogPosition::parse(&record.sequence_number).unwrap_or_default(),
                        arrival: arrival_of(&record),
                        data: record.data.as_ref(),
                    };
                    take(*number, audited);
                }
            }
        }
        Ok(())
    }
}

fn failed<E>(stream: &str, shard: &str, error: &E) -> AuditError
where
    E: aws_sdk_kinesis::error::ProvideErrorMetadata + std::error::Error,
{
    AuditError::Log {
        stream: stream.to_owned(),
        shard: shard.to_owned(),
        source: ServiceError::from(error),
    }
}
