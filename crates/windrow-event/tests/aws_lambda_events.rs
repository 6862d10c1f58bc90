//! Conversions to and from the types of `aws_lambda_events`, with AWS's sample payloads.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use std::collections::HashMap;
use std::error::Error;

use aws_lambda_events::event::kinesis::{
    KinesisEvent, KinesisTimeWindowEvent, KinesisTimeWindowEventResponse,
};
use aws_lambda_events::event::streams::KinesisEventResponse;
use proptest::prelude::*;
use serde_json::value::{RawValue, to_raw_value};
use windrow_event::{
    ConversionError, Event, EventSource, RecordData, Response, Timestamp, Window, WindowFields,
    encode,
};

const PLAIN: &[u8] = include_bytes!("golden/plain.json");
const WINDOWED: &[u8] = include_bytes!("golden/window.json");
const WINDOW_EMPTY_STATE: &[u8] = include_bytes!("golden/window-empty-state.json");
const WINDOW_TERMINATED_EARLY: &[u8] = include_bytes!("golden/window-terminated-early.json");
const BAD_BASE64: &[u8] = include_bytes!("golden/bad-base64.json");

const SOURCE: EventSource<'static> = EventSource {
    stream_arn: "arn:aws:kinesis:eu-west-1:123456789012:stream/wildrydes",
    region: "eu-west-1",
    shard_id: "shardId-000000000003",
};

fn ours(json: &[u8]) -> Event {
    Event::from_json(json).unwrap()
}

