//! The Firehose protocol: JSON in, JSON out.

mod create;
mod describe;
mod tags;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{DeliverySource, Firehose, FirehoseError};
use crate::service_error::error_response;

/// The service's quotas. Source: Firehose Developer Guide, "Amazon Data Firehose Quota".
const MAX_BATCH_RECORDS: usize = 500;
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;
const MAX_RECORD_BYTES: usize = 1_000 * 1024;

/// The default page size of `ListDeliveryStreams`, and the largest.
const LIST_LIMIT: usize = 10;
const MAX_LIST_LIMIT: usize = 10_000;

/// Handles one call.
pub(crate) async fn call(firehose: &Firehose, operation: &str, body: &[u8]) -> Response {
    let outcome = match operation {
        "CreateDeliveryStream" => create::create(firehose, body).await,
        "DescribeDeliveryStream" => describe::describe(firehose, body),
        "ListTagsForDeliveryStream" => tags::list(firehose, body),
        "TagDeliveryStream" => tags::tag(firehose, body).await,
        "UntagDeliveryStream" => tags::untag(firehose, body).await,
        "ListDeliveryStreams" => list(firehose, body),
        "DeleteDeliveryStream" => delete(firehose, body).await,
        "PutRecord" => put_record(firehose, body).await,
        "PutRecordBatch" => put_record_batch(firehose, body).await,
        _ => Err(CallError::UnknownOperation(operation.to_owned())),
    };
    match outcome {
        Ok(output) => {
            let mut response = Body::from(output.to_string()).into_response();
            let content_type = HeaderValue::from_static("application/x-amz-json-1.1");
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, content_type);
            response
        }
        Err(error) => {
            let (status, kind) = error.kind();
            error_response(status, kind, &error.to_string())
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("the local Firehose does not support the operation {0}")]
    UnknownOperation(String),
    #[error("{0}")]
    Malformed(serde_json::Error),
    #[error(transparent)]
    Firehose(#[from] FirehoseError),
}

impl CallError {
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::UnknownOperation(_) => (StatusCode::BAD_REQUEST, "UnknownOperationException"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "SerializationException"),
            Self::Firehose(FirehoseError::NotFound { .. }) => {
                (StatusCode::BAD_REQUEST, "ResourceNotFoundException")
            }
            Self::Firehose(FirehoseError::AlreadyExists { .. }) => {
                (StatusCode::BAD_REQUEST, "ResourceInUseException")
            }
            Self::Firehose(FirehoseError::Invalid { .. }) => {
                (StatusCode::BAD_REQUEST, "InvalidArgumentException")
            }
            Self::Firehose(FirehoseError::LimitExceeded { .. }) => {
                (StatusCode::BAD_REQUEST, "LimitExceededException")
            }
            Self::Firehose(
                FirehoseError::Unavailable { .. } | FirehoseError::Unreadable { .. },
            ) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailableException",
            ),
        }
    }
}

fn invalid(message: impl Into<String>) -> CallError {
    CallError::Firehose(FirehoseError::Invalid {
        message: message.into(),
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(CallError::Malformed)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NameInput {
    delivery_stream_name: String,
}

fn type_of(source: &DeliverySource) -> &'static str {
    match source {
        DeliverySource::DirectPut => "DirectPut",
        DeliverySource::Kinesis { .. } => "KinesisStreamAsSource",
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    limit: Option<usize>,
    delivery_stream_type: Option<String>,
    exclusive_start_delivery_stream_name: Option<String>,
}

fn list(firehose: &Firehose, body: &[u8]) -> Result<Value, CallError> {
    let input: ListInput = parse(body)?;
    let limit = input.limit.unwrap_or(LIST_LIMIT);
    if !(1..=MAX_LIST_LIMIT).contains(&limit) {
        return Err(invalid(format!("Limit must be 1 to {MAX_LIST_LIMIT}")));
    }
    let after = input
        .exclusive_start_delivery_stream_name
        .unwrap_or_default();
    let mut names: Vec<String> = firehose
        .list()
        .into_iter()
        .filter(|stream| {
            input
                .delivery_stream_type
                .as_deref()
                .is_none_or(|kind| kind == type_of(&stream.settings.source))
        })
        .map(|stream| stream.name)
        .filter(|name| *name > after)
        .collect();
    let has_more = names.len() > limit;
    names.truncate(limit);
    Ok(json!({ "DeliveryStreamNames": names, "HasMoreDeliveryStreams": has_more }))
}

async fn delete(firehose: &Firehose, body: &[u8]) -> Result<Value, CallError> {
    let input: NameInput = parse(body)?;
    firehose.delete(&input.delivery_stream_name).await?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutInput {
    delivery_stream_name: String,
    record: FirehoseRecord,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutBatchInput {
    delivery_stream_name: String,
    records: Vec<FirehoseRecord>,
}

#[derive(Deserialize)]
struct FirehoseRecord {
    #[serde(rename = "Data", deserialize_with = "base64")]
    data: Vec<u8>,
}

fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    base64_simd::STANDARD
        .decode_to_vec(text)
        .map_err(|_| D::Error::custom("Data is not base64"))
}

async fn put_record(firehose: &Firehose, body: &[u8]) -> Result<Value, CallError> {
    let input: PutInput = parse(body)?;
    let ids = put(firehose, &input.delivery_stream_name, vec![input.record]).await?;
    Ok(json!({ "RecordId": ids.first(), "Encrypted": false }))
}

async fn put_record_batch(firehose: &Firehose, body: &[u8]) -> Result<Value, CallError> {
    let input: PutBatchInput = parse(body)?;
    let ids = put(firehose, &input.delivery_stream_name, input.records).await?;
    let responses: Vec<Value> = ids
        .into_iter()
        .map(|id| json!({ "RecordId": id }))
        .collect();
    Ok(json!({ "FailedPutCount": 0, "Encrypted": false, "RequestResponses": responses }))
}

/// Puts all or none of the records, and returns an id for each.
async fn put(
    firehose: &Firehose,
    name: &str,
    records: Vec<FirehoseRecord>,
) -> Result<Vec<String>, CallError> {
    let settings = firehose.describe(name)?.settings;
    if settings.source != DeliverySource::DirectPut {
        return Err(invalid(format!(
            "delivery stream {name} takes its records from a Kinesis stream"
        )));
    }
    if !(1..=MAX_BATCH_RECORDS).contains(&records.len()) {
        return Err(invalid(format!(
            "a batch must have 1 to {MAX_BATCH_RECORDS} records"
        )));
    }
    if records
        .iter()
        .any(|record| record.data.len() > MAX_RECORD_BYTES)
    {
        return Err(invalid(format!(
            "a record must have at most {MAX_RECORD_BYTES} bytes"
        )));
    }
    let total: usize = records.iter().map(|record| record.data.len()).sum();
    if total > MAX_BATCH_BYTES {
        return Err(invalid(format!(
            "a batch must have at most {MAX_BATCH_BYTES} bytes"
        )));
    }

    let mut joined = Vec::with_capacity(total);
    let delimiter = settings.destination.delimiter.unwrap_or_default();
    for record in &records {
        joined.extend_from_slice(&record.data);
        joined.extend_from_slice(delimiter.as_bytes());
    }
    firehose
        .put(name, joined, Timestamp::now().as_millisecond())
        .await?;

    let call = Uuid::new_v4().simple().to_string();
    Ok((0..records.len())
        .map(|index| format!("{call}{index:04}"))
        .collect())
}
