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
pub struct RowPacker<'a> {
    schema: &'a Schema,
    records: Vec<KinesisRecord>,
    /// The rows of the next record.
    data: Vec<u8>,
    bytes: usize,
}

impl<'a> RowPacker<'a> {
    /// A packer for rows with these columns.
    pub fn new(schema: &'a Schema) -> Self {
        Self {
            schema,
            records: Vec::new(),
            data: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds a row.
    pub fn push(&mut self, row: &Row) {
        let line = row.to_line(self.schema);
        if !self.data.is_empty() && self.data.len() + line.len() > RECORD_BYTES {
            self.end_record();
        }
        self.bytes += line.len();
        self.data.extend(line);
    }

    /// The length of the rows that were not taken yet.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the records of all rows.
    pub fn take(&mut self) -> Vec<KinesisRecord> {
        if !self.data.is_empty() {
            self.end_record();
        }
        self.bytes = 0;
        std::mem::take(&mut self.records)
    }

    fn end_record(&mut self) {
        let data = std::mem::take(&mut self.data);
        self.records.push(KinesisRecord {
            partition_key: hashed_partition_key(&data),
            data: data.into(),
        });
    }
}
