//! One shard's open windows, folded record by record.
//!
//! A [`Fold`] is carried from one invocation to the next as text. It tracks which records of the
//! log it has folded, skips those that are delivered again, and counts a reading once per window,
//! however often it was sent. Closing it returns one row per window and key. Each row names the
//! range of the log that was folded (its source range), so that readers can detect rows that cover
//! the same records (see [`merge`](crate::merge)).

mod keys;
mod progress;
mod state;
mod windows;

use std::borrow::Borrow;
use std::hash::Hash;

use crate::accumulators::{Accumulators, WindowAccumulator};
use crate::aggregate::{Aggregate, Count, Merge};
use crate::codec::Columnar;
use crate::dedup::DedupCache;
use crate::sequence::{InvalidSequenceNumber, SequenceNumber, SequenceRange};
use crate::window::Window;

use keys::Keys;
use progress::{FoldProgress, ProgressStep};
use windows::WindowNumbers;

/// What to do with a record.
#[derive(Debug)]
pub enum RecordStep<'f, K, A> {
    /// Add its readings.
    Fold(OpenRecord<'f, K, A>),
    /// Skip it: it was folded before.
    Skip,
    /// [Close](Fold::close) and [restart](Fold::restart) the fold, then begin the record again: it
    /// comes before the open source range, belongs to a range that is closed already, or follows
    /// records that were folded before an earlier restart.
    Restart,
}

impl<'f, K, A> RecordStep<'f, K, A> {
    /// The record, if its readings are to be added.
    pub fn into_record(self) -> Option<OpenRecord<'f, K, A>> {
        match self {
            Self::Fold(record) => Some(record),
            Self::Skip | Self::Restart => None,
        }
    }
}

/// A record that is being folded.
#[derive(Debug)]
pub struct OpenRecord<'f, K, A> {
    fold: &'f mut Fold<K, A>,
}

/// Limits of a fold's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateLimits {
    /// The maximum length of the encoded state, in bytes of text. At this size a fold is full.
    pub state: usize,
    /// The share of `state` that the dedup cache may take, in bytes of text.
    pub dedup: usize,
    /// The maximum number of accumulators (windows times keys). At this number a fold is full, so
    /// that the rows of one close can be sent within one invocation.
    pub accumulators: usize,
}

impl Default for StateLimits {
    /// 900 KB of state, of which 256 KB for the dedup cache, since Lambda ends a window early at
    /// 1 MB; and 40,000 accumulators, since a shard accepts 1 MB per second and so needs 17 seconds
    /// for that many rows of about 430 bytes.
    fn default() -> Self {
        Self {
            state: 900_000,
            dedup: 256_000,
            accumulators: 40_000,
        }
    }
}

/// The result of a closed fold for one window and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedRow<K, A> {
    /// The window.
    pub window: Window,
    /// The key.
    pub key: K,
    /// The number of distinct readings.
    pub readings: u64,
    /// The number of further readings that were duplicates of one in this range or since
    /// `dedup_from`.
    pub duplicates: u64,
    /// The aggregate of the distinct readings; the identity if there are only duplicates.
    pub aggregate: A,
    /// The source range that was folded; the same for all rows of one close.
    pub range: SequenceRange,
    /// The first record whose readings are in the dedup cache: the first one of the range, unless
    /// an earlier range of the same fold was closed before.
    pub dedup_from: SequenceNumber,
}

/// One shard's open windows.
#[derive(Clone, Debug)]
pub struct Fold<K, A> {
    limits: StateLimits,
    progress: FoldProgress,
    keys: Keys<K>,
    windows: WindowNumbers,
    /// By key number.
    accumulators: Accumulators<usize, CountedAccumulator<A>>,
    dedup: DedupCache<DedupKey>,
    size: SizeEstimate,
}

/// The number of a window and of a key: a reading is a duplicate only within a window.
type DedupKey = (usize, usize);

/// The content of an accumulator: the aggregate and its counts.
#[derive(Clone, Debug)]
pub(crate) struct CountedAccumulator<A> {
    pub(crate) readings: Count,
    pub(crate) duplicates: Count,
    pub(crate) aggregate: A,
}

