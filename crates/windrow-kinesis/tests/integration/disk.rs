//! Folders that are in use, damaged, or on a disk that fails.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use bytes::Bytes;
use windrow_kinesis::{DiskStatus, ErrorCode, Kinesis, KinesisOptions, NewRecord, OpenError};

use crate::server::{FIRST, NOON, STREAM, options, start};

fn record() -> NewRecord {
    NewRecord {
        partition_key: "k".to_owned(),
        data: Bytes::from_static(b"x"),
    }
}

#[tokio::test]
async fn a_folder_is_used_once_at_a_time() {
    let server = start(1).await;
    let again = Kinesis::open(KinesisOptions::new(server.folder.path()));
    assert!(matches!(again, Err(OpenError::InUse { .. })));
    let (folder, clock) = server.stop().await;
    let (kinesis, report) = Kinesis::open(options(&folder, &clock)).unwrap();
    assert_eq!(kinesis.stream_names(), [STREAM]);
    assert_eq!(report.streams, 1);
}

#[tokio::test]
async fn another_format_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("kinesis.json"), "something else").unwrap();
    let opened = Kinesis::open(KinesisOptions::new(folder.path()));
    assert!(matches!(opened, Err(OpenError::UnknownFormat { .. })));
}

#[tokio::test]
async fn unfinished_and_damaged_files_of_a_stream_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(AtomicI64::new(NOON));
    let (kinesis, _) = Kinesis::open(options(&folder, &clock)).unwrap();
    for name in ["damaged", "lost", "unfinished", "whole"] {
        kinesis.create_stream(name, 1).await.unwrap();
        kinesis.put_records(name, &[record()]).await.unwrap();
    }
    drop(kinesis);
    let path = |number: u32| {
        folder
            .path()
            .join(format!("stream-{number:06}/stream.json"))
    };
    fs::write(path(1), "00000000\n{}").unwrap();
    fs::remove_file(path(2)).unwrap();
    fs::write(path(3).with_extension("json.new"), "{").unwrap();
    fs::create_dir_all(folder.path().join(format!("stream-000009/{FIRST}"))).unwrap();
    fs::create_dir_all(folder.path().join("deleted-000008/x")).unwrap();

    let (kinesis, report) = Kinesis::open(options(&folder, &clock)).unwrap();
    assert_eq!(kinesis.stream_names(), ["unfinished", "whole"]);
    let damaged: Vec<_> = report
        .damage
        .iter()
        .map(|damage| damage.path.clone())
        .collect();
    assert_eq!(damaged, [path(1), path(2)]);
    assert_eq!((report.cut_off_bytes(), report.records), (1, 2));
    assert_eq!(kinesis.damage(), report.damage);
    // Nothing of a stream that cannot be read is deleted, or written over by a new one.
    assert!(path(2).with_file_name(FIRST).exists() && path(1).exists());
    assert!(!folder.path().join("stream-000009").exists());
    assert!(!folder.path().join("deleted-000008").exists());
    kinesis.create_stream("lost", 1).await.unwrap();
    assert!(!path(2).exists());
}

/// A folder that became a file stands for a disk that fails: no segment can be created in it.
#[tokio::test]
async fn a_put_that_the_disk_fails_is_not_stored_and_later_puts_work() {
    let server = start(1).await;
    let kinesis = &server.kinesis;
    let mut disk = kinesis.disk();
    let shard = server.folder.path().join("stream-000001").join(FIRST);
    fs::remove_dir(&shard).unwrap();
    fs::write(&shard, "").unwrap();
    let results = kinesis.put_records(STREAM, &[record()]).await.unwrap();
    let error = results[0].as_ref().unwrap_err();
    assert_eq!(error.code(), ErrorCode::InternalFailure);
    assert!(!error.message().contains('/'), "{error}");
    assert!(disk.has_changed().unwrap());
    assert!(
        matches!(&*disk.borrow_and_update(), DiskStatus::Failing { path, .. } if path.starts_with(&shard))
    );
    kinesis.put_records(STREAM, &[record()]).await.unwrap()[0]
        .as_ref()
        .unwrap_err();
    assert!(!disk.has_changed().unwrap(), "reported twice");

    fs::remove_file(&shard).unwrap();
    fs::create_dir(&shard).unwrap();
    kinesis.put_records(STREAM, &[record()]).await.unwrap()[0]
        .as_ref()
        .unwrap();
    assert_eq!(*disk.borrow_and_update(), DiskStatus::Working);
    assert_eq!(server.texts(FIRST).await, ["x"]);
}
