//! Tumbling windows: their state, their end, and resharding.

use std::time::Duration;

use aws_lambda_events::event::kinesis::{KinesisTimeWindowEvent, KinesisTimeWindowEventResponse};
use serde_json::{Value, json};
use windrow_event::{Event, Response};
use windrow_local::mapping::MappingOptions;

use super::{Mapped, clear_of_an_end, data, failed, until};

fn windows() -> MappingOptions {
    MappingOptions {
        tumbling_window: Some(Duration::from_secs(1)),
        batch_size: 2,
        ..MappingOptions::default()
    }
}

/// A state that counts the window's records.
fn counting(event: &Event) -> u64 {
    let state = event.state.as_ref().map(|state| state.get().to_owned());
    let before = state.map_or(Value::Null, |state| serde_json::from_str(&state).unwrap());
    before["count"].as_u64().unwrap_or(0) + event.len() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_carry_their_state_to_a_final_invoke() {
    let mapped = Mapped::start(1, windows(), |event, before| match before % 3 {
        // Every third invocation fails and must be retried with the same state.
        1 => Err(failed()),
        _ => Ok(json!({"state": {"count": counting(event)}})),
    })
    .await;
    for _ in 0..3 {
        mapped.put(&["a", "b", "c", "d", "e"]).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    mapped.finish().await;

    let events = mapped.function.events.lock().unwrap();
    let taken = events
        .iter()
        .enumerate()
        .filter(|(index, _)| index % 3 != 1);
    let mut totals = 0;
    let mut open = None;
    for (_, event) in taken {
        let window = event.window.unwrap();
        assert_eq!((window.end - window.start, window.start % 1000), (1000, 0));
        assert!(
            event
                .records()
                .all(|record| (window.start..window.end).contains(&record.arrival.millis()))
        );
        assert!(
            open.is_none_or(|open| open == window),
            "a window opened before the last one closed"
        );
        assert_eq!(event.state.is_some(), open.is_some());
        open = (!event.is_final_invoke_for_window).then_some(window);
        if event.is_final_invoke_for_window {
            totals += counting(event);
        }
    }
    assert_eq!(open, None);
    assert_eq!(totals, 15);
}

/// The same, with the types of `aws_lambda_events`, whose state is a map of strings.
fn counting_with_aws_types(event: KinesisTimeWindowEvent) -> KinesisTimeWindowEventResponse {
    let mut state = event.time_window_properties.state;
    let before = state.get("count").map_or(0, |count| count.parse().unwrap());
    let count = before + event.kinesis_event.records.len();
    state.insert("count".to_owned(), count.to_string());
    let mut response = KinesisTimeWindowEventResponse::default();
    response.time_window_event_response_properties.state = state;
    response
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_with_the_types_of_aws_lambda_events_runs() {
    let handle = |event: &Event| {
        let event = KinesisTimeWindowEvent::try_from(event).unwrap();
        Response::from(counting_with_aws_types(event))
    };
    let mapped = Mapped::start(1, windows(), move |event, _| {
        Ok(serde_json::to_value(handle(event)).unwrap())
    })
    .await;
    mapped.put(&["a", "b", "c", "d", "e"]).await;
    mapped.finish().await;

    let events = mapped.function.events.lock().unwrap();
    let last = events
        .iter()
        .filter(|event| event.is_final_invoke_for_window);
    let count = |event: &Event| {
        let state: Value = serde_json::from_str(handle(event).state.unwrap().get()).unwrap();
        state["count"].as_str().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(last.map(count).sum::<u64>(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_window_ends_without_new_records() {
    let options = MappingOptions {
        tumbling_window: Some(Duration::from_secs(1)),
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(1, options, |event, _| {
        Ok(json!({"state": {"count": counting(event)}}))
    })
    .await;
    mapped.put(&["a"]).await;
    until("the window did not end", || {
        let events = mapped.function.events.lock().unwrap();
        events.iter().any(|event| event.is_final_invoke_for_window)
    })
    .await;
    let events = mapped.function.events.lock().unwrap();
    assert_eq!(events.iter().flat_map(data).collect::<Vec<_>>(), ["a"]);
    assert_eq!(counting(events.last().unwrap()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_with_too_large_a_state_ends_early_and_continues_empty() {
    let window = Duration::from_secs(900);
    clear_of_an_end(window).await;
    let options = MappingOptions {
        tumbling_window: Some(window),
        batch_size: 1,
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(1, options, |event, before| {
        let padding = if before == 0 { 1_000_001 } else { 0 };
        Ok(json!({"state": {"count": counting(event), "padding": "x".repeat(padding)}}))
    })
    .await;
    mapped.put(&["a", "b"]).await;
    mapped.finish().await;
    let events = mapped.function.events.lock().unwrap();
    let invocations: Vec<_> = events
        .iter()
        .map(|event| {
            (
                data(event).concat(),
                event.state.is_some(),
                event.is_final_invoke_for_window,
                event.is_window_terminated_early,
            )
        })
        .collect();
    assert_eq!(invocations[0], ("a".to_owned(), false, false, false));
    assert_eq!(invocations[1], (String::new(), true, true, true));
    // The window continues with an empty state, and ends with its last record or after it.
    assert_eq!(
        (
            invocations[2].0.as_str(),
            invocations[2].1,
            invocations[2].3
        ),
        ("b", false, false)
    );
    assert!(invocations.last().unwrap().2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_mapping_keeps_its_checkpoint_and_the_state_of_its_window() {
    let window = Duration::from_secs(900);
    clear_of_an_end(window).await;
    let options = MappingOptions {
        tumbling_window: Some(window),
        batch_size: 2,
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(1, options, |event, _| {
        Ok(json!({"state": {"count": counting(event)}}))
    })
    .await;
    mapped.put(&["a", "b"]).await;
    until("the first batch was not delivered", || {
        !mapped.batches().is_empty()
    })
    .await;
    mapped.mapping.disable();
    mapped.put(&["c", "d", "e"]).await;
    assert_eq!(mapped.batches(), [["a", "b"]]);
    mapped.mapping.set_batch_size(1);
    mapped.mapping.enable();
    mapped.finish().await;
    let events = mapped.function.events.lock().unwrap();
    assert_eq!(
        events.iter().flat_map(data).collect::<Vec<_>>(),
        ["a", "b", "c", "d", "e"]
    );
    assert!(events[1..].iter().all(|event| event.len() <= 1));
    assert_eq!(counting(events.last().unwrap()), 5);
    assert_eq!(
        events.iter().filter(|event| event.state.is_none()).count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_needs_state_in_every_response() {
    let mapped = Mapped::start(1, windows(), |event, before| match before {
        0 => Ok(Value::Null),
        _ => Ok(json!({"state": {"count": counting(event)}})),
    })
    .await;
    mapped.put(&["a"]).await;
    mapped.finish().await;
    assert_eq!(mapped.batches()[..2], [["a"], ["a"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parents_are_drained_before_their_children_and_nothing_is_lost() {
    let mapped = Mapped::start(1, windows(), |event, _| {
        Ok(json!({"state": {"count": counting(event)}}))
    })
    .await;
    let client = mapped.cloud.kinesis();
    let mut sent = 0;
    for round in 0..4 {
        let data: Vec<String> = (0..50).map(|n| format!("{round} {n}")).collect();
        mapped
            .put(&data.iter().map(String::as_str).collect::<Vec<_>>())
            .await;
        sent += data.len();
        if round == 1 {
            let split = client
                .split_shard()
                .stream_name("stream")
                .shard_to_split("shardId-000000000000");
            split
                .new_starting_hash_key((1_u128 << 127).to_string())
                .send()
                .await
                .unwrap();
            // From now on, records go to the children.
            while windrow_read::list(&client, "stream").await.unwrap().len() < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
    mapped.finish().await;
    let events = mapped.function.events.lock().unwrap();
    let mut taken: Vec<String> = events.iter().flat_map(data).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), sent);
    let shards: Vec<&str> = events.iter().map(|event| event.shard().unwrap()).collect();
    let last_of_parent = shards
        .iter()
        .rposition(|shard| shard.ends_with("0"))
        .unwrap();
    let first_of_child = shards
        .iter()
        .position(|shard| !shard.ends_with("0"))
        .unwrap();
    assert!(last_of_parent < first_of_child);
    assert!(events[last_of_parent].is_final_invoke_for_window);
}
