//! Reads all files into an aggregate per key and window.

use std::sync::Arc;

use windrow_core::batch::BatchFold;
use windrow_core::sensor::Sensor;
use windrow_core::window::{InvalidWindow, Tumbling};

use super::keys::KeyTable;
use super::parse::Parser;
use super::pipeline;
use super::plan::{FileSplit, ScanPlan};
use super::report::{PieceSizes, ScanReport, ScanTotals};
use super::rows::WindowRows;
use super::share::ShareFold;
use crate::{ArchiveFile, ArchiveReadError};

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

/// Reads files and computes the windows of every key by the readings' own time. Calls `progress`
/// after every read with the number of bytes read from the file.
///
/// The result depends only on the files and their order. Of readings with the same key, window and
/// identity, the first counts, in the order of the files. Readings without a time are rejected.
///
/// # Errors
/// If a file cannot be read to its end. The error names the first such file. There are no partial
/// results.
pub fn scan<'s, S: Sensor>(
    sensor: &'s S,
    files: &[ArchiveFile],
    options: ScanOptions,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(WindowRows<'s, S>, ScanReport), ArchiveReadError> {
    let ScanOptions { threads, sizes, .. } = options;
    let keys = KeyTable::new(Arc::clone(sensor.schema()), threads);
    let new_parser = |_| Parser::new(sensor, &keys);
    let mut parsers: Vec<Parser<'_, S>> = (0..threads).map(new_parser).collect();
    let window_millis = u64::from(options.window_seconds) * 1000;
    let new_share = |_| ShareFold::new(options.windows, window_millis);
    let mut shares: Vec<ShareFold<S>> = (0..threads).map(new_share).collect();
    let mut report = match (parsers.as_mut_slice(), shares.as_mut_slice()) {
        ([parser], [share]) => in_order(sensor, files, sizes, progress, parser, share)?,
        (parsers, _) => {
            let scanned = pipeline::run(sensor, files, sizes, progress, parsers, shares)?;
            shares = scanned.0;
            scanned.1
        }
    };
    let partitions = shares.into_iter();
    let partitions = partitions.flat_map(|share| share.into_partitions(sensor));
    let partitions: Vec<BatchFold<S::Accumulator>> = partitions.collect();
    drop(parsers);
    for batch in &partitions {
        report.readings += batch.readings();
        report.duplicates += batch.duplicates();
    }
    let rows = WindowRows::new(sensor, keys.into_vec(), options.window_seconds, partitions);
    Ok((rows, report))
}

/// Adds the readings in the order of the files, by a single thread.
fn in_order<S: Sensor>(
    sensor: &S,
    files: &[ArchiveFile],
    sizes: PieceSizes,
    progress: &(dyn Fn(u64) + Sync),
    parser: &mut Parser<'_, S>,
    share: &mut ShareFold<S>,
) -> Result<ScanReport, ArchiveReadError> {
    let mut totals = ScanTotals::default();
    let mut plan = ScanPlan::new(files, sizes);
    // Where the last piece of a file ended.
    let mut ended = None;
    while let Some(mut split) = plan.next() {
        let number = split.file;
        if let Some((file, start)) = ended
            && file == number
        {
            split = FileSplit::between(file, split.weight, start, split.end);
        }
        let file = &files[number];
        loop {
            let take = |_, reading, identity| share.add(sensor, reading, identity);
            let parsed = split.parse(parser, files, sizes, progress, take);
            let (piece, rest) = parsed.map_err(|source| ArchiveReadError {
                path: file.path.clone(),
                source,
            })?;
            totals.note(file, &piece);
            ended = Some((number, piece.end));
            match rest {
                Some(rest) => split = rest,
                None => break,
            }
        }
    }
    Ok(totals.report)
}
