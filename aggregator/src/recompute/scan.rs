//! All files' readings, by unicorn and window.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use foldhash::fast::RandomState;
use unicorn::totals::Totals;
use windowing::batch::Batch;
use windowing::window::{InvalidWindow, Tumbling, Window};

use super::ReadError;
use super::files::ArchiveFile;
use super::parse::{Parser, Piece, TOLD};
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
    /// Pieces of 1 MB (of packed files, of 128 MB, the largest buffer of Firehose's) and rounds of
    /// 32 MB.
    fn default() -> Self {
        Self {
            plain: 1 << 20,
            packed: 128 << 20,
            round: 32 << 20,
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
    let threads = options.threads;
    let hasher = RandomState::default();
    let parser = |index| Parser::new(index, options.windows, threads, hasher.clone());
    let mut parsers: Vec<Parser> = (0..threads).map(parser).collect();
    let mut partitions: Vec<Batch<Totals>> = vec![Batch::default(); threads];
    let mut names = Names::default();
    let round = options.cut.round.saturating_mul(threads as u64);
    let mut plan = Plan::new(files, options.cut, round);
    let mut report = Report::default();
    let mut lines = LineNumbers::default();
    let mut tasks = VecDeque::new();
    loop {
        plan.top_up(&mut tasks);
        if tasks.is_empty() {
            break;
        }
        let unparsed = tasks.iter_mut().filter(|task| task.piece.is_none());
        share_out(&mut parsers, unparsed, |parser, task| {
            task.parse(parser, files, options.cut, progress);
        });

        let mut pieces = Vec::new();
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
            let is_last = piece.is_last;
            pieces.push(piece);
            if !is_last {
                break;
            }
            tasks.pop_front();
        }
        names.learn(&parsers);
        add(&mut partitions, &pieces, &names, options);
    }
    let rows = Rows::new(names.all, options.window_seconds, partitions);
    for row in rows.iter() {
        report.readings += row.readings;
        report.repeats += row.repeats;
    }
    Ok((rows, report))
}

/// Adds pieces, in their order, to all partitions at once.
fn add(partitions: &mut [Batch<Totals>], pieces: &[Piece], names: &Names, options: Options) {
    let millis = i64::from(options.window_seconds) * 1000;
    let mut workers = vec![(); options.threads];
    let partitions = partitions.iter_mut().enumerate();
    share_out(&mut workers, partitions, |(), (index, batch)| {
        for piece in pieces {
            let numbers = &names.numbers[piece.parser];
            for entry in &piece.buckets[index] {
                let window = Window {
                    start: entry.window_start,
                    end: entry.window_start.saturating_add(millis),
                };
                batch.add(numbers[entry.name], window, entry.nanos, entry);
            }
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

/// Every name's number, and which one it has in each parser.
#[derive(Default)]
struct Names {
    all: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, usize, RandomState>,
    numbers: Vec<Vec<usize>>,
}

impl Names {
    /// Takes in the names that parsers have met since the last time.
    fn learn(&mut self, parsers: &[Parser]) {
        self.numbers.resize(parsers.len(), Vec::new());
        for (parser, numbers) in parsers.iter().zip(&mut self.numbers) {
            for name in parser.names().skip(numbers.len()) {
                let next = self.all.len();
                let number = *self.by_name.entry(Arc::clone(name)).or_insert(next);
                if number == next {
                    self.all.push(Arc::clone(name));
                }
                numbers.push(number);
            }
        }
    }
}
