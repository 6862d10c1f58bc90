//! What is in a shard's file.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use windrow_core::window::Window;
use windrow_read::{Start, Timestamp};

/// From where a shard is read on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mapping) enum SavedStart {
    /// The oldest record.
    Oldest,
    /// The first record that arrived at this time or later, in milliseconds since the epoch.
    At(i64),
    /// The record with this sequence number.
    From(String),
    /// The record after the one with this sequence number.
    After(String),
}

/// What is kept of a shard. `S` is the state of its open window.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mapping) struct SavedShard<S> {
    pub(super) version: u32,
    /// The mapping and the stream, since a file system may not tell all names apart.
    pub(super) mapping: String,
    pub(super) stream: String,
    /// When the stream was created, which tells it apart from others of its name.
    pub(super) stream_created: i64,
    /// When this was written.
    pub(in crate::mapping) saved_at: i64,
    /// Everything before that is done, apart from what the open window's state holds.
    pub(in crate::mapping) start: SavedStart,
    /// How many records that were.
    pub(in crate::mapping) records: u64,
    /// Whether the shard is closed and done to its end.
    pub(in crate::mapping) finished: bool,
    pub(in crate::mapping) window: Option<SavedWindow<S>>,
    /// What lanes have done after `start`. A record is done if it is in one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::mapping) lanes: Vec<LaneSet>,
}

/// The sequence number up to which each lane of a shard is done, if it is known.
pub(in crate::mapping) type LaneSet = Vec<Option<String>>;

/// An open window.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mapping) struct SavedWindow<S> {
    /// In milliseconds since the epoch.
    pub(super) start: i64,
    pub(super) end: i64,
    /// From where the window's records are read again if a function cannot go on with the state.
    pub(in crate::mapping) opened: SavedStart,
    /// What the function's state depends on.
    pub(super) state_version: String,
    pub(in crate::mapping) state: Option<S>,
}

impl<S> SavedWindow<S> {
    pub(in crate::mapping) fn window(&self) -> Window {
        Window {
            start: self.start,
            end: self.end,
        }
    }
}

/// The progress of a shard, to be saved.
pub(in crate::mapping) struct ShardToSave<'a> {
    pub(in crate::mapping) start: SavedStart,
    pub(in crate::mapping) records: u64,
    pub(in crate::mapping) finished: bool,
    pub(in crate::mapping) window: Option<(Window, &'a SavedStart, Option<&'a RawValue>)>,
    pub(in crate::mapping) lanes: Vec<LaneSet>,
    pub(in crate::mapping) now: i64,
}

impl From<SavedStart> for Start {
    fn from(start: SavedStart) -> Self {
        match start {
            SavedStart::Oldest => Self::TrimHorizon,
            SavedStart::At(millis) => Self::AtTimestamp(Timestamp::from_millis(millis)),
            SavedStart::From(number) => Self::AtSequence(number),
            SavedStart::After(number) => Self::AfterSequence(number),
        }
    }
}

impl SavedStart {
    /// A start as it is saved at the time `now`.
    pub(in crate::mapping) fn of(start: &Start, now: i64) -> Self {
        match start {
            Start::TrimHorizon => Self::Oldest,
            // Some emulators report arrival in whole seconds.
            Start::Latest => Self::At(now - now.rem_euclid(1000)),
            Start::AtTimestamp(time) => Self::At(time.millis()),
            Start::AfterSequence(number) => Self::After(number.clone()),
            Start::AtSequence(number) => Self::From(number.clone()),
        }
    }
}
