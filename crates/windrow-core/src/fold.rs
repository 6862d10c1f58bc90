//! One shard's open window, folded record by record.
//!
//! A [`Fold`] travels from one invocation to the next as text. It knows which run of the log it
//! holds (its part), skips records at or before the last one it took in, and counts a reading that
//! was sent twice once. Closing it gives one row a window and key, each naming the part's interval,
//! so that whoever reads the rows can tell which of them hold the same readings (see
//! [`merge`](crate::merge)).

mod keys;
mod progress;

use std::borrow::Borrow;
use std::hash::Hash;

use crate::accumulators::{Accumulators, WindowAccumulator};
use crate::aggregate::{Aggregate, Count, Merge};
use crate::codec::{CodecError, Columnar, Decoder, Encoder};
use crate::dedup::DedupCache;
use crate::sequence::{InvalidSequenceNumber, SequenceNumber, SequenceRange};
use crate::window::Window;

use keys::Keys;
use progress::FoldProgress;

/// Bounds of a fold's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateLimits {
    /// The longest encoded state, in bytes of text. At this size a fold asks to be closed.
    pub state: usize,
    /// The share of it that the dedup cache may take, in bytes of text.
    pub seen: usize,
    /// The most accumulators (windows times keys). At this number a fold asks to be closed, so that the rows
    /// of one closing can be sent within one invocation.
    pub accumulators: usize,
}

impl Default for StateLimits {
    /// 900 KB of state, of which 256 KB for seen readings: Lambda ends a window early at 1 MB. And
    /// 40,000 accumulators: rows of some 430 bytes each, which take a shard of 1 MB a second 17 seconds.
    fn default() -> Self {
        Self {
            state: 900_000,
            seen: 256_000,
            accumulators: 40_000,
        }
    }
}

/// What a fold knows of one window and key when it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<K, A> {
    /// The window.
    pub window: Window,
    /// The key.
    pub key: K,
    /// How many distinct readings were added.
    pub readings: u64,
    /// How many more there were that had been seen before, in this part or since `dedup_from`.
    pub duplicates: u64,
    /// The distinct readings, aggregated; the identity where there are only repeats.
    pub aggregate: A,
    /// The part of the log that was folded; the same for all rows of one closing.
    pub range: SequenceRange,
    /// The first record whose readings were remembered; that of the part, unless it follows another
    /// part of the same window.
    pub dedup_from: SequenceNumber,
}

/// One shard's open window.
#[derive(Clone, Debug)]
pub struct Fold<K, A> {
    limits: StateLimits,
    progress: FoldProgress,
    keys: Keys<K>,
    /// By the keys' numbers.
    accumulators: Accumulators<usize, CountedAccumulator<A>>,
    /// Likewise.
    seen: DedupCache<usize>,
    size: SizeEstimate,
}

/// What an accumulator holds.
#[derive(Clone, Debug)]
pub(crate) struct CountedAccumulator<A> {
    pub(crate) readings: Count,
    pub(crate) duplicates: Count,
    pub(crate) aggregate: A,
}

/// What comes into an accumulator.
pub(crate) enum Occurrence<'a, T: ?Sized> {
    Reading(&'a T),
    Duplicate,
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

impl<T: ?Sized, A: Aggregate<T>> Aggregate<Occurrence<'_, T>> for CountedAccumulator<A> {
    fn add(&mut self, entry: &Occurrence<'_, T>) {
        match entry {
            Occurrence::Reading(reading) => {
                self.readings.add(*reading);
                self.aggregate.add(reading);
            }
            Occurrence::Duplicate => self.duplicates.add(&()),
        }
    }
}

/// A version of the encoded state. Every one that was ever written can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateVersion {
    /// The first: it does not know of repeats, nor from where on readings are remembered.
    V1,
    /// With both.
    V2,
}

/// How large the encoded state can be: what it measured last, and what came to it since, in accumulators and in
/// the dedup cache; `raw` is all that the accumulators take before compression.
#[derive(Clone, Debug, Default)]
struct SizeEstimate {
    measured: usize,
    accumulators: usize,
    seen: usize,
    raw: usize,
}

