//! When readings are due.

use std::time::Duration;

/// When the readings of a fleet are due: `rate` per second in total, evenly spread.
///
/// Due times are computed from a reading's number, not from the previous due time, so the schedule
/// does not drift. A caller that falls more than one second behind skips the readings it missed
/// before that, instead of sending them all at once.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Total readings per second.
    rate: f64,
    /// The total number of readings; `None` for no limit.
    count: Option<u64>,
    /// How long the schedule runs; `None` for no limit.
    duration: Option<Duration>,
    /// Number of the next reading, from 0.
    next: u64,
    /// How many readings were skipped.
    skipped: u64,
}

impl Schedule {
    /// A schedule of `rate` readings per second, which must be positive, for `count` readings or
    /// until `duration` has passed.
    pub fn new(rate: f64, count: Option<u64>, duration: Option<Duration>) -> Self {
        Self {
            rate,
            count,
            duration,
            next: 0,
            skipped: 0,
        }
    }

    /// When the next reading is due, or when the schedule ends if that is earlier. Measured from
    /// the start.
    pub fn next_due(&self) -> Duration {
        let due = self.due(self.next);
        self.duration.map_or(due, |duration| due.min(duration))
    }

    /// When reading `number` (from 0) is due, measured from the start.
    pub fn due(&self, number: u64) -> Duration {
        let seconds = number.saturating_add(self.skipped) as f64 / self.rate;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// Takes the numbers of the readings that are due `elapsed` after the start and were not taken
    /// before.
    pub fn take(&mut self, elapsed: Duration) -> std::ops::Range<u64> {
        let by = |time: Duration| time.as_secs_f64() * self.rate;
        let due = match self.duration {
            // The duration is exclusive.
            Some(duration) if elapsed >= duration => by(duration).ceil() as u64,
            _ => (by(elapsed).floor() as u64).saturating_add(1),
        };
        let mut due = due.saturating_sub(self.skipped).max(self.next);
        let one_second = (self.rate.ceil() as u64).max(1);
        let behind = due - self.next;
        if behind > one_second {
            due = self.next + one_second;
            self.skipped += behind - one_second;
        }
        if let Some(count) = self.count {
            due = due.min(count);
        }
        let taken = self.next..due;
        self.next = due;
        taken
    }

    /// How many readings were skipped because the caller fell behind.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Whether no reading is due at `elapsed` or later.
    pub fn is_over(&self, elapsed: Duration) -> bool {
        self.count.is_some_and(|count| self.next >= count)
            || self.duration.is_some_and(|duration| elapsed >= duration)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn readings_are_spread_over_the_second() {
        let mut schedule = Schedule::new(4.0, None, None);
        assert_eq!(schedule.take(Duration::ZERO), 0..1);
        assert_eq!(schedule.next_due(), SECOND / 4);
        assert_eq!(schedule.take(SECOND / 2), 1..3);
        assert_eq!(schedule.take(SECOND / 2), 3..3);
        assert_eq!(schedule.take(SECOND), 3..5);
    }

    #[test]
    fn ends_after_the_count() {
        let mut schedule = Schedule::new(10.0, Some(7), None);
        assert_eq!(schedule.take(SECOND / 2), 0..6);
        assert!(!schedule.is_over(SECOND / 2));
        assert_eq!(schedule.take(SECOND), 6..7);
        assert!(schedule.is_over(SECOND));
    }

    #[test]
    fn ends_after_the_duration() {
        let mut schedule = Schedule::new(1.0, None, Some(SECOND * 5));
        let mut taken = 0;
        for second in 0..=5 {
            assert!(second == 0 || !schedule.is_over(SECOND * (second - 1)));
            taken += schedule.take(SECOND * second).count();
        }
        assert_eq!(taken, 5);
        assert!(schedule.is_over(SECOND * 5));
        assert_eq!(schedule.next_due(), SECOND * 5);
    }

    #[test]
    fn catches_up_on_at_most_one_second() {
        let mut schedule = Schedule::new(2.0, None, None);
        assert_eq!(schedule.take(SECOND), 0..2);
        assert_eq!(schedule.take(SECOND * 60), 2..4);
        assert_eq!(schedule.take(SECOND * 60), 4..4);
        assert_eq!(schedule.skipped(), 117);
        assert!(schedule.next_due() > SECOND * 60);
        assert!(schedule.next_due() <= SECOND * 61);
    }

    proptest! {
        #[test]
        fn nothing_is_skipped_without_stalls(
            rate in 0.5..5000.0_f64,
            steps in prop::collection::vec(1..900_u64, 1..50),
        ) {
            let mut schedule = Schedule::new(rate, None, None);
            let (mut elapsed, mut taken) = (Duration::ZERO, schedule.take(Duration::ZERO).end);
            for step in steps {
                elapsed += Duration::from_millis(step);
                let range = schedule.take(elapsed);
                prop_assert_eq!(range.start, taken);
                taken = range.end;
            }
            let expected = (elapsed.as_secs_f64() * rate).floor() as u64 + 1;
            prop_assert_eq!(taken, expected);
            prop_assert!(schedule.next_due() >= elapsed);
        }
    }
}
