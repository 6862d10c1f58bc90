//! When a Lambda handler must return.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// How long before Lambda's deadline a handler stops, so that it can still report why.
const MARGIN: Duration = Duration::from_secs(1);

/// The time left if the deadline is in the past. Lambda never sends such a deadline;
/// `cargo lambda watch` sends one in 1970.
const DEFAULT_TIME_LEFT: Duration = Duration::from_secs(30);

/// When a handler must return if Lambda ends its invocation at `deadline`: one second earlier.
#[expect(
    clippy::disallowed_methods,
    reason = "Lambda gives the deadline as wall-clock time"
)]
pub fn handler_deadline(deadline: SystemTime) -> Instant {
    Instant::now() + time_left(deadline, SystemTime::now())
}

fn time_left(deadline: SystemTime, now: SystemTime) -> Duration {
    let left = deadline.duration_since(now).unwrap_or(DEFAULT_TIME_LEFT);
    left.saturating_sub(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_margin_and_ignores_a_past_deadline() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        assert_eq!(
            time_left(now + Duration::from_secs(10), now),
            Duration::from_secs(9)
        );
        assert_eq!(
            time_left(now + Duration::from_millis(10), now),
            Duration::ZERO
        );
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(600);
        assert_eq!(time_left(past, now), Duration::from_secs(29));
    }
}
