//! The handler: fold, emit, respond.

use std::sync::Arc;

use crate::metrics::{Metrics, Sink, Unit};
use bytes::Bytes;
use lambda_runtime::{Diagnostic, tracing};
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::time::Instant;
use windrow_core::fold::{Fold, FoldedRow, RecordStep, StateLimits};
use windrow_core::rejection::Rejection;
use windrow_core::row::{Row, ShardWatermark, SourceRange};
use windrow_core::sensor::Sensor;
use windrow_core::sequence::{InvalidSequenceNumber, SequenceNumber};
use windrow_core::time::Timestamp;
use windrow_core::window::Window;
use windrow_event::{DecodeError, Event, Reject, Response};
use windrow_record::kpl;
use windrow_service::chain;
use windrow_write::{
    DeliveryReport, Destination, KinesisRecord, Policy, Reasons, Undelivered, deliver,
    hashed_partition_key,
};

use crate::aggregator::intake::{Intake, RecordReader, RecordSource, WindowRule};
use crate::aggregator::pack::RowPacker;
use crate::aggregator::settings::WindowTime;
use crate::aggregator::state::{self, StateError, WindowFold};

/// Why an invocation failed. No data is lost: Lambda retries the invocation with the same records.
#[derive(Debug, Error)]
pub enum Error {
    /// The payload is not an event of Kinesis records.
    #[error(transparent)]
    Payload(#[from] DecodeError),
    /// The event source mapping has no tumbling window.
    #[error("the event has no window: set TumblingWindowInSeconds on the event source mapping")]
    NoWindow,
    /// The window is not a positive number of whole seconds.
    #[error("the event's window of {0} ms is not a positive number of seconds")]
    Window(i64),
    /// The event does not name its stream and shard.
    #[error("the event names neither its stream nor its shard")]
    NoSource,
    /// A record's sequence number is invalid.
    #[error(transparent)]
    SequenceNumber(#[from] InvalidSequenceNumber),
    /// A key in the window's state is not one of the sensor's.
    #[error("the window's state has a key of another sensor")]
    Key(#[source] Rejection),
    /// The event's state cannot be read, or the new state cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// Not all rows or rejected readings could be sent in time.
    #[error("could not deliver {count} {what}; first failure: {reason}")]
    Undelivered {
        /// What could not be delivered, in the singular if it is one item.
        what: &'static str,
        /// The number of items that were not delivered.
        count: usize,
        /// Why the first of them was not delivered.
        reason: String,
    },
}

/// What Lambda reports for a failed invocation: the error kind, and the message with its causes.
impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let error_type = match error {
            Error::Payload(_) => "Payload",
            Error::NoWindow => "NoWindow",
            Error::Window(_) => "Window",
            Error::NoSource => "NoSource",
            Error::SequenceNumber(_) => "SequenceNumber",
            Error::State(_) => "State",
            Error::Key(_) => "Key",
            Error::Undelivered { .. } => "Undelivered",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: chain(&error),
        }
    }
}

/// The aggregator function of a sensor. It sends packed rows to `summaries` and rejected readings to `rejects`.
pub struct Aggregator<S, D, R> {
    sensor: S,
    summaries: D,
    rejects: R,
    window_time: WindowTime,
    limits: StateLimits,
    sink: Sink,
}

impl<S, D, R> Aggregator<S, D, R>
where
    S: Sensor,
    D: Destination<Item = KinesisRecord>,
    R: Destination<Item = Bytes>,
{
    /// A function that sends to `summaries` and `rejects` and passes its metrics to `sink`.
    pub fn new(sensor: S, summaries: D, rejects: R, window_time: WindowTime, sink: Sink) -> Self {
        Self {
            sensor,
            summaries,
            rejects,
            window_time,
            limits: StateLimits::default(),
            sink,
        }
    }

    /// Replaces the limits on the size of the window state.
    pub fn with_limits(self, limits: StateLimits) -> Self {
        Self { limits, ..self }
    }

    /// Handles one invocation and returns by `deadline`. Fails if anything is unsent by then.
    ///
    /// Rows that the summary stream permanently rejects go to the rejects stream and do not fail
    /// the invocation, because a retry would be rejected again.
    ///
    /// # Errors
    ///
    /// See [`enum@Error`]. On any error, Lambda delivers the event again.
    pub async fn handle(&self, event: &Event, deadline: Instant) -> Result<Response, Error> {
        let window = event.window.ok_or(Error::NoWindow)?;
        whole_seconds(window)?;
        let source = RecordSource {
            stream: event.stream().ok_or(Error::NoSource)?,
            stream_arn: event.stream_arn().ok_or(Error::NoSource)?,
            shard: event.shard().ok_or(Error::NoSource)?,
            window_rule: WindowRule::new(self.window_time, window).ok_or(Error::Window(0))?,
        };
        let mut fold = match &event.state {
            Some(state) => state::read(&self.sensor, state, self.limits)?,
            None => Fold::new(self.limits),
        };

        let policy = Policy::until(deadline);
        let mut closings = Closings::new(&self.sensor, source);
        let mut intake = self
            .fold_records(event, &mut fold, &mut closings, &policy)
            .await?;
        let (open_keys, evicted) = (fold.open() as u64, fold.evicted());
        let state = self.next_state(event, fold, &mut closings)?;

        let rejects = std::mem::take(&mut intake.rejected.lines);
        let sent = self.send(&mut closings, rejects, &policy).await;
        let SendOutcome {
            emitted, rejects, ..
        } = &sent;
        let undelivered = emitted.undelivered.len() + rejects.undelivered.len();
        let early_ends = u64::from(event.is_window_terminated_early);
        let mut metrics = vec![
            ("Readings", Unit::Count, intake.readings),
            ("Duplicates", Unit::Count, intake.duplicates),
            ("RedeliveredRecords", Unit::Count, intake.redelivered),
            ("RejectedReadings", Unit::Count, intake.rejected.count),
            ("RejectedSummaryRecords", Unit::Count, sent.rejected),
            ("LostRejects", Unit::Count, sent.lost),
            ("Rows", Unit::Count, closings.rows),
            ("SourceRanges", Unit::Count, closings.source_ranges),
            ("Retries", Unit::Count, emitted.retries + rejects.retries),
            ("Undelivered", Unit::Count, undelivered as u64),
            ("StateBytes", Unit::Bytes, state.get().len() as u64),
            ("OpenKeys", Unit::Count, open_keys),
            ("EvictedReadings", Unit::Count, evicted),
            ("EarlyEnds", Unit::Count, early_ends),
        ];
        // CloudWatch bills every metric, and most sensors have no filter.
        if intake.filtered > 0 {
            metrics.push(("FilteredReadings", Unit::Count, intake.filtered));
        }
        (self.sink)(&Metrics::new(metrics));
        all_delivered(
            ["record of summary rows", "records of summary rows"],
            emitted,
        )?;
        all_delivered(["reject", "rejects"], rejects)?;
        if event.is_final_invoke_for_window {
            self.send_watermark(source, window, &policy).await?;
        }
        Ok(Response::with_state(state))
    }

    /// Sends the watermark of a window that has ended, after all its rows were acknowledged.
    ///
    /// A watermark that the stream permanently rejects is left out: the next one says as much.
    async fn send_watermark(
        &self,
        source: RecordSource<'_>,
        window: Window,
        policy: &Policy,
    ) -> Result<(), Error> {
        let watermark = ShardWatermark {
            stream: source.stream_arn.to_owned(),
            shard: source.shard.to_owned(),
            through: Timestamp::from_millis(window.end),
        };
        let record = KinesisRecord {
            // In one shard, so that what waits for watermarks is not invoked once for each shard.
            partition_key: hashed_partition_key(source.stream_arn.as_bytes()),
            data: watermark.to_line().into(),
        };
        let mut sent = deliver(&self.summaries, vec![record], policy).await;
        for rejected in sent.take_rejected() {
            tracing::error!(reason = %rejected.reason, "summary stream rejected a watermark");
        }
        all_delivered(["watermark", "watermarks"], &sent)
    }

    /// The state to return. It is empty once the window has ended. If it would exceed the limit,
    /// the fold is closed first, which emits its rows.
    fn next_state(
        &self,
        event: &Event,
        mut fold: WindowFold<S>,
        closings: &mut Closings<'_, S>,
    ) -> Result<Box<RawValue>, Error> {
        if event.is_final_invoke_for_window || event.is_window_terminated_early {
            closings.close(&mut fold)?;
            return Ok(state::empty()?);
        }
        let state = state::write(&self.sensor, &fold)?;
        if state.get().len() <= self.limits.state {
            return Ok(state);
        }
        closings.close(&mut fold)?;
        Ok(state::write(&self.sensor, &fold)?)
    }

    /// Folds the event's records, skipping those already folded. Closes the fold whenever it is
    /// full, or a record is out of order, and sends the rows once there are many. Stops at the
    /// deadline.
    async fn fold_records(
        &self,
        event: &Event,
        fold: &mut WindowFold<S>,
        closings: &mut Closings<'_, S>,
        policy: &Policy,
    ) -> Result<Intake, Error> {
        let mut intake = Intake::default();
        let mut reader = RecordReader::default();
        let data = event
            .records()
            .map(|record| record.data.unwrap_or_default());
        let digests = kpl::check_digests(data);
        for (record, is_digest_right) in event.records().zip(digests) {
            let step = match fold.begin_record(record.sequence_number)? {
                RecordStep::Restart => {
                    tracing::warn!(
                        sequence_number = record.sequence_number,
                        "a record was delivered out of order, starting a new source range"
                    );
                    closings.close(fold)?;
                    fold.restart();
                    fold.begin_record(record.sequence_number)?
                }
                step => step,
            };
            let Some(open) = step.into_record() else {
                intake.redelivered += 1;
                continue;
            };
            let (sensor, source) = (&self.sensor, closings.source);
            intake.take(sensor, source, &mut reader, is_digest_right, record, open);
            if fold.is_full() {
                closings.close(fold)?;
            }
            if closings.packer.bytes() > MOST_UNSENT_BYTES {
                closings.send(&self.summaries, policy).await;
                let undelivered = &closings.emitted.undelivered;
                if undelivered.iter().any(|left| !left.reason.is_permanent()) {
                    break;
                }
            }
        }
        Ok(intake)
    }

    async fn send(
        &self,
        closings: &mut Closings<'_, S>,
        rejects: Vec<Bytes>,
        policy: &Policy,
    ) -> SendOutcome {
        let ((), mut rejects) = tokio::join!(
            closings.send(&self.summaries, policy),
            deliver(&self.rejects, rejects, policy),
        );
        let mut emitted = std::mem::take(&mut closings.emitted);
        let rejected = emitted.take_rejected();
        if !rejected.is_empty() {
            let reasons: Reasons = rejected.iter().map(|record| &record.reason).collect();
            tracing::error!(
                records = rejected.len(),
                %reasons,
                "summary stream rejected records of rows, sending them to the rejects stream"
            );
            let template = Reject {
                reason: "the summary stream rejected these rows",
                stream: closings.source.stream,
                shard: closings.source.shard,
                sequence_number: &closings.last_sequence_number(),
                partition_key: "",
                sub_sequence_number: None,
                arrival: closings.first_window.unwrap_or(Timestamp::EPOCH),
                payload: b"",
            };
            let lines = rejected.iter().flat_map(|record| lines(record, template));
            let sent = deliver(&self.rejects, lines.collect(), policy).await;
            rejects.retries += sent.retries;
            rejects.undelivered.extend(sent.undelivered);
        }
        let lost = rejects.take_rejected();
        for reject in lost.iter().take(MOST_LOGGED_REJECTS) {
            let start = windrow_event::reject_start(&reject.item);
            tracing::error!(reason = %reject.reason, start, "rejects stream rejected a reject, which is lost");
        }
        SendOutcome {
            emitted,
            rejects,
            rejected: rejected.len() as u64,
            lost: lost.len() as u64,
        }
    }
}

/// How many bytes of rows are kept while records are still being folded. Small readings of many keys
/// can make more than a hundred times as many rows as fit this.
const MOST_UNSENT_BYTES: usize = 8 << 20;

/// The rows of the source ranges that an invocation closes.
struct Closings<'a, S> {
    sensor: &'a S,
    source: RecordSource<'a>,
    packer: RowPacker<'a>,
    /// What was sent so far.
    emitted: DeliveryReport<KinesisRecord>,
    rows: u64,
    source_ranges: u64,
    /// The last record of the source ranges.
    last_record: Option<SequenceNumber>,
    first_window: Option<Timestamp>,
}

