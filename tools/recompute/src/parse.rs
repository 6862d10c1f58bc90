//! Lines into readings, as far as these count.

use std::io;

use unicorn::distance::Distance;
use unicorn::reading::{Reading, first_line};
use unicorn::status_time::StatusTime;
use unicorn::totals::{Measures, Totals};
use windrow_core::aggregate::{Aggregate, Merge};
use windrow_core::batch::BatchFold;

use crate::names::{KnownNames, NameTable};
use windrow_archive::{ArchiveLine, FileLines, LONGEST_LINE};

/// How many of a piece's rejected lines are told with their reason.
pub(super) const MOST_REPORTED: usize = 5;

/// A reading, as far as it counts: 32 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParsedReading {
    /// That of its name, in its name's partition.
    key: u32,
    millis: i64,
    nanos: u32,
    magic_points: i32,
    health_points: i32,
    micrometres: i64,
}

impl ParsedReading {
    fn new(key: u32, reading: &Reading<'_>) -> Self {
        let (millis, nanos) = millis_and_nanos(reading.status_time);
        Self {
            key,
            millis,
            nanos,
            magic_points: reading.magic_points,
            health_points: reading.health_points,
            // No reading's distance is past 64 bits.
            micrometres: i64::try_from(reading.distance.micrometres()).unwrap_or(i64::MAX),
        }
    }

    /// Adds it to the accumulators of its unicorn, in its partition.
    pub(super) fn add_to(&self, batch: &mut BatchFold<Totals>) {
        batch.add(self.key as usize, self.millis, self.nanos, self);
    }
}

/// To add a reading is to merge the figures of that one reading.
impl Aggregate<ParsedReading> for Totals {
    fn add(&mut self, entry: &ParsedReading) {
        self.merge(&Totals::from(Measures {
            distance: Distance::from_micrometres(entry.micrometres.into()),
            min_magic_points: entry.magic_points,
            max_magic_points: entry.magic_points,
            min_health_points: entry.health_points,
            max_health_points: entry.health_points,
        }));
    }
}

/// Milliseconds since the epoch, rounded down, and the nanoseconds after that.
fn millis_and_nanos(time: StatusTime) -> (i64, u32) {
    const MILLI: i64 = 1_000_000;
    match i64::try_from(time.nanos()) {
        // To divide 64 bits takes a tenth of the time of 128, and they reach to the year 2262.
        Ok(nanos) => (nanos.div_euclid(MILLI), nanos.rem_euclid(MILLI) as u32),
        Err(_) => {
            let nanos = time.nanos().rem_euclid(MILLI.into());
            (time.millis(), nanos as u32)
        }
    }
}

/// A piece of a file, parsed.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// How many lines there are, blank ones included.
    pub(super) lines: u64,
    /// How many of them are no readings.
    pub(super) rejected: u64,
    /// The first of these: which line of the piece, from 1, and the reason.
    pub(super) reasons: Vec<(u64, String)>,
    /// Whether it is the last of its part of the file.
    pub(super) is_last: bool,
}

/// What a thread parses with.
#[derive(Debug)]
pub(super) struct Parser<'n> {
    names: KnownNames<'n>,
    /// For the next file.
    pub(super) buffer: Vec<u8>,
}

impl<'n> Parser<'n> {
    pub(super) fn new(names: &'n NameTable) -> Self {
        Self {
            names: KnownNames::new(names),
            buffer: Vec::new(),
        }
    }

    /// Parses lines to their end, or until they have that many bytes, and gives `take` the readings in
    /// the order of the lines, each with its partition.
    pub(super) fn piece(
        &mut self,
        lines: &mut FileLines<'_>,
        bytes: u64,
        mut take: impl FnMut(usize, ParsedReading),
    ) -> io::Result<Piece> {
        let mut piece = Piece::default();
        let names = &mut self.names;
        let mut take = |reading: &Reading<'_>| {
            let slot = names.slot(&reading.name);
            take(
                slot.partition as usize,
                ParsedReading::new(slot.key, reading),
            );
        };
        let end = lines.offset().saturating_add(bytes);
        while lines.offset() < end {
            // Mostly the next line is there, and in our producer's spelling.
            let buffered = lines.buffered();
            if let Some((reading, after @ [_, ..])) = first_line(buffered) {
                take(&reading);
                let length = buffered.len() - after.len() + 1;
                lines.skip(length);
                piece.lines += 1;
                continue;
            }
            let Some(line) = lines.next_line()? else {
                piece.is_last = true;
                break;
            };
            piece.lines += 1;
            let reading = match line {
                ArchiveLine::Whole(line) if line.trim_ascii().is_empty() => continue,
                ArchiveLine::Whole(line) => Reading::parse(line).map_err(|error| error.to_string()),
                ArchiveLine::TooLong => {
                    Err(format!("the line is longer than {LONGEST_LINE} bytes"))
                }
            };
            match reading {
                Ok(reading) => take(&reading),
                Err(reason) => {
                    piece.rejected += 1;
                    if piece.reasons.len() < MOST_REPORTED {
                        piece.reasons.push((piece.lines, reason));
                    }
                }
            }
        }
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
