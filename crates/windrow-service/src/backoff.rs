//! The wait before a retry.

use std::time::Duration;

/// Exponential backoff with full jitter: each wait is random, between zero and a bound that doubles
/// after every failed call.
///
/// With full jitter, writers that were throttled at the same time do not retry at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The bound on the first wait.
    pub base: Duration,
    /// The maximum of the bound.
    pub cap: Duration,
}

impl Default for Backoff {
    /// From 50 ms, the first wait in the AWS guides, to 5 s.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(50),
            cap: Duration::from_secs(5),
        }
    }
}

impl Backoff {
    /// The longest wait after `failed_calls` earlier failures.
    fn bound(&self, failed_calls: u32) -> Duration {
        self.base
            .saturating_mul(2_u32.saturating_pow(failed_calls))
            .min(self.cap)
    }

    /// A random wait after `failed_calls` earlier failures, from zero to the bound.
    pub fn wait(&self, failed_calls: u32) -> Duration {
        let nanoseconds = u64::try_from(self.bound(failed_calls).as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(rand::random_range(0..=nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_cap() {
        let backoff = Backoff::default();
        let bounds: Vec<u128> = [0, 1, 2, 6, 7, 31, u32::MAX]
            .map(|failed_calls| backoff.bound(failed_calls).as_millis())
            .into();
        assert_eq!(bounds, [50, 100, 200, 3200, 5000, 5000, 5000]);
    }

    #[test]
    fn waits_stay_within_the_bound_and_differ() {
        let backoff = Backoff::default();
        let waits: Vec<Duration> = (0..100).map(|_| backoff.wait(3)).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(400)));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn largest_bound_does_not_overflow() {
        let backoff = Backoff {
            base: Duration::MAX,
            cap: Duration::MAX,
        };
        assert!(backoff.wait(9) <= Duration::MAX);
    }
}
