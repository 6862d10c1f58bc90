//! Parses and aggregates files with several threads.
//!
//! A queue holds the parts of the files, in the order of the files. Any thread can parse any part,
//! into one bucket per share of the keys, of which each thread has one. A part of a plain file is parsed from its first line
//! on; if the part before turns out to end elsewhere, it is parsed again from there. The
//! buckets of a share are added in the order of the queue, by any thread. So a thread waits only if there is nothing to do or enough text was
//! read ahead ([`PieceSizes::read_ahead`]), and which of equal readings comes first does not depend
//! on the threads.
//!
//! Before a thread parses more, it adds the buckets of its own share: the readings parsed last are
//! then still in the processor's cache, and usually the accumulators, too.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use windrow_core::sensor::Sensor;

use super::bucket::ReadingBucket;
use super::parse::{Parser, Piece};
use super::plan::{FileSplit, ScanPlan};
use super::report::{PieceSizes, ScanReport, ScanTotals};
use super::share::ShareFold;
use crate::{ArchiveFile, ArchiveReadError, ReadProgress};

/// Reads all files into shares; each key belongs to one of them, and each parser has one. Each parser
/// runs on its own thread, the first one on the caller's. If a thread cannot be started, the others do
/// its work.
pub(super) fn run<S: Sensor>(
    sensor: &S,
    files: &[ArchiveFile],
    sizes: PieceSizes,
    progress: ReadProgress<'_>,
    parsers: &mut [Parser<'_, S>],
    shares: Vec<ShareFold<S>>,
) -> Result<Scanned<S>, ArchiveReadError> {
    let shared = PipelineState {
        sensor,
        queue: Mutex::new(Queue::new(files, sizes, shares)),
        changed: Condvar::new(),
    };
    let work = |number: usize, parser: &mut Parser<'_, S>| {
        let _ending = ScanEnding(&shared);
        shared.work(number, parser, sizes, progress);
    };
    let work = &work;
    thread::scope(|scope| {
        let mut numbered = parsers.iter_mut().enumerate();
        let first = numbered.next();
        for (number, parser) in numbered {
            // If it cannot be started, the other threads do its work.
            let _ = thread::Builder::new().spawn_scoped(scope, move || work(number, parser));
        }
        if let Some((number, parser)) = first {
            work(number, parser);
        }
    });
    let queue = shared.queue.into_inner();
    queue.unwrap_or_else(PoisonError::into_inner).end()
}

struct PipelineState<'f, 'p, S: Sensor> {
    sensor: &'f S,
    queue: Mutex<Queue<'f, 'p, S>>,
    /// Signaled when something was parsed or added.
    changed: Condvar,
}

impl<'f, 'p, S: Sensor> PipelineState<'f, 'p, S> {
    fn work(
        &self,
        number: usize,
        parser: &mut Parser<'_, S>,
        sizes: PieceSizes,
        progress: ReadProgress<'p>,
    ) {
        let mut queue = self.lock();
        let files = queue.files;
        loop {
            match queue.next_job(number) {
                Job::Add(share, mut fold, mut bucket) => {
                    drop(queue);
                    bucket.drain(|reading, identity| fold.add(self.sensor, reading, identity));
                    queue = self.lock();
                    queue.added(share, fold, bucket);
                }
                Job::Parse(id, split, mut buckets) => {
                    drop(queue);
                    let take = |share: usize, reading, identity| {
                        buckets[share].push(reading, identity);
                    };
                    let parsed = split.parse(parser, files, sizes, progress, take);
                    queue = self.lock();
                    queue.parsed(id, parsed, buckets);
                }
                Job::Wait => {
                    queue.waiting += 1;
                    let waited = self.changed.wait(queue);
                    queue = waited.unwrap_or_else(PoisonError::into_inner);
                    queue.waiting -= 1;
                    continue;
                }
                Job::End => {
                    self.changed.notify_all();
                    return;
                }
            }
            if queue.waiting > 0 {
                self.changed.notify_all();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<'f, 'p, S>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the scan if its thread panics, so that no other thread waits for it.
struct ScanEnding<'s, 'f, 'p, S: Sensor>(&'s PipelineState<'f, 'p, S>);

impl<S: Sensor> Drop for ScanEnding<'_, '_, '_, S> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().is_over = true;
            self.0.changed.notify_all();
        }
    }
}

