//! SplitShard, MergeShards and UpdateShardCount.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::check::FieldChecks;
use crate::error::{ErrorCode, KinesisError};
use crate::meta::{LAST_HASH, ShardMeta};
use crate::ops::target::{StreamTarget, check_active};
use crate::sequence::is_sequence_number;
use crate::store::{ShardChange, Store};
use crate::stream::{LiveShard, StreamState};

/// The most shards that a stream can be given at once: more is a mistake, and would take minutes.
const MAX_SHARDS: i64 = 100_000;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SplitShardInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    shard_to_split: Option<String>,
    new_starting_hash_key: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MergeShardsInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    shard_to_merge: Option<String>,
    adjacent_shard_to_merge: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateShardCountInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    target_shard_count: Option<i64>,
    scaling_type: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateShardCountOutput {
    stream_name: String,
    current_shard_count: usize,
    target_shard_count: usize,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
}

impl Store {
    pub(crate) async fn split_shard(&self, input: SplitShardInput) -> Result<(), KinesisError> {
        let target = StreamTarget::new(input.stream_name.as_ref(), input.stream_arn.as_ref());
        let mut checks = FieldChecks::default();
        target.check(&mut checks);
        checks.shard_id("shardToSplit", input.shard_to_split.as_ref());
        let key = input.new_starting_hash_key;
        checks.required("newStartingHashKey", key.as_ref());
        let pattern = r"0|([1-9]\d{0,38})";
        let is_hash = |hash: &str| is_sequence_number(hash) && hash.len() <= 39;
        checks.pattern("newStartingHashKey", key.as_deref(), pattern, is_hash);
        checks.finish()?;

        let stream = self.find(target)?;
        let id = input.shard_to_split.unwrap_or_default();
        let key = key.unwrap_or_default();
        let (now, room) = (self.now(), self.room_for_shards());
        let change = |state: &StreamState| {
            check_active(state)?;
            self.check_provisioned(state)?;
            let shard = self.open_shard(state, &id)?;
            let ShardMeta {
                first_hash,
                last_hash,
                ..
            } = shard.meta;
            let split = key.parse::<u128>().ok();
            let split =
                split.filter(|split| *split > first_hash.saturating_add(1) && *split < last_hash);
            let Some(split) = split else {
                // The message of Kinesis.
                return Err(KinesisError::invalid_argument(format!(
                    "NewStartingHashKey {key} used in SplitShard() on shard {id} in stream {} under account {} is not both greater than one plus the shard's StartingHashKey {first_hash} and less than the shard's EndingHashKey {last_hash}.",
                    state.meta.name, self.options.account
                )));
            };
            self.check_room(room, 1)?;
            let mut change = NewShards::new(state, now);
            change.split(&shard, split);
            Ok(change.done())
        };
        self.reshard(&stream, change).await
    }

    pub(crate) async fn merge_shards(&self, input: MergeShardsInput) -> Result<(), KinesisError> {
        let target = StreamTarget::new(input.stream_name.as_ref(), input.stream_arn.as_ref());
        let mut checks = FieldChecks::default();
        target.check(&mut checks);
        let (one, other) = (input.shard_to_merge, input.adjacent_shard_to_merge);
        checks.shard_id("shardToMerge", one.as_ref());
        checks.shard_id("adjacentShardToMerge", other.as_ref());
        checks.finish()?;

        let stream = self.find(target)?;
        let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
        let now = self.now();
        let change = |state: &StreamState| {
            check_active(state)?;
            self.check_provisioned(state)?;
            let first = self.open_shard(state, &one)?;
            let second = self.open_shard(state, &other)?;
            if !are_adjacent(&first.meta, &second.meta) {
                // The message of Kinesis.
                return Err(KinesisError::invalid_argument(format!(
                    "Shards {one} and {other} in stream {} under account {} are not an adjacent pair of shards eligible for merging",
                    state.meta.name, self.options.account
                )));
            }
            let mut change = NewShards::new(state, now);
            change.merge(&first, &second);
            Ok(change.done())
        };
        self.reshard(&stream, change).await
    }

