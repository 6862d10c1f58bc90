//! Whether a poller goes on, and how long it waits.

use std::time::Duration;

use rand::RngExt as _;
use tokio_util::sync::CancellationToken;

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before a failed batch is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Whether a poller goes on.
pub(super) enum Flow {
    On,
    /// On, but what comes next is other than was planned.
    Anew,
    Stop,
}

/// Waits before the next attempt, the longer the more have failed.
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
