//! Packs several readings into one record.
//!
//! A record has one partition key, so only readings that belong in the same shard can share it. As
//! lines, these are the readings of one partition key. As user records of an aggregated record,
//! which have keys of their own, they are the readings of all keys of a shard. After a shard was
//! split or merged, that is still so for lines; an aggregated record may then hold readings of two
//! shards, and they count in the one that it goes to.

use std::collections::BTreeMap;

use bytes::Bytes;
use windrow_core::framing::{self, Part};
use windrow_read::Shard;
use windrow_record::kpl::{self, AggregateBuilder, Aggregated};
use windrow_write::KinesisRecord;

/// The most bytes of a packed record. A stream accepts 1 MiB by default, partition key included.
const MOST_BYTES: usize = 1_000_000;

/// What a user record adds to its key and its data in an aggregated record, at most.
const USER_RECORD_BYTES: usize = 32;

/// How readings are packed into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// This many readings of one partition key per record, one per line.
    Lines(u32),
    /// At most this many readings of one shard per record, as the Kinesis Producer Library
    /// aggregates them.
    Kpl(u32),
}

/// A record that is ready to be sent. Those of equal numbers must be sent in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackedRecord {
    pub(crate) lane: u64,
    pub(crate) record: KinesisRecord,
}

/// Packs readings into records.
#[derive(Debug)]
pub(crate) struct Packer {
    packing: Packing,
    /// The first hash key of each open shard.
    shards: Vec<u128>,
    /// By the first hash key of a shard, or the hash key of a partition key.
    open: BTreeMap<u128, UnsentRecord>,
}

/// A record in the making.
#[derive(Debug)]
struct UnsentRecord {
    /// The partition key of its first reading.
    partition_key: String,
    content: RecordContent,
    readings: u32,
    bytes: usize,
}

#[derive(Debug)]
enum RecordContent {
    Lines(Vec<u8>),
    Aggregate(AggregateBuilder),
}

impl Packer {
    /// Packs for a stream of these shards. If there are none, an aggregated record has the readings
    /// of one partition key only.
    pub(crate) fn new(packing: Packing, shards: &[Shard]) -> Self {
        let open = shards.iter().filter(|shard| !shard.ended);
        let mut shards: Vec<u128> = open.map(|shard| *shard.hash_keys.start()).collect();
        shards.sort_unstable();
        Self {
            packing,
            shards,
            open: BTreeMap::new(),
        }
    }

    /// Adds a reading, and returns the records that are ready.
    pub(crate) fn add(&mut self, reading: KinesisRecord) -> Vec<PackedRecord> {
        let (Packing::Lines(most) | Packing::Kpl(most)) = self.packing;
        let group = self.group(&reading.partition_key);
        if most == 1 && matches!(self.packing, Packing::Lines(_)) {
            return vec![packed(group, reading)];
        }
        let mut ready = Vec::new();
        let bytes = reading.data.len() + reading.partition_key.len() + USER_RECORD_BYTES;
        let is_too_large = |open: &UnsentRecord| open.bytes + bytes > MOST_BYTES;
        if self.open.get(&group).is_some_and(is_too_large) {
            ready.extend(self.close(group));
        }
        let packing = self.packing;
        let open = self
            .open
            .entry(group)
            .or_insert_with(|| UnsentRecord::new(packing, reading.partition_key.clone()));
        open.add(&reading);
        if open.readings >= most {
            ready.extend(self.close(group));
        }
        ready
    }

    /// Returns the aggregated records in the making, as the Kinesis Producer Library does after a
    /// tenth of a second.
    pub(crate) fn flush_aggregates(&mut self) -> Vec<PackedRecord> {
        match self.packing {
            Packing::Lines(_) => Vec::new(),
            Packing::Kpl(_) => self.flush(),
        }
    }

    /// Returns all records in the making.
    pub(crate) fn flush(&mut self) -> Vec<PackedRecord> {
        let open = std::mem::take(&mut self.open).into_iter();
        open.map(|(group, open)| packed(group, open.finish()))
            .collect()
    }

