//! Several batches of one shard at a time (`ParallelizationFactor`): the shard's records are divided
//! into lanes by their partition keys, and each lane has a poller of its own. So the records of a key
//! are delivered in order, one batch after the other.
//!
//! The lanes share one reader, and one file for their progress: the record up to which all of them
//! are done and, for each lane, how far it is ahead of that. A restart delivers nothing again that a
//! lane had saved as done, with another number of lanes too.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Mutex, MutexGuard, Notify, mpsc};
use tokio_util::sync::CancellationToken;
use windrow_read::{ReadError, ShardRecord, Start};

use super::begin::ShardBegin;
use super::pages::{PageRead, PageReader, is_later, read_page};
use super::{Pages, Poller, Polling, ProgressWriter, READ_AHEAD, Saving};
use crate::clock::Clock;
use crate::mapping::checkpoint::{CheckpointWriter, LaneSet, SavedStart, ShardToSave};
use crate::mapping::follow::ProgressMark;

/// The most records to read ahead for a lane that is busy while another one reads.
const LANE_AHEAD: usize = 10_000;

/// The lane of a partition key, of this many. Does not change from run to run (64-bit FNV-1a).
fn lane_of(partition_key: &str, lanes: usize) -> usize {
    let hash = partition_key
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    usize::try_from(hash % lanes.max(1) as u64).unwrap_or(0)
}

/// Whether lanes have done a record that is not before the start of all of them.
pub(super) fn is_done(record: &ShardRecord, lanes: &[Option<String>]) -> bool {
    let done = lanes.get(lane_of(&record.partition_key, lanes.len()));
    let done = done.and_then(Option::as_ref);
    done.is_some_and(|done| !is_later(&record.sequence_number, done))
}

/// Divides the pages of one reader among lanes.
pub(super) struct LaneSplitter {
    state: Mutex<SplitState>,
    /// Notified when a lane takes a page.
    taken: Notify,
    clock: Clock,
    read_ahead: usize,
}

struct SplitState {
    reader: Box<dyn PageReader>,
    /// What was read for each lane while another one read.
    pending: Vec<Option<PageRead>>,
    /// What lanes had done before this start.
    done: Vec<LaneSet>,
}

impl LaneSplitter {
    /// Divides what `reader` reads, without what was `done`.
    pub(super) fn new(
        reader: Box<dyn PageReader>,
        lanes: usize,
        done: Vec<LaneSet>,
        clock: Clock,
        read_ahead: usize,
    ) -> Self {
        Self {
            state: Mutex::new(SplitState {
                reader,
                pending: (0..lanes).map(|_| None).collect(),
                done,
            }),
            taken: Notify::new(),
            clock,
            read_ahead,
        }
    }

    /// The next page of a lane.
    async fn next(&self, lane: usize) -> Result<PageRead, ReadError> {
        loop {
            let mut state = self.state.lock().await;
            if let Some(page) = state.pending.get_mut(lane).and_then(Option::take) {
                self.taken.notify_waiters();
                return Ok(page);
            }
            let taken = self.taken.notified();
            let is_full = |page: &PageRead| page.records.len() >= LANE_AHEAD;
            if state.pending.iter().flatten().any(is_full) {
                drop(state);
                taken.await;
                continue;
            }
            let page = read_page(&mut *state.reader, &self.clock, self.read_ahead).await?;
            return Ok(state.split(page, lane));
        }
    }
}

impl SplitState {
    /// Returns the part of a page that belongs to `lane`, and keeps the others.
    fn split(&mut self, page: PageRead, lane: usize) -> PageRead {
        let lanes = self.pending.len();
        let mut parts: Vec<PageRead> = (0..lanes).map(|_| page.without_records()).collect();
        for record in page.records {
            if self.done.iter().any(|done| is_done(&record, done)) {
                continue;
            }
            if let Some(part) = parts.get_mut(lane_of(&record.partition_key, lanes)) {
                part.records.push(record);
            }
        }
        let mut own = None;
        for (index, (part, waiting)) in parts.into_iter().zip(&mut self.pending).enumerate() {
            if index == lane {
                own = Some(part);
            } else {
                waiting.get_or_insert_default().append(part);
            }
        }
        own.unwrap_or_default()
    }
}

/// Reads one lane.
pub(super) struct LaneReader {
    pub(super) splitter: Arc<LaneSplitter>,
    pub(super) lane: usize,
}

impl LaneReader {
    pub(super) async fn next(&self) -> Result<PageRead, ReadError> {
        self.splitter.next(self.lane).await
    }
}

/// The progress of a shard's lanes, in one file.
pub(super) struct LaneSaving {
    progress: Mutex<LanesProgress>,
}

struct LanesProgress {
    writer: CheckpointWriter,
    /// From where all lanes read.
    start: Start,
    /// How many records were done before this start.
    records: u64,
    lanes: Vec<LaneProgress>,
    /// What lanes had done before this start.
    done: Vec<LaneSet>,
}

#[derive(Clone, Default)]
struct LaneProgress {
    done: Option<String>,
    records: u64,
    finished: bool,
}

impl LaneSaving {
    pub(super) fn new(
        writer: CheckpointWriter,
        start: Start,
        records: u64,
        lanes: usize,
        done: Vec<LaneSet>,
    ) -> Self {
        Self {
            progress: Mutex::new(LanesProgress {
                writer,
                start,
                records,
                lanes: vec![LaneProgress::default(); lanes],
                done,
            }),
        }
    }

