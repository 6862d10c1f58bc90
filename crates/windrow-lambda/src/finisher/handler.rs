//! The handler: read, wait for the watermark, finish, write, remember.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kinesis::Client;
use bytes::Bytes;
use lambda_runtime::tracing;
use tokio::time::Instant;
use windrow_core::row::MergedRow;
use windrow_core::time::Timestamp;
use windrow_event::Reject;
use windrow_write::{Destination, KinesisRecord, Policy, deliver, hashed_partition_key};

use super::error::FinisherError;
use super::late::LateRows;
use super::outputs::{OutputLine, WindowOutputs, changed_lines, lines};
use super::progress::{FinishAttempt, Progress, ProgressError, ProgressTable, StoredProgress};
use super::streams::{FinisherStreams, StreamShards, SummaryLog};
use super::summaries::{SummaryReadError, SummaryStream};
use super::watermark::{FinishTime, ReadingStream, shard_states};
use super::windows::{OpenWindows, WindowSpan};
use crate::metrics::{Metrics, Sink, Unit};

/// The most rows of open windows to hold in memory, unless the settings say it.
const MOST_ROWS: usize = 100_000;

/// How often to start again because another invocation saved its progress first.
const MOST_ATTEMPTS: u32 = 3;

/// How often to read the streams in one invocation. What is left is for the next one.
const MOST_PASSES: u32 = 100;

/// How long before its expiry a row counts as expired.
const EXPIRY_MARGIN_MILLIS: i64 = 600_000;

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
    /// Windows of which rows arrived so late that those before were not found in time.
    skipped_late: u64,
    /// Windows that were not complete before their first rows expired.
    expired: u64,
    rows: u64,
    rejected: u64,
    lost: u64,
    retries: u64,
    /// How long ago the first window ended that is not complete.
    waiting_seconds: u64,
}

/// What a pass over the streams goes by.
#[derive(Clone, Copy)]
struct Pass<'a> {
    log: &'a SummaryLog,
    shards: &'a StreamShards,
    time: FinishTime,
    deadline: Instant,
}

