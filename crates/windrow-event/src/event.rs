//! The event as a whole.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::batch::{EventRecord, RecordBatch};
use crate::layout;
use crate::window::EventWindow;

/// A batch of records of one shard, as Lambda hands it to a function.
///
/// Without a tumbling window only the records and what they say about themselves are there; the
/// public fields are then `None` and `false`.
///
/// Its `Deserialize` takes any of `serde_json`'s deserializers (a slice, a reader, a `Value`), also
/// wrapped, and no others: the whole is taken as JSON, which must be UTF-8, and then read by
/// [`from_json`](Event::from_json).
///
/// The JSON is described in the Lambda developer guide under "Implementing stateful Kinesis Data
/// Streams processing in Lambda".
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// The tumbling window that all records of the batch arrived in.
    pub window: Option<EventWindow>,
    /// What the window's previous invocation answered as its state.
    ///
    /// `None` if there is nothing to carry on from: no window, or its first invocation, which
    /// Lambda gives the state `{}`. An object without members is therefore `None` as well.
    pub state: Option<Box<RawValue>>,
    /// The shard, as the event itself names it; see [`shard`](Event::shard).
    pub shard_id: Option<String>,
    /// The stream, as the event itself names it; see [`stream`](Event::stream).
    pub event_source_arn: Option<String>,
    /// Whether the window closes with this invocation. It may carry records all the same.
    pub is_final_invoke_for_window: bool,
    /// Whether Lambda closes the window ahead of its time, since its state grew too large.
    pub is_window_terminated_early: bool,
    batch: RecordBatch,
}

impl Event {
    /// Decodes Lambda's JSON.
    ///
    /// # Errors
    ///
    /// If the bytes are not JSON or not a Kinesis event, that is without `Records`, or with a record
    /// that lacks its `sequenceNumber`, `partitionKey` or `data`. Base64 that does not decode is no
    /// error here but the value of that record's [`data`](EventRecord::data).
    pub fn from_json(json: &[u8]) -> Result<Event, DecodeError> {
        if let Some(event) = by_layout(json) {
            return Ok(event);
        }
        let event = serde_json::from_slice::<EventJson>(json);
        event
            .map(Event::from)
            .map_err(|error| match error.classify() {
                Category::Data => DecodeError::NotAnEvent(error),
                Category::Syntax | Category::Eof | Category::Io => DecodeError::NotJson(error),
            })
    }

    /// The records in the order of the batch.
    pub fn records(&self) -> impl ExactSizeIterator<Item = EventRecord<'_>> {
        self.batch.records()
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether there are no records, as in the last invocation of a window that has been idle.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the stream, out of the event's ARN or else the first record's.
    ///
    /// `None` if neither is there or neither is the ARN of a stream.
    #[must_use]
    pub fn stream(&self) -> Option<&str> {
        let arns = [
            self.event_source_arn.as_deref(),
            self.batch.first_source_arn(),
        ];
        arns.into_iter().flatten().find_map(stream_name)
    }

    /// The id of the shard: the event's own, or else what the first record's `eventID` has before
    /// its colon, the only place where an event without a window names it.
    #[must_use]
    pub fn shard(&self) -> Option<&str> {
        if let Some(shard) = &self.shard_id {
            return Some(shard);
        }
        let (shard, _sequence_number) = self.batch.first_event_id()?.split_once(':')?;
        Some(shard)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Event::from_json(json.get().as_bytes()).map_err(|error| match error {
            DecodeError::NotJson(error) | DecodeError::NotAnEvent(error) => D::Error::custom(error),
        })
    }
}

/// Why a payload is not an [`Event`].
///
/// Either way the same bytes will fail again, so there is no point in a retry. The message already
/// holds that of the JSON parser, with its line and column and the name of what is missing; so it is
/// not a `source` as well.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The payload is not JSON, or it is cut off.
    #[error("the payload is not JSON: {0}")]
    NotJson(serde_json::Error),
    /// The payload is JSON of another shape.
    #[error("the payload is not a Kinesis event: {0}")]
    NotAnEvent(serde_json::Error),
}

/// An event as it stands in the JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventJson {
    #[serde(default)]
    window: Option<EventWindow>,
    #[serde(default, deserialize_with = "carried_state")]
    state: Option<Box<RawValue>>,
    #[serde(default)]
    shard_id: Option<String>,
    #[serde(default, rename = "eventSourceARN")]
    event_source_arn: Option<String>,
    #[serde(default, deserialize_with = "null_is_false")]
    is_final_invoke_for_window: bool,
    #[serde(default, deserialize_with = "null_is_false")]
    is_window_terminated_early: bool,
    #[serde(rename = "Records")]
    batch: RecordBatch,
}

impl From<EventJson> for Event {
    fn from(json: EventJson) -> Self {
        Self {
            window: json.window,
            state: json.state,
            shard_id: json.shard_id,
            event_source_arn: json.event_source_arn,
            is_final_invoke_for_window: json.is_final_invoke_for_window,
            is_window_terminated_early: json.is_window_terminated_early,
            batch: json.batch,
        }
    }
}

/// The event, if it starts with its records as Lambda's do: they are read by their layout, and what
/// follows them as JSON.
fn by_layout(json: &[u8]) -> Option<Event> {
    let (batch, rest) = layout::leading_records(json)?;
    let mut beside_the_records = br#"{"Records":[]"#.to_vec();
    beside_the_records.extend_from_slice(rest);
    let event: EventJson = serde_json::from_slice(&beside_the_records).ok()?;
    Some(Event {
        batch,
        ..Event::from(event)
    })
}

/// The name in `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`, which a consumer with enhanced fan-out
/// goes on with `/consumer/...`.
fn stream_name(arn: &str) -> Option<&str> {
    let (_, resource) = arn.split_once(":stream/")?;
    resource.split('/').next().filter(|name| !name.is_empty())
}

