//! A stream in memory: what its file says, and the logs of its shards.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Mutex, RwLock as AsyncRwLock};
use tokio::time::Instant;

use crate::limits::ShardLimits;
use crate::log::shard_log::ShardLog;
use crate::meta::{ShardMeta, StreamMeta};
use crate::sequence::{LAST_PLACE, SequencePlace};

/// A shard and its log.
#[derive(Clone, Debug)]
pub(crate) struct LiveShard {
    pub(crate) meta: ShardMeta,
    pub(crate) id: Arc<str>,
    pub(crate) log: Arc<ShardLog>,
    pub(crate) limits: Arc<ShardLimits>,
}

impl LiveShard {
    pub(crate) fn new(meta: ShardMeta, log: ShardLog) -> Self {
        log.set_closed(meta.closed.is_some());
        Self {
            id: shard_id(meta.number).into(),
            log: Arc::new(log),
            limits: Arc::default(),
            meta,
        }
    }

    /// The sequence number of a place.
    pub(crate) fn sequence(&self, place: u64) -> SequencePlace {
        SequencePlace {
            epoch: self.meta.epoch,
            place,
            shard: self.meta.number,
        }
    }

    /// The sequence number of the start, before every record.
    pub(crate) fn first_sequence(&self) -> SequencePlace {
        self.sequence(0)
    }

    /// The sequence number of the end, after every record, if the shard is closed.
    pub(crate) fn last_sequence(&self) -> Option<SequencePlace> {
        self.meta.closed.map(|_| self.sequence(LAST_PLACE))
    }
}

/// The id of a shard with this number.
pub(crate) fn shard_id(number: u32) -> String {
    format!("shardId-{number:012}")
}

/// The number in a shard's id.
pub(crate) fn shard_number(id: &str) -> Option<u32> {
    let number = id.strip_prefix("shardId-")?;
    let is_number = number.len() == 12 && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| number.parse().ok())?
}

/// What a stream is becoming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamStatus {
    Creating,
    Active,
    Updating,
    Deleting,
}

impl StreamStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
        }
    }
}

/// A stream at one moment.
#[derive(Clone, Debug)]
pub(crate) struct StreamState {
    pub(crate) meta: StreamMeta,
    /// By number.
    pub(crate) shards: Vec<Arc<LiveShard>>,
    /// The open ones, by hash key.
    open: Vec<Arc<LiveShard>>,
    changing: StreamStatus,
    until: Instant,
}

impl StreamState {
    pub(crate) fn new(
        meta: StreamMeta,
        shards: Vec<Arc<LiveShard>>,
        changing: StreamStatus,
        until: Instant,
    ) -> Self {
        let is_open = |shard: &&Arc<LiveShard>| shard.meta.closed.is_none();
        let mut open: Vec<_> = shards.iter().filter(is_open).cloned().collect();
        open.sort_by_key(|shard| shard.meta.first_hash);
        Self {
            meta,
            shards,
            open,
            changing,
            until,
        }
    }

    /// `None` once it is deleted.
    pub(crate) fn status(&self, now: Instant) -> Option<StreamStatus> {
        match self.changing {
            changing if now < self.until => Some(changing),
            StreamStatus::Deleting => None,
            _ => Some(StreamStatus::Active),
        }
    }

    /// The open shards, by hash key.
    pub(crate) fn open(&self) -> &[Arc<LiveShard>] {
        &self.open
    }

    /// The open shard for a hash key.
    pub(crate) fn shard_for(&self, hash: u128) -> Option<&Arc<LiveShard>> {
        let after = self
            .open
            .partition_point(|shard| shard.meta.first_hash <= hash);
        self.open.get(after.checked_sub(1)?)
    }

    /// The shards that can still be read at `now`, in milliseconds since the epoch: a closed one
    /// goes when its last record is past retention.
    pub(crate) fn readable(&self, now: i64) -> impl Iterator<Item = &Arc<LiveShard>> {
        let horizon = now.saturating_sub(self.meta.retention_millis());
        self.shards
            .iter()
            .filter(move |shard| shard.meta.closed.is_none_or(|closed| closed >= horizon))
    }

    pub(crate) fn shard(&self, number: u32, now: i64) -> Option<&Arc<LiveShard>> {
        self.readable(now).find(|shard| shard.meta.number == number)
    }
}

/// A stream.
#[derive(Debug)]
pub(crate) struct LiveStream {
    /// Unique in the folder, over deleted streams of the same name too.
    pub(crate) number: u64,
    pub(crate) folder: PathBuf,
    state: RwLock<Arc<StreamState>>,
    /// Held while the stream is changed.
    pub(crate) change: Mutex<()>,
    /// Whether puts are rejected. A put shares it while it is under way.
    pub(crate) closed: AsyncRwLock<bool>,
}

impl LiveStream {
    pub(crate) fn new(number: u64, folder: PathBuf, state: StreamState) -> Self {
        Self {
            number,
            folder,
            state: RwLock::new(Arc::new(state)),
            change: Mutex::new(()),
            closed: AsyncRwLock::new(false),
        }
    }

    pub(crate) fn state(&self) -> Arc<StreamState> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state)
    }

    /// Replaces the state. Only those who hold `change` do.
    pub(crate) fn set_state(&self, state: StreamState) {
        let mut held = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(state);
    }
}
