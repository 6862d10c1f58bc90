//! Runs one task per shard, parents before children, and tracks the progress of all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use windrow_read::{Lineage, Shard, Start, list};

use crate::clock::Clock;

/// How often shards are listed. New shards are found within this time, and the watermark never
/// passes the last listing.
const LIST_INTERVAL: Duration = Duration::from_millis(500);

/// A stream to read.
#[derive(Clone, Debug)]
pub(crate) struct StreamSource {
    pub(crate) client: Client,
    pub(crate) stream: String,
    /// Where to start in the shards of the first listing. Later shards are read from their oldest
    /// record.
    pub(crate) start: Start,
    /// The clock of the arrival times.
    pub(crate) clock: Clock,
}

/// Reports the progress of one shard's task.
#[derive(Clone, Debug)]
pub(crate) struct ProgressMark {
    shard: String,
    marks: mpsc::Sender<(String, i64)>,
}

impl ProgressMark {
    /// Reports to `marks`.
    pub(crate) fn new(shard: &str, marks: mpsc::Sender<(String, i64)>) -> Self {
        Self {
            shard: shard.to_owned(),
            marks,
        }
    }

    /// Everything that arrived in this shard before `time` is done.
    pub(crate) async fn set(&self, time: i64) {
        // Nothing receives marks after the stop.
        let _ = self.marks.send((self.shard.clone(), time)).await;
    }
}

/// The work on one shard.
pub(crate) trait ShardWork: Send + Sync + 'static {
    /// Whether a shard was processed to its end by an earlier process.
    fn is_finished(&self, _shard: &str) -> bool {
        false
    }

    /// Learns which shards the stream has: one that is missing never comes back.
    fn listed(&self, _shards: &[Shard]) {}

    /// Processes a shard from `start`. Returns at its end, or once `stop` is cancelled.
    fn run(
        self: Arc<Self>,
        shard: String,
        start: Start,
        mark: ProgressMark,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send;
}

/// Processes every shard of the stream until `stop`. Sends the time up to which all of them are
/// done, in milliseconds since the epoch, to `watermark`.
///
/// A shard that is found later is read from its oldest record, since starting at LATEST would lose
/// the records from before its first poll.
pub(crate) async fn follow_stream<W: ShardWork>(
    source: StreamSource,
    work: Arc<W>,
    watermark: watch::Sender<i64>,
    stop: CancellationToken,
) {
    let (marks, mut received_marks) = mpsc::channel(64);
    let mut shards = FollowedShards::default();
    let mut tasks: JoinSet<String> = JoinSet::new();
    let mut listing = tokio::time::interval(LIST_INTERVAL);
    listing.set_missed_tick_behavior(MissedTickBehavior::Delay);

    loop {
        tokio::select! {
            // In this order: after the stop, a task may end before its shard does, and must not
            // count as finished.
            biased;
            () = stop.cancelled() => break,
            Some(joined) = tasks.join_next() => match joined {
                Ok(shard) => {
                    shards.finish(shard);
                    listing.reset_immediately();
                }
                Err(error) => {
                    tracing::error!(stream = source.stream, %error, "a shard's poller failed");
                }
            },
            _ = listing.tick() => {
                let requested_at = source.clock.now_millis();
                match list(&source.client, &source.stream).await {
                    Err(error) => {
                        tracing::warn!(stream = source.stream, %error, "cannot list the shards");
                    }
                    Ok(listed) => {
                        work.listed(&listed);
                        for (shard, in_first_listing) in
                            shards.update(&listed, requested_at, |shard| work.is_finished(shard))
                        {
                            tracing::debug!(stream = source.stream, shard, "reading a shard");
                            let start = if in_first_listing {
                                source.start.clone()
                            } else {
                                Start::TrimHorizon
                            };
                            let mark = ProgressMark::new(&shard, marks.clone());
                            let (work, stop) = (Arc::clone(&work), stop.clone());
                            tasks.spawn(async move {
                                work.run(shard.clone(), start, mark, stop).await;
                                shard
                            });
                        }
                    }
                }
            }
            Some((shard, time)) = received_marks.recv() => shards.mark(&shard, time),
        }
        shards.advance(&watermark);
    }
    // Otherwise tasks would block once the channel is full, since nothing receives marks any more.
    drop(received_marks);
    // Each task checks `stop` between invocations, so invocations in flight finish.
    while tasks.join_next().await.is_some() {}
}

/// The shards of a stream, and the progress of each.
struct FollowedShards {
    lineage: Lineage,
    /// The progress of each unfinished shard. Includes shards that wait for their parents, since
    /// their records are not done yet.
    reached: BTreeMap<String, i64>,
    finished: BTreeSet<String>,
    /// The time of the last listing. Shards created since then may hold records that arrived since
    /// then.
    listed_at: i64,
    first_listing: Option<BTreeSet<String>>,
}

impl Default for FollowedShards {
    fn default() -> Self {
        Self {
            lineage: Lineage::default(),
            reached: BTreeMap::new(),
            finished: BTreeSet::new(),
            listed_at: i64::MIN,
            first_listing: None,
        }
    }
}

