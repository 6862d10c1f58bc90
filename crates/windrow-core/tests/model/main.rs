//! A model of the whole argument for exact totals: see docs/exactness.md.
//!
//! Random histories of one shard's window, as Lambda may deliver it, go through the real fold and
//! the real merge. A second fold, made of sets of records, predicts each step, each row and each
//! total. `WINDROW_HISTORIES` is the number of histories, 10,000 if it is not set:
//!
//! ```text
//! WINDROW_HISTORIES=200000 cargo test --release -p windrow-core --test model -- --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod check;
mod delivery;
mod history;
mod limits;
mod reference;

use std::cell::RefCell;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use check::{Statistics, check};
use delivery::deliver;
use history::{Kind, any_history};

/// Runs `percent` of the histories. They are the same in every run.
fn run(kind: Kind, percent: u32) -> Statistics {
    let histories = std::env::var("WINDROW_HISTORIES").ok();
    let histories = histories.map_or(10_000, |number| number.parse().unwrap());
    let config = Config {
        cases: histories * percent / 100,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::XorShift);
    let statistics = RefCell::new(Statistics::default());
    let result = TestRunner::new_with_rng(config, rng).run(&any_history(kind), |history| {
        let outcome = deliver(&history, kind)?;
        check(&history, &outcome, kind, &mut statistics.borrow_mut())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let statistics = statistics.into_inner();
    println!("{kind:?}: {statistics:#?}");
    statistics
}

/// Retries, bisection, redelivery, lost and older states, partial flushes, parallel attempts,
/// batches out of order, late redelivery and replayed rows, if one fold goes through the window.
#[test]
fn one_fold_counts_each_reading_once() {
    let statistics = run(Kind::Whole, 35);
    assert_eq!(statistics.counted_twice, 0);
    assert!(statistics.flushed > 0 && statistics.mended > 0);
    assert!(statistics.skipped > 0 && statistics.restarted > 0);
}

/// Each fold counts its own: a reading that is sent twice counts twice if another fold begins in
/// between.
#[test]
fn each_of_several_folds_counts_its_own_readings() {
    let statistics = run(Kind::Resets, 20);
    assert!(statistics.counted_twice > 0);
}

/// The rows that are left never count more than was sent, and a gap is a gap.
#[test]
fn lost_rows_may_leave_a_gap() {
    let statistics = run(Kind::LostRows, 15);
    assert!(statistics.proven > 0);
    assert_eq!(statistics.misled, 0);
}

/// Records that are discarded, delivered to states that they do not follow, or delivered once more
/// in between.
#[test]
fn nothing_counts_that_was_not_sent() {
    let statistics = run(Kind::Hostile, 20);
    assert!(statistics.covered > 0 && statistics.missing > 0);
}

#[test]
fn evicted_readings_may_count_again() {
    let statistics = run(Kind::Evicting, 10);
    assert!(statistics.evicting > 0 && statistics.counted_twice > 0);
}
