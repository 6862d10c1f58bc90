//! Tests of what is deleted, and what a crash in the middle of it leaves.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::kinesis::{IteratorStart, Kinesis, NewRecord};
use crate::options::KinesisOptions;
use crate::report::OpenReport;
use crate::store::Store;

const STREAM: &str = "wildrydes";
const HOUR: i64 = 3_600_000;

struct Opened {
    store: Arc<Store>,
    kinesis: Kinesis,
    report: OpenReport,
    clock: Arc<AtomicI64>,
}

fn open(folder: &Path, now: i64) -> Opened {
    let clock = Arc::new(AtomicI64::new(now));
    let mut options = KinesisOptions::new(folder);
    let time = Arc::clone(&clock);
    options.clock = Arc::new(move || time.load(Ordering::SeqCst));
    options.change_delay = Duration::ZERO;
    let (store, report) = Store::open(options).unwrap();
    Opened {
        kinesis: Kinesis::of(Arc::clone(&store)),
        store,
        report,
        clock,
    }
}

impl Opened {
    async fn put(&self, text: &str) {
        let record = NewRecord {
            partition_key: text.to_owned(),
            data: Bytes::from(text.to_owned()),
        };
        let mut put = self.kinesis.put_records(STREAM, &[record]).await.unwrap();
        put.remove(0).unwrap();
    }

    async fn split(&self, shard: &str) {
        let half = (1_u128 << 127).to_string();
        let input = json!({
            "StreamName": STREAM,
            "ShardToSplit": shard,
            "NewStartingHashKey": half,
        });
        let input = serde_json::from_value(input).unwrap();
        self.store.split_shard(input).await.unwrap();
    }

    /// Deletes what is past its retention so many hours later.
    fn delete_after(&self, hours: i64) {
        let now = self.clock.fetch_add(hours * HOUR, Ordering::SeqCst) + hours * HOUR;
        delete_expired(&self.store.streams, now);
    }

    fn shards(&self) -> Vec<String> {
        let shards = self.kinesis.list_shards(STREAM).unwrap();
        shards.iter().map(ToString::to_string).collect()
    }

    /// The data of all records, in any order.
    async fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for shard in self.kinesis.list_shards(STREAM).unwrap() {
            let start = IteratorStart::TrimHorizon;
            let iterator = self.kinesis.shard_iterator(STREAM, &shard, start).await;
            let page = self.kinesis.get_records(&iterator.unwrap(), 1000).await;
            let records = page.unwrap().records.into_iter();
            texts.extend(records.map(|record| String::from_utf8(record.data.to_vec()).unwrap()));
        }
        texts.sort();
        texts
    }
}

/// The folders of the shards.
fn folders(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join("stream-000001")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("shardId-")).collect();
    names.sort();
    names
}

fn id(number: u32) -> String {
    crate::stream::shard_id(number)
}

/// A stream whose first shard was split and has a record, and whose children have others.
async fn split_stream(root: &Path) -> Opened {
    let opened = open(root, 100 * HOUR);
    opened.kinesis.create_stream(STREAM, 1).await.unwrap();
    opened.put("before").await;
    opened.split(&id(0)).await;
    opened.clock.fetch_add(HOUR, Ordering::SeqCst);
    for text in ["after", "the", "split"] {
        opened.put(text).await;
    }
    opened
}

#[tokio::test]
async fn a_closed_shard_is_deleted_as_a_whole_and_the_stream_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let opened = split_stream(folder.path()).await;
    let start = IteratorStart::TrimHorizon;
    let old = opened.kinesis.shard_iterator(STREAM, &id(0), start).await;
    let old = old.unwrap();
    // The shard was closed an hour ago, so its last record may be read for another 23.
    opened.delete_after(23);
    assert_eq!(folders(folder.path()), [id(0), id(1), id(2)]);
    assert_eq!(opened.texts().await, ["after", "before", "split", "the"]);
    opened.clock.fetch_add(1, Ordering::SeqCst);
    opened.delete_after(0);
    assert_eq!(folders(folder.path()), [id(1), id(2)]);
    assert_eq!(opened.shards(), [id(1), id(2)]);
    assert_eq!(opened.texts().await, ["after", "split", "the"]);
    opened.kinesis.get_records(&old, 1).await.unwrap_err();

    for text in ["puts", "still", "work"] {
        opened.put(text).await;
    }
    // No number comes twice.
    let input = json!({"StreamName": STREAM, "ShardToMerge": id(1), "AdjacentShardToMerge": id(2)});
    let input = serde_json::from_value(input).unwrap();
    opened.store.merge_shards(input).await.unwrap();
    opened.put("merged").await;
    assert_eq!(opened.shards(), [id(1), id(2), id(3)]);
    let texts = opened.texts().await;
    assert_eq!(texts.len(), 7);
    assert_eq!(opened.kinesis.damage(), []);
    let now = opened.store.now();
    drop(opened);

    let opened = open(folder.path(), now);
    assert_eq!((opened.report.shards, opened.report.records), (3, 7));
    assert_eq!(opened.texts().await, texts);
    // Everything but the open shard is past its retention.
    opened.delete_after(25);
    assert_eq!(opened.shards(), [id(3)]);
    assert_eq!(folders(folder.path()), [id(3)]);
}

#[tokio::test]
async fn a_crash_between_the_file_and_the_folder_leaves_nothing_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let opened = split_stream(folder.path()).await;
    let path = |shard: &str| folder.path().join("stream-000001").join(shard);
    let aside = folder.path().join("aside");
    // What the crash leaves: the folder as it was.
    fs::create_dir(&aside).unwrap();
    for segment in fs::read_dir(path(&id(0))).unwrap() {
        let segment = segment.unwrap();
        fs::copy(segment.path(), aside.join(segment.file_name())).unwrap();
    }
    opened.delete_after(24);
    let now = opened.store.now();
    drop(opened);
    fs::rename(&aside, path(&id(0))).unwrap();
    // A shard that was being opened is none that was being deleted.
    fs::create_dir(path(&id(3))).unwrap();

    let opened = open(folder.path(), now);
    assert_eq!(opened.report.damage, []);
    assert_eq!((opened.report.shards, opened.report.records), (2, 3));
    assert_eq!(folders(folder.path()), [id(1), id(2), id(3)]);
    assert_eq!(opened.texts().await, ["after", "split", "the"]);
}

#[tokio::test]
async fn a_shard_whose_end_cannot_be_written_down_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let opened = split_stream(folder.path()).await;
    // The stream's file cannot be replaced.
    let in_the_way = folder.path().join("stream-000001/stream.json.new");
    fs::create_dir(&in_the_way).unwrap();
    opened.delete_after(24);
    assert_eq!(folders(folder.path()), [id(0), id(1), id(2)]);
    opened.put("more").await;
    fs::remove_dir(&in_the_way).unwrap();
    opened.delete_after(0);
    assert_eq!(folders(folder.path()), [id(1), id(2)]);
    assert_eq!(opened.texts().await.len(), 4);
}

#[tokio::test]
async fn a_stream_that_is_being_changed_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let opened = split_stream(folder.path()).await;
    let stream = opened.store.stream(STREAM).unwrap();
    let change = stream.change.lock().await;
    opened.delete_after(24);
    assert_eq!(folders(folder.path()).len(), 3);
    drop(change);
    opened.delete_after(0);
    assert_eq!(folders(folder.path()).len(), 2);
}