impl FollowedShards {
    /// Marks a shard as processed to its end.
    fn finish(&mut self, shard: String) {
        self.lineage.finish(&shard);
        self.reached.remove(&shard);
        self.finished.insert(shard);
        self.listed_at = i64::MIN;
    }

    /// Applies a listing that was requested at `requested_at`. Returns the shards that can be read
    /// now, each with whether it was in the first listing. `is_finished` says which shards an earlier
    /// process has processed to their ends.
    fn update(
        &mut self,
        listed: &[Shard],
        requested_at: i64,
        is_finished: impl Fn(&str) -> bool,
    ) -> Vec<(String, bool)> {
        for shard in listed.iter().filter(|shard| is_finished(&shard.id)) {
            self.finish(shard.id.clone());
        }
        self.listed_at = requested_at;
        for shard in listed {
            if !self.finished.contains(&shard.id) {
                self.reached.entry(shard.id.clone()).or_insert(i64::MIN);
            }
        }
        self.lineage.update(listed);
        let ids = || listed.iter().map(|shard| shard.id.clone()).collect();
        let first = self.first_listing.get_or_insert_with(ids);
        let ready = self.lineage.ready().into_iter();
        ready
            .map(|shard| {
                let in_first_listing = first.contains(&shard);
                (shard, in_first_listing)
            })
            .collect()
    }

    /// Records that a shard is done up to `time`. Its last mark may arrive after its task is known
    /// to have ended.
    fn mark(&mut self, shard: &str, time: i64) {
        if let Some(mark) = self.reached.get_mut(shard) {
            *mark = time;
        }
    }

    /// Advances the watermark to the time that all shards have reached. It never goes back.
    fn advance(&self, watermark: &watch::Sender<i64>) {
        let reached = self.reached.values().copied();
        let lowest = reached.chain([self.listed_at]).min();
        watermark.send_if_modified(|mark| {
            let moved = lowest.is_some_and(|lowest| lowest > *mark);
            *mark = lowest.unwrap_or(*mark).max(*mark);
            moved
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::endpoint::{Endpoint, EndpointOptions};
    use crate::resources::create_stream;

    /// Counts the shards that it processes, and sends many marks after the stop.
    #[derive(Default)]
    struct SendsManyMarks {
        begun: AtomicUsize,
        ended: AtomicUsize,
    }

    impl ShardWork for SendsManyMarks {
        async fn run(
            self: Arc<Self>,
            _: String,
            _: Start,
            mark: ProgressMark,
            stop: CancellationToken,
        ) {
            self.begun.fetch_add(1, Ordering::SeqCst);
            stop.cancelled().await;
            for time in 0..1000 {
                mark.set(time).await;
            }
            self.ended.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn marks_sent_after_the_stop_do_not_block_it() {
        const LIMIT: Duration = Duration::from_secs(300);
        let folder = tempfile::tempdir().unwrap();
        let mut options = EndpointOptions::new(folder.path());
        options.port = 0;
        let endpoint = Endpoint::start(options, CancellationToken::new());
        let endpoint = endpoint.await.unwrap();
        let client = Client::new(&windrow_connect::local_config(&endpoint.url()));
        create_stream(&client, "stream", 3).await.unwrap();
        let source = StreamSource {
            client,
            stream: "stream".to_owned(),
            start: Start::TrimHorizon,
            clock: endpoint.clock().clone(),
        };
        let (work, stop) = (
            Arc::new(SendsManyMarks::default()),
            CancellationToken::new(),
        );
        let watermark = watch::channel(i64::MIN).0;
        let following = follow_stream(source, Arc::clone(&work), watermark, stop.clone());
        let stopping = async {
            while work.begun.load(Ordering::SeqCst) < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.cancel();
        };
        let both = async { tokio::join!(following, stopping) };
        tokio::time::timeout(LIMIT, both).await.unwrap();
        assert_eq!(work.ended.load(Ordering::SeqCst), 3);
    }

    proptest! {
        /// Even if marks go back, the watermark does not. It moves only to a time that all shards
        /// and the last listing have reached.
        #[test]
        fn the_watermark_never_goes_back(
            marks in proptest::collection::vec((0..4_usize, -1_000..1_000_i64), 0..60),
        ) {
            const SHARDS: [&str; 3] = ["a", "b", "c"];
            let reached = SHARDS.map(|shard| (shard.to_owned(), i64::MIN));
            let mut shards = FollowedShards {
                reached: reached.into(),
                ..FollowedShards::default()
            };
            let watermark = watch::channel(i64::MIN).0;
            for (index, time) in marks {
                match SHARDS.get(index) {
                    Some(shard) => shards.mark(shard, time),
                    None => shards.listed_at = time,
                }
                let before = *watermark.borrow();
                shards.advance(&watermark);
                let after = *watermark.borrow();
                let lowest = shards.reached.values().copied().min().unwrap();
                prop_assert_eq!(after, before.max(lowest.min(shards.listed_at)));
            }
        }
    }
}
