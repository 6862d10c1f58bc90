//! The clock of a local cloud.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A clock that never goes back. Clones share it.
///
/// While the wall clock runs evenly, the two agree. When the wall clock is set forward, this one
/// follows. When it is set back, this one goes on as before, and is ahead of the wall clock until
/// the wall clock has caught up. So a time that was read from it later is never earlier, and it
/// measures progress: whatever was acknowledged before one time is done once everything up to that
/// time is.
#[derive(Clone)]
pub struct Clock {
    state: Arc<ClockState>,
}

struct ClockState {
    wall: Box<dyn Fn() -> SystemTime + Send + Sync>,
    started: Instant,
    /// The time at `started` by the wall clock's furthest setting, in nanoseconds since the epoch.
    start: AtomicI64,
}

impl Clock {
    /// A clock that follows the system's.
    #[expect(
        clippy::disallowed_methods,
        reason = "the local cloud is the edge where time comes from"
    )]
    #[must_use]
    pub fn system() -> Self {
        Self::new(SystemTime::now)
    }

    /// A clock that follows the wall clock `wall`.
    pub fn new(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            state: Arc::new(ClockState {
                wall: Box::new(wall),
                started: Instant::now(),
                start: AtomicI64::new(i64::MIN),
            }),
        }
    }

    /// From now on, the time is never before `millis` since the epoch: a time that an earlier
    /// process has read from its clock.
    pub fn not_before(&self, millis: i64) {
        let elapsed = saturated(self.state.started.elapsed().as_nanos());
        let start = millis.saturating_mul(NANOS).saturating_sub(elapsed);
        self.state.start.fetch_max(start, Ordering::SeqCst);
    }

    /// The current time, in milliseconds since the epoch.
    #[must_use]
    pub fn now_millis(&self) -> i64 {
        // The wall clock first: a delay between the two must not make this clock run ahead.
        let wall = (self.state.wall)().duration_since(UNIX_EPOCH);
        let wall = wall.map_or(0, |since| saturated(since.as_nanos()));
        let elapsed = saturated(self.state.started.elapsed().as_nanos());
        let start = wall.saturating_sub(elapsed);
        let furthest = self.state.start.fetch_max(start, Ordering::SeqCst);
        furthest.max(start).saturating_add(elapsed) / NANOS
    }
}

/// The nanoseconds in a millisecond.
const NANOS: i64 = 1_000_000;

fn saturated(nanos: u128) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Clock").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    /// A wall clock that tests set, in milliseconds.
    fn settable() -> (Arc<AtomicU64>, Clock) {
        let wall = Arc::new(AtomicU64::new(1_795_166_228_189));
        let shown = Arc::clone(&wall);
        let clock =
            Clock::new(move || UNIX_EPOCH + Duration::from_millis(shown.load(Ordering::SeqCst)));
        (wall, clock)
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_follows_a_step_forward_and_ignores_one_back() {
        const HOUR: u64 = 3_600_000;
        let (wall, clock) = settable();
        let start = clock.now_millis();
        assert_eq!(start, 1_795_166_228_189);
        wall.fetch_sub(HOUR, Ordering::SeqCst);
        assert_eq!(clock.now_millis(), start);
        tokio::time::advance(Duration::from_millis(700)).await;
        assert_eq!(clock.now_millis(), start + 700);
        wall.fetch_add(2 * HOUR, Ordering::SeqCst);
        assert_eq!(clock.now_millis(), start + 3_600_000);
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_goes_on_from_an_earlier_process() {
        let (_, clock) = settable();
        let start = clock.now_millis();
        clock.not_before(start - 5_000);
        assert_eq!(clock.now_millis(), start);
        tokio::time::advance(Duration::from_millis(300)).await;
        clock.not_before(start + 60_000);
        assert_eq!(clock.now_millis(), start + 60_000);
        tokio::time::advance(Duration::from_millis(700)).await;
        assert_eq!(clock.now_millis(), start + 60_700);
    }

    proptest! {
        /// However the wall clock is set, this clock never goes back, is never behind the wall
        /// clock, and advances at least with the time that passes.
        #[test]
        fn the_clock_never_goes_back(
            steps in proptest::collection::vec((0..4_000_000_000_000_u64, 0..5_000_u64), 1..40),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(async {
                let (wall, clock) = settable();
                let mut before = clock.now_millis();
                for (set, passed) in steps {
                    wall.store(set, Ordering::SeqCst);
                    tokio::time::advance(Duration::from_millis(passed)).await;
                    let now = clock.now_millis();
                    prop_assert!(now >= before + i64::try_from(passed).unwrap());
                    prop_assert!(now >= i64::try_from(set).unwrap());
                    before = now;
                }
                Ok(())
            })?;
        }
    }
}
