//! Lambda's payloads: the samples of its developer guide (`plain.json` and `window.json`) and
//! variations of them.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisTimeWindowEvent};
use windrow_event::{
    DecodeError, Event, EventSource, RecordData, Response, Timestamp, Window, WindowFields, encode,
};

const FIRST: &str = "49590338271490256608559692538361571095921575989136588898";
const HELLO: &[u8] = b"Hello, this is a test.";
const WINDOW: Window = Window {
    start: 1_607_497_440_000,
    end: 1_607_497_560_000,
};

const PLAIN: &[u8] = include_bytes!("golden/plain.json");
const WINDOWED: &[u8] = include_bytes!("golden/window.json");
const WINDOW_MISSING_FLAGS: &[u8] = include_bytes!("golden/window-missing-flags.json");
const WINDOW_NULL_STATE: &[u8] = include_bytes!("golden/window-null-state.json");
const WINDOW_EMPTY_STATE: &[u8] = include_bytes!("golden/window-empty-state.json");
const WINDOW_FINAL_EMPTY: &[u8] = include_bytes!("golden/window-final-empty.json");
const WINDOW_TERMINATED_EARLY: &[u8] = include_bytes!("golden/window-terminated-early.json");
const ARRIVAL_FORMS: &[u8] = include_bytes!("golden/arrival-forms.json");
const BAD_BASE64: &[u8] = include_bytes!("golden/bad-base64.json");
const EXTRA_FIELDS: &[u8] = include_bytes!("golden/extra-fields.json");
const NULL_ARN: &[u8] = include_bytes!("golden/null-arn.json");

/// All except the one with bad base64, which cannot be encoded.
const ENCODABLE: [&[u8]; 10] = [
    PLAIN,
    WINDOWED,
    WINDOW_MISSING_FLAGS,
    WINDOW_NULL_STATE,
    WINDOW_EMPTY_STATE,
    WINDOW_FINAL_EMPTY,
    WINDOW_TERMINATED_EARLY,
    ARRIVAL_FORMS,
    EXTRA_FIELDS,
    NULL_ARN,
];

fn decoded(json: &[u8]) -> Event {
    Event::from_json(json).unwrap()
}

/// Encodes a decoded event of `lambda-stream`.
fn encoded(event: &Event) -> Vec<u8> {
    assert_eq!(event.stream(), Some("lambda-stream"));
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:123456789012:stream/lambda-stream",
        region: "us-east-1",
        shard_id: event.shard().unwrap(),
    };
    let records: Vec<_> = event
        .records()
        .map(|record| RecordData {
            partition_key: record.partition_key,
            sequence_number: record.sequence_number,
            arrival: record.arrival,
            data: record.data.unwrap(),
        })
        .collect();
    let window = event.window.map(|window| WindowFields {
        window,
        state: event.state.as_deref(),
        is_final: event.is_final_invoke_for_window,
        is_terminated_early: event.is_window_terminated_early,
    });
    encode(&source, &records, window.as_ref())
}

#[track_caller]
fn assert_same(left: &Event, right: &Event) {
    assert!(left.records().eq(right.records()));
    assert_eq!(left.len(), right.len());
    assert_eq!(left.window, right.window);
    assert_eq!(state(left), state(right));
    assert_eq!(left.stream(), right.stream());
    assert_eq!(left.shard(), right.shard());
    assert_eq!(
        left.is_final_invoke_for_window,
        right.is_final_invoke_for_window
    );
    assert_eq!(
        left.is_window_terminated_early,
        right.is_window_terminated_early
    );
}

fn state(event: &Event) -> Option<&str> {
    event.state.as_ref().map(|state| state.get())
}

#[test]
fn plain() {
    let event = decoded(PLAIN);
    assert_eq!(event.len(), 2);
    assert_eq!(event.stream(), Some("lambda-stream"));
    assert_eq!(event.shard(), Some("shardId-000000000006"));
    assert!(event.window.is_none() && event.shard_id.is_none() && event.event_source_arn.is_none());

    let records: Vec<_> = event.records().collect();
    assert_eq!(records[0].partition_key, "1");
    assert_eq!(records[0].sequence_number, FIRST);
    assert_eq!(records[0].arrival.millis(), 1_545_084_650_987);
    assert_eq!(records[0].data, Ok(HELLO));
    assert_eq!(records[1].arrival.millis(), 1_545_084_711_166);
    assert_eq!(records[1].data, Ok(b"This is only a test.".as_slice()));
}

#[test]
fn window_with_numbers_in_its_state() {
    let event = decoded(WINDOWED);
    assert_eq!(event.window, Some(WINDOW));
    let state: serde_json::Value = serde_json::from_str(state(&event).unwrap()).unwrap();
    assert_eq!(state, serde_json::json!({"1": 282, "2": 715}));
    assert_eq!(event.shard_id.as_deref(), Some("shardId-000000000006"));
    assert_eq!(event.stream(), Some("lambda-stream"));
    assert!(!event.is_final_invoke_for_window && !event.is_window_terminated_early);
    let arrival = event.records().next().unwrap().arrival;
    assert_eq!(arrival, Timestamp::from_millis(1_607_497_475_000));
}

