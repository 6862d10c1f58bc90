//! Compares the rows of the whole pipeline with the audit's fold of the log.

use std::ops::Range;
use std::time::Duration;

use audit::measures::AuditTotals;
use aws_sdk_kinesis::error::SdkError;
use end_to_end::{TIME_LIMIT, TestCloud, by_window, reading, with_binaries, with_event_time};
use tokio::sync::watch;

/// Sends rounds of `size` readings over several seconds and windows. A round number always stands
/// for the same readings.
async fn send_rounds(cloud: &TestCloud, rounds: Range<u32>, size: u32) {
    for round in rounds {
        let readings = (0..size).map(|n| {
            let name = format!("unicorn {}", n % 40);
            reading(&name, round * size + n, "29.123456", n as i32)
        });
        cloud.send("wildrydes", readings).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}

/// Checks that every sent reading is in the table, and that the table is the fold of the log.
async fn assert_exact(cloud: &TestCloud, sent: u64) {
    let rows = by_window(cloud.drained_rows().await);
    let readings: u64 = rows.values().map(|measures| measures.readings).sum();
    assert_eq!(readings, sent);
    assert_eq!(rows, cloud.expected(Duration::from_secs(2)).await);
    assert_eq!(cloud.archived("wildrydes").len() as u64, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_the_fold_of_the_log() {
    let cloud = TestCloud::start(|settings| settings.shards = 3).await;
    send_rounds(&cloud, 0..6, 200).await;
    assert_exact(&cloud, 1200).await;
    assert!(cloud.archived("wildrydes-rejects").is_empty());
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deployed_binaries_write_the_same_rows() {
    let cloud = TestCloud::start_with(with_binaries(), |_| ()).await;
    send_rounds(&cloud, 0..4, 200).await;
    assert_exact(&cloud, 800).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resharding_within_a_window_is_exact() {
    let cloud = TestCloud::start(|_| ()).await;
    send_rounds(&cloud, 0..2, 100).await;
    let split = cloud.kinesis.split_shard().stream_name("wildrydes");
    let split = split.shard_to_split("shardId-000000000000");
    let split = split.new_starting_hash_key((1_u128 << 127).to_string());
    assert!(split.send().await.is_ok());
    send_rounds(&cloud, 2..4, 100).await;
    let merge = cloud.kinesis.merge_shards().stream_name("wildrydes");
    let merge = merge.shard_to_merge("shardId-000000000001");
    let merge = merge.adjacent_shard_to_merge("shardId-000000000002");
    assert!(merge.send().await.is_ok());
    send_rounds(&cloud, 4..6, 100).await;
    assert_exact(&cloud, 600).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_readings_are_rejected_and_others_counted() {
    let cloud = TestCloud::start(|_| ()).await;
    let (name, good) = reading("Shadowfax", 1, "30", 150);
    let (_, other) = reading("Shadowfax", 2, "12.5", 149);
    let (_, negative) = reading("Shadowfax", 3, "-1", 150);
    let records = [good, format!("{negative}{other}"), "no reading".to_owned()];
    let named = records.map(|record| (name.clone(), record));
    cloud.send("wildrydes", named).await;

    let rows = by_window(cloud.drained_rows().await);
    let rows: Vec<&AuditTotals> = rows.values().collect();
    let readings: u64 = rows.iter().map(|measures| measures.readings).sum();
    let micrometres: i128 = rows.iter().map(|totals| totals.measures[0].sum()).sum();
    assert_eq!((readings, micrometres), (2, 42_500_000));
    let rejects = cloud.archived("wildrydes-rejects");
    let mut reasons: Vec<&str> = rejects
        .iter()
        .filter_map(|reject| reject["Reason"].as_str())
        .collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            "Distance is `-1`, which is below zero",
            "the text is not a JSON object: it does not start with {",
        ]
    );
    assert!(
        rejects
            .iter()
            .any(|reject| reject["Payload"] == negative.trim_end())
    );
    assert!(
        rejects
            .iter()
            .all(|reject| reject["PartitionKey"] == "Shadowfax")
    );
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_summary_is_rejected() {
    let cloud = TestCloud::start(|_| ()).await;
    let records = [("key".to_owned(), "no summary".to_owned())];
    cloud.send("wildrydes-summary", records).await;
    let (name, line) = reading("Shadowfax", 1, "30", 150);
    cloud.send("wildrydes", [(name, line)]).await;
    assert_eq!(cloud.drained_rows().await.len(), 1);
    let rejects = cloud.archived("wildrydes-rejects");
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0]["Stream"], "wildrydes-summary");
    assert_eq!(rejects[0]["Payload"], "no summary");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_within_a_window_count_once() {
    let window = Duration::from_secs(60);
    let cloud = TestCloud::start(|settings| settings.window = window).await;
    let readings: Vec<_> = (0..50).map(|n| reading("Shadowfax", n, "1", 150)).collect();
    cloud.send("wildrydes", readings.clone()).await;
    cloud.send("wildrydes", readings).await;
    let rows = by_window(cloud.drained_rows().await);
    assert_eq!(rows, cloud.expected(window).await);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn event_time_assigns_windows_by_status_time() {
    let cloud = TestCloud::start_with(with_event_time(), |_| ()).await;
    // Their StatusTime is 1,790,000,000 s after the epoch, long before they arrive, in two windows
    // of 2 s.
    let readings = (0..40).map(|n| reading("Shadowfax", n * 100, "1", 150));
    cloud.send("wildrydes", readings).await;
    let rows = by_window(cloud.drained_rows().await);
    let starts: Vec<(i64, u64)> = rows
        .iter()
        .map(|((_, start), measures)| (*start, measures.readings))
        .collect();
    assert_eq!(starts, [(1_790_000_000_000, 20), (1_790_000_002_000, 20)]);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_survives_a_restart() {
    let mut cloud = TestCloud::start(|_| ()).await;
    cloud
        .send("wildrydes", [reading("Shadowfax", 1, "30", 150)])
        .await;
    let before = cloud.drained_rows().await;
    cloud = cloud.restart().await;
    cloud
        .send("wildrydes", [reading("Shadowfax", 2, "12", 150)])
        .await;
    let after = cloud.drained_rows().await;
    assert_eq!((before.len(), after.len()), (1, 2));
    assert!(after.contains(&before[0]));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_readings_are_in_the_rows_of_a_drain() {
    let cloud = TestCloud::start(|_| ()).await;
    let kinesis = cloud.kinesis.clone();
    let (acknowledge, mut acknowledged) = watch::channel(0_u64);
    let sender = tokio::spawn(async move {
        for number in 0.. {
            let (name, line) = reading("Bucephalus", number, "1", 150);
            let put = kinesis.put_record().stream_name("wildrydes");
            let put = put.partition_key(name).data(line.into_bytes().into());
            match put.send().await.map_err(SdkError::into_service_error) {
                Ok(_) => acknowledge.send_modify(|count| *count += 1),
                Err(error) if error.is_provisioned_throughput_exceeded_exception() => {}
                Err(_) => break,
            }
        }
        // The cloud accepts no more records.
        *acknowledge.borrow()
    });
    let is_sending = acknowledged.wait_for(|count| *count >= 100);
    let is_sending = tokio::time::timeout(TIME_LIMIT, is_sending).await;
    assert!(is_sending.is_ok_and(|waited| waited.is_ok()));
    let rows = by_window(cloud.drained_rows().await);
    let readings: u64 = rows.values().map(|measures| measures.readings).sum();
    assert!(readings >= 100);
    assert_eq!(sender.await.unwrap_or(0), readings);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_broken_record_does_not_block_others() {
    let cloud = TestCloud::start(|_| ()).await;
    let (name, good) = reading("Shadowfax", 1, "30", 150);
    let broken = "x\n".repeat(400_000);
    cloud
        .send("wildrydes", [(name.clone(), broken), (name, good)])
        .await;
    assert_eq!(by_window(cloud.drained_rows().await).len(), 1);
    let rejects = cloud.archived("wildrydes-rejects");
    let length = |reject: &serde_json::Value| {
        reject["Payload"]
            .as_str()
            .map_or(0, |text| text.matches('x').count())
    };
    assert_eq!(rejects.iter().map(length).sum::<usize>(), 400_000);
    assert!(rejects.len() < 120, "{}", rejects.len());
    cloud.stop().await;
}
