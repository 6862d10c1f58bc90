//! How long and how often to retry.

use std::time::Duration;

use tokio::time::Instant;
use windrow_service::Backoff;

/// The longest time to a deadline. Adding an arbitrary [`Duration`] to an instant could overflow.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long and how often [`deliver`](crate::deliver()) tries to send items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The latest time to return. Calls still in flight are canceled then, and no wait extends past
    /// it.
    ///
    /// There is no other limit: an item that may still be accepted is retried until the deadline.
    pub deadline: Instant,
    /// The number of chunks in progress at once, including those waiting to be retried. 0 counts as
    /// 1.
    ///
    /// With 1, chunks are sent in order, and an item falls behind others only if it failed.
    pub concurrency: usize,
    /// How long a chunk waits before it is retried.
    pub backoff: Backoff,
}

impl Policy {
    /// A policy with the given deadline, four chunks at once and the default backoff.
    #[must_use]
    pub fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            concurrency: 4,
            backoff: Backoff::default(),
        }
    }

    /// Like [`Policy::until`], with the deadline `time` from now, but at most a year.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self::until(Instant::now() + time.min(YEAR))
    }
}
