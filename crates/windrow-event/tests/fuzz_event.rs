//! Compares the decoder of events with `aws_lambda_events` on the same JSON. If both accept an
//! event, its records are equal. If ours rejects an event, theirs does too, except for these
//! differences:
//!
//! - ours requires a partition key and a sequence number in every record, theirs does not;
//! - ours parses the window's fields next to the records, `KinesisEvent` ignores them;
//! - ours rejects an arrival time in a string that is not a JSON number (`.5`, `+5`);
//! - serde also deserializes a struct from an array, and the order of fields differs.
//!
//! Arrival times are compared only if theirs is right: it uses floating point, and parses the
//! digits after the point as a number of milliseconds, so that `.5` is 5 ms.
//!
//! If only ours accepts an event (bad base64 is an error of the whole event for theirs, and of the
//! record for ours), it is compared with the JSON itself.
//!
//! A normal run has about 40,000 events and takes less than 20 seconds. For more, set
//! `PROPTEST_CASES` to the number of cases per property:
//!
//! ```text
//! PROPTEST_CASES=100000 cargo test -p windrow-event --test fuzz_event
//! ```

use aws_lambda_events::event::kinesis::KinesisEvent;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::Value;
use windrow_event::{Event, Timestamp};
use windrow_testkit::cases::cases;
use windrow_testkit::choices::Choices;

fn choices(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..longest)
}

/// Which of the two decoders accept an event.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum DecodeOutcome {
    BothAccept,
    BothReject,
    OursAccepts,
    TheirsAccepts,
}

fn check(json: &[u8]) -> DecodeOutcome {
    let ours = Event::from_json(json);
    let theirs = serde_json::from_slice::<KinesisEvent>(json);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            same_records(json, &ours, &theirs);
            same_values(json, &ours);
            DecodeOutcome::BothAccept
        }
        (Err(_), Err(_)) => DecodeOutcome::BothReject,
        (Ok(ours), Err(_)) => {
            same_values(json, &ours);
            DecodeOutcome::OursAccepts
        }
        (Err(error), Ok(_)) => {
            assert!(
                is_known_difference(json),
                "{error}: {}",
                json.escape_ascii()
            );
            DecodeOutcome::TheirsAccepts
        }
    }
}

fn same_records(json: &[u8], ours: &Event, theirs: &KinesisEvent) {
    let shown = json.escape_ascii();
    // `None` if a `Value` cannot represent the event: an unused field has a number out of range.
    let value: Option<Value> = serde_json::from_slice(json).ok();
    assert_eq!(ours.len(), theirs.records.len(), "{shown}");
    for (index, (our, their)) in ours.records().zip(&theirs.records).enumerate() {
        let their = &their.kinesis;
        assert_eq!(our.partition_key, their.partition_key, "{shown}");
        assert_eq!(our.sequence_number, their.sequence_number, "{shown}");
        assert_eq!(our.data, Ok(their.data.0.as_slice()), "{shown}");
        let arrival = value
            .as_ref()
            .map(|value| &value["Records"][index]["kinesis"]["approximateArrivalTimestamp"]);
        if arrival.is_some_and(theirs_is_exact) {
            let their_arrival = their.approximate_arrival_timestamp.timestamp_millis();
            let their_arrival = Timestamp::from_millis(their_arrival);
            assert_eq!(our.arrival, their_arrival, "{shown}");
        }
    }
    let first = theirs.records.first();
    if ours.shard_id.is_none() {
        let id = first.and_then(|record| record.event_id.as_deref());
        let shard = id.and_then(|id| Some(id.split_once(':')?.0));
        assert_eq!(ours.shard(), shard, "{shown}");
    }
}

/// Whether theirs parses this arrival time correctly: with no fraction or one of three digits,
/// since it parses the fraction as a number of milliseconds.
fn theirs_is_exact(arrival: &Value) -> bool {
    seconds(arrival).is_some_and(|seconds| {
        let text = seconds.to_string();
        let fraction = text
            .split_once('.')
            .map_or(0, |(_, fraction)| fraction.len());
        fraction == 0 || fraction == 3
    })
}

