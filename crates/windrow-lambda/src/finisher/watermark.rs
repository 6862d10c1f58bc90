//! Up to when the windows of all shards are complete.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::join_all;
use windrow_core::time::Timestamp;
use windrow_read::{ReadError, Shard, ShardReader, Start};

/// The most shards to look into at once.
const CONCURRENT_LOOKS: usize = 8;

/// The most pages to look through for the next record of a shard. Kinesis may return empty pages
/// before the end of a shard.
const MOST_PAGES: usize = 20;

/// How long before now a shard without records is complete: a record that was just acknowledged may
/// not be readable yet.
const GRACE_MILLIS: i64 = 1000;

/// What is known of a shard of readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShardState {
    /// Its windows are complete up to this time.
    Through(i64),
    /// Whether its records from this time on were aggregated is not known; from the start, if there
    /// is no time.
    Unknown(Option<i64>),
}

/// What the watermarks say about the shards of a stream.
pub(super) fn shard_states<'s>(
    shards: &'s [Shard],
    watermarks: Option<&BTreeMap<String, i64>>,
) -> Vec<(&'s Shard, ShardState)> {
    let watermark = |shard: &str| {
        watermarks
            .and_then(|of_stream| of_stream.get(shard))
            .copied()
    };
    let mut children: HashMap<&str, Vec<&Shard>> = HashMap::new();
    for shard in shards {
        for parent in &shard.parents {
            children.entry(parent).or_default().push(shard);
        }
    }
    // A mapping reads a shard once its parents are read to their ends.
    let has_followed = |shard: &Shard| {
        let mut left: Vec<&Shard> = children.get(shard.id.as_str()).cloned().unwrap_or_default();
        let mut looked_at = 0;
        while let Some(child) = left.pop() {
            if watermark(&child.id).is_some() {
                return true;
            }
            looked_at += 1;
            if looked_at > shards.len() {
                return false;
            }
            left.extend(children.get(child.id.as_str()).into_iter().flatten());
        }
        false
    };
    let states = shards.iter().map(|shard| {
        let state = match watermark(&shard.id) {
            _ if shard.ended && has_followed(shard) => ShardState::Through(i64::MAX),
            Some(through) => ShardState::Through(through),
            None => ShardState::Unknown(None),
        };
        (shard, state)
    });
    states.collect()
}

/// The time that the finisher goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinishTime {
    /// Now.
    pub now: Timestamp,
    /// Whether all streams of readings are closed for good, as when the local cloud stops.
    pub is_drained: bool,
}

impl FinishTime {
    /// Up to when a shard is complete that has no records which were not aggregated.
    fn of_idle_shard(self) -> i64 {
        if self.is_drained {
            return i64::MAX;
        }
        self.now.millis().saturating_sub(GRACE_MILLIS)
    }
}

/// Up to when the windows of all shards of a stream are complete. Looks into shards whose watermark
/// is before `needed`.
pub(super) async fn stream_watermark(
    client: &aws_sdk_kinesis::Client,
    stream: &str,
    states: Vec<(&Shard, ShardState)>,
    needed: i64,
    time: FinishTime,
) -> Result<i64, ReadError> {
    let mut watermark = i64::MAX;
    let mut unknown: Vec<(&Shard, Option<i64>)> = Vec::new();
    for (shard, state) in states {
        match state {
            ShardState::Through(through) if through >= needed => {
                watermark = watermark.min(through);
            }
            ShardState::Through(through) => unknown.push((shard, Some(through))),
            ShardState::Unknown(from) => unknown.push((shard, from)),
        }
    }
    for unknown in unknown.chunks(CONCURRENT_LOOKS) {
        let looks = unknown
            .iter()
            .map(|(shard, from)| idle_watermark(client, stream, shard, *from, time));
        for look in join_all(looks).await {
            watermark = watermark.min(look?);
        }
    }
    Ok(watermark)
}

/// Up to when the windows of a shard are complete if all its records before `from` were aggregated.
async fn idle_watermark(
    client: &aws_sdk_kinesis::Client,
    stream: &str,
    shard: &Shard,
    from: Option<i64>,
    time: FinishTime,
) -> Result<i64, ReadError> {
    let known = from.unwrap_or(i64::MIN);
    let next = next_record(client, stream, &shard.id, from, time).await?;
    Ok(match next {
        NextRecord::At(arrival) => arrival.millis().max(known),
        NextRecord::None if shard.ended => i64::MAX,
        NextRecord::None => time.of_idle_shard().max(known),
        NextRecord::Unknown => known,
    })
}

/// The first record of a shard from a time on.
enum NextRecord {
    At(Timestamp),
    None,
    /// It was not found in time.
    Unknown,
}

async fn next_record(
    client: &aws_sdk_kinesis::Client,
    stream: &str,
    shard: &str,
    from: Option<i64>,
    time: FinishTime,
) -> Result<NextRecord, ReadError> {
    // A window that was closed early ends in the future, where no shard can be read from.
    let start = match from {
        Some(from) => Start::AtTimestamp(Timestamp::from_millis(from.min(time.now.millis()))),
        None => Start::TrimHorizon,
    };
    let mut reader = ShardReader::new(client.clone(), stream, shard, start).limit(1);
    for _ in 0..MOST_PAGES {
        let page = reader.next_page().await?;
        if let Some(record) = page.records.first() {
            return Ok(NextRecord::At(record.arrival));
        }
        if page.ended || page.behind.is_zero() {
            return Ok(NextRecord::None);
        }
    }
    Ok(NextRecord::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str], ended: bool) -> Shard {
        Shard {
            id: id.to_owned(),
            parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
            ended,
            hash_keys: 0..=u128::MAX,
        }
    }

    fn states(shards: &[Shard], watermarks: &[(&str, i64)]) -> Vec<ShardState> {
        let watermarks = watermarks
            .iter()
            .map(|(shard, through)| ((*shard).to_owned(), *through));
        let watermarks: BTreeMap<String, i64> = watermarks.collect();
        let states = shard_states(shards, Some(&watermarks));
        states.into_iter().map(|(_, state)| state).collect()
    }

    #[test]
    fn parents_are_complete_once_a_descendant_has_a_watermark() {
        let shards = [
            shard("a", &[], true),
            shard("b", &["a"], true),
            shard("c", &["a"], false),
            shard("d", &["b"], false),
        ];
        let unknown = ShardState::Unknown(None);
        assert_eq!(states(&shards, &[]), [unknown; 4]);
        let all = ShardState::Through(i64::MAX);
        let known = states(&shards, &[("a", 3), ("d", 9)]);
        assert_eq!(known, [all, all, unknown, ShardState::Through(9)]);
        let known = states(&shards, &[("a", 3)]);
        assert_eq!(known[0], ShardState::Through(3));
    }

    #[test]
    fn shards_that_are_their_own_ancestors_end() {
        let shards = [shard("a", &["b"], true), shard("b", &["a"], true)];
        assert_eq!(states(&shards, &[]), [ShardState::Unknown(None); 2]);
    }
}