impl<A: Merge> Merge for CountedAccumulator<A> {
    fn identity() -> Self {
        Self {
            readings: Count::identity(),
            duplicates: Count::identity(),
            aggregate: A::identity(),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.readings.merge(&other.readings);
        self.duplicates.merge(&other.duplicates);
        self.aggregate.merge(&other.aggregate);
    }
}

/// An upper bound for the size of the encoded state, in bytes.
#[derive(Clone, Debug, Default)]
struct SizeEstimate {
    /// The length of the encoded state when it was last measured.
    measured: usize,
    /// What accumulators added since then, before compression.
    accumulators: usize,
    /// What the dedup cache added since then, before compression.
    dedup: usize,
    /// The accumulators in total when the state was last measured, before compression.
    raw: usize,
}

/// The estimated cost of an accumulator without its key and without what its aggregate takes beyond
/// that ([`Columnar::cost`]), in bytes before compression.
const ACCUMULATOR_COST: usize = 64;
/// The cost of a window in the table of windows, in bytes before compression.
const WINDOW_COST: usize = 20;
/// The estimated cost of a reading in the dedup cache without its key, in bytes before compression.
const DEDUP_COST: usize = 40;
/// How much a few more bytes can lengthen the encoded state: the compressor starts a new block and
/// ends the one before it differently.
const COMPRESSION_STEP: usize = 8_000;
/// The maximum length of a state before compression; decoding rejects longer ones.
const RAW_LIMIT: usize = 16 << 20;
/// An upper bound for the encoded length of `raw` bytes: compression adds no more than this, and
/// base64 turns three bytes into four.
fn encoded_bound(raw: usize) -> usize {
    (raw + raw / 128 + 64) * 4 / 3
}

impl<K, A> Fold<K, A>
where
    K: Clone + Eq + Hash + Ord + Columnar + AsRef<[u8]>,
    A: Merge + Columnar,
{
    /// An empty fold.
    pub fn new(limits: StateLimits) -> Self {
        Self {
            limits,
            progress: FoldProgress::default(),
            keys: Keys::default(),
            windows: WindowNumbers::default(),
            accumulators: Accumulators::default(),
            dedup: DedupCache::new(dedup_bound(limits)),
            size: SizeEstimate::default(),
        }
    }

    /// Begins the record at `sequence_number`, and says what to do with it.
    ///
    /// Records usually come in the order of the log, and may be delivered again. AWS documents that
    /// records that are processed more than once might be processed out of order.
    ///
    /// # Errors
    ///
    /// [`InvalidSequenceNumber`] if `sequence_number` is not a sequence number.
    pub fn begin_record(
        &mut self,
        sequence_number: &str,
    ) -> Result<RecordStep<'_, K, A>, InvalidSequenceNumber> {
        Ok(match self.progress.begin(sequence_number)? {
            ProgressStep::Fold => RecordStep::Fold(OpenRecord { fold: self }),
            ProgressStep::Skip => RecordStep::Skip,
            ProgressStep::Restart => RecordStep::Restart,
        })
    }

    /// Whether the state has reached a limit, so that the fold must be closed before the next
    /// record. This is cheap: the state is encoded only when it may be near the limit.
    pub fn is_full(&mut self) -> bool {
        if self.accumulators.is_empty() {
            return false;
        }
        let raw = self.size.raw + self.size.accumulators;
        if self.accumulators.len() >= self.limits.accumulators || raw > RAW_LIMIT / 2 {
            return true;
        }
        let limit = self.limits.state.saturating_sub(COMPRESSION_STEP);
        let added = encoded_bound(self.size.accumulators + self.size.dedup);
        if self.size.measured + added <= limit {
            return false;
        }
        self.size = SizeEstimate {
            measured: self.encode().len(),
            accumulators: 0,
            dedup: 0,
            raw,
        };
        self.size.measured > limit - limit / 20
    }