impl Pass<'_> {
    /// Whether the first rows of a window may not be in the stream any more.
    fn has_expired(self, window: WindowSpan) -> bool {
        let kept_since = self.time.now.millis().saturating_sub(self.log.retention);
        window.start < kept_since.saturating_add(EXPIRY_MARGIN_MILLIS)
    }
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
    /// If another invocation is at it at the same time, this one leaves the rest to that one.
    ///
    /// # Errors
    ///
    /// [`FinisherError`]. The next invocation does what was not done.
    pub async fn handle(&self, time: FinishTime, deadline: Instant) -> Result<(), FinisherError> {
        let log = SummaryLog::describe(&self.kinesis, &self.streams.summaries).await?;
        let mut attempt = 1;
        let (finished, counts) = loop {
            let mut counts = FinishCounts::default();
            let finished = self.finish(&log, time, deadline, &mut counts).await;
            let overtaken = matches!(
                finished,
                Err(FinisherError::Progress(ProgressError::Overtaken))
            );
            if !overtaken {
                break (finished, counts);
            }
            if attempt == MOST_ATTEMPTS {
                // Nothing comes after a drain.
                let left = if time.is_drained { finished } else { Ok(()) };
                break (left, counts);
            }
            attempt += 1;
        };
        (self.sink)(&Metrics::new(vec![
            ("FinishedWindows", Unit::Count, counts.windows),
            ("LateWindows", Unit::Count, counts.late_windows),
            ("SkippedLateWindows", Unit::Count, counts.skipped_late),
            ("ExpiredWindows", Unit::Count, counts.expired),
            ("FinishedRows", Unit::Count, counts.rows),
            ("RejectedFinishedRows", Unit::Count, counts.rejected),
            ("LostRejects", Unit::Count, counts.lost),
            ("Retries", Unit::Count, counts.retries),
            ("WaitingSeconds", Unit::Seconds, counts.waiting_seconds),
        ]));
        finished
    }

    async fn finish(
        &self,
        log: &SummaryLog,
        time: FinishTime,
        deadline: Instant,
        counts: &mut FinishCounts,
    ) -> Result<(), FinisherError> {
        let mut stored = self.progress.read(&log.key).await?;
        if stored.version == 0 {
            stored.progress.since = log.since(time);
        }
        for _ in 0..MOST_PASSES {
            let shards = StreamShards::list(&self.kinesis, &self.streams, &stored.progress).await?;
            let pass = Pass {
                log,
                shards: &shards,
                time,
                deadline,
            };
            if self.pass(pass, &mut stored, counts).await? {
                break;
            }
        }
        if stored.written.as_ref() != Some(&stored.progress) {
            self.progress.write(&log.key, &mut stored).await?;
        }
        Ok(())
    }

    /// Reads the rows of open windows once, and finishes those that are complete by the watermarks
    /// that were known before. A watermark that is read now comes after its rows, but these may be in
    /// shards that were read before it was sent.
    ///
    /// Returns whether there is nothing left to do.
    async fn pass(
        &self,
        pass: Pass<'_>,
        stored: &mut StoredProgress,
        counts: &mut FinishCounts,
    ) -> Result<bool, FinisherError> {
        let before = stored.progress.clone();
        let first_start = pass.log.first_start(&before);
        let schema = self.outputs.schema();
        let mut open = OpenWindows::new(schema, &before, self.most_rows, first_start);
        let summaries = SummaryStream {
            client: &self.kinesis,
            name: &self.streams.summaries,
            shards: &pass.shards.summaries,
            deadline: pass.deadline,
        };
        summaries
            .read(&before, |shard, record| open.take(shard, record))
            .await?;
        self.check_memory(&open)?;
        let watermark = match &before.attempt {
            Some(attempt) => attempt.through.unwrap_or(i64::MIN),
            None => self.watermark(&mut open, &before, pass).await?,
        };
        counts.waiting_seconds = waiting_seconds(&open, watermark, pass.time);
        let late = std::mem::take(&mut open.late);
        let listed = pass.shards.listed();
        let mut finished = None;
        loop {
            let attempt = stored.progress.attempt.take();
            let attempt = attempt.unwrap_or_else(|| open.attempt(watermark));
            let has_late = !late.is_empty() && finished.is_none();
            if attempt.through.is_none() && !has_late {
                break;
            }
            self.begin(pass.log, stored, &attempt).await?;
            if has_late {
                let rows = LateRows::new(schema, &before, &attempt, &late, self.most_rows);
                self.finish_late(&summaries, rows, &late, pass, counts)
                    .await?;
            }
            while let Some((window, merged)) = open.pop(attempt.through.unwrap_or(i64::MIN)) {
                self.finish_window(window, &merged, pass, counts).await?;
            }
            finished = Some(attempt.through);
            stored.progress = open.progress(attempt.through, &listed, None);
        }
        let is_repeated = before.attempt.is_some();
        let ended_at = (!is_repeated).then(|| pass.time.now.millis());
        stored.progress = open.progress(finished.flatten(), &listed, ended_at);
        // What came since an attempt that was repeated, and what was left out, is still to be done.
        let is_left = is_repeated || (open.is_cut() && finished.is_some());
        let has_new = stored.progress.watermarks != before.watermarks;
        Ok(!is_left && !has_new)
    }

    /// Writes down what is to be written to the outputs, unless that was done.
    async fn begin(
        &self,
        log: &SummaryLog,
        stored: &mut StoredProgress,
        attempt: &FinishAttempt,
    ) -> Result<(), FinisherError> {
        stored.progress.attempt = Some(attempt.clone());
        if stored.written.as_ref() != Some(&stored.progress) {
            self.progress.write(&log.key, stored).await?;
        }
        Ok(())
    }

    async fn finish_window(
        &self,
        window: WindowSpan,
        merged: &[MergedRow],
        pass: Pass<'_>,
        counts: &mut FinishCounts,
    ) -> Result<(), FinisherError> {
        if pass.has_expired(window) {
            let start = Timestamp::from_millis(window.start);
            tracing::error!(%start, "rows of a window have expired before it was complete, so it is not finished");
            counts.expired += 1;
            return Ok(());
        }
        let lines = lines(&self.outputs, merged);
        self.write(lines, window, pass.deadline, counts).await?;
        counts.windows += 1;
        Ok(())
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

    /// Up to when the windows are complete in all shards, by the watermarks that were known before.
    async fn watermark(
        &self,
        open: &mut OpenWindows<'_>,
        before: &Progress,
        pass: Pass<'_>,
    ) -> Result<i64, FinisherError> {
        let time = pass.time;
        let has_ended = |end: &i64| time.is_drained || *end <= time.now.millis();
        let Some(needed) = open.ends().rfind(has_ended) else {
            return Ok(i64::MIN);
        };
        let mut through = needed;
        for (name, shards) in &pass.shards.readings {
            let stream = ReadingStream {
                client: &self.kinesis,
                name,
                since: before.since,
                idle: before.idle.get(name),
                time,
            };
            let known = before.watermarks_of(name);
            let looking = stream.watermark(shard_states(shards, &known), needed);
            let looking = tokio::time::timeout_at(pass.deadline, looking).await;
            let found = looking.map_err(|_| FinisherError::OutOfTime)??;
            through = through.min(found.through);
            open.found_idle(name, found.idle);
        }
        Ok(through)
    }

    /// Writes the rows again that late rows change.
    ///
    /// Rows can be so late that the stream has too many between them and those before. Waiting for
    /// them would hold up all other windows, so they are left out.
    async fn finish_late(
        &self,
        summaries: &SummaryStream<'_>,
        mut rows: LateRows<'_>,
        windows: &BTreeSet<WindowSpan>,
        pass: Pass<'_>,
        counts: &mut FinishCounts,
    ) -> Result<(), FinisherError> {
        let starts = windows.iter().filter(|window| !pass.has_expired(**window));
        let left = pass.deadline.saturating_duration_since(Instant::now());
        let summaries = SummaryStream {
            deadline: Instant::now() + left / 2,
            ..*summaries
        };
        let mut is_read = false;
        if let Some(start) = starts.map(|window| window.start).min() {
            let since = Timestamp::from_millis(start);
            let reading = summaries.read_since(since, |shard, record| rows.take(shard, &record));
            is_read = match reading.await {
                Err(SummaryReadError::OutOfTime) => false,
                read => read.map(|()| !rows.are_too_many())?,
            };
        }
        if !is_read {
            let windows = windows.len();
            tracing::error!(
                windows,
                "rows arrived too late, so their windows are not revised"
            );
            counts.skipped_late += windows as u64;
            return Ok(());
        }
        for (window, before, after) in rows.windows() {
            if pass.has_expired(window) {
                counts.skipped_late += 1;
                continue;
            }
            let lines = changed_lines(&self.outputs, &before, &after);
            if !lines.is_empty() {
                counts.late_windows += 1;
                self.write(lines, window, pass.deadline, counts).await?;
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
