//! A block: the records that one put wrote to one shard, with a checksum.
//!
//! A block is written as a whole and checked as a whole. Its header says where it is in the shard,
//! so that nothing in front of it has to be read to know that.

use bytes::{Buf as _, Bytes};

/// The length of a block's header.
pub(crate) const HEADER: usize = 48;

/// The bytes of a record besides its key and its data: their lengths.
pub(crate) const RECORD_OVERHEAD: usize = 6;

/// Marks the start of a block.
pub(crate) const MAGIC: [u8; 4] = *b"WKB1";

/// The records were put while the stream was encrypted. Only reported, not done.
pub(crate) const ENCRYPTED: u32 = 1;

/// A block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    /// The segment's salt. Nobody who puts records knows it, so no record's data can look like a
    /// block.
    pub(crate) salt: u64,
    pub(crate) payload_checksum: u32,
    pub(crate) payload_length: u32,
    pub(crate) count: u32,
    pub(crate) flags: u32,
    /// The place of the first record.
    pub(crate) first: u64,
    /// Milliseconds since the epoch, for all records of the block.
    pub(crate) arrival: i64,
}

impl BlockHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.payload_checksum.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.payload_length.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.count.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.flags.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first.to_le_bytes());
        bytes[40..].copy_from_slice(&self.arrival.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[8..]);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Decodes the header of a block in a segment with this salt. `None` if it is damaged.
    pub(crate) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let bytes = bytes.get(..HEADER)?;
        if bytes[..4] != MAGIC {
            return None;
        }
        let mut fields = &bytes[4..];
        let checksum = fields.get_u32_le();
        let header = Self {
            salt: fields.get_u64_le(),
            payload_checksum: fields.get_u32_le(),
            payload_length: fields.get_u32_le(),
            count: fields.get_u32_le(),
            flags: fields.get_u32_le(),
            first: fields.get_u64_le(),
            arrival: fields.get_i64_le(),
        };
        let fits = header.first.checked_add(u64::from(header.count)).is_some();
        let valid = checksum == crc32fast::hash(&bytes[8..]) && header.salt == salt;
        (valid && fits && header.count > 0).then_some(header)
    }

    /// The place after the last record.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// The length of the whole block.
    pub(crate) fn block_length(&self) -> u64 {
        HEADER as u64 + u64::from(self.payload_length)
    }
}

/// The records of a block that is yet to be written.
#[derive(Debug, Default)]
pub(crate) struct BlockPayload {
    bytes: Vec<u8>,
    count: u32,
}

impl BlockPayload {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
            count: 0,
        }
    }

    /// Adds a record. `write` appends its data, so that base64 is decoded to where it is written
    /// from. If that fails, nothing is added.
    ///
    /// # Errors
    ///
    /// The error of `write`.
    pub(crate) fn push<E>(
        &mut self,
        key: &str,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let start = self.bytes.len();
        let key_length = u16::try_from(key.len()).unwrap_or(u16::MAX);
        let key = &key.as_bytes()[..usize::from(key_length)];
        self.bytes.extend_from_slice(&key_length.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(key);
        let data_start = self.bytes.len();
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        let length = self.bytes.len() - data_start;
        let field = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        self.bytes[start + 2..start + RECORD_OVERHEAD].copy_from_slice(&field);
        self.count += 1;
        Ok(length)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The records again, if the block could not be written to its shard.
    pub(crate) fn into_records(self) -> BlockRecords {
        BlockRecords::new(self.bytes.into())
    }
}

/// A record in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockRecord {
    pub(crate) key: Bytes,
    pub(crate) data: Bytes,
}

/// The records of a block's payload.
#[derive(Debug)]
pub(crate) struct BlockRecords {
    payload: Bytes,
}

impl BlockRecords {
    pub(crate) fn new(payload: Bytes) -> Self {
        Self { payload }
    }
}

impl Iterator for BlockRecords {
    type Item = BlockRecord;

    /// A payload that passed its checksum is complete; of any other, this ends where it breaks off.
    fn next(&mut self) -> Option<BlockRecord> {
        if self.payload.len() < RECORD_OVERHEAD {
            return None;
        }
        let key_length = usize::from(self.payload.get_u16_le());
        let data_length = usize::try_from(self.payload.get_u32_le()).ok()?;
        if self.payload.len() < key_length.checked_add(data_length)? {
            return None;
        }
        Some(BlockRecord {
            key: self.payload.split_to(key_length),
            data: self.payload.split_to(data_length),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn header() -> BlockHeader {
        BlockHeader {
            salt: 7,
            payload_checksum: 8,
            payload_length: 9,
            count: 10,
            flags: ENCRYPTED,
            first: 11,
            arrival: -12,
        }
    }

    #[test]
    fn a_header_comes_back_and_any_changed_bit_is_found() {
        let bytes = header().encode();
        assert_eq!(BlockHeader::decode(&bytes, 7), Some(header()));
        assert_eq!(BlockHeader::decode(&bytes, 8), None);
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(BlockHeader::decode(&changed, 7), None, "bit {bit}");
        }
        for length in 0..HEADER {
            assert_eq!(BlockHeader::decode(&bytes[..length], 7), None);
        }
    }

    proptest! {
        #[test]
        fn records_come_back(
            records in proptest::collection::vec(
                ("\\PC{1,20}", proptest::collection::vec(any::<u8>(), 0..40)),
                0..20,
            ),
        ) {
            let mut payload = BlockPayload::default();
            for (key, data) in &records {
                let written = payload.push(key, |bytes| {
                    bytes.extend_from_slice(data);
                    Ok::<_, Infallible>(())
                });
                prop_assert_eq!(written, Ok(data.len()));
                let failed = payload.push("failed", |bytes| {
                    bytes.push(1);
                    Err(())
                });
                prop_assert_eq!(failed, Err(()));
            }
            prop_assert_eq!(payload.count() as usize, records.len());
            let read: Vec<_> = payload
                .into_records()
                .map(|record| (String::from_utf8(record.key.to_vec()).unwrap(), record.data.to_vec()))
                .collect();
            prop_assert_eq!(read, records);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = BlockRecords::new(bytes.clone().into()).count();
            let _ = BlockHeader::decode(&bytes, 0);
        }
    }
}
