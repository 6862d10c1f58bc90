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
    /// The key's number in its share.
    key: u32,
    /// Nanoseconds, less than a million, and [`HAS_IDENTITY`] or [`HAS_NO_IDENTITY`] if the reading is
    /// not identified by its time.
    nanos: u32,
    millis: i64,
    values: V,
}

/// The bit of [`ParsedReading::nanos`] that says that the reading has an identity of another kind.
const HAS_IDENTITY: u32 = 1 << 31;

/// The bit that says that the reading has none.
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

/// Readings of one share or partition of the keys, in the order of their file.
#[derive(Debug)]
pub(super) struct ReadingBucket<V> {
    readings: Vec<ParsedReading<V>>,
    /// The identities of the readings that are not identified by their time.
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
    #[inline]
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

    /// Takes the readings, with what identifies them.
    #[inline]
    pub(super) fn drain(&mut self, mut take: impl FnMut(ParsedReading<V>, IdentifiedBy)) {
        let mut identities = self.identities.drain(..);
        for reading in self.readings.drain(..) {
            let identity = reading.identified_by(&mut identities);
            take(reading, identity);
        }
    }

    /// Adds the readings to the accumulators of their keys, and empties the bucket. `number` is the
    /// number of a key in `batch`, given that in the share.
    #[inline]
    pub(super) fn add_to<S: Sensor<Values = V>>(
        &mut self,
        sensor: &S,
        batch: &mut BatchFold<S::Accumulator>,
        number: impl Fn(usize) -> usize,
    ) {
        let mut identities = self.identities.drain(..);
        for readings in self.readings.chunks(FETCHED) {
            batch.fetch(
                readings
                    .iter()
                    .map(|reading| (number(reading.key()), reading.millis)),
            );
            for reading in readings {
                let identity = reading.identified_by(&mut identities);
                reading.add_to(sensor, batch, number(reading.key()), identity);
            }
        }
        drop(identities);
        self.readings.clear();
    }
}

/// How many readings the memory is fetched for at once. The processor waits for about as many parts
/// of the memory at once.
const FETCHED: usize = 16;

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

    /// What identifies the reading, given the next identity of its bucket.
    #[inline]
    fn identified_by(&self, identities: &mut impl Iterator<Item = i128>) -> IdentifiedBy {
        match self.nanos & (HAS_IDENTITY | HAS_NO_IDENTITY) {
            0 => IdentifiedBy::Time,
            HAS_IDENTITY => identities
                .next()
                .map_or(IdentifiedBy::Nothing, IdentifiedBy::Other),
            _ => IdentifiedBy::Nothing,
        }
    }

    /// The key's number in its share.
    #[inline]
    pub(super) fn key(&self) -> usize {
        self.key as usize
    }

    /// Its time in milliseconds.
    #[inline]
    pub(super) fn millis(&self) -> i64 {
        self.millis
    }

    /// Adds the reading to the accumulator of its window and of `key`, its key's number in `batch`.
    #[inline]
    pub(super) fn add_to<S: Sensor<Values = V>>(
        &self,
        sensor: &S,
        batch: &mut BatchFold<S::Accumulator>,
        key: usize,
        identity: IdentifiedBy,
    ) {
        let nanos = self.nanos & !(HAS_IDENTITY | HAS_NO_IDENTITY);
        let millis = self.millis;
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
#[inline]
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
    /// Memory for the next key.
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

    /// Parses readings until they end or `bytes` bytes are parsed. Passes the share of each
    /// reading, the reading and its identity to `take`, in the order of the text.
    pub(super) fn piece(
        &mut self,
        text: &mut FileText<'_>,
        bytes: u64,
        mut take: impl FnMut(usize, ParsedReading<S::Values>, IdentifiedBy),
    ) -> io::Result<Piece> {
        let mut piece = Piece::default();
        let end = text.offset().saturating_add(bytes);
        while text.offset() < end {
            text.skip(framing::separators(text.buffered()));
            let most = text.left_in_range().min(end.saturating_sub(text.offset()));
            let lines = self.lines(text.buffered(), most, &mut take);
            text.skip(lines.length);
            piece.filtered += lines.filtered;
            if let Some((length, problem)) = lines.rejected {
                piece.reject(text.offset(), &problem);
                text.skip(length);
                continue;
            }
            let is_stuck = lines.length == 0 || (lines.length as u64) < most;
            if is_stuck && !self.part(text, &mut piece, &mut take)? {
                piece.is_last = true;
                break;
            }
        }
        piece.end = text.offset();
        Ok(piece)
    }

    /// Takes readings that are each a line, without white space around them, up to the first one that
    /// is rejected, to anything else, or until `most` bytes are parsed.
    ///
    /// A loop of its own, since nearly all readings are such lines, and its position in the text is
    /// in a register.
    #[inline(always)]
    fn lines(
        &mut self,
        text: &[u8],
        most: u64,
        take: &mut impl FnMut(usize, ParsedReading<S::Values>, IdentifiedBy),
    ) -> TakenLines {
        let sensor = self.sensor;
        let mut keys = KeyLookup {
            keys: &mut self.keys,
            memory: &mut self.key,
        };
        let mut lines = TakenLines::default();
        let mut rest = text;
        while (lines.length as u64) < most {
            let (taken, after) = match sensor.usual_line(rest) {
                Some((mut reading, [b'\n', after @ ..])) => {
                    let reading = reading.as_mut();
                    (take_reading(sensor, &mut keys, reading, take), after)
                }
                Some(_) => break,
                None => {
                    let mut reading = None;
                    match sensor.first_line(&mut self.layout, rest, &mut reading) {
                        Some([b'\n', after @ ..]) => {
                            let reading = reading.as_mut();
                            (take_any_reading(sensor, &mut keys, reading, take), after)
                        }
                        _ => break,
                    }
                }
            };
            match taken {
                Ok(true) => {}
                Ok(false) => lines.filtered += 1,
                Err(problem) => {
                    lines.rejected = Some((rest.len() - after.len(), problem));
                    break;
                }
            }
            rest = after;
            lines.length = text.len() - rest.len();
        }
        lines
    }

    /// Takes the next part of a text in whatever form. Returns false at the end.
    fn part(
        &mut self,
        text: &mut FileText<'_>,
        piece: &mut Piece,
        take: &mut impl FnMut(usize, ParsedReading<S::Values>, IdentifiedBy),
    ) -> io::Result<bool> {
        if !text.find_part()? {
            return Ok(false);
        }
        let offset = text.offset();
        let parsed = match text.next_part()? {
            None => return Ok(true),
            Some(ArchivePart::Object(object)) => self.sensor.parse(object).map_err(Into::into),
            Some(ArchivePart::Other(part)) => Err(rejection_of_part(self.sensor, part).into()),
            Some(ArchivePart::TooLong(start)) => Err(ReadingProblem::too_long(start)),
        };
        let mut keys = KeyLookup {
            keys: &mut self.keys,
            memory: &mut self.key,
        };
        let taken = parsed.map_err(Box::new).and_then(|mut reading| {
            take_any_reading(self.sensor, &mut keys, reading.as_mut(), take)
        });
        match taken {
            Ok(true) => {}
            Ok(false) => piece.filtered += 1,
            Err(problem) => piece.reject(offset, &problem),
        }
        Ok(true)
    }
}

