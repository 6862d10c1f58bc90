//! A bounded dedup cache.

use std::borrow::{Borrow, Cow};
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use foldhash::fast::RandomState;

use crate::codec::{CodecError, Decoder, Encoder, unsigned_len};

/// A set of readings by key and time, so that a reading sent twice counts once.
///
/// A reading is identified by its key and an identity, usually its own time to the nanosecond. Both
/// are stored in full, so a new reading is never mistaken for a duplicate of another identity. The cache is bounded by its encoded size:
/// readings go into the younger of two generations, and when that reaches half of the bound, the
/// older one is evicted and the younger takes its place.
#[derive(Clone, Debug)]
pub struct DedupCache<K> {
    bound: usize,
    older: Generation<K>,
    younger: Generation<K>,
    evicted: u64,
}

#[derive(Clone, Debug)]
struct Generation<K> {
    times: HashMap<K, KeyTimes, RandomState>,
    readings: u64,
    cost: usize,
}

impl<K> Default for Generation<K> {
    fn default() -> Self {
        Self {
            times: HashMap::default(),
            readings: 0,
            cost: 0,
        }
    }
}

/// Times from here on (about 2.5 trillion years from the epoch) are not cached, so that no
/// difference of two times overflows.
pub(crate) const FARTHEST: u128 = 1 << 96;

/// The cost of a key beyond its own bytes: its index, its number of readings and its first time.
const KEY_COST: usize = 20;

impl<K: Eq + Hash + Ord> DedupCache<K> {
    /// An empty cache, bounded to `bound` bytes of encoded state before compression.
    pub fn new(bound: usize) -> Self {
        Self {
            bound,
            older: Generation::default(),
            younger: Generation::default(),
            evicted: 0,
        }
    }

    /// Inserts the reading of `key` at `time` (nanoseconds since the epoch). Returns false if it is
    /// in the cache already. `key_len` is the length of the key in bytes.
    pub fn insert<Q>(&mut self, key: &Q, key_len: usize, time: i128) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        if time.unsigned_abs() >= FARTHEST {
            return true;
        }
        let known = self.older.times.get(key);
        if known.is_some_and(|times| times.contains(time)) {
            return false;
        }
        if !self.younger.insert(key, key_len, time) {
            return false;
        }
        if self.younger.cost >= self.bound / 2 {
            self.evicted += self.older.readings;
            self.older = std::mem::take(&mut self.younger);
        }
        true
    }

    /// The number of readings evicted since this cache was created or decoded.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Empties the cache. What it evicted before still counts.
    pub(crate) fn clear(&mut self) {
        self.older = Generation::default();
        self.younger = Generation::default();
    }

    /// The number of readings in the cache.
    pub fn len(&self) -> u64 {
        self.older.readings + self.younger.readings
    }

    /// Whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An upper bound for the encoded size in bytes, before compression.
    pub(crate) fn cost(&self) -> usize {
        self.older.cost + self.younger.cost
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.older.times.keys().chain(self.younger.times.keys())
    }

    /// Writes both generations. `index` returns a key's index in a table that the caller writes.
    pub(crate) fn write(&self, index: impl Fn(&K) -> u128, out: &mut Encoder) {
        for generation in [&self.older, &self.younger] {
            generation.write(&index, out);
        }
    }

    /// Reads both generations. `key` returns the key at an index of the table, and its length in
    /// bytes.
    pub(crate) fn read(
        bound: usize,
        key: impl Fn(usize) -> Option<(K, usize)>,
        input: &mut Decoder,
    ) -> Result<Self, CodecError> {
        Ok(Self {
            bound,
            older: Generation::read(&key, input)?,
            younger: Generation::read(&key, input)?,
            evicted: 0,
        })
    }
}

