//! What a mapping keeps on disk, so that a killed process goes on where it was: per shard one small
//! file, `<folder>/<mapping>/<stream>/<shard>.json`. A mapping is named by its function.
//!
//! A file has the last record that is done and the window that is open after it, with its state.
//! The two belong together: an earlier record with its state would only deliver some records again,
//! but a later record would lose what is between.
//!
//! Beside the folder of a stream, `<folder>/<mapping>/<stream>+state` has `Enabled` or `Disabled` once
//! the mapping was disabled or enabled.

mod remove;
mod saved;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use serde_json::value::RawValue;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub(crate) use self::remove::remove_missing_streams;
use self::remove::remove_shard;
use self::saved::SavedWindow;
pub(super) use self::saved::{LaneSet, SavedShard, SavedStart, ShardToSave};
use crate::disk_trouble::{DiskTrouble, DiskWriter};
use crate::resources::stream_created;
use crate::whole_file::{self, safe_name};

/// The version of the files.
const VERSION: u32 = 1;

/// The pause before a failed write is retried.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Why what a mapping has saved cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file or its folder cannot be read.
    #[error("the checkpoint {} cannot be read: make it readable, or remove it to deliver its shard's records again from the oldest one", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The file is damaged, or was written by a newer version.
    #[error("the checkpoint {} is damaged: remove it to deliver its shard's records again from the oldest one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The file of the mapping's state has something else in it.
    #[error("{} has neither Enabled nor Disabled in it: write one of them, or remove it to start the mapping as its settings say", path.display())]
    State {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to another version or mapping.
    #[error("the checkpoint {} is of {found}: remove it to deliver its shard's records again from the oldest one", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// To what it belongs.
        found: String,
    },
}

/// How far the shards of a mapping that are still there were done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SavedTotals {
    /// How many records are done.
    pub(crate) records: u64,
    /// When that was saved last, in milliseconds since the epoch.
    pub(crate) saved_at: i64,
}

/// The checkpoints of one mapping.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
    /// Whether the mapping was disabled or enabled, if it was.
    enabled: Mutex<Option<bool>>,
    mapping: String,
    stream: String,
    state_version: String,
    disk: DiskTrouble,
    /// Whether files may be written; not once the mapping was restarted on purpose.
    is_open: Arc<RwLock<bool>>,
    saved: Mutex<SavedShards>,
}

#[derive(Debug, Default)]
struct SavedShards {
    /// When the mapping's stream was created, once that is known.
    created: i64,
    /// Whether shards of this stream were saved before this start.
    is_resumed: bool,
    shards: BTreeMap<String, SavedShard<Box<RawValue>>>,
    /// The shards that may have a file, by the names of the files.
    files: BTreeSet<String>,
}

impl Checkpoints {
    /// Reads what a mapping has saved in `root`. `state_version` is what the states of its windows
    /// depend on.
    pub(crate) fn load(
        root: &Path,
        mapping: &str,
        stream: &str,
        state_version: &str,
        disk: DiskTrouble,
    ) -> Result<Self, CheckpointError> {
        let folder = root.join(safe_name(mapping)).join(safe_name(stream));
        let checkpoints = Self {
            mapping: mapping.to_owned(),
            stream: stream.to_owned(),
            state_version: state_version.to_owned(),
            disk,
            is_open: Arc::new(RwLock::new(true)),
            saved: Mutex::default(),
            enabled: Mutex::default(),
            folder,
        };
        *lock(&checkpoints.enabled) = checkpoints.read_enabled()?;
        let shards = checkpoints.read_all()?;
        let mut saved = lock(&checkpoints.saved);
        saved.files = shards.keys().cloned().collect();
        saved.shards = shards;
        drop(saved);
        Ok(checkpoints)
    }

    /// The file of the mapping's state. No stream's folder has a plus in its name.
    fn state_path(&self) -> PathBuf {
        let mut path = self.folder.clone().into_os_string();
        path.push("+state");
        path.into()
    }

    fn read_enabled(&self) -> Result<Option<bool>, CheckpointError> {
        let path = self.state_path();
        match whole_file::read(&path) {
            Ok(None) => Ok(None),
            Ok(Some(state)) => match state.trim_ascii() {
                b"Enabled" => Ok(Some(true)),
                b"Disabled" => Ok(Some(false)),
                _ => Err(CheckpointError::State { path }),
            },
            Err(source) => Err(CheckpointError::Unreadable { path, source }),
        }
    }

    /// Whether the mapping was disabled or enabled last, also by an earlier process; `None` if neither
    /// happened.
    pub(super) fn enabled(&self) -> Option<bool> {
        *lock(&self.enabled)
    }

