//! Follows a whole stream, through splits and merges.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::vec;

use aws_sdk_kinesis::Client;
use futures_core::stream::{FusedStream, Stream};
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

/// Follows all shards of `stream`, which is a name or an ARN. Shards without existing parents are read
/// from `start`. The others are read from their first record, once their parents are read to the end.
///
/// With [`Start::Latest`], shards that are already closed are skipped. A sequence number belongs to
/// one shard, so it is a valid start only for a stream that begins with a single shard.
///
/// This makes no request to Kinesis before the result is polled. `client` is used as it is, except
/// that for these calls its own retries are disabled, but for one if a wrong clock may be why a
/// signature was not accepted, and ListShards and GetShardIterator have a time limit of five seconds or
/// less.
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
        unread: None,
    };
    follow.list_after(Duration::ZERO, true);
    follow
}

/// One record of a stream that is being followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRecord {
    /// The ID of its shard.
    pub shard: Arc<str>,
    /// The record itself.
    pub record: ShardRecord,
    /// How far the page that contains it lags behind the end of the shard; zero at the end.
    pub behind: Duration,
}

/// A stream that is being followed: a [`Stream`] of its records.
///
/// Records of a shard are in order, and come after all records of its parents. Shards that may be
/// read at the same time are interleaved by pages.
///
/// It reads only while it is polled; other records stay in Kinesis. Dropping a future of its next
/// record loses nothing, and dropping the `Follow` cancels all requests in progress.
///
/// # Errors
///
/// An item can be a [`ReadError`]. After a [transient error](ReadError::is_transient), poll it again
/// to continue; only the records of a [shard that is gone](ReadError::ShardGone) are lost. Any other
/// error is the last item.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
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
    /// What is left of the page read last.
    unread: Option<UnreadPage>,
}

#[derive(Debug)]
struct UnreadPage {
    shard: Arc<str>,
    behind: Duration,
    records: vec::IntoIter<ShardRecord>,
}

impl UnreadPage {
    fn next(&mut self) -> Option<StreamRecord> {
        let record = self.records.next()?;
        Some(StreamRecord {
            shard: Arc::clone(&self.shard),
            record,
            behind: self.behind,
        })
    }
}

/// The result of a read or a listing.
enum FollowStep {
    Read(Box<ShardReader>, Result<ShardPage, ReadError>),
    Listed {
        regular: bool,
        listing: Result<Vec<Shard>, ReadError>,
    },
}

impl Stream for Follow {
    type Item = Result<StreamRecord, ReadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(record) = this.unread.as_mut().and_then(UnreadPage::next) {
                return Poll::Ready(Some(Ok(record)));
            }
            this.unread = None;
            if this.stopped {
                return Poll::Ready(None);
            }
            let Some(step) = ready!(this.in_progress.poll_next_unpin(context)) else {
                this.stopped = true;
                return Poll::Ready(None);
            };
            if let Err(error) = this.take_step(step) {
                if !error.is_transient() {
                    this.stopped = true;
                    this.in_progress.clear();
                }
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl FusedStream for Follow {
    fn is_terminated(&self) -> bool {
        self.stopped && self.unread.is_none()
    }
}

impl Follow {
    /// Takes the result of a read or a listing, and schedules what comes after it.
    ///
    /// # Errors
    /// The error of the read or the listing. After a transient one, it is scheduled again.
    fn take_step(&mut self, step: FollowStep) -> Result<(), ReadError> {
        match step {
            FollowStep::Read(reader, Ok(page)) => self.take_page(*reader, page),
            FollowStep::Read(reader, Err(ReadError::NoSuchStream { name })) => {
                // If the stream itself is gone, the listing says so.
                let shard = reader.shard().to_owned();
                self.finish(&shard);
                return Err(ReadError::ShardGone { name, shard });
            }
            FollowStep::Read(reader, Err(error)) => {
                if error.is_transient() {
                    self.read_after(self.options.poll_interval, *reader);
                }
                return Err(error);
            }
            FollowStep::Listed {
                regular,
                listing: Ok(listing),
            } => {
                if regular {
                    self.list_after(self.options.rediscovery_interval, true);
                }
                self.take_listing(&listing);
            }
            FollowStep::Listed {
                regular,
                listing: Err(error),
            } => {
                if error.is_transient() {
                    self.list_after(self.options.poll_interval, regular);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes the records of `page`, and continues with its shard, or with the shard's children if it
    /// has ended.
    fn take_page(&mut self, reader: ShardReader, page: ShardPage) {
        self.unread = Some(UnreadPage {
            shard: Arc::from(reader.shard()),
            behind: page.behind,
            records: page.records.into_iter(),
        });
        if !page.ended {
            self.read_after(self.options.poll_interval, reader);
            return;
        }
        let shard = reader.shard();
        tracing::debug!(stream = self.stream, shard, "shard read to its end");
        self.finish(shard);
    }

    /// Continues with the children of a shard that has no more records.
    fn finish(&mut self, shard: &str) {
        self.lineage.finish(shard);
        self.start_ready(&self.later_start());
        self.list_after(Duration::ZERO, false);
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
            let page = reader.next_page().await;
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
