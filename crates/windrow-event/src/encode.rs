//! The event as Lambda writes it, for whatever stands in for Lambda.

use serde_json::value::RawValue;

use crate::window::EventWindow;
use crate::{quoted, time};

/// Where the records of an event come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSource<'a> {
    /// The stream's ARN, whose account also becomes that of `invokeIdentityArn`.
    pub stream_arn: &'a str,
    /// The region, such as `us-east-1`.
    pub region: &'a str,
    /// The id of the shard.
    pub shard_id: &'a str,
}

/// A record to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordData<'a> {
    /// What the producer grouped the record by.
    pub partition_key: &'a str,
    /// The record's place in its shard.
    pub sequence_number: &'a str,
    /// When Kinesis took the record, in milliseconds since the epoch.
    pub arrival: i64,
    /// What the producer sent.
    pub data: &'a [u8],
}

/// What an event says about its tumbling window.
#[derive(Clone, Copy, Debug)]
pub struct WindowFields<'a> {
    /// The window itself.
    pub window: EventWindow,
    /// What its previous invocation answered. `None` in its first, and is written as `{}`.
    pub state: Option<&'a RawValue>,
    /// Whether the window closes with this invocation.
    pub is_final: bool,
    /// Whether it closes ahead of its time, since its state grew too large.
    pub is_terminated_early: bool,
}

/// The event as Lambda's JSON, with the same fields in the same order.
///
/// Without a window it is `Records` alone, and so names its shard in each record's `eventID` only.
/// The role in `invokeIdentityArn` is `lambda-kinesis-role`, as in the Lambda developer guide.
#[must_use]
pub fn encode(
    source: &EventSource<'_>,
    records: &[RecordData<'_>],
    window: Option<&WindowFields<'_>>,
) -> Vec<u8> {
    let mut json = b"{\"Records\":[".to_vec();
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        push_record(&mut json, source, record);
    }
    json.push(b']');
    if let Some(fields) = window {
        push_window(&mut json, source, fields);
    }
    json.push(b'}');
    json
}

/// How many bytes a record adds to an event, the comma to the next one included.
///
/// These and the length of the event without records, `encode(source, &[], window).len()`, add up to
/// one byte more than the event takes (none more without records). So a poller can keep a payload
/// under Lambda's 6 MB without encoding it to find out.
#[must_use]
pub fn encoded_len(source: &EventSource<'_>, record: &RecordData<'_>) -> usize {
    let mut json = Vec::new();
    push_record(
        &mut json,
        source,
        &RecordData {
            data: &[],
            ..*record
        },
    );
    json.len() + base64_simd::STANDARD.encoded_length(record.data.len()) + 1
}

fn push_record(json: &mut Vec<u8>, source: &EventSource<'_>, record: &RecordData<'_>) {
    let before_data = format!(
        r#"{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":{},"sequenceNumber":{},"data":""#,
        quoted(record.partition_key),
        quoted(record.sequence_number),
    );
    let account = source.stream_arn.split(':').nth(4).unwrap_or_default();
    let after_data = format!(
        concat!(
            r#"","approximateArrivalTimestamp":{}}},"eventSource":"aws:kinesis","eventVersion":"1.0","#,
            r#""eventID":{},"eventName":"aws:kinesis:record","invokeIdentityArn":{},"#,
            r#""awsRegion":{},"eventSourceARN":{}}}"#,
        ),
        time::seconds(record.arrival),
        quoted(&format!("{}:{}", source.shard_id, record.sequence_number)),
        quoted(&format!("arn:aws:iam::{account}:role/lambda-kinesis-role")),
        quoted(source.region),
        quoted(source.stream_arn),
    );
    json.extend_from_slice(before_data.as_bytes());
    // The encoder reserves exactly what it needs, which for every record alone would mean to move
    // the whole event each time.
    json.reserve(base64_simd::STANDARD.encoded_length(record.data.len()) + after_data.len());
    base64_simd::STANDARD.encode_append(record.data, json);
    json.extend_from_slice(after_data.as_bytes());
}

fn push_window(json: &mut Vec<u8>, source: &EventSource<'_>, fields: &WindowFields<'_>) {
    let fields = format!(
        concat!(
            r#","window":{{"start":"{}","end":"{}"}},"state":{},"shardId":{},"eventSourceARN":{},"#,
            r#""isFinalInvokeForWindow":{},"isWindowTerminatedEarly":{}"#,
        ),
        time::rfc3339(fields.window.start),
        time::rfc3339(fields.window.end),
        fields.state.map_or("{}", RawValue::get),
        quoted(source.shard_id),
        quoted(source.stream_arn),
        fields.is_final,
        fields.is_terminated_early,
    );
    json.extend_from_slice(fields.as_bytes());
}
