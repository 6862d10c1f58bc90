//! Kinesis: how `ferrokinesis` is set up, and the two requests that are changed on their way there.

use axum::Router;
use axum::body::{self, Body};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::Response;
use ferrokinesis::sequence::{resolve_shard_id, shard_ix_to_hex};
use ferrokinesis::store::{Store, StoreOptions};
use serde_json::{Map, Value};

use super::{EndpointOptions, MAX_REQUEST_BYTES};
use crate::service_error::error_response;

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

/// A GetShardIterator call of the type AT_TIMESTAMP.
///
/// Kinesis gives what arrived at that time or later, and if there is nothing yet, what arrives from
/// now on. `ferrokinesis` then starts at the shard's first record, so such a call must be made as one
/// for the latest.
#[derive(Debug, PartialEq)]
pub(super) struct AtTimestamp {
    fields: Map<String, Value>,
    /// In seconds since the epoch.
    time: f64,
}

impl AtTimestamp {
    /// The call with this body; nothing where it is another call.
    ///
    /// The time is cut to whole seconds, as the arrival times in `ferrokinesis` are: records that came
    /// just before it are handed out too, so that none that came after is left out.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let mut fields: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let is_one = fields.get("ShardIteratorType")?.as_str()? == "AT_TIMESTAMP";
        if !is_one || fields.contains_key("StartingSequenceNumber") {
            return None;
        }
        let time = fields.get("Timestamp")?.as_f64()?.floor();
        fields.insert("Timestamp".to_owned(), time.into());
        Some(Self { fields, time })
    }

    /// The body for `ferrokinesis`.
    pub(super) fn body(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(&self.fields).ok()
    }

    /// The body of a call for the latest.
    pub(super) fn latest(mut self) -> Option<Vec<u8>> {
        self.fields.remove("Timestamp");
        self.fields
            .insert("ShardIteratorType".to_owned(), "LATEST".into());
        serde_json::to_vec(&self.fields).ok()
    }

    /// Whether the shard has a record that arrived at that time or later. Not so where there is no such
    /// shard.
    pub(super) async fn has_record(&self, store: &Store) -> bool {
        let data = Value::Object(self.fields.clone());
        let Ok(stream) = store.resolve_stream_name(&data) else {
            return false;
        };
        let shard = data["ShardId"].as_str().unwrap_or_default();
        let Ok((_, index)) = resolve_shard_id(shard) else {
            return false;
        };
        let (from, to) = (shard_ix_to_hex(index), shard_ix_to_hex(index + 1));
        let first = store.find_first_record_at_timestamp(&stream, &from, &to, self.time);
        first.await.is_some()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_call_for_a_time_is_changed() {
        let at = |body: Value| AtTimestamp::of(body.to_string().as_bytes());
        let body =
            |body: Option<Vec<u8>>| -> Value { serde_json::from_slice(&body.unwrap()).unwrap() };
        let call = || {
            at(json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 12.9}))
                .unwrap()
        };
        assert_eq!(
            body(call().body()),
            json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 12.0})
        );
        assert_eq!(
            body(call().latest()),
            json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "LATEST"})
        );
        for other in [
            json!([]),
            json!({}),
            json!({"ShardIteratorType": "LATEST", "Timestamp": 12}),
            json!({"ShardIteratorType": "AT_TIMESTAMP"}),
            json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": "noon"}),
            json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 12, "StartingSequenceNumber": "1"}),
        ] {
            assert_eq!(at(other.clone()), None, "{other}");
        }
    }

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