impl<'a, S: Sensor> Closings<'a, S> {
    fn new(sensor: &'a S, source: RecordSource<'a>) -> Self {
        Self {
            sensor,
            source,
            packer: RowPacker::new(sensor.schema()),
            emitted: DeliveryReport::default(),
            rows: 0,
            source_ranges: 0,
            last_record: None,
            first_window: None,
        }
    }

    /// Ends the fold's source range and packs its rows.
    fn close(&mut self, fold: &mut WindowFold<S>) -> Result<(), Error> {
        let closed = fold.close();
        let Some(first) = closed.first() else {
            return Ok(());
        };
        self.source_ranges += 1;
        let dedup_from = &first.dedup_from;
        let range = Arc::new(SourceRange {
            stream: self.source.stream_arn.to_owned(),
            shard: self.source.shard.to_owned(),
            range: first.range.clone(),
            dedup_from: (dedup_from < first.range.from()).then(|| dedup_from.clone()),
        });
        self.last_record = self.last_record.take().max(Some(first.range.to().clone()));
        for folded in closed {
            let row = row(self.sensor, folded, &range)?;
            self.first_window.get_or_insert(row.window_start);
            self.packer.push(&row);
            self.rows += 1;
        }
        Ok(())
    }

    /// Sends the rows that are packed.
    async fn send(&mut self, summaries: &impl Destination<Item = KinesisRecord>, policy: &Policy) {
        let sent = deliver(summaries, self.packer.take(), policy).await;
        self.emitted.append(sent);
    }

