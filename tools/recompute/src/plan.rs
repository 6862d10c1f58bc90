//! Which parts of which files come next, and how one is parsed.

use std::io;
use std::ops::Range;

use crate::files::ArchiveFile;
use crate::input::{self, Input, Progress};
use crate::lines::Lines;
use crate::parse::{Entry, Parser, Piece};
use crate::scan::Cut;

/// A part of a file that is to be parsed.
pub(super) struct Part<'a> {
    /// The file's place among all.
    pub(super) file: usize,
    /// About how many bytes of text it has.
    pub(super) weight: u64,
    work: Work<'a>,
}

enum Work<'a> {
    Open(Range<u64>),
    GoOn(Box<Lines<Input<'a>>>),
    Fail(io::Error),
}

impl<'a> Part<'a> {
    /// Parses the next piece, and gives what is left of the part. Its readings go to `take`, each
    /// with its partition.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn parse(
        self,
        parser: &mut Parser<'_>,
        files: &[ArchiveFile],
        cut: Cut,
        progress: Progress<'a>,
        take: impl FnMut(usize, Entry),
    ) -> io::Result<(Piece, Option<Self>)> {
        let mut lines = match self.work {
            Work::Open(range) => {
                let buffer = std::mem::take(&mut parser.buffer);
                Box::new(input::open(
                    &files[self.file].path,
                    &range,
                    buffer,
                    progress,
                )?)
            }
            Work::GoOn(lines) => lines,
            Work::Fail(error) => return Err(error),
        };
        let piece = parser.piece(&mut lines, cut.packed, take)?;
        if piece.is_last {
            parser.buffer = lines.into_buffer();
            return Ok((piece, None));
        }
        let work = Work::GoOn(lines);
        Ok((piece, Some(Self { work, ..self })))
    }
}

/// What a file costs to open, in bytes read.
const OPENING: u64 = 16 << 10;
/// How much text a packed file is taken to hold, for each of its bytes.
const PACKED_BY: u64 = 8;

/// What a file may have without being looked into for whether it is packed.
const SMALL: u64 = 256 << 10;

/// All parts of all files, in their order.
pub(super) struct Plan<'f> {
    files: &'f [ArchiveFile],
    cut: Cut,
    file: usize,
    start: u64,
}

impl<'f> Plan<'f> {
    pub(super) fn new(files: &'f [ArchiveFile], cut: Cut) -> Self {
        Self {
            files,
            cut,
            file: 0,
            start: 0,
        }
    }

    /// The next part, not opened yet.
    pub(super) fn next<'a>(&mut self) -> Option<Part<'a>> {
        let number = self.file;
        let file = self.files.get(number)?;
        let Cut { plain, packed, .. } = self.cut;
        let mut end = self.start.saturating_add(plain).min(file.bytes);
        let mut weight = file.bytes.min(plain);
        let mut failure = None;
        if self.start == 0 && file.bytes > plain.min(SMALL) {
            match input::is_packed(&file.path) {
                Ok(false) => {}
                Ok(true) => {
                    end = file.bytes;
                    weight = file.bytes.saturating_mul(PACKED_BY).min(packed);
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
        Some(Part {
            file: number,
            weight: weight.saturating_add(OPENING),
            work: failure.map_or(Work::Open(range), Work::Fail),
        })
    }
}
