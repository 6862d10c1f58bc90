//! The text form of a fold: its columns, compressed and encoded.

use std::hash::Hash;

use super::keys::Keys;
use super::progress::FoldProgress;
use super::windows::WindowNumbers;
use super::{
    ACCUMULATOR_COST, CountedAccumulator, DedupKey, Fold, RAW_LIMIT, SizeEstimate, StateLimits,
    dedup_bound,
};
use crate::accumulators::{Accumulators, WindowAccumulator};
use crate::aggregate::{Count, Merge};
use crate::codec::{CodecError, Columnar, Decoder, Encoder};
use crate::dedup::DedupCache;
use crate::sequence::{SequenceNumber, SequenceRange};
use crate::window::Window;

impl<K, A> Fold<K, A>
where
    K: Clone + Eq + Hash + Ord + Columnar + AsRef<[u8]>,
    A: Merge + Columnar,
{
    /// Encodes the state as text, to be carried to the next invocation.
    pub fn encode(&self) -> String {
        let mut out = Encoder::default();
        let folded = self.progress.folded();
        out.unsigned(folded.len() as u128);
        for run in folded {
            write_sequence_number(run.from().as_str(), &mut out);
            write_sequence_number(run.to().as_str(), &mut out);
        }
        out.unsigned(self.progress.earlier().len() as u128);
        for first in self.progress.earlier() {
            write_sequence_number(first.as_str(), &mut out);
        }
        let from = self.progress.from();
        write_sequence_number(from.map_or("", SequenceNumber::as_str), &mut out);

        let windows = self.accumulators.by_window().map(|(window, _)| window);
        let (windows, window_indices) = self.windows.table(windows, self.dedup.keys());
        out.unsigned(windows.len() as u128);
        for window in &windows {
            out.signed(i128::from(window.start));
            out.signed(i128::from(window.end));
        }
        let in_accumulators = self
            .accumulators
            .by_window()
            .flat_map(|(_, keys)| keys.keys());
        let in_dedup = self.dedup.keys().map(|(_, key)| key);
        let (keys, indices) = self.keys.table(in_accumulators.chain(in_dedup));
        out.unsigned(keys.len() as u128);
        K::write(&keys, &mut out);

        let mut by_window = self.accumulators.by_window().peekable();
        for window in windows {
            let keys = by_window.next_if(|(open, _)| *open == window);
            let accumulators = keys.into_iter().flat_map(|(_, keys)| keys);
            let accumulators = accumulators.map(|(key, accumulator)| (indices[*key], accumulator));
            write_accumulators(accumulators.collect(), &mut out);
        }
        let index = |(window, key): &DedupKey| window_indices[*window] * keys.len() + indices[*key];
        self.dedup.write(|key| index(key) as u128, &mut out);
        out.pack()
    }

    /// Decodes the text that [`encode`](Self::encode) returned.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the text is not a state.
    pub fn decode(text: &str, limits: StateLimits) -> Result<Self, CodecError> {
        let mut input = Decoder::unpack(text, RAW_LIMIT)?;
        let progress = read_progress(&mut input)?;
        let mut windows = Vec::new();
        for _ in 0..input.count()? {
            windows.push(Window {
                start: input.signed_as()?,
                end: input.signed_as()?,
            });
        }
        let count = input.count()?;
        let keys = K::read(count, &mut input)?;
        let lengths: Vec<usize> = keys.iter().map(|key| key.as_ref().len()).collect();
        let (keys, numbers) = Keys::assign(keys);
        let (windows, window_numbers) = WindowNumbers::assign(&windows);

        let mut reader = AccumulatorReader {
            numbers: &numbers,
            lengths: &lengths,
            raw: 0,
            accumulators: Accumulators::default(),
        };
        for window in windows.in_order() {
            reader.read(*window, &mut input)?;
        }
        let AccumulatorReader {
            raw, accumulators, ..
        } = reader;
        if progress.from().is_none() && !accumulators.is_empty() {
            return Err(CodecError::Malformed(
                "it has accumulators without a source range",
            ));
        }
        let key = |index: usize| -> Option<(DedupKey, usize)> {
            let window = index.checked_div(numbers.len())?;
            let key = index % numbers.len();
            let number = (*window_numbers.get(window)?, *numbers.get(key)?);
            Some((number, *lengths.get(key)?))
        };
        let dedup = DedupCache::read(dedup_bound(limits), key, &mut input)?;
        input.finish()?;
        Ok(Self {
            limits,
            progress,
            keys,
            windows,
            accumulators,
            dedup,
            size: SizeEstimate {
                measured: text.len(),
                raw,
                ..SizeEstimate::default()
            },
        })
    }
}

