//! The handler: read, wait for the watermark, finish, write, remember.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kinesis::Client;
use bytes::Bytes;
use lambda_runtime::{Diagnostic, tracing};
use thiserror::Error;
use tokio::time::Instant;
use windrow_core::time::Timestamp;
use windrow_event::Reject;
use windrow_read::{ReadError, Shard, list};
use windrow_service::chain;
use windrow_write::{Destination, KinesisRecord, Policy, deliver, hashed_partition_key};

use super::outputs::{OutputLine, WindowOutputs, changed_lines, lines};
use super::progress::{Progress, ProgressError, ProgressTable, StoredProgress};
use super::summaries::{SummaryReadError, SummaryStream};
use super::watermark::{FinishTime, shard_states, stream_watermark};
use super::windows::{LateRows, ListedShards, OpenWindows, WindowSpan, name_of};
use crate::metrics::{Metrics, Sink, Unit};

/// The most rows of open windows to hold in memory. A row takes about a kilobyte.
const MOST_ROWS: usize = 200_000;

/// Why an invocation failed. Nothing is lost: the next one does what this one did not.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FinisherError {
    /// A stream could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The progress could not be read or written.
    #[error(transparent)]
    Progress(#[from] ProgressError),
    /// The stream of rows could not be described.
    #[error("could not describe the stream {stream}: {reason}")]
    Stream {
        /// The stream.
        stream: String,
        /// Why.
        reason: String,
    },
    /// The stream of rows could not be read to its end in time.
    #[error(
        "could not read the stream of rows to its end in time: give the function a longer timeout"
    )]
    OutOfTime,
    /// The rows of one window are more than memory holds.
    #[error("the windows that end at {end} have more than {most} rows")]
    TooManyRows {
        /// The end of the window.
        end: Timestamp,
        /// How many rows can be held.
        most: usize,
    },
    /// Not all finished rows could be written in time.
    #[error("could not write {count} finished rows; first failure: {reason}")]
    Undelivered {
        /// How many.
        count: usize,
        /// Why the first of them was not written.
        reason: String,
    },
}

/// What Lambda reports for a failed invocation: the error kind, and the message with its causes.
impl From<FinisherError> for Diagnostic {
    fn from(error: FinisherError) -> Self {
        let error_type = match error {
            FinisherError::Read(_) => "Read",
            FinisherError::Progress(_) => "Progress",
            FinisherError::Stream { .. } => "Stream",
            FinisherError::OutOfTime => "OutOfTime",
            FinisherError::TooManyRows { .. } => "TooManyRows",
            FinisherError::Undelivered { .. } => "Undelivered",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: chain(&error),
        }
    }
}

impl From<SummaryReadError> for FinisherError {
    fn from(error: SummaryReadError) -> Self {
        match error {
            SummaryReadError::Read(error) => Self::Read(error),
            SummaryReadError::OutOfTime => Self::OutOfTime,
        }
    }
}

/// The names of the streams that the finisher reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinisherStreams {
    /// The stream of rows.
    pub summaries: String,
    /// The stream of readings. Other streams of readings are known once they have a watermark.
    pub readings: String,
}

/// The finisher function. It writes the rows of the outputs to their destinations, and those that
/// a destination permanently rejects to `rejects`.
pub struct Finisher<W, D, R> {
    outputs: W,
    kinesis: Client,
    streams: FinisherStreams,
    progress: ProgressTable,
    destinations: BTreeMap<String, D>,
    rejects: R,
    most_rows: usize,
    sink: Sink,
}

/// What an invocation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct FinishCounts {
    windows: u64,
    late_windows: u64,
    rows: u64,
    rejected: u64,
    lost: u64,
    retries: u64,
    /// How long ago the first window ended that is not complete.
    waiting_seconds: u64,
}

/// What is known of the streams before their records are read.
struct StreamShards {
    summaries: Vec<Shard>,
    /// Those of each stream of readings, by its name. A stream that was deleted has none.
    readings: BTreeMap<String, Vec<Shard>>,
}

