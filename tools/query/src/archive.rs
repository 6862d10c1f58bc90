//! The archive as tables. It consists of files of lines, in folders named by the hour of arrival,
//! as Firehose writes them.

mod columns;
mod filter;
mod lines;
mod provider;
mod readings;
mod rejects;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use windrow_archive::{ArchiveFile, ArchiveReadError, FileProblem, InputProblem};

pub use columns::{ArchiveContents, LineColumns, Pushed};
pub use provider::ArchiveTable;
pub use readings::ReadingContents;
pub use rejects::RejectContents;

/// Why the archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no archive.
    #[error(
        "there is no archive in {}: {help}, or name another folder with --data-dir or --archive",
        folder.display()
    )]
    Missing {
        /// The folder that was searched.
        folder: PathBuf,
        /// How to create one.
        help: String,
    },
    /// A folder cannot be listed or a file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ArchiveReadError),
}

/// The progress of a query's scans, and the number of lines that they could not parse.
#[derive(Debug, Default)]
pub struct Meter {
    read: AtomicU64,
    total: AtomicU64,
    broken: Mutex<BTreeMap<PathBuf, u64>>,
    filtered: Mutex<BTreeMap<PathBuf, u64>>,
    problems: Mutex<BTreeMap<PathBuf, InputProblem>>,
}

impl Meter {
    /// The bytes read so far, and the bytes to read in total.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.read.load(Ordering::Relaxed),
            self.total.load(Ordering::Relaxed),
        )
    }

    /// The number of lines that could not be parsed, in the files that were read completely.
    pub fn broken(&self) -> u64 {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.values().sum()
    }

    /// The number of readings that the sensor's filter left out, in the same files.
    pub fn filtered(&self) -> u64 {
        let filtered = self.filtered.lock().unwrap_or_else(PoisonError::into_inner);
        filtered.values().sum()
    }

    /// The files that are damaged or in UTF-16, of those that were read completely.
    pub fn problems(&self) -> Vec<FileProblem> {
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(path, problem): (&PathBuf, &InputProblem)| FileProblem {
            path: path.clone(),
            problem: *problem,
        };
        problems.iter().map(of).collect()
    }

    fn note(&self, file: &ArchiveFile, problem: InputProblem) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        problems.insert(file.path.clone(), problem);
    }

    fn add_total(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    fn add(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Records the lines of a file that was read completely but are no rows. A file that is read
    /// twice, for a join with itself, counts once.
    fn finish(&self, file: &ArchiveFile, broken: u64, filtered: u64) {
        for (count, all) in [(broken, &self.broken), (filtered, &self.filtered)] {
            if count > 0 {
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(file.path.clone(), count);
            }
        }
    }
}
