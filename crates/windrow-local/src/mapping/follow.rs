//! One task a shard, parents before children, and how far all of them have come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use windrow_read::{Lineage, Shard, Start, list};

use crate::clock::now_millis;

/// How often shards are listed: those of a resharding are found this soon, and the watermark never
/// passes the last listing.
const LIST_INTERVAL: Duration = Duration::from_millis(500);

/// A stream to be read.
#[derive(Clone, Debug)]
pub(crate) struct StreamSource {
    pub(crate) client: Client,
    pub(crate) stream: String,
    /// Where to start in the shards that there are at first; those that come later are read whole.
    pub(crate) start: Start,
}

/// Where one shard's task says how far it has come.
#[derive(Clone, Debug)]
pub(crate) struct ProgressMark {
    shard: String,
    marks: mpsc::Sender<(String, i64)>,
}

impl ProgressMark {
    /// Everything that arrived in this shard before `time` is done.
    pub(crate) async fn set(&self, time: i64) {
        // Nobody listens any more once the whole is stopping.
        let _ = self.marks.send((self.shard.clone(), time)).await;
    }
}

/// What is done with one shard, until its end.
pub(crate) trait ShardWork: Send + Sync + 'static {
    /// Works through a shard from `start`; returns at its end, or once `stop` is cancelled.
    fn run(
        self: Arc<Self>,
        shard: String,
        start: Start,
        mark: ProgressMark,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send;
}

/// Works through every shard of the stream, until `stop`, and tells `watermark` the time up to
/// which all of them are done, in milliseconds since the epoch.
///
/// A shard that is found later is read from its oldest record, whatever the time it is found: a mapping
/// that starts at LATEST loses what came before its first poll.
pub(crate) async fn follow_stream<W: ShardWork>(
    source: StreamSource,
    work: Arc<W>,
    watermark: watch::Sender<i64>,
    stop: CancellationToken,
) {
    let (marks, mut told) = mpsc::channel(64);
    let mut shards = FollowedShards::default();
    let mut tasks: JoinSet<String> = JoinSet::new();
    let mut listing = tokio::time::interval(LIST_INTERVAL);
    listing.set_missed_tick_behavior(MissedTickBehavior::Delay);

    loop {
        tokio::select! {
            // In this order: once it stops, a task may end before its shard does, and must not be taken
            // for one that is finished.
            biased;
            () = stop.cancelled() => break,
            Some(joined) = tasks.join_next() => match joined {
                Ok(shard) => {
                    shards.finish(shard);
                    listing.reset_immediately();
                }
                Err(error) => {
                    tracing::error!(stream = source.stream, %error, "a shard's poller broke down");
                }
            },
            _ = listing.tick() => {
                let asked_at = now_millis();
                match list(&source.client, &source.stream).await {
                    Err(error) => {
                        tracing::warn!(stream = source.stream, %error, "cannot list the shards");
                    }
                    Ok(listed) => for (shard, was_there_at_first) in shards.update(&listed, asked_at) {
                        tracing::debug!(stream = source.stream, shard, "reading a shard");
                        let start = if was_there_at_first {
                            source.start.clone()
                        } else {
                            Start::TrimHorizon
                        };
                        let mark = ProgressMark {
                            shard: shard.clone(),
                            marks: marks.clone(),
                        };
                        let (work, stop) = (Arc::clone(&work), stop.clone());
                        tasks.spawn(async move {
                            work.run(shard.clone(), start, mark, stop).await;
                            shard
                        });
                    },
                }
            }
            Some((shard, time)) = told.recv() => shards.mark(&shard, time),
        }
        shards.advance(&watermark);
    }
    // A task that reports its mark must not wait for a receiver that no longer listens.
    drop(told);
    // The task itself lets an invocation in flight end: it looks at `stop` between invocations.
    while tasks.join_next().await.is_some() {}
}

/// The shards of a stream that is followed, and how far each has come.
struct FollowedShards {
    lineage: Lineage,
    /// How far each shard has come that exists and is not finished, those that wait for their parents
    /// included: what arrived in them is yet to be done.
    reached: BTreeMap<String, i64>,
    finished: BTreeSet<String>,
    /// A shard made after this time may hold what arrived since.
    listed_at: i64,
    there_at_first: Option<BTreeSet<String>>,
}

impl Default for FollowedShards {
    fn default() -> Self {
        Self {
            lineage: Lineage::default(),
            reached: BTreeMap::new(),
            finished: BTreeSet::new(),
            listed_at: i64::MIN,
            there_at_first: None,
        }
    }
}

impl FollowedShards {
    /// The work on a shard has come to the shard's end.
    fn finish(&mut self, shard: String) {
        self.lineage.finish(&shard);
        self.reached.remove(&shard);
        self.finished.insert(shard);
        self.listed_at = i64::MIN;
    }

    /// Takes in a listing that was asked for at `asked_at`. Gives the shards that can be read now, and for
    /// each whether it was in the first listing.
    fn update(&mut self, listed: &[Shard], asked_at: i64) -> Vec<(String, bool)> {
        self.listed_at = asked_at;
        for shard in listed {
            if !self.finished.contains(&shard.id) {
                self.reached.entry(shard.id.clone()).or_insert(i64::MIN);
            }
        }
        self.lineage.update(listed);
        let ids = || listed.iter().map(|shard| shard.id.clone()).collect();
        let at_first = self.there_at_first.get_or_insert_with(ids);
        let ready = self.lineage.ready().into_iter();
        ready
            .map(|shard| {
                let was_there = at_first.contains(&shard);
                (shard, was_there)
            })
            .collect()
    }

    /// A shard is done up to `time`. Its last mark may come after its task is known to have ended.
    fn mark(&mut self, shard: &str, time: i64) {
        if let Some(mark) = self.reached.get_mut(shard) {
            *mark = time;
        }
    }

    /// Moves the watermark on to where all shards have come; never back.
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

    use super::*;
    use crate::endpoint::{Endpoint, EndpointOptions};
    use crate::resources::create_stream;

    /// Counts the shards that are worked on, and tells many marks once it is to stop.
    #[derive(Default)]
    struct Talkative {
        begun: AtomicUsize,
        ended: AtomicUsize,
    }

    impl ShardWork for Talkative {
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
    async fn tasks_that_still_tell_their_marks_do_not_hold_up_the_end() {
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
        };
        let (work, stop) = (Arc::new(Talkative::default()), CancellationToken::new());
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
}
