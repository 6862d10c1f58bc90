//! CreateStream, DeleteStream, DescribeStream, DescribeStreamSummary and ListStreams.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::check::{FieldChecks, NAME_PATTERN, is_name};
use crate::error::KinesisError;
use crate::meta::{LAST_HASH, StreamMeta};
use crate::ops::reshard::{even_starts, new_shard};
use crate::ops::shards::ShardOutput;
use crate::ops::tags;
use crate::ops::target::StreamTarget;
use crate::store::Store;
use crate::stream::{StreamState, StreamStatus, shard_number};
use crate::wire::WireTime;

/// "By default, a new on-demand stream can handle 4 MB/s of writes", which are four shards. Source:
/// Kinesis Developer Guide, "On-demand mode".
const ON_DEMAND_SHARDS: usize = 4;

/// Source: Kinesis API reference, `CreateStream` and `UpdateMaxRecordSize`.
pub(crate) const RECORD_KIB: (i64, i64) = (1024, 10_240);

/// The default retention, in hours. Source: Kinesis Developer Guide, "Changing the data retention
/// period".
const RETENTION_HOURS: u32 = 24;

/// "The default value is 100. If you specify a value greater than 100, at most 100 results are
/// returned." Source: Kinesis API reference, `DescribeStream` and `ListStreams`.
const PAGE: i64 = 100;
const MAX_LIMIT: i64 = 10_000;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StreamModeDetails {
    pub(crate) stream_mode: Option<String>,
}

impl StreamModeDetails {
    fn of(meta: &StreamMeta) -> Self {
        let mode = if meta.on_demand {
            "ON_DEMAND"
        } else {
            "PROVISIONED"
        };
        Self {
            stream_mode: Some(mode.to_owned()),
        }
    }

    pub(crate) fn check(&self, checks: &mut FieldChecks) {
        let mode = self.stream_mode.as_deref();
        checks.required("streamModeDetails.streamMode", mode.as_ref());
        checks.one_of(
            "streamModeDetails.streamMode",
            mode,
            &["PROVISIONED", "ON_DEMAND"],
        );
    }

