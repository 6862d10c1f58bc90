//! What a put needs after the wall clock was set back: arrival times that do not go back, and a new
//! second for the limit on writes.
//!
//! `ferrokinesis` reads the wall clock itself and cannot be given another. Sequence numbers do not
//! suffer: they begin with a counter per shard, and the time only fills their lower digits. Arrival
//! times do, so the records of each put get new ones before the put is acknowledged. Kinesis lets
//! arrival times go back as well, and the mapping copes with that, but windows that closed an hour
//! ago would open again for every batch, without the dedup cache of the batch before.

use axum::body::{self, Body};
use axum::response::Response;
use ferrokinesis::sequence::{parse_sequence, shard_ix_to_hex};
use ferrokinesis::store::Store;
use ferrokinesis::types::StoredRecord;
use serde::Deserialize;

/// Starts a new second of each shard's limit on writes if the last one is over by `now`, in
/// milliseconds since the epoch.
///
/// `ferrokinesis` itself ends a second by the wall clock, so it would throttle every write until
/// the wall clock has caught up.
pub(super) async fn renew_write_limit(store: &Store, stream: &str, now: i64) {
    let (Ok(described), Ok(now)) = (store.get_stream(stream).await, u64::try_from(now)) else {
        return;
    };
    for shard in &described.shards {
        // A reservation starts a new second if one is due. If not, it may fail, and nothing
        // changes.
        let reserved = store.try_reserve_shard_throughput(stream, &shard.shard_id, 0, now);
        if let Ok(reservation) = reserved.await {
            store.refund_shard_throughput(reservation).await;
        }
    }
}

/// Moves the arrival times of the records that a put has accepted to `now`, in milliseconds since
/// the epoch, where they are earlier. `response` is the put's response, and is returned. The
/// records of a response that is not JSON keep their times.
pub(super) async fn stamp(store: &Store, stream: &str, response: Response, now: i64) -> Response {
    let (head, body) = response.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    stamp_records(store, stream, record_keys(&body), now).await;
    Response::from_parts(head, Body::from(body))
}

async fn stamp_records(store: &Store, stream: &str, keys: Vec<String>, now: i64) {
    // In whole seconds, like those of `ferrokinesis`.
    let arrival = now.div_euclid(1000) as f64;
    let mut changed: Vec<(String, StoredRecord)> = Vec::new();
    for key in keys {
        let after = format!("{key}/");
        let found = store.get_records_range_limited(stream, &key, &after, 1);
        for (key, mut record) in found.await {
            if record.approximate_arrival_timestamp < arrival {
                record.approximate_arrival_timestamp = arrival;
                changed.push((key, record));
            }
        }
    }
    if changed.is_empty() {
        return;
    }
    if let Err(error) = store.put_records_batch(stream, &changed).await {
        // They are delivered nevertheless, in the windows of their earlier arrival times.
        tracing::warn!(stream, %error, "arrival times went back with the wall clock");
    }
}

/// The keys in the store of the records that a put has accepted.
fn record_keys(response: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct PutResult {
        sequence_number: Option<String>,
        /// Only in a response of PutRecords.
        #[serde(default)]
        records: Vec<PutResult>,
    }

    let Ok(result) = serde_json::from_slice::<PutResult>(response) else {
        return Vec::new();
    };
    let numbers = result.records.into_iter().chain([PutResult {
        sequence_number: result.sequence_number,
        records: Vec::new(),
    }]);
    numbers
        .filter_map(|entry| {
            let number = entry.sequence_number?;
            let shard = parse_sequence(&number).ok()?.shard_ix;
            Some(format!("{}/{number}", shard_ix_to_hex(shard)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{EndpointOptions, kinesis};

    #[test]
    fn accepted_records_have_keys() {
        let first = "49590338271490256608559692538361571095921575989136588898";
        let keys = record_keys(
            format!(
                r#"{{"FailedRecordCount":1,"Records":[{{"ShardId":"shardId-000000000000","SequenceNumber":"{first}"}},
                {{"ErrorCode":"InternalFailure","ErrorMessage":"no"}}]}}"#
            )
            .as_bytes(),
        );
        assert_eq!(keys, [format!("{}/{first}", shard_ix_to_hex(6))]);
        let single = format!(r#"{{"ShardId":"shardId-000000000000","SequenceNumber":"{first}"}}"#);
        assert_eq!(record_keys(single.as_bytes()), keys);
        for none in ["", "{}", "[]", r#"{"SequenceNumber":"neigh"}"#] {
            assert!(record_keys(none.as_bytes()).is_empty(), "{none}");
        }
    }

    #[tokio::test]
    async fn a_new_second_of_writes_starts_though_the_last_one_began_in_the_future() {
        const LIMIT: usize = 1000;
        const FUTURE: u64 = 4_000_000_000_000;
        const STREAM: &str = "stream";
        let folder = tempfile::tempdir().unwrap();
        let (_router, store) = kinesis::start(&EndpointOptions::new(folder.path()));
        let create = serde_json::json!({"StreamName": STREAM, "ShardCount": 1});
        let created = ferrokinesis::actions::create_stream::execute(&store, create);
        created.await.unwrap_or_else(|error| panic!("{error}"));
        let shard = "shardId-000000000000";
        let write = async |now| {
            let reserved = store.try_reserve_shard_throughput(STREAM, shard, 1, now);
            reserved.await.is_ok()
        };
        while store
            .get_stream(STREAM)
            .await
            .is_ok_and(|stream| stream.shards.is_empty())
        {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        for _ in 0..LIMIT {
            assert!(write(FUTURE).await);
        }
        let past = FUTURE - 3_600_000;
        assert!(!write(past).await, "no limit");
        let now = i64::try_from(FUTURE).unwrap();
        renew_write_limit(&store, STREAM, now + 999).await;
        assert!(!write(past).await, "the second is not over");
        renew_write_limit(&store, STREAM, now + 1000).await;
        for _ in 0..LIMIT {
            assert!(write(past).await);
        }
        assert!(!write(past).await, "the renewal itself counted");
    }
}
