//! Reads all files into an aggregate per key and window.

use std::mem::needs_drop;
use std::sync::Arc;

use windrow_core::batch::BatchFold;
use windrow_core::sensor::Sensor;
use windrow_core::window::{InvalidWindow, Tumbling};

use super::keys::KeyTable;
use super::parse::{Parser, ReadingBucket};
use super::pipeline::{self, Scanned};
use super::plan::{FileSplit, ScanPlan};
use super::report::{PieceSizes, ScanReport, ScanTotals};
use super::rows::WindowRows;
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
    let partitions_per_thread = (PARTITIONS / threads).max(1);
    let keys = KeyTable::new(Arc::clone(sensor.schema()), threads * partitions_per_thread);
    let new_parser = |_| Parser::new(sensor, &keys);
    let mut parsers: Vec<Parser<'_, S>> = (0..threads).map(new_parser).collect();
    let new_batch = |_| BatchFold::new(options.windows);
    let shares = (0..threads).map(|_| (0..partitions_per_thread).map(new_batch).collect());
    let mut shares: Vec<Vec<BatchFold<S::Accumulator>>> = shares.collect();
    let mut report = match (parsers.as_mut_slice(), shares.as_mut_slice()) {
        ([parser], [partitions]) => in_order(sensor, files, sizes, progress, parser, partitions)?,
        (parsers, _) => {
            let scanned: Scanned<S> =
                pipeline::run(sensor, files, sizes, progress, parsers, shares)?;
            shares = scanned.0;
            scanned.1
        }
    };
    let partitions: Vec<BatchFold<S::Accumulator>> = shares.into_iter().flatten().collect();
    drop(parsers);
    for batch in &partitions {
        report.readings += batch.readings();
        report.duplicates += batch.duplicates();
    }
    let rows = WindowRows::new(sensor, keys.into_vec(), options.window_seconds, partitions);
    Ok((rows, report))
}

/// How many partitions the keys have at least.
///
/// Adding a reading mostly waits for memory: for the accumulator of its key and window, which is
/// anywhere if readings are in random order. The accumulators of a partition are few and together,
/// and so many readings are added to one after another that most find theirs in the cache. That
/// halves the time of 5 million readings in random order, and costs next to nothing in any other.
const PARTITIONS: usize = 64;

/// How many readings of a partition a single thread parses before it adds them: so many that those
/// of all partitions take about 4 MB. Values that own memory are larger than their size says.
const fn bucket_len<V>() -> usize {
    if needs_drop::<V>() { 256 } else { 2_048 }
}

/// Adds the readings of each partition in the order of the files, by a single thread.
fn in_order<S: Sensor>(
    sensor: &S,
    files: &[ArchiveFile],
    sizes: PieceSizes,
    progress: &(dyn Fn(u64) + Sync),
    parser: &mut Parser<'_, S>,
    partitions: &mut [BatchFold<S::Accumulator>],
) -> Result<ScanReport, ArchiveReadError> {
    let mut totals = ScanTotals::default();
    let mut plan = ScanPlan::new(files, sizes);
    // Where the last piece of a file ended.
    let mut ended = None;
    let mut buckets: Vec<ReadingBucket<S::Values>> = Vec::new();
    buckets.resize_with(partitions.len(), ReadingBucket::default);
    while let Some(mut split) = plan.next() {
        let number = split.file;
        if let Some((file, start)) = ended
            && file == number
        {
            split = FileSplit::between(file, split.weight, start, split.end);
        }
        let file = &files[number];
        loop {
            let parsed = split.parse(
                parser,
                files,
                sizes,
                progress,
                |number: usize, reading, identity| {
                    let bucket = &mut buckets[number];
                    bucket.push(reading, identity);
                    if bucket.len() == bucket_len::<S::Values>() {
                        bucket.add_to(sensor, &mut partitions[number]);
                    }
                },
            );
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
    for (bucket, partition) in buckets.iter_mut().zip(partitions) {
        bucket.add_to(sensor, partition);
    }
    Ok(totals.report)
}
