//! Folds a record's readings or rejects them.

use bytes::Bytes;
use windrow_core::fold::OpenRecord;
use windrow_core::rejection::Rejection;
use windrow_core::row::ReadingOrder;
use windrow_core::sensor::{Sensor, readings};
use windrow_core::time::Timestamp;
use windrow_core::window::{Tumbling, Window};
use windrow_event::{EventRecord, Reject};

use crate::aggregator::settings::WindowTime;

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
    /// The window of the reading's own time.
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

    fn window_of<S: Sensor>(
        &self,
        sensor: &S,
        reading: &S::Reading<'_>,
        arrival: Timestamp,
    ) -> Result<Window, Rejection> {
        let tumbling = match self {
            Self::Arrival(window) => return Ok(*window),
            Self::Event(tumbling) => tumbling,
        };
        let field = || sensor.schema().time();
        let Some(time) = sensor.time(reading) else {
            return Err(Rejection::Missing {
                field: field().to_owned(),
            });
        };
        let millis = time.millis();
        if millis > arrival.millis().saturating_add(FURTHEST_AHEAD_MILLIS) {
            let problem = format!("{time} is more than 5 minutes ahead of its arrival");
            return Err(Rejection::field(field(), problem));
        }
        Ok(tumbling.window_of(millis))
    }
}

/// The outcome of reading the records of one invocation.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// Readings counted.
    pub readings: u64,
    /// Duplicates of readings already counted in this window.
    pub duplicates: u64,
    /// Readings that the sensor's filter left out.
    pub filtered: u64,
    /// Records that were already folded and therefore skipped.
    pub redelivered: u64,
    /// Lines and whole records that were rejected.
    pub rejected: u64,
    /// The rejects, as lines for the rejects stream.
    pub rejects: Vec<Bytes>,
}

/// The lines of a record that cannot be read.
#[derive(Default)]
struct BadLines {
    single: usize,
    combined: u64,
    text: Vec<u8>,
}

impl BadLines {
    /// Counts a line. Returns whether it gets a reject of its own.
    fn is_single(&mut self, line: &[u8]) -> bool {
        if self.single < MOST_SINGLE_REJECTS {
            self.single += 1;
            return true;
        }
        self.combined += 1;
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        false
    }
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
    /// Adds the readings of `record` to `open`, which is that record in the fold.
    pub fn take<S: Sensor>(
        &mut self,
        sensor: &S,
        source: RecordSource<'_>,
        record: EventRecord<'_>,
        mut open: OpenRecord<'_, String, S::Accumulator>,
    ) {
        let data = match record.data {
            Ok(data) => data,
            Err(bad) => {
                let payload = bad.text.as_bytes();
                self.reject(source, record, &bad.to_string(), payload);
                return;
            }
        };
        let mut bad_lines = BadLines::default();
        for ((line, reading), index) in readings(sensor, data).zip(0..) {
            let assigned = reading.and_then(|reading| {
                let Some(reading) = reading else {
                    return Ok(None);
                };
                let rule = source.window_rule;
                let window = rule.window_of(sensor, &reading, record.arrival)?;
                Ok(Some((window, reading)))
            });
            let (window, reading) = match assigned {
                Ok(Some(assigned)) => assigned,
                Ok(None) => {
                    self.filtered += 1;
                    continue;
                }
                Err(rejection) => {
                    if bad_lines.is_single(line) {
                        self.reject(source, record, &rejection.to_string(), line);
                    }
                    continue;
                }
            };
            let values = sensor.values(&reading);
            let order = || ReadingOrder {
                sequence_number: record.sequence_number.into(),
                index,
                time: sensor.time(&reading).unwrap_or(record.arrival),
            };
            let (key, identity) = (sensor.key(&reading), sensor.identity(&reading));
            let add = |accumulator: &mut _| sensor.add(accumulator, &values, &order());
            if open.add(window, key.as_ref(), identity, add) {
                self.readings += 1;
            } else {
                self.duplicates += 1;
            }
        }
        if bad_lines.combined > 0 {
            let reason = format!(
                "{} more lines of the record cannot be read",
                bad_lines.combined
            );
            self.reject(source, record, &reason, &bad_lines.text);
            self.rejected += bad_lines.combined - 1;
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
