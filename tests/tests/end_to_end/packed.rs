//! Readings packed into records, from the producer to the rows and the archive.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use end_to_end::programs::{program, run};
use end_to_end::{TestCloud, by_window, read_log, reading};
use windrow_record::kpl::{self, AggregateBuilder, Aggregated};

/// Sends 20 unicorns' 30 readings with these flags. Returns the number of readings in each record of
/// the log, after checking that the rows and the archive have all of them.
async fn readings_per_record(flags: &'static [&'static str]) -> Vec<usize> {
    let cloud = TestCloud::start(|settings| settings.shards = 3).await;
    let url = cloud.cloud.endpoint_url();
    let sending = move || {
        let fleet = ["--unicorns", "20", "--count", "30", "--rate", "20"];
        run(program("producer")
            .args(["--endpoint-url", &url])
            .args(fleet)
            .args(flags))
    };
    let producer = tokio::task::spawn_blocking(sending).await.unwrap();
    assert_eq!(producer.code, Some(0), "{}", producer.err);
    assert!(
        producer.err.contains("sent 600 readings, 0 failed"),
        "{}",
        producer.err
    );

    let rows = by_window(cloud.drained_rows().await);
    let readings: u64 = rows.values().map(|totals| totals.readings).sum();
    assert_eq!(readings, 600);
    assert_eq!(rows, cloud.expected(Duration::from_secs(2)).await);
    let archived: BTreeSet<String> = cloud
        .archived("wildrydes")
        .iter()
        .map(|reading| format!("{} {}", reading["Name"], reading["StatusTime"]))
        .collect();
    assert_eq!(archived.len(), 600);
    assert!(cloud.archived("wildrydes-rejects").is_empty());

    let log = read_log(&cloud.kinesis, "wildrydes").await;
    let mut counts = Vec::new();
    for record in &log {
        let is_aggregated = kpl::is_aggregated(&record.data);
        assert_eq!(is_aggregated, flags.contains(&"--kpl"));
        counts.push(if is_aggregated {
            let aggregated = Aggregated::read(&record.data).unwrap();
            aggregated.user_records().count()
        } else {
            record.data.split(|byte| *byte == b'\n').count() - 1
        });
    }
    assert_eq!(counts.iter().sum::<usize>(), 600);
    cloud.stop().await;
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregated_readings_are_in_the_rows_and_the_archive() {
    let counts = readings_per_record(&["--kpl", "--readings-per-record", "25"]).await;
    assert!(counts.iter().all(|count| *count <= 25));
    assert!(counts.len() < 300, "{} records", counts.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_packed_as_lines_are_in_the_rows_and_the_archive() {
    let counts = readings_per_record(&["--readings-per-record", "8"]).await;
    let count_of = |size| counts.iter().filter(|count| **count == size).count();
    // 30 readings are three records of 8 and one of 6.
    assert_eq!((count_of(8), count_of(6)), (60, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_readings_are_in_the_rows() {
    let cloud = TestCloud::start(|_| ()).await;
    let lines: String = (0..10)
        .map(|number| reading("Shadowfax", number, "1", 150).1)
        .collect();
    let compressed = zstd::bulk::compress(lines.as_bytes(), 3).unwrap();
    let mut aggregate = AggregateBuilder::default();
    aggregate.add("Shadowfax", &compressed);
    aggregate.add("Shadowfax", reading("Shadowfax", 10, "1", 150).1.as_bytes());
    aggregate.add("Franky", b"neigh");
    for data in [compressed, aggregate.finish()] {
        let put = cloud.kinesis.put_record().stream_name("wildrydes");
        let put = put.partition_key("of the record").data(Blob::new(data));
        put.send().await.unwrap();
    }

    let rows = by_window(cloud.drained_rows().await);
    let readings: u64 = rows.values().map(|totals| totals.readings).sum();
    assert!((11..=21).contains(&readings), "{readings}");
    assert_eq!(rows, cloud.expected(Duration::from_secs(2)).await);
    let rejects = cloud.archived("wildrydes-rejects");
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0]["PartitionKey"], "Franky");
    assert_eq!(rejects[0]["SubSequenceNumber"], 2);
    cloud.stop().await;
}