    pub(crate) async fn update_shard_count(
        &self,
        input: UpdateShardCountInput,
    ) -> Result<UpdateShardCountOutput, KinesisError> {
        let target = StreamTarget::new(input.stream_name.as_ref(), input.stream_arn.as_ref());
        let mut checks = FieldChecks::default();
        target.check(&mut checks);
        let count = input.target_shard_count;
        checks.required("targetShardCount", count.as_ref());
        checks.range("targetShardCount", count, 1, MAX_SHARDS);
        let scaling = input.scaling_type;
        checks.required("scalingType", scaling.as_ref());
        checks.one_of("scalingType", scaling.as_deref(), &["UNIFORM_SCALING"]);
        checks.finish()?;

        let stream = self.find(target)?;
        let state = stream.state();
        check_active(&state)?;
        self.check_provisioned(&state)?;
        let count = usize::try_from(count.unwrap_or_default()).unwrap_or_default();
        let current = state.open().len();
        // Source: Kinesis API reference, `UpdateShardCount`.
        if count > current * 2 || count * 2 < current {
            return Err(KinesisError::limit(format!(
                "UpdateShardCount cannot scale the stream {} from {current} to {count} shards: at most to double and at least to half.",
                state.meta.name
            )));
        }
        let room = self.room_for_shards();
        self.check_room(room, count.saturating_sub(current))?;

        let starts = even_starts(count);
        let mut first = true;
        loop {
            let now = self.now();
            let mut unchanged = false;
            let change = |state: &StreamState| {
                // The later steps come while the stream is UPDATING.
                if first {
                    check_active(state)?;
                }
                let change = step(state, &starts, now);
                unchanged = change.close.is_empty();
                Ok(change)
            };
            self.reshard(&stream, change).await?;
            if unchanged {
                break;
            }
            first = false;
        }
        Ok(UpdateShardCountOutput {
            stream_arn: self.arn(&state.meta.name),
            stream_name: state.meta.name.clone(),
            current_shard_count: current,
            target_shard_count: count,
        })
    }

    /// # Errors
    ///
    /// ValidationException if Kinesis itself decides how many shards the stream has. Source: Kinesis
    /// API reference, the errors of `SplitShard`, `MergeShards` and `UpdateShardCount`.
    fn check_provisioned(&self, state: &StreamState) -> Result<(), KinesisError> {
        if !state.meta.on_demand {
            return Ok(());
        }
        Err(KinesisError::new(
            ErrorCode::ValidationException,
            format!(
                "The shards of stream {} under account {} cannot be changed: its capacity mode is on-demand, and only a provisioned stream can be resharded.",
                state.meta.name, self.options.account
            ),
        ))
    }

    /// How many more shards may be open, over all streams.
    pub(crate) fn room_for_shards(&self) -> usize {
        let limit = usize::try_from(self.options.shard_limit).unwrap_or(usize::MAX);
        limit.saturating_sub(self.open_shards())
    }

    /// # Errors
    ///
    /// LimitExceededException if there is no room for so many more shards.
    pub(crate) fn check_room(&self, room: usize, more: usize) -> Result<(), KinesisError> {
        if more <= room {
            return Ok(());
        }
        Err(KinesisError::limit(format!(
            "This request would exceed the shard limit for the account {}: {} shards are open, and at most {} may be.",
            self.options.account,
            self.open_shards(),
            self.options.shard_limit
        )))
    }

    fn open_shard(&self, state: &StreamState, id: &str) -> Result<Arc<LiveShard>, KinesisError> {
        let shard = self.find_shard(state, id)?;
        if shard.meta.closed.is_none() {
            return Ok(shard);
        }
        // The message of Kinesis.
        Err(KinesisError::in_use(format!(
            "Shard {id} in stream {} under account {} has already been merged or split, and thus is not eligible for merging or splitting.",
            state.meta.name, self.options.account
        )))
    }
}

fn are_adjacent(one: &ShardMeta, other: &ShardMeta) -> bool {
    one.last_hash.checked_add(1) == Some(other.first_hash)
        || other.last_hash.checked_add(1) == Some(one.first_hash)
}

