//! An event decoded by the layout of its records equals the event parsed as JSON.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use windrow_testkit::choices::Choices;

use super::{Event, EventJson, decode_by_layout};
use crate::{EventSource, RecordData, Timestamp, Window, WindowFields, encode};

const SOURCE: EventSource<'static> = EventSource {
    stream_arn: "arn:aws:kinesis:eu-west-1:123456789012:stream/wildrydes",
    region: "eu-west-1",
    shard_id: "shardId-000000000003",
};

/// Returns whether the event is decoded by layout. Panics if the result differs from that of JSON.
fn check(json: &[u8]) -> bool {
    let Some(by_layout) = decode_by_layout(json) else {
        return false;
    };
    let shown = json.escape_ascii();
    let by_json = serde_json::from_slice::<EventJson>(json).map(Event::from);
    let by_json = by_json.unwrap_or_else(|error| panic!("{error}: {shown}"));
    assert!(by_layout.records().eq(by_json.records()), "{shown}");
    let rest = |event: &Event| {
        let state = event.state.as_ref().map(ToString::to_string);
        let flags = (
            event.is_final_invoke_for_window,
            event.is_window_terminated_early,
        );
        let first = [event.batch.first_event_id(), event.batch.first_source_arn()];
        let first = first.map(|text| text.map(str::to_owned));
        let own = [&event.shard_id, &event.event_source_arn].map(Clone::clone);
        (event.window, state, flags, first, own)
    };
    assert_eq!(rest(&by_layout), rest(&by_json), "{shown}");
    true
}

fn event(choices: &mut Choices<'_>) -> Vec<u8> {
    let count = 1 + choices.below(6);
    let keys = [
        "Shadowfax",
        "",
        "🦄",
        "a \" b",
        "\u{1}",
        "back\\slash",
        "é/ü",
        "\u{7f}",
    ];
    let owned: Vec<(&str, String, i64, &[u8])> = (0..count)
        .map(|_| {
            let key = choices.choose(&keys);
            let number = choices.number().to_string();
            let arrival = choices.number() as i64 >> choices.below(40);
            (key, number, arrival, choices.piece(12))
        })
        .collect();
    let records: Vec<RecordData<'_>> = owned
        .iter()
        .map(|(key, number, arrival, data)| RecordData {
            partition_key: key,
            sequence_number: number,
            arrival: Timestamp::from_millis(*arrival),
            data,
        })
        .collect();
    let window = WindowFields {
        window: Window {
            start: 0,
            end: 60_000,
        },
        state: None,
        is_final: choices.one_in(2),
        is_terminated_early: false,
    };
    let window = choices.one_in(2).then_some(&window);
    let mut json = encode(&SOURCE, &records, window);
    for _ in 0..choices.below(4) {
        let (from, to) = choices.choose(&CHANGES);
        change(choices, &mut json, from.as_bytes(), to);
    }
    if choices.one_in(3) {
        json = spaced(
            &json,
            choices.choose(&[&b" "[..], b"\n  ", b"\r\n\t", b"\x0c"]),
        );
    }
    if choices.one_in(2) {
        damage(choices, &mut json);
    }
    json
}

/// Changes to a record, of its layout or of a value.
const CHANGES: [(&str, &[u8]); 26] = [
    ("Shadowfax", b"Shadow\\u0066ax"),
    ("Shadowfax", b"Shadow\xfffax"),
    ("Shadowfax", b"Shadow\tfax"),
    ("\"data\":\"", b"\"data\":\"*"),
    ("\"data\":\"", b"\"data\":\"\\u0041"),
    ("\"data\":\"", b"\"data\":null,\"more\":\""),
    ("\"data\":", b"\"data\":\"QUJD\",\"data\":"),
    ("\"sequenceNumber\":\"", b"\"sequenceNumber\":\"\xc3"),
    ("\"sequenceNumber\":\"", b"\"sequenceNumber\":\"x"),
    ("Timestamp\":", b"Timestamp\":0"),
    ("Timestamp\":", b"Timestamp\":-"),
    ("Timestamp\":", b"Timestamp\":99999999999999999999"),
    ("Timestamp\":", b"Timestamp\":null,\"was\":"),
    (".", b".5"),
    (".", b"e3,\"x\":1."),
    (".", b""),
    (
        "},\"eventSource",
        b",\"encryptionType\":\"NONE\"},\"eventSource",
    ),
    (
        "eu-west-1\",\"eventSourceARN",
        b"eu-\xff\",\"eventSourceARN",
    ),
    (
        "eu-west-1\",\"eventSourceARN",
        b"us-east-1\",\"eventSourceARN",
    ),
    ("shardId-000000000003:", b"shardId-000000000004:"),
    ("shardId-000000000003:", b"shardId-\\u0030:"),
    ("\"eventID\":", b"\"eventID\":null,\"was\":"),
    (
        "\"kinesis\":{",
        b"\"kinesis\":{\"kinesis\":[\"partitionKey\"],",
    ),
    ("{\"kinesis\"", b"[],{\"kinesis\""),
    ("{\"Records\":", b"{\"more\":1,\"Records\":"),
    ("}]", b"}],\"Records\":[]"),
];

