//! Injects faults into mappings and functions, and checks that the table is the fold of the log.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use end_to_end::{TIME_LIMIT, TestCloud, by_window, fold_of, reading, with_binaries};
use windrow_core::row::Row;
use windrow_local::faults::{FaultKind, Faults};

/// The faults of mappings and functions.
const MUTATIONS: [FaultKind; 11] = [
    FaultKind::Crash,
    FaultKind::CrashDuring,
    FaultKind::CrashAfter,
    FaultKind::TimeOut,
    FaultKind::TwiceAtOnce,
    FaultKind::TwiceLate,
    FaultKind::Redelivered,
    FaultKind::RedeliveredAfterWindow,
    FaultKind::StateLost,
    FaultKind::Recut,
    FaultKind::OutOfOrder,
];

/// Long enough for a batch to arrive before the end of a window, even on a busy machine.
const WINDOW: Duration = Duration::from_secs(3);

fn parsed(specification: &str) -> Arc<Faults> {
    Arc::new(Faults::parse(specification, 11).unwrap_or_else(|error| panic!("{error}")))
}

async fn start(faults: &Arc<Faults>) -> TestCloud {
    TestCloud::start(|settings| {
        settings.shards = 2;
        settings.window = WINDOW;
        settings.faults = Arc::clone(faults);
    })
    .await
}

