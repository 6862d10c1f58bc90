//! Aggregates the readings of a share of the keys.

use std::mem::needs_drop;

use windrow_core::batch::BatchFold;
use windrow_core::sensor::Sensor;
use windrow_core::window::Tumbling;

use super::bucket::{IdentifiedBy, ParsedReading, ReadingBucket};
use super::keys::KeySlot;

/// The accumulators of a thread's share of the keys, in partitions.
///
/// Adding a reading whose accumulator is far from those of the readings before it mostly waits for
/// memory. If most readings are like that, as in random order, they are collected in a bucket per
/// partition, and added when it is full: the accumulators of a partition are few and together, and
/// the processor waits for the memory of several at once
/// ([`fetch`](BatchFold::fetch)). 5 million readings of 1,000 unicorns in random order take less than
/// half the time this way. Other readings are added at once, since buckets would take a tenth of
/// their time.
#[derive(Debug)]
pub(super) struct ShareFold<S: Sensor> {
    partitions: Vec<BatchFold<S::Accumulator>>,
    /// One per partition; all are empty while readings are added at once.
    buckets: Vec<ReadingBucket<S::Values>>,
    is_scattered: bool,
    /// How many more readings are added before the order is examined again.
    before_check: u32,
    /// How many readings since the last check are far from the one before.
    jumps: u32,
    /// The key and time of the last reading.
    last: (usize, i64),
    /// The length of a window, in milliseconds.
    window_millis: u64,
}

/// The number of partitions, a power of two.
const PARTITIONS: usize = 16;

/// How many keys in a row are in the same partition, a power of two: as many as have their
/// accumulators near each other while readings are in order.
const RUN: usize = 16;

/// How many readings show whether they are scattered.
const CHECKED: u32 = 8_192;

/// If more keys are between those of two readings, their accumulators are not near each other.
const FAR_KEY: usize = 1_024;

/// How many readings of a partition are kept before they are added: so many that those
/// of all partitions take about 1 MB. Values that own memory are larger than their size says.
const fn bucket_len<V>() -> usize {
    if needs_drop::<V>() { 256 } else { 2_048 }
}

/// Where a key's accumulators are: the index of the partition among those of all shares, in turn, and
/// the key's number there.
pub(super) fn partition_among_all(slot: KeySlot) -> (usize, usize) {
    let (partition, key) = partition_of(slot.key as usize);
    (slot.share as usize * PARTITIONS + partition, key)
}

/// The partition of a key of a share, and the key's number there. A partition's numbers have no gaps.
#[inline]
fn partition_of(key: usize) -> (usize, usize) {
    let (run, in_run) = (key / RUN, key % RUN);
    (run % PARTITIONS, run / PARTITIONS * RUN + in_run)
}

impl<S: Sensor> ShareFold<S> {
    /// No accumulators yet.
    pub(super) fn new(windows: Tumbling, window_millis: u64) -> Self {
        let mut buckets = Vec::new();
        buckets.resize_with(PARTITIONS, ReadingBucket::default);
        Self {
            partitions: (0..PARTITIONS).map(|_| BatchFold::new(windows)).collect(),
            buckets,
            is_scattered: false,
            before_check: CHECKED,
            jumps: 0,
            last: (0, 0),
            window_millis,
        }
    }

    /// Adds a reading. Of equal ones, the first that is added counts.
    #[inline]
    pub(super) fn add(
        &mut self,
        sensor: &S,
        reading: ParsedReading<S::Values>,
        identity: IdentifiedBy,
    ) {
        if self.before_check == 0 {
            self.check(sensor);
        }
        self.before_check -= 1;
        let (last_key, last_millis) = self.last;
        self.last = (reading.key(), reading.millis());
        let is_far = reading.key().abs_diff(last_key) > FAR_KEY
            || reading.millis().abs_diff(last_millis) > self.window_millis;
        self.jumps += u32::from(is_far);
        let (partition, key) = partition_of(reading.key());
        if !self.is_scattered {
            reading.add_to(sensor, &mut self.partitions[partition], key, identity);
            return;
        }
        let bucket = &mut self.buckets[partition];
        bucket.push(reading, identity);
        if bucket.len() == bucket_len::<S::Values>() {
            Self::add_bucket(sensor, bucket, &mut self.partitions[partition]);
        }
    }

    /// Adds the readings that are in buckets.
    fn flush(&mut self, sensor: &S) {
        for (bucket, partition) in self.buckets.iter_mut().zip(&mut self.partitions) {
            Self::add_bucket(sensor, bucket, partition);
        }
    }

