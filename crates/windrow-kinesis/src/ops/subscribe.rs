//! SubscribeToShard.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::check::FieldChecks;
use crate::error::KinesisError;
use crate::log::read::LogCursor;
use crate::ops::read::{
    ChildShardOutput, MAX_RECORDS, ReadStart, RecordOutput, children, is_closed,
};
use crate::ops::target::check_consumer_arn;
use crate::sequence::SequencePlace;
use crate::store::Store;
use crate::stream::{LiveShard, LiveStream};

/// "The connection stays open for up to 5 minutes." Source: Kinesis API reference,
/// `SubscribeToShard`.
const LIFETIME: Duration = Duration::from_secs(300);

/// "If you call SubscribeToShard again with the same ConsumerARN and ShardId within 5 seconds of a
/// successful call, you'll get a ResourceInUseException." Source: the same page.
const TAKEOVER: Duration = Duration::from_secs(5);

/// How long a subscriber hears nothing at most.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The size of one event, about.
const EVENT_BYTES: usize = 1024 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SubscribeToShardInput {
    #[serde(rename = "ConsumerARN")]
    consumer_arn: Option<String>,
    shard_id: Option<String>,
    starting_position: Option<ReadStart>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SubscribeToShardEvent {
    records: Vec<RecordOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    continuation_sequence_number: Option<SequencePlace>,
    millis_behind_latest: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    child_shards: Option<Vec<ChildShardOutput>>,
}

/// A consumer's subscription to a shard.
pub(crate) struct Subscription {
    store: Arc<Store>,
    stream: Arc<LiveStream>,
    shard: Arc<LiveShard>,
    consumer: String,
    cursor: LogCursor,
    growth: watch::Receiver<u64>,
    until: Instant,
    /// When the next event is due, whether or not there are records.
    due: Instant,
    taken_over: oneshot::Receiver<()>,
    ended: bool,
}

impl Store {
    pub(crate) async fn subscribe_to_shard(
        self: &Arc<Self>,
        input: SubscribeToShardInput,
    ) -> Result<Subscription, KinesisError> {
        let mut checks = FieldChecks::default();
        checks.required("consumerARN", input.consumer_arn.as_ref());
        check_consumer_arn(&mut checks, input.consumer_arn.as_deref());
        checks.shard_id("shardId", input.shard_id.as_ref());
        checks.required("startingPosition", input.starting_position.as_ref());
        let start = input.starting_position.unwrap_or_default();
        start.check(
            &mut checks,
            "startingPosition.type",
            "startingPosition.sequenceNumber",
        );
        checks.finish()?;

        let (stream, consumer) = self.consumer_by_arn(&input.consumer_arn.unwrap_or_default())?;
        let state = stream.state();
        let shard = self.find_shard(&state, &input.shard_id.unwrap_or_default())?;
        let cursor = self.start(&state, &shard, &start).await?;
        let key = (stream.number, consumer.name.clone(), shard.meta.number);
        let taken_over = self.take_over(key)?;
        let now = Instant::now();
        Ok(Subscription {
            store: Arc::clone(self),
            growth: shard.log.growth(),
            consumer: consumer.name,
            stream,
            shard,
            cursor,
            until: now + LIFETIME,
            due: now,
            taken_over,
            ended: false,
        })
    }

    fn take_over(&self, key: (u64, String, u32)) -> Result<oneshot::Receiver<()>, KinesisError> {
        let now = Instant::now();
        let mut all = self
            .subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, subscription)| !subscription.is_closed());
        if let Some((since, _)) = all.get(&key)
            && now.saturating_duration_since(*since) < TAKEOVER
        {
            return Err(KinesisError::in_use(format!(
                "Another active subscription exists for consumer {} and shard {}.",
                key.1,
                crate::stream::shard_id(key.2)
            )));
        }
        let (end, ended) = oneshot::channel();
        all.insert(key, (now, end));
        Ok(ended)
    }
}

impl Subscription {
    /// The next event. `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<SubscribeToShardEvent> {
        while !self.ended && Instant::now() < self.until && self.is_registered() {
            // Before the read, so that nothing is missed between the two.
            self.growth.borrow_and_update();
            let event = self.read().await?;
            let now = Instant::now();
            if !event.records.is_empty() || self.ended || now >= self.due {
                self.due = now + HEARTBEAT;
                return Some(event);
            }
            let wait = self.due.min(self.until).saturating_duration_since(now);
            tokio::select! {
                _ = timeout(wait, self.growth.changed()) => {}
                _ = &mut self.taken_over => return None,
            }
        }
        None
    }

    fn is_registered(&self) -> bool {
        let state = self.stream.state();
        let mut consumers = state.meta.consumers.iter();
        consumers.any(|consumer| consumer.name == self.consumer)
            && state.status(Instant::now()).is_some()
    }

    async fn read(&mut self) -> Option<SubscribeToShardEvent> {
        let (store, shard) = (&self.store, &self.shard);
        let state = self.stream.state();
        let records = usize::try_from(MAX_RECORDS).unwrap_or_default();
        let page = store
            .read_page(&state, shard, self.cursor, records, EVENT_BYTES)
            .await;
        let page = page.ok()?;
        self.cursor = page.next;
        let newest = self.stream.state();
        self.ended = page.ended && is_closed(&newest, shard);
        let last = shard.sequence(page.next.place.saturating_sub(1));
        Some(SubscribeToShardEvent {
            millis_behind_latest: store.millis_behind(&page),
            continuation_sequence_number: (!self.ended).then_some(last),
            child_shards: self.ended.then(|| children(&newest, shard)),
            records: page
                .records
                .into_iter()
                .map(|record| RecordOutput::new(shard, record))
                .collect(),
        })
    }
}
