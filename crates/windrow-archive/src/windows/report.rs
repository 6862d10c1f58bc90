//! How a scan is divided into pieces, and its report.

use std::path::PathBuf;

use super::parse::{MOST_REPORTED, Piece};
use crate::{ArchiveFile, FileProblem, input};

/// How a scan is divided into pieces. The result does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceSizes {
    /// The size of a piece of a plain file, in bytes.
    pub plain: u64,
    /// The size of a piece of a compressed file, in decompressed bytes.
    pub compressed: u64,
    /// Approximately how many bytes of text each thread may read ahead of the aggregation.
    pub read_ahead: u64,
}

impl Default for PieceSizes {
    /// Pieces of 4 MB, or 128 MB for compressed files (Firehose's largest buffer), and 16 MB of
    /// read-ahead.
    fn default() -> Self {
        Self {
            plain: 4 << 20,
            compressed: 128 << 20,
            read_ahead: 16 << 20,
        }
    }
}

/// The counts of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanReport {
    /// Distinct readings.
    pub readings: u64,
    /// Duplicates: readings with the key, window and identity of an earlier one.
    pub duplicates: u64,
    /// Readings that the sensor's filter left out.
    pub filtered: u64,
    /// Parts that are not readings with a time.
    pub rejected: u64,
    /// The first few of these.
    pub reasons: Vec<RejectedPart>,
    /// The files that are damaged, in order. What could be read of them was.
    pub problems: Vec<FileProblem>,
}

/// A part of a file that is not a reading with a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedPart {
    /// The file.
    pub path: PathBuf,
    /// The number of its first line, from 1; `None` if the file cannot be read again.
    pub line: Option<u64>,
    /// Why it was rejected.
    pub reason: String,
}

/// The running totals of a scan.
#[derive(Default)]
pub(super) struct ScanTotals {
    pub(super) report: ScanReport,
}

impl ScanTotals {
    /// Adds a piece. Pieces must be added in the order of the files.
    pub(super) fn note(&mut self, file: &ArchiveFile, piece: &Piece) {
        self.report.rejected += piece.rejected;
        self.report.filtered += piece.filtered;
        for (offset, reason) in &piece.reasons {
            if self.report.reasons.len() < MOST_REPORTED {
                self.report.reasons.push(RejectedPart {
                    path: file.path.clone(),
                    // Few are reported, so lines are not counted while parsing.
                    line: input::line_at(&file.path, *offset).ok(),
                    reason: reason.clone(),
                });
            }
        }
        if let Some(problem) = piece.problem {
            self.report.problems.push(FileProblem {
                path: file.path.clone(),
                problem,
            });
        }
    }
}