    /// Saves that the mapping was disabled or enabled.
    pub(super) fn save_enabled(&self, enabled: bool) {
        let mut saved = lock(&self.enabled);
        if *saved == Some(enabled) {
            return;
        }
        let (path, state) = (
            self.state_path(),
            if enabled { "Enabled" } else { "Disabled" },
        );
        if let Err(error) = whole_file::replace(&path, state.as_bytes()) {
            let path = path.display();
            tracing::warn!(%path, %error, state, "the mapping's state does not outlive this process");
        }
        *saved = Some(enabled);
    }

    fn read_all(&self) -> Result<BTreeMap<String, SavedShard<Box<RawValue>>>, CheckpointError> {
        let unreadable = |source| CheckpointError::Unreadable {
            path: self.folder.clone(),
            source,
        };
        whole_file::remove_unfinished(&self.folder).map_err(unreadable)?;
        let mut shards = BTreeMap::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(shards),
            entries => entries.map_err(unreadable)?,
        };
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            let shard = path.file_stem().and_then(|stem| stem.to_str());
            let (Some(shard), true) = (shard, path.extension().is_some_and(|end| end == "json"))
            else {
                continue;
            };
            if let Some(saved) = self.read(&path)? {
                shards.insert(shard.to_owned(), saved);
            }
        }
        Ok(shards)
    }

    fn read(&self, path: &Path) -> Result<Option<SavedShard<Box<RawValue>>>, CheckpointError> {
        let path = path.to_owned();
        let content = match whole_file::read(&path) {
            Ok(Some(content)) => content,
            Ok(None) => return Ok(None),
            Err(source) => return Err(CheckpointError::Unreadable { path, source }),
        };
        let saved: SavedShard<Box<RawValue>> = match serde_json::from_slice(&content) {
            Ok(saved) => saved,
            Err(source) => return Err(CheckpointError::Damaged { path, source }),
        };
        let found = if saved.version != VERSION {
            format!("version {}, and this is version {VERSION}", saved.version)
        } else if (&saved.mapping, &saved.stream) != (&self.mapping, &self.stream) {
            format!("{} on {}", saved.mapping, saved.stream)
        } else {
            return Ok(Some(saved));
        };
        Err(CheckpointError::Other { path, found })
    }

    /// How far the mapping was done, if its stream is the one that was created at `created`.
    pub(crate) fn totals(&self, created: i64) -> Option<SavedTotals> {
        let saved = lock(&self.saved);
        let shards = saved.shards.values();
        let shards = shards.filter(|shard| shard.stream_created == created);
        shards.fold(None, |totals: Option<SavedTotals>, shard| {
            let totals = totals.unwrap_or_default();
            Some(SavedTotals {
                records: totals.records + shard.records,
                saved_at: totals.saved_at.max(shard.saved_at),
            })
        })
    }

    /// Learns which stream it is, and drops what was saved of another one of its name. Returns
    /// whether it has learnt that before `stop`.
    pub(super) async fn identify(
        &self,
        client: &aws_sdk_kinesis::Client,
        stop: &CancellationToken,
    ) -> bool {
        let created = loop {
            let created = tokio::select! {
                () = stop.cancelled() => return false,
                created = stream_created(client, &self.stream) => created,
            };
            match created {
                Ok(created) => break created,
                Err(error) => {
                    tracing::warn!(stream = self.stream, %error, "cannot describe the stream");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(RETRY_PAUSE) => {}
            }
        };
        self.keep_of(created);
        true
    }

    /// Drops what was saved of streams that were not created at `created`, and removes its files.
    pub(super) fn keep_of(&self, created: i64) {
        let mut saved = lock(&self.saved);
        let SavedShards { shards, files, .. } = &mut *saved;
        shards.retain(|file, shard| {
            let is_kept = shard.stream_created == created;
            if !is_kept {
                files.remove(file);
                remove_shard(&self.path(file));
            }
            is_kept
        });
        saved.created = created;
        saved.is_resumed = !saved.shards.is_empty();
    }

    /// Removes what was saved of shards that the stream no longer has, so that can never be read again.
    pub(super) fn keep_listed<'a>(&self, listed: impl Iterator<Item = &'a str>) {
        let is_open = self.is_open.read().unwrap_or_else(PoisonError::into_inner);
        let mut saved = lock(&self.saved);
        let listed: BTreeSet<String> = listed.map(safe_name).collect();
        let missing: Vec<String> = saved.files.difference(&listed).cloned().collect();
        if missing.is_empty() || !*is_open {
            return;
        }
        // As long as no other shard has a file, these say that the mapping existed before.
        if !listed.iter().any(|file| self.path(file).exists()) {
            return;
        }
        for file in missing {
            remove_shard(&self.path(&file));
            saved.files.remove(&file);
            saved.shards.remove(&file);
        }
    }

    /// The file of this name.
    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(format!("{file}.json"))
    }

    /// Whether a shard was done to its end before this start.
    pub(super) fn is_finished(&self, shard: &str) -> bool {
        let saved = lock(&self.saved);
        saved
            .shards
            .get(&safe_name(shard))
            .is_some_and(|shard| shard.finished)
    }

    /// Whether any shard was saved before this start. Shards that were not are then read from their
    /// oldest record: the mapping existed before them.
    pub(super) fn is_resumed(&self) -> bool {
        lock(&self.saved).is_resumed
    }

    /// What was saved of a shard. If the mapping has no windows any more, or the state of the open one
    /// is of another version, its records are read again.
    pub(super) fn take(&self, shard: &str, has_windows: bool) -> Option<SavedShard<Box<RawValue>>> {
        let mut saved = lock(&self.saved).shards.remove(&safe_name(shard))?;
        if let Some(window) = saved
            .window
            .take_if(|window| !has_windows || window.state_version != self.state_version)
        {
            tracing::warn!(
                mapping = self.mapping,
                shard,
                "the state of the open window is of another version of the function; its records are \
                 read again"
            );
            saved.start = window.opened;
        }
        if has_windows {
            // A window's records are those of the shard, in its order.
            saved.lanes.clear();
        }
        Some(saved)
    }

    /// A writer of a shard's file.
    pub(super) fn writer(self: &Arc<Self>, shard: &str) -> CheckpointWriter {
        let file = safe_name(shard);
        let path = self.path(&file);
        lock(&self.saved).files.insert(file);
        CheckpointWriter {
            path,
            disk: self.disk.writer(),
            checkpoints: Arc::clone(self),
        }
    }

    /// From now on, what is still written has no effect.
    pub(super) fn close(&self) {
        let mut is_open = self.is_open.write().unwrap_or_else(PoisonError::into_inner);
        *is_open = false;
    }

    /// Removes all that was saved, for a mapping that is restarted on purpose, and returns its
    /// checkpoints. What the mapping before still writes has no effect.
    pub(super) fn restarted(&self) -> Self {
        self.close();
        if let Err(error) = fs::remove_dir_all(&self.folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.folder.display(), %error, "cannot remove checkpoints");
        }
        Self {
            folder: self.folder.clone(),
            enabled: Mutex::new(self.enabled()),
            mapping: self.mapping.clone(),
            stream: self.stream.clone(),
            state_version: self.state_version.clone(),
            disk: self.disk.clone(),
            is_open: Arc::new(RwLock::new(true)),
            saved: Mutex::default(),
        }
    }
}

