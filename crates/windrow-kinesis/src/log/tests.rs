//! The log against a model: whatever is put, read, cut off or damaged.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::block::{BlockPayload, HEADER, RECORD_OVERHEAD};
use super::read::{LogCursor, LogPage, PageLimits, StoredRecord};
use super::segment::{SEGMENT_BYTES, SEGMENT_HEADER};
use super::shard_log::{AppendError, NewBlock, ShardLog};
use crate::report::OpenReport;

fn open(folder: &Path) -> (ShardLog, OpenReport) {
    let mut report = OpenReport::default();
    let log = ShardLog::open(folder.join("shard"), &mut report).unwrap();
    (log, report)
}

fn block(records: &[Vec<u8>]) -> NewBlock {
    let mut payload = BlockPayload::default();
    for data in records {
        let pushed = payload.push("key", |bytes| {
            bytes.extend_from_slice(data);
            Ok::<_, Infallible>(())
        });
        pushed.unwrap();
    }
    NewBlock::new(payload, 0)
}

fn limits(records: usize) -> PageLimits {
    PageLimits {
        records,
        bytes: usize::MAX,
        horizon: i64::MIN,
    }
}

/// Reads to the end, in pages of so many records.
fn read_all(log: &ShardLog, mut cursor: LogCursor, page: usize) -> (Vec<StoredRecord>, LogPage) {
    let mut records = Vec::new();
    loop {
        let mut read = log.read(cursor, limits(page)).unwrap();
        cursor = read.next;
        assert!(read.records.len() <= page);
        if read.next_arrival.is_none() {
            records.append(&mut read.records);
            return (records, read);
        }
        assert!(!read.records.is_empty());
        records.append(&mut read.records);
    }
}

fn data_of(records: &[StoredRecord]) -> Vec<Vec<u8>> {
    records.iter().map(|record| record.data.to_vec()).collect()
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("shard")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn puts() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    let record = proptest::collection::vec(any::<u8>(), 0..40);
    let put = proptest::collection::vec(record, 1..6);
    proptest::collection::vec(put, 1..12)
}

