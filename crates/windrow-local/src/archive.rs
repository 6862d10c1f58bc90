//! The archive's intake: a Kinesis stream as the source of a Firehose delivery stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use windrow_read::{ShardReader, ShardRecord, Start};
use windrow_record::kpl::{self, Aggregated};
use windrow_service::chain;

use crate::firehose::{Firehose, FirehoseError, ShardPosition};
use crate::mapping::follow::{ProgressMark, ShardWork, StreamSource, follow_stream};
use crate::resources::stream_created;

/// How often an idle shard is read.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The most records of one read.
const PAGE: usize = 10_000;
/// A record may become readable this long after its arrival time; see the mapping's poller.
const SETTLE_MILLIS: i64 = 100;

/// Copies every record of `source` into `delivery_stream` until `stop`, each once: after a restart, it
/// goes on after the records that the delivery stream has. Sends the time up to which records are
/// archived, in milliseconds since the epoch, to `watermark`.
pub(crate) async fn archive(
    source: StreamSource,
    firehose: Firehose,
    delivery_stream: String,
    watermark: watch::Sender<i64>,
    stop: CancellationToken,
) {
    let positions = loop {
        match positions(&source, &firehose, &delivery_stream).await {
            Ok(positions) => break positions,
            Err(error) => {
                tracing::warn!(stream = source.stream, error, "cannot start the archive");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
    };
    let intake = Arc::new(ArchiveIntake {
        source: source.clone(),
        firehose,
        delivery_stream,
        positions,
    });
    follow_stream(source, intake, watermark, stop).await;
}

/// The last record of each shard that is in the delivery stream.
async fn positions(
    source: &StreamSource,
    firehose: &Firehose,
    delivery_stream: &str,
) -> Result<BTreeMap<String, String>, String> {
    let created = stream_created(&source.client, &source.stream).await;
    let created = created.map_err(|error| chain(&error))?;
    let positions = firehose.positions(delivery_stream, created);
    positions.map_err(|error| chain(&error))
}

struct ArchiveIntake {
    source: StreamSource,
    firehose: Firehose,
    delivery_stream: String,
    /// The last record of each shard that an earlier process has put.
    positions: BTreeMap<String, String>,
}

impl ShardWork for ArchiveIntake {
    async fn run(
        self: Arc<Self>,
        shard: String,
        start: Start,
        mark: ProgressMark,
        stop: CancellationToken,
    ) {
        let client = self.source.client.clone();
        let position = self.positions.get(&shard).cloned();
        let start = position.map_or(start, Start::AfterSequence);
        let mut reader = ShardReader::new(client, &self.source.stream, &shard, start).limit(PAGE);
        while !stop.is_cancelled() {
            let requested_at = self.source.clock.now_millis();
            let page = tokio::select! {
                () = stop.cancelled() => return,
                page = reader.next_page() => page,
            };
            match page {
                Ok(page) => {
                    self.put(&shard, &page.records, &stop).await;
                    if page.ended {
                        return;
                    }
                    // A page can also be short because it has 10 MiB.
                    if !page.behind.is_zero() {
                        continue;
                    }
                    mark.set(requested_at - SETTLE_MILLIS).await;
                }
                Err(error) => {
                    tracing::warn!(stream = self.source.stream, %error, "cannot read the shard");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
    }
}

impl ArchiveIntake {
    /// Puts a page into the delivery stream, with one put per hour of arrival: an object's folder
    /// is the hour in which its first record arrived. Retries a failed put until `stop`.
    async fn put(&self, shard: &str, records: &[ShardRecord], stop: &CancellationToken) {
        let hour = |record: &ShardRecord| record.arrival.millis().div_euclid(3_600_000);
        for records in records.chunk_by(|a, b| hour(a) == hour(b)) {
            let ([first, ..], [.., last]) = (records, records) else {
                continue;
            };
            let mut lines = Vec::new();
            for record in records {
                append(&record.data, &mut lines);
            }
            let position = ShardPosition {
                shard: shard.to_owned(),
                sequence_number: last.sequence_number.clone(),
            };
            let arrival = first.arrival.millis();
            let put = || {
                let (lines, position) = (lines.clone(), position.clone());
                let firehose = &self.firehose;
                firehose.put_from_shard(&self.delivery_stream, lines, arrival, position)
            };
            while let Err(error) = put().await {
                // Trouble with the disk is reported where it occurs.
                if !matches!(error, FirehoseError::Unavailable { .. }) {
                    tracing::warn!(%error, "cannot write to the archive");
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(POLL_INTERVAL) => {}
                }
            }
        }
    }
}

/// Appends a record's data as Firehose delivers it from a Kinesis stream.
///
/// An aggregated record of the Kinesis Producer Library is de-aggregated: each of its user records
/// is a record ("Use the KPL with Amazon Data Firehose", Kinesis Data Streams developer guide). If it
/// is broken, it is delivered as it is, as the Kinesis Client Library does. Compressed data is not
/// unpacked: Firehose decompresses only what CloudWatch Logs sends ("Decompress CloudWatch Logs",
/// Amazon Data Firehose developer guide).
fn append(data: &[u8], lines: &mut Vec<u8>) {
    let aggregated = kpl::is_aggregated(data).then(|| Aggregated::read(data));
    let Some(Ok(aggregated)) = aggregated else {
        return append_delimited(data, lines);
    };
    for (_, data) in aggregated.user_records() {
        append_delimited(data, lines);
    }
}

/// Like Firehose's AppendDelimiterToRecord, but never adds a second newline.
fn append_delimited(data: &[u8], lines: &mut Vec<u8>) {
    lines.extend_from_slice(data);
    if !lines.ends_with(b"\n") {
        lines.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use aws_sdk_kinesis::Client;
    use aws_sdk_kinesis::primitives::Blob;
    use aws_sdk_kinesis::types::PutRecordsRequestEntry;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;
    use tokio::runtime::Runtime;
    use windrow_record::kpl::AggregateBuilder;
    use windrow_testkit::files::texts;

    use super::*;
    use crate::endpoint::{Endpoint, EndpointOptions};
    use crate::firehose::{BufferingHints, DeliverySource};
    use crate::resources::create_stream;

    #[test]
    fn aggregated_records_are_archived_as_their_user_records() {
        let mut lines = Vec::new();
        append(b"{\"a\":1}", &mut lines);
        let mut aggregate = AggregateBuilder::default();
        aggregate.add("Shadowfax", b"{\"a\":2}\n");
        aggregate.add("Franky", b"{\"a\":3}");
        let mut record = aggregate.finish();
        append(&record, &mut lines);
        append(b"{\"a\":4}\n", &mut lines);
        let expected = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n";
        assert_eq!(str::from_utf8(&lines).unwrap(), expected);

        if let Some(last) = record.last_mut() {
            *last ^= 1;
        }
        for as_it_is in [&record[..], &[0x1f, 0x8b, 8, 0]] {
            lines.clear();
            append(as_it_is, &mut lines);
            assert_eq!(lines, [as_it_is, b"\n"].concat());
        }
    }

    /// An archive in a process of its own, as far as that goes: killing it cuts it off where it waits.
    fn start(endpoint: &Endpoint, folder: &Path) -> (Runtime, Firehose, watch::Receiver<i64>) {
        let builder = &mut tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let firehose = Firehose::new(folder, "us-east-1", "000000000000");
        let (sender, watermark) = watch::channel(i64::MIN);
        let intake = firehose.clone();
        let source = StreamSource {
            client: Client::new(&windrow_connect::local_config(&endpoint.url())),
            stream: "rides".to_owned(),
            start: Start::TrimHorizon,
            clock: endpoint.clock().clone(),
        };
        runtime.spawn(async move {
            let buffering = BufferingHints {
                bytes: 200,
                interval: Duration::from_secs(60),
            };
            let from = DeliverySource::Kinesis {
                stream_arn: String::new(),
            };
            intake.create("rides", from, buffering).await.unwrap();
            let stop = CancellationToken::new();
            archive(source, intake, "rides".to_owned(), sender, stop).await;
        });
        (runtime, firehose, watermark)
    }

    async fn kill(runtime: Runtime) {
        let kill = move || runtime.shutdown_timeout(Duration::from_secs(300));
        tokio::task::spawn_blocking(kill).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_record_is_archived_once_though_the_process_is_killed() {
        const BATCHES: usize = 60;
        let (cloud, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut options = EndpointOptions::new(cloud.path());
        options.port = 0;
        let endpoint = Endpoint::start(options, CancellationToken::new());
        let endpoint = endpoint.await.unwrap();
        let client = Client::new(&windrow_connect::local_config(&endpoint.url()));
        create_stream(&client, "rides", 2).await.unwrap();
        let putting = async {
            for batch in 0..BATCHES {
                let entry = |key: usize| {
                    let entry = PutRecordsRequestEntry::builder().partition_key(key.to_string());
                    entry
                        .data(Blob::new(format!("{batch} {key}")))
                        .build()
                        .unwrap()
                };
                let put = client.put_records().stream_name("rides");
                let put = put.set_records(Some((0..5).map(entry).collect()));
                assert_eq!(put.send().await.unwrap().failed_record_count(), Some(0));
                if batch == BATCHES / 2 {
                    let split = client.split_shard().stream_name("rides");
                    let split = split.shard_to_split("shardId-000000000000");
                    let half = (1_u128 << 126).to_string();
                    split.new_starting_hash_key(half).send().await.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let killing = async {
            let mut random = ChaCha8Rng::seed_from_u64(4);
            for _ in 0..10 {
                let (runtime, ..) = start(&endpoint, folder.path());
                tokio::time::sleep(Duration::from_millis(random.random_range(0..200))).await;
                kill(runtime).await;
            }
        };
        tokio::join!(putting, killing);
        let now = endpoint.clock().now_millis();
        let (runtime, firehose, mut watermark) = start(&endpoint, folder.path());
        let done = watermark.wait_for(|mark| *mark >= now);
        let done = tokio::time::timeout(Duration::from_secs(300), done).await;
        done.unwrap().unwrap();
        firehose.flush().await.unwrap();
        kill(runtime).await;

        let texts = texts(&folder.path().join("archive"));
        let lines = texts.iter().flat_map(|text| text.lines());
        let mut archived: Vec<String> = lines.map(str::to_owned).collect();
        archived.sort();
        let sent = (0..BATCHES).flat_map(|batch| (0..5).map(move |key| format!("{batch} {key}")));
        let mut sent: Vec<String> = sent.collect();
        sent.sort();
        assert_eq!(archived, sent);
    }
}