    pub(crate) fn is_on_demand(&self) -> bool {
        self.stream_mode.as_deref() == Some("ON_DEMAND")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateStreamInput {
    pub(crate) stream_name: Option<String>,
    pub(crate) shard_count: Option<i64>,
    pub(crate) stream_mode_details: Option<StreamModeDetails>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    pub(crate) max_record_size_in_kib: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteStreamInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    enforce_consumer_deletion: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeStreamInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    limit: Option<i64>,
    exclusive_start_shard_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeStreamOutput {
    stream_description: StreamDescription,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShardLevelMetrics {
    shard_level_metrics: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamDescription {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: StreamModeDetails,
    shards: Vec<ShardOutput>,
    has_more_shards: bool,
    retention_period_hours: u32,
    stream_creation_timestamp: WireTime,
    enhanced_monitoring: [ShardLevelMetrics; 1],
    encryption_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeStreamSummaryOutput {
    stream_description_summary: StreamDescriptionSummary,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamDescriptionSummary {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: StreamModeDetails,
    retention_period_hours: u32,
    stream_creation_timestamp: WireTime,
    enhanced_monitoring: [ShardLevelMetrics; 1],
    encryption_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    open_shard_count: usize,
    consumer_count: usize,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListStreamsInput {
    limit: Option<i64>,
    exclusive_start_stream_name: Option<String>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListStreamsOutput {
    stream_names: Vec<String>,
    has_more_streams: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    stream_summaries: Vec<ListedStreamSummary>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListedStreamSummary {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: StreamModeDetails,
    stream_creation_timestamp: WireTime,
}

/// What the token of a page holds.
#[derive(Debug, Serialize, Deserialize)]
struct StreamsPage {
    after_stream: String,
}

impl Store {
    pub(crate) async fn create_stream(
        self: &Arc<Self>,
        input: CreateStreamInput,
    ) -> Result<(), KinesisError> {
        let mut checks = FieldChecks::default();
        checks.required("streamName", input.stream_name.as_ref());
        StreamTarget::new(input.stream_name.as_ref(), None).check(&mut checks);
        checks.range("shardCount", input.shard_count, 1, i64::from(i32::MAX));
        if let Some(mode) = &input.stream_mode_details {
            mode.check(&mut checks);
        }
        let record_kib = input.max_record_size_in_kib;
        checks.range("maxRecordSizeInKiB", record_kib, RECORD_KIB.0, RECORD_KIB.1);
        let tags = input.tags.unwrap_or_default();
        tags::check(&mut checks, &tags);
        checks.finish()?;

        let mode = input.stream_mode_details.unwrap_or_default();
        let count = match input.shard_count {
            _ if mode.is_on_demand() => ON_DEMAND_SHARDS,
            Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
            None => {
                return Err(KinesisError::invalid_argument(
                    "ShardCount is required for a stream in the mode PROVISIONED.",
                ));
            }
        };
        let room = self.room_for_shards();
        self.check_room(room, count)?;
        let now = self.now();
        let epoch = u64::try_from(now).unwrap_or_default();
        let starts = even_starts(count);
        let ends = starts.iter().skip(1).map(|start| start - 1);
        let hashes = starts.iter().copied().zip(ends.chain([LAST_HASH]));
        let shards = (0..).zip(hashes);
        let meta = StreamMeta {
            name: input.stream_name.unwrap_or_default(),
            created: now,
            on_demand: mode.is_on_demand(),
            retention_hours: RETENTION_HOURS,
            max_record_kib: u32::try_from(record_kib.unwrap_or(RECORD_KIB.0)).unwrap_or_default(),
            encryption_key: None,
            metrics: Vec::new(),
            tags,
            shards: shards
                .map(|(number, hashes)| new_shard(number, epoch, hashes, now))
                .collect(),
            consumers: Vec::new(),
        };
        // Again where no other stream is being created.
        let check = || self.check_room(self.room_for_shards(), count);
        self.create(meta, check).await
    }

    pub(crate) async fn delete_stream(&self, input: DeleteStreamInput) -> Result<(), KinesisError> {
        let target = StreamTarget::new(input.stream_name.as_ref(), input.stream_arn.as_ref());
        let mut checks = FieldChecks::default();
        target.check(&mut checks);
        checks.finish()?;
        let stream = self.find(target)?;
        let state = stream.state();
        if state.status(Instant::now()) == Some(StreamStatus::Deleting) {
            return Ok(());
        }
        if !state.meta.consumers.is_empty() && input.enforce_consumer_deletion != Some(true) {
            // The message of Kinesis.
            return Err(KinesisError::in_use(format!(
                "Stream {} under account {} has registered consumers. Use EnforceConsumerDeletion to delete them too.",
                state.meta.name, self.options.account
            )));
        }
        self.delete(&stream).await
    }

    pub(crate) fn describe_stream(
        &self,
        input: &DescribeStreamInput,
    ) -> Result<DescribeStreamOutput, KinesisError> {
        let target = StreamTarget::new(input.stream_name.as_ref(), input.stream_arn.as_ref());
        let mut checks = FieldChecks::default();
        target.check(&mut checks);
        checks.range("limit", input.limit, 1, MAX_LIMIT);
        let start = input.exclusive_start_shard_id.as_deref();
        checks.pattern("exclusiveStartShardId", start, NAME_PATTERN, is_name);
        checks.finish()?;

        let state = self.find(target)?.state();
        let limit = usize::try_from(input.limit.unwrap_or(PAGE).min(PAGE)).unwrap_or_default();
        let after = start.and_then(shard_number);
        let status = state
            .status(Instant::now())
            .unwrap_or(StreamStatus::Deleting);
        let is_listed = status != StreamStatus::Creating;
        let mut shards = state
            .readable(self.now())
            .filter(|shard| is_listed && after.is_none_or(|after| shard.meta.number > after));
        let listed = shards.by_ref().take(limit).map(ShardOutput::of).collect();
        let has_more_shards = shards.next().is_some();
        Ok(DescribeStreamOutput {
            stream_description: StreamDescription {
                stream_name: state.meta.name.clone(),
                stream_arn: self.arn(&state.meta.name),
                stream_status: status.name(),
                stream_mode_details: StreamModeDetails::of(&state.meta),
                shards: listed,
                has_more_shards,
                retention_period_hours: state.meta.retention_hours,
                stream_creation_timestamp: WireTime(state.meta.created),
                enhanced_monitoring: metrics(&state.meta),
                encryption_type: encryption_type(&state.meta),
                key_id: state.meta.encryption_key.clone(),
            },
        })
    }

    pub(crate) fn describe_stream_summary(
        &self,
        input: &DescribeStreamInput,
    ) -> Result<DescribeStreamSummaryOutput, KinesisError> {
        let target = StreamTarget::new(input.stream_name.as_ref(), input.stream_arn.as_ref());
        let mut checks = FieldChecks::default();
        target.check(&mut checks);
        checks.finish()?;

        let state = self.find(target)?.state();
        Ok(DescribeStreamSummaryOutput {
            stream_description_summary: StreamDescriptionSummary {
                stream_name: state.meta.name.clone(),
                stream_arn: self.arn(&state.meta.name),
                stream_status: status_name(&state),
                stream_mode_details: StreamModeDetails::of(&state.meta),
                retention_period_hours: state.meta.retention_hours,
                stream_creation_timestamp: WireTime(state.meta.created),
                enhanced_monitoring: metrics(&state.meta),
                encryption_type: encryption_type(&state.meta),
                key_id: state.meta.encryption_key.clone(),
                open_shard_count: state.open().len(),
                consumer_count: state.meta.consumers.len(),
                max_record_size_in_kib: state.meta.max_record_kib,
            },
        })
    }

    pub(crate) fn list_streams(
        &self,
        input: &ListStreamsInput,
    ) -> Result<ListStreamsOutput, KinesisError> {
        let mut checks = FieldChecks::default();
        checks.range("limit", input.limit, 1, MAX_LIMIT);
        let start = input.exclusive_start_stream_name.as_deref();
        checks.pattern("exclusiveStartStreamName", start, NAME_PATTERN, is_name);
        checks.finish()?;

        let after = match &input.next_token {
            Some(token) => Some(self.parse_page::<StreamsPage>(token)?.after_stream),
            None => input.exclusive_start_stream_name.clone(),
        };
        let limit = usize::try_from(input.limit.unwrap_or(PAGE).min(PAGE)).unwrap_or_default();
        let states = self.streams().into_iter().map(|stream| stream.state());
        let mut states = states.filter(|state| {
            let after = after.as_ref();
            after.is_none_or(|after| state.meta.name > *after)
        });
        let listed: Vec<_> = states.by_ref().take(limit).collect();
        let has_more_streams = states.next().is_some();
        let last = listed.last().filter(|_| has_more_streams);
        let next_token = last.map(|last| {
            self.page_token(&StreamsPage {
                after_stream: last.meta.name.clone(),
            })
        });
        let summary = |state: &Arc<StreamState>| ListedStreamSummary {
            stream_name: state.meta.name.clone(),
            stream_arn: self.arn(&state.meta.name),
            stream_status: status_name(state),
            stream_mode_details: StreamModeDetails::of(&state.meta),
            stream_creation_timestamp: WireTime(state.meta.created),
        };
        Ok(ListStreamsOutput {
            stream_names: listed.iter().map(|state| state.meta.name.clone()).collect(),
            has_more_streams,
            next_token,
            stream_summaries: listed.iter().map(summary).collect(),
        })
    }
}

pub(crate) fn status_name(state: &StreamState) -> &'static str {
    let status = state.status(Instant::now());
    status.unwrap_or(StreamStatus::Deleting).name()
}

fn metrics(meta: &StreamMeta) -> [ShardLevelMetrics; 1] {
    [ShardLevelMetrics {
        shard_level_metrics: meta.metrics.clone(),
    }]
}

fn encryption_type(meta: &StreamMeta) -> &'static str {
    if meta.encryption_key.is_some() {
        "KMS"
    } else {
        "NONE"
    }
}
