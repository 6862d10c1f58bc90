//! Mappings and functions that are changed in the middle of a window.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use windrow_event::Event;
use windrow_local::functions::{Embedded, Function, Replaceable};
use windrow_local::mapping::{Mapping, MappingError, MappingOptions};

use super::{Mapped, clear_of_an_end, data, failed, finish, source, until};

const WINDOW: Duration = Duration::from_secs(900);

fn count(event: &Event) -> u64 {
    let state = event.state.as_ref().map_or("{}", |state| state.get());
    let state: Value = serde_json::from_str(state).unwrap();
    state["count"].as_u64().unwrap_or(0) + event.len() as u64
}

fn counting(event: &Event) -> Value {
    json!({ "state": { "count": count(event) } })
}

/// Delivers two records in the middle of a window, with checkpoints in `folder`.
async fn in_mid_window(options: &MappingOptions) -> Mapped {
    clear_of_an_end(WINDOW).await;
    let mapped = Mapped::start(1, options.clone(), |event, _| Ok(counting(event))).await;
    mapped.put(&["a", "b"]).await;
    until("the first records were not delivered", || {
        mapped.batches().concat().len() == 2
    })
    .await;
    mapped
}

/// Ends the mapping after its invocations in flight, and starts it again as a new process does.
async fn restarted(mapped: Mapped, options: &MappingOptions) -> Mapped {
    let Mapped {
        cloud,
        mapping,
        function,
    } = mapped;
    mapping.stop().await;
    let again = Arc::clone(&function) as Arc<dyn Function>;
    let mapping = Mapping::start(source(&cloud), again, options.clone()).unwrap();
    Mapped {
        cloud,
        mapping,
        function,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_was_disabled_stays_so_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = MappingOptions {
        tumbling_window: Some(WINDOW),
        checkpoints: Some(folder.path().to_owned()),
        ..MappingOptions::default()
    };
    let mapped = in_mid_window(&options).await;
    mapped.mapping.disable();
    let mapped = restarted(mapped, &options).await;
    mapped.put(&["c", "d"]).await;
    // Another function gets them meanwhile.
    let other = Embedded::new("other", async |event: Vec<u8>, _| {
        let event = Event::from_json(&event).unwrap();
        Ok(counting(&event).to_string().into_bytes())
    });
    let other = Mapping::start(source(&mapped.cloud), Arc::new(other), options.clone()).unwrap();
    finish(&other, mapped.cloud.endpoint.clock()).await;
    assert_eq!(*mapped.mapping.watermark().borrow(), i64::MIN);
    assert_eq!(mapped.batches().concat(), ["a", "b"]);

    // Enabled, it goes on in its window, and is enabled after the next restart whatever the options
    // say.
    mapped.mapping.enable();
    let is_done = || mapped.batches().concat().len() == 4;
    until("the records were not delivered", is_done).await;
    let disabled = MappingOptions {
        enabled: false,
        ..options
    };
    let mapped = restarted(mapped, &disabled).await;
    mapped.put(&["e"]).await;
    mapped.finish().await;
    assert_eq!(mapped.batches().concat(), ["a", "b", "c", "d", "e"]);
    let events = mapped.function.events.lock().unwrap();
    assert_eq!(count(events.last().unwrap()), 5);
    let opened = events.iter().filter(|event| event.state.is_none());
    assert_eq!(opened.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_begins_disabled_is_enabled_later() {
    let options = MappingOptions {
        enabled: false,
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(1, options, |_, _| Ok(Value::Null)).await;
    mapped.put(&["a"]).await;
    assert_eq!(*mapped.mapping.watermark().borrow(), i64::MIN);
    mapped.mapping.enable();
    mapped.finish().await;
    assert_eq!(mapped.batches(), [["a"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_batch_waits_while_its_mapping_is_disabled() {
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let handler = move |_: &Event, _| {
        if mended.load(Ordering::SeqCst) {
            Ok(Value::Null)
        } else {
            Err(failed())
        }
    };
    let mapped = Mapped::start(1, MappingOptions::default(), handler).await;
    mapped.put(&["a"]).await;
    let is_tried = || !mapped.batches().is_empty();
    until("the batch was not delivered", is_tried).await;
    mapped.mapping.disable();
    let attempts = mapped.batches().len();
    // One more may have begun. The one after it would follow within a second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = mapped.batches().len();
    assert!(after <= attempts + 1, "{attempts}, then {after}");
    is_mended.store(true, Ordering::SeqCst);
    mapped.mapping.enable();
    mapped.finish().await;
    assert_eq!(mapped.batches().len(), after + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_neither_enabled_nor_disabled_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let options = MappingOptions {
        checkpoints: Some(folder.path().to_owned()),
        ..MappingOptions::default()
    };
    let mapped = Mapped::start(1, options.clone(), |_, _| Ok(Value::Null)).await;
    mapped.mapping.disable();
    let path = folder.path().join("recording/stream+state");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "Disabled");
    std::fs::write(&path, "Paused").unwrap();
    let function = Arc::clone(&mapped.function) as Arc<dyn Function>;
    let error = Mapping::start(source(&mapped.cloud), function, options).unwrap_err();
    assert!(matches!(error, MappingError::Checkpoint(_)));
    assert!(
        error.to_string().contains("neither Enabled nor Disabled"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smaller_batch_size_counts_in_mid_window() {
    let options = MappingOptions {
        tumbling_window: Some(WINDOW),
        ..MappingOptions::default()
    };
    let mapped = in_mid_window(&options).await;
    mapped.mapping.set_batch_size(1);
    mapped.put(&["c", "d", "e"]).await;
    mapped.finish().await;
    let events = mapped.function.events.lock().unwrap();
    let later = events.iter().skip_while(|event| data(event)[0] != "c");
    assert!(later.clone().count() >= 3 && later.clone().all(|event| event.len() <= 1));
    assert_eq!(count(events.last().unwrap()), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_replaced_in_mid_window_gets_the_state() {
    clear_of_an_end(WINDOW).await;
    let options = MappingOptions {
        tumbling_window: Some(WINDOW),
        ..MappingOptions::default()
    };
    // The first code is in the middle of an invocation when it is replaced.
    let mapped = Mapped::start(1, options.clone(), |event, _| Ok(counting(event))).await;
    let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
    let release = Arc::new(tokio::sync::Semaphore::new(0));
    let held = Arc::clone(&release);
    let first = Embedded::new("replaced", move |event: Vec<u8>, _| {
        let (begun, held) = (begun.clone(), Arc::clone(&held));
        async move {
            begun.send(()).unwrap();
            held.acquire().await.unwrap().forget();
            let event = Event::from_json(&event).unwrap();
            Ok(counting(&event).to_string().into_bytes())
        }
    });
    let replaceable = Arc::new(Replaceable::new(Arc::new(first)));
    let function = Arc::clone(&replaceable) as Arc<dyn Function>;
    let mapping = Mapping::start(source(&mapped.cloud), function, options).unwrap();
    mapped.put(&["a", "b"]).await;
    has_begun.recv().await.unwrap();
    let (counts, mut counted) = tokio::sync::mpsc::unbounded_channel();
    let second = Embedded::new("second", move |event: Vec<u8>, _| {
        let event = Event::from_json(&event).unwrap();
        counts.send((event.state.is_some(), count(&event))).unwrap();
        let response = counting(&event).to_string().into_bytes();
        async move { Ok(response) }
    });
    replaceable.replace(Arc::new(second));
    // Only the invocation in flight ends with the first code.
    release.add_permits(1);
    mapped.put(&["c"]).await;
    finish(&mapping, mapped.cloud.endpoint.clock()).await;
    let mut last = (false, 0);
    while let Ok(next) = counted.try_recv() {
        assert!(next.0, "the second code got no state");
        last = next;
    }
    assert_eq!(last.1, 3);
}