/// Writes the accumulators of a window, each given with the index of its key.
fn write_accumulators<A: Merge + Columnar>(
    mut accumulators: Vec<(usize, &CountedAccumulator<A>)>,
    out: &mut Encoder,
) {
    accumulators.sort_unstable_by_key(|(index, _)| *index);
    out.unsigned(accumulators.len() as u128);
    let mut last = 0;
    for (index, _) in &accumulators {
        out.unsigned((index - last) as u128);
        last = *index;
    }
    let accumulators = || accumulators.iter().map(|(_, accumulator)| *accumulator);
    let readings: Vec<&Count> = accumulators().map(|it| &it.readings).collect();
    Count::write(&readings, out);
    let duplicates: Vec<&Count> = accumulators().map(|it| &it.duplicates).collect();
    Count::write(&duplicates, out);
    let with_readings = accumulators().filter(|it| it.readings.value() > 0);
    let aggregates: Vec<&A> = with_readings.map(|it| &it.aggregate).collect();
    A::write(&aggregates, out);
}

/// Reads which records were folded, which [`Fold::encode`] writes first.
fn read_progress(input: &mut Decoder) -> Result<FoldProgress, CodecError> {
    const MALFORMED: CodecError = CodecError::Malformed("its source ranges are not in order");
    let mut folded = Vec::new();
    for _ in 0..input.count()? {
        let run = (read_sequence_number(input)?, read_sequence_number(input)?);
        let (Some(from), Some(to)) = run else {
            return Err(MALFORMED);
        };
        folded.push(SequenceRange::new(from, to).ok_or(MALFORMED)?);
    }
    let mut earlier = Vec::new();
    for _ in 0..input.count()? {
        earlier.push(read_sequence_number(input)?.ok_or(MALFORMED)?);
    }
    let from = read_sequence_number(input)?;
    let progress = FoldProgress::new(folded, from).ok_or(MALFORMED)?;
    progress.with_earlier(earlier).ok_or(MALFORMED)
}

/// Reads accumulators, window by window.
struct AccumulatorReader<'a, A> {
    /// The number of each key, by its index.
    numbers: &'a [usize],
    /// The length of each key, by its index.
    lengths: &'a [usize],
    /// The size of the accumulators in bytes before compression.
    raw: usize,
    accumulators: Accumulators<usize, CountedAccumulator<A>>,
}

impl<A: Merge + Columnar> AccumulatorReader<'_, A> {
    fn read(&mut self, window: Window, input: &mut Decoder) -> Result<(), CodecError> {
        let count = input.count()?;
        let mut indices = Vec::with_capacity(count);
        let mut last = 0_usize;
        for _ in 0..count {
            last = last.saturating_add(input.unsigned_as()?);
            indices.push(last);
        }
        let readings = Count::read(count, input)?;
        let duplicates = Count::read(count, input)?;
        let with_readings = readings.iter().filter(|count| count.value() > 0).count();
        let mut aggregates = A::read(with_readings, input)?.into_iter();
        for ((index, readings), duplicates) in indices.into_iter().zip(readings).zip(duplicates) {
            let aggregate = match readings.value() {
                0 => A::identity(),
                _ => aggregates.next().ok_or(CodecError::Malformed(
                    "a column is shorter than its neighbors",
                ))?,
            };
            let key = *self
                .numbers
                .get(index)
                .ok_or(CodecError::Malformed("a key is not in its table"))?;
            self.raw += self.lengths.get(index).unwrap_or(&0) + ACCUMULATOR_COST + aggregate.cost();
            if self.raw > RAW_LIMIT {
                return Err(CodecError::TooLong {
                    length: self.raw as u64,
                    limit: RAW_LIMIT,
                });
            }
            self.accumulators.merge(WindowAccumulator {
                window,
                key,
                aggregate: CountedAccumulator {
                    readings,
                    duplicates,
                    aggregate,
                },
            });
        }
        Ok(())
    }
}

/// Writes a sequence number; the empty text stands for none.
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
        .ok_or(CodecError::Malformed("it has an invalid sequence number"))
}
