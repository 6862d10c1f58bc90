//! All files' readings, by unicorn and window.

use std::collections::VecDeque;
use std::path::PathBuf;

use unicorn::totals::Totals;
use windowing::batch::Batch;
use windowing::window::{InvalidWindow, Tumbling};

use super::ReadError;
use super::files::ArchiveFile;
use super::names::Names;
use super::parse::{Buckets, Parser, Piece, TOLD};
use super::plan::Plan;
use super::rows::Rows;
use super::threads::share_out;

/// How to scan.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    window_seconds: u32,
    windows: Tumbling,
    threads: usize,
    cut: Cut,
}

/// How the work is cut. What comes out does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// How many bytes of a plain file make a piece.
    pub plain: u64,
    /// How many bytes of text, unpacked, of a packed file make a piece.
    pub packed: u64,
    /// About how many bytes of files are read in a round, for each thread.
    pub round: u64,
}

impl Default for Cut {
    /// Pieces of 256 KB (of packed files, of 128 MB, the largest buffer of Firehose's) and rounds of
    /// 4 MB, so that a round's readings are still in the processor's cache when they are added.
    fn default() -> Self {
        Self {
            plain: 256 << 10,
            packed: 128 << 20,
            round: 4 << 20,
        }
    }
}

impl Options {
    /// Windows of that many seconds, on that many threads; 0 threads count as 1.
    ///
    /// # Errors
    /// For a window of 0 seconds.
    pub fn new(window_seconds: u32, threads: usize) -> Result<Self, InvalidWindow> {
        Ok(Self {
            window_seconds,
            windows: Tumbling::new(i64::from(window_seconds) * 1000)?,
            threads: threads.max(1),
            cut: Cut::default(),
        })
    }

    /// The same with the work cut otherwise; 0 bytes count as 1.
    pub fn with_cut(self, cut: Cut) -> Self {
        let cut = Cut {
            plain: cut.plain.max(1),
            packed: cut.packed.max(1),
            round: cut.round.max(1),
        };
        Self { cut, ..self }
    }
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Distinct readings.
    pub readings: u64,
    /// How many more there were, with the Name and StatusTime of one that stands before them.
    pub repeats: u64,
    /// Lines that are neither readings nor blank.
    pub refused: u64,
    /// The first few of these.
    pub reasons: Vec<Refused>,
}

/// A line that is no reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// Why it is none.
    pub reason: String,
}

/// Reads files and gives every unicorn's windows by StatusTime. `progress` is told of every read, in
/// bytes of the files.
///
/// What comes out depends on the files and their order alone. Of readings with the same Name and
/// StatusTime the first counts, in the order of the files.
///
/// # Errors
/// When a file cannot be read to its end, packed ones included: of several, the first one is named.
/// What the others hold is then lost as well, since it would not be the whole.
pub fn scan(
    files: &[ArchiveFile],
    options: Options,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(Rows, Report), ReadError> {
    let Options { threads, cut, .. } = options;
    let names = Names::default();
    let mut parsers: Vec<Parser<'_>> = (0..threads).map(|_| Parser::new(&names)).collect();
    let mut partitions: Vec<Batch<Totals>> = vec![Batch::new(options.windows); threads];
    let mut plan = Plan::new(files, cut, cut.round.saturating_mul(threads as u64));
    let mut tasks = VecDeque::new();
    let mut report = Report::default();
    let mut lines = LineNumbers::default();
    loop {
        plan.top_up(&mut tasks);
        let Some(first) = tasks.front_mut() else {
            break;
        };
        match (parsers.as_mut_slice(), partitions.as_mut_slice()) {
            // One thread comes to the readings in their order, and needs no buckets.
            ([parser], [batch]) => {
                first.parse(parser, files, cut, progress, |entry| entry.add_to(batch));
            }
            _ => {
                let unparsed = tasks.iter_mut().filter(|task| task.piece.is_none());
                share_out(&mut parsers, unparsed, |parser, task| {
                    let mut buckets = parser.buckets.pop().unwrap_or_default();
                    buckets.resize(threads, Vec::new());
                    task.parse(parser, files, cut, progress, |entry| {
                        buckets[entry.name % threads].push(entry);
                    });
                    task.buckets = buckets;
                });
            }
        }

        let mut parsed = Vec::new();
        while let Some(task) = tasks.front_mut() {
            let file = &files[task.file];
            let Some(piece) = task.piece.take() else {
                break;
            };
            let piece = piece.map_err(|source| ReadError {
                path: file.path.clone(),
                source,
            })?;
            report.refuse(file, lines.before(task.file, piece.lines), &piece);
            parsed.push(std::mem::take(&mut task.buckets));
            if !piece.is_last {
                break;
            }
            tasks.pop_front();
        }
        add(&mut partitions, &parsed);
        for (parser, mut buckets) in (0..threads).cycle().zip(parsed) {
            if !buckets.is_empty() {
                buckets.iter_mut().for_each(Vec::clear);
                parsers[parser].buckets.push(buckets);
            }
        }
    }
    drop(parsers);
    for batch in &partitions {
        report.readings += batch.readings();
        report.repeats += batch.repeats();
    }
    let rows = Rows::new(names.into_vec(), options.window_seconds, partitions);
    Ok((rows, report))
}

/// Adds the readings of pieces, in their order, to all partitions at once.
fn add(partitions: &mut [Batch<Totals>], pieces: &[Buckets]) {
    let mut workers = vec![(); partitions.len()];
    let partitions = partitions.iter_mut().enumerate();
    share_out(&mut workers, partitions, |(), (index, batch)| {
        for entry in pieces.iter().filter_map(|piece| piece.get(index)).flatten() {
            entry.add_to(batch);
        }
    });
}

impl Report {
    fn refuse(&mut self, file: &ArchiveFile, lines_before: u64, piece: &Piece) {
        self.refused += piece.refused;
        for (line, reason) in &piece.reasons {
            if self.reasons.len() < TOLD {
                self.reasons.push(Refused {
                    path: file.path.clone(),
                    line: lines_before + line,
                    reason: reason.clone(),
                });
            }
        }
    }
}

/// Counts a file's lines over its pieces.
#[derive(Default)]
struct LineNumbers {
    file: usize,
    lines: u64,
}

impl LineNumbers {
    /// How many lines stand in a file before a piece with `lines` lines.
    fn before(&mut self, file: usize, lines: u64) -> u64 {
        if self.file != file {
            *self = Self { file, lines: 0 };
        }
        let before = self.lines;
        self.lines += lines;
        before
    }
}
