//! Reads a shard's log.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::block::{BlockHeader, BlockRecords, ENCRYPTED};
use super::scan::{BlockScan, FoundBlock};
use super::segment::{self, SEGMENT_HEADER};
use super::shard_log::{LogState, SegmentFacts, ShardLog};
use crate::files;
use crate::report::Damage;

/// Where a reader is in a shard's log, and where that is in the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogCursor {
    /// The place of the next record to read.
    pub(crate) place: u64,
    /// The first place of the segment that has it. Only a hint, like the offset: 0 if unknown.
    pub(crate) segment: u64,
    /// The offset of a block in that segment, at or before the place.
    pub(crate) offset: u64,
}

impl LogCursor {
    /// A place whose segment is yet to be found.
    pub(crate) fn at(place: u64) -> Self {
        Self {
            place,
            ..Self::default()
        }
    }
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRecord {
    pub(crate) place: u64,
    /// Milliseconds since the epoch.
    pub(crate) arrival: i64,
    pub(crate) encrypted: bool,
    pub(crate) key: Bytes,
    pub(crate) data: Bytes,
}

/// How much one read returns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageLimits {
    pub(crate) records: usize,
    /// Of keys and data. The first record is returned in any case.
    pub(crate) bytes: usize,
    /// Records that arrived before are not returned. Milliseconds since the epoch.
    pub(crate) horizon: i64,
}

/// What one read returned.
#[derive(Debug, Default)]
pub(crate) struct LogPage {
    pub(crate) records: Vec<StoredRecord>,
    bytes: usize,
    /// Where the next read continues.
    pub(crate) next: LogCursor,
    /// The arrival time of the first record that was not read. `None` if all were.
    pub(crate) next_arrival: Option<i64>,
    /// No record can follow: all were read and the shard is closed.
    pub(crate) ended: bool,
    /// What could not be read on the way.
    pub(crate) damage: Vec<Damage>,
}

/// A segment at one moment.
struct SegmentView {
    facts: SegmentFacts,
    path: PathBuf,
    /// If it is the newest.
    file: Option<Arc<File>>,
    /// The place after its last record.
    end: u64,
}

/// What a shard's log has for a place.
enum PlaceView {
    Segment(SegmentView),
    /// Nothing yet. The cursor is at the end.
    End {
        end: LogCursor,
        closed: bool,
    },
}

impl ShardLog {
    /// The first record that is still there.
    pub(crate) fn oldest(&self) -> LogCursor {
        let state = self.state();
        let oldest = state.segments.front();
        oldest.map_or(LogCursor::at(state.next), start_of)
    }

    /// After the last record.
    pub(crate) fn latest(&self) -> LogCursor {
        end_of(&self.state())
    }

    /// The first record that arrived at `time` or later, in milliseconds since the epoch; if there
    /// is none, after the last.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn at_time(&self, time: i64) -> io::Result<LogCursor> {
        let state = self.state();
        // The last segment that begins before the time may have it, or else the one after it.
        let after = state
            .segments
            .partition_point(|segment| segment.first_arrival < time);
        let following = state.segments.get(after).map(start_of);
        let following = following.unwrap_or(end_of(&state));
        let candidate = after.checked_sub(1);
        let candidate = candidate.and_then(|index| self.view_of(&state, index));
        drop(state);
        let Some(view) = candidate else {
            return Ok(following);
        };
        let file = match view.open() {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(following);
            }
            Err(error) => return Err(error),
        };
        let length = view.facts.length;
        let mut blocks = BlockScan::new(&file, view.facts.salt, SEGMENT_HEADER, length);
        loop {
            let offset = blocks.offset();
            match blocks.peek()? {
                Some(header) if header.arrival >= time => {
                    return Ok(LogCursor {
                        place: header.first,
                        segment: view.facts.first,
                        offset,
                    });
                }
                Some(header) => blocks.skip(&header),
                None => match blocks.next_valid()? {
                    FoundBlock::End { .. } => break,
                    FoundBlock::Bad(_) | FoundBlock::Valid(_) => {}
                },
            }
        }
        Ok(following)
    }

    /// Reads records from a place on, in order and without gaps.
    ///
    /// # Errors
    ///
    /// The system's error. Damage is no error: what can be read around it is returned.
    pub(crate) fn read(&self, from: LogCursor, limits: PageLimits) -> io::Result<LogPage> {
        let mut page = LogPage {
            next: from,
            ..LogPage::default()
        };
        loop {
            let view = match self.view(page.next.place) {
                PlaceView::Segment(view) => view,
                PlaceView::End { end, closed } => {
                    // A place after the end stays as it is.
                    if page.next.place <= end.place {
                        page.next = end;
                    }
                    page.ended = closed;
                    return Ok(page);
                }
            };
            let file = match view.open() {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.pass_missing(&view, &mut page);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if read_segment(&view, &file, limits, &mut page)? {
                return Ok(page);
            }
        }
    }

    /// Goes on after a segment whose file is missing: because it was just deleted, or because it is
    /// lost.
    fn pass_missing(&self, view: &SegmentView, page: &mut LogPage) {
        let first = view.facts.first;
        let state = self.state();
        let is_listed = state.segments.iter().any(|segment| segment.first == first);
        let is_lost = is_listed && !state.deleted;
        drop(state);
        if is_lost {
            page.damage.push(Damage {
                path: view.path.clone(),
                offset: 0,
                bytes: view.facts.length,
            });
        }
        page.next = LogCursor::at(page.next.place.max(view.end));
    }

    /// The segment that has a place, or the first after it.
    fn view(&self, place: u64) -> PlaceView {
        let state = self.state();
        let after = state
            .segments
            .partition_point(|segment| segment.first <= place);
        if place < state.next
            && let Some(view) = self.view_of(&state, after.saturating_sub(1))
        {
            return PlaceView::Segment(view);
        }
        PlaceView::End {
            end: end_of(&state),
            closed: state.closed,
        }
    }

    fn view_of(&self, state: &LogState, index: usize) -> Option<SegmentView> {
        let facts = *state.segments.get(index)?;
        let following = state.segments.get(index + 1);
        Some(SegmentView {
            facts,
            path: segment::path(self.folder(), facts.first),
            file: state.newest.clone().filter(|_| following.is_none()),
            end: following.map_or(state.next, |following| following.first),
        })
    }
}

