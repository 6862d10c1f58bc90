//! All files' readings, by unicorn and window.

use unicorn::totals::Totals;
use windrow_core::batch::BatchFold;
use windrow_core::window::{InvalidWindow, Tumbling};

use crate::names::NameTable;
use crate::parse::Parser;
use crate::pipeline;
use crate::plan::ScanPlan;
use crate::report::ScanTotals;
pub use crate::report::{CutFile, RejectedLine, ScanReport};
use crate::rows::WindowRows;
use windrow_archive::ArchiveFile;
use windrow_archive::ArchiveReadError;

/// How to scan.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions {
    window_seconds: u32,
    windows: Tumbling,
    threads: usize,
    cut: CutFile,
}

impl ScanOptions {
    /// Windows of that many seconds, on that many threads; 0 threads count as 1.
    ///
    /// # Errors
    /// For a window of 0 seconds.
    pub fn new(window_seconds: u32, threads: usize) -> Result<Self, InvalidWindow> {
        Ok(Self {
            window_seconds,
            windows: Tumbling::new(i64::from(window_seconds) * 1000)?,
            threads: threads.max(1),
            cut: CutFile::default(),
        })
    }

    /// The same with the work cut otherwise; 0 bytes count as 1.
    pub fn with_cut(self, cut: CutFile) -> Self {
        let cut = CutFile {
            plain: cut.plain.max(1),
            packed: cut.packed.max(1),
            ahead: cut.ahead.max(1),
        };
        Self { cut, ..self }
    }
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
    options: ScanOptions,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(WindowRows, ScanReport), ArchiveReadError> {
    let ScanOptions { threads, cut, .. } = options;
    let names = NameTable::new(threads);
    let mut parsers: Vec<Parser<'_>> = (0..threads).map(|_| Parser::new(&names)).collect();
    let mut partitions: Vec<BatchFold<Totals>> = vec![BatchFold::new(options.windows); threads];
    let mut report = match (parsers.as_mut_slice(), partitions.as_mut_slice()) {
        ([parser], [batch]) => in_order(files, cut, progress, parser, batch)?,
        (parsers, _) => {
            let report;
            (partitions, report) = pipeline::run(files, cut, progress, parsers, partitions)?;
            report
        }
    };
    drop(parsers);
    for batch in &partitions {
        report.readings += batch.readings();
        report.duplicates += batch.duplicates();
    }
    let rows = WindowRows::new(names.into_vec(), options.window_seconds, partitions);
    Ok((rows, report))
}

/// Adds readings as they are parsed: one thread comes to them in their order.
fn in_order(
    files: &[ArchiveFile],
    cut: CutFile,
    progress: &(dyn Fn(u64) + Sync),
    parser: &mut Parser<'_>,
    batch: &mut BatchFold<Totals>,
) -> Result<ScanReport, ArchiveReadError> {
    let mut totals = ScanTotals::default();
    let mut plan = ScanPlan::new(files, cut);
    while let Some(mut split) = plan.next() {
        let number = split.file;
        let file = &files[number];
        loop {
            let parsed = split.parse(parser, files, cut, progress, |_, entry| entry.add_to(batch));
            let (piece, rest) = parsed.map_err(|source| ArchiveReadError {
                path: file.path.clone(),
                source,
            })?;
            totals.note(number, file, &piece);
            match rest {
                Some(rest) => split = rest,
                None => break,
            }
        }
    }
    Ok(totals.report)
}
