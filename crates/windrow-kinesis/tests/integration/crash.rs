//! What a killed process leaves.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use bytes::Bytes;
use windrow_kinesis::{
    DiskStatus, ErrorCode, IteratorStart, Kinesis, KinesisError, KinesisOptions, NewRecord,
    OpenReport,
};

use crate::server::STREAM;

const FOLDER: &str = "WINDROW_KINESIS_TEST_FOLDER";
const WRITERS: usize = 3;

fn open(folder: &std::path::Path) -> (Kinesis, OpenReport) {
    let mut options = KinesisOptions::new(folder);
    options.write_limits = false;
    Kinesis::open(options).unwrap()
}

/// The process that is killed: writes as fast as it can, and prints what is acknowledged. As a test
/// by itself it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let (kinesis, _) = open(folder.as_ref());
    if kinesis.stream_names().is_empty() {
        kinesis.create_stream(STREAM, 2).await.unwrap();
    }
    let run = std::process::id();
    let write = |writer: usize, kinesis: Kinesis| async move {
        for put in 0.. {
            let text = |n: usize| format!("{run}:{writer}:{put}:{n}");
            let records: Vec<_> = (0..10)
                .map(|n| NewRecord {
                    partition_key: text(n),
                    data: Bytes::from(text(n).repeat(20)),
                })
                .collect();
            let answers = kinesis.put_records(STREAM, &records).await.unwrap();
            for (n, answer) in answers.into_iter().enumerate() {
                let (shard, number) = answer.unwrap();
                println!("ack {} {shard} {number}", text(n));
            }
        }
    };
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(writer, kinesis.clone())))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// Runs the child, kills it after so many acknowledgements, and returns them.
fn killed_after(count: usize, folder: &std::path::Path) -> Vec<(String, String, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(fields) = line.strip_prefix("ack ") else {
            continue;
        };
        // The kill can cut a line off.
        if let [text, shard, number] = fields.split(' ').collect::<Vec<_>>()[..]
            && number.len() == 56
        {
            acknowledged.push((text.to_owned(), shard.to_owned(), number.to_owned()));
        }
        if acknowledged.len() == count {
            // SIGKILL. What it printed before is read to the end.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() >= count);
    acknowledged
}

async fn read_all(kinesis: &Kinesis) -> Result<Vec<(String, String, String)>, KinesisError> {
    let mut all = Vec::new();
    for shard in kinesis.list_shards(STREAM)? {
        let start = IteratorStart::TrimHorizon;
        let mut iterator = kinesis.shard_iterator(STREAM, &shard, start).await?;
        loop {
            let page = kinesis.get_records(&iterator, 1000).await?;
            for record in page.records {
                assert_eq!(record.data, record.partition_key.repeat(20));
                all.push((
                    record.partition_key,
                    shard.to_string(),
                    record.sequence_number,
                ));
            }
            if page.millis_behind_latest == 0 {
                break;
            }
            iterator = page.next_iterator.unwrap();
        }
    }
    Ok(all)
}

#[tokio::test]
async fn what_is_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for count in [300, 2000, 1] {
        acknowledged.extend(killed_after(count, folder.path()));
        let (kinesis, report) = open(folder.path());
        assert_eq!(report.damage, []);
        assert_eq!((report.streams, report.shards), (1, 2));
        let stored = read_all(&kinesis).await.unwrap();
        assert_eq!(report.records, stored.len() as u64);
        // Each once, under its number, and in order.
        for pair in stored.windows(2) {
            assert!(pair[0].1 != pair[1].1 || pair[0].2 < pair[1].2);
        }
        let by_text: std::collections::HashMap<_, _> = stored
            .iter()
            .map(|record| (record.0.as_str(), record))
            .collect();
        assert_eq!(by_text.len(), stored.len());
        for record in &acknowledged {
            assert_eq!(by_text.get(record.0.as_str()), Some(&record));
        }
        drop(kinesis);
    }
}