    #[inline(never)]
    fn add_bucket(
        sensor: &S,
        bucket: &mut ReadingBucket<S::Values>,
        partition: &mut BatchFold<S::Accumulator>,
    ) {
        bucket.add_to(sensor, partition, |key| partition_of(key).1);
    }

    /// Decides how the next readings are added, by the order of those since the last check.
    #[cold]
    fn check(&mut self, sensor: &S) {
        self.is_scattered = self.jumps > CHECKED / 2;
        if !self.is_scattered {
            self.flush(sensor);
        }
        (self.before_check, self.jumps) = (CHECKED, 0);
    }

    /// The accumulators, in partitions.
    pub(super) fn into_partitions(mut self, sensor: &S) -> Vec<BatchFold<S::Accumulator>> {
        self.flush(sensor);
        self.partitions
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::collections::hash_map::Entry;
    use std::fmt::Write;

    use windrow_core::decimal::Decimal;
    use windrow_core::row::Measure;
    use windrow_core::sensor::{Aggregation, DeclaredSensor, Field};
    use windrow_core::value::{ColumnType, NumberType, Value};

    use super::*;
    use crate::windows::{PieceSizes, ScanOptions, scan};

    #[test]
    fn keys_of_a_partition_are_numbered_without_gaps() {
        let mut numbers = vec![Vec::new(); PARTITIONS];
        for key in 0..10_000 {
            let (partition, number) = partition_of(key);
            numbers[partition].push(number);
        }
        for numbers in numbers {
            let expected: Vec<usize> = (0..numbers.len()).collect();
            assert_eq!(numbers, expected);
        }
    }

    /// Readings in order, then in any order, then in order again: the first of equal ones counts.
    #[test]
    fn readings_are_counted_once_in_any_order() {
        const KEYS: usize = 50;
        const SECONDS: usize = 600;
        let in_order = || (0..20_000).map(|number| (number % KEYS, number / KEYS));
        let scattered = (0..20_000_u32).map(|number| {
            let random = number.wrapping_mul(0x9E37_79B1) as usize >> 8;
            (random % KEYS, random / KEYS % SECONDS)
        });
        let mut text = String::new();
        let mut first = HashMap::new();
        let mut duplicates = 0;
        let mut lowest: HashMap<_, usize> = HashMap::new();
        let all = in_order().chain(scattered).chain(in_order());
        for (celsius, (key, second)) in all.enumerate() {
            let (minute, in_minute) = (second / 60, second % 60);
            let time = format!("2026-11-20 09:{minute:02}:{in_minute:02}.000");
            let celsius = 100_000 - celsius;
            writeln!(
                text,
                r#"{{"Room":"{key}","Time":"{time}","Celsius":{celsius}}}"#
            )
            .unwrap();
            match first.entry((key, second)) {
                Entry::Occupied(_) => duplicates += 1,
                Entry::Vacant(entry) => {
                    entry.insert(celsius);
                    let lowest = lowest.entry((key, minute)).or_insert(celsius);
                    *lowest = celsius.min(*lowest);
                }
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("readings.jsonl");
        std::fs::write(&path, text).unwrap();
        let files = crate::list(&[path]).unwrap().files;
        let celsius = ColumnType::Number(NumberType::decimal(0));
        let sensor = DeclaredSensor::new(vec![
            Field::new("Room", ColumnType::Text).key(),
            Field::new("Time", ColumnType::Timestamp).time(),
            Field::new("Celsius", celsius).measure("Lowest", Aggregation::Min),
        ])
        .unwrap();
        for threads in 1..4 {
            let sizes = PieceSizes {
                plain: 300_000,
                ..PieceSizes::default()
            };
            let options = ScanOptions::new(60, threads)
                .unwrap()
                .with_piece_sizes(sizes);
            let (rows, report) = scan(&sensor, &files, options, &|_| ()).unwrap();
            assert_eq!(
                (report.readings, report.duplicates),
                (first.len() as u64, duplicates)
            );
            assert_eq!(rows.len(), lowest.len());
            for row in rows.iter() {
                let minute = row.window_start.millis() / 60_000 % 60;
                let key = (row.key.text.parse().unwrap(), minute as usize);
                let lowest = Decimal {
                    unscaled: lowest[&key] as i128,
                    scale: 0,
                };
                assert_eq!(row.measures, [Measure::Value(Value::Number(lowest))]);
            }
        }
    }
}