proptest! {
    /// Everything put before a cut is there, in order; the rest is cut off, and the log goes on.
    #[test]
    fn a_log_survives_a_cut_at_any_byte(puts in puts(), cut in any::<prop::sample::Index>()) {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = open(folder.path());
        let mut ends = vec![SEGMENT_HEADER];
        for put in &puts {
            log.append(&[&block(put)], 1).unwrap();
            let bytes: usize = put.iter().map(|data| data.len() + 3 + RECORD_OVERHEAD).sum();
            ends.push(ends.last().unwrap() + (HEADER + bytes) as u64);
        }
        drop(log);
        let [path] = &segments(folder.path())[..] else { panic!("one segment") };
        let length = fs::metadata(path).unwrap().len();
        prop_assert_eq!(length, *ends.last().unwrap());
        let cut = cut.index(usize::try_from(length).unwrap() + 1) as u64;
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(cut).unwrap();

        let whole = ends.iter().skip(1).filter(|end| **end <= cut).count();
        let mut expected: Vec<Vec<u8>> = puts[..whole].concat();
        let (log, report) = open(folder.path());
        prop_assert_eq!(report.damage, []);
        prop_assert_eq!(report.records, expected.len() as u64);
        let left: u64 = report.cut_off.iter().map(|cut| cut.bytes).sum();
        let valid = if cut < SEGMENT_HEADER { 0 } else { ends[whole] };
        prop_assert_eq!(left, cut - valid);
        let (before, _) = read_all(&log, log.oldest(), 3);
        prop_assert_eq!(data_of(&before), expected.clone());

        let appended = log.append(&[&block(&puts[0])], 0).unwrap();
        prop_assert!(before.last().is_none_or(|last| last.place < appended[0].first));
        expected.extend_from_slice(&puts[0]);
        let (after, _) = read_all(&log, log.oldest(), 1000);
        prop_assert_eq!(data_of(&after), expected.clone());
        prop_assert!(after.windows(2).all(|pair| pair[0].place < pair[1].place
            && pair[0].arrival <= pair[1].arrival));
        drop(log);
        let (log, report) = open(folder.path());
        prop_assert_eq!((report.records, report.cut_off), (expected.len() as u64, vec![]));
        prop_assert_eq!(data_of(&read_all(&log, log.oldest(), 2).0), expected);
    }

    /// One changed byte costs at most the block that has it, and is reported.
    #[test]
    fn a_changed_byte_costs_one_put(
        puts in puts(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        is_open in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = open(folder.path());
        let mut end = SEGMENT_HEADER;
        let mut ends = Vec::new();
        for put in &puts {
            log.append(&[&block(put)], 1).unwrap();
            let bytes: usize = put.iter().map(|data| data.len() + 3 + RECORD_OVERHEAD).sum();
            end += (HEADER + bytes) as u64;
            ends.push(end);
        }
        let path = segments(folder.path()).remove(0);
        let mut bytes = fs::read(&path).unwrap();
        let at = SEGMENT_HEADER as usize + at.index(bytes.len() - SEGMENT_HEADER as usize);
        bytes[at] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        let damaged = ends.iter().position(|end| at < *end as usize).unwrap();
        let mut expected = puts.clone();
        expected.remove(damaged);

        let mut reported = Vec::new();
        if !is_open {
            drop(log);
            let (opened, report) = open(folder.path());
            log = opened;
            reported = report.damage;
            prop_assert_eq!(report.cut_off.is_empty(), damaged + 1 < puts.len());
        }
        let (records, page) = read_all(&log, log.oldest(), 10_000);
        prop_assert_eq!(data_of(&records), expected.concat());
        reported.extend(page.damage);
        if is_open || damaged + 1 < puts.len() {
            let start = damaged.checked_sub(1).map_or(SEGMENT_HEADER, |before| ends[before]);
            prop_assert_eq!(reported[0].offset, start);
        }
    }

    /// However a log is read, each record comes once and in order.
    #[test]
    fn cursors_meet_every_record_once(
        puts in puts(),
        page in 1..7_usize,
        from in any::<prop::sample::Index>(),
        hint in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = open(folder.path());
        let mut cursor = log.latest();
        prop_assert_eq!(cursor, log.oldest());
        let mut followed = Vec::new();
        for (time, put) in puts.iter().enumerate() {
            log.append(&[&block(put)], time as i64).unwrap();
            // A follower that reads a page now and then.
            let mut read = log.read(cursor, limits(page)).unwrap();
            cursor = read.next;
            followed.append(&mut read.records);
        }
        followed.append(&mut read_all(&log, cursor, page).0);
        let (all, last) = read_all(&log, LogCursor::at(1), page);
        prop_assert_eq!(&all, &followed);
        prop_assert_eq!(data_of(&all), puts.concat());
        prop_assert_eq!(last.next, log.latest());
        prop_assert!(!last.ended);

        let from = from.index(all.len());
        let mut start = LogCursor::at(all[from].place);
        if hint {
            let read = log.read(LogCursor::at(1), limits(from.max(1))).unwrap();
            start = LogCursor { place: start.place.max(read.next.place), ..read.next };
        }
        let (rest, _) = read_all(&log, start, page);
        prop_assert_eq!(&rest[..], &all[all.len() - rest.len()..]);
        prop_assert_eq!(rest.len(), all.iter().filter(|record| record.place >= start.place).count());

        for time in -1..=puts.len() as i64 {
            let cursor = log.at_time(time).unwrap();
            let (rest, _) = read_all(&log, cursor, page);
            let expected: Vec<_> = all.iter().filter(|record| record.arrival >= time).cloned().collect();
            prop_assert_eq!(rest, expected);
        }
    }

    /// Any file is opened without a panic, and nothing in it is made up.
    #[test]
    fn any_file_is_opened(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("shard")).unwrap();
        fs::write(folder.path().join("shard/00000000000000000007.log"), &bytes).unwrap();
        let (log, report) = open(folder.path());
        prop_assert_eq!(report.records, 0);
        prop_assert_eq!(report.cut_off.len() + report.damage.len(), 1);
        // Nobody knows which records it had, so the places after it are skipped.
        prop_assert!(log.append(&[&block(&[vec![1]])], 1).unwrap()[0].first > 1_000_000);
    }
}

/// Fills segments, with one block of 1 MiB at each time.
fn filled(folder: &Path, blocks: i64) -> ShardLog {
    let (log, _) = open(folder);
    for time in 0..blocks {
        let data = vec![u8::try_from(time % 251).unwrap(); 1 << 20];
        log.append(&[&block(&[data])], time).unwrap();
    }
    log
}

