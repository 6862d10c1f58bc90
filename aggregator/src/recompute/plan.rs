//! Which parts of which files come next, and how far they are.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use super::files::ArchiveFile;
use super::input::{self, Input, Progress};
use super::lines::Lines;
use super::parse::{Buckets, Entry, Parser, Piece};
use super::scan::Cut;

/// A part of a file, on its way.
pub(super) struct Task<'a> {
    pub(super) file: usize,
    weight: u64,
    work: Work<'a>,
    /// What was parsed and not accounted for yet.
    pub(super) piece: Option<io::Result<Piece>>,
    /// The readings in it, where they could not be added at once.
    pub(super) buckets: Buckets,
}

enum Work<'a> {
    Open(Range<u64>),
    GoOn(Box<Lines<Input<'a>>>),
    Done,
}

impl<'a> Task<'a> {
    /// Parses the next piece, with the error where it cannot be read. Its readings go to `take`.
    pub(super) fn parse(
        &mut self,
        parser: &mut Parser<'_>,
        files: &[ArchiveFile],
        cut: Cut,
        progress: Progress<'a>,
        take: impl FnMut(Entry),
    ) {
        let work = std::mem::replace(&mut self.work, Work::Done);
        let buffer = std::mem::take(&mut parser.buffer);
        let opened = match work {
            Work::Open(part) => {
                input::open(&files[self.file].path, &part, buffer, progress).map(Box::new)
            }
            Work::GoOn(lines) => {
                parser.buffer = buffer;
                Ok(lines)
            }
            Work::Done => return,
        };
        let parsed = opened.and_then(|mut lines| {
            let piece = parser.piece(&mut lines, cut.packed, take)?;
            match piece.is_last {
                true => parser.buffer = lines.into_buffer(),
                false => self.work = Work::GoOn(lines),
            }
            Ok(piece)
        });
        self.piece = Some(parsed);
    }
}

/// What a file costs to open, in bytes read.
const OPENING: u64 = 16 << 10;
/// How much text a packed file is taken to hold, for each of its bytes.
const PACKED_BY: u64 = 8;

/// Which parts of which files come next.
pub(super) struct Plan<'f> {
    files: &'f [ArchiveFile],
    cut: Cut,
    round: u64,
    file: usize,
    start: u64,
}

impl<'f> Plan<'f> {
    /// All parts of `files`, some `round` bytes at a time.
    pub(super) fn new(files: &'f [ArchiveFile], cut: Cut, round: u64) -> Self {
        Self {
            files,
            cut,
            round,
            file: 0,
            start: 0,
        }
    }

    /// Adds tasks up to a round.
    pub(super) fn top_up(&mut self, tasks: &mut VecDeque<Task<'_>>) {
        let mut weight: u64 = tasks.iter().map(|task| task.weight).sum();
        while weight < self.round {
            let Some(task) = self.next() else {
                break;
            };
            weight = weight.saturating_add(task.weight);
            tasks.push_back(task);
        }
    }

    fn next<'a>(&mut self) -> Option<Task<'a>> {
        let number = self.file;
        let file = self.files.get(number)?;
        let Cut { plain, packed, .. } = self.cut;
        let mut end = self.start.saturating_add(plain);
        let mut weight = file.bytes.min(plain);
        let mut piece = None;
        if self.start == 0 && file.bytes > plain {
            match input::is_packed(&file.path) {
                Ok(false) => {}
                Ok(true) => {
                    end = file.bytes;
                    weight = file.bytes.saturating_mul(PACKED_BY).min(packed);
                }
                Err(error) => {
                    end = file.bytes;
                    piece = Some(Err(error));
                }
            }
        }
        let part = self.start..end.min(file.bytes);
        self.start = part.end;
        if part.end == file.bytes {
            (self.file, self.start) = (number + 1, 0);
        }
        Some(Task {
            file: number,
            weight: weight.saturating_add(OPENING),
            work: Work::Open(part),
            piece,
            buckets: Vec::new(),
        })
    }
}
