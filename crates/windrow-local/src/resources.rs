//! Creates the streams and the table through the services' APIs.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_kinesis::error::SdkError;
use aws_sdk_kinesis::operation::describe_stream_summary::DescribeStreamSummaryError;
use aws_sdk_kinesis::types::{
    StreamDescriptionSummary, StreamMode, StreamModeDetails, StreamStatus,
};
use tokio::time::Instant;
use windrow_service::chain;

use crate::start_error::StartError;

/// How long a stream may take to become active.
const TIME_LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn failed(what: &str, error: impl std::error::Error) -> StartError {
    StartError::Resource {
        what: what.to_owned(),
        reason: chain(&error),
    }
}

/// A stream that exists now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CreatedStream {
    /// When it was created, in milliseconds since the epoch.
    pub(crate) created: i64,
    /// Whether it existed before.
    pub(crate) existed: bool,
}

/// How a stream gets its shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamCapacity {
    /// It starts with so many.
    Provisioned(u32),
    /// As Kinesis likes.
    OnDemand,
}

/// Creates a stream with so many shards, unless it exists, and waits until it is active.
pub(crate) async fn create_stream(
    client: &aws_sdk_kinesis::Client,
    name: &str,
    shards: u32,
) -> Result<CreatedStream, StartError> {
    create_stream_with(client, name, StreamCapacity::Provisioned(shards)).await
}

/// Creates a stream, unless it exists, and waits until it is active.
pub(crate) async fn create_stream_with(
    client: &aws_sdk_kinesis::Client,
    name: &str,
    capacity: StreamCapacity,
) -> Result<CreatedStream, StartError> {
    let created = client.create_stream().stream_name(name);
    let (created, wanted) = match capacity {
        StreamCapacity::Provisioned(shards) => {
            let wanted = i32::try_from(shards).unwrap_or(i32::MAX);
            (created.shard_count(wanted), Some(wanted))
        }
        StreamCapacity::OnDemand => {
            let mode = StreamModeDetails::builder().stream_mode(StreamMode::OnDemand);
            let mode = mode.build().map_err(|error| failed(name, error))?;
            (created.stream_mode_details(mode), None)
        }
    };
    let existed = match created.send().await {
        Ok(_) => false,
        Err(error) => match error.as_service_error() {
            Some(service) if service.is_resource_in_use_exception() => true,
            _ => return Err(failed(name, error)),
        },
    };
    let deadline = Instant::now() + TIME_LIMIT;
    loop {
        let summary = summary(client, name).await;
        let summary = summary.map_err(|error| failed(name, error))?;
        let status = summary.stream_status();
        if *status == StreamStatus::Active {
            let open = summary.open_shard_count();
            if existed && wanted.is_some_and(|wanted| open != wanted) {
                tracing::warn!(
                    "the stream {name} has {open} shards from an earlier run; --shards applies to new \
                     streams"
                );
            }
            let created = created_at(&summary);
            return Ok(CreatedStream { created, existed });
        }
        if Instant::now() > deadline {
            return Err(StartError::Resource {
                what: name.to_owned(),
                reason: format!("its status is still {status:?} after {TIME_LIMIT:?}"),
            });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// When a stream was created, in milliseconds since the epoch.
pub(crate) async fn stream_created(
    client: &aws_sdk_kinesis::Client,
    name: &str,
) -> Result<i64, SdkError<DescribeStreamSummaryError>> {
    Ok(created_at(&summary(client, name).await?))
}

/// Whether there is a table. Creating one that exists would log a warning in the emulator.
pub(crate) async fn table_exists(
    client: &aws_sdk_dynamodb::Client,
    name: &str,
) -> Result<bool, StartError> {
    let mut start = None;
    loop {
        let listed = client.list_tables().set_exclusive_start_table_name(start);
        let page = listed.send().await.map_err(|error| failed(name, error))?;
        if page.table_names().iter().any(|table| table == name) {
            return Ok(true);
        }
        start = page.last_evaluated_table_name;
        if start.is_none() {
            return Ok(false);
        }
    }
}

pub(crate) async fn summary(
    client: &aws_sdk_kinesis::Client,
    name: &str,
) -> Result<StreamDescriptionSummary, SdkError<DescribeStreamSummaryError>> {
    let described = client.describe_stream_summary().stream_name(name).send();
    let summary = described.await?.stream_description_summary;
    summary.ok_or_else(|| SdkError::construction_failure("the response describes no stream"))
}

fn created_at(summary: &StreamDescriptionSummary) -> i64 {
    // The local cloud's streams all have a time that can be told in milliseconds.
    let created = summary.stream_creation_timestamp();
    created.to_millis().unwrap_or_default()
}

/// Creates a table, unless it exists. Its `key` is a partition key, and a sort key if there is one.
pub(crate) async fn create_table(
    client: &aws_sdk_dynamodb::Client,
    name: &str,
    key: &[impl AsRef<str>],
) -> Result<(), StartError> {
    if table_exists(client, name).await? {
        return Ok(());
    }
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest);
    for (attribute, kind) in key.iter().zip([KeyType::Hash, KeyType::Range]) {
        let attribute = attribute.as_ref();
        let definition = AttributeDefinition::builder()
            .attribute_name(attribute)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .map_err(|error| failed(name, error))?;
        let element = KeySchemaElement::builder()
            .attribute_name(attribute)
            .key_type(kind)
            .build()
            .map_err(|error| failed(name, error))?;
        request = request
            .attribute_definitions(definition)
            .key_schema(element);
    }
    let created = request.send().await;
    created.map(|_| ()).map_err(|error| failed(name, error))
}