/// A thread's next job.
enum Job<'p, S: Sensor> {
    /// Add a bucket to a share.
    Add(usize, ShareFold<S>, ReadingBucket<S::Values>),
    /// Parse the part in the slot with this ID, into one bucket per share.
    Parse(u64, FileSplit<'p>, Vec<ReadingBucket<S::Values>>),
    Wait,
    End,
}

/// The shares, and the report.
pub(super) type Scanned<S> = (Vec<ShareFold<S>>, ScanReport);

struct Queue<'f, 'p, S: Sensor> {
    files: &'f [ArchiveFile],
    plan: ScanPlan<'f>,
    sizes: PieceSizes,
    slots: VecDeque<BucketSlot<'p, S::Values>>,
    next_id: u64,
    shares: Vec<QueuedShare<S>>,
    /// Empty buckets, for reuse.
    spare: Vec<ReadingBucket<S::Values>>,
    totals: ScanTotals,
    /// The file and the end of the last part that is checked.
    ended: Option<(usize, u64)>,
    /// The first file that could not be read.
    failure: Option<ArchiveReadError>,
    is_over: bool,
    /// How many threads are waiting.
    waiting: usize,
}

/// The slot of a part in the queue.
struct BucketSlot<'p, V> {
    id: u64,
    file: usize,
    weight: u64,
    /// The part, until a thread takes it.
    split: Option<FileSplit<'p>>,
    /// The end of its range of the file.
    end: u64,
    /// The result, once it is parsed.
    piece: Option<io::Result<Piece>>,
    /// Whether it was parsed from where the part before ended.
    is_checked: bool,
    /// One bucket per share, until it is taken.
    buckets: Vec<ReadingBucket<V>>,
    /// How many shares have added their buckets.
    added: usize,
}

/// The share of a thread.
struct QueuedShare<S: Sensor> {
    /// `None` while a thread uses it.
    fold: Option<ShareFold<S>>,
    /// The index of the slot that has its next bucket.
    next: usize,
}

impl<'f, 'p, S: Sensor> Queue<'f, 'p, S> {
    fn new(files: &'f [ArchiveFile], sizes: PieceSizes, shares: Vec<ShareFold<S>>) -> Self {
        let shares = shares.into_iter().map(|fold| QueuedShare {
            fold: Some(fold),
            next: 0,
        });
        Self {
            files,
            plan: ScanPlan::new(files, sizes),
            sizes,
            slots: VecDeque::new(),
            next_id: 0,
            shares: shares.collect(),
            spare: Vec::new(),
            totals: ScanTotals::default(),
            ended: None,
            failure: None,
            is_over: false,
            waiting: 0,
        }
    }

