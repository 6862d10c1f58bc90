//! Batches readings into PutRecords calls.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use windrow_write::{Destination, KinesisRecord, Policy, Reason, deliver, hashed_partition_key};

use crate::pack::{PackedRecord, readings_in};
use crate::progress::ProducerProgress;

/// How long a batch is retried before its remaining readings count as failed.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The maximum number of records delivered together: two full calls.
const BATCH: usize = 1000;

/// How many failures are reported one by one.
const MOST_REPORTED: u64 = 20;

/// Sends readings in parallel lanes. Each lane preserves order, and a unicorn always uses the same
/// lane.
///
/// Each lane has one call in flight and at most [`BATCH`] records waiting. Adding to a full lane
/// waits, so memory is bounded, and readings that arrive during a call are sent together. Within
/// one call, Kinesis may fail a reading and accept a later one of the same unicorn; the failed
/// reading is retried and then follows the later one.
#[derive(Debug)]
pub(crate) struct ReadingSender {
    lanes: Vec<mpsc::Sender<KinesisRecord>>,
    tasks: JoinSet<SendCounts>,
    halted: CancellationToken,
}

/// How many readings were sent and how many failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SendCounts {
    /// How many readings the stream accepted.
    pub(crate) sent: u64,
    /// How many readings it did not accept, or may not have accepted.
    pub(crate) failed: u64,
    /// Why sending halted, if a permanent error stopped it.
    pub(crate) halted: Option<String>,
}

impl SendCounts {
    /// Adds the counts of `other`; the first reason to halt is kept.
    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.failed += other.failed;
        self.halted = self.halted.take().or(other.halted);
    }
}

/// Sending halted after a permanent error: every further call would fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Halted;

impl ReadingSender {
    /// Starts `lanes` lanes to `destination`, at least one.
    pub(crate) fn start<D>(
        destination: Arc<D>,
        lanes: usize,
        progress: Arc<ProducerProgress>,
    ) -> Self
    where
        D: Destination<Item = KinesisRecord> + 'static,
    {
        let halted = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let lanes = (0..lanes.max(1)).map(|_| {
            let (sender, receiver) = mpsc::channel(BATCH);
            let lane = Lane {
                receiver,
                destination: Arc::clone(&destination),
                progress: Arc::clone(&progress),
                halted: halted.clone(),
                counts: SendCounts::default(),
            };
            tasks.spawn(lane.run());
            sender
        });
        Self {
            lanes: lanes.collect(),
            tasks,
            halted,
        }
    }

    /// Adds records, each to the lane of its number; equal numbers share a lane. Waits while a lane
    /// is full.
    ///
    /// # Errors
    /// [`Halted`], after a permanent error. The records are then not counted.
    pub(crate) async fn send_all(&self, records: Vec<PackedRecord>) -> Result<(), Halted> {
        for PackedRecord { lane, record } in records {
            self.send(lane, record).await?;
        }
        Ok(())
    }

    async fn send(&self, number: u64, record: KinesisRecord) -> Result<(), Halted> {
        let lane = (number % self.lanes.len() as u64) as usize;
        tokio::select! {
            biased;
            () = self.halted.cancelled() => Err(Halted),
            sent = self.lanes[lane].send(record) => sent.map_err(|_| Halted),
        }
    }

    /// Waits until every reading was sent or has failed.
    pub(crate) async fn finish(mut self) -> SendCounts {
        self.lanes.clear();
        let mut counts = SendCounts::default();
        while let Some(lane) = self.tasks.join_next().await {
            match lane {
                Ok(lane) => counts.add(lane),
                Err(error) => counts.add(SendCounts {
                    halted: Some(format!("a sending task ended early: {error}")),
                    ..SendCounts::default()
                }),
            }
        }
        counts
    }
}

struct Lane<D> {
    receiver: mpsc::Receiver<KinesisRecord>,
    destination: Arc<D>,
    progress: Arc<ProducerProgress>,
    halted: CancellationToken,
    counts: SendCounts,
}

impl<D: Destination<Item = KinesisRecord>> Lane<D> {
    async fn run(mut self) -> SendCounts {
        let mut batch = Vec::new();
        while self.receiver.recv_many(&mut batch, BATCH).await > 0 {
            if self.halted.is_cancelled() {
                self.counts.failed += batch.iter().map(readings_in).sum::<u64>();
                batch.clear();
                continue;
            }
            self.deliver(std::mem::take(&mut batch)).await;
        }
        self.counts
    }

    async fn deliver(&mut self, batch: Vec<KinesisRecord>) {
        let policy = Policy {
            concurrency: 1,
            ..Policy::within(TIME_LIMIT)
        };
        let readings: u64 = batch.iter().map(readings_in).sum();
        let report = deliver(&*self.destination, batch, &policy).await;
        let left = report.undelivered.iter();
        let failed: u64 = left.map(|left| readings_in(&left.item)).sum();
        self.counts.sent += readings - failed;
        self.progress.sent(readings - failed);
        for left in report.undelivered {
            self.counts.failed += readings_in(&left.item);
            if let Reason::Stopped(reason) = &left.reason {
                self.halted.cancel();
                self.counts.halted.get_or_insert_with(|| reason.clone());
                continue;
            }
            let (name, reason) = (&left.item.partition_key, &left.reason);
            if self.counts.failed <= MOST_REPORTED {
                self.progress
                    .note(&format!("a reading of {name:?} failed: {reason}"));
            }
        }
    }
}

/// The maximum length of a partition key, in bytes. Kinesis documents 256 characters but not their
/// kind; counting bytes is the strictest reading.
const LONGEST_KEY: usize = 256;