impl<K: Eq + Hash + Ord> Generation<K> {
    fn insert<Q>(&mut self, key: &Q, key_len: usize, time: i128) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        match self.times.get_mut(key) {
            Some(times) => {
                let Some((before, after)) = times.insert(time) else {
                    return false;
                };
                self.cost += step_len(before, Some(time)) + step_len(Some(time), after);
                self.cost -= step_len(before, after);
            }
            None => {
                self.times
                    .insert(key.to_owned(), KeyTimes::starting_with(time));
                self.cost += key_len + KEY_COST;
            }
        }
        self.readings += 1;
        true
    }

    /// Writes a column each for the key indices, the number of times per key, the first time per
    /// key, and the steps between times.
    fn write(&self, index: &impl Fn(&K) -> u128, out: &mut Encoder) {
        let mut keys: Vec<(u128, Cow<'_, [i128]>)> = self
            .times
            .iter()
            .map(|(key, times)| (index(key), times.ascending()))
            .collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        out.unsigned(keys.len() as u128);
        let mut last = 0;
        for (key, _) in &keys {
            out.unsigned(key - last);
            last = *key;
        }
        for (_, times) in &keys {
            out.unsigned(times.len() as u128);
        }
        let mut last = 0;
        for first in keys.iter().filter_map(|(_, times)| times.first()) {
            out.signed(first - last);
            last = *first;
        }
        for (_, times) in &keys {
            for pair in times.windows(2) {
                out.unsigned(step(pair[1] - pair[0]));
            }
        }
    }

    fn read(
        key: &impl Fn(usize) -> Option<(K, usize)>,
        input: &mut Decoder,
    ) -> Result<Self, CodecError> {
        let count = input.count()?;
        let mut indices = Vec::with_capacity(count);
        let mut last = 0_usize;
        for _ in 0..count {
            let next: usize = input.unsigned_as()?;
            last = last.saturating_add(next);
            indices.push(last);
        }
        let mut numbers = Vec::with_capacity(count);
        for _ in 0..count {
            numbers.push(input.count()?);
        }
        let mut firsts = Vec::with_capacity(count);
        let mut last = 0_i128;
        for _ in 0..count {
            last = in_range(last.checked_add(input.signed()?))?;
            firsts.push(last);
        }
        let mut generation = Self::default();
        for ((index, number), first) in indices.into_iter().zip(numbers).zip(firsts) {
            let (key, key_len) =
                key(index).ok_or(CodecError::Malformed("a key is not in its table"))?;
            let mut times = vec![first];
            let mut cost = key_len + KEY_COST;
            let mut last = first;
            for _ in 1..number {
                let length = unstep(input.unsigned()?)?;
                cost += unsigned_len(step(length));
                last = in_range(last.checked_add(length))?;
                if length > 0 {
                    times.push(last);
                }
            }
            generation.readings += times.len() as u64;
            generation.cost += cost;
            generation.times.insert(key, KeyTimes::from(times));
        }
        Ok(generation)
    }
}

/// The times of a key. Nearly all arrive in order and are kept in a list.
#[derive(Clone, Debug)]
struct KeyTimes {
    /// Ascending.
    in_order: Vec<i128>,
    /// Those that arrived after a later one.
    others: BTreeSet<i128>,
}

/// The times must be ascending.
impl From<Vec<i128>> for KeyTimes {
    fn from(in_order: Vec<i128>) -> Self {
        let others = BTreeSet::new();
        Self { in_order, others }
    }
}

impl KeyTimes {
    /// One time, with capacity for a few more.
    fn starting_with(time: i128) -> Self {
        let mut in_order = Vec::with_capacity(8);
        in_order.push(time);
        Self::from(in_order)
    }

    fn contains(&self, time: i128) -> bool {
        self.in_order.binary_search(&time).is_ok() || self.others.contains(&time)
    }

    /// Inserts a time. Returns the times just before and after it; `None` if it is present already.
    fn insert(&mut self, time: i128) -> Option<(Option<i128>, Option<i128>)> {
        let last = self.in_order.last().copied();
        if last < Some(time) && self.others.is_empty() {
            self.in_order.push(time);
            return Some((last, None));
        }
        if self.contains(time) {
            return None;
        }
        let index = self.in_order.partition_point(|other| *other < time);
        let (earlier, later) = self.in_order.split_at(index);
        let before = self.others.range(..time).next_back().max(earlier.last());
        let after = [self.others.range(time..).next(), later.first()];
        let neighbors = (before.copied(), after.into_iter().flatten().min().copied());
        match later {
            [] => self.in_order.push(time),
            _ => drop(self.others.insert(time)),
        }
        Some(neighbors)
    }

    fn ascending(&self) -> Cow<'_, [i128]> {
        if self.others.is_empty() {
            return Cow::Borrowed(&self.in_order);
        }
        let mut times: Vec<i128> = self.in_order.iter().chain(&self.others).copied().collect();
        times.sort_unstable();
        Cow::Owned(times)
    }
}

