//! The algorithm against a destination that follows a script, on a paused clock.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod flaky;

use std::time::Duration;

use flaky::{Flaky, FlakyAnswer, FlakyItem, items};
use proptest::prelude::*;
use tokio::time::Instant;
use windrow_write::{Backoff, Policy, Reason, deliver};

const HOUR: Duration = Duration::from_secs(3600);

/// One chunk at a time, so that a script's answers meet the chunks in order.
fn in_turn(time: Duration) -> Policy {
    Policy {
        concurrency: 1,
        ..Policy::within(time)
    }
}

#[tokio::test(start_paused = true)]
async fn items_go_out_in_order_in_chunks_the_destination_takes() {
    let destination = Flaky::new([]);
    let report = deliver(&destination, items(23), &in_turn(HOUR)).await;

    assert_eq!(report.delivered, 23);
    assert_eq!((report.calls, report.retries), (3, 0));
    let lengths: Vec<usize> = destination.calls().iter().map(Vec::len).collect();
    assert_eq!(lengths, [10, 10, 3]);
    assert_eq!(destination.written(), (0..23).collect::<Vec<u32>>());
}

#[tokio::test(start_paused = true)]
async fn nothing_to_deliver_makes_no_call() {
    let destination = Flaky::new([]);
    let report = deliver(&destination, Vec::new(), &in_turn(HOUR)).await;
    assert_eq!((report.delivered, report.calls), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn chunks_keep_to_the_bytes_of_a_call() {
    let destination = Flaky::new([]);
    let mut items = items(4);
    for item in &mut items {
        item.size = 400;
    }
    let report = deliver(&destination, items, &in_turn(HOUR)).await;
    assert_eq!(report.delivered, 4);
    assert_eq!(destination.calls(), [[0, 1], [2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn only_what_was_failed_is_sent_again_in_order() {
    let destination = Flaky::new([
        FlakyAnswer::Reject(vec![7, 2]),
        FlakyAnswer::Reject(vec![0]),
    ]);
    let report = deliver(&destination, items(10), &in_turn(HOUR)).await;

    assert_eq!(report.delivered, 10);
    assert_eq!((report.calls, report.retries), (3, 3));
    assert_eq!(destination.calls()[1..], [vec![2, 7], vec![2]]);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_its_answer_rejects_for_good_comes_back_and_the_rest_is_sent_again() {
    let destination = Flaky::new([FlakyAnswer::RejectSecond]);
    let report = deliver(&destination, items(3), &in_turn(HOUR)).await;

    assert_eq!((report.delivered, report.calls, report.retries), (2, 2, 1));
    assert_eq!(destination.calls()[1], [0]);
    let [left] = report.undelivered.as_slice() else {
        panic!("{:?}", report.undelivered);
    };
    let reason = Reason::Rejected("not this one".to_owned());
    assert_eq!((left.index, &left.reason), (1, &reason));
}

#[tokio::test(start_paused = true)]
async fn waits_grow_with_each_setback_and_stay_under_their_bound() {
    let throttled = || FlakyAnswer::Throttled;
    let destination = Flaky::new([
        throttled(),
        throttled(),
        FlakyAnswer::Reject(vec![0]),
        FlakyAnswer::Transient,
    ]);
    let started = Instant::now();
    let report = deliver(&destination, items(1), &in_turn(HOUR)).await;

    assert_eq!(report.delivered, 1);
    assert_eq!((report.calls, report.retries), (5, 4));
    assert!(started.elapsed() <= Duration::from_millis(50 + 100 + 200 + 400 + 4));
    assert!(started.elapsed() > Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_never_takes_anything_ends_at_the_deadline() {
    let destination = Flaky::always(FlakyAnswer::Throttled);
    let started = Instant::now();
    let report = deliver(&destination, items(3), &in_turn(Duration::from_secs(60))).await;

    assert!(started.elapsed() <= Duration::from_secs(60));
    let places: Vec<usize> = report.undelivered.iter().map(|left| left.index).collect();
    assert_eq!(places, [0, 1, 2]);
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
async fn a_call_without_an_answer_is_cut_at_the_deadline() {
    let destination = Flaky::new([FlakyAnswer::Hang]);
    let started = Instant::now();
    let report = deliver(&destination, items(15), &in_turn(Duration::from_secs(2))).await;

    assert_eq!(started.elapsed(), Duration::from_secs(2));
    // The second chunk found no time left, so it was never sent.
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
async fn what_is_under_way_at_the_deadline_is_handed_back_and_nothing_is_sent_after_it() {
    // Two chunks are through in 3 s and two in 6 s; two would be in 9 s, and six more later.
    let destination = Flaky::always(FlakyAnswer::TakeIn(Duration::from_secs(3)));
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
async fn a_wait_that_would_pass_the_deadline_is_not_waited() {
    let destination = Flaky::always(FlakyAnswer::Throttled);
    let second = Duration::from_secs(1);
    let policy = Policy {
        backoff: Backoff {
            base: HOUR,
            cap: HOUR,
        },
        ..in_turn(second)
    };
    let started = Instant::now();
    let report = deliver(&destination, items(5), &policy).await;
    // A wait is drawn from up to an hour, so one within the second is all but impossible.
    assert!(started.elapsed() < second);
    assert_eq!((report.calls, report.undelivered.len()), (1, 5));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_makes_no_call() {
    let destination = Flaky::new([]);
    let report = deliver(&destination, items(2), &Policy::within(Duration::ZERO)).await;
    assert_eq!((report.calls, report.undelivered.len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_hangs_holds_no_other_back() {
    let destination = Flaky::new([FlakyAnswer::Hang]);
    let policy = Policy {
        concurrency: 2,
        ..Policy::within(Duration::from_secs(2))
    };
    let report = deliver(&destination, items(40), &policy).await;
    assert_eq!((report.delivered, report.undelivered.len()), (30, 10));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_cannot_be_taken_comes_back_unsent() {
    let destination = Flaky::new([]);
    let mut items = items(3);
    items[0].size = 501;
    items[2].name = None;
    let report = deliver(&destination, items.clone(), &in_turn(HOUR)).await;

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
async fn an_invalid_item_comes_back_and_its_neighbours_are_written() {
    let destination = Flaky::new([]);
    let mut items = items(10);
    items[3].poison = true;
    items[8].poison = true;
    let started = Instant::now();
    let report = deliver(&destination, items, &in_turn(HOUR)).await;

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
    // Nobody was overloaded, so nobody waited.
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_fatal_answer_stops_everything_that_is_not_yet_written() {
    let destination = Flaky::new([
        FlakyAnswer::TakeIn(Duration::ZERO),
        FlakyAnswer::FatalIn(Duration::ZERO),
    ]);
    let report = deliver(&destination, items(35), &in_turn(HOUR)).await;

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
async fn a_fatal_answer_waits_for_calls_in_flight_but_for_no_pause() {
    let destination = Flaky::new([
        FlakyAnswer::Throttled,
        FlakyAnswer::TakeIn(Duration::from_secs(9)),
        FlakyAnswer::FatalIn(Duration::from_millis(1)),
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
async fn a_failure_of_something_not_sent_loses_nothing() {
    let destination = Flaky::new([FlakyAnswer::Reject(vec![1, 99])]);
    let report = deliver(&destination, items(3), &in_turn(HOUR)).await;
    assert_eq!((report.delivered, report.retries), (3, 3));
    assert_eq!(destination.calls()[1], [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn of_items_with_one_key_the_last_is_sent() {
    let destination = Flaky::new([]);
    let mut items = items(5);
    for place in [0, 2, 4] {
        items[place].key = Some(7);
    }
    // A last one that can never be taken does not stand in for those that can.
    items[4].size = 501;
    let report = deliver(&destination, items, &in_turn(HOUR)).await;

    assert_eq!(destination.written(), [1, 2, 3]);
    assert_eq!(
        (report.delivered, report.merged, report.undelivered.len()),
        (3, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_delivery_can_move_between_threads() {
    let destination = Flaky::new([]);
    let delivered = tokio::spawn(async move {
        deliver(&destination, items(2), &Policy::within(HOUR))
            .await
            .delivered
    });
    assert_eq!(delivered.await.unwrap(), 2);
}

/// Runs `future` on a paused clock of its own.
fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn passing() -> impl Strategy<Value = FlakyAnswer> {
    prop_oneof![
        3 => proptest::collection::vec(0_usize..10, 0..10).prop_map(FlakyAnswer::Reject),
        1 => Just(FlakyAnswer::Throttled),
        1 => Just(FlakyAnswer::Transient),
        1 => (0_u64..200).prop_map(|time| FlakyAnswer::TakeIn(Duration::from_millis(time))),
    ]
}

fn any_answer() -> impl Strategy<Value = FlakyAnswer> {
    prop_oneof![
        6 => passing(),
        1 => Just(FlakyAnswer::Hang),
        1 => Just(FlakyAnswer::FatalIn(Duration::from_millis(9))),
        1 => Just(FlakyAnswer::TransientButWritten),
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
        script in proptest::collection::vec(passing(), 0..40),
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
    fn every_item_is_accounted_for_once_whatever_happens(
        items in any_items(),
        script in proptest::collection::vec(any_answer(), 0..40),
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
    fn the_last_of_each_key_is_what_is_written(keys in proptest::collection::vec(0_u8..10, 0..60)) {
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
