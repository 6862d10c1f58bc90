//! What of a delivery stream is acknowledged: how much of its unfinished object and, if its records
//! come from a Kinesis stream, up to which record of each shard.
//!
//! It is written after each put and before the put is acknowledged. So after a killed process, the
//! object is cut to what was acknowledged, and the shards are read on from there: each record is in
//! the archive once.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::definition::DeliveryStream;
use super::error::FirehoseError;
use crate::restart::counted;
use crate::whole_file;

/// The files of a delivery stream, in a folder of its own.
const COMMITTED: &str = "committed.json";
const DEFINITION: &str = "definition.json";

/// What is acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Committed {
    /// The object of the last put. It may be delivered already.
    pub(super) object: Option<CommittedObject>,
    /// When the Kinesis stream of the positions was created, which tells it apart from others of its
    /// name.
    pub(super) source_created: Option<i64>,
    /// The sequence number of each shard's last record.
    pub(super) positions: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommittedObject {
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// What a process has left of delivery streams, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectsFound {
    /// How many unfinished objects were delivered.
    pub objects: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many bytes of puts that were never acknowledged were removed.
    pub removed: u64,
}

impl ObjectsFound {
    /// Whether nothing was left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.removed += other.removed;
    }
}

impl fmt::Display for ObjectsFound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            objects,
            bytes,
            removed,
        } = self;
        let (objects, bytes) = (counted(*objects, "object"), counted(*bytes, "byte"));
        write!(formatter, "{objects} of {bytes} completed")?;
        if *removed > 0 {
            let removed = counted(*removed, "byte");
            write!(formatter, ", {removed} of unacknowledged puts removed")?;
        }
        Ok(())
    }
}

/// The folder with a delivery stream's files.
#[derive(Clone, Debug)]
pub(super) struct StateFolder(PathBuf);

impl StateFolder {
    pub(super) fn new(root: &Path, name: &str) -> Self {
        Self(root.join(name))
    }

    /// The file that says what is acknowledged.
    pub(super) fn committed(&self) -> PathBuf {
        self.0.join(COMMITTED)
    }

    /// What is acknowledged; `None` if there is no file.
    pub(super) fn read_committed(&self) -> Result<Option<Committed>, FirehoseError> {
        read(&self.committed())
    }

    /// The delivery stream, if it was created and not deleted.
    pub(super) fn read_definition(&self) -> Result<Option<DeliveryStream>, FirehoseError> {
        read(&self.0.join(DEFINITION))
    }

    pub(super) fn write_definition(&self, stream: &DeliveryStream) -> io::Result<()> {
        whole_file::replace(&self.0.join(DEFINITION), &serde_json::to_vec(stream)?)
    }

    /// Removes the files of a delivery stream that is deleted.
    pub(super) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FirehoseError> {
    let content = whole_file::read(path).and_then(|content| {
        let parsed = content.map(|content| serde_json::from_slice(&content));
        Ok(parsed.transpose()?)
    });
    content.map_err(|source| FirehoseError::Unreadable {
        path: path.to_owned(),
        source,
    })
}