#[tokio::test]
async fn iterators_go_on_in_the_next_process_and_so_do_sequence_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let record = |text: &str| NewRecord {
        partition_key: text.to_owned(),
        data: Bytes::from(text.to_owned()),
    };
    let (kinesis, _) = open(folder.path());
    kinesis.create_stream(STREAM, 1).await.unwrap();
    let shard = kinesis.list_shards(STREAM).unwrap().remove(0);
    let start = IteratorStart::TrimHorizon;
    let iterator = kinesis.shard_iterator(STREAM, &shard, start).await.unwrap();
    let first = kinesis
        .put_records(STREAM, &[record("a"), record("b")])
        .await
        .unwrap();
    let iterator = kinesis
        .get_records(&iterator, 1)
        .await
        .unwrap()
        .next_iterator
        .unwrap();
    drop(kinesis);

    let (kinesis, report) = open(folder.path());
    assert_eq!(report.to_string(), "1 streams, 1 shards, 2 records");
    let second = kinesis.put_records(STREAM, &[record("c")]).await.unwrap();
    assert!(first[1].as_ref().unwrap().1 < second[0].as_ref().unwrap().1);
    let page = kinesis.get_records(&iterator, 10).await.unwrap();
    let keys: Vec<_> = page
        .records
        .iter()
        .map(|record| &*record.partition_key)
        .collect();
    assert_eq!(keys, ["b", "c"]);
}

const LIMITED: &str = "WINDROW_KINESIS_TEST_LIMITED";

/// Writes until a file reaches the size that it may have, and prints what is acknowledged. As a test
/// by itself it does nothing.
#[tokio::test]
async fn limited_child() {
    let Some(folder) = std::env::var_os(LIMITED) else {
        return;
    };
    let (kinesis, _) = open(folder.as_ref());
    kinesis.create_stream(STREAM, 1).await.unwrap();
    let put = async |key: String, bytes: usize| {
        let record = NewRecord {
            partition_key: key.clone(),
            data: Bytes::from(vec![1; bytes]),
        };
        let put = kinesis
            .put_records(STREAM, &[record])
            .await
            .unwrap()
            .remove(0);
        if put.is_ok() {
            println!("ack {key}");
        }
        put.map_err(|error| error.code())
    };
    let mut failures = 0;
    for number in 0..40 {
        // The large ones do not fit from some point on, and are written in part; small ones still do.
        if let Err(code) = put(format!("large{number}"), 60_000).await {
            assert_eq!(code, ErrorCode::InternalFailure);
            assert_ne!(*kinesis.disk().borrow(), DiskStatus::Working);
            failures += 1;
            put(format!("small{number}"), 10).await.unwrap();
            assert_eq!(*kinesis.disk().borrow(), DiskStatus::Working);
        }
    }
    assert!(failures > 2);
    println!("done");
    // Without a chance to clean up.
    std::process::abort();
}

#[cfg(unix)]
#[tokio::test]
async fn what_the_disk_takes_in_part_is_never_seen() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args([
            "-c",
            r#"trap "" XFSZ; ulimit -f 1000; exec "$0" crash::limited_child --exact --nocapture"#,
        ])
        .arg(std::env::current_exe().unwrap())
        .env(LIMITED, folder.path())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains("done"),
        "{printed} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let acknowledged: Vec<_> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("ack "))
        .collect();
    let (kinesis, report) = open(folder.path());
    assert_eq!((report.cut_off, report.damage), (vec![], vec![]));
    let shard = kinesis.list_shards(STREAM).unwrap().remove(0);
    let start = IteratorStart::TrimHorizon;
    let iterator = kinesis.shard_iterator(STREAM, &shard, start).await.unwrap();
    let page = kinesis.get_records(&iterator, 1000).await.unwrap();
    let keys: Vec<_> = page
        .records
        .iter()
        .map(|record| &*record.partition_key)
        .collect();
    assert_eq!(keys, acknowledged);
}
