//! Changes to streams and mappings during the run: splits, merges, replays, and mappings that are
//! restarted, disabled and updated.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Shard, ShardIteratorType};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use windrow_local::LocalCloud;
use windrow_local::faults::{FaultKind, Faults};

/// The streams and mappings to change.
pub(crate) struct Site<'a> {
    pub(crate) cloud: &'a Arc<LocalCloud>,
    /// Where the cloud runs.
    pub(crate) runtime: Handle,
    pub(crate) kinesis: &'a Client,
    pub(crate) faults: &'a Faults,
    pub(crate) stream: &'a str,
    pub(crate) summary_stream: &'a str,
    pub(crate) window_millis: i64,
    /// When the cloud was drained before, in milliseconds since the epoch.
    pub(crate) drained_at: i64,
}

/// How often each kind of change may happen.
const PERIOD: Duration = Duration::from_secs(1);
/// A stream with this many shards is not split further.
const MOST_SHARDS: usize = 20;

/// The most records in a batch before a mapping is disabled.
const SMALL_BATCH: usize = 40;
/// The largest batch size of a mapping, which is the aggregator's.
const LARGEST_BATCH: usize = 10_000;

/// Why the changes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangesEnd {
    /// `stop` was cancelled.
    Stopped,
    /// The cloud is to be drained and restarted.
    CloudRestarted,
    /// The cloud is to be killed and started again.
    CloudKilled,
}

/// Changes shards and mappings when their faults are injected, until `stop` is cancelled or the
/// cloud is to be restarted or killed.
pub(crate) async fn change(site: &Site<'_>, stop: &CancellationToken) -> ChangesEnd {
    let mut period = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            () = stop.cancelled() => return ChangesEnd::Stopped,
            _ = period.tick() => {}
        }
        if site.faults.inject(FaultKind::CloudRestarted).is_some() {
            return ChangesEnd::CloudRestarted;
        }
        if site.faults.inject(FaultKind::CloudKilled).is_some() {
            return ChangesEnd::CloudKilled;
        }
        for kind in [
            FaultKind::Split,
            FaultKind::Merge,
            FaultKind::SummarySplit,
            FaultKind::MappingRestarted,
            FaultKind::SummariesReplayed,
            FaultKind::MappingUpdated,
            FaultKind::MappingDisabled,
        ] {
            let Some(mut random) = site.faults.inject(kind) else {
                continue;
            };
            // The call may be throttled, or there may be nothing to split or merge.
            if let Err(error) = inject(site, kind, &mut random).await {
                tracing::debug!(%error, kind = kind.name(), "nothing was changed");
                site.faults.undo(kind);
            } else {
                tracing::info!(kind = kind.name(), "injected a fault");
            }
        }
    }
}

async fn inject(site: &Site<'_>, kind: FaultKind, random: &mut ChaCha8Rng) -> anyhow::Result<()> {
    match kind {
        FaultKind::Merge => merge(site.kinesis, site.stream, random).await,
        FaultKind::SummarySplit => split(site.kinesis, site.summary_stream, random).await,
        FaultKind::MappingRestarted => {
            let watermark = site.cloud.aggregator_watermark();
            ensure!(watermark > 0, "no window is closed yet");
            // A drain ends windows early. Going on inside what is emitted of one would lose some of it;
            // see docs/exactness.md.
            ensure!(watermark >= site.drained_at, "no window is closed yet");
            let back = random.random_range(0..3 * site.window_millis);
            let from = (watermark - back).max(site.drained_at);
            let cloud = Arc::clone(site.cloud);
            let restarting = async move { cloud.restart_aggregator(from).await };
            Ok(site.runtime.spawn(restarting).await?)
        }
        FaultKind::MappingUpdated => {
            middle_of_window(site.window_millis).await;
            let batch_size = random.random_range(SMALL_BATCH..=LARGEST_BATCH);
            site.cloud.set_aggregator_batch_size(batch_size).await;
            Ok(())
        }
        FaultKind::MappingDisabled => {
            // Small batches leave a state early in the window.
            site.cloud.set_aggregator_batch_size(SMALL_BATCH).await;
            middle_of_window(site.window_millis).await;
            site.cloud.disable_aggregator().await;
            let millis = random.random_range(0..2 * site.window_millis);
            tokio::time::sleep(Duration::from_millis(millis.unsigned_abs())).await;
            site.cloud.set_aggregator_batch_size(LARGEST_BATCH).await;
            site.cloud.enable_aggregator().await;
            Ok(())
        }
        FaultKind::SummariesReplayed => replay(site.kinesis, site.summary_stream, random).await,
        _ => split(site.kinesis, site.stream, random).await,
    }
}

