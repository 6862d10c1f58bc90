//! Parses text into readings, reduced to what is aggregated.

use std::borrow::Cow;
use std::io;

use thiserror::Error;
use windrow_core::batch::BatchFold;
use windrow_core::framing;
use windrow_core::json::FieldLayout;
use windrow_core::rejection::Rejection;
use windrow_core::row::ReadingOrder;
use windrow_core::sensor::{Sensor, rejection_of_part};
use windrow_core::signature::Signature;
use windrow_core::time::Timestamp;

use super::keys::{KeyTable, KnownKeys};
use crate::{ArchivePart, FileText, InputProblem, LONGEST_PART};

/// How many of a piece's rejects are reported with their reason.
pub(super) const MOST_REPORTED: usize = 5;

/// The parts of a reading that are aggregated: 16 bytes in addition to its values.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParsedReading<V> {
    /// The key's number in its partition.
    key: u32,
    /// Nanoseconds, less than a million, and [`HAS_IDENTITY`] or [`HAS_NO_IDENTITY`] if the reading is
    /// not identified by its time.
    nanos: u32,
    millis: i64,
    values: V,
}

/// The bit of [`ParsedReading::nanos`] that says that the reading has an identity of another kind.
const HAS_IDENTITY: u32 = 1 << 31;

/// The bit that says that the reading is never a duplicate.
const HAS_NO_IDENTITY: u32 = 1 << 30;

/// What tells a reading apart from others of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdentifiedBy {
    /// Its time.
    Time,
    /// An identity of another kind.
    Other(i128),
    /// Nothing: it is never a duplicate.
    Nothing,
}

/// Readings of one partition, in the order of their file.
#[derive(Debug)]
pub(super) struct ReadingBucket<V> {
    readings: Vec<ParsedReading<V>>,
    /// The identities of another kind than a time.
    identities: Vec<i128>,
}

impl<V> Default for ReadingBucket<V> {
    fn default() -> Self {
        Self {
            readings: Vec::new(),
            identities: Vec::new(),
        }
    }
}

impl<V> ReadingBucket<V> {
    #[inline(always)]
    pub(super) fn push(&mut self, reading: ParsedReading<V>, identity: IdentifiedBy) {
        if let IdentifiedBy::Other(identity) = identity {
            self.identities.push(identity);
        }
        self.readings.push(reading);
    }

    /// The number of readings.
    pub(super) fn len(&self) -> usize {
        self.readings.len()
    }

    /// Drops the readings.
    pub(super) fn clear(&mut self) {
        self.readings.clear();
        self.identities.clear();
    }

    /// Adds the readings to the accumulators of their keys, and empties the bucket.
    pub(super) fn add_to<S: Sensor<Values = V>>(
        &mut self,
        sensor: &S,
        batch: &mut BatchFold<S::Accumulator>,
    ) {
        let mut identities = self.identities.drain(..);
        for reading in self.readings.drain(..) {
            let identity = match reading.nanos & (HAS_IDENTITY | HAS_NO_IDENTITY) {
                0 => IdentifiedBy::Time,
                HAS_IDENTITY => identities
                    .next()
                    .map_or(IdentifiedBy::Nothing, IdentifiedBy::Other),
                _ => IdentifiedBy::Nothing,
            };
            reading.add_to(sensor, batch, identity);
        }
    }
}

impl<V> ParsedReading<V> {
    #[inline]
    fn new(key: u32, time: Timestamp, identity: IdentifiedBy, values: V) -> Self {
        let (millis, nanos) = millis_and_nanos(time);
        let has_identity = match identity {
            IdentifiedBy::Time => 0,
            IdentifiedBy::Other(_) => HAS_IDENTITY,
            IdentifiedBy::Nothing => HAS_NO_IDENTITY,
        };
        Self {
            key,
            nanos: nanos | has_identity,
            millis,
            values,
        }
    }

    /// Adds the reading to the accumulator of its key and window; `batch` is its partition.
    #[inline]
    pub(super) fn add_to<S: Sensor<Values = V>>(
        &self,
        sensor: &S,
        batch: &mut BatchFold<S::Accumulator>,
        identity: IdentifiedBy,
    ) {
        let nanos = self.nanos & !(HAS_IDENTITY | HAS_NO_IDENTITY);
        let (key, millis) = (self.key as usize, self.millis);
        let add = |accumulator: &mut S::Accumulator| {
            sensor.add(accumulator, &self.values, &order(millis, nanos));
        };
        match identity {
            IdentifiedBy::Time => batch.add(key, millis, nanos, add),
            IdentifiedBy::Other(identity) => batch.add_identified(key, millis, Some(identity), add),
            IdentifiedBy::Nothing => batch.add_identified(key, millis, None, add),
        };
    }
}