impl<W, D, R> Finisher<W, D, R>
where
    W: WindowOutputs,
    D: Destination<Item = KinesisRecord>,
    R: Destination<Item = Bytes>,
{
    /// A function that reads `streams`, writes each output to the destination of its name, keeps its
    /// progress in `progress`, and passes its metrics to `sink`.
    ///
    /// Rows of outputs without a destination are written nowhere.
    pub fn new(
        outputs: W,
        kinesis: Client,
        streams: FinisherStreams,
        progress: ProgressTable,
        destinations: BTreeMap<String, D>,
        rejects: R,
        sink: Sink,
    ) -> Self {
        Self {
            outputs,
            kinesis,
            streams,
            progress,
            destinations,
            rejects,
            most_rows: MOST_ROWS,
            sink,
        }
    }

    /// Replaces the number of rows of open windows that are held in memory.
    pub fn with_most_rows(self, most_rows: usize) -> Self {
        Self { most_rows, ..self }
    }

    /// Finishes the windows that are complete, and those of which rows arrived late. Returns by
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// [`FinisherError`]. The next invocation does what was not done.
    pub async fn handle(&self, time: FinishTime, deadline: Instant) -> Result<(), FinisherError> {
        let log = self.log().await?;
        let mut counts = FinishCounts::default();
        let mut stored = self.progress.read(&log).await?;
        loop {
            let shards = self.shards(&stored.progress).await?;
            let is_done = self.pass(&log, &mut stored, &shards, time, deadline, &mut counts);
            let is_done = is_done.await;
            match is_done {
                // Windows were left out for want of memory, and those before them are finished.
                Ok(false) => continue,
                // It may have left windows that are complete by now.
                Err(FinisherError::Progress(ProgressError::Overtaken)) => {
                    stored = self.progress.read(&log).await?;
                    continue;
                }
                _ => {}
            }
            (self.sink)(&Metrics::new(vec![
                ("FinishedWindows", Unit::Count, counts.windows),
                ("LateWindows", Unit::Count, counts.late_windows),
                ("FinishedRows", Unit::Count, counts.rows),
                ("RejectedFinishedRows", Unit::Count, counts.rejected),
                ("LostRejects", Unit::Count, counts.lost),
                ("Retries", Unit::Count, counts.retries),
                ("WaitingSeconds", Unit::Seconds, counts.waiting_seconds),
            ]));
            return is_done.map(|_| ());
        }
    }

    /// The key of the progress: the stream of rows, and when it was created. A stream that was
    /// created again has other records.
    async fn log(&self) -> Result<String, FinisherError> {
        let stream = &self.streams.summaries;
        let described = self.kinesis.describe_stream_summary().stream_name(stream);
        let described = described
            .send()
            .await
            .map_err(|error| FinisherError::Stream {
                stream: stream.clone(),
                reason: chain(&error),
            })?;
        let summary = described.stream_description_summary();
        let arn = summary.map_or(stream.as_str(), |summary| summary.stream_arn());
        let created = summary.map(|summary| summary.stream_creation_timestamp());
        let created = created.and_then(|time| time.to_millis().ok()).unwrap_or(0);
        Ok(format!("{arn} {}", Timestamp::from_millis(created)))
    }

    async fn shards(&self, progress: &Progress) -> Result<StreamShards, FinisherError> {
        let mut names = BTreeSet::from([self.streams.readings.as_str()]);
        names.extend(progress.watermarks.keys().map(|arn| name_of(arn)));
        let mut readings = BTreeMap::new();
        for name in names {
            let shards = match list(&self.kinesis, name).await {
                Err(ReadError::NoSuchStream { .. }) => Vec::new(),
                listed => listed?,
            };
            readings.insert(name.to_owned(), shards);
        }
        let summaries = list(&self.kinesis, &self.streams.summaries).await?;
        Ok(StreamShards {
            summaries,
            readings,
        })
    }

    /// Reads the rows of open windows once, and finishes what is complete. Returns whether no
    /// complete window is left.
    async fn pass(
        &self,
        log: &str,
        stored: &mut StoredProgress,
        shards: &StreamShards,
        time: FinishTime,
        deadline: Instant,
        counts: &mut FinishCounts,
    ) -> Result<bool, FinisherError> {
        let before = stored.progress.clone();
        let schema = self.outputs.schema();
        let mut open = OpenWindows::new(schema, &before, self.most_rows);
        let summaries = SummaryStream {
            client: &self.kinesis,
            name: &self.streams.summaries,
            shards: &shards.summaries,
            deadline,
        };
        summaries
            .read(&before, |shard, record| open.take(shard, record))
            .await?;
        self.finish_late(&summaries, &before, open.late(), time, deadline, counts)
            .await?;

        self.check_memory(&open)?;
        let watermark = self.watermark(&open, shards, time).await?;
        counts.waiting_seconds = waiting_seconds(&open, watermark, time);
        let mut finished = None;
        let mut written = Ok(());
        while let Some((window, merged)) = open.pop(watermark) {
            let lines = lines(&self.outputs, &merged);
            written = self.write(lines, window, deadline, counts).await;
            if written.is_err() {
                break;
            }
            counts.windows += 1;
            // Several windows may end at the same time.
            if open.ends().next() != Some(window.end) {
                finished = Some(window.end);
            }
        }
        let is_done = !open.is_cut() || finished.is_none();
        stored.progress = open.progress(finished, &shards.listed());
        if stored.progress != before {
            self.progress.write(log, stored).await?;
        }
        written.map(|()| is_done)
    }

    fn check_memory(&self, open: &OpenWindows<'_>) -> Result<(), FinisherError> {
        match open.too_many() {
            None => Ok(()),
            Some(end) => Err(FinisherError::TooManyRows {
                end: Timestamp::from_millis(end),
                most: self.most_rows,
            }),
        }
    }

    /// Up to when the windows are complete in all shards.
    async fn watermark(
        &self,
        open: &OpenWindows<'_>,
        shards: &StreamShards,
        time: FinishTime,
    ) -> Result<i64, FinisherError> {
        let has_ended = |end: &i64| time.is_drained || *end <= time.now.millis();
        let Some(needed) = open.ends().rfind(has_ended) else {
            return Ok(i64::MIN);
        };
        let mut watermark = needed;
        for (stream, shards) in &shards.readings {
            let watermarks = open.watermarks().iter();
            let mut of_stream = watermarks.filter(|(arn, _)| name_of(arn) == stream);
            let states = shard_states(shards, of_stream.next().map(|(_, shards)| shards));
            let of_stream = stream_watermark(&self.kinesis, stream, states, needed, time).await?;
            watermark = watermark.min(of_stream);
        }
        Ok(watermark)
    }

    /// Writes the rows again that late rows change.
    async fn finish_late(
        &self,
        summaries: &SummaryStream<'_>,
        before: &Progress,
        windows: &BTreeSet<WindowSpan>,
        time: FinishTime,
        deadline: Instant,
        counts: &mut FinishCounts,
    ) -> Result<(), FinisherError> {
        let Some(start) = windows.iter().map(|window| window.start).min() else {
            return Ok(());
        };
        let start = Timestamp::from_millis(start.min(time.now.millis()));
        let mut late = LateRows::new(self.outputs.schema(), before, windows);
        summaries
            .read_since(start, |shard, record| late.take(shard, &record))
            .await?;
        if late.held() > self.most_rows {
            return Err(FinisherError::TooManyRows {
                end: Timestamp::from_millis(windows.first().map_or(0, |window| window.end)),
                most: self.most_rows,
            });
        }
        for (window, before, after) in late.windows() {
            let lines = changed_lines(&self.outputs, &before, &after);
            if !lines.is_empty() {
                counts.late_windows += 1;
                self.write(lines, window, deadline, counts).await?;
            }
        }
        Ok(())
    }

    /// Writes the lines of a window, each as a record.
    async fn write(
        &self,
        lines: Vec<OutputLine>,
        window: WindowSpan,
        deadline: Instant,
        counts: &mut FinishCounts,
    ) -> Result<(), FinisherError> {
        let mut by_output: BTreeMap<_, Vec<KinesisRecord>> = BTreeMap::new();
        for line in lines {
            let records = by_output.entry(line.output).or_default();
            records.push(KinesisRecord {
                // All revisions of a row are in one shard, in order.
                partition_key: hashed_partition_key(line.id.as_bytes()),
                data: line.data.into(),
            });
        }
        let policy = Policy::until(deadline);
        let mut rejects = Vec::new();
        for (output, records) in by_output {
            let Some(destination) = self.destinations.get(&*output) else {
                continue;
            };
            counts.rows += records.len() as u64;
            let mut sent = deliver(destination, records, &policy).await;
            counts.retries += sent.retries;
            for rejected in sent.take_rejected() {
                counts.rejected += 1;
                let reject = Reject {
                    reason: &format!(
                        "the stream of the output {output} rejected this row: {}",
                        rejected.reason
                    ),
                    stream: &self.streams.summaries,
                    shard: "",
                    sequence_number: "",
                    partition_key: &rejected.item.partition_key,
                    sub_sequence_number: None,
                    arrival: Timestamp::from_millis(window.start),
                    payload: &rejected.item.data,
                };
                rejects.extend(reject.lines().into_iter().map(Bytes::from));
            }
            undelivered(&sent.undelivered)?;
        }
        let mut sent = deliver(&self.rejects, rejects, &policy).await;
        let lost = sent.take_rejected();
        for reject in &lost {
            tracing::error!(reason = %reject.reason, "rejects stream rejected a reject, which is lost");
        }
        counts.lost += lost.len() as u64;
        undelivered(&sent.undelivered)
    }
}

/// How long ago the first window ended that is not complete.
fn waiting_seconds(open: &OpenWindows<'_>, watermark: i64, time: FinishTime) -> u64 {
    let waiting = open.ends().find(|end| *end > watermark);
    let waited = waiting.map_or(0, |end| time.now.millis().saturating_sub(end));
    u64::try_from(waited / 1000).unwrap_or(0)
}

fn undelivered<T>(undelivered: &[windrow_write::Undelivered<T>]) -> Result<(), FinisherError> {
    let Some(first) = undelivered.first() else {
        return Ok(());
    };
    Err(FinisherError::Undelivered {
        count: undelivered.len(),
        reason: first.reason.to_string(),
    })
}

impl StreamShards {
    fn listed(&self) -> ListedShards {
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
