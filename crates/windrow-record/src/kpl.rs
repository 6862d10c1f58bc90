//! Aggregated records of the Kinesis Producer Library (KPL).
//!
//! An aggregated record is four bytes of magic, a protobuf message with its user records, and the
//! MD5 digest of the message. Source: `aggregation-format.md` of the repository
//! awslabs/amazon-kinesis-producer.
//!
//! # User records of another shard
//!
//! After a shard was split or merged, a record may hold user records whose hash key is outside of
//! its shard's range. The Kinesis Client Library drops the whole aggregated record then, because
//! the KPL sees from the answer that it went to an unexpected shard and sends the user records
//! again (`AggregatorUtil.deaggregate` of awslabs/amazon-kinesis-client). AWS's modules for Lambda
//! keep every user record, since an event does not tell the range of its shard, and so does
//! [`Aggregated`]: other producers do not send again, and data would be lost. What the KPL does
//! send again then comes twice, in two shards.

mod aggregate;
mod message;

use md5::{Digest, Md5};
use thiserror::Error;

pub use aggregate::AggregateBuilder;
use message::ProtobufFields;

/// The first bytes of an aggregated record.
const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];

/// The length of the digest at the end.
const DIGEST_BYTES: usize = 16;

/// The most partition keys and the most explicit hash keys in an aggregated record: each takes 16
/// bytes of memory but only two or three of the record. Ten million bytes of readings have fewer.
const MOST_KEYS: usize = 1 << 18;

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
    /// There are more keys than any producer writes.
    #[error("the aggregated record has more than {MOST_KEYS} keys")]
    TooManyKeys,
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

/// A valid aggregated record, borrowed from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregated<'a> {
    message: &'a [u8],
    partition_keys: Vec<&'a str>,
}

impl<'a> Aggregated<'a> {
    /// Checks a record as a whole: its digest, its structure, and the keys of its user records.
    ///
    /// # Errors
    ///
    /// [`KplError`] if anything in it is invalid, so that a record is read whole or not at all.
    pub fn read(record: &'a [u8]) -> Result<Self, KplError> {
        let checked = record.strip_prefix(&MAGIC).ok_or(KplError::Truncated)?;
        let (message, digest) = checked
            .split_last_chunk::<DIGEST_BYTES>()
            .ok_or(KplError::Truncated)?;
        if Md5::digest(message).as_slice() != digest {
            return Err(KplError::Digest);
        }
        let mut partition_keys = Vec::new();
        let mut explicit_hash_keys = 0;
        let mut is_empty = true;
        for field in ProtobufFields::of(message) {
            match field?.numbered_bytes() {
                Some((message::PARTITION_KEYS, key)) => partition_keys.push(text(key)?),
                Some((message::EXPLICIT_HASH_KEYS, key)) => {
                    text(key)?;
                    explicit_hash_keys += 1;
                }
                Some((message::RECORDS, _)) => is_empty = false,
                _ => {}
            }
            if partition_keys.len() > MOST_KEYS || explicit_hash_keys > MOST_KEYS {
                return Err(KplError::TooManyKeys);
            }
        }
        if is_empty {
            return Err(KplError::Empty);
        }
        let counts = [partition_keys.len(), explicit_hash_keys];
        // ProtobufFields may come in any order, so keys are looked up once all are known.
        for (user_record, entry) in (0..).zip(entries(message)) {
            check(user_record, entry, counts)?;
        }
        Ok(Self {
            message,
            partition_keys,
        })
    }

    /// The partition key and the data of each user record, in order.
    pub fn user_records(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let key = |index: u64| {
            self.partition_keys
                .get(usize::try_from(index).ok()?)
                .copied()
        };
        entries(self.message).filter_map(move |entry| {
            let entry = Entry::read(entry).ok()?;
            Some((key(entry.partition_key?)?, entry.data?))
        })
    }
}

/// A user record as it is in the message.
#[derive(Default)]
struct Entry<'a> {
    partition_key: Option<u64>,
    explicit_hash_key: Option<u64>,
    data: Option<&'a [u8]>,
}

impl<'a> Entry<'a> {
    /// Of a field that occurs twice, the last counts, as in any protobuf reader.
    fn read(message: &'a [u8]) -> Result<Self, KplError> {
        let mut entry = Self::default();
        for field in ProtobufFields::of(message) {
            let field = field?;
            match (field.numbered_integer(), field.numbered_bytes()) {
                (Some((message::PARTITION_KEY_INDEX, index)), _) => {
                    entry.partition_key = Some(index);
                }
                (Some((message::EXPLICIT_HASH_KEY_INDEX, index)), _) => {
                    entry.explicit_hash_key = Some(index);
                }
                (_, Some((message::DATA, data))) => entry.data = Some(data),
                // Tags, which no library writes, and what later versions may add.
                _ => {}
            }
        }
        Ok(entry)
    }
}

/// The messages of the user records.
fn entries(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    ProtobufFields::of(message).filter_map(|field| match field.ok()?.numbered_bytes()? {
        (message::RECORDS, entry) => Some(entry),
        _ => None,
    })
}

/// Checks a user record of a message with so many partition keys and explicit hash keys.
fn check(user_record: u64, entry: &[u8], counts: [usize; 2]) -> Result<(), KplError> {
    let entry = Entry::read(entry)?;
    let missing = |field| KplError::Missing { user_record, field };
    let partition_key = entry.partition_key.ok_or(missing("partition key"))?;
    entry.data.ok_or(missing("data"))?;
    let indexes = [Some(partition_key), entry.explicit_hash_key];
    for (index, count) in indexes.into_iter().zip(counts) {
        if index.is_some_and(|index| index >= count as u64) {
            return Err(KplError::NoSuchKey { user_record });
        }
    }
    Ok(())
}

fn text(key: &[u8]) -> Result<&str, KplError> {
    str::from_utf8(key).map_err(|_| KplError::KeyNotUtf8)
}
