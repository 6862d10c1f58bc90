//! What the tests and fuzzers of several crates share. Not for production: a wrong use panics.
//!
//! * [`choices`]: a generator's choices, drawn from bytes, for property tests and fuzzers alike.
//! * [`frames`]: encoded window states, put together by hand.
//! * [`oracle`]: an independent reader of readings, to hold the real one to.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

pub mod choices;
pub mod frames;
pub mod oracle;

use std::time::Duration;

use tokio::time::Instant;

/// Makes calls all at once, over and over until they were through within one second, as on a machine
/// that is not held up: the answers of that time.
pub async fn within_a_second<T>(calls: impl AsyncFn() -> Vec<T>) -> Vec<T> {
    for _ in 0..100 {
        let begun = Instant::now();
        let answers = calls().await;
        if begun.elapsed() < Duration::from_secs(1) {
            return answers;
        }
        // None of them counts any more.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    panic!("the calls take more than a second");
}
