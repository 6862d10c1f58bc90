//! One task a shard, parents before children, and how far all of them have come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use windrow_read::{Lineage, Start, list};

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
pub(crate) struct Mark {
    shard: String,
    marks: mpsc::Sender<(String, i64)>,
}

impl Mark {
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
        mark: Mark,
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
    let mut tasks: JoinSet<String> = JoinSet::new();
    let mut lineage = Lineage::default();
    // How far each shard has come that exists and is not finished, those that wait for their parents
    // included: what arrived in them is yet to be done.
    let mut reached: BTreeMap<String, i64> = BTreeMap::new();
    let mut finished: BTreeSet<String> = BTreeSet::new();
    // A shard made after this time may hold what arrived since.
    let mut listed_at = i64::MIN;
    let mut there_at_first: Option<BTreeSet<String>> = None;
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
                    lineage.finish(&shard);
                    reached.remove(&shard);
                    finished.insert(shard);
                    listed_at = i64::MIN;
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
                    Ok(shards) => {
                        listed_at = asked_at;
                        for shard in &shards {
                            if !finished.contains(&shard.id) {
                                reached.entry(shard.id.clone()).or_insert(i64::MIN);
                            }
                        }
                        lineage.update(&shards);
                        let ids = || shards.iter().map(|shard| shard.id.clone()).collect();
                        let at_first = there_at_first.get_or_insert_with(ids);
                        for shard in lineage.ready() {
                            tracing::debug!(stream = source.stream, shard, "reading a shard");
                            let work = Arc::clone(&work);
                            let mark = Mark {
                                shard: shard.clone(),
                                marks: marks.clone(),
                            };
                            let stop = stop.clone();
                            let start = match at_first.contains(&shard) {
                                true => source.start.clone(),
                                false => Start::TrimHorizon,
                            };
                            tasks.spawn(async move {
                                work.run(shard.clone(), start, mark, stop).await;
                                shard
                            });
                        }
                    }
                }
            }
            Some((shard, time)) = told.recv() => {
                // A shard's last word may come after its task is known to have ended.
                if let Some(mark) = reached.get_mut(&shard) {
                    *mark = time;
                }
            }
        }
        let lowest = reached.values().copied().chain([listed_at]).min();
        watermark.send_if_modified(|mark| {
            let moved = lowest.is_some_and(|lowest| lowest > *mark);
            *mark = lowest.unwrap_or(*mark).max(*mark);
            moved
        });
    }
    // A task that tells its mark must not wait for somebody who listens no more.
    drop(told);
    // An invocation in flight is let to its end by the task itself, which looks at `stop` between
    // invocations.
    while tasks.join_next().await.is_some() {}
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
        async fn run(self: Arc<Self>, _: String, _: Start, mark: Mark, stop: CancellationToken) {
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