    fn last_sequence_number(&self) -> String {
        let last = self.last_record.as_ref();
        last.map(ToString::to_string).unwrap_or_default()
    }
}

/// The maximum number of lost rejects to log per invocation. A metric has the full count.
const MOST_LOGGED_REJECTS: usize = 10;

/// The outcome of an invocation's deliveries.
struct SendOutcome {
    emitted: DeliveryReport<KinesisRecord>,
    rejects: DeliveryReport<Bytes>,
    /// How many records of rows the summary stream permanently rejected.
    rejected: u64,
    /// How many rejects the rejects stream permanently rejected.
    lost: u64,
}

/// The reject lines for an unsent record of rows. `template` has the last sequence number that the
/// rows cover, and the start of the window as the arrival time.
fn lines(record: &Undelivered<KinesisRecord>, template: Reject<'_>) -> Vec<Bytes> {
    let reject = Reject {
        reason: &format!("{}: {}", template.reason, record.reason),
        partition_key: &record.item.partition_key,
        payload: &record.item.data,
        ..template
    };
    reject.lines().into_iter().map(Bytes::from).collect()
}

/// Converts what the fold has of one window and key into a row of `range`.
fn row<S: Sensor>(
    sensor: &S,
    folded: FoldedRow<String, S::Accumulator>,
    range: &Arc<SourceRange>,
) -> Result<Row, Error> {
    let key = sensor.schema().key_values(folded.key);
    Ok(Row {
        key: key.map_err(Error::Key)?,
        window_start: Timestamp::from_millis(folded.window.start),
        // The sensor's own windows may have other lengths than Lambda's.
        window_seconds: whole_seconds(folded.window)?,
        readings: folded.readings,
        duplicates: folded.duplicates,
        measures: sensor.measures(&folded.aggregate),
        source: Arc::clone(range),
    })
}

fn whole_seconds(window: Window) -> Result<u32, Error> {
    let millis = window.end.saturating_sub(window.start);
    let seconds = u32::try_from(millis / 1000).unwrap_or(0);
    if seconds == 0 || millis % 1000 != 0 {
        return Err(Error::Window(millis));
    }
    Ok(seconds)
}

/// Fails if anything is undelivered. `nouns` are the singular and the plural of an item.
fn all_delivered<T>(nouns: [&'static str; 2], report: &DeliveryReport<T>) -> Result<(), Error> {
    let Some(first) = report.undelivered.first() else {
        return Ok(());
    };
    let count = report.undelivered.len();
    let [one, many] = nouns;
    Err(Error::Undelivered {
        what: if count == 1 { one } else { many },
        count,
        reason: first.reason.to_string(),
    })
}
