//! The log of one shard: its segments, and how blocks are appended to it.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::block::{BlockHeader, BlockPayload};
use super::segment::{self, SEGMENT_BYTES, SEGMENT_HEADER, SegmentHeader};
use crate::files;

/// What is in memory of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentFacts {
    pub(crate) first: u64,
    pub(crate) records_before: u64,
    pub(crate) salt: u64,
    /// The arrival time of its first record; [`i64::MAX`] as long as there is none.
    pub(crate) first_arrival: i64,
    /// Up to where it may be read.
    pub(crate) length: u64,
}

/// What is in memory of a shard's log.
#[derive(Debug)]
pub(super) struct LogState {
    /// From the oldest to the newest. Blocks are appended to the newest.
    pub(super) segments: VecDeque<SegmentFacts>,
    /// The file of the newest segment.
    pub(super) newest: Option<Arc<File>>,
    /// The place of the next record. All before it can be read.
    pub(super) next: u64,
    /// How many records there were, the deleted ones included.
    pub(super) records: u64,
    pub(super) last_arrival: i64,
    pub(super) closed: bool,
    /// The files are gone, or are about to be: that they are missing is no damage.
    pub(super) deleted: bool,
    /// Files that were written to since the last sync.
    unsynced: Vec<Arc<File>>,
}

impl LogState {
    pub(super) fn new() -> Self {
        Self {
            segments: VecDeque::new(),
            newest: None,
            next: 1,
            records: 0,
            last_arrival: i64::MIN,
            closed: false,
            deleted: false,
            unsynced: Vec::new(),
        }
    }
}

/// A block that is yet to be appended.
#[derive(Debug)]
pub(crate) struct NewBlock {
    pub(crate) payload: BlockPayload,
    pub(crate) checksum: u32,
    pub(crate) flags: u32,
}

impl NewBlock {
    pub(crate) fn new(payload: BlockPayload, flags: u32) -> Self {
        Self {
            checksum: crc32fast::hash(payload.bytes()),
            payload,
            flags,
        }
    }
}

/// Where a block was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    /// The place of its first record.
    pub(crate) first: u64,
    pub(crate) arrival: i64,
}

/// Why blocks were not appended.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The shard is closed.
    Closed,
    /// The file could not be written.
    Disk { path: PathBuf, source: io::Error },
}

/// The log of one shard.
#[derive(Debug)]
pub(crate) struct ShardLog {
    folder: PathBuf,
    state: Mutex<LogState>,
    /// The place of the next record, for those who wait for it.
    grown: watch::Sender<u64>,
}

/// The segment to append to.
struct Newest {
    file: Arc<File>,
    salt: u64,
    path: PathBuf,
    length: u64,
    next: u64,
    last_arrival: i64,
}

