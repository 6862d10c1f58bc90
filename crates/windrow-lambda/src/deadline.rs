//! By when a Lambda invocation must have answered.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// How long before Lambda's deadline a handler gives up, so that it can still say why.
const MARGIN: Duration = Duration::from_secs(1);

/// How long a handler has where the deadline it is told lies in the past. Lambda tells no such
/// deadline; `cargo lambda watch` tells one in 1970.
const UNTOLD: Duration = Duration::from_secs(30);

/// The deadline for a handler whose invocation Lambda ends at `deadline`: one second earlier.
#[expect(
    clippy::disallowed_methods,
    reason = "Lambda tells the deadline by the wall clock"
)]
pub fn handler_deadline(deadline: SystemTime) -> Instant {
    Instant::now() + time_left(deadline, SystemTime::now())
}

fn time_left(deadline: SystemTime, now: SystemTime) -> Duration {
    let left = deadline.duration_since(now).unwrap_or(UNTOLD);
    left.saturating_sub(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_margin_is_left_and_a_deadline_in_the_past_is_none() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        assert_eq!(
            time_left(now + Duration::from_secs(10), now),
            Duration::from_secs(9)
        );
        assert_eq!(
            time_left(now + Duration::from_millis(10), now),
            Duration::ZERO
        );
        let told = SystemTime::UNIX_EPOCH + Duration::from_secs(600);
        assert_eq!(time_left(told, now), Duration::from_secs(29));
    }
}
