//! Whether a poller continues, and how long it pauses.

use std::time::Duration;

use rand::RngExt as _;
use tokio_util::sync::CancellationToken;

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before a failed batch is retried.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Whether a poller continues.
pub(super) enum Flow {
    On,
    /// Continue, but plan the next step again.
    Anew,
    Stop,
}

/// Waits before the next attempt. The more attempts have failed, the longer the wait.
pub(super) async fn pause(stop: &CancellationToken, failures: u32) -> Flow {
    let longest = SHORTEST_PAUSE
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(LONGEST_PAUSE);
    let pause = rand::rng().random_range(SHORTEST_PAUSE / 2..=longest);
    tokio::select! {
        () = stop.cancelled() => Flow::Stop,
        () = tokio::time::sleep(pause) => Flow::On,
    }
}
