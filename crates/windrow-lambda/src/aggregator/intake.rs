//! Folds a record's readings or rejects them.

use bytes::Bytes;
use unicorn::reading::{Reading, readings};
use windrow_core::rejection::Rejection;
use windrow_core::time::Timestamp;
use windrow_core::window::{Tumbling, Window};
use windrow_event::{EventRecord, Reject};

use crate::aggregator::settings::WindowTime;
use crate::aggregator::state::WindowFold;

/// How far a reading's timestamp may be ahead of its arrival when windows follow event time.
/// Without this limit, a sensor with a wrong clock could open windows years ahead.
const FURTHEST_AHEAD_MILLIS: i64 = 5 * 60 * 1000;

/// How many lines per record are rejected individually. Any further bad lines go into a single
/// reject, so that a record with a million broken lines does not produce a million rejects and
/// block its shard.
const MOST_SINGLE_REJECTS: usize = 100;

/// Which window a reading belongs to.
#[derive(Clone, Copy, Debug)]
pub enum WindowRule {
    /// The window that the record arrived in, as Lambda reports it.
    Arrival(Window),
    /// The window of the reading's StatusTime.
    Event(Tumbling),
}

impl WindowRule {
    /// The rule for an event whose window is `window`. `None` if event time is wanted and the
    /// window has no valid length.
    pub fn new(window_time: WindowTime, window: Window) -> Option<Self> {
        match window_time {
            WindowTime::Arrival => Some(Self::Arrival(window)),
            WindowTime::Event => {
                let size = window.end.checked_sub(window.start)?;
                Tumbling::new(size).ok().map(Self::Event)
            }
        }
    }

    fn window_of(&self, reading: &Reading<'_>, arrival: Timestamp) -> Result<Window, Rejection> {
        match self {
            Self::Arrival(window) => Ok(*window),
            Self::Event(tumbling) => {
                let time = reading.status_time.millis();
                if time > arrival.millis().saturating_add(FURTHEST_AHEAD_MILLIS) {
                    let problem = format!(
                        "{} is more than 5 minutes ahead of its arrival",
                        reading.status_time
                    );
                    return Err(Rejection::field("StatusTime", problem));
                }
                Ok(tumbling.window_of(time))
            }
        }
    }
}

/// The outcome of reading the records of one invocation.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// Readings counted.
    pub readings: u64,
    /// Duplicates of readings already counted in this window.
    pub duplicates: u64,
    /// Records that were already folded and therefore skipped.
    pub redelivered: u64,
    /// Lines and whole records that were rejected.
    pub rejected: u64,
    /// The rejects, as lines for the rejects stream.
    pub rejects: Vec<Bytes>,
}

/// The source of one invocation's records, and how they are assigned to windows.
#[derive(Clone, Copy, Debug)]
pub struct RecordSource<'a> {
    /// The name of the stream.
    pub stream: &'a str,
    /// The ARN of the stream.
    pub stream_arn: &'a str,
    /// The ID of the shard.
    pub shard: &'a str,
    /// How readings are assigned to windows.
    pub window_rule: WindowRule,
}

impl Intake {
    /// Adds the readings of `record` to `fold`. The caller has already begun the record in the
    /// fold.
    pub fn take(
        &mut self,
        source: RecordSource<'_>,
        record: EventRecord<'_>,
        fold: &mut WindowFold,
    ) {
        let data = match record.data {
            Ok(data) => data,
            Err(bad) => {
                let payload = bad.text.as_bytes();
                self.reject(source, record, &bad.to_string(), payload);
                return;
            }
        };
        let mut single_rejects = 0;
        let mut combined = Vec::new();
        let mut combined_lines = 0_u64;
        for (line, reading) in readings(data) {
            let assigned = reading.and_then(|reading| {
                let window = source.window_rule.window_of(&reading, record.arrival)?;
                Ok((window, reading))
            });
            let (window, reading) = match assigned {
                Ok(assigned) => assigned,
                Err(_) if single_rejects == MOST_SINGLE_REJECTS => {
                    combined_lines += 1;
                    combined.extend_from_slice(line);
                    combined.push(b'\n');
                    continue;
                }
                Err(rejection) => {
                    single_rejects += 1;
                    self.reject(source, record, &rejection.to_string(), line);
                    continue;
                }
            };
            let time = reading.status_time.nanos();
            if fold.add(window, reading.name.as_ref(), time, &reading) {
                self.readings += 1;
            } else {
                self.duplicates += 1;
            }
        }
        if combined_lines > 0 {
            let reason = format!("{combined_lines} more lines of the record cannot be read");
            self.reject(source, record, &reason, &combined);
            self.rejected += combined_lines - 1;
        }
    }

    fn reject(
        &mut self,
        source: RecordSource<'_>,
        record: EventRecord<'_>,
        reason: &str,
        payload: &[u8],
    ) {
        let rejected = Reject {
            reason,
            stream: source.stream,
            shard: source.shard,
            sequence_number: record.sequence_number,
            partition_key: record.partition_key,
            arrival: record.arrival,
            payload,
        };
        self.rejected += 1;
        self.rejects
            .extend(rejected.lines().into_iter().map(Bytes::from));
    }
}
