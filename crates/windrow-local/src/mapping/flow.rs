//! Whether a poller continues, and how long it pauses.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use windrow_service::Backoff;

/// The shortest pause before a failed batch is retried.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The additional pause, which grows with the number of failures.
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(50),
    cap: Duration::from_secs(10),
};

/// Whether a poller continues.
pub(super) enum Flow {
    Continue,
    /// Continue, but plan the next step again.
    Replan,
    Stop,
}

/// Waits before the next attempt. The more attempts have failed, the longer the wait.
pub(super) async fn pause(stop: &CancellationToken, failures: u32) -> Flow {
    let pause = SHORTEST_PAUSE + BACKOFF.wait(failures);
    tokio::select! {
        () = stop.cancelled() => Flow::Stop,
        () = tokio::time::sleep(pause) => Flow::Continue,
    }
}