/// The first hash keys of `count` shards of even length.
pub(crate) fn even_starts(count: usize) -> Vec<u128> {
    let count = count as u128;
    // 2^128 / count, rounded down, without 2^128.
    let length = match count {
        0 | 1 => 0,
        _ => (LAST_HASH - (count - 1)) / count + 1,
    };
    (0..count).map(|index| index * length).collect()
}

/// A shard of a new stream or of a change.
pub(crate) fn new_shard(number: u32, epoch: u64, hashes: (u128, u128), now: i64) -> ShardMeta {
    ShardMeta {
        number,
        epoch,
        first_hash: hashes.0,
        last_hash: hashes.1,
        parent: None,
        adjacent_parent: None,
        created: now,
        closed: None,
    }
}

/// The shards that a change makes.
struct NewShards {
    change: ShardChange,
    next: u32,
    epoch: u64,
    now: i64,
}

impl NewShards {
    fn new(state: &StreamState, now: i64) -> Self {
        let last = state.shards.last();
        let epochs = state.shards.iter().map(|shard| shard.meta.epoch);
        let after = epochs.max().unwrap_or_default() + 1;
        Self {
            change: ShardChange {
                close: Vec::new(),
                open: Vec::new(),
            },
            next: last.map_or(0, |shard| shard.meta.number + 1),
            // The clock may be behind that of the parents.
            epoch: u64::try_from(now).unwrap_or_default().max(after),
            now,
        }
    }

    fn add(&mut self, hashes: (u128, u128), parents: (u32, Option<u32>)) {
        let mut shard = new_shard(self.next, self.epoch, hashes, self.now);
        shard.parent = Some(parents.0);
        shard.adjacent_parent = parents.1;
        self.change.open.push(shard);
        self.next += 1;
    }

    /// Splits a shard, so that the second child begins at `split`.
    fn split(&mut self, shard: &LiveShard, split: u128) {
        let meta = &shard.meta;
        self.change.close.push(meta.number);
        self.add((meta.first_hash, split - 1), (meta.number, None));
        self.add((split, meta.last_hash), (meta.number, None));
    }

    fn merge(&mut self, one: &LiveShard, other: &LiveShard) {
        let (one, other) = (&one.meta, &other.meta);
        self.change.close.extend([one.number, other.number]);
        let first = one.first_hash.min(other.first_hash);
        let last = one.last_hash.max(other.last_hash);
        self.add((first, last), (one.number, Some(other.number)));
    }

    fn done(self) -> ShardChange {
        self.change
    }
}

/// One step from the open shards to those that begin at `starts`: splits as long as any is needed,
/// then merges. Nothing if they are there.
fn step(state: &StreamState, starts: &[u128], now: i64) -> ShardChange {
    let mut change = NewShards::new(state, now);
    for shard in state.open() {
        let (first, last) = (shard.meta.first_hash, shard.meta.last_hash);
        let from = starts.partition_point(|start| *start <= first);
        let to = starts.partition_point(|start| *start <= last);
        if let Some(split) = starts.get(from + (to - from) / 2)
            && from < to
        {
            change.split(shard, *split);
        }
    }
    if !change.change.close.is_empty() {
        return change.done();
    }
    let mut open = state.open().iter().peekable();
    while let Some(shard) = open.next() {
        // The next one goes into the same shard, unless one begins there.
        let following = open.next_if(|next| starts.binary_search(&next.meta.first_hash).is_err());
        if let Some(following) = following {
            change.merge(shard, following);
        }
    }
    change.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_shards_begin_where_those_of_kinesis_do() {
        assert_eq!(even_starts(1), [0]);
        assert_eq!(even_starts(2), [0, 1 << 127]);
        assert_eq!(
            even_starts(3),
            [
                0,
                113_427_455_640_312_821_154_458_202_477_256_070_485,
                226_854_911_280_625_642_308_916_404_954_512_140_970
            ]
        );
        for count in 1..200 {
            let starts = even_starts(count);
            assert!(starts.windows(2).all(|pair| pair[0] < pair[1]), "{count}");
        }
    }
}
