//! The windows that are audited.

use std::time::Duration;

use clap::ValueEnum;
use windrow_core::time::Timestamp;

/// Which time decides the window of a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WindowBy {
    /// When its record arrived in the stream
    #[default]
    Arrival,
    /// Its own time
    Event,
}

/// How far a reading's time may be ahead of its arrival if it decides the window. Readings further
/// ahead are rejected.
const FURTHEST_AHEAD: i64 = 300_000;

/// How long the windows of several lengths are that are audited together: an hour. A common multiple
/// may be longer than any log.
const LONGEST_TOGETHER: i64 = 3_600_000;

/// Tumbling windows, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditWindows {
    /// The length of the windows. If the sensor has windows of its own, a multiple of all lengths, or
    /// the longest one.
    length: i64,
    /// The length of the longest windows.
    longest: i64,
    /// The length of the longest windows of which `length` is not a multiple, so that they may begin
    /// before a multiple of it and end after.
    overlap: i64,
    /// The length of Lambda's windows.
    lambda: i64,
    by: WindowBy,
}

impl AuditWindows {
    /// Windows of this length, which is rounded down to whole milliseconds and is at least one.
    pub fn new(length: Duration, by: WindowBy) -> Self {
        let length = millis(length);
        Self {
            length,
            longest: length,
            overlap: 0,
            lambda: length,
            by,
        }
    }

    /// The windows of a sensor that has its own, of these lengths, in Lambda's windows of this
    /// length: what is audited together is a multiple of all of them, or the longest windows if
    /// that is longer than an hour.
    pub fn with_lengths(self, lengths: impl IntoIterator<Item = Duration>) -> Self {
        let lengths: Vec<i64> = lengths.into_iter().map(millis).collect();
        let Some(longest) = lengths.iter().copied().max() else {
            return self;
        };
        let together = lengths.iter().copied().fold(self.lambda, common_multiple);
        let length = if together > LONGEST_TOGETHER.max(longest) {
            longest
        } else {
            together
        };
        let overlaps = lengths.into_iter().filter(|own| length % own != 0);
        Self {
            length,
            longest,
            overlap: overlaps.max().unwrap_or(0),
            ..self
        }
    }

    /// The length of a window.
    pub fn length(self) -> i64 {
        self.length
    }

    /// Which time decides.
    pub fn by(self) -> WindowBy {
        self.by
    }

    /// The start of the window that `time` is in.
    pub fn start_of(self, time: i64) -> i64 {
        start_of(self.length, time)
    }

    /// The start of the Lambda window that `time` is in.
    pub(crate) fn lambda_start_of(self, time: i64) -> i64 {
        start_of(self.lambda, time)
    }

    /// The start of the first window that begins after `time`.
    pub fn next_after(self, time: i64) -> i64 {
        self.start_of(time).saturating_add(self.length)
    }

    /// The time before which all readings have arrived of the windows that start before `end`, if
    /// readings belong to windows by their arrival.
    pub(crate) fn arrivals_end(self, end: i64) -> i64 {
        let further = if end == self.start_of(end) {
            self.overlap
        } else {
            self.longest
        };
        end.saturating_add(further)
    }

    /// How long after a multiple of [`length`](Self::length) the last window ends that starts
    /// before.
    pub(crate) fn overlap(self) -> i64 {
        self.overlap
    }

    /// How long before the start of a window its first reading may arrive.
    pub fn earliest_arrival(self) -> i64 {
        match self.by {
            WindowBy::Arrival => 0,
            WindowBy::Event => FURTHEST_AHEAD,
        }
    }

    /// The start of the window of a reading with this time; `None` if it is rejected.
    pub(crate) fn window_of(self, time: Option<Timestamp>, arrival: i64) -> Option<i64> {
        if self.by == WindowBy::Arrival {
            return Some(self.start_of(arrival));
        }
        let time = time?.millis();
        let is_too_far_ahead = time.saturating_sub(arrival) > FURTHEST_AHEAD;
        (!is_too_far_ahead).then(|| self.start_of(time))
    }
}

/// A length in milliseconds, at least one.
fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1)
}

fn start_of(length: i64, time: i64) -> i64 {
    let past = match time % length {
        before_zero if before_zero < 0 => before_zero + length,
        past => past,
    };
    time.saturating_sub(past)
}

/// The smallest multiple of both, or the longer one if that is out of range.
fn common_multiple(one: i64, other: i64) -> i64 {
    let (mut divisor, mut rest) = (one, other);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    let multiple = (one / divisor).checked_mul(other);
    multiple.unwrap_or(one.max(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_rounded_down() {
        let windows = AuditWindows::new(Duration::from_secs(60), WindowBy::Arrival);
        for (time, start) in [
            (0, 0),
            (59_999, 0),
            (60_000, 60_000),
            (-1, -60_000),
            (-60_000, -60_000),
            (-60_001, -120_000),
        ] {
            assert_eq!(windows.start_of(time), start, "{time}");
            assert_eq!(windows.next_after(time), start + 60_000, "{time}");
        }
        windows.start_of(i64::MIN);
        windows.next_after(i64::MAX);
    }

    #[test]
    fn windows_of_several_lengths_are_audited_together() {
        let lengths = [7, 10, 60].map(Duration::from_secs);
        let windows = AuditWindows::new(Duration::from_secs(3), WindowBy::Arrival);
        let windows = windows.with_lengths(lengths);
        assert_eq!(windows.length(), 420_000);
        assert_eq!(windows.start_of(430_000), 420_000);
        assert_eq!(windows.lambda_start_of(430_000), 429_000);
        assert_eq!(windows.arrivals_end(840_000), 840_000);
        // The windows of a minute end later than those that start before this.
        assert_eq!(windows.arrivals_end(470_000), 530_000);
        let longest = [u64::MAX, 7].map(Duration::from_secs);
        assert_eq!(windows.with_lengths(longest).length(), i64::MAX);
    }

    #[test]
    fn windows_without_a_short_common_multiple_overlap() {
        let windows = AuditWindows::new(Duration::from_secs(7), WindowBy::Arrival);
        let day = windows.with_lengths([7, 86_400].map(Duration::from_secs));
        assert_eq!(day.length(), 86_400_000);
        // A window of 7 s begins 6 s before the end of the first day.
        assert_eq!(day.overlap(), 7_000);
        assert_eq!(day.arrivals_end(86_400_000), 86_407_000);
        let hour = windows.with_lengths([7, 3_600].map(Duration::from_secs));
        assert_eq!((hour.length(), hour.overlap()), (3_600_000, 7_000));
        // Lambda's windows may overlap: no reading belongs to one.
        let day = windows.with_lengths([Duration::from_secs(86_400)]);
        assert_eq!((day.length(), day.overlap()), (86_400_000, 0));
    }
}
