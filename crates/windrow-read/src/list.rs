//! Which shards a stream has.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{Config, retry::RetryConfig};

use crate::ReadError;
use crate::retry::RetryBudget;

/// One shard of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its id, as in `shardId-000000000000`.
    pub id: String,
    /// The shards it goes on from: none for those the stream began with, one after a split, two
    /// after a merge. They may no longer be listed: Kinesis drops a shard whose records have
    /// expired.
    pub parents: Vec<String>,
    /// Whether it takes no more records.
    pub ended: bool,
}

/// Lists all shards of `stream` that Kinesis still knows, ended ones too.
///
/// # Errors
/// [`ReadError`], after waiting out throttling for a while.
pub async fn list(client: &Client, stream: &str) -> Result<Vec<Shard>, ReadError> {
    let mut budget = RetryBudget::new(stream);
    let mut shards = Vec::new();
    let mut token: Option<String> = None;
    loop {
        // Kinesis takes the name or the token, never both.
        let name = if token.is_none() {
            Some(stream.to_owned())
        } else {
            None
        };
        let answer = client
            .list_shards()
            .set_stream_name(name)
            .set_next_token(token.clone())
            .customize()
            .config_override(Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await;
        let output = match answer {
            Ok(output) => output,
            Err(error) => {
                if budget.wait(error).await? {
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
    Shard {
        id: listed.shard_id().to_owned(),
        parents: parents.into_iter().flatten().map(str::to_owned).collect(),
        ended: range.is_some_and(|range| range.ending_sequence_number().is_some()),
    }
}