#[test]
fn window_variations() {
    for json in [WINDOW_MISSING_FLAGS, WINDOW_NULL_STATE, WINDOW_EMPTY_STATE] {
        let event = decoded(json);
        assert_eq!(event.window, Some(WINDOW));
        assert_eq!(event.len(), 1);
        assert!(!event.is_final_invoke_for_window && !event.is_window_terminated_early);
    }
    assert!(state(&decoded(WINDOW_NULL_STATE)).is_none());
    assert!(state(&decoded(WINDOW_EMPTY_STATE)).is_none());

    let last = decoded(WINDOW_FINAL_EMPTY);
    assert!(last.is_empty() && last.is_final_invoke_for_window);
    assert_eq!(last.stream(), Some("lambda-stream"));
    assert_eq!(last.shard(), Some("shardId-000000000006"));

    let early = decoded(WINDOW_TERMINATED_EARLY);
    assert!(early.is_final_invoke_for_window && early.is_window_terminated_early);
    assert_eq!(
        early.window,
        Some(Window {
            end: 1_607_497_530_500,
            ..WINDOW
        })
    );
}

#[test]
fn arrival_times_in_any_number_format() {
    let event = decoded(ARRIVAL_FORMS);
    let arrivals = event.records().map(|record| record.arrival.millis());
    let arrivals: Vec<i64> = arrivals.collect();
    let whole = 1_607_497_475_000;
    assert_eq!(arrivals, [whole + 189, whole + 189, whole, whole]);
}

#[test]
fn bad_base64_among_good() {
    let event = decoded(BAD_BASE64);
    let records: Vec<_> = event.records().collect();
    assert_eq!(records[0].data, Ok(HELLO));
    assert_eq!(records[1].partition_key, "2");
    assert_eq!(
        records[1].data.unwrap_err().text,
        "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg="
    );
    assert_eq!(records[2].data, Ok(b"This is only a test.".as_slice()));
}

#[test]
fn fields_unknown_or_null() {
    assert_same(&decoded(EXTRA_FIELDS), &decoded(WINDOWED));
    let event = decoded(NULL_ARN);
    assert!(event.event_source_arn.is_none() && event.shard_id.is_none());
    assert_same(&event, &decoded(WINDOWED));
}

#[test]
fn round_trip() {
    for json in ENCODABLE {
        let event = decoded(json);
        assert_same(&decoded(&encoded(&event)), &event);
    }
}

#[test]
fn encoded_as_in_the_guide() {
    let compact = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
    assert_eq!(compact(&encoded(&decoded(WINDOWED))), compact(WINDOWED));
    let text = String::from_utf8(encoded(&decoded(WINDOWED))).unwrap();
    assert!(
        text.contains(r#""approximateArrivalTimestamp":1607497475.000}"#),
        "{text}"
    );
}

#[test]
fn every_serde_json_deserializer_works() {
    for json in ENCODABLE {
        let event = decoded(json);
        assert_same(&serde_json::from_reader(json).unwrap(), &event);

        // As lambda_runtime does.
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        assert_same(
            &serde_path_to_error::deserialize(&mut deserializer).unwrap(),
            &event,
        );

        // A `Value` does not keep the spaces in a state.
        let value: serde_json::Value = serde_json::from_slice(json).unwrap();
        let from_value: Event = serde_json::from_value(value.clone()).unwrap();
        assert_same(&from_value, &decoded(value.to_string().as_bytes()));
    }
}

#[test]
fn truncated_events_are_errors() {
    for json in [PLAIN, WINDOWED] {
        let json = json.trim_ascii_end();
        for end in 0..json.len() {
            let error = Event::from_json(&json[..end]).unwrap_err();
            assert!(matches!(error, DecodeError::NotJson(_)), "{end}: {error}");
        }
    }
}

#[test]
fn aws_lambda_events_parses_encoded_events() {
    let plain: KinesisEvent = serde_json::from_slice(&encoded(&decoded(PLAIN))).unwrap();
    assert_eq!(plain.records.len(), 2);
    assert_eq!(
        plain.records[0].event_source.as_deref(),
        Some("aws:kinesis")
    );

    // It expects the state to be a map of strings, so this must be a window without one.
    let first = encoded(&decoded(WINDOW_EMPTY_STATE));
    let first: KinesisTimeWindowEvent = serde_json::from_slice(&first).unwrap();
    assert_eq!(first.kinesis_event.records[0].kinesis.data.0, HELLO);
    let fields = first.time_window_properties;
    assert_eq!(fields.shard_id.as_deref(), Some("shardId-000000000006"));
    assert_eq!(fields.window.start.timestamp_millis(), WINDOW.start);
    assert_eq!(fields.window.end.timestamp_millis(), WINDOW.end);
    assert!(!fields.is_final_invoke_for_window && !fields.is_window_terminated_early);
}

#[test]
fn failures_are_as_in_aws_lambda_events() {
    let mut theirs = aws_lambda_events::event::streams::KinesisEventResponse::default();
    theirs.add_failure(FIRST);
    let ours = Response::with_failures([FIRST]);
    let json = serde_json::to_value(&theirs).unwrap();
    assert_eq!(json, serde_json::to_value(&ours).unwrap());
    let read: Response = serde_json::from_value(json).unwrap();
    assert_eq!(read.batch_item_failures, [FIRST]);
}