/// Writes the file of one shard.
#[derive(Debug)]
pub(super) struct CheckpointWriter {
    path: PathBuf,
    disk: DiskWriter,
    checkpoints: Arc<Checkpoints>,
}

impl CheckpointWriter {
    /// Saves the progress of the shard. Retries a failed write until it succeeds or `stop` is
    /// cancelled; returns whether it succeeded.
    pub(super) async fn save(&self, progress: ShardToSave<'_>, stop: &CancellationToken) -> bool {
        let content: Arc<[u8]> = match self.content(progress) {
            Ok(content) => content.into(),
            Err(error) => {
                // Text, numbers and a state that was read as JSON can always be written.
                tracing::error!(path = %self.path.display(), %error, "a checkpoint cannot be written as JSON");
                return false;
            }
        };
        loop {
            let (path, content) = (self.path.clone(), Arc::clone(&content));
            let is_open = Arc::clone(&self.checkpoints.is_open);
            let written = tokio::task::spawn_blocking(move || {
                let is_open = is_open.read().unwrap_or_else(PoisonError::into_inner);
                if *is_open {
                    whole_file::replace(&path, &content)
                } else {
                    Ok(())
                }
            });
            match written
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)))
            {
                Ok(()) => {
                    self.disk.succeeded();
                    return true;
                }
                Err(error) => self.disk.failed(&self.path, &error),
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(RETRY_PAUSE) => {}
            }
        }
    }

    fn content(&self, progress: ShardToSave<'_>) -> serde_json::Result<Vec<u8>> {
        let checkpoints = &self.checkpoints;
        let window = progress.window.map(|(window, opened, state)| SavedWindow {
            start: window.start,
            end: window.end,
            opened: opened.clone(),
            state_version: checkpoints.state_version.clone(),
            state,
        });
        serde_json::to_vec(&SavedShard {
            version: VERSION,
            mapping: checkpoints.mapping.clone(),
            stream: checkpoints.stream.clone(),
            stream_created: lock(&checkpoints.saved).created,
            saved_at: progress.now,
            start: progress.start,
            records: progress.records,
            finished: progress.finished,
            window,
            lanes: progress.lanes,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