fn carried_state<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    let state = Option::<Box<RawValue>>::deserialize(deserializer)?;
    Ok(state.filter(|state| !is_empty_object(state.get())))
}

fn is_empty_object(json: &str) -> bool {
    let inside = json
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

fn null_is_false<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod same_as_json;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_error(json: &str, expect: &str) {
        let error = Event::from_json(json.as_bytes()).unwrap_err();
        assert!(matches!(error, DecodeError::NotAnEvent(_)), "{error:?}");
        assert!(error.to_string().contains(expect), "{error}");
    }

    #[test]
    fn what_is_missing_is_named() {
        check_error("{}", "`Records`");
        check_error(r#"{"Records":null}"#, "`Records`");
        check_error(r#"{"Records":[{}]}"#, "`kinesis`");
        check_error(r#"{"Records":[{"kinesis":null}]}"#, "`kinesis`");
        let lacking = [
            ("sequenceNumber", r#""partitionKey":"1","data":"""#),
            ("partitionKey", r#""sequenceNumber":"1","data":"""#),
            ("data", r#""sequenceNumber":"1","partitionKey":"1""#),
        ];
        for (field, rest) in lacking {
            let named = format!("`{field}`");
            check_error(
                &format!(r#"{{"Records":[{{"kinesis":{{{rest}}}}}]}}"#),
                &named,
            );
            check_error(
                &format!(r#"{{"Records":[{{"kinesis":{{{rest},"{field}":null}}}}]}}"#),
                &named,
            );
        }
        check_error(
            r#"{"Records":[],"window":{"start":"2020-12-09T07:04:00Z"}}"#,
            "`end`",
        );
        check_error(
            r#"{"Records":[],"window":{"start":"noon","end":"noon"}}"#,
            "`window` holds \"noon\"",
        );
    }

    /// What Lambda's runtime reports of a payload is what `from_json` says of it.
    #[test]
    fn errors_are_the_same_through_serde() {
        for json in [
            r#"{"Records":[{"kinesis":null}]}"#,
            "{\"Records\":[\n{\"kinesis\":{\"data\":1}}]}",
            r#"{"Records":[],"window":{"start":"noon","end":"noon"}}"#,
        ] {
            let plain = match Event::from_json(json.as_bytes()).unwrap_err() {
                DecodeError::NotAnEvent(error) => error,
                DecodeError::NotJson(error) => panic!("{error}"),
            };
            let through_serde = serde_json::from_str::<Event>(json).unwrap_err();
            assert_eq!(through_serde.to_string(), plain.to_string());
            assert_eq!(through_serde.line(), plain.line());
            assert_eq!(through_serde.column(), plain.column());
        }
    }

    #[test]
    fn what_is_not_json_is_told_apart() {
        for json in ["", "{", "nonsense", r#"{"Records":[]} {}"#] {
            let error = Event::from_json(json.as_bytes()).unwrap_err();
            assert!(
                matches!(error, DecodeError::NotJson(_)),
                "{json}: {error:?}"
            );
        }
    }

    #[test]
    fn only_the_records_are_required() {
        let event = Event::from_json(br#"{"Records":[]}"#).unwrap();
        assert!(event.is_empty());
        assert_eq!(event.stream(), None);
        assert_eq!(event.shard(), None);
        assert_eq!(event.window, None);
        assert!(event.state.is_none());
        assert!(!event.is_final_invoke_for_window && !event.is_window_terminated_early);
    }

    #[test]
    fn null_is_the_same_as_absent() {
        let event = Event::from_json(
            br#"{"Records":[],"window":null,"state":null,"shardId":null,"eventSourceARN":null,
                 "isFinalInvokeForWindow":null,"isWindowTerminatedEarly":null}"#,
        );
        let event = event.unwrap();
        assert!(event.window.is_none() && event.state.is_none());
        assert!(event.shard().is_none() && event.stream().is_none());
        assert!(!event.is_final_invoke_for_window && !event.is_window_terminated_early);
    }

    #[test]
    fn an_empty_state_is_no_state() {
        let state = |json: &str| {
            let json = format!(r#"{{"Records":[],"state":{json}}}"#);
            Event::from_json(json.as_bytes()).unwrap().state
        };
        assert!(state("{}").is_none());
        assert!(state("{ \n }").is_none());
        for kept in [
            r#"{"1":282}"#,
            "{ \"a\" : [ ] }",
            "0",
            "\"\"",
            "\"{}\"",
            "[]",
            "false",
        ] {
            assert_eq!(state(kept).unwrap().get(), kept);
        }
    }

    #[test]
    fn the_stream_is_named_by_the_event_or_by_a_record() {
        let name = stream_name("arn:aws:kinesis:us-east-1:123456789012:stream/lambda-stream");
        assert_eq!(name, Some("lambda-stream"));
        let name = stream_name("arn:aws-cn:kinesis:cn-north-1:1:stream/s/consumer/c:1613");
        assert_eq!(name, Some("s"));
        assert_eq!(
            stream_name("arn:aws:sqs:us-east-1:123456789012:queue"),
            None
        );
        assert_eq!(
            stream_name("arn:aws:kinesis:us-east-1:123456789012:stream/"),
            None
        );

        let record = r#"{"kinesis":{"partitionKey":"","sequenceNumber":"","data":""},
            "eventSourceARN":"arn:aws:kinesis:us-east-1:1:stream/of-the-record"}"#;
        let json = format!(r#"{{"Records":[{record}],"eventSourceARN":"nonsense"}}"#);
        let event = Event::from_json(json.as_bytes()).unwrap();
        assert_eq!(event.stream(), Some("of-the-record"));
    }
}