/// Sends rounds of fifty readings, over several windows.
async fn send_rounds(cloud: &TestCloud, stream: &str, rounds: Range<u32>) {
    for round in rounds {
        let readings = (0..50).map(|n| {
            let name = format!("unicorn {}", n % 20);
            reading(&name, round * 50 + n, "29.123456", n as i32)
        });
        cloud.send(stream, readings).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

/// Sends at least ten rounds, and more until each kind was injected `times` times.
async fn send_until_injected(cloud: &TestCloud, faults: &Faults, kinds: &[FaultKind], times: u64) {
    let sending = async {
        for round in 0.. {
            let is_done = |kind: &FaultKind| faults.injected(*kind) >= times;
            if round >= 10 && kinds.iter().all(is_done) {
                return;
            }
            send_rounds(cloud, "wildrydes", round..round + 1).await;
        }
    };
    let sent = tokio::time::timeout(TIME_LIMIT, sending).await;
    assert!(sent.is_ok(), "{faults:?}");
}

/// Drains, and compares the table with the log of the readings.
async fn assert_exact(cloud: &TestCloud, what: &str) {
    let rows = by_window(cloud.drained_rows().await);
    let fold = cloud.expected(WINDOW).await;
    let wrong = fold
        .iter()
        .find(|(window_key, measures)| rows.get(window_key) != Some(measures));
    assert_eq!(wrong, None, "{what}");
    assert_eq!(rows.len(), fold.len(), "{what}");
}

async fn rows_are_exact_through(kind: FaultKind) {
    let name = kind.name();
    let faults = parsed(&format!("{name}@1,{name}@2,{name}@4"));
    let cloud = start(&faults).await;
    send_until_injected(&cloud, &faults, &[kind], 3).await;
    assert_exact(&cloud, name).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_exact_under_each_fault() {
    let mut runs = tokio::task::JoinSet::new();
    for kind in MUTATIONS {
        runs.spawn(rows_are_exact_through(kind));
    }
    runs.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_exact_under_all_faults_together() {
    let specification = MUTATIONS
        .map(|kind| format!("{}=0.05", kind.name()))
        .join(",");
    let cloud = start(&parsed(&specification)).await;
    send_rounds(&cloud, "wildrydes", 0..20).await;
    assert_exact(&cloud, "all").await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_exact_when_binaries_are_killed() {
    let faults = parsed("crash-during@1,crash-during@4,time-out@2,crash@3");
    let cloud = TestCloud::start_with(with_binaries(), |settings| {
        settings.window = WINDOW;
        settings.faults = Arc::clone(&faults);
    })
    .await;
    let kinds = [FaultKind::CrashDuring, FaultKind::TimeOut, FaultKind::Crash];
    send_until_injected(&cloud, &faults, &kinds, 1).await;
    assert_exact(&cloud, "binaries").await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_mapping_rereads_open_windows() {
    let cloud = start(&Arc::new(Faults::none())).await;
    for round in 0..4 {
        send_rounds(&cloud, "wildrydes", 4 * round..4 * round + 2).await;
        if round == 2 {
            let split = cloud.kinesis.split_shard().stream_name("wildrydes");
            let split = split.shard_to_split("shardId-000000000000");
            let split = split.new_starting_hash_key((1_u128 << 126).to_string());
            assert!(split.send().await.is_ok());
        }
        // Restart in the middle of a closed window, or at the start of the open ones.
        let back = 700 * i64::from(round % 2);
        let before = cloud.cloud.aggregator_watermark();
        cloud.cloud.restart_aggregator(before - back).await;
        assert!(cloud.cloud.aggregator_watermark() >= before);
        send_rounds(&cloud, "wildrydes", 4 * round + 2..4 * round + 4).await;
    }
    assert_exact(&cloud, "mapping-restarted").await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_and_updated_mappings_lose_nothing() {
    let cloud = start(&Arc::new(Faults::none())).await;
    for round in 0..4 {
        let first = 5 * round;
        send_rounds(&cloud, "wildrydes", first..first + 2).await;
        // Disabled in the middle of a window, and past its end in every other round.
        cloud.cloud.disable_aggregator().await;
        let rounds = if round % 2 == 0 { 1 } else { 3 };
        send_rounds(&cloud, "wildrydes", first + 2..first + 2 + rounds).await;
        let batch_size = [1, 7, 1_000, 3][round as usize];
        cloud.cloud.set_aggregator_batch_size(batch_size).await;
        cloud.cloud.enable_aggregator().await;
        if round == 2 {
            cloud.cloud.set_aggregator_batch_size(20).await;
            let before = cloud.cloud.aggregator_watermark();
            cloud.cloud.restart_aggregator(before).await;
        }
    }
    assert_exact(&cloud, "mapping-disabled").await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_streams_share_the_table_and_drain_together() {
    let cloud = start(&Arc::new(Faults::none())).await;
    assert!(cloud.cloud.add_stream("others", 1).await.is_ok());
    send_rounds(&cloud, "wildrydes", 0..4).await;
    send_rounds(&cloud, "others", 4..7).await;
    cloud
        .cloud
        .restart_aggregator(cloud.cloud.aggregator_watermark())
        .await;
    send_rounds(&cloud, "others", 7..8).await;
    let rows = cloud.drained_rows().await;
    for stream in ["wildrydes", "others"] {
        let is_own = |row: &&Row| row.source.stream.ends_with(&format!(":stream/{stream}"));
        let own = rows.iter().filter(is_own);
        let own = by_window(own.cloned().collect());
        assert_eq!(
            own,
            fold_of(&cloud.kinesis, stream, WINDOW).await,
            "{stream}"
        );
        assert!(!own.is_empty());
    }
    // A drained cloud accepts no more records on any stream.
    let put = cloud.kinesis.put_record().stream_name("others");
    let put = put.partition_key("key").data(Vec::new().into());
    assert!(
        tokio::time::timeout(TIME_LIMIT, put.send())
            .await
            .is_ok_and(|sent| sent.is_err())
    );
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mapping_restarted_during_a_drain_drains_too() {
    let window = Duration::from_secs(900);
    let cloud = TestCloud::start(|settings| settings.window = window).await;
    send_rounds(&cloud, "wildrydes", 0..3).await;
    let restarts = async {
        for _ in 0..4 {
            let closed = cloud.cloud.aggregator_watermark();
            cloud.cloud.restart_aggregator(closed).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (rows, ()) = tokio::join!(cloud.drained_rows(), restarts);
    assert_eq!(by_window(rows), cloud.expected(window).await);
    cloud.stop().await;
}
