//! Several threads at once, from files to accumulators.
//!
//! The parts of the files stand in a queue, in the order of the files. Any thread parses any of them,
//! into a bucket for each partition of the names; and each partition takes its buckets in the order of
//! the queue, whichever thread adds them. So nobody waits while there is something to do, unless enough was
//! read ahead ([`CutFile::ahead`]), and of equal readings the first is the first whatever the threads do.
//!
//! A thread adds what is there for the partition of its own number before it parses more: what was
//! parsed last is then still in the processor's cache, and so are, mostly, the accumulators.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use unicorn::totals::Totals;
use windrow_core::batch::BatchFold;

use crate::parse::{ParsedReading, Parser, Piece};
use crate::plan::{FileSplit, ScanPlan};
use crate::report::{CutFile, ScanReport, ScanTotals};
use windrow_archive::ArchiveFile;
use windrow_archive::ArchiveReadError;
use windrow_archive::ReadProgress;

/// Reads all files into partitions, as many as there are parsers; each name has its own in one of them.
/// Each parser has a thread, the first one this. A thread that cannot be started leaves its share to
/// the others.
pub(super) fn run(
    files: &[ArchiveFile],
    cut: CutFile,
    progress: ReadProgress<'_>,
    parsers: &mut [Parser<'_>],
    partitions: Vec<BatchFold<Totals>>,
) -> Result<(Vec<BatchFold<Totals>>, ScanReport), ArchiveReadError> {
    let shared = PipelineState {
        queue: Mutex::new(Queue::new(files, cut, partitions)),
        changed: Condvar::new(),
    };
    let work = |number: usize, parser: &mut Parser<'_>| {
        let _ending = ScanEnding(&shared);
        shared.work(number, parser, cut, progress);
    };
    let work = &work;
    thread::scope(|scope| {
        let mut numbered = parsers.iter_mut().enumerate();
        let first = numbered.next();
        for (number, parser) in numbered {
            // That it cannot be started is no fault: the others take its share.
            let _ = thread::Builder::new().spawn_scoped(scope, move || work(number, parser));
        }
        if let Some((number, parser)) = first {
            work(number, parser);
        }
    });
    let queue = shared.queue.into_inner();
    queue.unwrap_or_else(PoisonError::into_inner).end()
}

struct PipelineState<'f, 'p> {
    queue: Mutex<Queue<'f, 'p>>,
    /// Something was parsed or added.
    changed: Condvar,
}

impl<'f, 'p> PipelineState<'f, 'p> {
    fn work(
        &self,
        number: usize,
        parser: &mut Parser<'_>,
        cut: CutFile,
        progress: ReadProgress<'p>,
    ) {
        let mut queue = self.lock();
        let files = queue.files;
        loop {
            match queue.next_job(number) {
                Job::Add(partition, mut batch, mut bucket) => {
                    drop(queue);
                    for entry in bucket.drain(..) {
                        entry.add_to(&mut batch);
                    }
                    queue = self.lock();
                    queue.added(partition, batch, bucket);
                }
                Job::Parse(id, split, mut buckets) => {
                    drop(queue);
                    let parsed = split.parse(parser, files, cut, progress, |partition, entry| {
                        buckets[partition].push(entry);
                    });
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

    fn lock(&self) -> MutexGuard<'_, Queue<'f, 'p>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets nobody wait for a thread that has panicked.
struct ScanEnding<'s, 'f, 'p>(&'s PipelineState<'f, 'p>);

impl Drop for ScanEnding<'_, '_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().is_over = true;
            self.0.changed.notify_all();
        }
    }
}

/// What a thread is to do next.
enum Job<'p> {
    /// Add a bucket to a partition.
    Add(usize, BatchFold<Totals>, ReadingBucket),
    /// Parse the part in the place with this number, into a bucket for each partition.
    Parse(u64, FileSplit<'p>, Vec<ReadingBucket>),
    Wait,
    End,
}

/// Readings of one partition, in the order of their file.
type ReadingBucket = Vec<ParsedReading>;

struct Queue<'f, 'p> {
    files: &'f [ArchiveFile],
    plan: ScanPlan<'f>,
    cut: CutFile,
    indexes: VecDeque<BucketSlot<'p>>,
    next_id: u64,
    partitions: Vec<NamePartition>,
    /// Empty ones, to be filled again.
    spare: Vec<ReadingBucket>,
    account: ScanTotals,
    /// The first file that could not be read.
    failure: Option<ArchiveReadError>,
    is_over: bool,
    /// How many threads wait.
    waiting: usize,
}

/// A part's place in the queue.
struct BucketSlot<'p> {
    id: u64,
    file: usize,
    weight: u64,
    /// Until a thread takes it.
    split: Option<FileSplit<'p>>,
    /// Once it is parsed.
    piece: Option<io::Result<Piece>>,
    /// One for each partition, until that takes it.
    buckets: Vec<ReadingBucket>,
    /// How many partitions have added theirs.
    added: usize,
}

struct NamePartition {
    /// None while a thread has it.
    batch: Option<BatchFold<Totals>>,
    /// The place in the queue of which it is to take its bucket next.
    next: usize,
}

