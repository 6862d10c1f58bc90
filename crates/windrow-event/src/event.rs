//! The event as a whole.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::error::Category;
use serde_json::value::RawValue;
use windrow_core::window::Window;

use crate::batch::{EventRecord, RecordBatch};
use crate::layout;
use crate::window;

/// A batch of records of one shard, as Lambda passes it to a function.
///
/// Without a tumbling window the event consists of records only; the public fields are then `None`
/// and `false`.
///
/// `Deserialize` works only with the deserializers of `serde_json` (for a slice, a reader or a
/// `Value`, also wrapped): it takes the event as raw JSON, which must be UTF-8, and passes it to
/// [`from_json`](Event::from_json).
///
/// The JSON is described in the Lambda developer guide under "Implementing stateful Kinesis Data
/// Streams processing in Lambda".
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// The tumbling window that all records of the batch arrived in, in milliseconds since the Unix
    /// epoch.
    pub window: Option<Window>,
    /// The state that the window's previous invocation returned.
    ///
    /// `None` if there is no window, or if this is its first invocation. Lambda then sends the
    /// state `{}`, so an empty object is `None` as well.
    pub state: Option<Box<RawValue>>,
    /// The event's own `shardId`; see [`shard`](Event::shard).
    pub shard_id: Option<String>,
    /// The event's own `eventSourceARN`; see [`stream`](Event::stream).
    pub event_source_arn: Option<String>,
    /// Whether this is the window's last invocation. It may still have records.
    pub is_final_invoke_for_window: bool,
    /// Whether Lambda closes the window early, since its state grew too large.
    pub is_window_terminated_early: bool,
    pub(crate) batch: RecordBatch,
}

impl Event {
    /// Decodes Lambda's JSON.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the bytes are not JSON, or not a Kinesis event: without `Records`, or with a record that
    /// lacks its `sequenceNumber`, `partitionKey` or `data`. Invalid base64 is not an error here;
    /// it is returned as that record's [`data`](EventRecord::data).
    pub fn from_json(json: &[u8]) -> Result<Event, DecodeError> {
        if let Some(event) = decode_by_layout(json) {
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

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether there are no records, as in the last invocation of an idle window.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the stream, from the event's ARN or else the first record's.
    ///
    /// `None` if neither is the ARN of a stream.
    #[must_use]
    pub fn stream(&self) -> Option<&str> {
        let (_, name) = self.stream_arn()?.rsplit_once('/')?;
        Some(name)
    }

    /// The ARN of the stream, from the event or else from the first record. It tells streams of
    /// the same name in other regions and accounts apart.
    ///
    /// `None` if neither is the ARN of a stream.
    #[must_use]
    pub fn stream_arn(&self) -> Option<&str> {
        let arns = [
            self.event_source_arn.as_deref(),
            self.batch.first_source_arn(),
        ];
        arns.into_iter().flatten().find_map(stream_arn)
    }

    /// The id of the shard: the event's own, or else the part of the first record's `eventID`
    /// before the colon, which is the only place where an event without a window has it.
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
/// These errors are permanent: a retry with the same bytes fails again. The message includes that
/// of the JSON parser, with line, column and missing field, so there is no `source`.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The payload is not JSON, or is truncated.
    #[error("the payload is not JSON: {0}")]
    NotJson(serde_json::Error),
    /// The payload is JSON, but not a Kinesis event.
    #[error("the payload is not a Kinesis event: {0}")]
    NotAnEvent(serde_json::Error),
}

/// The JSON form of an event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventJson {
    #[serde(default, deserialize_with = "window::read")]
    window: Option<Window>,
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

/// Decodes an event that starts with its records, as Lambda's do: the records by their layout, and
/// the rest as JSON.
fn decode_by_layout(json: &[u8]) -> Option<Event> {
    let (batch, rest) = layout::leading_records(json)?;
    let mut without_records = br#"{"Records":[]"#.to_vec();
    without_records.extend_from_slice(rest);
    let event: EventJson = serde_json::from_slice(&without_records).ok()?;
    Some(Event {
        batch,
        ..Event::from(event)
    })
}

/// The part `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME` of an ARN. In that of a consumer with
/// enhanced fan-out, `/consumer/...` follows it.
fn stream_arn(arn: &str) -> Option<&str> {
    let (start, resource) = arn.split_once(":stream/")?;
    let name = resource.split('/').next().filter(|name| !name.is_empty())?;
    arn.get(..start.len() + ":stream/".len() + name.len())
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
mod layout_matches_json;

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
    fn missing_fields_are_named() {
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
            "`window` has an invalid time \"noon\"",
        );
    }

    /// Lambda's runtime reports the same error for a payload as `from_json`.
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
    fn invalid_json_is_a_separate_error() {
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
    fn an_empty_state_is_none() {
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
        let plain = "arn:aws:kinesis:us-east-1:123456789012:stream/lambda-stream";
        assert_eq!(stream_arn(plain), Some(plain));
        let consumer = "arn:aws-cn:kinesis:cn-north-1:1:stream/s/consumer/c:1613";
        assert_eq!(
            stream_arn(consumer),
            Some("arn:aws-cn:kinesis:cn-north-1:1:stream/s")
        );
        for other in [
            "arn:aws:sqs:us-east-1:123456789012:queue",
            "arn:aws:kinesis:us-east-1:123456789012:stream/",
        ] {
            assert_eq!(stream_arn(other), None);
        }

        let record = r#"{"kinesis":{"partitionKey":"","sequenceNumber":"","data":""},
            "eventSourceARN":"arn:aws:kinesis:us-east-1:1:stream/of-the-record"}"#;
        let json = format!(r#"{{"Records":[{record}],"eventSourceARN":"nonsense"}}"#);
        let event = Event::from_json(json.as_bytes()).unwrap();
        assert_eq!(event.stream(), Some("of-the-record"));
    }
}
