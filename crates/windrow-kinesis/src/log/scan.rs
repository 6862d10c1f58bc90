//! Reads the blocks of a segment in order, past damage.

use std::fs::File;
use std::io;

use bytes::Bytes;

use super::block::{BlockHeader, HEADER, MAGIC};
use crate::files;

/// How much is read at once, if a block is not longer.
const READ_AHEAD: u64 = 256 * 1024;

/// A part of a segment that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadRange {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What is at the cursor of a [`BlockScan`].
#[derive(Debug)]
pub(crate) enum FoundBlock {
    /// A valid block. Its payload is read with [`BlockScan::payload`].
    Valid(BlockHeader),
    /// Bytes that are no block, and a block after them.
    Bad(BadRange),
    /// The end. `valid` is the offset after the last block.
    End { valid: u64 },
}

/// A cursor over the blocks of one segment.
#[derive(Debug)]
pub(crate) struct BlockScan<'a> {
    file: &'a File,
    salt: u64,
    /// The offset of the next block.
    offset: u64,
    /// Nothing is read after this offset.
    length: u64,
    window_start: u64,
    window: Bytes,
}

impl<'a> BlockScan<'a> {
    /// Starts at `offset`, where a block must start.
    pub(crate) fn new(file: &'a File, salt: u64, offset: u64, length: u64) -> Self {
        Self {
            file,
            salt,
            offset,
            length,
            window_start: 0,
            window: Bytes::new(),
        }
    }

    /// The offset of the next block.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The header of the block at the cursor, if its header is valid. The cursor does not move.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn peek(&mut self) -> io::Result<Option<BlockHeader>> {
        self.header_at(self.offset)
    }

    /// Moves past the block with this header, which [`Self::peek`] returned.
    pub(crate) fn skip(&mut self, header: &BlockHeader) {
        self.offset += header.block_length();
    }

    /// The payload of the block at the cursor with this header. `None` if it is damaged. The cursor
    /// does not move.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn payload(&mut self, header: &BlockHeader) -> io::Result<Option<Bytes>> {
        self.payload_at(self.offset, header)
    }

    /// The next block whose payload is valid too, or what else is there. Moves past it.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn next_valid(&mut self) -> io::Result<FoundBlock> {
        let offset = self.offset;
        if let Some(header) = self.valid_at(offset)? {
            self.skip(&header);
            return Ok(FoundBlock::Valid(header));
        }
        match self.search()? {
            Some(found) => {
                self.offset = found;
                Ok(FoundBlock::Bad(BadRange {
                    offset,
                    length: found - offset,
                }))
            }
            None => Ok(FoundBlock::End { valid: offset }),
        }
    }

    /// The offset of the next valid block after the cursor.
    fn search(&mut self) -> io::Result<Option<u64>> {
        let mut at = self.offset + 1;
        while at + HEADER as u64 <= self.length {
            // What is read ahead is searched before more is read.
            self.bytes(at, HEADER as u64)?;
            let start = (at - self.window_start) as usize;
            let found = self.window[start..]
                .windows(MAGIC.len())
                .position(|window| window == MAGIC);
            let Some(found) = found else {
                // The magic may lie across the end of what was read.
                at += (self.window.len() - start - (MAGIC.len() - 1)) as u64;
                continue;
            };
            at += found as u64;
            if self.valid_at(at)?.is_some() {
                return Ok(Some(at));
            }
            at += 1;
        }
        Ok(None)
    }

    fn valid_at(&mut self, offset: u64) -> io::Result<Option<BlockHeader>> {
        let Some(header) = self.header_at(offset)? else {
            return Ok(None);
        };
        let payload = self.payload_at(offset, &header)?;
        Ok(payload.map(|_| header))
    }

    fn header_at(&mut self, offset: u64) -> io::Result<Option<BlockHeader>> {
        if offset + HEADER as u64 > self.length {
            return Ok(None);
        }
        let bytes = self.bytes(offset, HEADER as u64)?;
        let header = BlockHeader::decode(&bytes, self.salt);
        Ok(header.filter(|header| offset + header.block_length() <= self.length))
    }

    fn payload_at(&mut self, offset: u64, header: &BlockHeader) -> io::Result<Option<Bytes>> {
        let start = offset + HEADER as u64;
        let payload = self.bytes(start, u64::from(header.payload_length))?;
        let valid = crc32fast::hash(&payload) == header.payload_checksum;
        Ok(valid.then_some(payload))
    }

    /// The bytes at an offset, all of which are before the end.
    fn bytes(&mut self, offset: u64, length: u64) -> io::Result<Bytes> {
        let in_window = offset >= self.window_start
            && offset + length <= self.window_start + self.window.len() as u64;
        if !in_window {
            let wanted = length.max(READ_AHEAD).min(self.length - offset);
            let wanted = usize::try_from(wanted).map_err(|_| io::ErrorKind::InvalidData)?;
            let mut window = vec![0; wanted];
            files::read_exact_at(self.file, &mut window, offset)?;
            self.window = window.into();
            self.window_start = offset;
        }
        let start = (offset - self.window_start) as usize;
        Ok(self.window.slice(start..start + length as usize))
    }
}
