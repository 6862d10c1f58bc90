//! Which parts of which files come next, and how one is parsed.

use std::io;
use std::ops::Range;

use crate::files::InputFile;
use crate::input::{self, Input, ReadProgress};
use crate::lines::ArchiveLines;
use crate::parse::{ParsedReading, Parser, Piece};
use crate::report::CutFile;

/// A part of a file that is to be parsed.
pub(super) struct FileSplit<'a> {
    /// The file's place among all.
    pub(super) file: usize,
    /// About how many bytes of text it has.
    pub(super) weight: u64,
    work: PlannedWork<'a>,
}

enum PlannedWork<'a> {
    Open(Range<u64>),
    GoOn(Box<ArchiveLines<Input<'a>>>),
    Fail(io::Error),
}

impl<'a> FileSplit<'a> {
    /// Parses the next piece, and gives what is left of the part. Its readings go to `take`, each
    /// with its partition.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn parse(
        self,
        parser: &mut Parser<'_>,
        files: &[InputFile],
        cut: CutFile,
        progress: ReadProgress<'a>,
        take: impl FnMut(usize, ParsedReading),
    ) -> io::Result<(Piece, Option<Self>)> {
        let mut lines = match self.work {
            PlannedWork::Open(range) => {
                let buffer = std::mem::take(&mut parser.buffer);
                Box::new(input::open(
                    &files[self.file].path,
                    &range,
                    buffer,
                    progress,
                )?)
            }
            PlannedWork::GoOn(lines) => lines,
            PlannedWork::Fail(error) => return Err(error),
        };
        let piece = parser.piece(&mut lines, cut.packed, take)?;
        if piece.is_last {
            parser.buffer = lines.into_buffer();
            return Ok((piece, None));
        }
        let work = PlannedWork::GoOn(lines);
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
pub(super) struct ScanPlan<'f> {
    files: &'f [InputFile],
    cut: CutFile,
    file: usize,
    start: u64,
}

impl<'f> ScanPlan<'f> {
    pub(super) fn new(files: &'f [InputFile], cut: CutFile) -> Self {
        Self {
            files,
            cut,
            file: 0,
            start: 0,
        }
    }

    /// The next part, not opened yet.
    pub(super) fn next<'a>(&mut self) -> Option<FileSplit<'a>> {
        let number = self.file;
        let file = self.files.get(number)?;
        let CutFile { plain, packed, .. } = self.cut;
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
        Some(FileSplit {
            file: number,
            weight: weight.saturating_add(OPENING),
            work: failure.map_or(PlannedWork::Open(range), PlannedWork::Fail),
        })
    }
}
