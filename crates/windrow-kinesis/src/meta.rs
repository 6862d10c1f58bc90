//! What is on disk of a stream besides its records: one file, which is replaced as a whole.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::files;

/// The name of the file in a stream's folder.
const FILE: &str = "stream.json";

/// The greatest hash key.
pub(crate) const LAST_HASH: u128 = u128::MAX;

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamMeta {
    pub(crate) name: String,
    /// Milliseconds since the epoch, as are all times here.
    pub(crate) created: i64,
    pub(crate) on_demand: bool,
    pub(crate) retention_hours: u32,
    pub(crate) max_record_kib: u32,
    /// The key, if the stream is encrypted.
    pub(crate) encryption_key: Option<String>,
    /// The shard-level metrics that are on.
    pub(crate) metrics: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// By number.
    pub(crate) shards: Vec<ShardMeta>,
    pub(crate) consumers: Vec<ConsumerMeta>,
}

impl StreamMeta {
    pub(crate) fn retention_millis(&self) -> i64 {
        i64::from(self.retention_hours) * 3_600_000
    }
}

/// A shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardMeta {
    pub(crate) number: u32,
    /// Part of its sequence numbers. Greater than those of its parents.
    pub(crate) epoch: u64,
    pub(crate) first_hash: u128,
    pub(crate) last_hash: u128,
    pub(crate) parent: Option<u32>,
    pub(crate) adjacent_parent: Option<u32>,
    pub(crate) created: i64,
    /// When it was closed, if it was.
    pub(crate) closed: Option<i64>,
}

/// A registered consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConsumerMeta {
    pub(crate) name: String,
    pub(crate) created: i64,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A file of JSON with a checksum in front of it.
pub(crate) fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec_pretty(value)?;
    let mut file = format!("{:08x}\n", crc32fast::hash(&json)).into_bytes();
    file.extend_from_slice(&json);
    Ok(file)
}

/// What [`encode`] made a file of. `None` if the file is damaged.
pub(crate) fn decode<T: DeserializeOwned>(file: &[u8]) -> Option<T> {
    let (checksum, json) = file.split_at_checked(9)?;
    let checksum = std::str::from_utf8(checksum).ok()?.strip_suffix('\n')?;
    let checksum = u32::from_str_radix(checksum, 16).ok()?;
    if checksum != crc32fast::hash(json) {
        return None;
    }
    serde_json::from_slice(json).ok()
}

pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Writes a stream's file. After a crash it has the old or the new content.
///
/// # Errors
///
/// The system's error. The file has the old content then.
pub(crate) fn write(folder: &Path, meta: &StreamMeta) -> io::Result<()> {
    files::replace(&path(folder), &encode(meta)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> StreamMeta {
        StreamMeta {
            name: "wildrydes".to_owned(),
            created: 1_795_166_228_189,
            on_demand: false,
            retention_hours: 24,
            max_record_kib: 1024,
            encryption_key: None,
            metrics: Vec::new(),
            tags: BTreeMap::from([("team".to_owned(), "rides".to_owned())]),
            shards: vec![ShardMeta {
                number: 0,
                epoch: 1_795_166_228_189,
                first_hash: 0,
                last_hash: LAST_HASH,
                parent: None,
                adjacent_parent: None,
                created: 1_795_166_228_189,
                closed: None,
            }],
            consumers: Vec::new(),
        }
    }

    #[test]
    fn a_stream_comes_back_and_any_damage_is_found() {
        let file = encode(&meta()).unwrap();
        assert_eq!(decode(&file), Some(meta()));
        for length in 0..file.len() {
            assert_eq!(decode::<StreamMeta>(&file[..length]), None);
        }
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert_eq!(decode::<StreamMeta>(&changed), None, "byte {at}");
        }
    }
}