/// What an accumulator is taken to cost beside its key, in bytes before compression.
const ACCUMULATOR_COST: usize = 64;
/// What a seen reading is taken to cost beside its key, likewise.
const DEDUP_COST: usize = 40;
/// By how much a few bytes more can lengthen the encoded state: a new block of the compression begins,
/// and the one before it ends otherwise.
const COMPRESSION_STEP: usize = 8_000;
/// The longest a state may be before compression; also what a decoder accepts at most.
const RAW_LIMIT: usize = 16 << 20;
/// Compression never adds more than this, and base64 makes four bytes of three.
fn encoded_bound(raw: usize) -> usize {
    (raw + raw / 128 + 64) * 4 / 3
}

impl<K, A> Fold<K, A>
where
    K: Clone + Eq + Hash + Ord + Columnar + AsRef<[u8]>,
    A: Merge + Columnar,
{
    /// Nothing folded yet.
    pub fn new(limits: StateLimits) -> Self {
        Self {
            limits,
            progress: FoldProgress::default(),
            keys: Keys::default(),
            accumulators: Accumulators::default(),
            seen: DedupCache::new(dedup_bound(limits)),
            size: SizeEstimate::default(),
        }
    }

    /// Starts on the record at `sequence_number`; false where that record was folded before and must be
    /// skipped. Records come in the order of the log.
    ///
    /// # Errors
    ///
    /// [`InvalidSequenceNumber`], where `sequence_number` is not a sequence number.
    pub fn begin_record(&mut self, sequence_number: &str) -> Result<bool, InvalidSequenceNumber> {
        self.progress.begin(sequence_number)
    }

    /// Adds a reading of the record last begun to its window; false where the same reading, by key
    /// and time (nanoseconds since the epoch), was added before and only counts as a repeat.
    pub fn add<Q, T>(&mut self, window: Window, key: &Q, time: i128, reading: &T) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + AsRef<[u8]> + ?Sized,
        A: Aggregate<T>,
        T: ?Sized,
    {
        let key_len = key.as_ref().len();
        let number = self.keys.number(key);
        let is_new = self.seen.insert(&number, key_len, time);
        let entry = if is_new {
            Occurrence::Reading(reading)
        } else {
            Occurrence::Duplicate
        };
        if is_new {
            self.size.seen += key_len + DEDUP_COST;
        }
        if self.accumulators.add(window, &number, &entry) {
            self.size.accumulators += key_len + ACCUMULATOR_COST;
        }
        is_new
    }

    /// Whether the state has grown to its limit, so that the fold must be closed before the next
    /// record. Cheap: the state is encoded only when it may have come near the limit.
    pub fn is_full(&mut self) -> bool {
        if self.accumulators.is_empty() {
            return false;
        }
        let raw = self.size.raw + self.size.accumulators;
        if self.accumulators.len() >= self.limits.accumulators || raw > RAW_LIMIT / 2 {
            return true;
        }
        let limit = self.limits.state.saturating_sub(COMPRESSION_STEP);
        let added = encoded_bound(self.size.accumulators + self.size.seen);
        if self.size.measured + added <= limit {
            return false;
        }
        self.size = SizeEstimate {
            measured: self.encode().len(),
            accumulators: 0,
            seen: 0,
            raw,
        };
        self.size.measured > limit - limit / 20
    }

    /// Ends the part: gives its rows, by window and key, and goes on with none. The last position
    /// and the dedup cache stay, so that the next part is told by `dedup_from` as well.
    pub fn close(&mut self) -> Vec<Row<K, A>> {
        // What is still remembered stays in the state.
        self.size = SizeEstimate {
            measured: encoded_bound(self.seen.cost()),
            ..SizeEstimate::default()
        };
        let Some((range, dedup_from)) = self.progress.end_range() else {
            return Vec::new();
        };
        let mut accumulators = self.accumulators.close_all();
        let (keys, places) = self
            .keys
            .table(accumulators.iter().map(|accumulator| &accumulator.key));
        accumulators
            .sort_unstable_by_key(|accumulator| (accumulator.window, places[accumulator.key]));
        let row = |accumulator: WindowAccumulator<usize, CountedAccumulator<A>>| Row {
            window: accumulator.window,
            key: keys[places[accumulator.key]].clone(),
            readings: accumulator.aggregate.readings.value(),
            duplicates: accumulator.aggregate.duplicates.value(),
            aggregate: accumulator.aggregate.aggregate,
            range: range.clone(),
            dedup_from: dedup_from.clone(),
        };
        let rows = accumulators.into_iter().map(row).collect();
        self.keys.keep(self.seen.keys());
        rows
    }

    /// How many accumulators (windows times keys) are open.
    pub fn open(&self) -> usize {
        self.accumulators.len()
    }

    /// How many seen readings were evicted to stay within the limit, since this fold was made or
    /// decoded.
    pub fn evicted(&self) -> u64 {
        self.seen.evicted()
    }

    /// The state as text, to be carried to the next invocation.
    pub fn encode(&self) -> String {
        self.encode_version(StateVersion::V2)
    }

    /// The same in the form of a version. An older one leaves out what it does not know.
    pub fn encode_version(&self, version: StateVersion) -> String {
        let mut out = Encoder::default();
        if version >= StateVersion::V2 {
            let dedup_from = self.progress.dedup_from();
            write_sequence_number(dedup_from.map_or("", SequenceNumber::as_str), &mut out);
        }
        for sequence_number in self.progress.ends() {
            write_sequence_number(sequence_number, &mut out);
        }

        let in_accumulators = self
            .accumulators
            .by_window()
            .flat_map(|(_, keys)| keys.keys());
        let (keys, places) = self.keys.table(in_accumulators.chain(self.seen.keys()));
        out.unsigned(keys.len() as u128);
        K::write(&keys, &mut out);

        out.unsigned(self.accumulators.by_window().len() as u128);
        for (window, keys) in self.accumulators.by_window() {
            // The first version has no place for an accumulator of duplicates alone.
            let mut accumulators: Vec<(usize, &CountedAccumulator<A>)> = keys
                .iter()
                .filter(|(_, accumulator)| {
                    version >= StateVersion::V2 || accumulator.readings.value() > 0
                })
                .map(|(key, accumulator)| (places[*key], accumulator))
                .collect();
            accumulators.sort_unstable_by_key(|(place, _)| *place);
            out.signed(i128::from(window.start));
            out.signed(i128::from(window.end));
            out.unsigned(accumulators.len() as u128);
            let mut last = 0;
            for (place, _) in &accumulators {
                out.unsigned((place - last) as u128);
                last = *place;
            }
            let accumulators: Vec<&CountedAccumulator<A>> = accumulators
                .into_iter()
                .map(|(_, accumulator)| accumulator)
                .collect();
            let readings: Vec<&Count> = accumulators
                .iter()
                .map(|accumulator| &accumulator.readings)
                .collect();
            Count::write(&readings, &mut out);
            if version >= StateVersion::V2 {
                let duplicates: Vec<&Count> = accumulators
                    .iter()
                    .map(|accumulator| &accumulator.duplicates)
                    .collect();
                Count::write(&duplicates, &mut out);
            }
            let with_readings = accumulators
                .iter()
                .filter(|accumulator| accumulator.readings.value() > 0);
            let aggregates: Vec<&A> = with_readings
                .map(|accumulator| &accumulator.aggregate)
                .collect();
            A::write(&aggregates, &mut out);
        }
        self.seen.write(|key| places[*key] as u128, &mut out);
        out.pack()
    }

    /// Undoes [`encode`](Self::encode).
    ///
    /// # Errors
    ///
    /// [`CodecError`], where the text is not a state of that version.
    pub fn decode(text: &str, limits: StateLimits) -> Result<Self, CodecError> {
        Self::decode_version(text, StateVersion::V2, limits)
    }

    /// Undoes [`encode_version`](Self::encode_version).
    ///
    /// # Errors
    ///
    /// [`CodecError`], where the text is not a state of that version.
    pub fn decode_version(
        text: &str,
        version: StateVersion,
        limits: StateLimits,
    ) -> Result<Self, CodecError> {
        let mut input = Decoder::unpack(text, RAW_LIMIT)?;
        let progress = read_progress(&mut input, version)?;
        let count = input.count()?;
        let keys = K::read(count, &mut input)?;
        let lengths: Vec<usize> = keys.iter().map(|key| key.as_ref().len()).collect();
        let (keys, numbers) = Keys::of(keys);
        let key_len = |index: usize| lengths[index];
        let (accumulators, raw) = read_accumulators(&mut input, version, &numbers, key_len)?;
        if !progress.has_range() && !accumulators.is_empty() {
            return Err(CodecError::Broken("it has accumulators without a part"));
        }
        let seen = DedupCache::read(dedup_bound(limits), &numbers, key_len, &mut input)?;
        input.finish()?;
        Ok(Self {
            limits,
            progress,
            keys,
            accumulators,
            seen,
            size: SizeEstimate {
                measured: text.len(),
                raw,
                ..SizeEstimate::default()
            },
        })
    }
}