    /// Saves that a lane is done up to `checkpoint`, which are this many records since the start.
    /// Returns whether it succeeded before `stop`.
    pub(super) async fn save(
        &self,
        lane: usize,
        checkpoint: &Start,
        records: u64,
        finished: bool,
        now: i64,
        stop: &CancellationToken,
    ) -> bool {
        let mut progress: MutexGuard<'_, LanesProgress> = self.progress.lock().await;
        let done = match checkpoint {
            Start::AfterSequence(number) => Some(number.clone()),
            _ => None,
        };
        if let Some(lane) = progress.lanes.get_mut(lane) {
            *lane = LaneProgress {
                done,
                records,
                finished,
            };
        }
        let to_save = progress.to_save(now);
        progress.writer.save(to_save, stop).await
    }
}

impl LanesProgress {
    fn to_save<'a>(&self, now: i64) -> ShardToSave<'a> {
        let own: LaneSet = self.lanes.iter().map(|lane| lane.done.clone()).collect();
        let lowest = own.iter().min_by(|one, two| order(one).cmp(&order(two)));
        let start = match lowest {
            Some(Some(number)) => SavedStart::After(number.clone()),
            _ => SavedStart::of(&self.start, now),
        };
        // What is ahead of the start.
        let is_ahead = |set: &&LaneSet| {
            let mut numbers = set.iter().flatten();
            numbers.any(|number| match &start {
                SavedStart::After(start) => is_later(number, start),
                _ => true,
            })
        };
        let sets = self.done.iter().chain([&own]);
        let lanes = sets.filter(is_ahead).cloned().collect();
        let records: u64 = self.lanes.iter().map(|lane| lane.records).sum();
        ShardToSave {
            start,
            records: self.records + records,
            finished: self.lanes.iter().all(|lane| lane.finished),
            window: None,
            lanes,
            now,
        }
    }
}

/// A key by which sequence numbers are ordered; none comes first.
fn order(number: &Option<String>) -> Option<(usize, &str)> {
    number
        .as_ref()
        .map(|number| (number.len(), number.as_str()))
}

impl Polling {
    /// Runs a poller for each of the shard's lanes.
    pub(super) async fn run_lanes(
        self: Arc<Self>,
        shard: String,
        begin: ShardBegin,
        mark: ProgressMark,
        stop: CancellationToken,
    ) {
        let lanes = self.options.parallelization_factor;
        let checkpoint = begin.checkpoint;
        let saved = begin.saved.map(|saved| {
            let start = checkpoint.clone();
            let done = saved.lanes.clone();
            let saving = LaneSaving::new(saved.writer, start, saved.records, lanes, done);
            (Arc::new(saving), saved.is_saved, saved.lanes)
        });
        let reader = (self.open)(&shard, checkpoint.clone());
        let done = saved.as_ref().map(|(_, _, done)| done.clone());
        let clock = self.source.clock.clone();
        let splitter =
            LaneSplitter::new(reader, lanes, done.unwrap_or_default(), clock, READ_AHEAD);
        let splitter = Arc::new(splitter);
        run_lanes(lanes, &mark, |lane, mark| {
            let pages = Pages::Lane(LaneReader {
                splitter: Arc::clone(&splitter),
                lane,
            });
            let saving = saved.as_ref().map(|(saving, is_saved, _)| Saving {
                writer: ProgressWriter::Lane(Arc::clone(saving), lane),
                is_saved: *is_saved,
                records: 0,
                rebuild: 0,
                rebuilt_from: None,
            });
            let (polling, shard, stop) = (Arc::clone(&self), shard.clone(), stop.clone());
            let poller = Poller {
                saving,
                ..Poller::new(polling, shard, pages, checkpoint.clone(), mark, stop)
            };
            poller.run()
        })
        .await;
    }
}

/// Runs a shard's lanes until all have ended. `run` starts one, with the mark that it reports to.
pub(super) async fn run_lanes<F: Future<Output = ()>>(
    lanes: usize,
    mark: &ProgressMark,
    run: impl Fn(usize, ProgressMark) -> F,
) {
    let (marks, mut received) = mpsc::channel(64);
    let mut running: FuturesUnordered<_> = (0..lanes)
        .map(|lane| {
            let ended = run(lane, ProgressMark::new(&lane.to_string(), marks.clone()));
            async move {
                ended.await;
                lane
            }
        })
        .collect();
    let mut reached = vec![i64::MIN; lanes];
    loop {
        let (lane, time) = tokio::select! {
            ended = running.next() => match ended {
                Some(lane) => (lane, i64::MAX),
                None => return,
            },
            Some((lane, time)) = received.recv() => match lane.parse() {
                Ok(lane) => (lane, time),
                Err(_) => continue,
            },
        };
        if let Some(reached) = reached.get_mut(lane) {
            *reached = time.max(*reached);
        }
        if let Some(lowest) = reached
            .iter()
            .copied()
            .min()
            .filter(|time| *time < i64::MAX)
        {
            mark.set(lowest).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_do_not_change_from_run_to_run() {
        let lanes = ["", "a", "Shadowfax", "é"].map(|key| lane_of(key, 10));
        assert_eq!(lanes, [7, 6, 8, 7]);
        assert!((0..1000).all(|key| lane_of(&key.to_string(), 3) < 3));
        assert_eq!(lane_of("a", 1), 0);
    }
}
