//! Opens the log of a shard: finds its end, cuts off what a crash left, and reports damage.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::block::{BlockHeader, HEADER};
use super::scan::{BadRange, BlockScan, FoundBlock};
use super::segment::{self, SEGMENT_HEADER, SegmentHeader};
use super::shard_log::{LogState, SegmentFacts, ShardLog};
use crate::files;
use crate::report::{CutOff, Damage, OpenError, OpenReport};

/// How many places a start skips. A power cut can lose the end of a log, and a reader may have seen
/// what was lost: no new record may get the sequence number of such a record.
const SKIPPED_PLACES: u64 = 1_000_000;

/// The suffix that a segment with a damaged header gets. Nothing can be read from it, but it is the
/// user's data.
const DAMAGED: &str = "damaged";

/// A segment whose header is valid. Its file is not held open: there can be many thousands.
struct FoundSegment {
    path: PathBuf,
    header: SegmentHeader,
    length: u64,
}

/// What is in the newest segment.
struct NewestContent {
    first_arrival: i64,
    /// The header of its last block.
    last: BlockHeader,
    records: u64,
    /// The offset after its last block.
    valid: u64,
}

impl ShardLog {
    /// Opens the log in a folder, which is created if it is missing.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the folder or one of its files cannot be read or written. Damage is no error.
    pub(crate) fn open(folder: PathBuf, report: &mut OpenReport) -> Result<Self, OpenError> {
        fs::create_dir_all(&folder).map_err(unusable(&folder))?;
        let mut state = LogState::new();
        let mut found = find(&folder, report, &mut state.next)?;
        while let Some(newest) = found.pop() {
            let file = files::open_to_write(&newest.path).map_err(unusable(&newest.path))?;
            let content = scan(&newest, &file, report).map_err(unusable(&newest.path))?;
            let Some(content) = content else {
                // It has no block, so the one before it is the newest again.
                state.next = state
                    .next
                    .max(places_after(newest.header.first, newest.length));
                fs::remove_file(&newest.path).map_err(unusable(&newest.path))?;
                continue;
            };
            for older in &found {
                let mut facts = older.facts(report).map_err(unusable(&older.path))?;
                // Arrival times are searched, so they must not go back where one is unknown.
                let before = state
                    .segments
                    .back()
                    .map_or(i64::MIN, |before| before.first_arrival);
                facts.first_arrival = facts.first_arrival.max(before);
                state.segments.push_back(facts);
            }
            state.records = newest.header.records_before + content.records;
            state.next = state.next.max(content.last.end());
            state.last_arrival = content.last.arrival;
            state.segments.push_back(SegmentFacts {
                first: newest.header.first,
                records_before: newest.header.records_before,
                salt: newest.header.salt,
                first_arrival: content.first_arrival,
                length: content.valid,
            });
            state.newest = Some(Arc::new(file));
            break;
        }
        // Any file may have had records.
        if state.next > 1 {
            state.next = state.next.saturating_add(SKIPPED_PLACES);
        }
        let log = Self::from_state(folder, state);
        report.records += log.records();
        Ok(log)
    }
}

/// A place after all that a segment can have had whose blocks are lost: each record took more than
/// one byte.
fn places_after(first: u64, length: u64) -> u64 {
    first.saturating_add(length.max(1))
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Unusable { path, source }
}

/// The segments of a folder in order. `next` is raised past the places that a damaged one can have.
fn find(
    folder: &Path,
    report: &mut OpenReport,
    next: &mut u64,
) -> Result<Vec<FoundSegment>, OpenError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unusable(folder))? {
        let path = entry.map_err(unusable(folder))?.path();
        if let Some(first) = segment::first_of(&path) {
            paths.push((first, path));
        }
    }
    paths.sort();

    let last = paths.len().saturating_sub(1);
    let mut found = Vec::new();
    for (index, (first, path)) in paths.into_iter().enumerate() {
        let file = files::open_to_read(&path).map_err(unusable(&path))?;
        let length = file.metadata().map_err(unusable(&path))?.len();
        let header = SegmentHeader::read(&file).map_err(unusable(&path))?;
        if let Some(header) = header.filter(|header| header.first == first) {
            found.push(FoundSegment {
                path,
                header,
                length,
            });
            continue;
        }
        *next = (*next).max(places_after(first, length));
        if index == last && length < SEGMENT_HEADER {
            fs::remove_file(&path).map_err(unusable(&path))?;
            report.cut_off.push(CutOff {
                path,
                offset: 0,
                bytes: length,
            });
            continue;
        }
        let kept = path.with_extension(DAMAGED);
        fs::rename(&path, &kept).map_err(unusable(&path))?;
        report.damage.push(Damage {
            path: kept,
            offset: 0,
            bytes: length,
        });
    }
    Ok(found)
}

/// Reads the newest segment, and cuts off what is after its last block. `None` if it has no block.
fn scan(
    segment: &FoundSegment,
    file: &File,
    report: &mut OpenReport,
) -> io::Result<Option<NewestContent>> {
    let salt = segment.header.salt;
    let mut blocks = BlockScan::new(file, salt, SEGMENT_HEADER, segment.length);
    let (mut records, mut first_arrival, mut last) = (0, i64::MAX, None);
    let valid = loop {
        match blocks.next_valid()? {
            FoundBlock::Valid(header) => {
                records += u64::from(header.count);
                first_arrival = first_arrival.min(header.arrival);
                last = Some(header);
            }
            FoundBlock::Bad(range) => report.damage.push(damage(&segment.path, range)),
            FoundBlock::End { valid } => break valid,
        }
    };
    if segment.length > valid {
        file.set_len(valid)?;
        file.sync_data()?;
        report.cut_off.push(CutOff {
            path: segment.path.clone(),
            offset: valid,
            bytes: segment.length - valid,
        });
    }
    Ok(last.map(|last| NewestContent {
        first_arrival,
        last,
        records,
        valid,
    }))
}

fn damage(path: &Path, range: BadRange) -> Damage {
    Damage {
        path: path.to_owned(),
        offset: range.offset,
        bytes: range.length,
    }
}

impl FoundSegment {
    /// What is in memory of a segment that is full. Only its first block is read; damage in the
    /// others is reported when they are.
    fn facts(&self, report: &mut OpenReport) -> io::Result<SegmentFacts> {
        let salt = self.header.salt;
        let file = files::open_to_read(&self.path)?;
        let mut first = None;
        let mut bytes = [0; HEADER];
        if self.length >= SEGMENT_HEADER + HEADER as u64 {
            // No more than this: there can be thousands of segments.
            files::read_exact_at(&file, &mut bytes, SEGMENT_HEADER)?;
            first = BlockHeader::decode(&bytes, salt);
        }
        if first.is_none() {
            let mut blocks = BlockScan::new(&file, salt, SEGMENT_HEADER, self.length);
            while let FoundBlock::Bad(range) = blocks.next_valid()? {
                report.damage.push(damage(&self.path, range));
                first = blocks.peek()?;
            }
        }
        Ok(SegmentFacts {
            first: self.header.first,
            records_before: self.header.records_before,
            salt,
            first_arrival: first.map_or(i64::MIN, |first| first.arrival),
            length: self.length,
        })
    }
}
