//! Shard iterators that survive the wall clock being set back.
//!
//! An iterator of `ferrokinesis` holds the wall clock's time twice: when it was created, and in the
//! sequence number that it points to. After the wall clock is set back, it rejects the first as
//! invalid, skips records by the second, and does not recognize the end of a closed shard. AWS does
//! none of this, so these times are replaced here. Bodies that are not JSON are left alone.

use axum::body::{self, Body};
use axum::http::header;
use axum::response::Response;
use ferrokinesis::sequence::{
    SeqObj, parse_sequence, resolve_shard_id, shard_ix_to_hex, stringify_sequence,
};
use ferrokinesis::shard_iterator::{create_shard_iterator, decode_shard_iterator};
use ferrokinesis::store::Store;
use serde_json::{Map, Value};

use crate::clock::ClockTimes;

/// The latest time that fits a sequence number, in milliseconds. A position with it is after the
/// record of its index, and before all later ones.
const LAST_TIME: u64 = 0xF_FFFF_FFFF * 1000;

/// The body of a GetRecords call to send instead of `body`, if the iterator in it does not work by
/// the clock's `times`.
///
/// Call it while no write is in flight.
pub(super) async fn renewed(store: &Store, body: &[u8], times: ClockTimes) -> Option<Vec<u8>> {
    let mut fields: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let iterator = fields.get("ShardIterator")?.as_str()?;
    let (created, stream, shard, sequence) = decode_shard_iterator(iterator).ok()?;
    let wall = u64::try_from(times.wall).unwrap_or_default();
    let end = if times.is_set_back() {
        end_of_shard(store, &stream, &shard, &sequence).await
    } else {
        None
    };
    if created <= wall && end.is_none() {
        return None;
    }
    let sequence = end.unwrap_or(sequence);
    let iterator = create_shard_iterator(&stream, &shard, &sequence, created.min(wall));
    fields.insert("ShardIterator".to_owned(), iterator.into());
    serde_json::to_vec(&fields).ok()
}

/// The position after the end of a shard, if the shard is closed and no record is left at
/// `sequence` or after it.
///
/// `ferrokinesis` compares the times of a position and of the close instead.
async fn end_of_shard(store: &Store, stream: &str, shard: &str, sequence: &str) -> Option<String> {
    let (_, index) = resolve_shard_id(shard).ok()?;
    let described = store.get_stream(stream).await.ok()?;
    let described = described.shards.get(usize::try_from(index).ok()?)?;
    described
        .sequence_number_range
        .ending_sequence_number
        .as_ref()?;
    let from = format!("{}/{sequence}", shard_ix_to_hex(index));
    let to = shard_ix_to_hex(index + 1);
    let left = store.get_records_range_limited(stream, &from, &to, 1).await;
    if !left.is_empty() {
        return None;
    }
    let position = parse_sequence(sequence).ok()?;
    Some(stringify_sequence(&SeqObj {
        seq_time: Some(LAST_TIME),
        ..position
    }))
}

/// Replaces the iterator in the response of a GetShardIterator call for LATEST.
///
/// `ferrokinesis` points at the index of the next record with the current time, so it would skip
/// that record if the wall clock is set back before it arrives. The new iterator points after the
/// record before.
pub(super) async fn after_last_record(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let Some(changed) = pointing_after_last_record(&body) else {
        return Response::from_parts(head, Body::from(body));
    };
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(changed))
}

fn pointing_after_last_record(response: &[u8]) -> Option<Vec<u8>> {
    let mut fields: Map<String, Value> = serde_json::from_slice(response).ok()?;
    let iterator = fields.get("ShardIterator")?.as_str()?;
    let (created, stream, shard, sequence) = decode_shard_iterator(iterator).ok()?;
    let position = parse_sequence(&sequence).ok()?;
    let sequence = stringify_sequence(&SeqObj {
        seq_ix: Some(position.seq_ix?.checked_sub(1)?),
        seq_time: Some(LAST_TIME),
        ..position
    });
    let iterator = create_shard_iterator(&stream, &shard, &sequence, created);
    fields.insert("ShardIterator".to_owned(), iterator.into());
    serde_json::to_vec(&fields).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the time is when an iterator for LATEST is created and when records arrive, it
        /// is after the last record and before the next.
        #[test]
        fn latest_is_before_the_next_record(
            index in 1..1_000_000_u64,
            times in proptest::array::uniform3(1_700_000_000_000..1_900_000_000_000_u64),
            shard in 0..100_i64,
        ) {
            let [created, last, next] = times;
            let sequence = |index, time| {
                stringify_sequence(&SeqObj {
                    shard_create_time: 1_700_000_000_000,
                    seq_ix: Some(index),
                    byte1: None,
                    seq_time: Some(time),
                    seq_rand: None,
                    shard_ix: shard,
                    version: 2,
                })
            };
            let position = sequence(index, created);
            let iterator = create_shard_iterator("s", "shardId-000000000000", &position, created);
            let response = serde_json::json!({ "ShardIterator": iterator }).to_string();
            let changed = pointing_after_last_record(response.as_bytes()).unwrap();
            let changed: Value = serde_json::from_slice(&changed).unwrap();
            let changed = changed["ShardIterator"].as_str().unwrap();
            let (at, stream, _, position) = decode_shard_iterator(changed).unwrap();
            prop_assert_eq!((at, stream.as_str()), (created, "s"));
            // The store compares numbers as text; all have the same length.
            prop_assert_eq!(position.len(), sequence(index, next).len());
            prop_assert!(sequence(index - 1, last) < position);
            prop_assert!(position < sequence(index, next));
        }
    }

    #[test]
    fn other_responses_are_left_alone() {
        for response in ["", "[]", "{}", r#"{"ShardIterator":"AAAA"}"#] {
            assert_eq!(pointing_after_last_record(response.as_bytes()), None);
        }
    }
}
