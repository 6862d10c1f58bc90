//! How long and how hard to try.

use std::time::Duration;

use tokio::time::Instant;

/// A clock cannot count to every [`Duration`] from now; to this one it can.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long and how hard [`deliver`](crate::deliver()) tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// When it returns at the latest. A call in flight is cut, and no wait goes past it.
    ///
    /// There is no other bound: an item that may yet be taken is tried until here.
    pub deadline: Instant,
    /// How many chunks are under way at once, those that wait to be sent again included; 0 counts
    /// as 1.
    ///
    /// With 1, chunks are sent in order, and an item falls behind others only if it failed.
    pub concurrency: usize,
    /// How long a chunk waits before it is sent again.
    pub backoff: Backoff,
}

impl Policy {
    /// Four chunks at once and the default backoff, until `deadline`.
    #[must_use]
    pub fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            concurrency: 4,
            backoff: Backoff::default(),
        }
    }

    /// The same, with the deadline `time` from now, or a year from now if that is sooner.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self::until(Instant::now() + time.min(YEAR))
    }
}

/// Exponential backoff with full jitter: a wait is drawn evenly from zero to a bound that doubles
/// each time.
///
/// Full jitter, because writers that were throttled together and wait alike come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The bound on the first wait.
    pub base: Duration,
    /// The most the bound grows to.
    pub cap: Duration,
}

impl Default for Backoff {
    /// From 50 ms, the wait the AWS guides start at, to 5 s.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(50),
            cap: Duration::from_secs(5),
        }
    }
}

impl Backoff {
    /// The longest wait after `setbacks` earlier ones.
    fn bound(&self, setbacks: u32) -> Duration {
        self.base
            .saturating_mul(2_u32.saturating_pow(setbacks))
            .min(self.cap)
    }

    /// A wait after `setbacks` earlier ones, from zero to the bound.
    pub(crate) fn draw(&self, setbacks: u32) -> Duration {
        let nanoseconds = u64::try_from(self.bound(setbacks).as_nanos()).unwrap_or(u64::MAX);
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
            .map(|setbacks| backoff.bound(setbacks).as_millis())
            .into();
        assert_eq!(bounds, [50, 100, 200, 3200, 5000, 5000, 5000]);
    }

    #[test]
    fn waits_stay_within_the_bound_and_differ() {
        let backoff = Backoff::default();
        let waits: Vec<Duration> = (0..100).map(|_| backoff.draw(3)).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(400)));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn no_bound_is_too_large_to_draw_from() {
        let backoff = Backoff {
            base: Duration::MAX,
            cap: Duration::MAX,
        };
        assert!(backoff.draw(9) <= Duration::MAX);
    }
}
