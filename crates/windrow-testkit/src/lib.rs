//! Shared utilities of tests and fuzzers. Not for production: incorrect use panics.
//!
//! * [`cases`](mod@cases): how many cases property tests run.
//! * [`choices`]: a generator's choices, drawn from bytes, for property tests and fuzzers.
//! * [`fields`]: the general parser of readings, compared with `serde_json`.
//! * [`files`](mod@files): the files below a folder.
//! * [`frames`]: handmade window states.
//! * [`lines`]: the table of lines that every reader is held to.
//! * `network` (feature `network`): TLS by a private certificate authority, a proxy, and a wrong clock.
//! * [`oracle`]: an independent parser of readings, to compare the real one with.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

pub mod cases;
pub mod choices;
pub mod fields;
pub mod files;
pub mod frames;
pub mod lines;
#[cfg(feature = "network")]
pub mod network;
pub mod oracle;

use std::time::Duration;

use tokio::time::Instant;

/// Repeats a set of concurrent calls until they complete within one second, which a busy machine
/// may exceed. Returns the results of that attempt.
///
/// # Panics
///
/// If 100 attempts take longer.
pub async fn retry_within_a_second<T>(calls: impl AsyncFn() -> Vec<T>) -> Vec<T> {
    for _ in 0..100 {
        let start = Instant::now();
        let results = calls().await;
        if start.elapsed() < Duration::from_secs(1) {
            return results;
        }
        // Wait until none of these calls counts towards the limit per second.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    panic!("the calls took more than a second in each of 100 attempts");
}