/// Encodes the nanoseconds from one time to the next; whole milliseconds have short codes.
fn step(nanos: i128) -> u128 {
    let nanos = nanos as u128;
    // Nearly all steps are less than 584 years, and a division of 64 bits is several times faster.
    if let Ok(nanos) = u64::try_from(nanos) {
        return match nanos % 1_000_000 {
            0 => u128::from(nanos / 1_000_000) << 1,
            _ => (u128::from(nanos) << 1) | 1,
        };
    }
    match nanos % 1_000_000 {
        0 => (nanos / 1_000_000) << 1,
        _ => (nanos << 1) | 1,
    }
}

/// Decodes what [`step`] returned.
fn unstep(code: u128) -> Result<i128, CodecError> {
    let unit = if code & 1 == 0 { 1_000_000 } else { 1 };
    i128::try_from(code >> 1)
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .ok_or(CodecError::Malformed("a time is out of range"))
}

fn in_range(time: Option<i128>) -> Result<i128, CodecError> {
    time.filter(|time| time.unsigned_abs() < FARTHEST)
        .ok_or(CodecError::Malformed("a time is out of range"))
}

fn step_len(before: Option<i128>, after: Option<i128>) -> usize {
    match (before, after) {
        (Some(before), Some(after)) => unsigned_len(step(after - before)),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const SECOND: i128 = 1_000_000_000;

    #[test]
    fn a_duplicate_is_detected() {
        let mut cache: DedupCache<String> = DedupCache::new(10_000);
        assert!(cache.insert("Rocinante", 9, SECOND));
        assert!(!cache.insert("Rocinante", 9, SECOND));
        assert!(cache.insert("Rocinante", 9, SECOND + 1));
        assert!(cache.insert("Franky", 6, SECOND));
    }

    #[test]
    fn oldest_readings_are_evicted_and_counted() {
        let mut cache: DedupCache<String> = DedupCache::new(1_000);
        for second in 0..10_000 {
            assert!(cache.insert("Rocinante", 9, second * SECOND));
            assert!(cache.cost() <= 1_000);
        }
        assert!(!cache.insert("Rocinante", 9, 9_999 * SECOND));
        assert!(cache.insert("Rocinante", 9, 0));
        assert_eq!(cache.evicted() + cache.len(), 10_001);
    }

    fn round_trip(cache: &DedupCache<u32>) -> (DedupCache<u32>, usize) {
        let mut keys: Vec<u32> = cache.keys().copied().collect();
        keys.sort_unstable();
        keys.dedup();
        let mut out = Encoder::default();
        cache.write(|key| keys.binary_search(key).unwrap() as u128, &mut out);
        let text = out.pack();
        let mut input = Decoder::unpack(&text, 1_000_000).unwrap();
        let read = DedupCache::read(
            cache.bound,
            |index| Some((*keys.get(index)?, 4)),
            &mut input,
        )
        .unwrap();
        input.finish().unwrap();
        (read, text.len())
    }

    proptest! {
        #[test]
        fn below_its_bound_it_is_a_set(
            readings in proptest::collection::vec((0..5_u32, 0..40_i128, 0..2_i128), 0..200),
        ) {
            let mut cache: DedupCache<u32> = DedupCache::new(100_000);
            let mut set = HashSet::new();
            for (n, (key, millis, nanos)) in readings.into_iter().enumerate() {
                let time = (millis - 20) * 1_000_000 + nanos;
                prop_assert_eq!(cache.insert(&key, 4, time), set.insert((key, time)));
                if n % 20 == 0 {
                    let cost = cache.cost();
                    cache = round_trip(&cache).0;
                    prop_assert_eq!(cache.cost(), cost);
                }
            }
            prop_assert_eq!(cache.len(), set.len() as u64);
        }

        #[test]
        fn cost_bounds_the_encoded_size(
            readings in proptest::collection::vec((0..9_u32, any::<i64>()), 0..200),
        ) {
            let mut cache: DedupCache<u32> = DedupCache::new(100_000);
            for (key, time) in readings {
                cache.insert(&key, 4, i128::from(time));
            }
            let mut keys: Vec<u32> = cache.keys().copied().collect();
            keys.sort_unstable();
            let mut out = Encoder::default();
            cache.write(|key| keys.binary_search(key).unwrap() as u128, &mut out);
            let raw = Decoder::unpack(&out.pack(), usize::MAX).unwrap();
            let mut length = 0;
            let mut raw = raw;
            while raw.raw(1).is_ok() {
                length += 1;
            }
            // The key counts of the two generations add one or two bytes each.
            prop_assert!(length <= cache.cost() + 8, "{} > {}", length, cache.cost());
        }
    }
}
