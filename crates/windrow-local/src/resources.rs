//! Creates the streams and the table through the services' APIs.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_kinesis::types::StreamStatus;
use tokio::time::Instant;
use windrow_service::chain;

use crate::start_error::StartError;

/// How long a stream may take to become active.
const TIME_LIMIT: Duration = Duration::from_secs(10);

fn failed(what: &str, error: impl std::error::Error) -> StartError {
    StartError::Resource {
        what: what.to_owned(),
        reason: chain(&error),
    }
}

/// Creates a stream and waits until it is active.
pub(crate) async fn create_stream(
    client: &aws_sdk_kinesis::Client,
    name: &str,
    shards: u32,
) -> Result<(), StartError> {
    client
        .create_stream()
        .stream_name(name)
        .shard_count(i32::try_from(shards).unwrap_or(i32::MAX))
        .send()
        .await
        .map_err(|error| failed(name, error))?;
    let deadline = Instant::now() + TIME_LIMIT;
    loop {
        let summary = client
            .describe_stream_summary()
            .stream_name(name)
            .send()
            .await;
        let summary = summary.map_err(|error| failed(name, error))?;
        let status = summary
            .stream_description_summary()
            .map(|summary| summary.stream_status());
        if status == Some(&StreamStatus::Active) {
            return Ok(());
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

/// Creates a table, unless it exists. Its `key` is a partition key, and a sort key if there is one.
pub(crate) async fn create_table(
    client: &aws_sdk_dynamodb::Client,
    name: &str,
    key: &[impl AsRef<str>],
) -> Result<(), StartError> {
    // Listed first, since a failed attempt would log a warning in the emulator.
    let listed = client.list_tables().send().await;
    let tables = listed.map_err(|error| failed(name, error))?;
    if tables.table_names().iter().any(|table| table == name) {
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
