//! Parses text into readings, reduced to what is aggregated.

use std::io;

use thiserror::Error;
use windrow_core::framing;
use windrow_core::json::FieldLayout;
use windrow_core::rejection::Rejection;
use windrow_core::sensor::{Sensor, rejection_of_part};
use windrow_core::signature::Signature;

use super::bucket::{IdentifiedBy, ParsedReading};
use super::keys::{KeyTable, KnownKeys};
use crate::{ArchivePart, FileText, InputProblem, LONGEST_PART};

/// How many of a piece's rejects are reported with their reason.
pub(super) const MOST_REPORTED: usize = 5;

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
