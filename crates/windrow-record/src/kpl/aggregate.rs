//! Writes aggregated records.

use std::collections::HashMap;

use ::md5::{Digest, Md5};
use prost::Message;

use crate::kpl::MAGIC;

/// The message of an aggregated record.
#[derive(Clone, PartialEq, Message)]
struct AggregatedRecord {
    #[prost(string, repeated, tag = "1")]
    partition_key_table: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    explicit_hash_key_table: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<AggregatedUserRecord>,
}

/// A user record in the message.
#[derive(Clone, PartialEq, Message)]
struct AggregatedUserRecord {
    #[prost(uint64, required, tag = "1")]
    partition_key_index: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key_index: Option<u64>,
    #[prost(bytes = "vec", required, tag = "3")]
    data: Vec<u8>,
}

/// An aggregated record in the making.
///
/// Whoever sends it sets its partition key, which decides the shard of all of it: one that leads
/// each user record to the shard that it would have gone to by itself.
#[derive(Clone, Debug, Default)]
pub struct AggregateBuilder {
    message: AggregatedRecord,
    keys: HashMap<String, u64>,
}

impl AggregateBuilder {
    /// Adds a user record.
    pub fn add(&mut self, partition_key: &str, data: &[u8]) {
        let next = self.keys.len() as u64;
        let partition_key_index = match self.keys.get(partition_key) {
            Some(index) => *index,
            None => {
                let key = partition_key.to_owned();
                self.message.partition_key_table.push(key.clone());
                *self.keys.entry(key).or_insert(next)
            }
        };
        self.message.records.push(AggregatedUserRecord {
            partition_key_index,
            explicit_hash_key_index: None,
            data: data.to_vec(),
        });
    }

    /// How many user records it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.message.records.len()
    }

    /// Whether it has no user records. It is then not a valid record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.message.records.is_empty()
    }

    /// The record's bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let message = self.message.encode_to_vec();
        [&MAGIC, message.as_slice(), &Md5::digest(&message)].concat()
    }
}
