//! Conversions to and from the types of `aws_lambda_events`.

use std::collections::{BTreeMap, HashMap};

use aws_lambda_events::encodings::SecondTimestamp;
use aws_lambda_events::event::kinesis::{
    KinesisEvent, KinesisEventRecord, KinesisRecord, KinesisTimeWindowEvent,
    KinesisTimeWindowEventResponse,
};
use aws_lambda_events::event::streams::KinesisEventResponse;
use aws_lambda_events::time_window::TimeWindowProperties;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use windrow_core::time::Timestamp;
use windrow_core::window::Window;

use crate::{BadBase64, Event, EventRecord, Response};

/// What a type of `aws_lambda_events` cannot hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// A record's data is not base64. `aws_lambda_events` has no place for it.
    #[error("record {sequence_number} cannot be converted")]
    Data {
        /// The record's sequence number.
        sequence_number: String,
        /// The text as received.
        #[source]
        source: BadBase64,
    },
    /// `KinesisEvent` has no window, and a function that does not see its window cannot return a
    /// state. Convert the event to `KinesisTimeWindowEvent`.
    #[error("the event has a tumbling window, which a KinesisEvent cannot hold")]
    Window,
    /// `KinesisTimeWindowEvent` needs a window. Convert the event to `KinesisEvent`.
    #[error("the event has no tumbling window, which a KinesisTimeWindowEvent needs")]
    NoWindow,
    /// A bound of the window is beyond the dates that `aws_lambda_events` can hold.
    #[error("a window cannot start or end {0} ms after the epoch")]
    WindowBound(i64),
    /// The state is not a map of strings to strings, which is all that `aws_lambda_events` can
    /// hold. AWS allows any JSON.
    #[error("the window's state is not a map of strings")]
    State(#[source] serde_json::Error),
    /// `KinesisEventResponse` has no state.
    #[error("the response has a state, which a KinesisEventResponse cannot hold")]
    UnexpectedState,
    /// A response to an event with a window needs a state; without one, the invocation fails.
    #[error("the response has no state, which a KinesisTimeWindowEventResponse needs")]
    NoState,
    /// `KinesisTimeWindowEventResponse` has no failed records.
    #[error(
        "the response has batch item failures, which a KinesisTimeWindowEventResponse cannot hold"
    )]
    BatchItemFailures,
}

/// Keeps what an [`Event`] has: the records' keys, numbers, arrival times and data, and the first
/// record's `eventID` and `eventSourceARN`. Arrival times are rounded down to milliseconds.
impl From<KinesisEvent> for Event {
    fn from(event: KinesisEvent) -> Self {
        let mut converted = Event::default();
        if let Some(first) = event.records.first() {
            let (event_id, arn) = (first.event_id.clone(), first.event_source_arn.clone());
            converted.batch.set_first(event_id, arn);
        }
        for KinesisEventRecord { kinesis, .. } in &event.records {
            converted.batch.push_decoded(
                &kinesis.partition_key,
                &kinesis.sequence_number,
                kinesis.approximate_arrival_timestamp.timestamp_millis(),
                &kinesis.data,
            );
        }
        converted
    }
}

/// Like the conversion of a `KinesisEvent`, with the window, its state and its flags. An empty state
/// is `None`, as if it were decoded. The window's bounds are rounded down to milliseconds.
impl From<KinesisTimeWindowEvent> for Event {
    fn from(event: KinesisTimeWindowEvent) -> Self {
        let fields = event.time_window_properties;
        Self {
            window: Some(Window {
                start: fields.window.start.timestamp_millis(),
                end: fields.window.end.timestamp_millis(),
            }),
            state: if fields.state.is_empty() {
                None
            } else {
                state_json(&fields.state)
            },
            shard_id: fields.shard_id,
            event_source_arn: fields.event_source_arn,
            is_final_invoke_for_window: fields.is_final_invoke_for_window,
            is_window_terminated_early: fields.is_window_terminated_early,
            ..Self::from(event.kinesis_event)
        }
    }
}

/// Fills in what Lambda writes the same in every record, and the `eventID`, region and ARN if the
/// event has them. `invokeIdentityArn` is `None` and the encryption type is the default, because an
/// [`Event`] does not keep them.
///
/// # Errors
/// [`ConversionError`] if the event has a window, or a record whose data is not base64.
impl TryFrom<&Event> for KinesisEvent {
    type Error = ConversionError;

    fn try_from(event: &Event) -> Result<Self, ConversionError> {
        if event.window.is_some() {
            return Err(ConversionError::Window);
        }
        records(event)
    }
}

/// Like the conversion to a `KinesisEvent`, with the window, its state and its flags.
///
/// # Errors
/// [`ConversionError`] if the event has no window, or one beyond the dates of `chrono`; if its state
/// is not a map of strings; or if a record's data is not base64.
impl TryFrom<&Event> for KinesisTimeWindowEvent {
    type Error = ConversionError;

