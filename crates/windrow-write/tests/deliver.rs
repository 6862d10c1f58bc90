//! The delivery algorithm with a scripted destination, on a paused clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod flaky;

use std::time::Duration;

use flaky::{Flaky, FlakyItem, FlakyResponse, items};
use proptest::prelude::*;
use tokio::time::Instant;
use windrow_write::{Backoff, Policy, Reason, deliver};

const HOUR: Duration = Duration::from_secs(3600);

/// One chunk at a time, so that the script's responses apply to the chunks in order.
fn sequential(time: Duration) -> Policy {
    Policy {
        concurrency: 1,
        ..Policy::within(time)
    }
}

#[tokio::test(start_paused = true)]
async fn items_are_sent_in_order_in_chunks_within_the_limits() {
    let destination = Flaky::new([]);
    let report = deliver(&destination, items(23), &sequential(HOUR)).await;

    assert_eq!(report.delivered, 23);
    assert_eq!((report.calls, report.retries), (3, 0));
    let lengths: Vec<usize> = destination.calls().iter().map(Vec::len).collect();
    assert_eq!(lengths, [10, 10, 3]);
    assert_eq!(destination.written(), (0..23).collect::<Vec<u32>>());
}

#[tokio::test(start_paused = true)]
async fn no_items_make_no_call() {
    let destination = Flaky::new([]);
    let report = deliver(&destination, Vec::new(), &sequential(HOUR)).await;
    assert_eq!((report.delivered, report.calls), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn chunks_stay_within_the_bytes_of_a_call() {
    let destination = Flaky::new([]);
    let mut items = items(4);
    for item in &mut items {
        item.size = 400;
    }
    let report = deliver(&destination, items, &sequential(HOUR)).await;
    assert_eq!(report.delivered, 4);
    assert_eq!(destination.calls(), [[0, 1], [2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn only_failed_items_are_retried_in_order() {
    let destination = Flaky::new([
        FlakyResponse::Fail(vec![7, 2]),
        FlakyResponse::Fail(vec![0]),
    ]);
    let report = deliver(&destination, items(10), &sequential(HOUR)).await;

    assert_eq!(report.delivered, 10);
    assert_eq!((report.calls, report.retries), (3, 3));
    assert_eq!(destination.calls()[1..], [vec![2, 7], vec![2]]);
}

#[tokio::test(start_paused = true)]
async fn permanently_failed_item_is_returned_and_others_are_retried() {
    let destination = Flaky::new([FlakyResponse::RejectSecond]);
    let report = deliver(&destination, items(3), &sequential(HOUR)).await;

    assert_eq!((report.delivered, report.calls, report.retries), (2, 2, 1));
    assert_eq!(destination.calls()[1], [0]);
    let [left] = report.undelivered.as_slice() else {
        panic!("{:?}", report.undelivered);
    };
    let reason = Reason::Rejected("not this one".to_owned());
    assert_eq!((left.index, &left.reason), (1, &reason));
}

#[tokio::test(start_paused = true)]
async fn waits_grow_with_each_failure_and_stay_within_their_bound() {
    let throttled = || FlakyResponse::Throttled;
    let destination = Flaky::new([
        throttled(),
        throttled(),
        FlakyResponse::Fail(vec![0]),
        FlakyResponse::Transient,
    ]);
    let started = Instant::now();
    let report = deliver(&destination, items(1), &sequential(HOUR)).await;

    assert_eq!(report.delivered, 1);
    assert_eq!((report.calls, report.retries), (5, 4));
    assert!(started.elapsed() <= Duration::from_millis(50 + 100 + 200 + 400 + 4));
    assert!(started.elapsed() > Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn throttling_ends_at_the_deadline() {
    let destination = Flaky::always(FlakyResponse::Throttled);
    let started = Instant::now();
    let report = deliver(&destination, items(3), &sequential(Duration::from_secs(60))).await;

    assert!(started.elapsed() <= Duration::from_secs(60));
    let indices: Vec<usize> = report.undelivered.iter().map(|left| left.index).collect();
    assert_eq!(indices, [0, 1, 2]);
    for left in report.undelivered {
        assert_eq!(
            left.reason,
            Reason::OutOfTime {
                last: Some("slow down".to_owned())
            }
        );
        assert!(!left.reason.is_permanent());
    }
}

#[tokio::test(start_paused = true)]
async fn hanging_call_is_canceled_at_the_deadline() {
    let destination = Flaky::new([FlakyResponse::Hang]);
    let started = Instant::now();
    let report = deliver(&destination, items(15), &sequential(Duration::from_secs(2))).await;

    assert_eq!(started.elapsed(), Duration::from_secs(2));
    // No time is left for the second chunk, so it is never sent.
    assert_eq!(report.calls, 1);
    assert_eq!(report.undelivered.len(), 15);
    assert!(
        report
            .undelivered
            .iter()
            .all(|left| left.reason == Reason::OutOfTime { last: None })
    );
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_at_the_deadline_are_undelivered_and_nothing_is_sent_later() {
    // Two chunks finish after 3 s and two after 6 s. Two would finish after 9 s, and six more
    // later.
    let destination = Flaky::always(FlakyResponse::TakeIn(Duration::from_secs(3)));
    let policy = Policy {
        concurrency: 2,
        ..Policy::within(Duration::from_secs(8))
    };
    let started = Instant::now();
    let report = deliver(&destination, items(120), &policy).await;

    assert_eq!(started.elapsed(), Duration::from_secs(8));
    assert_eq!((report.delivered, report.calls), (40, 6));
    let left: Vec<usize> = report.undelivered.iter().map(|left| left.index).collect();
    assert_eq!(left, (40..120).collect::<Vec<usize>>());
    assert!(
        report
            .undelivered
            .iter()
            .all(|left| left.reason == Reason::OutOfTime { last: None })
    );
    let last_call = destination.last_call().unwrap();
    assert_eq!(last_call - started, Duration::from_secs(6));
    tokio::time::sleep(HOUR).await;
    assert_eq!(destination.last_call(), Some(last_call));
    assert_eq!(destination.written(), (0..40).collect::<Vec<u32>>());
}

#[tokio::test(start_paused = true)]
async fn wait_past_the_deadline_is_skipped() {
    let destination = Flaky::always(FlakyResponse::Throttled);
    let second = Duration::from_secs(1);
    let policy = Policy {
        backoff: Backoff {
            base: HOUR,
            cap: HOUR,
        },
        ..sequential(second)
    };
    let started = Instant::now();
    let report = deliver(&destination, items(5), &policy).await;
    // The wait is random, up to an hour, so it is almost certainly longer than a second.
    assert!(started.elapsed() < second);
    assert_eq!((report.calls, report.undelivered.len()), (1, 5));
}

#[tokio::test(start_paused = true)]
async fn passed_deadline_makes_no_call() {
    let destination = Flaky::new([]);
    let report = deliver(&destination, items(2), &Policy::within(Duration::ZERO)).await;
    assert_eq!((report.calls, report.undelivered.len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn hanging_chunk_does_not_block_others() {
    let destination = Flaky::new([FlakyResponse::Hang]);
    let policy = Policy {
        concurrency: 2,
        ..Policy::within(Duration::from_secs(2))
    };
    let report = deliver(&destination, items(40), &policy).await;
    assert_eq!((report.delivered, report.undelivered.len()), (30, 10));
}

#[tokio::test(start_paused = true)]
async fn invalid_items_are_returned_unsent() {
    let destination = Flaky::new([]);
    let mut items = items(3);
    items[0].size = 501;
    items[2].name = None;
    let report = deliver(&destination, items.clone(), &sequential(HOUR)).await;

    assert_eq!((report.delivered, report.calls), (1, 1));
    assert_eq!(report.undelivered.len(), 2);
    assert_eq!(report.undelivered[0].item, items[0]);
    assert_eq!(
        report.undelivered[0].reason.to_string(),
        "rejected: the item has 501 bytes, and the limit is 500"
    );
    assert_eq!(report.undelivered[1].index, 2);
    assert_eq!(
        report.undelivered[1].reason.to_string(),
        "rejected: the name is missing"
    );
    assert!(
        report
            .undelivered
            .iter()
            .all(|left| left.reason.is_permanent())
    );
}

#[tokio::test(start_paused = true)]
async fn items_in_a_chunk_with_invalid_ones_are_written() {
    let destination = Flaky::new([]);
    let mut items = items(10);
    items[3].poison = true;
    items[8].poison = true;
    let started = Instant::now();
    let report = deliver(&destination, items, &sequential(HOUR)).await;

    assert_eq!(destination.written(), [0, 1, 2, 4, 5, 6, 7, 9]);
    let left: Vec<(usize, String)> = report
        .undelivered
        .iter()
        .map(|left| (left.index, left.reason.to_string()))
        .collect();
    assert_eq!(
        left,
        [
            (3, "rejected: poison".to_owned()),
            (8, "rejected: poison".to_owned())
        ]
    );
    // Nothing was throttled, so nothing waited.
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn fatal_error_stops_the_delivery() {
    let destination = Flaky::new([
        FlakyResponse::TakeIn(Duration::ZERO),
        FlakyResponse::FatalIn(Duration::ZERO),
    ]);
    let report = deliver(&destination, items(35), &sequential(HOUR)).await;

    assert_eq!((report.delivered, report.calls), (10, 2));
    assert_eq!(report.undelivered.len(), 25);
    assert!(
        report
            .undelivered
            .iter()
            .all(|left| left.reason == Reason::Stopped("no such table".to_owned()))
    );
}

#[tokio::test(start_paused = true)]
async fn fatal_error_waits_for_calls_in_flight_but_not_for_pauses() {
    let destination = Flaky::new([
        FlakyResponse::Throttled,
        FlakyResponse::TakeIn(Duration::from_secs(9)),
        FlakyResponse::FatalIn(Duration::from_millis(1)),
    ]);
    let backoff = Backoff {
        base: HOUR,
        cap: HOUR,
    };
    let policy = Policy {
        concurrency: 3,
        backoff,
        ..Policy::within(HOUR * 2)
    };
    let started = Instant::now();
    let report = deliver(&destination, items(40), &policy).await;

    assert_eq!(started.elapsed(), Duration::from_secs(9));
    assert_eq!(destination.written(), (10..20).collect::<Vec<u32>>());
    assert_eq!(
        (report.delivered, report.calls, report.undelivered.len()),
        (10, 3, 30)
    );
}

#[tokio::test(start_paused = true)]
async fn failure_with_an_invalid_index_loses_nothing() {
    let destination = Flaky::new([FlakyResponse::Fail(vec![1, 99])]);
    let report = deliver(&destination, items(3), &sequential(HOUR)).await;
    assert_eq!((report.delivered, report.retries), (3, 3));
    assert_eq!(destination.calls()[1], [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn last_of_items_with_equal_keys_is_sent() {
    let destination = Flaky::new([]);
    let mut items = items(5);
    for index in [0, 2, 4] {
        items[index].key = Some(7);
    }
    // An item that is too large does not replace earlier ones with the same key.
    items[4].size = 501;
    let report = deliver(&destination, items, &sequential(HOUR)).await;

    assert_eq!(destination.written(), [1, 2, 3]);
    assert_eq!(
        (report.delivered, report.merged, report.undelivered.len()),
        (3, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn delivery_can_move_between_threads() {
    let destination = Flaky::new([]);
    let delivered = tokio::spawn(async move {
        deliver(&destination, items(2), &Policy::within(HOUR))
            .await
            .delivered
    });
    assert_eq!(delivered.await.unwrap(), 2);
}

/// Runs `future` on its own paused clock.
fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn transient_response() -> impl Strategy<Value = FlakyResponse> {
    prop_oneof![
        3 => proptest::collection::vec(0_usize..10, 0..10).prop_map(FlakyResponse::Fail),
        1 => Just(FlakyResponse::Throttled),
        1 => Just(FlakyResponse::Transient),
        1 => (0_u64..200).prop_map(|time| FlakyResponse::TakeIn(Duration::from_millis(time))),
    ]
}

fn any_response() -> impl Strategy<Value = FlakyResponse> {
    prop_oneof![
        6 => transient_response(),
        1 => Just(FlakyResponse::Hang),
        1 => Just(FlakyResponse::FatalIn(Duration::from_millis(9))),
        1 => Just(FlakyResponse::TransientButWritten),
    ]
}

fn any_items() -> impl Strategy<Value = Vec<FlakyItem>> {
    let item = (
        0_usize..600,
        proptest::option::of(0_u8..20),
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.95),
    );
    proptest::collection::vec(item, 0..60).prop_map(|items| {
        let numbered = (0..).zip(items);
        numbered
            .map(|(id, (size, key, poison, named))| FlakyItem {
                id,
                size,
                key,
                poison,
                name: named.then(|| id.to_string()),
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn with_enough_time_every_item_is_written_exactly_once(
        count in 0_u32..80,
        script in proptest::collection::vec(transient_response(), 0..40),
        concurrency in 0_usize..5,
    ) {
        run(async {
            let destination = Flaky::new(script);
            let policy = Policy { concurrency, ..Policy::within(HOUR) };
            let report = deliver(&destination, items(count), &policy).await;

            let mut written = destination.written();
            written.sort_unstable();
            prop_assert_eq!(written, (0..count).collect::<Vec<u32>>());
            prop_assert_eq!(report.delivered, count as usize);
            Ok(())
        })?;
    }

    #[test]
    fn every_item_is_accounted_for_once(
        items in any_items(),
        script in proptest::collection::vec(any_response(), 0..40),
        concurrency in 1_usize..5,
        time in 0_u64..20_000,
    ) {
        run(async {
            let destination = Flaky::new(script);
            let started = Instant::now();
            let policy = Policy { concurrency, ..Policy::within(Duration::from_millis(time)) };
            let report = deliver(&destination, items.clone(), &policy).await;

            prop_assert!(Instant::now() <= policy.deadline.max(started));
            prop_assert!(destination.last_call().is_none_or(|call| call < policy.deadline));
            let accounted = report.delivered + report.merged + report.undelivered.len();
            prop_assert_eq!(accounted, items.len());
            prop_assert!(report.undelivered.is_sorted_by(|one, next| one.index < next.index));
            let written = destination.written();
            for left in &report.undelivered {
                prop_assert_eq!(&left.item, &items[left.index]);
                prop_assert!(!(left.reason.is_permanent() && written.contains(&left.item.id)));
            }
            prop_assert!(written.len() >= report.delivered);
            prop_assert_eq!(destination.calls().len() as u64, report.calls);
            Ok(())
        })?;
    }

    #[test]
    fn only_the_last_item_of_each_key_is_written(keys in proptest::collection::vec(0_u8..10, 0..60)) {
        run(async {
            let mut items = items(u32::try_from(keys.len()).unwrap());
            let mut last = std::collections::BTreeMap::new();
            for (item, key) in items.iter_mut().zip(&keys) {
                item.key = Some(*key);
                last.insert(*key, item.id);
            }
            let destination = Flaky::new([]);
            let report = deliver(&destination, items, &Policy::within(HOUR)).await;

            let mut expected: Vec<u32> = last.into_values().collect();
            expected.sort_unstable();
            let mut written = destination.written();
            written.sort_unstable();
            prop_assert_eq!(report.merged, keys.len() - expected.len());
            prop_assert_eq!(written, expected);
            Ok(())
        })?;
    }
}
