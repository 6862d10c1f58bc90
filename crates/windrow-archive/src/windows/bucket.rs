//! Readings on their way from the parser to the accumulators of their keys.

use std::borrow::Cow;

use windrow_core::batch::BatchFold;
use windrow_core::row::ReadingOrder;
use windrow_core::sensor::Sensor;
use windrow_core::time::Timestamp;

/// The parts of a reading that are aggregated: 16 bytes in addition to its values.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParsedReading<V> {
    /// The key's number in its share.
    key: u32,
    /// Nanoseconds, less than a million, and [`HAS_IDENTITY`] or [`HAS_NO_IDENTITY`] if the reading is
    /// not identified by its time.
    nanos: u32,
    millis: i64,
    values: V,
}

/// The bit of [`ParsedReading::nanos`] that says that the reading has an identity of another kind.
const HAS_IDENTITY: u32 = 1 << 31;

/// The bit that says that the reading has none.
const HAS_NO_IDENTITY: u32 = 1 << 30;

/// What tells a reading apart from others of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdentifiedBy {
    /// Its time.
    Time,
    /// An identity of another kind.
    Other(i128),
    /// Nothing: it is never a duplicate.
    Nothing,
}

/// Readings of one share or partition of the keys, in the order of their file.
#[derive(Debug)]
pub(super) struct ReadingBucket<V> {
    readings: Vec<ParsedReading<V>>,
    /// The identities of the readings that are not identified by their time.
    identities: Vec<i128>,
}

impl<V> Default for ReadingBucket<V> {
    fn default() -> Self {
        Self {
            readings: Vec::new(),
            identities: Vec::new(),
        }
    }
}

impl<V> ReadingBucket<V> {
    #[inline]
    pub(super) fn push(&mut self, reading: ParsedReading<V>, identity: IdentifiedBy) {
        if let IdentifiedBy::Other(identity) = identity {
            self.identities.push(identity);
        }
        self.readings.push(reading);
    }

    /// The number of readings.
    pub(super) fn len(&self) -> usize {
        self.readings.len()
    }

    /// Drops the readings.
    pub(super) fn clear(&mut self) {
        self.readings.clear();
        self.identities.clear();
    }

    /// Takes the readings, with what identifies them.
    #[inline]
    pub(super) fn drain(&mut self, mut take: impl FnMut(ParsedReading<V>, IdentifiedBy)) {
        let mut identities = self.identities.drain(..);
        for reading in self.readings.drain(..) {
            let identity = reading.identified_by(&mut identities);
            take(reading, identity);
        }
    }

    /// Adds the readings to the accumulators of their keys, and empties the bucket. `number` is the
    /// number of a key in `batch`, given that in the share.
    #[inline]
    pub(super) fn add_to<S: Sensor<Values = V>>(
        &mut self,
        sensor: &S,
        batch: &mut BatchFold<S::Accumulator>,
        number: impl Fn(usize) -> usize,
    ) {
        let mut identities = self.identities.drain(..);
        for readings in self.readings.chunks(FETCHED) {
            batch.fetch(
                readings
                    .iter()
                    .map(|reading| (number(reading.key()), reading.millis)),
            );
            for reading in readings {
                let identity = reading.identified_by(&mut identities);
                reading.add_to(sensor, batch, number(reading.key()), identity);
            }
        }
        drop(identities);
        self.readings.clear();
    }
}

/// How many readings the memory is fetched for at once. The processor waits for about as many parts
/// of the memory at once.
const FETCHED: usize = 16;

impl<V> ParsedReading<V> {
    #[inline]
    pub(super) fn new(key: u32, time: Timestamp, identity: IdentifiedBy, values: V) -> Self {
        let has_identity = match identity {
            IdentifiedBy::Time => 0,
            IdentifiedBy::Other(_) => HAS_IDENTITY,
            IdentifiedBy::Nothing => HAS_NO_IDENTITY,
        };
        Self {
            key,
            nanos: time.nanos_after_millis() | has_identity,
            millis: time.millis(),
            values,
        }
    }

    /// What identifies the reading, given the next identity of its bucket.
    #[inline]
    fn identified_by(&self, identities: &mut impl Iterator<Item = i128>) -> IdentifiedBy {
        match self.nanos & (HAS_IDENTITY | HAS_NO_IDENTITY) {
            0 => IdentifiedBy::Time,
            HAS_IDENTITY => identities
                .next()
                .map_or(IdentifiedBy::Nothing, IdentifiedBy::Other),
            _ => IdentifiedBy::Nothing,
        }
    }

    /// The key's number in its share.
    #[inline]
    pub(super) fn key(&self) -> usize {
        self.key as usize
    }

    /// Its time in milliseconds.
    #[inline]
    pub(super) fn millis(&self) -> i64 {
        self.millis
    }

    /// Adds the reading to the accumulator of its window and of `key`, its key's number in `batch`.
    #[inline]
    pub(super) fn add_to<S: Sensor<Values = V>>(
        &self,
        sensor: &S,
        batch: &mut BatchFold<S::Accumulator>,
        key: usize,
        identity: IdentifiedBy,
    ) {
        let nanos = self.nanos & !(HAS_IDENTITY | HAS_NO_IDENTITY);
        let millis = self.millis;
        let add = |accumulator: &mut S::Accumulator| {
            sensor.add(accumulator, &self.values, &order(millis, nanos));
        };
        match identity {
            IdentifiedBy::Time => batch.add(key, millis, nanos, add),
            IdentifiedBy::Other(identity) => batch.add_identified(key, millis, Some(identity), add),
            IdentifiedBy::Nothing => batch.add_identified(key, millis, None, add),
        };
    }
}

/// The order of a reading of this time. Readings of an archive have no sequence numbers, so only
/// their times order them.
#[inline]
fn order(millis: i64, nanos: u32) -> ReadingOrder<'static> {
    ReadingOrder {
        sequence_number: Cow::Borrowed(UNKNOWN),
        index: 0,
        time: Timestamp::from_millis(millis).with_nanos_after_millis(nanos),
    }
}

/// The sequence number of every reading of an archive.
const UNKNOWN: &str = "0";

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the unicorn's values. Threads write and read all readings once.
    #[test]
    fn a_reading_of_16_bytes_takes_32() {
        assert_eq!(size_of::<ParsedReading<[i64; 2]>>(), 32);
    }
}