/// Waits until two thirds of a window have passed, so that its first records were probably folded,
/// and others follow.
async fn middle_of_window(window_millis: i64) {
    let now = jiff::Timestamp::now().as_millisecond();
    let left = (2 * window_millis / 3 - now).rem_euclid(window_millis);
    tokio::time::sleep(Duration::from_millis(left.unsigned_abs())).await;
}

async fn open_shards(client: &Client, stream: &str) -> anyhow::Result<Vec<Shard>> {
    let listed = client.list_shards().stream_name(stream).send().await?;
    let mut shards = listed.shards.unwrap_or_default();
    shards.retain(|shard| {
        let range = shard.sequence_number_range.as_ref();
        range.is_none_or(|range| range.ending_sequence_number.is_none())
    });
    Ok(shards)
}

/// The first and last hash key of a shard.
fn keys(shard: &Shard) -> anyhow::Result<(u128, u128)> {
    let range = shard
        .hash_key_range()
        .context("the shard has no hash key range")?;
    Ok((
        range.starting_hash_key().parse()?,
        range.ending_hash_key().parse()?,
    ))
}

async fn split(client: &Client, stream: &str, random: &mut ChaCha8Rng) -> anyhow::Result<()> {
    let shards = open_shards(client, stream).await?;
    ensure!(shards.len() < MOST_SHARDS, "the stream has enough shards");
    let shard = shards.choose(random).context("no shard is open")?;
    let (first, last) = keys(shard)?;
    ensure!(last - first > 1, "the shard cannot be split");
    client
        .split_shard()
        .stream_name(stream)
        .shard_to_split(shard.shard_id())
        .new_starting_hash_key((first + (last - first) / 2).to_string())
        .send()
        .await?;
    Ok(())
}

async fn merge(client: &Client, stream: &str, random: &mut ChaCha8Rng) -> anyhow::Result<()> {
    let shards = open_shards(client, stream).await?;
    ensure!(shards.len() > 2, "the stream has too few shards");
    let shard = shards.choose(random).context("no shard is open")?;
    let (_, last) = keys(shard)?;
    let next = shards
        .iter()
        .find(|other| keys(other).is_ok_and(|(first, _)| Some(first) == last.checked_add(1)));
    client
        .merge_shards()
        .stream_name(stream)
        .shard_to_merge(shard.shard_id())
        .adjacent_shard_to_merge(next.context("the shard has no neighbour")?.shard_id())
        .send()
        .await?;
    Ok(())
}

/// Sends some of a shard's records to the stream again.
async fn replay(client: &Client, stream: &str, random: &mut ChaCha8Rng) -> anyhow::Result<()> {
    let listed = client.list_shards().stream_name(stream).send().await?;
    let shard = listed
        .shards()
        .choose(random)
        .context("the stream has no shard")?;
    let iterator = client
        .get_shard_iterator()
        .stream_name(stream)
        .shard_id(shard.shard_id())
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await?;
    let page = client
        .get_records()
        .set_shard_iterator(iterator.shard_iterator)
        .send()
        .await?;
    let records = page.records();
    ensure!(!records.is_empty(), "the shard is empty");
    let first = random.random_range(0..records.len());
    let mut put = client.put_records().stream_name(stream);
    for record in records[first..].iter().take(20) {
        put = put.records(
            PutRecordsRequestEntry::builder()
                .set_partition_key(record.partition_key.clone())
                .data(record.data.clone())
                .build()?,
        );
    }
    put.send().await?;
    Ok(())
}
