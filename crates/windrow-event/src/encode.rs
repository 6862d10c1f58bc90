//! Encodes events as Lambda does, for a local event source mapping or a test.

use std::io::{self, Write};

use serde_json::value::RawValue;
use windrow_core::time::Timestamp;
use windrow_core::window::Window;

use crate::{quoted, time};

/// Where the records of an event come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSource<'a> {
    /// The stream's ARN. Its account is used in `invokeIdentityArn` as well.
    pub stream_arn: &'a str,
    /// The region, such as `us-east-1`.
    pub region: &'a str,
    /// The id of the shard.
    pub shard_id: &'a str,
}

/// A record to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordData<'a> {
    /// The partition key that the producer set.
    pub partition_key: &'a str,
    /// The record's sequence number.
    pub sequence_number: &'a str,
    /// When Kinesis received the record. Lambda's JSON has it to the millisecond.
    pub arrival: Timestamp,
    /// The data that the producer sent.
    pub data: &'a [u8],
}

/// The fields of an event with a tumbling window.
#[derive(Clone, Copy, Debug)]
pub struct WindowFields<'a> {
    /// The window itself, in milliseconds since the Unix epoch. Its bounds are clamped to the years
    /// -9999 to 9999.
    pub window: Window,
    /// The state that the previous invocation returned. `None`, written as `{}`, for the first
    /// invocation.
    pub state: Option<&'a RawValue>,
    /// Whether this is the window's last invocation.
    pub is_final: bool,
    /// Whether the window closes early, since its state grew too large.
    pub is_terminated_early: bool,
}

/// Encodes an event as Lambda's JSON, with the same fields in the same order.
///
/// Without a window the event is `Records` alone, so only each record's `eventID` names the shard.
/// The role in `invokeIdentityArn` is `lambda-kinesis-role`, as in the Lambda developer guide.
#[must_use]
pub fn encode(
    source: &EventSource<'_>,
    records: &[RecordData<'_>],
    window: Option<&WindowFields<'_>>,
) -> Vec<u8> {
    let mut tail = Vec::new();
    in_memory(write_tail(&mut tail, source));
    let mut json = b"{\"Records\":[".to_vec();
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        in_memory(write_before_data(&mut json, record));
        // The encoder reserves exactly what it needs, so it would move the whole event for every
        // record. `reserve` grows it by more.
        json.reserve(base64_simd::STANDARD.encoded_length(record.data.len()));
        base64_simd::STANDARD.encode_append(record.data, &mut json);
        in_memory(write_after_data(&mut json, source, record));
        json.extend_from_slice(&tail);
    }
    json.push(b']');
    if let Some(fields) = window {
        push_window(&mut json, source, fields);
    }
    json.push(b'}');
    json
}

/// How many bytes a record adds to an event, including the comma after it.
///
/// The sum of these and the length of the event without records, `encode(source, &[],
/// window).len()`, is one byte more than the length of the event (equal if there are no records). A
/// poller can therefore keep a payload under Lambda's 6 MB without encoding it first.
#[must_use]
pub fn encoded_len(source: &EventSource<'_>, record: &RecordData<'_>) -> usize {
    let mut counted = Counted(0);
    in_memory(write_before_data(&mut counted, record));
    in_memory(write_after_data(&mut counted, source, record));
    in_memory(write_tail(&mut counted, source));
    counted.0 + base64_simd::STANDARD.encoded_length(record.data.len()) + 1
}

/// Counts what is written, and drops it.
struct Counted(usize);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Drops the result of writing into memory, which does not fail.
fn in_memory(_written: io::Result<()>) {}

/// Writes a record up to its data.
fn write_before_data(out: &mut impl Write, record: &RecordData<'_>) -> io::Result<()> {
    out.write_all(br#"{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"#)?;
    serde_json::to_writer(&mut *out, record.partition_key)?;
    out.write_all(br#","sequenceNumber":"#)?;
    serde_json::to_writer(&mut *out, record.sequence_number)?;
    out.write_all(br#","data":""#)
}

/// Writes what differs between records after their data.
fn write_after_data(
    out: &mut impl Write,
    source: &EventSource<'_>,
    record: &RecordData<'_>,
) -> io::Result<()> {
    out.write_all(br#"","approximateArrivalTimestamp":"#)?;
    time::write_seconds(out, record.arrival.millis())?;
    out.write_all(br#"},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"#)?;
    let id = format_args!("{}:{}", source.shard_id, record.sequence_number);
    Ok(serde_json::to_writer(out, &id)?)
}

/// Writes the end of every record.
fn write_tail(out: &mut impl Write, source: &EventSource<'_>) -> io::Result<()> {
    let account = source.stream_arn.split(':').nth(4).unwrap_or_default();
    out.write_all(br#","eventName":"aws:kinesis:record","invokeIdentityArn":"#)?;
    let role = format_args!("arn:aws:iam::{account}:role/lambda-kinesis-role");
    serde_json::to_writer(&mut *out, &role)?;
    out.write_all(br#","awsRegion":"#)?;
    serde_json::to_writer(&mut *out, source.region)?;
    out.write_all(br#","eventSourceARN":"#)?;
    serde_json::to_writer(&mut *out, source.stream_arn)?;
    out.write_all(b"}")
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
