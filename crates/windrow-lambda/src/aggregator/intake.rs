//! Folds a record's readings or rejects them.

use std::error::Error;

use bytes::Bytes;
use windrow_core::fold::OpenRecord;
use windrow_core::json::FieldLayout;
use windrow_core::rejection::Rejection;
use windrow_core::row::ReadingOrder;
use windrow_core::sensor::{RecordReadings, Sensor};
use windrow_core::time::Timestamp;
use windrow_core::window::{Tumbling, Window};
use windrow_event::{EventRecord, Reject};
use windrow_record::{Payload, Unpacker, UserRecord};

use crate::aggregator::settings::WindowTime;

/// How far a reading's timestamp may be ahead of its arrival when windows follow event time.
/// Without this limit, a sensor with a wrong clock could open windows years ahead.
const FURTHEST_AHEAD_MILLIS: i64 = 5 * 60 * 1000;

/// How many bytes of a packed record's bad parts are rejected individually. What a record unpacks to
/// may be large, and JSON escapes a byte as up to six.
const MOST_SINGLE_PACKED_BYTES: usize = 1024 * 1024;

/// How many parts per record are rejected individually. Any further bad parts go into a single
/// reject, so that a record with a million broken parts does not produce a million rejects and
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
        if let Some(window) = sensor.window(reading) {
            return Ok(window);
        }
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
    /// Parts and whole records that were rejected.
    pub rejected: u64,
    /// The rejects, as lines for the rejects stream.
    pub rejects: Vec<Bytes>,
}

/// The parts of a record that cannot be read.
#[derive(Default)]
struct BadParts {
    single: usize,
    single_bytes: usize,
    combined: u64,
    /// The combined parts, unless the record is packed.
    text: Vec<u8>,
    is_packed: bool,
}

