//! Deletes what is past its retention.

use std::sync::PoisonError;
use std::{fs, io};

use tokio::time::Instant;

use super::{Streams, shard_folder};
use crate::meta;
use crate::stream::{LiveStream, StreamState};

/// Deletes the closed shards and the segments that are past their retention at `now`, and what is left
/// in memory of deleted streams.
pub(super) fn delete_expired(streams: &Streams, now: i64) {
    let all: Vec<_> = {
        let mut streams = streams.write().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|_, stream| stream.state().status(Instant::now()).is_some());
        streams.values().cloned().collect()
    };
    for stream in all {
        if let Err(error) = delete_shards(&stream, now) {
            let path = stream.folder.display();
            tracing::warn!(%path, %error, "a shard past its retention could not be deleted");
        }
        let state = stream.state();
        let horizon = now.saturating_sub(state.meta.retention_millis());
        for shard in &state.shards {
            if let Err((path, error)) = shard.log.delete_before(horizon) {
                tracing::warn!(path = %path.display(), %error, "a segment past its retention could not be deleted");
            }
        }
    }
}

/// Deletes the closed shards that can no longer be read at `now`: from the stream's file, and then
/// their folders. After a crash in between, the next start deletes the folders.
fn delete_shards(stream: &LiveStream, now: i64) -> io::Result<()> {
    // If the stream is being changed, this can wait until the next time.
    let Ok(_change) = stream.change.try_lock() else {
        return Ok(());
    };
    let before = stream.state();
    let kept: Vec<_> = before.readable(now).cloned().collect();
    if kept.len() == before.shards.len() {
        return Ok(());
    }
    let is_kept = |number: u32| kept.iter().any(|shard| shard.meta.number == number);
    let mut meta = before.meta.clone();
    meta.shards.retain(|shard| is_kept(shard.number));
    meta::write(&stream.folder, &meta)?;
    let dropped = before.shards.iter();
    let dropped: Vec<_> = dropped
        .filter(|shard| !is_kept(shard.meta.number))
        .cloned()
        .collect();
    let mut state = StreamState::clone(&before);
    (state.meta, state.shards) = (meta, kept);
    stream.set_state(state);
    // Whoever still reads them finds that their files are missing, which is no damage.
    dropped.iter().for_each(|shard| shard.log.set_deleted(true));
    let mut result = Ok(());
    for shard in dropped {
        // One that fails does not keep the others.
        let removed = fs::remove_dir_all(shard_folder(&stream.folder, shard.meta.number));
        result = result.and(removed);
    }
    result
}

#[cfg(test)]
mod tests;