/// The order of a reading of this time. Readings of an archive have no sequence numbers, so only
/// their times order them.
#[inline]
fn order(millis: i64, nanos: u32) -> ReadingOrder<'static> {
    let time = Timestamp::from_nanos(i128::from(millis) * 1_000_000 + i128::from(nanos));
    ReadingOrder {
        sequence_number: Cow::Borrowed(UNKNOWN),
        index: 0,
        time: time.unwrap_or(Timestamp::from_millis(millis)),
    }
}

/// The sequence number of every reading of an archive.
const UNKNOWN: &str = "0";

/// Milliseconds since the epoch, rounded down, and the remaining nanoseconds.
fn millis_and_nanos(time: Timestamp) -> (i64, u32) {
    const MILLI: i64 = 1_000_000;
    match i64::try_from(time.nanos()) {
        // Dividing 64 bits takes a tenth of the time of 128 bits, and suffices until the year 2262.
        Ok(nanos) => (nanos.div_euclid(MILLI), nanos.rem_euclid(MILLI) as u32),
        Err(_) => {
            let nanos = time.nanos().rem_euclid(MILLI.into());
            (time.millis(), nanos as u32)
        }
    }
}

/// The result of parsing a piece of a file.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// Offset of its first part in the file's text; `None` if it continues the piece before.
    pub(super) start: Option<u64>,
    /// Offset of the first part after it.
    pub(super) end: u64,
    /// The number of readings that the sensor's filter left out.
    pub(super) filtered: u64,
    /// The number of parts that are not readings with a time.
    pub(super) rejected: u64,
    /// The first of these: the offset in the file's text, and the reason.
    pub(super) reasons: Vec<(u64, String)>,
    /// Whether this is the last piece of its part of the file.
    pub(super) is_last: bool,
    /// What is wrong with the file, if this is its last piece.
    pub(super) problem: Option<InputProblem>,
}

impl Piece {
    #[cold]
    fn reject(&mut self, offset: u64, problem: &ReadingProblem) {
        self.rejected += 1;
        if self.reasons.len() < MOST_REPORTED {
            self.reasons.push((offset, problem.to_string()));
        }
    }
}

/// Why a part of a file is rejected.
#[derive(Debug, Error)]
enum ReadingProblem {
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error("the reading has no time, so it is in no window by time")]
    NoTime,
    #[error("it is longer than {LONGEST_PART} bytes")]
    TooLong,
}

/// A problem as the result of every reading: a pointer, since results are copied.
type BoxedProblem = Box<ReadingProblem>;

#[cold]
fn boxed(rejection: Rejection) -> BoxedProblem {
    Box::new(rejection.into())
}

impl ReadingProblem {
    /// A part that is too long is often a whole file of another format.
    #[cold]
    fn too_long(start: &[u8]) -> Self {
        match Signature::of_other(start) {
            Some(signature) => Self::Rejected(signature.into()),
            None => Self::TooLong,
        }
    }
}

/// A thread's parser.
#[derive(Debug)]
pub(super) struct Parser<'n, S> {
    sensor: &'n S,
    keys: KnownKeys<'n>,
    layout: FieldLayout,
    /// The buffer for the next key.
    key: String,
    /// The buffer for the next file.
    pub(super) buffer: Vec<u8>,
}

impl<'n, S: Sensor> Parser<'n, S> {
    pub(super) fn new(sensor: &'n S, keys: &'n KeyTable) -> Self {
        Self {
            sensor,
            keys: KnownKeys::new(keys),
            layout: FieldLayout::default(),
            key: String::new(),
            buffer: Vec::new(),
        }
    }

