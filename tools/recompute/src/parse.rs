//! Parses lines into readings, reduced to what is aggregated.

use std::io;

use unicorn::reading::{Reading, first_line};
use unicorn::totals::ReadingSample;
use unicorn::totals::Totals;
use windrow_core::batch::BatchFold;
use windrow_core::time::Timestamp;

use crate::names::{KnownNames, NameTable};
use windrow_archive::{ArchiveLine, FileLines, LONGEST_LINE};

/// How many of a piece's rejected lines are reported with their reason.
pub(super) const MOST_REPORTED: usize = 5;

/// The parts of a reading that are aggregated, in 32 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParsedReading {
    /// The name's key in its partition.
    key: u32,
    millis: i64,
    nanos: u32,
    sample: ReadingSample,
}

impl ParsedReading {
    fn new(key: u32, reading: &Reading<'_>) -> Self {
        let (millis, nanos) = millis_and_nanos(reading.status_time);
        Self {
            key,
            millis,
            nanos,
            sample: reading.into(),
        }
    }

    /// Adds the reading to the accumulators of its unicorn; `batch` is its partition.
    pub(super) fn add_to(&self, batch: &mut BatchFold<Totals>) {
        batch.add(self.key as usize, self.millis, self.nanos, |totals| {
            totals.add(self.sample);
        });
    }
}

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
    /// The number of lines, including blank ones.
    pub(super) lines: u64,
    /// The number of lines that are neither readings nor blank.
    pub(super) rejected: u64,
    /// The first of these: the number of the line in the piece, from 1, and the reason.
    pub(super) reasons: Vec<(u64, String)>,
    /// Whether this is the last piece of its part of the file.
    pub(super) is_last: bool,
}

/// A thread's parser.
#[derive(Debug)]
pub(super) struct Parser<'n> {
    names: KnownNames<'n>,
    /// The line buffer for the next file.
    pub(super) buffer: Vec<u8>,
}

impl<'n> Parser<'n> {
    pub(super) fn new(names: &'n NameTable) -> Self {
        Self {
            names: KnownNames::new(names),
            buffer: Vec::new(),
        }
    }

    /// Parses lines until they end or `bytes` bytes are parsed. Passes the partition of each
    /// reading and the reading to `take`, in the order of the lines.
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
            // Usually, the next line is buffered and in the producer's format.
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