/// Replaces `from` by `to`, everywhere or at random.
fn change(choices: &mut Choices<'_>, json: &mut Vec<u8>, from: &[u8], to: &[u8]) {
    let everywhere = choices.one_in(2);
    let mut changed = Vec::with_capacity(json.len());
    let mut rest = json.as_slice();
    while let Some((first, after)) = rest.split_first() {
        match rest.strip_prefix(from) {
            Some(after) if everywhere || choices.one_in(3) => {
                changed.extend_from_slice(to);
                rest = after;
            }
            _ => {
                changed.push(*first);
                rest = after;
            }
        }
    }
    *json = changed;
}

/// Adds space before every string and object that follows a comma, colon or bracket.
fn spaced(json: &[u8], space: &[u8]) -> Vec<u8> {
    let mut spaced = Vec::new();
    for (index, byte) in json.iter().enumerate() {
        spaced.push(*byte);
        let next = json.get(index + 1);
        if matches!((byte, next), (b',' | b':' | b'[' | b'{', Some(b'"' | b'{'))) {
            spaced.extend_from_slice(space);
        }
    }
    spaced
}

/// Sets, inserts, removes or repeats a few bytes.
fn damage(choices: &mut Choices<'_>, json: &mut Vec<u8>) {
    for _ in 0..=choices.below(3) {
        let index = (usize::from(choices.byte()) * 256 + usize::from(choices.byte())) % json.len();
        let byte = choices.choose(b"\"\\{}[],:0.e-+ \n\x00\x1f\x7f\xff\xc3A=/u");
        match choices.below(6) {
            0 => json[index] = byte,
            1 => json.insert(index, byte),
            2 if json.len() > 1 => drop(json.remove(index)),
            3 => json[index] ^= 1 << choices.below(8),
            4 => {
                let end = json.len().min(index + choices.below(200));
                let piece = json[index..end].to_vec();
                json.splice(index..index, piece);
            }
            _ => json[index] = choices.byte(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn layout_and_json_agree(choices in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&event(&mut Choices::new(&choices)));
    }
}

#[test]
fn layout_and_json_agree_on_any_changed_byte() {
    let record = |number: &'static str| RecordData {
        partition_key: "Franky",
        sequence_number: number,
        arrival: Timestamp::from_millis(1_607_497_475_189),
        data: b"Hello",
    };
    let json = encode(&SOURCE, &[record("4959"), record("4960")], None);
    assert!(check(&json));
    for index in 0..json.len() {
        for byte in *b"\"\\{}[],:0.e- \n\x00\xffA=" {
            let mut damaged = json.clone();
            damaged[index] = byte;
            check(&damaged);
            damaged.insert(index, json[index]);
            check(&damaged);
        }
        let mut damaged = json.clone();
        damaged.remove(index);
        check(&damaged);
    }
}

/// The generator must produce events of both kinds, or the property would prove little.
#[test]
fn generated_events_are_of_both_kinds() {
    let mut runner = TestRunner::deterministic();
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    let (mut by_layout, mut by_json) = (0, 0);
    for _ in 0..1_000 {
        let choices = bytes.new_tree(&mut runner).unwrap().current();
        if check(&event(&mut Choices::new(&choices))) {
            by_layout += 1
        } else {
            by_json += 1
        }
    }
    assert!(by_layout > 200 && by_json > 200, "{by_layout} {by_json}");
}
