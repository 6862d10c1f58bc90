//! How the work of a scan is cut, and what it read.

use std::path::PathBuf;

use crate::files::InputFile;
use crate::parse::{MOST_REPORTED, Piece};

/// How the work is cut. What comes out does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutFile {
    /// How many bytes of a plain file make a piece.
    pub plain: u64,
    /// How many bytes of text, unpacked, of a packed file make a piece.
    pub packed: u64,
    /// About how many bytes of text may be read ahead of what is added, for each thread.
    pub ahead: u64,
}

impl Default for CutFile {
    /// Pieces of 4 MB (of packed files, of 128 MB, the largest buffer of Firehose's), and 16 MB ahead.
    fn default() -> Self {
        Self {
            plain: 4 << 20,
            packed: 128 << 20,
            ahead: 16 << 20,
        }
    }
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanReport {
    /// Distinct readings.
    pub readings: u64,
    /// How many more there were, with the Name and StatusTime of one that stands before them.
    pub duplicates: u64,
    /// Lines that are neither readings nor blank.
    pub rejected: u64,
    /// The first few of these.
    pub reasons: Vec<RejectedLine>,
}

/// A line that is no reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedLine {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// Why it is none.
    pub reason: String,
}

/// What was read so far, but for the readings.
#[derive(Default)]
pub(super) struct ScanTotals {
    pub(super) report: ScanReport,
    /// The file of the last piece, and its lines up to there.
    file: usize,
    lines: u64,
}

impl ScanTotals {
    /// Notes a piece, the next in the order of the files.
    pub(super) fn note(&mut self, number: usize, file: &InputFile, piece: &Piece) {
        if self.file != number {
            (self.file, self.lines) = (number, 0);
        }
        self.report.rejected += piece.rejected;
        for (line, reason) in &piece.reasons {
            if self.report.reasons.len() < MOST_REPORTED {
                self.report.reasons.push(RejectedLine {
                    path: file.path.clone(),
                    line: self.lines + line,
                    reason: reason.clone(),
                });
            }
        }
        self.lines += piece.lines;
    }
}
