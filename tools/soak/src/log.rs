//! The streams' logs, and their fold.

use std::collections::BTreeMap;

use audit::expected::{AuditRecord, ExpectedWindows, LogFold};
use audit::position::LogPosition;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::ShardIteratorType;
use bytes::Bytes;
use thiserror::Error;
use windrow_core::sensor::{Sensor, readings};
use windrow_core::time::Timestamp;
use windrow_service::chain;

/// A stream's name and a shard's id.
pub type StreamShard = (String, String);

/// The text of a key, and what tells the readings of that key apart.
pub type Identity = (String, i128);

/// A record in a shard's log.
#[derive(Clone, Debug)]
pub struct LoggedRecord {
    /// The stream and shard it is in.
    pub place: StreamShard,
    /// Its sequence number.
    pub sequence_number: String,
    /// Its arrival time, in milliseconds since the epoch.
    pub arrival: i64,
    /// Its data.
    pub data: Bytes,
}

/// A stream's log could not be read.
#[derive(Debug, Error)]
#[error("the log of {stream} cannot be read: {reason}")]
pub struct LogError {
    stream: String,
    reason: String,
}

/// Reads a stream's whole log, from the oldest record of every shard to its newest.
///
/// # Errors
///
/// [`LogError`], if a call fails.
pub async fn read_log(client: &Client, stream: &str) -> Result<Vec<LoggedRecord>, LogError> {
    let failed = |error: &dyn std::error::Error| LogError {
        stream: stream.to_owned(),
        reason: chain(error),
    };
    let mut log = Vec::new();
    let listed = client.list_shards().stream_name(stream).send().await;
    for shard in listed.map_err(|error| failed(&error))?.shards() {
        let first = client
            .get_shard_iterator()
            .stream_name(stream)
            .shard_id(shard.shard_id())
            .shard_iterator_type(ShardIteratorType::TrimHorizon)
            .send()
            .await
            .map_err(|error| failed(&error))?;
        let mut iterator = first.shard_iterator;
        while let Some(current) = iterator {
            let page = client.get_records().shard_iterator(current).send().await;
            let page = page.map_err(|error| failed(&error))?;
            if page.records.is_empty() {
                break;
            }
            for record in page.records {
                let arrival = record.approximate_arrival_timestamp;
                log.push(LoggedRecord {
                    place: (stream.to_owned(), shard.shard_id().to_owned()),
                    sequence_number: record.sequence_number,
                    arrival: arrival
                        .and_then(|time| time.to_millis().ok())
                        .unwrap_or_default(),
                    data: Bytes::from(record.data.into_inner()),
                });
            }
            iterator = page.next_shard_iterator;
        }
    }
    Ok(log)
}

/// What makes the readings in a record duplicates of others, however they are spelled. Readings that
/// are never duplicates are left out.
pub fn identities<S: Sensor>(sensor: &S, data: &[u8]) -> Vec<Identity> {
    let mut identities = Vec::new();
    for mut reading in readings(sensor, data).filter_map(|(_, reading)| reading.ok().flatten()) {
        // No identity depends on the arrival.
        sensor.split(&mut reading, Timestamp::from_millis(0), |reading| {
            if let Ok(reading) = reading
                && let Some(identity) = sensor.identity(reading)
            {
                identities.push((sensor.key(reading).into_owned(), identity));
            }
        });
    }
    identities
}

/// Folds whole logs.
pub fn fold_log<S: Sensor>(log: &[LoggedRecord], mut fold: LogFold<'_, S>) -> ExpectedWindows {
    let mut numbers: BTreeMap<&StreamShard, usize> = BTreeMap::new();
    for record in log {
        let next = numbers.len();
        let number = *numbers.entry(&record.place).or_insert(next);
        let record = AuditRecord {
            position: LogPosition::parse(&record.sequence_number).unwrap_or_default(),
            arrival: record.arrival,
            data: &record.data,
        };
        fold.add(number, record);
    }
    fold.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use audit::windows::{AuditWindows, WindowBy};
    use unicorn::sensor::Unicorn;

    use super::*;

    #[test]
    fn readings_count_once_per_stream_and_shard() {
        let line = r#"{"Name":"Franky","StatusTime":"2026-09-21 14:14:00","Distance":1.5,"MagicPoints":7,"HealthPoints":9}"#;
        let record = |stream: &str, shard: &str| LoggedRecord {
            place: (stream.to_owned(), shard.to_owned()),
            sequence_number: "1".to_owned(),
            arrival: 10,
            data: Bytes::from(line),
        };
        let places = [("one", "0"), ("one", "1"), ("two", "0"), ("one", "0")];
        let log = places.map(|(stream, shard)| record(stream, shard));
        let windows = AuditWindows::new(Duration::from_secs(1), WindowBy::Arrival);
        let expected = fold_log(&log, LogFold::new(&Unicorn, windows, 0..1000));
        let window = &expected["Franky"][&0];
        assert_eq!((window.totals.readings, window.duplicates), (3, 1));
    }
}
