//! Rows into as few stream records as they fit.

use unicorn::summary::Summary;
use windrow_write::{KinesisRecord, hashed_partition_key};

/// The most bytes of rows in one record; a longer row has a record of its own.
///
/// 25 KB is the unit in which Kinesis charges for writing, and 40 of them are the 1 MB a second that
/// a shard takes: 60,000 rows pass one shard in under half a minute, where a record a row would
/// take a minute at 1,000 records a second.
const RECORD_BYTES: usize = 25_000;

/// Packs rows, one a line. A record's partition key is a hash of its data: it fits whatever the rows
/// are of, and spreads the records over the shards. The order of rows does not matter to anybody who
/// reads them.
pub fn pack(rows: impl IntoIterator<Item = Summary>) -> Vec<KinesisRecord> {
    let mut records = Vec::new();
    let mut data = Vec::new();
    for row in rows {
        let line = row.to_line();
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