    fn try_from(event: &Event) -> Result<Self, ConversionError> {
        let window = event.window.ok_or(ConversionError::NoWindow)?;
        let mut fields = TimeWindowProperties::default();
        fields.window.start = bound(window.start)?;
        fields.window.end = bound(window.end)?;
        if let Some(state) = &event.state {
            fields.state = state_map(state)?;
        }
        fields.shard_id.clone_from(&event.shard_id);
        fields.event_source_arn.clone_from(&event.event_source_arn);
        fields.is_final_invoke_for_window = event.is_final_invoke_for_window;
        fields.is_window_terminated_early = event.is_window_terminated_early;

        let mut converted = Self::default();
        converted.kinesis_event = records(event)?;
        converted.time_window_properties = fields;
        Ok(converted)
    }
}

/// An identifier that is missing becomes an empty one. For Lambda, both mean that the whole batch
/// failed.
impl From<KinesisEventResponse> for Response {
    fn from(response: KinesisEventResponse) -> Self {
        let failures = response.batch_item_failures.into_iter();
        Response::with_failures(failures.map(|failure| failure.item_identifier.unwrap_or_default()))
    }
}

/// The state is kept if it is empty, too: a response without one fails the invocation.
impl From<KinesisTimeWindowEventResponse> for Response {
    fn from(response: KinesisTimeWindowEventResponse) -> Self {
        let state = response.time_window_event_response_properties.state;
        Self {
            state: state_json(&state),
            ..Self::default()
        }
    }
}

/// # Errors
/// [`ConversionError`] if the response has a state.
impl TryFrom<Response> for KinesisEventResponse {
    type Error = ConversionError;

    fn try_from(response: Response) -> Result<Self, ConversionError> {
        if response.state.is_some() {
            return Err(ConversionError::UnexpectedState);
        }
        let mut converted = Self::default();
        converted.set_failures(response.batch_item_failures);
        Ok(converted)
    }
}

/// # Errors
/// [`ConversionError`] if the response has no state, or one that is not a map of strings, or has
/// failed records.
impl TryFrom<Response> for KinesisTimeWindowEventResponse {
    type Error = ConversionError;

    fn try_from(response: Response) -> Result<Self, ConversionError> {
        if !response.batch_item_failures.is_empty() {
            return Err(ConversionError::BatchItemFailures);
        }
        let state = response.state.ok_or(ConversionError::NoState)?;
        let mut converted = Self::default();
        converted.time_window_event_response_properties.state = state_map(&state)?;
        Ok(converted)
    }
}

/// The records of the event, without its window.
fn records(event: &Event) -> Result<KinesisEvent, ConversionError> {
    let arn = event.event_source_arn.as_deref();
    let arn = arn.or(event.batch.first_source_arn());
    let region = arn.and_then(|arn| arn.split(':').nth(3));
    let mut converted = KinesisEvent::default();
    for record in event.records() {
        let mut envelope = KinesisEventRecord::default();
        envelope.aws_region = region.map(str::to_owned);
        envelope.event_id = event
            .shard()
            .map(|shard| format!("{shard}:{}", record.sequence_number));
        envelope.event_name = Some("aws:kinesis:record".to_owned());
        envelope.event_source = Some("aws:kinesis".to_owned());
        envelope.event_source_arn = arn.map(str::to_owned);
        envelope.event_version = Some("1.0".to_owned());
        envelope.kinesis = kinesis(record)?;
        converted.records.push(envelope);
    }
    Ok(converted)
}

fn kinesis(record: EventRecord<'_>) -> Result<KinesisRecord, ConversionError> {
    let data = record.data.map_err(|bad| ConversionError::Data {
        sequence_number: record.sequence_number.to_owned(),
        source: bad.clone(),
    })?;
    let mut converted = KinesisRecord::default();
    converted.approximate_arrival_timestamp = SecondTimestamp(date(record.arrival));
    converted.data.0 = data.to_vec();
    converted.partition_key = record.partition_key.to_owned();
    converted.sequence_number = record.sequence_number.to_owned();
    converted.kinesis_schema_version = Some("1.0".to_owned());
    Ok(converted)
}

/// The moment as a date of `chrono`, which has all years of a [`Timestamp`].
fn date(time: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(time.millis()).unwrap_or_default()
}

fn bound(millis: i64) -> Result<DateTime<Utc>, ConversionError> {
    DateTime::from_timestamp_millis(millis).ok_or(ConversionError::WindowBound(millis))
}

fn state_map(state: &RawValue) -> Result<HashMap<String, String>, ConversionError> {
    serde_json::from_str(state.get()).map_err(ConversionError::State)
}

/// The state as JSON, in the order of its keys. A map of strings can always be written, so it is
/// never `None`.
fn state_json(state: &HashMap<String, String>) -> Option<Box<RawValue>> {
    let ordered: BTreeMap<&String, &String> = state.iter().collect();
    serde_json::value::to_raw_value(&ordered).ok()
}
