//! Aggregated records of the Kinesis Producer Library (KPL).
//!
//! An aggregated record is four bytes of magic, a protobuf message with its user records, and the
//! MD5 digest of the message. Source: `aggregation-format.md` of the repository
//! awslabs/amazon-kinesis-producer.
//!
//! # User records of another shard
//!
//! After a shard was split or merged, a record may hold user records whose hash key is outside of
//! its shard's range. The Kinesis Client Library then drops user records (`AggregatorUtil.java` of
//! awslabs/amazon-kinesis-client), because the KPL sees from the answer where they went and sends
//! them again ("Wrong Shard" in `retrier.cc` of awslabs/amazon-kinesis-producer). Other producers do
//! not send again, so that dropping loses data (issue 11 of awslabs/kinesis-aggregation), and a
//! Lambda event does not tell the range of its shard. So [`Aggregated`] keeps all of them, as AWS's
//! modules for Lambda do. What the KPL sends again is then in two shards.

mod aggregate;
mod md5;
mod message;

use ::md5::{Digest, Md5};
use thiserror::Error;

pub use aggregate::AggregateBuilder;
use message::ProtobufFields;

/// The first bytes of an aggregated record.
const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];

/// The length of the digest at the end.
const DIGEST_BYTES: usize = 16;

/// The most user records, and the most keys of each kind, in an aggregated record: each takes up to
/// 24 bytes of memory but as few as two of the record. Ten million bytes of readings have fewer.
const MOST_ENTRIES: usize = 1 << 18;

/// Why an aggregated record cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KplError {
    /// The record ends before its message or its digest.
    #[error("the aggregated record is truncated")]
    Truncated,
    /// The digest is not that of the message.
    #[error("the MD5 digest of the aggregated record is wrong")]
    Digest,
    /// The message is not protobuf, or not that of an aggregated record.
    #[error("the aggregated record is not valid protobuf")]
    Protobuf,
    /// A key is not text.
    #[error("a key of the aggregated record is not UTF-8")]
    KeyNotUtf8,
    /// A user record lacks its partition key or its data.
    #[error("user record {user_record} of the aggregated record has no {field}")]
    Missing {
        /// The index of the user record.
        user_record: u64,
        /// The field.
        field: &'static str,
    },
    /// A user record refers to a key that is not in the record.
    #[error("user record {user_record} of the aggregated record refers to a missing key")]
    NoSuchKey {
        /// The index of the user record.
        user_record: u64,
    },
    /// There are more user records or keys than any producer writes.
    #[error("the aggregated record has more than {MOST_ENTRIES} user records or keys")]
    TooMany,
    /// The record has no user records.
    #[error("the aggregated record is empty")]
    Empty,
}

/// Whether a record starts like an aggregated one.
#[inline]
#[must_use]
pub fn is_aggregated(record: &[u8]) -> bool {
    record.starts_with(&MAGIC)
}

/// The hash key of a partition key, which decides the shard of a record: its MD5 digest as a number.
///
/// User records whose hash keys are in the range of one shard belong in one aggregated record.
#[must_use]
pub fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key).into())
}

/// Which of these records are aggregated ones with the right digest, in order.
///
/// It takes less than half the time of checking one by one, which is most of the time of reading
/// them.
pub fn check_digests<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Vec<bool> {
    let mut are_right = Vec::new();
    let mut waiting: [(usize, &[u8], &[u8; DIGEST_BYTES]); 4] = [(0, &[], &[0; DIGEST_BYTES]); 4];
    let mut count = 0;
    for (index, record) in records.into_iter().enumerate() {
        are_right.push(false);
        let Some((message, digest)) = split(record) else {
            continue;
        };
        waiting[count] = (index, message, digest);
        count += 1;
        if count == waiting.len() {
            count = 0;
            let digests = md5::digests(waiting.map(|(_, message, _)| message));
            for ((index, _, digest), found) in waiting.iter().zip(digests) {
                are_right[*index] = found == **digest;
            }
        }
    }
    for (index, message, digest) in &waiting[..count] {
        are_right[*index] = Md5::digest(message).as_slice() == *digest;
    }
    are_right
}

/// The message of an aggregated record, and its digest.
fn split(record: &[u8]) -> Option<(&[u8], &[u8; DIGEST_BYTES])> {
    record.strip_prefix(&MAGIC)?.split_last_chunk()
}

/// A valid aggregated record, borrowed from its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregated<'a> {
    partition_keys: Vec<&'a str>,
    /// The index of the partition key, and the data.
    user_records: Vec<(u32, &'a [u8])>,
}

