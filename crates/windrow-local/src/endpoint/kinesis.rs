//! Kinesis: sets up `ferrokinesis`, and rewrites the two requests that it handles differently
//! from AWS.

use axum::Router;
use axum::body::{self, Body};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::Response;
use ferrokinesis::sequence::{resolve_shard_id, shard_ix_to_hex};
use ferrokinesis::store::{Store, StoreOptions};
use serde_json::{Map, Value};

use super::{EndpointOptions, MAX_REQUEST_BYTES};
use crate::clock::ClockTimes;
use crate::service_error::error_response;

/// The capacity that AWS gives a new on-demand stream: 4 MB per second of writes, or four shards.
/// Source: Kinesis Developer Guide, "On-demand mode".
const ON_DEMAND_SHARDS: u32 = 4;

/// How long it takes to create, change or delete a stream. AWS takes seconds, which would only slow
/// down a local cloud.
const CHANGE_MILLIS: u64 = 10;

/// How often records past their retention are dropped.
const RETENTION_CHECK_SECONDS: u64 = 60;

/// Starts Kinesis in memory: the crate's durable mode rewrites all of its data as it grows.
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

/// Gives an on-demand `CreateStream` the shard count that `ferrokinesis` requires. Leaves any other
/// body unchanged.
///
/// The stream is then provisioned, and described as such: its shards limit writes, and it does not
/// scale.
///
/// # Errors
///
/// The response to send instead if the body is too large to read.
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
/// Kinesis starts at the first record that arrived at that time or later. If there is none yet, it
/// starts at the next record that arrives. `ferrokinesis` starts at the shard's first record in
/// that case, so the call must be sent as one for LATEST.
#[derive(Debug, PartialEq)]
pub(super) struct AtTimestamp {
    fields: Map<String, Value>,
    /// In seconds since the epoch.
    time: f64,
}

impl AtTimestamp {
    /// Parses the body of such a call. `None` for any other call.
    ///
    /// The time is truncated to whole seconds, as `ferrokinesis` does with arrival times. The
    /// iterator may include records from just before the time, but misses none after it.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut fields: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let is_at_timestamp = fields.get("ShardIteratorType")?.as_str()? == "AT_TIMESTAMP";
        if !is_at_timestamp || fields.contains_key("StartingSequenceNumber") {
            return None;
        }
        let time = fields.get("Timestamp")?.as_f64()?.floor();
        fields.insert("Timestamp".to_owned(), time.into());
        Some(Self { fields, time })
    }

    /// The body of the call, for `ferrokinesis`, which rejects a time after its own, the wall
    /// clock's. If that was set back, the wall clock's time is sent instead of one that is past by
    /// the clock of the arrival times.
    pub(super) fn body(&self, times: ClockTimes) -> Option<Vec<u8>> {
        let seconds = |millis: i64| millis.div_euclid(1000) as f64;
        let mut fields = self.fields.clone();
        if times.is_set_back() && self.time <= seconds(times.now) {
            let time = self.time.min(seconds(times.wall));
            fields.insert("Timestamp".to_owned(), time.into());
        }
        serde_json::to_vec(&fields).ok()
    }

    /// The body of the same call for the record with this sequence number.
    pub(super) fn at_sequence(mut self, number: String) -> Option<Vec<u8>> {
        self.fields.remove("Timestamp");
        self.fields
            .insert("ShardIteratorType".to_owned(), "AT_SEQUENCE_NUMBER".into());
        self.fields
            .insert("StartingSequenceNumber".to_owned(), number.into());
        serde_json::to_vec(&self.fields).ok()
    }

    /// The body of the same call for LATEST.
    pub(super) fn latest(mut self) -> Option<Vec<u8>> {
        self.fields.remove("Timestamp");
        self.fields
            .insert("ShardIteratorType".to_owned(), "LATEST".into());
        serde_json::to_vec(&self.fields).ok()
    }

    /// The sequence number of the shard's first record that arrived at that time or later, if there
    /// is one.
    pub(super) async fn first_record(&self, store: &Store) -> Option<String> {
        let data = Value::Object(self.fields.clone());
        let stream = store.resolve_stream_name(&data).ok()?;
        let (_, index) = resolve_shard_id(data["ShardId"].as_str()?).ok()?;
        let (from, to) = (shard_ix_to_hex(index), shard_ix_to_hex(index + 1));
        let first = store.find_first_record_at_timestamp(&stream, &from, &to, self.time);
        let (key, _) = first.await?;
        let (_, number) = key.split_once('/')?;
        Some(number.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_calls_at_a_timestamp_are_changed() {
        let at = |body: Value| AtTimestamp::parse(body.to_string().as_bytes());
        let body =
            |body: Option<Vec<u8>>| -> Value { serde_json::from_slice(&body.unwrap()).unwrap() };
        let call = || {
            at(json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 12.9}))
                .unwrap()
        };
        let requested = |now, wall| body(call().body(ClockTimes { now, wall }));
        assert_eq!(
            requested(99_000, 99_000),
            json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 12.0})
        );
        for (now, wall, sent) in [
            (13_000, 11_500, 11.0),
            (11_900, 10_000, 12.0),
            (13_000, 12_500, 12.0),
        ] {
            assert_eq!(requested(now, wall)["Timestamp"], sent, "{now} {wall}");
        }
        assert_eq!(
            body(call().at_sequence("7".to_owned())),
            json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "7"})
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
    fn only_on_demand_streams_without_a_count_get_one() {
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