    fn close(&mut self, group: u128) -> Option<PackedRecord> {
        let open = self.open.remove(&group)?;
        Some(packed(group, open.finish()))
    }

    fn group(&self, partition_key: &str) -> u128 {
        let hash_key = kpl::hash_key(partition_key);
        if matches!(self.packing, Packing::Lines(_)) {
            return hash_key;
        }
        let after = self.shards.partition_point(|first| *first <= hash_key);
        let shard = after
            .checked_sub(1)
            .and_then(|index| self.shards.get(index));
        shard.copied().unwrap_or(hash_key)
    }
}

impl UnsentRecord {
    fn new(packing: Packing, partition_key: String) -> Self {
        Self {
            partition_key,
            content: match packing {
                Packing::Lines(_) => RecordContent::Lines(Vec::new()),
                Packing::Kpl(_) => RecordContent::Aggregate(AggregateBuilder::default()),
            },
            readings: 0,
            bytes: 0,
        }
    }

    fn add(&mut self, reading: &KinesisRecord) {
        self.readings += 1;
        self.bytes += reading.data.len() + reading.partition_key.len() + USER_RECORD_BYTES;
        match &mut self.content {
            RecordContent::Lines(lines) => lines.extend_from_slice(&reading.data),
            RecordContent::Aggregate(aggregate) => {
                aggregate.add(&reading.partition_key, &reading.data);
            }
        }
    }

    fn finish(self) -> KinesisRecord {
        let data = match self.content {
            RecordContent::Lines(lines) => lines,
            RecordContent::Aggregate(aggregate) => aggregate.finish(),
        };
        KinesisRecord {
            partition_key: self.partition_key,
            data: Bytes::from(data),
        }
    }
}

fn packed(group: u128, record: KinesisRecord) -> PackedRecord {
    // The first hash keys of shards have few bits that differ; their remainders do.
    let lane = (group % 1_000_003) as u64;
    PackedRecord { lane, record }
}