#[test]
fn segments_are_read_across_and_opened_without_being_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = filled(folder.path(), 50);
    assert_eq!(segments(folder.path()).len(), 4);
    let check = |log: &ShardLog| {
        let (records, last) = read_all(log, log.oldest(), 7);
        assert_eq!(records.len(), 50);
        assert!(
            (0..)
                .zip(&records)
                .all(|(time, record)| record.arrival == time)
        );
        assert_eq!(last.next, log.latest());
        for time in 0..50 {
            let cursor = log.at_time(time).unwrap();
            let read = log.read(cursor, limits(1)).unwrap();
            assert_eq!(read.records[0].arrival, time);
            let place = read.records[0].place;
            let again = log.read(LogCursor::at(place), limits(1)).unwrap();
            assert_eq!(again.records, read.records);
        }
    };
    check(&log);
    drop(log);
    let (log, report) = open(folder.path());
    assert_eq!(
        (report.records, report.cut_off_bytes(), report.damage.len()),
        (50, 0, 0)
    );
    check(&log);
}

#[test]
fn whole_segments_past_retention_are_deleted_and_older_records_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = filled(folder.path(), 50);
    let cursor = log.oldest();
    let page = PageLimits {
        horizon: 20,
        ..limits(1000)
    };
    let arrivals = |log: &ShardLog| -> Vec<i64> {
        let read = log.read(cursor, page).unwrap();
        read.records.iter().map(|record| record.arrival).collect()
    };
    let expected: Vec<i64> = (20..50).collect();
    assert_eq!(arrivals(&log), expected);
    log.delete_before(20).unwrap();
    assert_eq!(segments(folder.path()).len(), 3);
    assert_eq!(arrivals(&log), expected);
    assert_eq!(log.records(), 50 - 16);
    log.delete_before(1000).unwrap();
    assert_eq!(
        segments(folder.path()).len(),
        1,
        "the newest says where the shard goes on"
    );
    drop(log);
    let (log, report) = open(folder.path());
    assert_eq!(report.records, 2);
    assert!(log.append(&[&block(&[vec![1]])], 60).unwrap()[0].first > 50);
}

#[test]
fn a_missing_segment_is_reported_and_passed() {
    let folder = tempfile::tempdir().unwrap();
    let log = filled(folder.path(), 50);
    fs::remove_file(&segments(folder.path())[1]).unwrap();
    let page = log.read(log.oldest(), limits(1000)).unwrap();
    assert_eq!(page.records.len(), 50 - 16);
    assert_eq!(page.damage.len(), 1);
}

#[test]
fn a_segment_with_a_damaged_header_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path(), 3));
    let path = segments(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[9] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (log, report) = open(folder.path());
    assert_eq!(report.damage[0].bytes, bytes.len() as u64);
    assert_eq!(fs::read(&report.damage[0].path).unwrap(), bytes);
    // No sequence number comes twice.
    assert!(log.append(&[&block(&[vec![1]])], 1).unwrap()[0].first > 3);
}

#[test]
fn the_arrival_time_does_not_go_back_with_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let put = |log: &ShardLog, now| log.append(&[&block(&[vec![1]])], now).unwrap()[0].arrival;
    assert_eq!(put(&log, 100), 100);
    assert_eq!(put(&log, 50), 100);
    drop(log);
    let (log, _) = open(folder.path());
    assert_eq!(put(&log, 50), 100);
    assert_eq!(put(&log, 101), 101);
}

#[test]
fn a_closed_log_takes_nothing_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    log.append(&[&block(&[vec![1]])], 1).unwrap();
    log.set_closed(true);
    let rejected = log.append(&[&block(&[vec![2]])], 2);
    assert!(matches!(rejected, Err(AppendError::Closed)));
    let page = log.read(log.oldest(), limits(10)).unwrap();
    assert_eq!((page.records.len(), page.ended), (1, true));
}

#[test]
fn a_record_that_looks_like_a_block_is_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    log.append(&[&block(&[vec![1]])], 1).unwrap();
    let path = segments(folder.path()).remove(0);
    let inner = fs::read(&path).unwrap().split_off(SEGMENT_HEADER as usize);
    // Another log's block, so with another salt; then this one is damaged around it.
    let other = tempfile::tempdir().unwrap();
    let (log, _) = open(other.path());
    log.append(&[&block(std::slice::from_ref(&inner))], 1)
        .unwrap();
    log.append(&[&block(&[vec![3]])], 1).unwrap();
    drop(log);
    let path = segments(other.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[SEGMENT_HEADER as usize + 1] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (log, report) = open(other.path());
    assert_eq!(report.damage.len(), 1);
    assert_eq!(data_of(&read_all(&log, log.oldest(), 10).0), [vec![3]]);
    assert!(SEGMENT_BYTES > inner.len() as u64);
}