fn seconds(arrival: &Value) -> Option<f64> {
    match arrival {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Whether ours may reject an event that theirs accepts.
fn is_known_difference(json: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(json) else {
        // A number out of range, or half of a surrogate pair, in a field that theirs ignores.
        return true;
    };
    let is_text = |value: &Value| value.is_string() || value.is_null();
    let is_flag = |value: &Value| value.is_boolean() || value.is_null();
    let in_the_event = !is_text(&value["shardId"])
        || !is_text(&value["eventSourceARN"])
        || !is_flag(&value["isFinalInvokeForWindow"])
        || !is_flag(&value["isWindowTerminatedEarly"])
        || !is_window(&value["window"])
        || has_duplicate_field(json);
    let records = value["Records"].as_array();
    let in_a_record = records.into_iter().flatten().any(|record| {
        let kinesis = &record["kinesis"];
        kinesis["partitionKey"].is_null()
            || kinesis["sequenceNumber"].is_null()
            || !is_plain(&kinesis["approximateArrivalTimestamp"])
    });
    in_the_event || in_a_record || has_array_for_struct(&value)
}

/// Serde also deserializes a struct from an array of its fields, and the order of these differs.
fn has_array_for_struct(value: &Value) -> bool {
    let records = value["Records"].as_array();
    value.is_array()
        || records
            .into_iter()
            .flatten()
            .any(|record| record.is_array() || record["kinesis"].is_array())
}

/// Whether the value is null or a window as Lambda formats it: in UTC, with a `T` and a `Z`.
fn is_window(value: &Value) -> bool {
    let is_time = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        let digits: String = text
            .chars()
            .map(|digit| if digit.is_ascii_digit() { '0' } else { digit })
            .collect();
        let fraction = digits.strip_prefix("0000-00-00T00:00:00");
        let whole = fraction.map(|rest| rest.trim_start_matches(['.', '0']));
        whole == Some("Z") && text.get(17..19) != Some("60")
    };
    let read = serde_json::from_value::<aws_lambda_events::time_window::Window>(value.clone());
    value.is_null() || read.is_ok() && is_time(&value["start"]) && is_time(&value["end"])
}

/// Whether a field that theirs ignores may be duplicated: of the event, a record or the window. If
/// the event has escapes, the result is always true.
fn has_duplicate_field(json: &[u8]) -> bool {
    let text = String::from_utf8_lossy(json);
    let fields = [
        "\"window\"",
        "\"state\"",
        "\"shardId\"",
        "\"isFinalInvokeForWindow\"",
        "\"isWindowTerminatedEarly\"",
        "\"start\"",
        "\"end\"",
    ];
    let records = text.matches("\"kinesis\"").count();
    text.contains("\\u")
        || text.matches("\"eventSourceARN\"").count() > records
        || fields.iter().any(|field| text.matches(field).count() > 1)
}

/// Whether the arrival time is a JSON number, or a string with one.
fn is_plain(arrival: &Value) -> bool {
    match arrival {
        Value::Number(_) => true,
        Value::String(text) => serde_json::from_str::<f64>(text).is_ok(),
        _ => false,
    }
}

/// The times that a [`Timestamp`] can be, in milliseconds.
const FIRST_MILLIS: f64 = -62_167_219_200_000.0;
const LAST_MILLIS: f64 = 253_402_300_799_999.0;

/// Compares the event with the JSON itself.
fn same_values(json: &[u8], ours: &Event) {
    let Ok(value) = serde_json::from_slice::<Value>(json) else {
        return;
    };
    if has_array_for_struct(&value) {
        return;
    }
    let shown = json.escape_ascii();
    assert_eq!(
        value["Records"].as_array().map(Vec::len),
        Some(ours.len()),
        "{shown}"
    );
    for (index, our) in ours.records().enumerate() {
        let kinesis = &value["Records"][index]["kinesis"];
        assert_eq!(kinesis["partitionKey"], our.partition_key, "{shown}");
        assert_eq!(kinesis["sequenceNumber"], our.sequence_number, "{shown}");
        let text = match our.data {
            Ok(data) => base64_simd::STANDARD.encode_to_string(data),
            Err(bad) => bad.text.clone(),
        };
        assert_eq!(kinesis["data"], text, "{shown}");
        let decodes = base64_simd::STANDARD.decode_to_vec(&text).is_ok();
        assert_eq!(our.data.is_ok(), decodes, "{shown}");
        match seconds(&kinesis["approximateArrivalTimestamp"]) {
            None => assert_eq!(our.arrival, Timestamp::EPOCH, "{shown}"),
            Some(seconds) => {
                let millis = (seconds * 1_000.0).clamp(FIRST_MILLIS, LAST_MILLIS);
                let arrival = our.arrival.millis();
                let error = (arrival as f64 - millis).abs();
                assert!(
                    error <= 0.501 + millis.abs() * 1e-15,
                    "{arrival} {millis}: {shown}"
                );
            }
        }
    }
    assert_eq!(
        value["shardId"].as_str(),
        ours.shard_id.as_deref(),
        "{shown}"
    );
    assert_eq!(
        value["eventSourceARN"].as_str(),
        ours.event_source_arn.as_deref(),
        "{shown}"
    );
    let is_true = |name: &str| value[name].as_bool() == Some(true);
    assert_eq!(
        is_true("isFinalInvokeForWindow"),
        ours.is_final_invoke_for_window,
        "{shown}"
    );
    assert_eq!(
        is_true("isWindowTerminatedEarly"),
        ours.is_window_terminated_early,
        "{shown}"
    );
    let state = &value["state"];
    let is_none = state.is_null() || state.as_object().is_some_and(serde_json::Map::is_empty);
    assert_eq!(is_none, ours.state.is_none(), "{shown}");
    if let Some(kept) = &ours.state {
        assert_eq!(
            serde_json::from_str::<Value>(kept.get()).ok().as_ref(),
            Some(state),
            "{shown}"
        );
    }
    assert_eq!(value["window"].is_null(), ours.window.is_none(), "{shown}");
}

/// An event like Lambda's, in any JSON formatting, sometimes with an error.
fn event(choices: &mut Choices<'_>) -> Vec<u8> {
    let records: Vec<_> = (0..choices.below(5)).map(|_| record(choices)).collect();
    let mut members = vec![("Records", format!("[{}]", records.join(",")))];
    if choices.one_in(2) {
        let shard = text(choices, &["shardId-000000000003", ""]);
        members.push(("shardId", shard));
        let arn = text(
            choices,
            &[
                "arn:aws:kinesis:eu-west-1:123456789012:stream/wildrydes",
                "x",
            ],
        );
        members.push(("eventSourceARN", arn));
        members.push(("window", pick(choices, &WINDOWS)));
        members.push(("state", pick(choices, &STATES)));
        for flag in ["isFinalInvokeForWindow", "isWindowTerminatedEarly"] {
            members.push((flag, pick(choices, &["false", "true", "null"])));
        }
    }
    let mut json = object(choices, members).into_bytes();
    if choices.one_in(40) {
        json.extend_from_slice(choices.choose(&["}", " ", "{}", "\0"]).as_bytes());
    }
    if choices.one_in(5) {
        choices.damage(&mut json, 3);
    }
    json
}

const WINDOWS: [&str; 6] = [
    r#"{"start":"2020-12-09T07:04:00Z","end":"2020-12-09T07:06:00Z"}"#,
    r#"{"end":"2020-12-09T07:06:00.25Z","start":"2020-12-09T07:04:00Z","more":[]}"#,
    "null",
    r#"{"start":"2020-12-09T07:04:00Z"}"#,
    r#"{"start":"noon","end":"2020-02-30T07:06:00Z"}"#,
    "[]",
];

const STATES: [&str; 6] = [
    "{}",
    "null",
    r#"{"1":"282"}"#,
    r#""text""#,
    "{ }",
    "[1.50, {}]",
];

fn record(choices: &mut Choices<'_>) -> String {
    let key = text(choices, &["Shadowfax", "", "🦄", "a \" and a \\"]);
    let sequence = text(
        choices,
        &[
            "49590338271490256608559692538361571095921575989136588898",
            "1",
            "",
        ],
    );
    let data = if choices.one_in(12) {
        text(
            choices,
            &["SGVsbG8", "SGVs*G8=", "SGVsbG9=", "-_-_", "=", "SGVs bG8="],
        )
    } else {
        let data = if choices.one_in(30) {
            vec![choices.byte(); 70_000]
        } else {
            choices.piece(40).to_vec()
        };
        text(choices, &[&base64_simd::STANDARD.encode_to_string(data)])
    };
    let arrival = if choices.one_in(3) {
        pick(choices, &ARRIVALS)
    } else {
        format!("{}.{:03}", choices.number() >> 30, choices.number() % 1_000)
    };
    let members = vec![
        ("kinesisSchemaVersion", text(choices, &["1.0"])),
        ("partitionKey", key),
        ("sequenceNumber", sequence),
        ("data", data),
        ("approximateArrivalTimestamp", arrival),
    ];
    let kinesis = object(choices, members);
    let members = vec![
        ("kinesis", kinesis),
        (
            "eventID",
            text(choices, &["shardId-000000000006:495", "none", ":"]),
        ),
        (
            "eventSourceARN",
            text(choices, &["arn:aws:kinesis:us-east-1:1:stream/s"]),
        ),
        ("eventName", text(choices, &["aws:kinesis:record"])),
        ("awsRegion", text(choices, &["us-east-1"])),
    ];
    object(choices, members)
}

const ARRIVALS: [&str; 19] = [
    "1607497475.189",
    "1607497475",
    "1607497475.5",
    "1607497475.1895",
    "1.607497475189e9",
    "1607497475189E-3",
    "\"1607497475.189\"",
    "null",
    "0",
    "-0",
    "-1.5",
    "0.0005",
    "0e25",
    "1e400",
    "\".5\"",
    "\"+5\"",
    "\"noon\"",
    "true",
    "253402300799.999",
];

/// An object of the members in any order. Some are omitted, duplicated, null or of another type,
/// and some unknown ones are added.
fn object(choices: &mut Choices<'_>, members: Vec<(&str, String)>) -> String {
    let mut written = Vec::new();
    for (name, value) in members {
        let name = text(choices, &[name]);
        let (value, twice) = match choices.below(240) {
            0..230 => (value, false),
            230 => continue,
            231 => (value, true),
            232..235 => ("null".to_owned(), false),
            _ => (
                pick(
                    choices,
                    &["7", "[]", "{}", "\"\"", "true", "[\"\",\"\",\"\"]"],
                ),
                false,
            ),
        };
        let space = choices.choose(&["", "", " ", "\n\t", "\r"]);
        written.push(format!("{space}{name}{space}:{space}{value}{space}"));
        if twice {
            written.push(format!("{name}:{value}"));
        }
    }
    if choices.one_in(6) {
        let names = [
            "\"records\"",
            "\"encryption\"",
            "\"\"",
            "\"Kinesis\"",
            "\"\\u0041\"",
        ];
        let values = [
            "{\"kinesis\":null}",
            "1e999",
            "\"\\ud800\"",
            "[[[]]]",
            "false",
        ];
        written.push(format!(
            "{}:{}",
            choices.choose(&names),
            choices.choose(&values)
        ));
    }
    choices.shuffle(&mut written);
    format!("{{{}}}", written.join(","))
}

fn pick(choices: &mut Choices<'_>, options: &[&str]) -> String {
    choices.choose(options).to_owned()
}

/// One of the texts as a JSON string, sometimes with unnecessary escapes.
fn text(choices: &mut Choices<'_>, options: &[&str]) -> String {
    let text = choices.choose(options);
    let plain = Value::from(text).to_string();
    if text.is_empty() || text.len() > 100 || !choices.one_in(8) {
        return plain;
    }
    let escaped: String = text
        .encode_utf16()
        .map(|unit| {
            if !choices.one_in(2) && unit < 128 && unit != 34 && unit != 92 {
                (unit as u8 as char).to_string()
            } else {
                format!("\\u{unit:04x}")
            }
        })
        .collect();
    format!("\"{escaped}\"")
}

proptest! {
    #![proptest_config(cases(24_000))]

    #[test]
    fn events_agree_with_aws_lambda_events(choices in choices(250)) {
        check(&event(&mut Choices::new(&choices)));
    }
}

proptest! {
    #![proptest_config(cases(6_000))]

    #[test]
    fn any_bytes_are_an_event_or_an_error(choices in choices(80)) {
        check(&choices);
        let mut json = br#"{"Records":[{"kinesis":{"#.to_vec();
        json.extend_from_slice(&choices);
        check(&json);
        let mut json = include_bytes!("golden/window.json").to_vec();
        Choices::new(&choices).damage(&mut json, 4);
        check(&json);
    }
}

/// The generator must produce events of every outcome, or the tests above would prove little.
#[test]
fn generated_events_are_of_all_kinds() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut outcomes = std::collections::BTreeMap::new();
    let mut with_records = 0;
    for _ in 0..4_000 {
        let choices = choices(250).new_tree(&mut runner).unwrap().current();
        let json = event(&mut Choices::new(&choices));
        *outcomes.entry(check(&json)).or_insert(0) += 1;
        with_records += usize::from(Event::from_json(&json).is_ok_and(|event| !event.is_empty()));
    }
    assert!(outcomes[&DecodeOutcome::BothAccept] > 1_000, "{outcomes:?}");
    assert!(outcomes[&DecodeOutcome::BothReject] > 100, "{outcomes:?}");
    assert!(outcomes[&DecodeOutcome::OursAccepts] > 100, "{outcomes:?}");
    assert!(outcomes[&DecodeOutcome::TheirsAccepts] > 20, "{outcomes:?}");
    assert!(with_records > 1_000, "{with_records}");
}
