//! Properties of every batch, compared with `aws_lambda_events`.

use aws_lambda_events::event::kinesis::KinesisEvent;
use proptest::prelude::*;
use serde_json::value::RawValue;
use windrow_event::{
    Event, EventSource, RecordData, Timestamp, Window, WindowFields, encode, encoded_len,
};

const SOURCE: EventSource<'static> = EventSource {
    stream_arn: "arn:aws:kinesis:eu-west-1:123456789012:stream/wildrydes",
    region: "eu-west-1",
    shard_id: "shardId-000000000003",
};

/// An owned [`RecordData`].
#[derive(Clone, Debug)]
struct Owned {
    partition_key: String,
    sequence_number: String,
    arrival: i64,
    data: Vec<u8>,
}

impl Owned {
    fn as_data(&self) -> RecordData<'_> {
        RecordData {
            partition_key: &self.partition_key,
            sequence_number: &self.sequence_number,
            arrival: Timestamp::from_millis(self.arrival),
            data: &self.data,
        }
    }
}

fn record() -> impl Strategy<Value = Owned> {
    let arrival = 0..4_102_444_800_000_i64;
    let data = prop::collection::vec(any::<u8>(), 0..200);
    (any::<String>(), "[0-9]{1,60}", arrival, data).prop_map(
        |(partition_key, sequence_number, arrival, data)| Owned {
            partition_key,
            sequence_number,
            arrival,
            data,
        },
    )
}

fn batch() -> impl Strategy<Value = Vec<Owned>> {
    prop::collection::vec(record(), 0..20)
}

/// Whether `aws_lambda_events` 1.2.1 parses the arrival time correctly: if there is no fraction, or
/// its last digit is not zero. It parses the digits after the point as a number of milliseconds, so
/// that `.5` is 5 ms.
fn aws_lambda_events_is_exact(arrival: i64) -> bool {
    arrival % 1000 == 0 || arrival % 10 != 0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn equal_to_aws_lambda_events(batch in batch()) {
        let records: Vec<_> = batch.iter().map(Owned::as_data).collect();
        let json = encode(&SOURCE, &records, None);
        let ours = Event::from_json(&json).unwrap();
        let theirs: KinesisEvent = serde_json::from_slice(&json).unwrap();

        prop_assert_eq!(ours.len(), batch.len());
        prop_assert_eq!(theirs.records.len(), batch.len());
        for ((our, their), sent) in ours.records().zip(&theirs.records).zip(&batch) {
            prop_assert_eq!(our.partition_key, &sent.partition_key);
            prop_assert_eq!(our.partition_key, &their.kinesis.partition_key);
            prop_assert_eq!(our.sequence_number, &sent.sequence_number);
            prop_assert_eq!(our.sequence_number, &their.kinesis.sequence_number);
            prop_assert_eq!(our.data, Ok(sent.data.as_slice()));
            prop_assert_eq!(our.data, Ok(their.kinesis.data.0.as_slice()));
            prop_assert_eq!(our.arrival.millis(), sent.arrival);
            if aws_lambda_events_is_exact(sent.arrival) {
                let their_arrival = their.kinesis.approximate_arrival_timestamp.timestamp_millis();
                prop_assert_eq!(our.arrival.millis(), their_arrival);
            }

            let event_id = format!("{}:{}", SOURCE.shard_id, sent.sequence_number);
            prop_assert_eq!(their.event_id.as_ref(), Some(&event_id));
            prop_assert_eq!(their.event_source_arn.as_deref(), Some(SOURCE.stream_arn));
            prop_assert_eq!(their.aws_region.as_deref(), Some(SOURCE.region));
        }
        let named = (ours.stream(), ours.shard());
        let expect = (Some("wildrydes"), Some(SOURCE.shard_id));
        prop_assert_eq!(named, if batch.is_empty() { (None, None) } else { expect });
    }

    #[test]
    fn events_of_aws_lambda_events_are_decoded(batch in batch()) {
        let records: Vec<_> = batch.iter().map(Owned::as_data).collect();
        let theirs: KinesisEvent =
            serde_json::from_slice(&encode(&SOURCE, &records, None)).unwrap();
        let ours = Event::from_json(&serde_json::to_vec(&theirs).unwrap()).unwrap();
        prop_assert_eq!(ours.len(), batch.len());
        for (our, sent) in ours.records().zip(&batch) {
            prop_assert_eq!(our.data, Ok(sent.data.as_slice()));
            if aws_lambda_events_is_exact(sent.arrival) {
                prop_assert_eq!(our.arrival.millis(), sent.arrival);
            }
        }
    }

    #[test]
    fn windows_round_trip(
        batch in batch(),
        state in prop::option::of(any::<String>()),
        start in 0..4_102_444_800_000_i64,
        length in 1..900_000_i64,
        is_final: bool,
        is_terminated_early: bool,
    ) {
        let records: Vec<_> = batch.iter().map(Owned::as_data).collect();
        let window = Window { start, end: start + length };
        let state = state.map(|state| serde_json::value::to_raw_value(&state).unwrap());
        let fields = WindowFields { window, state: state.as_deref(), is_final, is_terminated_early };
        let event = Event::from_json(&encode(&SOURCE, &records, Some(&fields))).unwrap();

        prop_assert_eq!(event.len(), batch.len());
        prop_assert_eq!(event.window, Some(window));
        prop_assert_eq!(event.state.as_deref().map(RawValue::get), state.as_deref().map(RawValue::get));
        prop_assert_eq!(event.is_final_invoke_for_window, is_final);
        prop_assert_eq!(event.is_window_terminated_early, is_terminated_early);
        prop_assert_eq!(event.stream(), Some("wildrydes"));
        prop_assert_eq!(event.shard(), Some(SOURCE.shard_id));
    }

    #[test]
    fn encoded_lengths_add_up(batch in batch(), windowed: bool) {
        let records: Vec<_> = batch.iter().map(Owned::as_data).collect();
        let fields = WindowFields {
            window: Window { start: 0, end: 60_000 },
            state: None,
            is_final: false,
            is_terminated_early: false,
        };
        let window = windowed.then_some(&fields);
        let sum: usize = records.iter().map(|record| encoded_len(&SOURCE, record)).sum();
        let bound = encode(&SOURCE, &[], window).len() + sum;
        let last_comma = usize::from(!records.is_empty());
        prop_assert_eq!(encode(&SOURCE, &records, window).len(), bound - last_comma);
    }

    #[test]
    fn nothing_panics(bytes: Vec<u8>, text: String, at: prop::sample::Index, byte: u8) {
        let _ = Event::from_json(&bytes);
        let _ = Event::from_json(text.as_bytes());

        let mut damaged = include_bytes!("golden/window.json").to_vec();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        if let Ok(event) = Event::from_json(&damaged) {
            prop_assert_eq!(event.records().count(), event.len());
            let _ = (event.stream(), event.shard());
        }
    }
}
