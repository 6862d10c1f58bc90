//! Reads all files into totals per unicorn and window.

use unicorn::totals::Totals;
use windrow_core::batch::BatchFold;
use windrow_core::window::{InvalidWindow, Tumbling};

use crate::names::NameTable;
use crate::parse::Parser;
use crate::pipeline;
use crate::plan::ScanPlan;
use crate::report::ScanTotals;
pub use crate::report::{PieceSizes, RejectedLine, ScanReport};
use crate::rows::WindowRows;
use windrow_archive::ArchiveFile;
use windrow_archive::ArchiveReadError;

/// How to scan.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions {
    window_seconds: u32,
    windows: Tumbling,
    threads: usize,
    sizes: PieceSizes,
}

impl ScanOptions {
    /// Windows of `window_seconds`, computed by `threads` threads; 0 threads count as 1.
    ///
    /// # Errors
    /// If a window has 0 seconds.
    pub fn new(window_seconds: u32, threads: usize) -> Result<Self, InvalidWindow> {
        Ok(Self {
            window_seconds,
            windows: Tumbling::new(i64::from(window_seconds) * 1000)?,
            threads: threads.max(1),
            sizes: PieceSizes::default(),
        })
    }

    /// Replaces the sizes of pieces; 0 bytes count as 1.
    pub fn with_piece_sizes(self, sizes: PieceSizes) -> Self {
        let sizes = PieceSizes {
            plain: sizes.plain.max(1),
            compressed: sizes.compressed.max(1),
            read_ahead: sizes.read_ahead.max(1),
        };
        Self { sizes, ..self }
    }
}

/// Reads files and computes every unicorn's windows by StatusTime. Calls `progress` after every
/// read with the number of bytes read from the file.
///
/// The result depends only on the files and their order. Of readings with the same Name and
/// StatusTime, the first counts, in the order of the files.
///
/// # Errors
/// If a file cannot be read to its end. The error names the first such file. There are no partial
/// results.
pub fn scan(
    files: &[ArchiveFile],
    options: ScanOptions,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(WindowRows, ScanReport), ArchiveReadError> {
    let ScanOptions { threads, sizes, .. } = options;
    let names = NameTable::new(threads);
    let mut parsers: Vec<Parser<'_>> = (0..threads).map(|_| Parser::new(&names)).collect();
    let mut partitions: Vec<BatchFold<Totals>> = vec![BatchFold::new(options.windows); threads];
    let mut report = match (parsers.as_mut_slice(), partitions.as_mut_slice()) {
        ([parser], [batch]) => in_order(files, sizes, progress, parser, batch)?,
        (parsers, _) => {
            let report;
            (partitions, report) = pipeline::run(files, sizes, progress, parsers, partitions)?;
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

/// Adds readings as they are parsed: a single thread parses them in order.
fn in_order(
    files: &[ArchiveFile],
    sizes: PieceSizes,
    progress: &(dyn Fn(u64) + Sync),
    parser: &mut Parser<'_>,
    batch: &mut BatchFold<Totals>,
) -> Result<ScanReport, ArchiveReadError> {
    let mut totals = ScanTotals::default();
    let mut plan = ScanPlan::new(files, sizes);
    while let Some(mut split) = plan.next() {
        let number = split.file;
        let file = &files[number];
        loop {
            let parsed = split.parse(parser, files, sizes, progress, |_, entry| {
                entry.add_to(batch)
            });
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