    /// Ends the source range and returns its rows, ordered by window and key. Keeps track of the
    /// folded records and keeps the dedup cache, so `dedup_from` is the same for the next range.
    pub fn close(&mut self) -> Vec<FoldedRow<K, A>> {
        let stays = self.dedup.cost() + self.progress.cost() + self.windows.len() * WINDOW_COST;
        self.size = SizeEstimate {
            measured: encoded_bound(stays),
            ..SizeEstimate::default()
        };
        let Some((range, dedup_from)) = self.progress.end_range() else {
            return Vec::new();
        };
        let mut accumulators = self.accumulators.close_all();
        let (keys, indices) = self
            .keys
            .table(accumulators.iter().map(|accumulator| &accumulator.key));
        accumulators
            .sort_unstable_by_key(|accumulator| (accumulator.window, indices[accumulator.key]));
        let row = |accumulator: WindowAccumulator<usize, CountedAccumulator<A>>| FoldedRow {
            window: accumulator.window,
            key: keys[indices[accumulator.key]].clone(),
            readings: accumulator.aggregate.readings.value(),
            duplicates: accumulator.aggregate.duplicates.value(),
            aggregate: accumulator.aggregate.aggregate,
            range: range.clone(),
            dedup_from: dedup_from.clone(),
        };
        let rows = accumulators.into_iter().map(row).collect();
        self.keys.keep(self.dedup.keys().map(|(_, key)| key));
        rows
    }

    /// Starts over with no folded records and an empty dedup cache, as [`RecordStep::Restart`]
    /// requires. Only where the earlier ranges are stays, so that the next one does not pass by
    /// them. [Close](Self::close) the fold first: open accumulators are dropped.
    pub fn restart(&mut self) {
        self.dedup.clear();
        let progress = std::mem::take(&mut self.progress).restarted();
        *self = Self {
            progress,
            dedup: self.dedup.clone(),
            ..Self::new(self.limits)
        };
    }

    /// The number of open accumulators (windows times keys).
    pub fn open(&self) -> usize {
        self.accumulators.len()
    }

    /// The number of readings evicted from the dedup cache since this fold was created or decoded,
    /// those before a restart included.
    pub fn evicted(&self) -> u64 {
        self.dedup.evicted()
    }
}

impl<K, A> OpenRecord<'_, K, A>
where
    K: Clone + Eq + Hash + Ord + Columnar + AsRef<[u8]>,
    A: Merge + Columnar,
{
    /// Adds a reading of the record to `window`: `add` adds it to the accumulator of the window and
    /// `key`.
    ///
    /// `identity` tells a key's readings apart, usually by their time in nanoseconds since the
    /// epoch. If a reading of the same window, key and identity is in the dedup cache, this one only
    /// counts as a duplicate, and the result is false. A reading without an identity is never a
    /// duplicate.
    pub fn add<Q>(
        &mut self,
        window: Window,
        key: &Q,
        identity: Option<i128>,
        add: impl FnOnce(&mut A),
    ) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + AsRef<[u8]> + ?Sized,
    {
        let Fold {
            keys,
            windows,
            accumulators,
            dedup,
            size,
            ..
        } = &mut *self.fold;
        let key_len = key.as_ref().len();
        let number = keys.number(key);
        let (window_number, is_new_window) = windows.number(window);
        if is_new_window {
            size.dedup += WINDOW_COST;
        }
        let is_new = identity.is_none_or(|identity| {
            let is_new = dedup.insert(&(window_number, number), key_len, identity);
            if is_new {
                size.dedup += key_len + DEDUP_COST;
            }
            is_new
        });
        let mut grown = 0;
        let is_opened = accumulators.add(window, &number, |accumulator| {
            if !is_new {
                accumulator.duplicates.add(&());
                return;
            }
            accumulator.readings.add(&());
            let before = accumulator.aggregate.cost();
            add(&mut accumulator.aggregate);
            grown = accumulator.aggregate.cost().saturating_sub(before);
        });
        size.accumulators += grown;
        if is_opened {
            size.accumulators += key_len + ACCUMULATOR_COST;
        }
        is_new
    }
}

fn dedup_bound(limits: StateLimits) -> usize {
    limits.dedup * 3 / 4 - limits.dedup / 128
}
