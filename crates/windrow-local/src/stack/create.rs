//! Creates the resources of a template through the services' APIs.

use std::time::Duration;

use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    LocalSecondaryIndex, Projection, ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
};
use windrow_template::{
    AttributeKind, DeliveryResource, IndexProjection, StreamResource, TableAttribute, TableIndex,
    TableResource,
};

use crate::firehose::{
    BufferingHints, Compression, DeliverySettings, DeliverySource, DeliveryTags, Firehose,
    FirehoseError, ObjectDestination, ObjectPrefix,
};
use crate::resources::{
    CreatedStream, StreamCapacity, create_stream_with, failed, summary, table_exists,
};
use crate::start_error::StartError;

/// Creates a stream with its retention, unless it exists. `shards` overrides the template.
pub(super) async fn create_stack_stream(
    client: &aws_sdk_kinesis::Client,
    stream: &StreamResource,
    shards: Option<u32>,
) -> Result<CreatedStream, StartError> {
    let capacity = match (shards, stream.is_on_demand) {
        (Some(shards), _) => StreamCapacity::Provisioned(shards),
        (None, true) => StreamCapacity::OnDemand,
        (None, false) => StreamCapacity::Provisioned(stream.shards.unwrap_or(1)),
    };
    let name = &stream.name;
    let created = create_stream_with(client, name, capacity).await?;
    let described = summary(client, name).await;
    let described = described.map_err(|error| failed(name, error))?;
    let hours = i32::try_from(stream.retention_hours).unwrap_or(i32::MAX);
    // Of a stream that the template only reads, it does not say the retention.
    if described.retention_period_hours() < hours && stream.logical_id.is_some() {
        let longer = client.increase_stream_retention_period();
        let longer = longer.stream_name(name).retention_period_hours(hours);
        longer.send().await.map_err(|error| failed(name, error))?;
    }
    Ok(created)
}

/// Creates a table with its indexes, unless it exists.
pub(super) async fn create_stack_table(
    client: &aws_sdk_dynamodb::Client,
    table: &TableResource,
) -> Result<(), StartError> {
    let name = &table.name;
    if table_exists(client, name).await? {
        return Ok(());
    }
    let request = client.create_table().table_name(name);
    let request = request.billing_mode(BillingMode::PayPerRequest);
    let request = with_attributes(request, table).map_err(|error| failed(name, error))?;
    request.send().await.map_err(|error| failed(name, error))?;
    if let Some(attribute) = &table.expiry {
        let expiry = TimeToLiveSpecification::builder();
        let expiry = expiry.attribute_name(attribute).enabled(true).build();
        let expiry = expiry.map_err(|error| failed(name, error))?;
        let request = client.update_time_to_live().table_name(name);
        let request = request.time_to_live_specification(expiry);
        request.send().await.map_err(|error| failed(name, error))?;
    }
    Ok(())
}

type BuildError = aws_sdk_dynamodb::error::BuildError;

/// Adds the keys of a table and its indexes, and the types of their attributes.
fn with_attributes(
    mut request: CreateTableFluentBuilder,
    table: &TableResource,
) -> Result<CreateTableFluentBuilder, BuildError> {
    request = request.set_key_schema(Some(key_schema(&table.key)?));
    let indexed = table.indexes.iter().flat_map(|index| &index.key);
    let mut attributes: Vec<&TableAttribute> = table.key.iter().chain(indexed).collect();
    attributes.sort_by_key(|attribute| &attribute.name);
    attributes.dedup_by_key(|attribute| &attribute.name);
    for attribute in attributes {
        let kind = match attribute.kind {
            AttributeKind::Text => ScalarAttributeType::S,
            AttributeKind::Number => ScalarAttributeType::N,
            AttributeKind::Binary => ScalarAttributeType::B,
        };
        let definition = AttributeDefinition::builder().attribute_name(&attribute.name);
        request = request.attribute_definitions(definition.attribute_type(kind).build()?);
    }
    for index in &table.indexes {
        let key = key_schema(&index.key)?;
        let projection = projection(index);
        if index.is_local {
            let index = LocalSecondaryIndex::builder().index_name(&index.name);
            let index = index.set_key_schema(Some(key)).projection(projection);
            request = request.local_secondary_indexes(index.build()?);
        } else {
            let index = GlobalSecondaryIndex::builder().index_name(&index.name);
            let index = index.set_key_schema(Some(key)).projection(projection);
            request = request.global_secondary_indexes(index.build()?);
        }
    }
    Ok(request)
}

fn key_schema(key: &[TableAttribute]) -> Result<Vec<KeySchemaElement>, BuildError> {
    let kinds = [KeyType::Hash, KeyType::Range];
    let elements = key.iter().zip(kinds).map(|(attribute, kind)| {
        let element = KeySchemaElement::builder().attribute_name(&attribute.name);
        element.key_type(kind).build()
    });
    elements.collect()
}

fn projection(index: &TableIndex) -> Projection {
    let projection = Projection::builder();
    let projection = match &index.projection {
        IndexProjection::All => projection.projection_type(ProjectionType::All),
        IndexProjection::KeysOnly => projection.projection_type(ProjectionType::KeysOnly),
        IndexProjection::Include(names) => projection
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(names.clone())),
    };
    projection.build()
}

/// Creates a delivery stream, unless an earlier run has. `source_arn` is that of the Kinesis stream
/// that it reads.
pub(super) async fn create_stack_delivery(
    firehose: &Firehose,
    delivery: &DeliveryResource,
    source_arn: Option<String>,
) -> Result<(), StartError> {
    let source = match source_arn {
        Some(stream_arn) => DeliverySource::Kinesis { stream_arn },
        None => DeliverySource::DirectPut,
    };
    let prefix = delivery.prefix.as_deref().map(ObjectPrefix::parse);
    let prefix = prefix
        .transpose()
        .map_err(|error| failed(&delivery.name, error))?;
    let compression = match delivery.compression.as_str() {
        "GZIP" => Compression::Gzip,
        _ => Compression::Uncompressed,
    };
    let settings = DeliverySettings {
        source: source.clone(),
        buffering: BufferingHints {
            bytes: u64::from(delivery.buffering_mib) << 20,
            interval: Duration::from_secs(delivery.buffering_seconds.into()),
        },
        destination: ObjectDestination {
            compression,
            prefix,
            delimiter: delivery.delimiter.clone(),
            ..ObjectDestination::default()
        },
        tags: DeliveryTags::new(),
    };
    match firehose.create_with(&delivery.name, settings).await {
        Err(FirehoseError::AlreadyExists { .. })
            if firehose.describe(&delivery.name)?.settings.source == source =>
        {
            Ok(())
        }
        created => Ok(created?),
    }
}