impl<'f, 'p> Queue<'f, 'p> {
    fn new(files: &'f [ArchiveFile], cut: CutFile, batches: Vec<BatchFold<Totals>>) -> Self {
        let partitions = batches.into_iter().map(|batch| NamePartition {
            batch: Some(batch),
            next: 0,
        });
        Self {
            files,
            plan: ScanPlan::new(files, cut),
            cut,
            indexes: VecDeque::new(),
            next_id: 0,
            partitions: partitions.collect(),
            spare: Vec::new(),
            account: ScanTotals::default(),
            failure: None,
            is_over: false,
            waiting: 0,
        }
    }

    fn next_job(&mut self, thread: usize) -> Job<'p> {
        if self.is_over {
            return Job::End;
        }
        let mut others = (0..self.partitions.len()).filter(|&number| number != thread);
        let job = self
            .bucket_of(thread)
            .or_else(|| self.split())
            .or_else(|| others.find_map(|number| self.bucket_of(number)));
        match job {
            Some(job) => job,
            None if self.indexes.is_empty() => {
                self.is_over = true;
                Job::End
            }
            None => Job::Wait,
        }
    }

    /// The next bucket of a partition that no thread has.
    fn bucket_of(&mut self, number: usize) -> Option<Job<'p>> {
        let partition = self.partitions.get_mut(number)?;
        let place = self.indexes.get_mut(partition.next)?;
        if !matches!(place.piece, Some(Ok(_))) {
            return None;
        }
        let batch = partition.batch.take()?;
        let bucket = place.buckets.get_mut(number).map(std::mem::take);
        Some(Job::Add(number, batch, bucket.unwrap_or_default()))
    }

    /// The first part that nobody has parsed, unless enough was parsed before it that is not added.
    fn split(&mut self) -> Option<Job<'p>> {
        let threads = self.partitions.len();
        let most = self.cut.ahead.saturating_mul(threads as u64);
        let mut weight = 0_u64;
        for index in 0.. {
            // Every thread may have one, be it ever so large.
            if index >= threads && weight >= most {
                break;
            }
            if index == self.indexes.len() {
                let split = self.plan.next()?;
                self.insert(index, split);
            }
            let place = self.indexes.get_mut(index)?;
            if let Some(split) = place.split.take() {
                let mut buckets = self
                    .spare
                    .split_off(self.spare.len().saturating_sub(threads));
                buckets.resize(threads, ReadingBucket::new());
                return Some(Job::Parse(place.id, split, buckets));
            }
            weight = weight.saturating_add(place.weight);
        }
        None
    }

    fn insert(&mut self, index: usize, split: FileSplit<'p>) {
        let place = BucketSlot {
            id: self.next_id,
            file: split.file,
            weight: split.weight,
            split: Some(split),
            piece: None,
            buckets: Vec::new(),
            added: 0,
        };
        self.next_id += 1;
        self.indexes.insert(index, place);
    }

    fn parsed(
        &mut self,
        id: u64,
        parsed: io::Result<(Piece, Option<FileSplit<'p>>)>,
        buckets: Vec<ReadingBucket>,
    ) {
        let Some(index) = self.indexes.iter().position(|place| place.id == id) else {
            return;
        };
        let (piece, rest) = match parsed {
            Ok((piece, rest)) => (Ok(piece), rest),
            Err(error) => (Err(error), None),
        };
        let place = &mut self.indexes[index];
        (place.piece, place.buckets) = (Some(piece), buckets);
        if let Some(rest) = rest {
            self.insert(index + 1, rest);
        }
        self.retire();
    }

    fn added(&mut self, number: usize, batch: BatchFold<Totals>, bucket: ReadingBucket) {
        self.spare.push(bucket);
        let partition = &mut self.partitions[number];
        partition.batch = Some(batch);
        if let Some(place) = self.indexes.get_mut(partition.next) {
            place.added += 1;
        }
        partition.next += 1;
        self.retire();
    }

    /// Takes out of the queue what all partitions have added. It ends at a file that cannot be read.
    fn retire(&mut self) {
        while let Some(place) = self.indexes.front_mut() {
            let file = &self.files[place.file];
            match place.piece.take() {
                Some(Ok(piece)) if place.added == self.partitions.len() => {
                    self.account.note(place.file, file, &piece);
                }
                Some(Err(source)) => {
                    let path = file.path.clone();
                    self.failure = Some(ArchiveReadError { path, source });
                    self.is_over = true;
                    return;
                }
                unfinished => {
                    place.piece = unfinished;
                    return;
                }
            }
            self.indexes.pop_front();
            for partition in &mut self.partitions {
                partition.next -= 1;
            }
        }
    }

    fn end(self) -> Result<(Vec<BatchFold<Totals>>, ScanReport), ArchiveReadError> {
        match self.failure {
            Some(failure) => Err(failure),
            None => {
                let partitions = self.partitions.into_iter();
                let batches = partitions.filter_map(|partition| partition.batch);
                Ok((batches.collect(), self.account.report))
            }
        }
    }
}
