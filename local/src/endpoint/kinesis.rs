//! Kinesis: how `ferrokinesis` is set up, and the one request that is changed on its way there.

use axum::Router;
use axum::body::{self, Body};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::Response;
use ferrokinesis::store::{Store, StoreOptions};
use serde_json::Value;

use super::EndpointOptions;
use super::router::{MAX_REQUEST_BYTES, error_response};

/// What AWS gives a new on-demand stream: 4 MB a second of writes, which is four shards.
/// Source: Kinesis Developer Guide, "On-demand mode".
const ON_DEMAND_SHARDS: u32 = 4;

/// How long a stream takes to be made, changed or deleted. AWS takes seconds; nobody learns
/// anything by waiting here.
const CHANGE_MILLIS: u64 = 10;

const RETENTION_CHECK_SECONDS: u64 = 60;

/// In memory on purpose: the crate's durable mode rewrites everything as it grows.
pub(super) fn start(options: &EndpointOptions) -> (Router, Store) {
    ferrokinesis::create_app(StoreOptions {
        create_stream_ms: CHANGE_MILLIS,
        delete_stream_ms: CHANGE_MILLIS,
        update_stream_ms: CHANGE_MILLIS,
        shard_limit: options.shard_limit,
        iterator_ttl_seconds: options.iterator_lifetime.as_secs(),
        retention_check_interval_secs: RETENTION_CHECK_SECONDS,
        enforce_limits: true,
        aws_account_id: options.account.clone(),
        aws_region: options.region.clone(),
        ..StoreOptions::default()
    })
}

/// Gives an on-demand `CreateStream` the shard count that `ferrokinesis` insists on; any other body
/// stays as it is.
///
/// The stream then is a provisioned one and says so when described: writes are limited by its
/// shards and it does not grow by itself.
///
/// # Errors
///
/// The response to send instead, when the body is too large to read.
pub(super) async fn with_shard_count(request: Request) -> Result<Request, Response> {
    let (mut parts, body) = request.into_parts();
    let Ok(bytes) = body::to_bytes(body, MAX_REQUEST_BYTES).await else {
        return Err(error_response(
            StatusCode::BAD_REQUEST,
            "SerializationException",
            "the request could not be read",
        ));
    };
    let Some(changed) = inject_shard_count(&bytes) else {
        return Ok(Request::from_parts(parts, Body::from(bytes)));
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Request::from_parts(parts, Body::from(changed)))
}

fn inject_shard_count(body: &[u8]) -> Option<Vec<u8>> {
    let mut input: Value = serde_json::from_slice(body).ok()?;
    if input.pointer("/StreamModeDetails/StreamMode")?.as_str()? != "ON_DEMAND" {
        return None;
    }
    let fields = input.as_object_mut()?;
    if fields.contains_key("ShardCount") {
        return None;
    }
    fields.insert("ShardCount".to_owned(), ON_DEMAND_SHARDS.into());
    serde_json::to_vec(&input).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_on_demand_stream_without_a_count_is_given_one() {
        let changed = inject_shard_count(
            br#"{"StreamName":"s","StreamModeDetails":{"StreamMode":"ON_DEMAND"}}"#,
        )
        .unwrap();
        let changed: Value = serde_json::from_slice(&changed).unwrap();
        assert_eq!(changed["ShardCount"], 4);
        assert_eq!(changed["StreamName"], "s");

        for unchanged in [
            r#"{"StreamName":"s","ShardCount":2}"#,
            r#"{"StreamName":"s","ShardCount":2,"StreamModeDetails":{"StreamMode":"PROVISIONED"}}"#,
            r#"{"StreamName":"s","ShardCount":2,"StreamModeDetails":{"StreamMode":"ON_DEMAND"}}"#,
            "[]",
            "not JSON",
        ] {
            assert_eq!(
                inject_shard_count(unchanged.as_bytes()),
                None,
                "{unchanged}"
            );
        }
    }
}
