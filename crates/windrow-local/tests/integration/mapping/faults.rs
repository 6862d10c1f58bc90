//! Injected faults, as the function sees them in its events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use windrow_event::Event;
use windrow_local::faults::{FaultKind, Faults};
use windrow_local::functions::InvokeError;
use windrow_local::mapping::MappingOptions;

use super::{Mapped, TIME_LIMIT, clear_of_an_end, data, failed};

const LONG: Duration = Duration::from_secs(900);

/// One window that is longer than the test, and batches of five that are sent only if they are full
/// or the mapping flushes. So the contents of a batch do not depend on time.
fn one_window() -> MappingOptions {
    MappingOptions {
        tumbling_window: Some(LONG),
        ..plain()
    }
}

/// The same with one record per batch.
fn small_batches() -> MappingOptions {
    MappingOptions {
        batch_size: 1,
        ..one_window()
    }
}

fn plain() -> MappingOptions {
    MappingOptions {
        batch_size: 5,
        batching_window: LONG,
        ..MappingOptions::default()
    }
}

/// An event's state: the data of the records folded so far, in order.
fn state(event: &Event) -> Vec<String> {
    let state = event.state.as_ref().map_or("[]", |state| state.get());
    serde_json::from_str(state).unwrap()
}

/// The state after the event, of a fold that skips old records.
fn folded(event: &Event) -> Vec<String> {
    let mut folded = state(event);
    for data in data(event) {
        if folded.last().is_none_or(|last| *last < data) {
            folded.push(data);
        }
    }
    folded
}

fn emits(event: &Event) -> bool {
    event.is_final_invoke_for_window
}

fn fold(event: &Event, _: usize) -> Result<Value, InvokeError> {
    Ok(if emits(event) {
        json!({"state": []})
    } else {
        json!({"state": folded(event)})
    })
}

fn numbered(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("{number:04}")).collect()
}

/// Puts twelve records and returns the events that were delivered, which a fold that skips old
/// records can use.
async fn delivered(
    options: MappingOptions,
    specification: &str,
    handler: impl Fn(&Event, usize) -> Result<Value, InvokeError> + Send + Sync + 'static,
) -> (Vec<Event>, Arc<Faults>) {
    let (events, faults) = delivered_in_any_order(options, specification, handler).await;
    assert_complete(&events, &numbered(0..12));
    (events, faults)
}

/// Puts twelve records and returns the events that were delivered.
async fn delivered_in_any_order(
    options: MappingOptions,
    specification: &str,
    handler: impl Fn(&Event, usize) -> Result<Value, InvokeError> + Send + Sync + 'static,
) -> (Vec<Event>, Arc<Faults>) {
    let faults = Arc::new(Faults::parse(specification, 1).unwrap());
    clear_of_an_end(LONG).await;
    let mapped = Mapped::start_with(1, options, Arc::clone(&faults), handler).await;
    let records = numbered(0..12);
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    mapped.put(&records).await;
    mapped.finish().await;
    let events = std::mem::take(&mut *mapped.function.events.lock().unwrap());
    (events, faults)
}

/// Asserts that every record was delivered, the first time in order, and that in each window and
/// shard, some emitted runs of the log form all of its records when joined.
fn assert_complete(events: &[Event], sent: &[String]) {
    let mut logs: BTreeMap<String, Vec<(String, i64)>> = BTreeMap::new();
    for event in events {
        let log = logs.entry(event.shard().unwrap().to_owned()).or_default();
        for (data, record) in data(event).into_iter().zip(event.records()) {
            if log.iter().all(|(known, _)| *known != data) {
                assert!(log.last().is_none_or(|(last, _)| *last < data), "{data}");
                log.push((data, record.arrival.millis()));
            }
        }
    }
    let all: BTreeSet<&String> = logs.values().flatten().map(|(data, _)| data).collect();
    assert_eq!(all, sent.iter().collect());
    let windowed = events.iter().filter(|event| event.window.is_some());
    let mut windows: BTreeSet<(&str, i64, i64)> = BTreeSet::new();
    for event in windowed {
        let window = event.window.unwrap();
        windows.insert((event.shard().unwrap(), window.start, window.end));
        let contained = |arrival| (window.start..window.end).contains(&arrival);
        assert!(
            event
                .records()
                .all(|record| contained(record.arrival.millis()))
        );
    }
    for (shard, start, end) in windows {
        let of_window = |event: &&Event| {
            event.shard().unwrap() == shard && event.window.is_some_and(|w| w.start == start)
        };
        let in_window = |(_, arrival): &&(String, i64)| (start..end).contains(arrival);
        let log = logs[shard].iter().filter(in_window);
        let log: Vec<&String> = log.map(|(data, _)| data).collect();
        let emitted = events.iter().filter(of_window).filter(|event| emits(event));
        let emitted: Vec<Vec<String>> = emitted.map(folded).collect();
        let mut reached = BTreeSet::from([0]);
        for from in 0..log.len() {
            if reached.contains(&from) {
                let runs = emitted.iter().filter(|run| {
                    run.iter().collect::<Vec<_>>() == log[from..(from + run.len()).min(log.len())]
                });
                reached.extend(runs.map(|run| from + run.len()).collect::<Vec<_>>());
            }
        }
        assert!(reached.contains(&log.len()), "{shard} {start}: {emitted:?}");
    }
}

