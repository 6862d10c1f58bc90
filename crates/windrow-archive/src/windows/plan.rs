//! Splits files into parts and parses them.

use std::io;
use std::ops::Range;

use windrow_core::sensor::Sensor;

use super::bucket::{IdentifiedBy, ParsedReading};
use super::parse::{Parser, Piece};
use super::report::PieceSizes;
use crate::{ArchiveFile, FileText, ReadProgress, input};

/// A part of a file to parse.
pub(super) struct FileSplit<'a> {
    /// The index of the file.
    pub(super) file: usize,
    /// Its approximate size, in bytes of text.
    pub(super) weight: u64,
    /// The end of its range of the file, in bytes.
    pub(super) end: u64,
    work: PlannedWork<'a>,
}

enum PlannedWork<'a> {
    /// Read a range of the file. The flag says that a part is known to begin at its start.
    Open(Range<u64>, bool),
    Continue(Box<FileText<'a>>),
    Fail(io::Error),
}

impl<'a> FileSplit<'a> {
    /// The part of a file up to `end` that begins at `start`, where the one before ended.
    pub(super) fn between(file: usize, weight: u64, start: u64, end: u64) -> Self {
        Self {
            file,
            weight,
            end,
            work: PlannedWork::Open(start..end, true),
        }
    }

    /// Parses the next piece and returns it with the rest of the part, if any. Passes each reading,
    /// its share and its identity to `take`.
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
        let mut start = None;
        let mut text = match self.work {
            PlannedWork::Open(range, is_start) => {
                let buffer = std::mem::take(&mut parser.buffer);
                let path = &files[self.file].path;
                let mut text = input::open_range(path, &range, is_start, buffer, progress)?;
                text.find_part()?;
                start = Some(text.offset());
                Box::new(text)
            }
            PlannedWork::Continue(text) => text,
            PlannedWork::Fail(error) => return Err(error),
        };
        // A range may have to be parsed again, so it is not divided further.
        let bytes = if text.is_range() {
            u64::MAX
        } else {
            sizes.compressed
        };
        let mut piece = parser.piece(&mut text, bytes, take)?;
        piece.start = start;
        if piece.is_last {
            piece.problem = text.input().problem();
            parser.buffer = text.into_buffer();
            return Ok((piece, None));
        }
        let work = PlannedWork::Continue(text);
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
            end,
            work: failure.map_or(PlannedWork::Open(range, false), PlannedWork::Fail),
        })
    }
}