/// Everything in an event that is not about its origin.
#[track_caller]
fn assert_same(left: &Event, right: &Event) {
    assert!(left.records().eq(right.records()));
    assert_eq!(left.window, right.window);
    assert_eq!(state(left), state(right));
    assert_eq!(left.stream_arn(), right.stream_arn());
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

fn state(event: &Event) -> Option<HashMap<String, String>> {
    let state = event.state.as_ref()?;
    Some(serde_json::from_str(state.get()).unwrap())
}

/// A handler with their types: fails the records that are not about the test.
fn their_handler(event: KinesisEvent) -> KinesisEventResponse {
    let mut response = KinesisEventResponse::default();
    for record in event.records {
        let data = String::from_utf8(record.kinesis.data.0).unwrap();
        if !data.starts_with("Hello") {
            response.add_failure(record.kinesis.sequence_number);
        }
    }
    response
}

/// The same with ours.
fn our_handler(event: &Event) -> Response {
    let failed = event
        .records()
        .filter(|record| !record.data.unwrap().starts_with(b"Hello"));
    Response::with_failures(failed.map(|record| record.sequence_number))
}

#[test]
fn their_handler_runs_with_our_event() {
    let event = ours(PLAIN);
    let response = their_handler(KinesisEvent::try_from(&event).unwrap());
    let response = Response::from(response);
    let last = event.records().last().unwrap();
    assert_eq!(response.batch_item_failures, [last.sequence_number]);
    assert!(response.state.is_none());
}

#[test]
fn our_handler_runs_with_their_event() {
    let event: KinesisEvent = serde_json::from_slice(PLAIN).unwrap();
    let response = our_handler(&Event::from(event.clone()));
    let response = KinesisEventResponse::try_from(response).unwrap();
    assert_eq!(response, their_handler(event));
}

#[test]
fn their_handler_carries_a_state_through_our_window() {
    let record = |number| RecordData {
        partition_key: "Shadowfax",
        sequence_number: number,
        arrival: Timestamp::from_millis(1_607_497_475_189),
        data: b"{}",
    };
    let count = |event: KinesisTimeWindowEvent| {
        let mut state = event.time_window_properties.state;
        for record in event.kinesis_event.records {
            let count = state.entry(record.kinesis.partition_key).or_default();
            *count = (count.parse::<u32>().unwrap_or(0) + 1).to_string();
        }
        let mut response = KinesisTimeWindowEventResponse::default();
        response.time_window_event_response_properties.state = state;
        response
    };

    let mut state: Option<Box<RawValue>> = None;
    for records in [vec![record("1"), record("2")], vec![record("3")], vec![]] {
        let fields = WindowFields {
            window: Window {
                start: 1_607_497_440_000,
                end: 1_607_497_500_000,
            },
            state: state.as_deref(),
            is_final: records.is_empty(),
            is_terminated_early: false,
        };
        let event = ours(&encode(&SOURCE, &records, Some(&fields)));
        let theirs = KinesisTimeWindowEvent::try_from(&event).unwrap();
        let flags = &theirs.time_window_properties;
        assert_eq!(flags.is_final_invoke_for_window, records.is_empty());
        let json = serde_json::to_vec(&Response::from(count(theirs))).unwrap();
        state = serde_json::from_slice::<Response>(&json).unwrap().state;
    }
    assert_eq!(state.unwrap().get(), r#"{"Shadowfax":"3"}"#);
}

#[test]
fn our_event_is_theirs_apart_from_what_we_do_not_keep() {
    let mut expected: KinesisEvent = serde_json::from_slice(PLAIN).unwrap();
    for record in &mut expected.records {
        assert!(record.invoke_identity_arn.take().is_some());
    }
    assert_eq!(KinesisEvent::try_from(&ours(PLAIN)).unwrap(), expected);

    let mut early = ours(WINDOW_TERMINATED_EARLY);
    early.state = Some(RawValue::from_string(r#"{"1":"282"}"#.to_owned()).unwrap());
    for event in [early, ours(WINDOW_EMPTY_STATE)] {
        let theirs = KinesisTimeWindowEvent::try_from(&event).unwrap();
        let json = serde_json::to_vec(&theirs).unwrap();
        let parsed: KinesisTimeWindowEvent = serde_json::from_slice(&json).unwrap();
        assert_eq!(parsed, theirs);
        assert_same(&Event::from(theirs.clone()), &event);

        let mut unnamed = theirs;
        unnamed.time_window_properties.shard_id = None;
        unnamed.time_window_properties.event_source_arn = None;
        assert_same(&Event::from(unnamed), &event);
    }
}

#[test]
fn what_their_events_cannot_hold_is_an_error() {
    let windowed = ours(WINDOWED);
    assert!(matches!(
        KinesisEvent::try_from(&windowed),
        Err(ConversionError::Window)
    ));
    let error = KinesisTimeWindowEvent::try_from(&ours(PLAIN)).unwrap_err();
    assert!(matches!(error, ConversionError::NoWindow));

    // AWS's own sample has numbers in its state.
    let error = KinesisTimeWindowEvent::try_from(&windowed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the window's state is not a map of strings"
    );
    assert!(
        error
            .source()
            .unwrap()
            .to_string()
            .contains("integer `282`")
    );

    let mut bad = ours(BAD_BASE64);
    bad.window = None;
    let error = KinesisEvent::try_from(&bad).unwrap_err();
    let number = bad.records().nth(1).unwrap().sequence_number;
    assert!(
        matches!(&error, ConversionError::Data { sequence_number, .. } if sequence_number == number)
    );

    let mut far = ours(WINDOW_EMPTY_STATE);
    far.window = Some(Window {
        start: 0,
        end: i64::MAX,
    });
    let error = KinesisTimeWindowEvent::try_from(&far).unwrap_err();
    assert!(matches!(error, ConversionError::WindowBound(i64::MAX)));
}

#[test]
fn what_their_responses_cannot_hold_is_an_error() {
    let with_state =
        |json: &str| Response::with_state(RawValue::from_string(json.to_owned()).unwrap());
    assert!(matches!(
        KinesisEventResponse::try_from(with_state("{}")),
        Err(ConversionError::UnexpectedState)
    ));
    let windowed = KinesisTimeWindowEventResponse::try_from;
    assert!(matches!(
        windowed(Response::default()),
        Err(ConversionError::NoState)
    ));
    assert!(matches!(
        windowed(with_state(r#"{"1":282}"#)),
        Err(ConversionError::State(_))
    ));
    let failed = Response {
        batch_item_failures: vec!["1".to_owned()],
        ..with_state("{}")
    };
    assert!(matches!(
        windowed(failed),
        Err(ConversionError::BatchItemFailures)
    ));
}

#[test]
fn an_empty_state_stays_a_state() {
    let response = Response::from(KinesisTimeWindowEventResponse::default());
    assert_eq!(response.state.as_ref().unwrap().get(), "{}");
    assert_eq!(
        KinesisTimeWindowEventResponse::try_from(response).unwrap(),
        KinesisTimeWindowEventResponse::default()
    );
}

#[test]
fn a_missing_identifier_fails_the_batch() {
    let json = r#"{"batchItemFailures":[{"itemIdentifier":"1"},{}]}"#;
    let theirs: KinesisEventResponse = serde_json::from_str(json).unwrap();
    assert_eq!(Response::from(theirs).batch_item_failures, ["1", ""]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn events_round_trip(
        records in prop::collection::vec(
            (any::<String>(), "[0-9]{1,60}", 0..4_102_444_800_000_i64, any::<Vec<u8>>()),
            0..10,
        ),
        state in prop::option::of(prop::collection::hash_map(any::<String>(), any::<String>(), 1..5)),
        window in prop::option::of((0..4_102_444_800_000_i64, 1..900_000_i64)),
        is_final: bool,
    ) {
        let records: Vec<RecordData<'_>> = records
            .iter()
            .map(|(partition_key, sequence_number, arrival, data)| RecordData {
                partition_key,
                sequence_number,
                arrival: Timestamp::from_millis(*arrival),
                data,
            })
            .collect();
        let state = state.map(|state| to_raw_value(&state).unwrap());
        let fields = window.map(|(start, length)| WindowFields {
            window: Window { start, end: start + length },
            state: state.as_deref(),
            is_final,
            is_terminated_early: false,
        });
        let event = ours(&encode(&SOURCE, &records, fields.as_ref()));
        let back = match event.window {
            Some(_) => Event::from(KinesisTimeWindowEvent::try_from(&event).unwrap()),
            None => Event::from(KinesisEvent::try_from(&event).unwrap()),
        };
        assert_same(&back, &event);
    }
}