/// The partition key of a unicorn's readings: its name, or a hash of the name if it is too long for
/// a key. Either way, all its readings go to one shard.
pub(crate) fn partition_key(name: &str) -> String {
    if name.len() > LONGEST_KEY {
        return hashed_partition_key(name.as_bytes());
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use windrow_write::{BatchLimits, ItemFailure, SendError};

    use super::*;

    #[test]
    fn partition_key_is_at_most_256_bytes() {
        assert_eq!(partition_key("Shadowfax"), "Shadowfax");
        for unit in ["a", "é", "\u{99ac}", "\u{1f984}"] {
            for count in [1, 64, 85, 86, 128, 129, 256] {
                let name = unit.repeat(count);
                let key = partition_key(&name);
                assert!((1..=256).contains(&key.len()), "{unit} {count}: {key}");
                assert_eq!(key, partition_key(&name));
                assert_eq!(key == name, name.len() <= 256, "{unit} {count}: {key}");
            }
        }
    }

    /// The indexes of the records that fail, or why the whole call fails.
    type CallResult = Result<Vec<usize>, SendError>;

    /// Returns the scripted results, then accepts everything.
    #[derive(Default)]
    struct Scripted {
        results: Mutex<Vec<CallResult>>,
        taken: Mutex<Vec<String>>,
    }

    impl Scripted {
        fn new(mut results: Vec<CallResult>) -> Arc<Self> {
            results.reverse();
            Arc::new(Self {
                results: Mutex::new(results),
                taken: Mutex::default(),
            })
        }
    }

    impl Destination for Scripted {
        type Item = KinesisRecord;

        fn limits(&self) -> BatchLimits {
            BatchLimits {
                items: 500,
                call_bytes: usize::MAX,
                item_bytes: 10,
            }
        }

        fn size(&self, item: &KinesisRecord) -> usize {
            item.data.len()
        }

        async fn send(&self, chunk: &[&KinesisRecord]) -> Result<Vec<ItemFailure>, SendError> {
            let result = self.results.lock().unwrap().pop();
            let failed = result.unwrap_or_else(|| Ok(Vec::new()))?;
            let mut taken = self.taken.lock().unwrap();
            for (index, record) in chunk.iter().enumerate() {
                if !failed.contains(&index) {
                    taken.push(String::from_utf8(record.data.to_vec()).unwrap());
                }
            }
            let reason = "Rate exceeded".to_owned();
            Ok(failed
                .into_iter()
                .map(|index| ItemFailure {
                    index,
                    reason: reason.clone(),
                    permanent: false,
                })
                .collect())
        }
    }

    fn record(data: &str) -> KinesisRecord {
        KinesisRecord {
            partition_key: "Shadowfax".to_owned(),
            data: Bytes::copy_from_slice(data.as_bytes()),
        }
    }

    async fn send_all(destination: &Arc<Scripted>, lanes: usize, data: &[&str]) -> SendCounts {
        let progress = Arc::new(ProducerProgress::hidden());
        let sender = ReadingSender::start(Arc::clone(destination), lanes, progress);
        for data in data {
            if sender.send(1, record(data)).await.is_err() {
                break;
            }
        }
        sender.finish().await
    }

    fn counts(sent: u64, failed: u64) -> SendCounts {
        SendCounts {
            sent,
            failed,
            halted: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lane_preserves_order() {
        let data: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
        let data: Vec<&str> = data.iter().map(String::as_str).collect();
        let destination = Scripted::new(vec![]);
        assert_eq!(send_all(&destination, 4, &data).await, counts(5000, 0));
        assert_eq!(*destination.taken.lock().unwrap(), data);
    }

    #[tokio::test(start_paused = true)]
    async fn only_failed_readings_are_retried() {
        let throttled = SendError::Throttled("slow down".to_owned());
        let destination = Scripted::new(vec![Ok(vec![1]), Err(throttled), Ok(vec![])]);
        assert_eq!(
            send_all(&destination, 1, &["a", "b", "c"]).await,
            counts(3, 0)
        );
        assert_eq!(*destination.taken.lock().unwrap(), ["a", "c", "b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn batch_fails_after_the_time_limit_and_the_next_is_sent() {
        let destination = Scripted::new((0..10_000).map(|_| Ok(vec![0])).collect());
        let sender = ReadingSender::start(
            Arc::clone(&destination),
            1,
            Arc::new(ProducerProgress::hidden()),
        );
        let start = tokio::time::Instant::now();
        sender.send(0, record("a")).await.unwrap();
        tokio::time::sleep(TIME_LIMIT + Duration::from_secs(1)).await;
        destination.results.lock().unwrap().clear();
        sender.send(0, record("b")).await.unwrap();
        assert_eq!(sender.finish().await, counts(1, 1));
        assert_eq!(*destination.taken.lock().unwrap(), ["b"]);
        assert!(start.elapsed() < TIME_LIMIT * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn oversized_reading_fails_alone() {
        let destination = Scripted::new(vec![]);
        let data = ["a", "far too long", "c"];
        assert_eq!(send_all(&destination, 1, &data).await, counts(2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn fatal_error_halts() {
        let gone = SendError::Fatal("no such stream".to_owned());
        let destination = Scripted::new(vec![Err(gone)]);
        let sender = ReadingSender::start(destination, 1, Arc::new(ProducerProgress::hidden()));
        sender.send(0, record("a")).await.unwrap();
        sender.halted.cancelled().await;
        assert_eq!(sender.send(0, record("b")).await, Err(Halted));
        let halted = Some("no such stream".to_owned());
        assert_eq!(
            sender.finish().await,
            SendCounts {
                halted,
                ..counts(0, 1)
            }
        );
    }
}
