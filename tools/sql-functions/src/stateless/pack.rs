//! Packs rows into records, in order.

use bytes::Bytes;

/// The most bytes of rows in one record. A longer row gets a record of its own.
///
/// Records are sent one after the other, so many small ones would take long: a batch of 6 MB is 24
/// calls this way. With the largest records that Kinesis takes, it would be 6, but each would use up
/// what a shard accepts per second at once.
pub(super) const RECORD_BYTES: usize = 250_000;

/// Rows that become one record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PackedRows {
    /// The rows, one per line.
    pub(super) data: Bytes,
    /// The index in the batch of the record of which the first of them was made.
    pub(super) first: usize,
}

/// Packs the rows that go to one stream.
#[derive(Debug, Default)]
pub(super) struct OrderedPacker {
    packed: Vec<PackedRows>,
    /// The rows of the next record.
    data: Vec<u8>,
    first: usize,
    bytes: usize,
}

impl OrderedPacker {
    /// Adds a row of the record with this index. It ends with a newline.
    pub(super) fn push(&mut self, row: &[u8], record: usize) {
        if !self.data.is_empty() && self.data.len() + row.len() > RECORD_BYTES {
            self.end_record();
        }
        if self.data.is_empty() {
            self.first = record;
        }
        self.bytes += row.len();
        self.data.extend_from_slice(row);
    }

    /// The length of the rows that were not taken yet.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the records of all rows.
    pub(super) fn take(&mut self) -> Vec<PackedRows> {
        if !self.data.is_empty() {
            self.end_record();
        }
        self.bytes = 0;
        std::mem::take(&mut self.packed)
    }

    fn end_record(&mut self) {
        self.packed.push(PackedRows {
            data: std::mem::take(&mut self.data).into(),
            first: self.first,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_knows_where_its_first_row_came_from() {
        let mut packer = OrderedPacker::default();
        let row = |length| vec![b'x'; length];
        packer.push(&row(10), 3);
        packer.push(&row(RECORD_BYTES - 10), 4);
        packer.push(&row(RECORD_BYTES + 7), 4);
        packer.push(&row(1), 9);
        assert_eq!(packer.bytes(), 2 * RECORD_BYTES + 8);
        let packed: Vec<(usize, usize)> = packer
            .take()
            .iter()
            .map(|rows| (rows.first, rows.data.len()))
            .collect();
        assert_eq!(packed, [(3, RECORD_BYTES), (4, RECORD_BYTES + 7), (9, 1)]);
        assert_eq!(packer.bytes(), 0);
        assert_eq!(packer.take(), []);
    }
}
