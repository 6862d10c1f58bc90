//! Tests of delivery streams.

use windrow_testkit::files::texts;

use super::*;

/// The texts of all files in a folder, in order.
fn sorted_texts(folder: &Path) -> Vec<String> {
    let mut texts = texts(folder);
    texts.sort();
    texts
}

#[tokio::test(start_paused = true)]
async fn an_object_is_delivered_when_its_interval_ends() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let firehose = Firehose::new(folder.path(), "us-east-1", "000000000000");
    let buffering = BufferingHints {
        bytes: 1_000_000,
        interval: Duration::from_secs(60),
    };
    let created = firehose.create("rides", DeliverySource::DirectPut, buffering);
    created.await.unwrap();
    let _deliveries = tokio::spawn(firehose.clone().deliver_when_due());
    let put = async |line: &str| {
        let data = line.as_bytes().to_vec();
        firehose.put("rides", data, 1_795_166_228_189).await
    };

    let start = Instant::now();
    put("one\n").await.unwrap();
    tokio::time::sleep_until(start + Duration::from_secs(50)).await;
    // The interval is counted from the first record, not from the last.
    put("two\n").await.unwrap();
    tokio::time::sleep_until(start + Duration::from_millis(59_900)).await;
    assert_eq!(sorted_texts(&archive), [""; 0]);
    tokio::time::sleep_until(start + Duration::from_secs(60) + 2 * DUE_CHECK).await;
    assert_eq!(sorted_texts(&archive), ["one\ntwo\n"]);

    // The next object has its own interval.
    put("three\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(sorted_texts(&archive).len(), 1);
    tokio::time::sleep(Duration::from_secs(1) + 2 * DUE_CHECK).await;
    assert_eq!(sorted_texts(&archive), ["one\ntwo\n", "three\n"]);
}