/// Reads how far the log was folded: what [`Fold::encode_version`] writes first.
fn read_progress(input: &mut Decoder, version: StateVersion) -> Result<FoldProgress, CodecError> {
    let dedup_from = match version {
        StateVersion::V1 => None,
        StateVersion::V2 => read_sequence_number(input)?,
    };
    let [from, to, last] = [
        read_sequence_number(input)?,
        read_sequence_number(input)?,
        read_sequence_number(input)?,
    ];
    let range = match (from, to) {
        (Some(from), Some(to)) => Some(
            SequenceRange::new(from, to)
                .ok_or(CodecError::Broken("its part ends before it starts"))?,
        ),
        (None, None) => None,
        _ => return Err(CodecError::Broken("its part has one end only")),
    };
    let dedup_from = dedup_from.or_else(|| range.as_ref().map(|range| range.from().clone()));
    let started = range.as_ref().map(SequenceRange::from).or(last.as_ref());
    if dedup_from.as_ref() > started {
        return Err(CodecError::Broken("it remembers from after its start on"));
    }
    Ok(FoldProgress::new(dedup_from, range, last))
}

/// Reads the accumulators of all windows, and how many bytes they take before compression. `numbers` are
/// the keys' numbers in the fold, and `key_len` tells the length of each key, both by index.
fn read_accumulators<A: Merge + Columnar>(
    input: &mut Decoder,
    version: StateVersion,
    numbers: &[usize],
    key_len: impl Fn(usize) -> usize,
) -> Result<(Accumulators<usize, CountedAccumulator<A>>, usize), CodecError> {
    let mut accumulators = Accumulators::default();
    let mut raw = 0;
    for _ in 0..input.count()? {
        let window = Window {
            start: input.signed_as()?,
            end: input.signed_as()?,
        };
        let count = input.count()?;
        let mut indices = Vec::with_capacity(count);
        let mut last = 0_usize;
        for _ in 0..count {
            last = last.saturating_add(input.unsigned_as()?);
            indices.push(last);
        }
        let readings = Count::read(count, input)?;
        let duplicates = match version {
            StateVersion::V1 => vec![Count::identity(); count],
            StateVersion::V2 => Count::read(count, input)?,
        };
        let with_readings = readings.iter().filter(|count| count.value() > 0).count();
        let mut aggregates = A::read(with_readings, input)?.into_iter();
        for ((index, readings), duplicates) in indices.into_iter().zip(readings).zip(duplicates) {
            let aggregate = match readings.value() {
                0 => A::identity(),
                _ => aggregates.next().ok_or(CodecError::Broken(
                    "a column is shorter than its neighbours",
                ))?,
            };
            let aggregate = CountedAccumulator {
                readings,
                duplicates,
                aggregate,
            };
            let key = *numbers
                .get(index)
                .ok_or(CodecError::Broken("a key is not in its table"))?;
            raw += key_len(index) + ACCUMULATOR_COST;
            if raw > RAW_LIMIT {
                return Err(CodecError::TooLong {
                    length: raw as u64,
                    limit: RAW_LIMIT,
                });
            }
            accumulators.merge(WindowAccumulator {
                window,
                key,
                aggregate,
            });
        }
    }
    Ok((accumulators, raw))
}

fn dedup_bound(limits: StateLimits) -> usize {
    limits.seen * 3 / 4 - limits.seen / 128
}

/// Writes a position, or the empty text for none.
fn write_sequence_number(text: &str, out: &mut Encoder) {
    out.unsigned(text.len() as u128);
    out.raw(text.as_bytes());
}

fn read_sequence_number(input: &mut Decoder) -> Result<Option<SequenceNumber>, CodecError> {
    let length = input.count()?;
    if length == 0 {
        return Ok(None);
    }
    let text = std::str::from_utf8(input.raw(length)?);
    let sequence_number = text.ok().and_then(|text| text.parse().ok());
    sequence_number
        .map(Some)
        .ok_or(CodecError::Broken("a position is not a sequence number"))
}