impl BadParts {
    /// Counts a part. Returns whether it gets a reject of its own.
    fn is_single(&mut self, line: &[u8]) -> bool {
        let bytes = self.single_bytes.saturating_add(line.len());
        let fits = !self.is_packed || bytes <= MOST_SINGLE_PACKED_BYTES;
        if self.single < MOST_SINGLE_REJECTS && fits {
            self.single += 1;
            self.single_bytes = bytes;
            return true;
        }
        self.combined += 1;
        if !self.is_packed {
            self.text.extend_from_slice(line);
            self.text.push(b'\n');
        }
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

/// Reads records one after the other.
#[derive(Debug, Default)]
pub struct RecordReader {
    unpacker: Unpacker,
    /// The layout of the reading before.
    layout: FieldLayout,
}

impl Intake {
    /// Adds the readings of `record` to `open`, which is that record in the fold. If it is an
    /// aggregated record, `is_digest_right` says that its digest needs no check.
    pub fn take<S: Sensor>(
        &mut self,
        sensor: &S,
        source: RecordSource<'_>,
        reader: &mut RecordReader,
        is_digest_right: bool,
        record: EventRecord<'_>,
        open: OpenRecord<'_, String, S::Accumulator>,
    ) {
        let data = match record.data {
            Ok(data) => data,
            Err(bad) => {
                let payload = bad.text.as_bytes();
                self.reject(source, record, None, &bad.to_string(), payload);
                return;
            }
        };
        let mut intake = RecordIntake {
            intake: self,
            sensor,
            source,
            record,
            layout: &mut reader.layout,
            open,
            index: 0,
            bad_parts: BadParts::default(),
        };
        let unpacker = &mut reader.unpacker;
        unpacker.unpack_checked(data, is_digest_right, |payload| intake.take(&payload));
        intake.reject_combined(data);
    }

    fn reject(
        &mut self,
        source: RecordSource<'_>,
        record: EventRecord<'_>,
        user_record: Option<UserRecord<'_>>,
        reason: &str,
        payload: &[u8],
    ) {
        let rejected = Reject {
            reason,
            stream: source.stream,
            shard: source.shard,
            sequence_number: record.sequence_number,
            partition_key: user_record.map_or(record.partition_key, |user_record| {
                user_record.partition_key
            }),
            sub_sequence_number: user_record.map(|user_record| user_record.sub_sequence_number),
            arrival: record.arrival,
            payload,
        };
        self.rejected += 1;
        self.rejects
            .extend(rejected.lines().into_iter().map(Bytes::from));
    }
}

/// The reading of one record.
struct RecordIntake<'i, 'r, 'f, S: Sensor> {
    intake: &'i mut Intake,
    sensor: &'i S,
    source: RecordSource<'r>,
    record: EventRecord<'r>,
    layout: &'i mut FieldLayout,
    open: OpenRecord<'f, String, S::Accumulator>,
    /// How many readings and bad parts came before, in all payloads.
    index: u32,
    bad_parts: BadParts,
}

impl<S: Sensor> RecordIntake<'_, '_, '_, S> {
    /// Adds the readings of a payload of the record.
    fn take(&mut self, payload: &Payload<'_>) {
        self.bad_parts.is_packed |= payload.is_packed();
        let data = match &payload.data {
            Ok(data) => *data,
            Err(error) => return self.reject_part(payload, error, payload.sent),
        };
        let sensor = self.sensor;
        let mut readings = RecordReadings::new(data);
        while let Some((line, reading)) = readings.next(sensor, self.layout) {
            let index = self.index;
            self.index += 1;
            let reading = match reading {
                Ok(Some(reading)) => reading,
                Ok(None) => {
                    self.intake.filtered += 1;
                    continue;
                }
                Err(rejection) => {
                    self.reject_part(payload, &rejection, line);
                    continue;
                }
            };
            let arrival = self.record.arrival;
            let rule = self.source.window_rule;
            let mut counts = false;
            sensor.split(reading, arrival, |reading| {
                counts = true;
                let assigned = reading.and_then(|reading| {
                    let window = rule.window_of(sensor, &reading, arrival)?;
                    Ok((window, reading))
                });
                match assigned {
                    Ok((window, reading)) => self.add(window, &reading, index),
                    Err(rejection) => self.reject_part(payload, &rejection, line),
                }
            });
            self.intake.filtered += u64::from(!counts);
        }
    }

    fn add(&mut self, window: Window, reading: &S::Reading<'_>, index: u32) {
        let sensor = self.sensor;
        let values = sensor.values(reading);
        let order = || ReadingOrder {
            sequence_number: self.record.sequence_number.into(),
            index,
            time: sensor.time(reading).unwrap_or(self.record.arrival),
        };
        let (key, identity) = (sensor.key(reading), sensor.identity(reading));
        let add = |accumulator: &mut _| sensor.add(accumulator, &values, &order());
        if self.open.add(window, key.as_ref(), identity, add) {
            self.intake.readings += 1;
        } else {
            self.intake.duplicates += 1;
        }
    }

    fn reject_part(&mut self, payload: &Payload<'_>, reason: &dyn Error, line: &[u8]) {
        if self.bad_parts.is_single(line) {
            let (source, record) = (self.source, self.record);
            let user_record = payload.user_record;
            self.intake
                .reject(source, record, user_record, &reason.to_string(), line);
        }
    }

    /// Rejects the bad parts that have no reject of their own: their text, or if the record is
    /// packed, all of it as it was sent.
    fn reject_combined(self, sent: &[u8]) {
        let bad_parts = self.bad_parts;
        if bad_parts.combined == 0 {
            return;
        }
        let mut reason = format!(
            "{} more parts of the record cannot be read",
            bad_parts.combined
        );
        let mut text = bad_parts.text.as_slice();
        if bad_parts.is_packed {
            reason.push_str("; the payload is the whole record");
            text = sent;
        }
        self.intake
            .reject(self.source, self.record, None, &reason, text);
        self.intake.rejected += bad_parts.combined - 1;
    }
}