impl ShardLog {
    pub(super) fn from_state(folder: PathBuf, state: LogState) -> Self {
        Self {
            folder,
            grown: watch::Sender::new(state.next),
            state: Mutex::new(state),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn state(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes whenever the log grows or is closed.
    pub(crate) fn growth(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// Rejects further blocks, or accepts them again. Only the writer thread calls it for an open log,
    /// so no append is under way.
    pub(crate) fn set_closed(&self, closed: bool) {
        self.state().closed = closed;
        self.grown.send_modify(|_| {});
    }

    /// Closes the log because its files are being deleted, or opens it again.
    pub(crate) fn set_deleted(&self, deleted: bool) {
        self.state().deleted = deleted;
        self.set_closed(deleted);
    }

    /// Appends blocks with one write. They can be read once this returns. Only the writer thread
    /// calls it.
    ///
    /// Their arrival time is `now`, unless an earlier record has a later one.
    ///
    /// # Errors
    ///
    /// [`AppendError`]. No block can be read then.
    pub(crate) fn append(
        &self,
        blocks: &[&NewBlock],
        now: i64,
    ) -> Result<Vec<Appended>, AppendError> {
        let newest = self.newest()?;
        let arrival = now.max(newest.last_arrival);
        let mut first = newest.next;
        let mut headers = Vec::with_capacity(blocks.len());
        for block in blocks {
            let header = BlockHeader {
                salt: newest.salt,
                payload_checksum: block.checksum,
                payload_length: u32::try_from(block.payload.bytes().len()).unwrap_or(u32::MAX),
                count: block.payload.count(),
                flags: block.flags,
                first,
                arrival,
            };
            first = header.end();
            headers.push(header);
        }

        let encoded: Vec<_> = headers.iter().map(BlockHeader::encode).collect();
        let mut slices: Vec<IoSlice<'_>> = encoded
            .iter()
            .zip(blocks)
            .flat_map(|(header, block)| [IoSlice::new(header), IoSlice::new(block.payload.bytes())])
            .collect();
        let written = files::write_all_vectored_at(&newest.file, &mut slices, newest.length);
        if let Err(source) = written {
            // What is after the length is never read, and is overwritten by the next append. It is
            // cut off so that it does not come back at the next start.
            let _ = newest.file.set_len(newest.length);
            let path = newest.path;
            return Err(AppendError::Disk { path, source });
        }
        self.publish(&newest, &headers);
        let appended = |header: &BlockHeader| Appended {
            first: header.first,
            arrival,
        };
        Ok(headers.iter().map(appended).collect())
    }

    fn publish(&self, newest: &Newest, headers: &[BlockHeader]) {
        let Some(last) = headers.last() else { return };
        let mut state = self.state();
        state.next = last.end();
        state.last_arrival = last.arrival;
        state.records += headers
            .iter()
            .map(|header| u64::from(header.count))
            .sum::<u64>();
        if let Some(facts) = state.segments.back_mut() {
            facts.length += headers.iter().map(BlockHeader::block_length).sum::<u64>();
            facts.first_arrival = facts.first_arrival.min(last.arrival);
        }
        let listed = state.unsynced.last();
        if !listed.is_some_and(|file| Arc::ptr_eq(file, &newest.file)) {
            state.unsynced.push(Arc::clone(&newest.file));
        }
        drop(state);
        self.grown.send_replace(last.end());
    }

    /// The newest segment, or a new one if that is full.
    fn newest(&self) -> Result<Newest, AppendError> {
        let state = self.state();
        if state.closed {
            return Err(AppendError::Closed);
        }
        let (next, records, last_arrival) = (state.next, state.records, state.last_arrival);
        if let (Some(file), Some(facts)) = (&state.newest, state.segments.back())
            && facts.length < SEGMENT_BYTES
        {
            return Ok(Newest {
                file: Arc::clone(file),
                salt: facts.salt,
                path: segment::path(&self.folder, facts.first),
                length: facts.length,
                next,
                last_arrival,
            });
        }
        drop(state);

        let header = SegmentHeader::new(next, records);
        let path = segment::path(&self.folder, next);
        // Only a failed attempt can have left a file of this name.
        let _ = fs::remove_file(&path);
        let file = match header.create(&path) {
            Ok(file) => Arc::new(file),
            Err(source) => return Err(AppendError::Disk { path, source }),
        };
        let mut state = self.state();
        state.segments.push_back(SegmentFacts {
            first: next,
            records_before: records,
            salt: header.salt,
            first_arrival: i64::MAX,
            length: SEGMENT_HEADER,
        });
        state.newest = Some(Arc::clone(&file));
        Ok(Newest {
            file,
            salt: header.salt,
            path,
            length: SEGMENT_HEADER,
            next,
            last_arrival,
        })
    }

    /// Makes everything that was appended durable against a power cut.
    ///
    /// # Errors
    ///
    /// The system's first error. What failed is tried again by the next call.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let files = std::mem::take(&mut self.state().unsynced);
        let mut result = Ok(());
        for file in files {
            if let Err(error) = file.sync_data() {
                self.state().unsynced.push(file);
                result = result.and(Err(error));
            }
        }
        result
    }

    /// Deletes the segments whose records all arrived before `horizon`. The newest always stays: it
    /// says where the shard goes on.
    ///
    /// # Errors
    ///
    /// The file, and the system's error.
    pub(crate) fn delete_before(&self, horizon: i64) -> Result<(), (PathBuf, io::Error)> {
        loop {
            let mut state = self.state();
            // No record of a segment arrived after the first of the next.
            let past = state.segments.get(1);
            if past.is_none_or(|next| next.first_arrival >= horizon) {
                return Ok(());
            }
            let Some(oldest) = state.segments.pop_front() else {
                return Ok(());
            };
            drop(state);
            let path = segment::path(&self.folder, oldest.first);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err((path, error)),
                _ => {}
            }
        }
    }

    /// How many records the files hold.
    pub(crate) fn records(&self) -> u64 {
        let state = self.state();
        let oldest = state.segments.front();
        oldest.map_or(0, |oldest| {
            state.records.saturating_sub(oldest.records_before)
        })
    }
}
