//! Folds a record's readings or rejects them.

use windrow_core::fold::OpenRecord;
use windrow_core::rejection::Rejection;
use windrow_core::row::ReadingOrder;
use windrow_core::sensor::Sensor;
use windrow_core::time::Timestamp;
use windrow_core::window::{Tumbling, Window};
use windrow_event::EventRecord;

use crate::aggregator::settings::WindowTime;
use crate::records::{ReadingOrigin, ReadingTaker, RecordPlace, RejectedParts};

pub use crate::records::RecordReader;

/// How far a reading's timestamp may be ahead of its arrival when windows follow event time.
/// Without this limit, a sensor with a wrong clock could open windows years ahead.
const FURTHEST_AHEAD_MILLIS: i64 = 5 * 60 * 1000;

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
    /// What was rejected.
    pub rejected: RejectedParts,
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
        let place = RecordPlace {
            stream: source.stream,
            shard: source.shard,
        };
        let rejected = &mut self.rejected;
        let mut taker = FoldTaker {
            rule: source.window_rule,
            open,
            readings: &mut self.readings,
            duplicates: &mut self.duplicates,
            filtered: &mut self.filtered,
        };
        reader.read(sensor, place, record, is_digest_right, &mut taker, rejected);
    }
}

/// Adds the readings of one record to the fold.
struct FoldTaker<'i, 'f, S: Sensor> {
    rule: WindowRule,
    open: OpenRecord<'f, String, S::Accumulator>,
    readings: &'i mut u64,
    duplicates: &'i mut u64,
    filtered: &'i mut u64,
}

impl<S: Sensor> ReadingTaker<S> for FoldTaker<'_, '_, S> {
    #[inline]
    fn take(
        &mut self,
        sensor: &S,
        reading: Option<S::Reading<'_>>,
        place: ReadingOrigin<'_>,
        mut reject: impl FnMut(&Rejection),
    ) {
        let Some(mut reading) = reading else {
            *self.filtered += 1;
            return;
        };
        let (arrival, rule) = (place.record.arrival, self.rule);
        let mut counts = false;
        sensor.split(&mut reading, arrival, |reading| {
            counts = true;
            let assigned = reading.and_then(|reading| {
                let window = rule.window_of(sensor, reading, arrival)?;
                Ok((window, reading))
            });
            match assigned {
                Ok((window, reading)) => self.add(sensor, window, reading, place),
                Err(rejection) => reject(&rejection),
            }
        });
        *self.filtered += u64::from(!counts);
    }
}

impl<S: Sensor> FoldTaker<'_, '_, S> {
    fn add(
        &mut self,
        sensor: &S,
        window: Window,
        reading: &S::Reading<'_>,
        place: ReadingOrigin<'_>,
    ) {
        let values = sensor.values(reading);
        let order = || ReadingOrder {
            sequence_number: place.record.sequence_number.into(),
            index: place.index,
            time: sensor.time(reading).unwrap_or(place.record.arrival),
        };
        let (key, identity) = (sensor.key(reading), sensor.identity(reading));
        let add = |accumulator: &mut _| sensor.add(accumulator, &values, &order());
        if self.open.add(window, key.as_ref(), identity, add) {
            *self.readings += 1;
        } else {
            *self.duplicates += 1;
        }
    }
}
