//! ListShards, and the description of shards.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::check::{FieldChecks, NAME_PATTERN, is_name};
use crate::error::KinesisError;
use crate::ops::target::StreamTarget;
use crate::sequence::SequencePlace;
use crate::store::Store;
use crate::stream::{LiveShard, StreamState, shard_id, shard_number};
use crate::wire::WireTime;

/// Source: Kinesis API reference, `ListShards`: "If you specify a value greater than 1000, at most
/// 1000 results are returned."
const MAX_PAGE: i64 = 1000;

/// The largest value that the API allows, all the same.
const MAX_RESULTS: i64 = 10_000;

const FILTERS: [&str; 6] = [
    "AFTER_SHARD_ID",
    "AT_TRIM_HORIZON",
    "FROM_TRIM_HORIZON",
    "AT_LATEST",
    "AT_TIMESTAMP",
    "FROM_TIMESTAMP",
];

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HashKeyRange {
    starting_hash_key: String,
    ending_hash_key: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SequenceNumberRange {
    starting_sequence_number: SequencePlace,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending_sequence_number: Option<SequencePlace>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ShardOutput {
    pub(crate) shard_id: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_shard_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adjacent_parent_shard_id: Option<String>,
    hash_key_range: HashKeyRange,
    sequence_number_range: SequenceNumberRange,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListShardsInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    next_token: Option<String>,
    exclusive_start_shard_id: Option<String>,
    max_results: Option<i64>,
    stream_creation_timestamp: Option<WireTime>,
    shard_filter: Option<ShardFilterInput>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShardFilterInput {
    #[serde(rename = "Type")]
    kind: Option<String>,
    shard_id: Option<String>,
    timestamp: Option<WireTime>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListShardsOutput {
    pub(crate) shards: Vec<ShardOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// What the token of a page holds.
#[derive(Debug, Serialize, Deserialize)]
struct ShardsPage {
    stream: u64,
    after: u32,
    filter: Option<ShardFilterInput>,
}

impl Store {
    pub(crate) fn list_shards(
        &self,
        input: &ListShardsInput,
    ) -> Result<ListShardsOutput, KinesisError> {
        input.check()?;
        let target = StreamTarget::new(input.stream_name.as_ref(), input.stream_arn.as_ref());
        let (stream, page) = match &input.next_token {
            Some(token) => {
                let page: ShardsPage = self.parse_page(token)?;
                let stream = self.stream_by_number(page.stream);
                let gone = || KinesisError::not_found("The stream of the NextToken is deleted.");
                let stream = stream.ok_or_else(gone)?;
                let is_named = target.name.is_some() || target.arn.is_some();
                // AWS rejects any name beside a token, and with it the pages of the AWS CLI.
                if is_named && self.find(target)?.number != stream.number {
                    return Err(KinesisError::invalid_argument(
                        "NextToken and StreamName cannot be provided together: they are of different streams.",
                    ));
                }
                (stream, Some(page))
            }
            None => (self.find_ready(target)?.0, None),
        };
        let state = stream.state();
        if let Some(WireTime(created)) = input.stream_creation_timestamp
            // To the second, since some clients send no more.
            && created.div_euclid(1000) != state.meta.created.div_euclid(1000)
        {
            return Err(self.no_stream(&state.meta.name));
        }
        let start = input
            .exclusive_start_shard_id
            .as_deref()
            .and_then(shard_number);
        let after = page.as_ref().map(|page| page.after).or(start);
        let filter = page.map_or_else(|| input.shard_filter.clone(), |page| page.filter);
        let limit = input.max_results.unwrap_or(MAX_PAGE).min(MAX_PAGE);
        let limit = usize::try_from(limit).unwrap_or_default();

        let now = self.now();
        let mut shards = state
            .readable(now)
            .filter(|shard| after.is_none_or(|after| shard.meta.number > after))
            .filter(|shard| {
                let filter = filter.as_ref();
                filter.is_none_or(|filter| filter.matches(&state, shard, now))
            });
        let listed: Vec<&Arc<LiveShard>> = shards.by_ref().take(limit).collect();
        let next_token = match (shards.next(), listed.last()) {
            (Some(_), Some(last)) => Some(self.page_token(&ShardsPage {
                stream: stream.number,
                after: last.meta.number,
                filter: filter.clone(),
            })),
            _ => None,
        };
        Ok(ListShardsOutput {
            shards: listed.into_iter().map(ShardOutput::of).collect(),
            next_token,
        })
    }
}

impl ListShardsInput {
    /// The input that lists all shards of a stream, or the next page of them.
    pub(crate) fn of(stream: &str, next_token: Option<String>) -> Self {
        Self {
            stream_name: next_token.is_none().then(|| stream.to_owned()),
            next_token,
            ..Self::default()
        }
    }

    fn check(&self) -> Result<(), KinesisError> {
        let mut checks = FieldChecks::default();
        StreamTarget::new(self.stream_name.as_ref(), self.stream_arn.as_ref()).check(&mut checks);
        checks.length("nextToken", self.next_token.as_deref(), 1, 1_048_576);
        checks.range("maxResults", self.max_results, 1, MAX_RESULTS);
        let start = self.exclusive_start_shard_id.as_deref();
        checks.pattern("exclusiveStartShardId", start, NAME_PATTERN, is_name);
        if let Some(filter) = &self.shard_filter {
            checks.required("shardFilter.type", filter.kind.as_ref());
            checks.one_of("shardFilter.type", filter.kind.as_deref(), &FILTERS);
            checks.pattern(
                "shardFilter.shardId",
                filter.shard_id.as_deref(),
                NAME_PATTERN,
                is_name,
            );
        }
        checks.finish()?;

        if self.next_token.is_some() {
            let others = [
                (
                    "StreamCreationTimestamp",
                    self.stream_creation_timestamp.is_some(),
                ),
                (
                    "ExclusiveStartShardId",
                    self.exclusive_start_shard_id.is_some(),
                ),
            ];
            if let Some((name, _)) = others.iter().find(|(_, present)| *present) {
                return Err(KinesisError::invalid_argument(format!(
                    "NextToken and {name} cannot be provided together."
                )));
            }
        }
        let filter = self.shard_filter.as_ref();
        let (kind, needs, missing) = match filter.and_then(|filter| filter.kind.as_deref()) {
            Some(kind @ "AFTER_SHARD_ID") => (
                kind,
                "ShardId",
                filter.is_some_and(|filter| filter.shard_id.is_none()),
            ),
            Some(kind @ ("AT_TIMESTAMP" | "FROM_TIMESTAMP")) => (
                kind,
                "Timestamp",
                filter.is_some_and(|filter| filter.timestamp.is_none()),
            ),
            _ => return Ok(()),
        };
        if missing {
            return Err(KinesisError::invalid_argument(format!(
                "A ShardFilter of type {kind} needs a {needs}."
            )));
        }
        Ok(())
    }
}

impl ShardFilterInput {
    /// Whether a shard that can be read at `now` passes. Source: Kinesis API reference, `ShardFilter`.
    fn matches(&self, state: &StreamState, shard: &LiveShard, now: i64) -> bool {
        let horizon = now.saturating_sub(state.meta.retention_millis());
        let horizon = horizon.max(state.meta.created);
        let time = self
            .timestamp
            .map_or(horizon, |WireTime(time)| time.max(horizon));
        let open_at = |time| {
            let closed = shard.meta.closed;
            shard.meta.created <= time && closed.is_none_or(|closed| closed > time)
        };
        let ends_after = |time| shard.meta.closed.is_none_or(|closed| closed >= time);
        match self.kind.as_deref().unwrap_or_default() {
            "AT_LATEST" => shard.meta.closed.is_none(),
            "AT_TRIM_HORIZON" => open_at(horizon),
            "AT_TIMESTAMP" => open_at(time),
            "FROM_TIMESTAMP" => ends_after(time),
            "AFTER_SHARD_ID" => {
                let after = self.shard_id.as_deref().and_then(shard_number);
                after.is_none_or(|after| shard.meta.number > after)
            }
            // FROM_TRIM_HORIZON: all that can be read.
            _ => true,
        }
    }
}

impl HashKeyRange {
    pub(crate) fn of(shard: &LiveShard) -> Self {
        Self {
            starting_hash_key: shard.meta.first_hash.to_string(),
            ending_hash_key: shard.meta.last_hash.to_string(),
        }
    }
}

impl ShardOutput {
    pub(crate) fn of(shard: &Arc<LiveShard>) -> Self {
        Self {
            shard_id: Arc::clone(&shard.id),
            parent_shard_id: shard.meta.parent.map(shard_id),
            adjacent_parent_shard_id: shard.meta.adjacent_parent.map(shard_id),
            hash_key_range: HashKeyRange::of(shard),
            sequence_number_range: SequenceNumberRange {
                starting_sequence_number: shard.first_sequence(),
                ending_sequence_number: shard.last_sequence(),
            },
        }
    }
}
