//! Splits files into parts and parses them.

use std::io;
use std::ops::Range;

use windrow_core::sensor::Sensor;

use super::parse::{IdentifiedBy, ParsedReading, Parser, Piece};
use super::report::PieceSizes;
use crate::{ArchiveFile, FileLines, ReadProgress, input};

/// A part of a file to parse.
pub(super) struct FileSplit<'a> {
    /// The index of the file.
    pub(super) file: usize,
    /// Its approximate size, in bytes of text.
    pub(super) weight: u64,
    work: PlannedWork<'a>,
}

enum PlannedWork<'a> {
    Open(Range<u64>),
    Continue(Box<FileLines<'a>>),
    Fail(io::Error),
}

impl<'a> FileSplit<'a> {
    /// Parses the next piece and returns it with the rest of the part, if any. Passes each reading,
    /// its partition and its identity to `take`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn parse<S: Sensor>(
        self,
        parser: &mut Parser<'_, S>,
        files: &[ArchiveFile],
        sizes: PieceSizes,
        progress: ReadProgress<'a>,
        take: impl FnMut(usize, ParsedReading<S::Values>, IdentifiedBy),
    ) -> io::Result<(Piece, Option<Self>)> {
        let mut lines = match self.work {
            PlannedWork::Open(range) => {
                let buffer = std::mem::take(&mut parser.buffer);
                Box::new(input::open_range(
                    &files[self.file].path,
                    &range,
                    buffer,
                    progress,
                )?)
            }
            PlannedWork::Continue(lines) => lines,
            PlannedWork::Fail(error) => return Err(error),
        };
        let mut piece = parser.piece(&mut lines, sizes.compressed, take)?;
        if piece.is_last {
            piece.problem = lines.input().problem();
            parser.buffer = lines.into_buffer();
            return Ok((piece, None));
        }
        let work = PlannedWork::Continue(lines);
        Ok((piece, Some(Self { work, ..self })))
    }
}

/// The cost of opening a file, as an equivalent number of bytes read.
const OPENING: u64 = 16 << 10;
/// The assumed compression ratio of a compressed file.
const COMPRESSION_RATIO: u64 = 8;

/// Files up to this size, in bytes, are not checked for whether they can be divided.
const SMALL: u64 = 256 << 10;

/// Lists the parts of all files, in order.
pub(super) struct ScanPlan<'f> {
    files: &'f [ArchiveFile],
    sizes: PieceSizes,
    file: usize,
    start: u64,
}

impl<'f> ScanPlan<'f> {
    pub(super) fn new(files: &'f [ArchiveFile], sizes: PieceSizes) -> Self {
        Self {
            files,
            sizes,
            file: 0,
            start: 0,
        }
    }

    /// The next part; it is not opened yet.
    pub(super) fn next<'a>(&mut self) -> Option<FileSplit<'a>> {
        let number = self.file;
        let file = self.files.get(number)?;
        let PieceSizes {
            plain, compressed, ..
        } = self.sizes;
        let mut end = self.start.saturating_add(plain).min(file.bytes);
        let mut weight = file.bytes.min(plain);
        let mut failure = None;
        if self.start == 0 && file.bytes > plain.min(SMALL) {
            match input::is_divisible(&file.path) {
                Ok(true) => {}
                Ok(false) => {
                    end = file.bytes;
                    weight = file.bytes.saturating_mul(COMPRESSION_RATIO).min(compressed);
                }
                Err(error) => {
                    end = file.bytes;
                    failure = Some(error);
                }
            }
        }
        let range = self.start..end;
        self.start = end;
        if end == file.bytes {
            (self.file, self.start) = (number + 1, 0);
        }
        Some(FileSplit {
            file: number,
            weight: weight.saturating_add(OPENING),
            work: failure.map_or(PlannedWork::Open(range), PlannedWork::Fail),
        })
    }
}