fn end_of(state: &LogState) -> LogCursor {
    let newest = state.segments.back();
    newest.map_or(LogCursor::at(state.next), |newest| LogCursor {
        place: state.next,
        segment: newest.first,
        offset: newest.length,
    })
}

fn start_of(segment: &SegmentFacts) -> LogCursor {
    LogCursor {
        place: segment.first,
        segment: segment.first,
        offset: SEGMENT_HEADER,
    }
}

impl SegmentView {
    fn open(&self) -> io::Result<Arc<File>> {
        match &self.file {
            Some(file) => Ok(Arc::clone(file)),
            None => files::open_to_read(&self.path).map(Arc::new),
        }
    }

    /// Where to start for a cursor.
    fn scan<'a>(&self, file: &'a File, cursor: &LogCursor) -> io::Result<BlockScan<'a>> {
        let SegmentFacts {
            first,
            salt,
            length,
            ..
        } = self.facts;
        let hinted = cursor.segment == first && (SEGMENT_HEADER..=length).contains(&cursor.offset);
        if hinted {
            let mut scan = BlockScan::new(file, salt, cursor.offset, length);
            if cursor.offset == length || scan.peek()?.is_some() {
                return Ok(scan);
            }
        }
        Ok(BlockScan::new(file, salt, SEGMENT_HEADER, length))
    }
}

/// Reads from one segment into the page. Returns whether the page is full.
fn read_segment(
    view: &SegmentView,
    file: &File,
    limits: PageLimits,
    page: &mut LogPage,
) -> io::Result<bool> {
    let mut scan = view.scan(file, &page.next)?;
    loop {
        page.next.segment = view.facts.first;
        page.next.offset = scan.offset();
        let header = scan.peek()?;
        if let Some(header) = header {
            if header.end() <= page.next.place {
                scan.skip(&header);
                continue;
            }
            if header.arrival < limits.horizon {
                page.next.place = header.end();
                scan.skip(&header);
                continue;
            }
            if let Some(payload) = scan.payload(&header)? {
                if page.take(payload, &header, limits) {
                    return Ok(true);
                }
                scan.skip(&header);
                continue;
            }
        }
        if scan.offset() >= view.facts.length {
            page.next.place = page.next.place.max(view.end);
            return Ok(false);
        }
        let offset = scan.offset();
        let bytes = match scan.next_valid()? {
            FoundBlock::Bad(range) => range.length,
            FoundBlock::Valid(_) => continue,
            FoundBlock::End { .. } => {
                page.next.place = page.next.place.max(view.end);
                view.facts.length - offset
            }
        };
        page.damage.push(Damage {
            path: view.path.clone(),
            offset,
            bytes,
        });
        if page.next.place >= view.end {
            page.next.offset = view.facts.length;
            return Ok(false);
        }
    }
}

impl LogPage {
    /// Takes records of a block as far as there is room. Returns whether the page is full.
    fn take(&mut self, payload: Bytes, header: &BlockHeader, limits: PageLimits) -> bool {
        for (place, record) in (header.first..).zip(BlockRecords::new(payload)) {
            if place < self.next.place {
                continue;
            }
            let bytes = record.key.len() + record.data.len();
            let full = self.records.len() >= limits.records
                || (self.bytes + bytes > limits.bytes && !self.records.is_empty());
            if full {
                self.next_arrival = Some(header.arrival);
                return true;
            }
            self.bytes += bytes;
            self.records.push(StoredRecord {
                place,
                arrival: header.arrival,
                encrypted: header.flags & ENCRYPTED != 0,
                key: record.key,
                data: record.data,
            });
            self.next.place = place + 1;
        }
        self.next.place = self.next.place.max(header.end());
        false
    }
}
