//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time, in milliseconds since the epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the local cloud is the edge where time comes from"
)]
pub(crate) fn now_millis() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