/// Lines whose readings were taken.
#[derive(Default)]
struct TakenLines {
    /// Their length, with newlines.
    length: usize,
    /// How many of them the sensor's filter left out.
    filtered: u64,
    /// The length of the line after them, if it is rejected, and why.
    rejected: Option<(usize, Box<ReadingProblem>)>,
}

/// Finds the numbers of keys.
struct KeyLookup<'p, 'n> {
    keys: &'p mut KnownKeys<'n>,
    /// Memory for a key that is not a part of its reading.
    memory: &'p mut String,
}

/// Takes the readings that count of what was parsed. Returns whether there are any.
///
/// The problem is in a box, so that the result is returned in registers.
#[inline(always)]
fn take_reading<S: Sensor>(
    sensor: &S,
    keys: &mut KeyLookup<'_, '_>,
    reading: Option<&mut S::Reading<'_>>,
    take: &mut impl FnMut(usize, ParsedReading<S::Values>, IdentifiedBy),
) -> Result<bool, Box<ReadingProblem>> {
    let Some(reading) = reading else {
        return Ok(false);
    };
    // An archive does not say when a record arrived.
    let arrival = sensor.time(reading).ok_or(ReadingProblem::NoTime)?;
    // Two variables, since a `Result` is written in parts and read as a whole, for which the
    // processor waits until the parts are in the cache. That would take a tenth of the whole job.
    let (mut is_taken, mut failure) = (false, None);
    sensor.split(reading, arrival, |reading| {
        match take_one(sensor, keys, reading, take) {
            Ok(()) => is_taken = true,
            Err(problem) => failure = Some(Box::new(problem)),
        }
    });
    match failure {
        Some(problem) => Err(problem),
        None => Ok(is_taken),
    }
}

/// Takes a reading that counts.
#[inline(always)]
fn take_one<S: Sensor>(
    sensor: &S,
    keys: &mut KeyLookup<'_, '_>,
    reading: Result<&S::Reading<'_>, Rejection>,
    take: &mut impl FnMut(usize, ParsedReading<S::Values>, IdentifiedBy),
) -> Result<(), ReadingProblem> {
    let reading = reading?;
    let time = sensor.time(reading).ok_or(ReadingProblem::NoTime)?;
    let identity = match sensor.identity(reading) {
        Some(identity) if identity == time.nanos() => IdentifiedBy::Time,
        Some(identity) => IdentifiedBy::Other(identity),
        None => IdentifiedBy::Nothing,
    };
    let slot = keys.keys.slot(sensor.key_in(reading, keys.memory))?;
    let values = sensor.values(reading);
    let parsed = ParsedReading::new(slot.key, time, identity, values);
    take(slot.share as usize, parsed, identity);
    Ok(())
}

/// As [`take_reading`], for readings of less usual forms. A separate function, so that it takes no
/// registers from that.
#[inline(never)]
fn take_any_reading<S: Sensor>(
    sensor: &S,
    keys: &mut KeyLookup<'_, '_>,
    reading: Option<&mut S::Reading<'_>>,
    take: &mut impl FnMut(usize, ParsedReading<S::Values>, IdentifiedBy),
) -> Result<bool, Box<ReadingProblem>> {
    // A closure of its own type, so that the compiler has one place to inline `take_reading`'s at.
    let mut take_any = |share: usize, parsed, identity| take(share, parsed, identity);
    take_reading(sensor, keys, reading, &mut take_any)
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
