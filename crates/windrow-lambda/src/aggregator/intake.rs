//! A record's readings into the fold, or among the rejected.

use bytes::Bytes;
use unicorn::reading::{Reading, readings};
use unicorn::rejection::Rejection;
use windrow_core::window::{Tumbling, Window};
use windrow_event::{EventRecord, Reject};

use crate::aggregator::settings::WindowTime;
use crate::aggregator::state::WindowFold;

/// How far a reading may be stamped ahead of its arrival when windows go by its own time. Without a
/// bound, a sensor with a wrong clock would open windows years ahead.
const FURTHEST_AHEAD_MILLIS: i64 = 5 * 60 * 1000;

/// How many lines of one record are rejected one by one. The bad lines after them go to the rejects
/// together, so that a record of a million broken lines does not make a million rejects and hold its
/// shard up.
const REJECTED_ONE_BY_ONE: usize = 100;

/// Which window a reading belongs to.
#[derive(Clone, Copy, Debug)]
pub enum WindowRule {
    /// The one that Lambda says the record arrived in.
    Arrival(Window),
    /// The one of its StatusTime.
    Event(Tumbling),
}

impl WindowRule {
    /// The window_rule of an event whose window is `window`.
    pub fn new(window_time: WindowTime, window: Window) -> Option<Self> {
        match window_time {
            WindowTime::Arrival => Some(Self::Arrival(window)),
            WindowTime::Event => {
                let size = window.end.checked_sub(window.start)?;
                Tumbling::new(size).ok().map(Self::Event)
            }
        }
    }

    fn window_of(&self, reading: &Reading<'_>, arrival: i64) -> Result<Window, Rejection> {
        match self {
            Self::Arrival(window) => Ok(*window),
            Self::Event(tumbling) => {
                let time = reading.status_time.millis();
                if time > arrival.saturating_add(FURTHEST_AHEAD_MILLIS) {
                    return Err(Rejection::Field {
                        field: "StatusTime",
                        problem: format!(
                            "{} is more than 5 minutes ahead of its arrival",
                            reading.status_time
                        ),
                    });
                }
                Ok(tumbling.window_of(time))
            }
        }
    }
}

/// What came of the records of one invocation.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// Readings counted.
    pub readings: u64,
    /// Readings that were counted before, in this window.
    pub duplicates: u64,
    /// Records that were folded before, and were skipped.
    pub redelivered: u64,
    /// Lines and whole records that were rejected.
    pub rejected: u64,
    /// The rejected pieces as lines for the rejects.
    pub rejects: Vec<Bytes>,
}

/// Where the records of one invocation come from, and how they are sorted into windows.
#[derive(Clone, Copy, Debug)]
pub struct RecordSource<'a> {
    /// Name of the stream.
    pub stream: &'a str,
    /// Id of the shard.
    pub shard: &'a str,
    /// Which windows.
    pub window_rule: WindowRule,
}

impl Intake {
    /// Takes in one record that the fold has begun.
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
        let mut one_by_one = 0;
        let mut together = Vec::new();
        let mut more = 0_u64;
        for (line, reading) in readings(data) {
            let placed = reading.and_then(|reading| {
                let window = source.window_rule.window_of(&reading, record.arrival)?;
                Ok((window, reading))
            });
            let (window, reading) = match placed {
                Ok(placed) => placed,
                Err(_) if one_by_one == REJECTED_ONE_BY_ONE => {
                    more += 1;
                    together.extend_from_slice(line);
                    together.push(b'\n');
                    continue;
                }
                Err(rejection) => {
                    one_by_one += 1;
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
        if more > 0 {
            let reason = format!("{more} more lines of the record cannot be read");
            self.reject(source, record, &reason, &together);
            self.rejected += more - 1;
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