fn batches(events: &[Event]) -> Vec<Vec<String>> {
    events.iter().map(data).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_split_in_two_and_only_the_last_half_is_final() {
    let (events, faults) = delivered(one_window(), "recut=1", fold).await;
    assert_eq!(batches(&events).concat(), numbered(0..12));
    assert_eq!(events.len(), 6);
    assert_eq!(faults.injected(FaultKind::Recut), 3);
    assert_eq!(events.iter().filter(|event| emits(event)).count(), 1);
    assert_eq!(data(&events[5]), ["0011"]);
    assert!(emits(&events[5]));
    let (events, _) = delivered(plain(), "recut=1", |_, _| Ok(Value::Null)).await;
    assert_eq!(batches(&events).concat(), numbered(0..12));
    assert_eq!(events.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn handled_records_are_redelivered_before_new_ones() {
    for options in [one_window(), plain()] {
        let windowed = options.tumbling_window.is_some();
        let (events, faults) = delivered(options, "redelivered=1", fold).await;
        assert!(faults.injected(FaultKind::Redelivered) >= 2);
        for pair in events.windows(2) {
            let (before, after) = (data(&pair[0]), data(&pair[1]));
            if pair[0].is_final_invoke_for_window || after.is_empty() {
                continue;
            }
            assert!(after[0] <= before[before.len() - 1], "{before:?} {after:?}");
            // The state is unchanged, and has them already.
            assert!(!windowed || state(&pair[1]).ends_with(&before));
        }
        let both = events[1..3].iter().map(data).any(|data| {
            let before = data.iter().filter(|data| {
                events[0..1]
                    .iter()
                    .any(|event| self::data(event).contains(data))
            });
            (1..data.len()).contains(&before.count())
        });
        assert!(both, "{:?}", batches(&events));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_redelivered_from_its_start_after_its_state_is_lost() {
    let (events, faults) = delivered(one_window(), "state-lost=1", fold).await;
    assert_eq!(faults.injected(FaultKind::StateLost), 1);
    let starts: Vec<usize> = (0..events.len())
        .filter(|index| events[*index].state.is_none())
        .collect();
    assert_eq!(starts.len(), 2);
    assert!(starts[1] > 0);
    for start in starts {
        assert_eq!(data(&events[start])[0], "0000");
    }
    let last = events.last().unwrap();
    assert!(last.is_final_invoke_for_window);
    assert_eq!(folded(last), numbered(0..12));
}

#[tokio::test(flavor = "multi_thread")]
async fn later_records_are_redelivered_before_earlier_ones_of_their_window() {
    let (events, faults) = delivered_in_any_order(one_window(), "out-of-order=1", |event, _| {
        Ok(json!({"state": data(event)}))
    })
    .await;
    assert_eq!(faults.injected(FaultKind::OutOfOrder), 1);
    // All records in order, then some of the last ones without a state, then all of them again.
    let all: Vec<String> = batches(&events).concat();
    let again = all.iter().skip(1).position(|data| data == "0000").unwrap() + 1;
    let before = &all[..again];
    let back = before
        .windows(2)
        .position(|pair| pair[1] <= pair[0])
        .unwrap()
        + 1;
    assert_eq!(before[..back], numbered(0..back as u32));
    assert_eq!(before[back..], before[2 * back - again..back]);
    assert_eq!(all[again..], numbered(0..12));
    assert_eq!(
        events.iter().filter(|event| event.state.is_none()).count(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_closed_window_are_redelivered_as_a_new_window() {
    // Every other invocation fails, and the redelivered records must be accepted even so.
    let every_other = |event: &Event, before: usize| match before % 2 {
        0 => Err(failed()),
        _ => fold(event, before),
    };
    let (events, faults) = delivered(one_window(), "redelivered-after-window=1", every_other).await;
    assert_eq!(faults.injected(FaultKind::RedeliveredAfterWindow), 1);
    let taken: Vec<&Event> = events.iter().skip(1).step_by(2).collect();
    let end = taken
        .iter()
        .position(|event| event.is_final_invoke_for_window);
    let (window, again) = taken.split_at(end.unwrap() + 1);
    assert_eq!(folded(window[window.len() - 1]), numbered(0..12));
    assert!(again[0].state.is_none());
    assert!(again.iter().all(|event| event.window == window[0].window));
    let (last, before) = again.split_last().unwrap();
    assert!(last.is_final_invoke_for_window);
    assert!(before.iter().all(|event| !event.is_final_invoke_for_window));
    let run = folded(last);
    assert!(!run.is_empty());
    assert!(
        numbered(0..12)
            .windows(run.len())
            .any(|window| window == run)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_delivered_twice_at_once_and_again_later() {
    let same = |one: &&Event, other: &Event| {
        let fields = |event: &Event| {
            (
                batches(std::slice::from_ref(event)),
                state(event),
                emits(event),
            )
        };
        fields(one) == fields(other)
    };
    let (events, faults) = delivered(one_window(), "twice-at-once=1", fold).await;
    assert_eq!(faults.injected(FaultKind::TwiceAtOnce), 3);
    for event in &events {
        assert_eq!(events.iter().filter(|other| same(other, event)).count(), 2);
    }
    let (events, faults) = delivered(small_batches(), "twice-late=1", fold).await;
    assert!(faults.injected(FaultKind::TwiceLate) > 3);
    let is_duplicated =
        |event: &&Event| events.iter().filter(|other| same(other, event)).count() == 2;
    assert!(events.iter().any(|event| is_duplicated(&event)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_invocation_failed_is_retried_unchanged() {
    for kind in [
        FaultKind::Crash,
        FaultKind::CrashDuring,
        FaultKind::CrashAfter,
        FaultKind::TimeOut,
    ] {
        let name = kind.name();
        let specification = format!("{name}@1,{name}@3,{name}@4,{name}@12");
        let (events, faults) = delivered(small_batches(), &specification, fold).await;
        assert_eq!(faults.injected(kind), 4);
        let mut batches = batches(&events);
        batches.dedup();
        assert_eq!(batches.concat(), numbered(0..12), "{kind:?}");
    }
}

/// All faults at once, over several windows of two shards.
#[tokio::test(flavor = "multi_thread")]
async fn every_window_is_closed_in_spite_of_faults() {
    const MUTATIONS: [FaultKind; 10] = [
        FaultKind::Crash,
        FaultKind::CrashDuring,
        FaultKind::CrashAfter,
        FaultKind::TimeOut,
        FaultKind::TwiceAtOnce,
        FaultKind::TwiceLate,
        FaultKind::Redelivered,
        FaultKind::RedeliveredAfterWindow,
        FaultKind::StateLost,
        FaultKind::Recut,
    ];
    // Batches of four leave a window open, however late they are.
    let forced = MUTATIONS.map(|kind| {
        let name = kind.name();
        [1, 2, 4, 7].map(|opportunity| format!("{name}@{opportunity}"))
    });
    let specification = forced.as_flattened().join(",");
    let faults = Arc::new(Faults::parse(&specification, 5).unwrap());
    let options = MappingOptions {
        tumbling_window: Some(Duration::from_secs(1)),
        batch_size: 4,
        ..MappingOptions::default()
    };
    let mapped = Mapped::start_with(2, options, Arc::clone(&faults), fold).await;
    let mut sent = Vec::new();
    let rounds = async {
        while sent.len() < 240 || MUTATIONS.iter().any(|kind| faults.injected(*kind) < 4) {
            let first = u32::try_from(sent.len()).unwrap();
            let records = numbered(first..first + 24);
            let data: Vec<&str> = records.iter().map(String::as_str).collect();
            mapped.put(&data).await;
            sent.extend(records);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let injected = tokio::time::timeout(TIME_LIMIT, rounds).await;
    assert!(injected.is_ok(), "{faults:?}");
    mapped.finish().await;
    assert_complete(&mapped.function.events.lock().unwrap(), &sent);
}
