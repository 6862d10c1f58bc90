//! Lists the shards of a stream.

use std::ops::RangeInclusive;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::list_shards::ListShardsError;

use crate::retry::RetryBudget;
use crate::{ReadError, call};

/// One shard of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its ID, such as `shardId-000000000000`.
    pub id: String,
    /// The parents that it continues: none for the stream's initial shards, one after a split, two
    /// after a merge. They may no longer be listed, because Kinesis drops a shard once its records
    /// have expired.
    pub parents: Vec<String>,
    /// Whether it is closed and accepts no more records.
    pub ended: bool,
    /// The hash keys of its records: the MD5 digests of partition keys, as numbers.
    pub hash_keys: RangeInclusive<u128>,
}

/// Lists all shards of `stream` that Kinesis still knows, including closed ones. `stream` is a name or
/// an ARN.
///
/// # Errors
/// [`ReadError`], after retrying throttling and transient errors.
pub async fn list(client: &Client, stream: &str) -> Result<Vec<Shard>, ReadError> {
    let (stream_name, stream_arn) = call::name_and_arn(stream);
    let mut budget = RetryBudget::new(stream);
    let mut shards = Vec::new();
    let mut token: Option<String> = None;
    loop {
        // Kinesis accepts either the stream or the token, not both.
        let is_first = token.is_none();
        let result = client
            .list_shards()
            .set_stream_name(stream_name.clone().filter(|_| is_first))
            .set_stream_arn(stream_arn.clone().filter(|_| is_first))
            .set_next_token(token.clone())
            .customize()
            .config_override(call::small::<ListShardsError>(client))
            .interceptor(budget.endpoint())
            .send()
            .await;
        let output = match result {
            Ok(output) => output,
            Err(error) => {
                if budget.wait("ListShards", error).await? {
                    shards.clear();
                    token = None;
                }
                continue;
            }
        };
        shards.extend(output.shards().iter().map(shard));
        token = output.next_token;
        if token.is_none() {
            return Ok(shards);
        }
    }
}

fn shard(listed: &aws_sdk_kinesis::types::Shard) -> Shard {
    let parents = [listed.parent_shard_id(), listed.adjacent_parent_shard_id()];
    let range = listed.sequence_number_range();
    let hash_keys = listed.hash_key_range().map(|range| {
        let key = |text: &str| text.parse().unwrap_or_default();
        key(range.starting_hash_key())..=key(range.ending_hash_key())
    });
    Shard {
        id: listed.shard_id().to_owned(),
        parents: parents.into_iter().flatten().map(str::to_owned).collect(),
        ended: range.is_some_and(|range| range.ending_sequence_number().is_some()),
        hash_keys: hash_keys.unwrap_or(0..=u128::MAX),
    }
}