    /// Parses readings until they end or `bytes` bytes are parsed. Passes the partition of each
    /// reading, the reading and its identity to `take`, in the order of the text.
    pub(super) fn piece(
        &mut self,
        text: &mut FileText<'_>,
        bytes: u64,
        mut take: impl FnMut(usize, ParsedReading<S::Values>, IdentifiedBy),
    ) -> io::Result<Piece> {
        let mut piece = Piece::default();
        let (sensor, keys, layout) = (self.sensor, &mut self.keys, &mut self.layout);
        let key = &mut self.key;
        let mut filtered = 0;
        let mut take = |reading: &mut S::Reading<'_>| -> Result<(), BoxedProblem> {
            let counts = count(sensor, keys, key, reading, &mut take)?;
            filtered += u64::from(!counts);
            Ok(())
        };
        let end = text.offset().saturating_add(bytes);
        while text.offset() < end {
            // Usually, the next reading is buffered, takes one pass, and a newline follows.
            text.skip(framing::separators(text.buffered()));
            let (offset, buffered) = (text.offset(), text.buffered());
            let length = |after: &[u8]| buffered.len() - after.len();
            let first = match sensor.usual_line(buffered) {
                Some((mut reading, [b'\n', rest @ ..])) => {
                    Some((length(rest), reading.as_mut().map(&mut take)))
                }
                Some(_) => None,
                None => {
                    let mut reading = None;
                    match sensor.first_line(layout, buffered, &mut reading) {
                        Some([b'\n', rest @ ..]) => {
                            Some((length(rest), reading.as_mut().map(&mut take)))
                        }
                        _ => None,
                    }
                }
            };
            if let Some((length, taken)) = first {
                text.skip(length);
                match taken {
                    Some(Ok(())) => {}
                    Some(Err(problem)) => piece.reject(offset, &problem),
                    None => piece.filtered += 1,
                }
                continue;
            }
            if !take_part(sensor, text, &mut piece, &mut take)? {
                piece.is_last = true;
                break;
            }
        }
        piece.filtered += filtered;
        piece.end = text.offset();
        Ok(piece)
    }
}

/// Passes on what counts of a reading, and returns whether anything does. `key` is memory for keys.
#[inline]
fn count<S: Sensor>(
    sensor: &S,
    keys: &mut KnownKeys<'_>,
    key: &mut String,
    reading: &mut S::Reading<'_>,
    take: &mut impl FnMut(usize, ParsedReading<S::Values>, IdentifiedBy),
) -> Result<bool, BoxedProblem> {
    // An archive does not say when a record arrived.
    let no_time = || Box::new(ReadingProblem::NoTime);
    let arrival = sensor.time(reading).ok_or_else(no_time)?;
    let mut counts = false;
    let mut problem = None;
    sensor.split(reading, arrival, |reading| {
        counts = true;
        let one = reading.map_err(boxed).and_then(|reading| {
            let time = sensor.time(reading).ok_or_else(no_time)?;
            let identity = match sensor.identity(reading) {
                Some(identity) if identity == time.nanos() => IdentifiedBy::Time,
                Some(identity) => IdentifiedBy::Other(identity),
                None => IdentifiedBy::Nothing,
            };
            let slot = keys.slot(sensor.key_in(reading, key)).map_err(boxed)?;
            let values = sensor.values(reading);
            let parsed = ParsedReading::new(slot.key, time, identity, values);
            take(slot.partition as usize, parsed, identity);
            Ok::<(), BoxedProblem>(())
        });
        if let Err(reason) = one {
            problem = Some(reason);
        }
    });
    problem.map_or(Ok(counts), Err)
}

/// Takes the next part of a text in whatever form. Returns false at the end.
fn take_part<S: Sensor>(
    sensor: &S,
    text: &mut FileText<'_>,
    piece: &mut Piece,
    take: &mut impl FnMut(&mut S::Reading<'_>) -> Result<(), BoxedProblem>,
) -> io::Result<bool> {
    if !text.find_part()? {
        return Ok(false);
    }
    let offset = text.offset();
    let parsed = match text.next_part()? {
        None => return Ok(true),
        Some(ArchivePart::Object(object)) => sensor.parse(object).map_err(boxed),
        Some(ArchivePart::Other(part)) => Err(boxed(rejection_of_part(sensor, part))),
        Some(ArchivePart::TooLong(start)) => Err(Box::new(ReadingProblem::too_long(start))),
    };
    match parsed.and_then(|mut reading| reading.as_mut().map(take).transpose()) {
        Ok(Some(())) => {}
        Ok(None) => piece.filtered += 1,
        Err(problem) => piece.reject(offset, &problem),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the unicorn's values. Threads write and read all readings once.
    #[test]
    fn a_reading_of_16_bytes_takes_32() {
        assert_eq!(size_of::<ParsedReading<[i64; 2]>>(), 32);
    }

    #[test]
    fn a_time_is_milliseconds_and_nanoseconds() {
        for (text, expected) in [
            ("1970-01-01 00:00:00.001000002", (1, 2)),
            ("1969-12-31 23:59:59.999999999", (-1, 999_999)),
            ("0000-01-01 00:00:00.000000001", (-62_167_219_200_000, 1)),
            (
                "9999-12-31 23:59:59.999999999",
                (253_402_300_799_999, 999_999),
            ),
        ] {
            assert_eq!(millis_and_nanos(text.parse().unwrap()), expected, "{text}");
        }
    }
}
