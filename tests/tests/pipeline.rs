//! Readings in, rows out: the whole pipeline in one process, against the oracle.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use end_to_end::{Cloud, panes, reading};

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_the_fold_of_the_log() {
    let cloud = Cloud::start(|settings| settings.shards = 3).await;
    for round in 0..6 {
        let readings = (0..200).map(|n| {
            reading(
                &format!("unicorn {}", n % 40),
                round * 200 + n,
                "29.123456",
                n as i32,
            )
        });
        cloud.send("wildrydes", readings).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let rows = cloud.drained_rows().await;
    let total: u64 = panes(rows.clone())
        .values()
        .map(|figures| figures.readings)
        .sum();
    assert_eq!(total, 1200);
    assert_eq!(panes(rows), cloud.expected(2000).await);
    assert_eq!(cloud.archived("wildrydes").len(), 1200);
    cloud.stop().await;
}
