//! Two handlers for the same window: one with the types of `aws_lambda_events`, one with this
//! crate's. Each runs with the other's event.
//!
//! `cargo run -p windrow-event --features aws_lambda_events --example aws_lambda_events`

use std::error::Error;

use aws_lambda_events::event::kinesis::{KinesisTimeWindowEvent, KinesisTimeWindowEventResponse};
use serde_json::value::RawValue;
use windrow_event::{
    Event, EventSource, RecordData, Response, Timestamp, Window, WindowFields, encode,
};

const MINUTE: Window = Window {
    start: 1_607_497_440_000,
    end: 1_607_497_500_000,
};

/// Counts a window's records, with the types of `aws_lambda_events`.
fn count_with_their_types(event: KinesisTimeWindowEvent) -> KinesisTimeWindowEventResponse {
    let mut state = event.time_window_properties.state;
    let before = state.get("records").and_then(|count| count.parse().ok());
    let count = before.unwrap_or(0) + event.kinesis_event.records.len();
    state.insert("records".to_owned(), count.to_string());

    let mut response = KinesisTimeWindowEventResponse::default();
    response.time_window_event_response_properties.state = state;
    response
}

/// Counts a window's records, with the types of this crate. The state may be any JSON.
fn count(event: &Event) -> Result<Response, serde_json::Error> {
    let before: usize = match &event.state {
        Some(state) => serde_json::from_str(state.get())?,
        None => 0,
    };
    let count = before + event.len();
    Ok(Response::with_state(RawValue::from_string(
        count.to_string(),
    )?))
}

fn main() -> Result<(), Box<dyn Error>> {
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
        region: "us-east-1",
        shard_id: "shardId-000000000000",
    };
    let record = RecordData {
        partition_key: "Shadowfax",
        sequence_number: "49590338271490256608559692538361571095921575989136588898",
        arrival: Timestamp::from_millis(1_607_497_475_189),
        data: b"{}\n",
    };

    // Our event, their handler: as in a local event source mapping. The state is carried from one
    // invocation to the next.
    let mut state: Option<Box<RawValue>> = None;
    for is_final in [false, true] {
        let fields = WindowFields {
            window: MINUTE,
            state: state.as_deref(),
            is_final,
            is_terminated_early: false,
        };
        let event = Event::from_json(&encode(&source, &[record, record], Some(&fields)))?;
        let response = count_with_their_types(KinesisTimeWindowEvent::try_from(&event)?);
        state = Response::from(response).state;
    }
    println!("their handler: {}", state.unwrap_or_default().get());

    // Their event, our handler: as in a program that already decodes with `aws_lambda_events`.
    let fields = WindowFields {
        window: MINUTE,
        state: None,
        is_final: true,
        is_terminated_early: false,
    };
    let payload = encode(&source, &[record], Some(&fields));
    let event: KinesisTimeWindowEvent = serde_json::from_slice(&payload)?;
    let response = count(&Event::from(event))?;
    println!("our handler: {}", response.state.unwrap_or_default().get());
    Ok(())
}
