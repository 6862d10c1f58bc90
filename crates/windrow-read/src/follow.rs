//! Follows a whole stream, through splits and merges.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::reader::MOST_RECORDS;
use crate::{Lineage, ReadError, Shard, ShardPage, ShardReader, ShardRecord, Start, list};

/// Options for following a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowOptions {
    /// The pause between two reads of a shard. A shard allows five reads per second for all its
    /// readers together, so the default is 200 ms. Use a longer pause if several readers share a
    /// stream.
    pub poll_interval: Duration,
    /// The maximum number of records per read, from 1 to 10,000. The default is 10,000.
    pub limit: usize,
    /// The pause between two listings of the shards; 30 seconds by default. Shards are also listed
    /// as soon as one ends, so this only limits how long any other change goes unnoticed.
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

/// Follows all shards of `stream`. Shards without existing parents are read from `start`. The
/// others are read from their first record, once their parents are read to the end.
///
/// With [`Start::Latest`], shards that are already closed are skipped. A sequence number belongs to
/// one shard, so it is a valid start only for a stream that begins with a single shard.
///
/// This makes no request to Kinesis before the first call of [`Follow::next`].
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
        in_progress: FuturesUnordered::new(),
    };
    follow.list_after(Duration::ZERO, true);
    follow
}

/// A stream that is being followed. Dropping it cancels all requests in progress.
#[derive(Debug)]
pub struct Follow {
    client: Client,
    stream: String,
    start: Start,
    options: FollowOptions,
    lineage: Lineage,
    /// Whether the shards have been listed, so that any others listed later are new.
    listed: bool,
    stopped: bool,
    /// One read per shard, and the next listing.
    in_progress: FuturesUnordered<BoxFuture<'static, FollowStep>>,
}

/// The result of a read or a listing.
enum FollowStep {
    Read(Box<ShardReader>, Result<ShardPage, ReadError>),
    Listed {
        regular: bool,
        listing: Result<Vec<Shard>, ReadError>,
    },
}

impl Follow {
    /// Returns the next records of any shard, and the shard's ID. Records of a shard are in order,
    /// and come after all records of its parents.
    ///
    /// It reads only while the future is polled; other records stay in the stream. Dropping the
    /// future loses nothing. It returns `None` only after a permanent error.
    ///
    /// # Errors
    /// [`ReadError`]. After a [transient error](ReadError::is_transient), call it again to continue
    /// without losing records. Any other error ends it.
    pub async fn next(&mut self) -> Option<Result<(String, Vec<ShardRecord>), ReadError>> {
        while !self.stopped {
            let result = match self.in_progress.next().await? {
                FollowStep::Read(reader, Ok(page)) => Ok(self.take_page(*reader, page)),
                FollowStep::Read(reader, Err(error)) => {
                    if error.is_transient() {
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
                    if error.is_transient() {
                        self.list_after(self.options.poll_interval, regular);
                    }
                    Err(error)
                }
            };
            match result {
                Ok(None) => {}
                Ok(Some(records)) => return Some(Ok(records)),
                Err(error) => {
                    if !error.is_transient() {
                        self.stopped = true;
                        self.in_progress.clear();
                    }
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Continues with the shard that returned `page`, or with its children if the shard has ended.
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

    /// Updates the lineage with a listing and starts the shards that may be read.
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

    /// The start for shards after the first ones: their beginning, so that nothing is lost between
    /// them and their parents. A start time applies to all shards, because the child of a shard
    /// that closed before that time can contain older records.
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
        self.in_progress.push(Box::pin(async move {
            tokio::time::sleep(pause).await;
            let page = reader.next().await;
            FollowStep::Read(Box::new(reader), page)
        }));
    }

    /// Lists the shards after a pause. After a `regular` listing, another one is scheduled.
    fn list_after(&self, pause: Duration, regular: bool) {
        let (client, stream) = (self.client.clone(), self.stream.clone());
        self.in_progress.push(Box::pin(async move {
            tokio::time::sleep(pause).await;
            let listing = list(&client, &stream).await;
            FollowStep::Listed { regular, listing }
        }));
    }
}
