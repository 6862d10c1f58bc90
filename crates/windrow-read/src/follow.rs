//! A whole stream, through every split and merge.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::reader::MOST_RECORDS;
use crate::{Lineage, ReadError, Shard, ShardPage, ShardReader, ShardRecord, Start, list};

/// How a stream is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowOptions {
    /// The pause between two reads of a shard. A shard gives five reads a second to all its readers
    /// together, so the default is 200 ms; several readers of one stream want longer ones.
    pub poll_interval: Duration,
    /// The most records a read, from 1 to 10,000, which is the default.
    pub limit: usize,
    /// The pause between two listings of the shards, by default 30 seconds. When a shard ends they
    /// are listed at once, so this only bounds how long anything else goes unseen.
    pub rediscovery_interval: Duration,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_millis(200),
            limit: MOST_RECORDS,
            rediscovery_interval: Duration::from_secs(30),
        }
    }
}

/// Follows all of `stream`: the shards that have no parents left from `start` on, and the others
/// from their first record on, each once its parents are read to their end.
///
/// With [`Start::Latest`] the shards that are closed by now are left out. A sequence number belongs
/// to one shard, so it is a start only for a stream that begins with one.
///
/// Nothing is asked of Kinesis before the first call of [`Follow::next`].
pub fn follow(
    client: Client,
    stream: impl Into<String>,
    start: Start,
    options: FollowOptions,
) -> Follow {
    let follow = Follow {
        client,
        stream: stream.into(),
        start,
        options,
        lineage: Lineage::default(),
        listed: false,
        stopped: false,
        under_way: FuturesUnordered::new(),
    };
    follow.list_after(Duration::ZERO, true);
    follow
}

/// A stream that is being followed. Dropping it stops everything that is under way.
#[derive(Debug)]
pub struct Follow {
    client: Client,
    stream: String,
    start: Start,
    options: FollowOptions,
    lineage: Lineage,
    /// Whether the shards were listed before, so that those listed next are new.
    listed: bool,
    stopped: bool,
    /// One read a shard, and the next listing.
    under_way: FuturesUnordered<BoxFuture<'static, FollowStep>>,
}

/// What came of a read or a listing.
enum FollowStep {
    Read(Box<ShardReader>, Result<ShardPage, ReadError>),
    Listed {
        regular: bool,
        listing: Result<Vec<Shard>, ReadError>,
    },
}

impl Follow {
    /// The next records of any shard and the shard's id. Records of one shard come in order, and
    /// after all records of its parents.
    ///
    /// It reads only while it is waited for: records that nobody asks for stay in the stream.
    /// Dropping the future loses nothing. It returns `None` only after an error that ended it.
    ///
    /// # Errors
    /// [`ReadError`]. After one that [may pass](ReadError::is_passing) it goes on where it was when
    /// called again; any other ends it.
    pub async fn next(&mut self) -> Option<Result<(String, Vec<ShardRecord>), ReadError>> {
        while !self.stopped {
            let result = match self.under_way.next().await? {
                FollowStep::Read(reader, Ok(page)) => Ok(self.take_page(*reader, page)),
                FollowStep::Read(reader, Err(error)) => {
                    if error.is_passing() {
                        self.read_after(self.options.poll_interval, *reader);
                    }
                    Err(error)
                }
                FollowStep::Listed {
                    regular,
                    listing: Ok(listing),
                } => {
                    if regular {
                        self.list_after(self.options.rediscovery_interval, true);
                    }
                    self.take_listing(&listing);
                    Ok(None)
                }
                FollowStep::Listed {
                    regular,
                    listing: Err(error),
                } => {
                    if error.is_passing() {
                        self.list_after(self.options.poll_interval, regular);
                    }
                    Err(error)
                }
            };
            match result {
                Ok(None) => {}
                Ok(Some(records)) => return Some(Ok(records)),
                Err(error) => {
                    if !error.is_passing() {
                        self.stopped = true;
                        self.under_way.clear();
                    }
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Goes on with a shard that gave `page`, or with its children if that was its end.
    fn take_page(
        &mut self,
        reader: ShardReader,
        page: ShardPage,
    ) -> Option<(String, Vec<ShardRecord>)> {
        let shard = reader.shard().to_owned();
        if page.ended {
            tracing::debug!(stream = self.stream, shard, "shard read to its end");
            self.lineage.finish(&shard);
            self.start_ready(&self.later_start());
            self.list_after(Duration::ZERO, false);
        } else {
            self.read_after(self.options.poll_interval, reader);
        }
        if page.records.is_empty() {
            return None;
        }
        Some((shard, page.records))
    }

    /// Starts what may be read of a listing.
    fn take_listing(&mut self, listing: &[Shard]) {
        self.lineage.update(listing);
        if self.listed {
            self.start_ready(&self.later_start());
            return;
        }
        self.listed = true;
        if self.start == Start::Latest {
            for shard in listing.iter().filter(|shard| shard.ended) {
                self.lineage.finish(&shard.id);
            }
        }
        self.start_ready(&self.start.clone());
    }

    /// Where shards start that are not among the first: at their beginning, so that nothing is lost
    /// between them and their parents. A child of a shard that was closed before the start time can
    /// hold older records than that, so a start time holds for all.
    fn later_start(&self) -> Start {
        match self.start {
            Start::AtTimestamp(time) => Start::AtTimestamp(time),
            _ => Start::TrimHorizon,
        }
    }

    fn start_ready(&mut self, start: &Start) {
        for shard in self.lineage.ready() {
            tracing::debug!(stream = self.stream, shard, ?start, "shard started");
            let reader = ShardReader::new(self.client.clone(), &self.stream, shard, start.clone());
            self.read_after(Duration::ZERO, reader.limit(self.options.limit));
        }
    }

    fn read_after(&self, pause: Duration, mut reader: ShardReader) {
        self.under_way.push(Box::pin(async move {
            tokio::time::sleep(pause).await;
            let page = reader.next().await;
            FollowStep::Read(Box::new(reader), page)
        }));
    }

    /// Lists the shards after a pause; a `regular` listing is followed by the next.
    fn list_after(&self, pause: Duration, regular: bool) {
        let (client, stream) = (self.client.clone(), self.stream.clone());
        self.under_way.push(Box::pin(async move {
            tokio::time::sleep(pause).await;
            let listing = list(&client, &stream).await;
            FollowStep::Listed { regular, listing }
        }));
    }
}