/// How many readings a record of this producer has: its objects, which may have line breaks, and the
/// lines of anything else.
pub(crate) fn readings_in(record: &KinesisRecord) -> u64 {
    let mut data: &[u8] = &record.data;
    if !kpl::is_aggregated(data) {
        let parts = std::iter::from_fn(|| framing::next_part(&mut data));
        let readings = parts.map(|part| match part {
            Part::Object(_) => 1,
            Part::Other(text) => text.split(|byte| *byte == b'\n').count() as u64,
        });
        return readings.sum::<u64>().max(1);
    }
    Aggregated::read(data).map_or(1, |aggregated| aggregated.user_records().count() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reading_with_line_breaks_is_one() {
        let readings = |data: &'static [u8]| {
            readings_in(&KinesisRecord {
                partition_key: "key".to_owned(),
                data: Bytes::from_static(data),
            })
        };
        assert_eq!(readings(b"{\n  \"a\": 1,\n  \"b\": 2\n}\n"), 1);
        assert_eq!(readings(b"{\"a\":1}\n{\"a\":2}\n"), 2);
    }

    fn shard(range: std::ops::RangeInclusive<u128>, ended: bool) -> Shard {
        Shard {
            id: String::new(),
            parents: Vec::new(),
            ended,
            hash_keys: range,
        }
    }

    /// Two open shards, after a merge or a split.
    fn shards() -> [Shard; 3] {
        let half = 1_u128 << 127;
        [
            shard(half..=u128::MAX, false),
            shard(0..=u128::MAX, true),
            shard(0..=half - 1, false),
        ]
    }

    fn reading(key: &str, number: usize, length: usize) -> KinesisRecord {
        let line = format!("{key} {number} {}\n", "x".repeat(length));
        KinesisRecord {
            partition_key: key.to_owned(),
            data: Bytes::from(line),
        }
    }

    /// Packs readings of these keys and lengths, and checks what must hold for every packing.
    /// Returns the number of readings of each record.
    fn pack(packing: Packing, readings: &[(String, usize)]) -> Vec<u64> {
        let mut packer = Packer::new(packing, &shards());
        let mut records = Vec::new();
        let mut sent: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for (number, (key, length)) in readings.iter().enumerate() {
            let reading = reading(key, number, *length);
            sent.entry(key)
                .or_default()
                .extend_from_slice(&reading.data);
            records.extend(packer.add(reading));
        }
        records.extend(packer.flush());
        assert_eq!(packer.flush(), []);

        let mut received: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let half = |key: &str| kpl::hash_key(key) >> 127;
        for PackedRecord { record, .. } in &records {
            assert!(record.data.len() + record.partition_key.len() <= 1024 * 1024);
            if !kpl::is_aggregated(&record.data) {
                let lines = received.entry(record.partition_key.clone()).or_default();
                lines.extend_from_slice(&record.data);
                continue;
            }
            for (key, data) in Aggregated::read(&record.data).unwrap().user_records() {
                assert_eq!(half(key), half(&record.partition_key));
                received
                    .entry(key.to_owned())
                    .or_default()
                    .extend_from_slice(data);
            }
        }
        let received: BTreeMap<&str, Vec<u8>> = received
            .iter()
            .map(|(key, lines)| (key.as_str(), lines.clone()))
            .collect();
        assert_eq!(received, sent);
        records
            .iter()
            .map(|packed| readings_in(&packed.record))
            .collect()
    }

    fn in_turn(keys: &[&str], count: usize) -> Vec<(String, usize)> {
        let keys = keys.iter().cycle().take(count);
        keys.map(|key| ((*key).to_owned(), 10)).collect()
    }

    #[test]
    fn lines_are_of_one_key() {
        let readings = in_turn(&["a", "b"], 10);
        assert_eq!(pack(Packing::Lines(1), &readings), [1; 10]);
        assert_eq!(pack(Packing::Lines(2), &readings), [2, 2, 2, 2, 1, 1]);
        assert_eq!(pack(Packing::Lines(100), &readings), [5, 5]);
    }

    #[test]
    fn aggregates_are_of_one_shard() {
        // The hash keys of the first two are below half.
        let readings = in_turn(&["b", "d", "a", "c"], 12);
        let halves = ["b", "d", "a", "c"].map(|key| kpl::hash_key(key) >> 127);
        let below = halves.iter().filter(|half| **half == 0).count() as u64;
        let mut counts = pack(Packing::Kpl(100), &readings);
        counts.retain(|count| *count > 0);
        let expected: Vec<u64> = [3 * below, 3 * (4 - below)]
            .into_iter()
            .filter(|count| *count > 0)
            .collect();
        assert_eq!(counts, expected);
        assert!(
            pack(Packing::Kpl(2), &readings)
                .iter()
                .all(|count| *count <= 2)
        );
    }

    #[test]
    fn records_stay_below_a_megabyte() {
        let readings: Vec<_> = (0..30).map(|_| ("a".to_owned(), 90_000)).collect();
        for packing in [Packing::Lines(1_000), Packing::Kpl(1_000)] {
            assert_eq!(pack(packing, &readings), [11, 11, 8]);
        }
        let large = [
            ("a".to_owned(), 10),
            ("a".to_owned(), 1_040_000),
            ("a".to_owned(), 10),
        ];
        for packing in [Packing::Lines(1_000), Packing::Kpl(1_000)] {
            assert_eq!(pack(packing, &large), [1, 1, 1]);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_order_of_a_key_is_kept(
            readings in prop::collection::vec(("[a-f]", 0_usize..50), 0..100),
            most in 1_u32..20,
            is_kpl: bool,
        ) {
            let packing = if is_kpl { Packing::Kpl(most) } else { Packing::Lines(most) };
            let counts = pack(packing, &readings);
            prop_assert!(counts.iter().all(|count| *count <= u64::from(most)));
            prop_assert_eq!(counts.iter().sum::<u64>(), readings.len() as u64);
        }
    }
}