    fn next_job(&mut self, thread: usize) -> Job<'p, S> {
        if self.is_over {
            return Job::End;
        }
        let mut others = (0..self.shares.len()).filter(|&number| number != thread);
        let job = self
            .bucket_of(thread)
            .or_else(|| self.split())
            .or_else(|| others.find_map(|number| self.bucket_of(number)));
        match job {
            Some(job) => job,
            None if self.slots.is_empty() => {
                self.is_over = true;
                Job::End
            }
            None => Job::Wait,
        }
    }

    /// The next bucket of a share, unless a thread uses it.
    fn bucket_of(&mut self, number: usize) -> Option<Job<'p, S>> {
        let share = self.shares.get_mut(number)?;
        let slot = self.slots.get_mut(share.next)?;
        if !slot.is_checked {
            return None;
        }
        let fold = share.fold.take()?;
        let bucket = slot.buckets.get_mut(number).map(std::mem::take);
        Some(Job::Add(number, fold, bucket.unwrap_or_default()))
    }

    /// The first part that no thread has taken, unless enough text before it is not added yet.
    fn split(&mut self) -> Option<Job<'p, S>> {
        let threads = self.shares.len();
        let most = self.sizes.read_ahead.saturating_mul(threads as u64);
        let mut weight = 0_u64;
        for index in 0.. {
            // Each thread may have one part, however large.
            if index >= threads && weight >= most {
                break;
            }
            if index == self.slots.len() {
                let split = self.plan.next()?;
                self.insert(index, split);
            }
            let slot = self.slots.get_mut(index)?;
            if let Some(split) = slot.split.take() {
                let spare = self.spare.len().saturating_sub(threads);
                let mut buckets = self.spare.split_off(spare);
                buckets.resize_with(threads, ReadingBucket::default);
                return Some(Job::Parse(slot.id, split, buckets));
            }
            weight = weight.saturating_add(slot.weight);
        }
        None
    }

    fn insert(&mut self, index: usize, split: FileSplit<'p>) {
        let slot = BucketSlot {
            id: self.next_id,
            file: split.file,
            weight: split.weight,
            end: split.end,
            split: Some(split),
            piece: None,
            is_checked: false,
            buckets: Vec::new(),
            added: 0,
        };
        self.next_id += 1;
        self.slots.insert(index, slot);
    }

    fn parsed(
        &mut self,
        id: u64,
        parsed: io::Result<(Piece, Option<FileSplit<'p>>)>,
        buckets: Vec<ReadingBucket<S::Values>>,
    ) {
        let Some(index) = self.slots.iter().position(|slot| slot.id == id) else {
            return;
        };
        let (piece, rest) = match parsed {
            Ok((piece, rest)) => (Ok(piece), rest),
            Err(error) => (Err(error), None),
        };
        let slot = &mut self.slots[index];
        (slot.piece, slot.buckets) = (Some(piece), buckets);
        if let Some(rest) = rest {
            self.insert(index + 1, rest);
        }
        self.check();
        self.retire();
    }

    /// Checks the parts that were parsed, in order. Stops at one that is to be parsed again.
    fn check(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| !slot.is_checked) {
            let Some(Ok(piece)) = &slot.piece else {
                return;
            };
            let before = self.ended.filter(|(file, _)| *file == slot.file);
            if let (Some(start), Some((file, end))) = (piece.start, before)
                && start != end
            {
                let split = FileSplit::between(file, slot.weight, end, slot.end);
                slot.split = Some(split);
                slot.piece = None;
                for mut bucket in slot.buckets.drain(..) {
                    bucket.clear();
                    self.spare.push(bucket);
                }
                return;
            }
            slot.is_checked = true;
            self.ended = Some((slot.file, piece.end));
        }
    }

    fn added(&mut self, number: usize, fold: ShareFold<S>, bucket: ReadingBucket<S::Values>) {
        self.spare.push(bucket);
        let share = &mut self.shares[number];
        share.fold = Some(fold);
        if let Some(slot) = self.slots.get_mut(share.next) {
            slot.added += 1;
        }
        share.next += 1;
        self.retire();
    }

    /// Removes the parts that all shares have added. Stops at a file that cannot be read.
    fn retire(&mut self) {
        while let Some(slot) = self.slots.front_mut() {
            let file = &self.files[slot.file];
            match slot.piece.take() {
                Some(Ok(piece)) if slot.added == self.shares.len() => {
                    self.totals.note(file, &piece);
                }
                Some(Err(source)) => {
                    let path = file.path.clone();
                    self.failure = Some(ArchiveReadError { path, source });
                    self.is_over = true;
                    return;
                }
                unfinished => {
                    slot.piece = unfinished;
                    return;
                }
            }
            self.slots.pop_front();
            for share in &mut self.shares {
                share.next -= 1;
            }
        }
    }

    fn end(self) -> Result<Scanned<S>, ArchiveReadError> {
        match self.failure {
            Some(failure) => Err(failure),
            None => {
                let shares = self.shares.into_iter();
                let shares = shares.filter_map(|share| share.fold);
                Ok((shares.collect(), self.totals.report))
            }
        }
    }
}
