//! The limit on reads per shard.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use ferrokinesis::shard_iterator::decode_shard_iterator;
use serde::Deserialize;
use tokio::time::Instant;

use crate::service_error::error_response;

/// The application name of the local cloud's own clients.
const OWN_NAME: &str = "wildrydes-local-cloud";

/// The time over which reads are counted.
const SPAN: Duration = Duration::from_secs(1);

/// Marks a configuration as the local cloud's own: reads by its clients do not count.
pub(crate) fn as_own(config: SdkConfig) -> SdkConfig {
    let name = AppName::new(OWN_NAME).ok();
    let mut builder = config.into_builder();
    builder.set_app_name(name);
    builder.build()
}

/// Whether a request claims to come from the local cloud itself. Any client can claim that: the
/// limit is for experiments, not for protection.
fn is_own(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok());
    agent.is_some_and(|agent| {
        agent
            .split(' ')
            .any(|part| part.strip_prefix("app/") == Some(OWN_NAME))
    })
}

/// A stream's name and a shard's id.
type ShardKey = (String, String);

/// Limits how often each shard is read in any one second, over all its readers.
#[derive(Debug)]
pub(super) struct ReadLimit {
    per_second: usize,
    account: String,
    /// The times of each shard's last reads, oldest first. Shards without a read in the last second
    /// are removed.
    read_at: Mutex<HashMap<ShardKey, VecDeque<Instant>>>,
}

impl ReadLimit {
    /// Allows `per_second` reads per second. `account` is for the error message.
    pub(super) fn new(per_second: u32, account: String) -> Self {
        Self {
            per_second: usize::try_from(per_second).unwrap_or(usize::MAX),
            account,
            read_at: Mutex::default(),
        }
    }

    /// Counts a GetRecords call. If it exceeds the limit, returns the error response, and the call
    /// does not count.
    ///
    /// Ignores a body without a valid iterator, which the service rejects.
    pub(super) fn throttle(&self, headers: &HeaderMap, body: &[u8]) -> Option<Response> {
        if is_own(headers) {
            return None;
        }
        let shard = shard(body)?;
        if self.try_read(&shard) {
            return None;
        }
        let (stream, id) = shard;
        // The message of Kinesis.
        let message = format!(
            "Rate exceeded for shard {id} in stream {stream} under account {}.",
            self.account
        );
        Some(error_response(
            StatusCode::BAD_REQUEST,
            "ProvisionedThroughputExceededException",
            &message,
        ))
    }

    /// Whether `shard` may be read now. If so, counts the read.
    fn try_read(&self, shard: &ShardKey) -> bool {
        let now = Instant::now();
        let is_recent = |time: &Instant| now.duration_since(*time) < SPAN;
        let mut shards = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        shards.retain(|_, times| times.back().is_some_and(is_recent));
        let times = shards.entry(shard.clone()).or_default();
        while times.front().is_some_and(|time| !is_recent(time)) {
            times.pop_front();
        }
        if times.len() >= self.per_second {
            return false;
        }
        times.push_back(now);
        true
    }
}

/// The shard that a GetRecords call with this body reads.
fn shard(body: &[u8]) -> Option<ShardKey> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct ReadCall {
        shard_iterator: String,
    }

    let call: ReadCall = serde_json::from_slice(body).ok()?;
    let (_, stream, shard, _) = decode_shard_iterator(&call.shard_iterator).ok()?;
    Some((stream, shard))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use ferrokinesis::shard_iterator::create_shard_iterator;
    use serde_json::json;

    use super::*;

    const FIRST: &str = "shardId-000000000000";
    const SECOND: &str = "shardId-000000000001";

    fn call(shard: &str) -> Vec<u8> {
        let sequence = "49590338271490256608559692538361571095921575989136588898";
        let iterator = create_shard_iterator("wildrydes", shard, sequence, 1_795_166_228_189);
        json!({ "ShardIterator": iterator, "Limit": 10 })
            .to_string()
            .into_bytes()
    }

    fn limit(per_second: u32) -> ReadLimit {
        ReadLimit::new(per_second, "000000000000".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn reads_of_a_shard_are_limited_in_any_second() {
        let limit = limit(5);
        let headers = HeaderMap::new();
        let is_allowed = |shard| limit.throttle(&headers, &call(shard)).is_none();
        // A sliding second, not one of the clock.
        for _ in 0..3 {
            assert!(is_allowed(FIRST));
        }
        tokio::time::advance(Duration::from_millis(900)).await;
        for _ in 0..2 {
            assert!(is_allowed(FIRST));
        }
        assert!(!is_allowed(FIRST));
        assert!(is_allowed(SECOND));
        tokio::time::advance(Duration::from_millis(100)).await;
        for _ in 0..3 {
            assert!(is_allowed(FIRST), "a throttled read counted");
        }
        assert!(!is_allowed(FIRST));
        tokio::time::advance(SPAN).await;
        for _ in 0..5 {
            assert!(is_allowed(FIRST));
        }
        assert!(!is_allowed(FIRST));
        let shards = limit.read_at.lock().unwrap();
        assert_eq!(shards.len(), 1, "the second shard is not read any more");
    }

    #[tokio::test(start_paused = true)]
    async fn the_local_clouds_own_clients_do_not_count() {
        let limit = limit(1);
        let agent = |agent| {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
            headers
        };
        let own = agent("aws-sdk-rust/1.5.0 os/linux lang/rust/1.95.0 app/wildrydes-local-cloud");
        let other = agent("aws-sdk-rust/1.5.0 app/wildrydes-local-cloud-not");
        for _ in 0..3 {
            assert!(limit.throttle(&own, &call(FIRST)).is_none());
        }
        assert!(limit.throttle(&other, &call(FIRST)).is_none());
        assert!(limit.throttle(&other, &call(FIRST)).is_some());
        assert!(limit.throttle(&own, &call(FIRST)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn malformed_reads_are_left_to_the_service() {
        let limit = limit(1);
        let headers = HeaderMap::new();
        for body in ["", "[]", "{}", r#"{"ShardIterator":"AAAA"}"#] {
            for _ in 0..3 {
                assert!(
                    limit.throttle(&headers, body.as_bytes()).is_none(),
                    "{body}"
                );
            }
        }
    }
}