impl<'a> Aggregated<'a> {
    /// Checks a record as a whole: its digest, its structure, and the keys of its user records.
    ///
    /// # Errors
    ///
    /// [`KplError`] if anything in it is invalid, so that a record is read whole or not at all.
    pub fn read(record: &'a [u8]) -> Result<Self, KplError> {
        let (message, digest) = split(record).ok_or(KplError::Truncated)?;
        if Md5::digest(message).as_slice() != digest {
            return Err(KplError::Digest);
        }
        Self::read_message(message)
    }

    /// Reads a record whose digest [`check_digests`] has found right.
    ///
    /// # Errors
    ///
    /// [`KplError`], as from [`read`](Self::read).
    pub fn read_checked(record: &'a [u8]) -> Result<Self, KplError> {
        let (message, _) = split(record).ok_or(KplError::Truncated)?;
        Self::read_message(message)
    }

    fn read_message(message: &'a [u8]) -> Result<Self, KplError> {
        let mut aggregated = Self::default();
        let mut explicit_hash_keys = 0;
        let mut indexes = KeyIndexes::default();
        for field in ProtobufFields::of(message) {
            match field?.numbered_bytes() {
                Some((message::RECORDS, entry)) => {
                    let user_record = aggregated.user_records.len() as u64;
                    let user_record = indexes.user_record(user_record, entry)?;
                    aggregated.user_records.push(user_record);
                }
                Some((message::PARTITION_KEYS, key)) => aggregated.partition_keys.push(text(key)?),
                Some((message::EXPLICIT_HASH_KEYS, key)) => {
                    text(key)?;
                    explicit_hash_keys += 1;
                }
                _ => {}
            }
            let (records, keys) = (&aggregated.user_records, &aggregated.partition_keys);
            if records.len().max(keys.len()).max(explicit_hash_keys) > MOST_ENTRIES {
                return Err(KplError::TooMany);
            }
        }
        if aggregated.user_records.is_empty() {
            return Err(KplError::Empty);
        }
        // Fields may come in any order, so indexes are checked once all keys are known.
        indexes.check([aggregated.partition_keys.len(), explicit_hash_keys])?;
        Ok(aggregated)
    }

    /// The partition key and the data of each user record, in order.
    pub fn user_records(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let key = |index: u32| self.partition_keys.get(index as usize).copied();
        let user_records = self.user_records.iter();
        user_records.filter_map(move |(index, data)| Some((key(*index)?, *data)))
    }
}

/// The highest indexes of partition keys and explicit hash keys, each with its user record.
#[derive(Default)]
struct KeyIndexes {
    highest: [Option<(u64, u64)>; 2],
}

impl KeyIndexes {
    /// Reads the message of a user record, and returns the index of its partition key and its data.
    ///
    /// Of a field that occurs twice, the last counts, as in any protobuf reader.
    fn user_record<'a>(
        &mut self,
        user_record: u64,
        message: &'a [u8],
    ) -> Result<(u32, &'a [u8]), KplError> {
        let (mut partition_key, mut explicit_hash_key, mut data) = (None, None, None);
        for field in ProtobufFields::of(message) {
            let field = field?;
            if let Some((message::DATA, bytes)) = field.numbered_bytes() {
                data = Some(bytes);
                continue;
            }
            // All else are tags, which no library writes, and what later versions may add.
            match field.numbered_integer() {
                Some((message::PARTITION_KEY_INDEX, index)) => partition_key = Some(index),
                Some((message::EXPLICIT_HASH_KEY_INDEX, index)) => explicit_hash_key = Some(index),
                _ => {}
            }
        }
        let missing = |field| KplError::Missing { user_record, field };
        let partition_key = partition_key.ok_or(missing("partition key"))?;
        let data = data.ok_or(missing("data"))?;
        let indexes = [Some(partition_key), explicit_hash_key];
        for (highest, index) in self.highest.iter_mut().zip(indexes) {
            let index = index.map(|index| (index, user_record));
            if index.map(|(index, _)| index) > highest.map(|(index, _)| index) {
                *highest = index;
            }
        }
        // A truncated index is one that `check` finds too high.
        Ok((u32::try_from(partition_key).unwrap_or(u32::MAX), data))
    }

    /// Checks the indexes in a record with so many partition keys and explicit hash keys.
    fn check(&self, counts: [usize; 2]) -> Result<(), KplError> {
        for (highest, count) in self.highest.iter().zip(counts) {
            if let Some((index, user_record)) = *highest
                && index >= count as u64
            {
                return Err(KplError::NoSuchKey { user_record });
            }
        }
        Ok(())
    }
}

fn text(key: &[u8]) -> Result<&str, KplError> {
    str::from_utf8(key).map_err(|_| KplError::KeyNotUtf8)
}
