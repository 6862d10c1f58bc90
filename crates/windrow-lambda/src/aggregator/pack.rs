//! Packs rows into as few stream records as possible.

use windrow_core::row::Row;
use windrow_core::schema::Schema;
use windrow_write::{KinesisRecord, hashed_partition_key};

/// The maximum bytes of rows in one record. A longer row gets a record of its own.
///
/// 25 KB is the unit in which Kinesis bills writes, and 40 such records fill the 1 MB per second
/// that a shard accepts. 60,000 rows pass one shard in under half a minute this way; with one
/// record per row they would take a minute, at 1,000 records per second.
const RECORD_BYTES: usize = 25_000;

/// Packs rows into records, one row per line.
///
/// A record's partition key is a hash of its data, which is always a valid key and spreads the
/// records over the shards. Consumers do not depend on the order of rows.
pub fn pack(schema: &Schema, rows: impl IntoIterator<Item = Row>) -> Vec<KinesisRecord> {
    let mut records = Vec::new();
    let mut data = Vec::new();
    for row in rows {
        let line = row.to_line(schema);
        if !data.is_empty() && data.len() + line.len() > RECORD_BYTES {
            records.push(record(std::mem::take(&mut data)));
        }
        data.extend(line);
    }
    if !data.is_empty() {
        records.push(record(data));
    }
    records
}

fn record(data: Vec<u8>) -> KinesisRecord {
    KinesisRecord {
        partition_key: hashed_partition_key(&data),
        data: data.into(),
    }
}
