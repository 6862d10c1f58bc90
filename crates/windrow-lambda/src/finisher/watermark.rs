//! Up to when the windows of all shards are complete.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::join_all;
use lambda_runtime::tracing;
use windrow_core::time::Timestamp;
use windrow_read::{ReadError, Shard, ShardReader, Start};

/// The most shards to look into at once.
const CONCURRENT_LOOKS: usize = 8;

/// The most pages to look through at once for the next record of a shard.
const MOST_PAGES: usize = 20;

/// How long before now a shard without records is complete: a record that was just acknowledged may
/// not be readable yet.
const GRACE_MILLIS: i64 = 1000;

/// Up to when the watermarks say that the windows of each shard of a stream are complete.
pub(super) fn shard_states<'s>(
    shards: &'s [Shard],
    watermarks: &BTreeMap<String, i64>,
) -> Vec<(&'s Shard, Option<i64>)> {
    let watermark = |shard: &str| watermarks.get(shard).copied();
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
        let is_read = shard.ended && has_followed(shard);
        let through = is_read.then_some(i64::MAX);
        (shard, through.or_else(|| watermark(&shard.id)))
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

/// Up to when the windows of the shards of a stream are complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamWatermark {
    /// Up to when those of all shards are.
    pub(super) through: i64,
    /// Until when shards were found to have no records.
    pub(super) idle: BTreeMap<String, i64>,
}

/// A stream of readings.
#[derive(Clone, Copy)]
pub(super) struct ReadingStream<'a> {
    pub(super) client: &'a aws_sdk_kinesis::Client,
    pub(super) name: &'a str,
    /// From when on its records count.
    pub(super) since: i64,
    /// Until when shards were found to have no records before.
    pub(super) idle: Option<&'a BTreeMap<String, i64>>,
    pub(super) time: FinishTime,
}

impl ReadingStream<'_> {
    /// Up to when the windows are complete, of which `needed` is the last end. Looks into shards
    /// whose watermark is before that.
    pub(super) async fn watermark(
        self,
        states: Vec<(&Shard, Option<i64>)>,
        needed: i64,
    ) -> Result<StreamWatermark, ReadError> {
        let mut watermark = StreamWatermark {
            through: i64::MAX,
            idle: BTreeMap::new(),
        };
        let (known, unknown): (Vec<_>, Vec<_>) = states
            .into_iter()
            .partition(|(_, through)| through.is_some_and(|through| through >= needed));
        for (_, through) in known {
            watermark.through = watermark.through.min(through.unwrap_or(i64::MAX));
        }
        for unknown in unknown.chunks(CONCURRENT_LOOKS) {
            let looks = unknown.iter().map(|(shard, through)| {
                let from = through.unwrap_or(self.since);
                let idle = self.idle.and_then(|idle| idle.get(&shard.id)).copied();
                self.look(shard, from.max(idle.unwrap_or(i64::MIN)))
            });
            for ((shard, _), look) in unknown.iter().zip(join_all(looks).await) {
                let (through, idle) = look?;
                if through < needed {
                    let (stream, shard) = (self.name, &shard.id);
                    let through = Timestamp::from_millis(through);
                    tracing::info!(stream, shard, %through, "windows wait for a shard");
                }
                watermark.through = watermark.through.min(through);
                if let Some(idle) = idle {
                    watermark.idle.insert(shard.id.clone(), idle);
                }
            }
        }
        Ok(watermark)
    }

    /// Up to when the windows of a shard are complete if all its records before `from` were
    /// aggregated, and until when it has no records from then on.
    async fn look(self, shard: &Shard, from: i64) -> Result<(i64, Option<i64>), ReadError> {
        let now = self.time.now.millis();
        // A window that was closed early ends in the future, where no shard can be read from.
        let start = Start::AtTimestamp(Timestamp::from_millis(from.min(now)));
        let mut reader =
            ShardReader::new(self.client.clone(), self.name, &shard.id, start).limit(1);
        let mut reached = from;
        for _ in 0..MOST_PAGES {
            let page = reader.next_page().await?;
            if let Some(record) = page.records.first() {
                let arrival = record.arrival.millis().max(from);
                return Ok((arrival, Some(arrival)));
            }
            if page.ended && shard.ended {
                return Ok((i64::MAX, None));
            }
            if page.ended || page.behind.is_zero() {
                let through = self.time.of_idle_shard();
                let idle = now.saturating_sub(GRACE_MILLIS);
                return Ok((through.max(from), Some(idle.max(from))));
            }
            // Kinesis returns empty pages for the time in which a shard had no records.
            let behind = i64::try_from(page.behind.as_millis()).unwrap_or(i64::MAX);
            reached = reached.max(now.saturating_sub(behind).saturating_sub(GRACE_MILLIS));
        }
        Ok((reached, Some(reached)))
    }
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

    fn states(shards: &[Shard], watermarks: &[(&str, i64)]) -> Vec<Option<i64>> {
        let watermarks = watermarks
            .iter()
            .map(|(shard, through)| ((*shard).to_owned(), *through));
        let watermarks: BTreeMap<String, i64> = watermarks.collect();
        let states = shard_states(shards, &watermarks);
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
        assert_eq!(states(&shards, &[]), [None; 4]);
        let all = Some(i64::MAX);
        let known = states(&shards, &[("a", 3), ("d", 9)]);
        assert_eq!(known, [all, all, None, Some(9)]);
        let known = states(&shards, &[("a", 3)]);
        assert_eq!(known[0], Some(3));
    }

    #[test]
    fn shards_that_are_their_own_ancestors_end() {
        let shards = [shard("a", &["b"], true), shard("b", &["a"], true)];
        assert_eq!(states(&shards, &[]), [None; 2]);
    }
}
