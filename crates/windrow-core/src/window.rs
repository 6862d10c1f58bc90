//! Which windows a time belongs to.
//!
//! Times are milliseconds since any epoch and may be negative. A window is half open: it includes
//! its start and excludes its end. Starts are multiples of the size (of the hop, for hopping
//! windows), rounded towards minus infinity: -1 is in `[-60000, 0)`, not in the window of 0. Near
//! the ends of `i64` a window is clipped instead of wrapping around.

use thiserror::Error;

/// A span of time in milliseconds: `start <= t < end`.
///
/// Everywhere in these crates the milliseconds are since the Unix epoch, as in
/// [`Timestamp::millis`](crate::time::Timestamp::millis).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// First millisecond in the window.
    pub start: i64,
    /// First millisecond after the window.
    pub end: i64,
}

impl Window {
    /// Whether `time` is in this window.
    pub fn contains(&self, time: i64) -> bool {
        self.start <= time && time < self.end
    }
}

/// A size or hop that is not a positive number of milliseconds.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a window's {what} must be at least 1 ms, not {millis} ms")]
pub struct InvalidWindow {
    what: &'static str,
    millis: i64,
}

fn positive(what: &'static str, millis: i64) -> Result<i64, InvalidWindow> {
    if millis < 1 {
        return Err(InvalidWindow { what, millis });
    }
    Ok(millis)
}

/// Windows of one size, side by side: every time is in exactly one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tumbling {
    size: i64,
}

impl Tumbling {
    /// Windows of `size` milliseconds.
    ///
    /// # Errors
    ///
    /// [`InvalidWindow`] if a length is less than 1 ms.
    pub fn new(size: i64) -> Result<Self, InvalidWindow> {
        Ok(Self {
            size: positive("size", size)?,
        })
    }

    /// The window that contains `time`.
    #[inline]
    pub fn window_of(&self, time: i64) -> Window {
        around(time, time.rem_euclid(self.size), self.size)
    }

    /// The number of the window that contains `time`. The window that starts at 0 has number 0, and
    /// the next one has number 1.
    #[inline]
    pub(crate) fn number_of(&self, time: i64) -> i64 {
        time.div_euclid(self.size)
    }

    /// The start of the window of this number.
    pub(crate) fn start_of(&self, number: i64) -> i64 {
        number.saturating_mul(self.size)
    }
}

/// Windows of one size, one starting every hop: a time is in `size / hop` of them.
///
/// If the hop is longer than the size there are gaps between the windows. A time in a gap is in no
/// window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hopping {
    size: i64,
    hop: i64,
}

impl Hopping {
    /// Windows of `size` milliseconds, one starting every `hop` milliseconds.
    ///
    /// # Errors
    ///
    /// [`InvalidWindow`] if a length is less than 1 ms.
    pub fn new(size: i64, hop: i64) -> Result<Self, InvalidWindow> {
        Ok(Self {
            size: positive("size", size)?,
            hop: positive("hop", hop)?,
        })
    }

    /// The windows that contain `time`, latest first.
    pub fn windows_of(&self, time: i64) -> impl Iterator<Item = Window> + use<> {
        let Self { size, hop } = *self;
        let latest = time.rem_euclid(hop);
        std::iter::successors(Some(latest), move |offset| offset.checked_add(hop))
            .take_while(move |offset| *offset < size)
            .map(move |offset| around(time, offset, size))
    }
}

/// The window of `size` that starts `offset` before `time`; `0 <= offset < size`.
fn around(time: i64, offset: i64, size: i64) -> Window {
    Window {
        start: time.saturating_sub(offset),
        end: time.saturating_add(size - offset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn windows_are_half_open() {
        let minutes = Tumbling::new(60_000).unwrap();
        for (time, start) in [
            (0, 0),
            (59_999, 0),
            (60_000, 60_000),
            (-1, -60_000),
            (-60_000, -60_000),
            (-60_001, -120_000),
        ] {
            let end = start + 60_000;
            assert_eq!(minutes.window_of(time), Window { start, end }, "{time}");
        }
    }

    #[test]
    fn hopping_windows_overlap_and_may_leave_gaps() {
        let starts = |size, hop, time| -> Vec<i64> {
            let hopping = Hopping::new(size, hop).unwrap();
            hopping.windows_of(time).map(|w| w.start).collect()
        };
        assert_eq!(starts(60, 20, 70), [60, 40, 20]);
        assert_eq!(starts(60, 20, -1), [-20, -40, -60]);
        assert_eq!(starts(10, 60, 65), [60]);
        assert_eq!(starts(10, 60, 75), [0; 0]);
    }

    #[test]
    fn sizes_below_a_millisecond_are_rejected() {
        assert!(Tumbling::new(0).is_err());
        assert!(Hopping::new(1, -1).is_err());
        let error = Tumbling::new(-5).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a window's size must be at least 1 ms, not -5 ms"
        );
    }

    proptest! {
        #[test]
        fn windows_contain_their_time(time: i64, size in 1..=i64::MAX, hop in 1..=i64::MAX) {
            // No half-open window of i64 can contain the last millisecond.
            prop_assume!(time != i64::MAX);
            prop_assert!(Tumbling::new(size).unwrap().window_of(time).contains(time));
            let hopping = Hopping::new(size, hop).unwrap();
            prop_assert!(hopping.windows_of(time).take(100).all(|w| w.contains(time)));
        }

        #[test]
        fn tumbling_windows_are_contiguous(time in -1_000_000_000_000..1_000_000_000_000_i64, size in 1..100_000_i64) {
            let tumbling = Tumbling::new(size).unwrap();
            let window = tumbling.window_of(time);
            prop_assert_eq!(window.end - window.start, size);
            prop_assert_eq!(window.start.rem_euclid(size), 0);
            prop_assert_eq!(tumbling.window_of(window.end).start, window.end);
            prop_assert_eq!(tumbling.window_of(window.start - 1).end, window.start);
            let hopping = Hopping::new(size, size).unwrap();
            prop_assert_eq!(hopping.windows_of(time).collect::<Vec<_>>(), vec![window]);
        }
    }
}
