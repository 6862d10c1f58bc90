//! The wall clock is set while a mapping runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use windrow_local::faults::Faults;
use windrow_local::mapping::MappingOptions;

use super::{Mapped, data, until};
use crate::clock::SteppedClock;

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_delivered_once_when_the_clock_is_set_back() {
    const WINDOW: i64 = 900_000;
    let stepped = SteppedClock::new();
    let options = MappingOptions {
        tumbling_window: Some(Duration::from_secs(900)),
        ..MappingOptions::default()
    };
    let mapped = Mapped::start_on(
        stepped.endpoint().await,
        1,
        options,
        Arc::new(Faults::none()),
        |_, _| Ok(json!({"state": {}})),
    )
    .await;
    let delivered = || mapped.batches().concat();
    mapped.put(&["before"]).await;
    until("the first record was not delivered", || {
        delivered().len() == 1
    })
    .await;
    // To five minutes after the start of a window that is more than an hour later.
    let to_start = WINDOW - stepped.now() % WINDOW;
    stepped.set_forward_and_back(to_start + 4 * WINDOW + 300_000);
    let texts: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    for (number, text) in texts.iter().enumerate() {
        mapped.put(&[text]).await;
        until("a record was not delivered", || {
            delivered().len() == number + 2
        })
        .await;
    }
    mapped.finish().await;

    let mut expected = vec!["before".to_owned()];
    expected.extend(texts);
    assert_eq!(delivered(), expected);
    let events = mapped.function.events.lock().unwrap();
    let mut windows = BTreeMap::new();
    for event in events.iter() {
        let window = event.window.unwrap();
        let mut arrivals = event.records().map(|record| record.arrival.millis());
        assert!(arrivals.all(|arrival| (window.start..window.end).contains(&arrival)));
        let (records, ends) = windows.entry(window.start).or_insert((0, 0));
        *records += data(event).len();
        *ends += usize::from(event.is_final_invoke_for_window);
    }
    let windows: Vec<(usize, usize)> = windows.into_values().collect();
    assert_eq!(
        windows,
        [(1, 1), (10, 1)],
        "records and ends of each window"
    );
}
