//! Moments in UTC, and the time formats of readings and rows.

mod forms;

use std::fmt::{self, Write as _};

use jiff::SignedDuration;
use jiff::civil::DateTime;
use thiserror::Error;

use crate::swar;

/// A moment in UTC, to the nanosecond, in the years 0 to 9999.
///
/// Formatted as `YYYY-MM-DD HH:MM:SS.mmm`. Parsed from text:
///
/// * `YYYY-MM-DD HH:MM:SS`, with a space, `T` or `t` between date and time. In UTC, unless an offset
///   follows: `Z`, `z`, `+01:00`, `+0100` or `+01`. This includes RFC 3339.
/// * A fraction after `.` or `,`, of any number of digits, of which nine count.
/// * Dates and times must exist: there is no 30 February and no 24:00.
///
/// A leap second, `:60`, exists at the end of any month in UTC, where the standard allows one. A day
/// has no room for it here, so it is a moment in the last millisecond of its minute: 59.999 seconds
/// and a thousandth of its fraction, at least a nanosecond. So it counts in its minute, it is after
/// all other times of that minute with up to three digits, and leap seconds that differ by a
/// microsecond differ here.
///
/// [`from_number`](Self::from_number) parses numbers of seconds or milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Milliseconds since the epoch, rounded down: readings are counted by them, and mostly have no
    /// more digits.
    millis: i64,
    /// The remaining nanoseconds, less than a million.
    nanos: u32,
}

/// Text or a number that is not a time.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "is not a real time as YYYY-MM-DD HH:MM:SS.mmm in UTC, RFC 3339, or a JSON number of seconds or \
     milliseconds since 1970"
)]
pub struct InvalidTime;

const EPOCH: DateTime = jiff::civil::datetime(1970, 1, 1, 0, 0, 0, 0);
/// The first moment of the year 0, and the last of the year 9999.
const FIRST: Timestamp = Timestamp {
    millis: -62_167_219_200_000,
    nanos: 0,
};
const LAST: Timestamp = Timestamp {
    millis: 253_402_300_799_999,
    nanos: MILLI - 1,
};

/// Nanoseconds of a millisecond.
const MILLI: u32 = 1_000_000;

fn nanos_of(time: DateTime) -> i128 {
    time.duration_since(EPOCH).as_nanos()
}

impl Timestamp {
    /// The Unix epoch, 1970-01-01 00:00:00 UTC.
    pub const EPOCH: Self = Self::from_millis(0);

    /// The moment `millis` milliseconds after the epoch, clamped to the years 0 to 9999.
    #[inline]
    pub const fn from_millis(millis: i64) -> Self {
        if millis < FIRST.millis {
            return FIRST;
        }
        if millis > LAST.millis {
            return LAST;
        }
        Self { millis, nanos: 0 }
    }

    /// The moment `nanos` nanoseconds after the epoch; `None` beyond the years 0 to 9999.
    pub fn from_nanos(nanos: i128) -> Option<Self> {
        let years = FIRST.nanos()..=LAST.nanos();
        if !years.contains(&nanos) {
            return None;
        }
        let milli = i128::from(MILLI);
        Some(Self {
            millis: nanos.div_euclid(milli) as i64,
            nanos: nanos.rem_euclid(milli) as u32,
        })
    }

    /// Parses a time formatted as `YYYY-MM-DD HH:MM:SS.mmm`. Returns `None` if it has another
    /// format or does not exist.
    #[inline(always)]
    pub fn from_formatted(text: &[u8; 23]) -> Option<Self> {
        // The last eight bytes overlap the ones before them.
        let [century, _, year, _, _, month, _, _] = pairs(text, 0, *b"0000-00-")?;
        let [day, _, _, hour, _, _, minute, _] = pairs(text, 8, *b"00 00:00")?;
        let [_, _, second, _, _, tenths, thousandths, _] = pairs(text, 15, *b"0:00.000")?;

        let year = u32::from(century) * 100 + u32::from(year);
        let days = days_since_epoch(year, month, day)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let minutes = (days * 24 + i64::from(hour)) * 60 + i64::from(minute);
        let seconds = minutes * 60 + i64::from(second);
        let millis = i64::from(tenths / 10) * 100 + i64::from(thousandths);
        let millis = seconds * 1000 + millis;
        Some(Self { millis, nanos: 0 })
    }

    /// Parses a JSON number: seconds since the epoch from -10^11 up to, but not including, 10^11 (the
    /// year 5138), and milliseconds otherwise. Decimals are exact to the nanosecond, and rounded
    /// down beyond it.
    ///
    /// So `1795166228.189` and `1795166228189` are the same time. Milliseconds of the years 1966 to
    /// 1973 are taken for seconds.
    ///
    /// # Errors
    ///
    /// [`InvalidTime`] if the text is not a number, or the time is beyond the years 0 to 9999, as
    /// micro- and nanoseconds since the epoch are.
    pub fn from_number(text: &str) -> Result<Self, InvalidTime> {
        forms::number(text)
    }

    /// Milliseconds since the epoch, rounded down.
    #[inline]
    pub const fn millis(self) -> i64 {
        self.millis
    }

    /// Nanoseconds since the time that [`millis`](Self::millis) has: less than a million.
    #[inline]
    pub const fn nanos_after_millis(self) -> u32 {
        self.nanos
    }

    /// The moment so many nanoseconds after the last whole millisecond; a million and more count as
    /// one less.
    #[inline]
    pub const fn with_nanos_after_millis(self, nanos: u32) -> Self {
        let nanos = if nanos < MILLI { nanos } else { MILLI - 1 };
        Self { nanos, ..self }
    }

    /// Nanoseconds since the epoch.
    #[inline]
    pub const fn nanos(self) -> i128 {
        self.millis as i128 * MILLI as i128 + self.nanos as i128
    }

    /// The time with all of its digits: formatted as usual if it is a whole millisecond, otherwise
    /// with nine digits after the point.
    pub fn to_exact_string(self) -> String {
        let mut text = self.to_string();
        if self.nanos > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, "{:06}", self.nanos);
        }
        text
    }
}

/// The two-digit numbers of all adjacent digits in eight bytes of the text. Returns `None` if these
/// do not match `form`, in which a `0` stands for any digit and any other byte for itself.
#[inline(always)]
fn pairs(text: &[u8; 23], offset: usize, form: [u8; 8]) -> Option<[u8; 8]> {
    let values = swar::at::<false>(text, offset)? ^ u64::from_le_bytes(form);
    // What can be added to a valid value without reaching the highest bit. Valid values are 0 to 9
    // for a digit, and 0 for another byte.
    let room = form.map(|byte| if byte == b'0' { 0x7F - 9 } else { 0x7F });
    let reached = values.wrapping_add(u64::from_le_bytes(room)) | values;
    if reached & swar::HIGHEST != 0 {
        return None;
    }
    Some((values * 10 + (values >> 8)).to_le_bytes())
}

/// Days from the epoch to a date in the years 0 to 9999. Returns `None` if there is no such date.
#[inline(always)]
fn days_since_epoch(year: u32, month: u8, day: u8) -> Option<i64> {
    const LENGTHS: [u8; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    const DAYS_BEFORE: [u16; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    /// Days since 1 January of the year 0.
    const EPOCH: i64 = 719_528;

    let index = usize::from(month).checked_sub(1)?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = LENGTHS.get(index)? + u8::from(leap && month == 2);
    if !(1..=length).contains(&day) {
        return None;
    }
    // Rounded up, since the year 0 is a leap year: each term counts the multiples before `year`.
    let leap_years = year.div_ceil(4) - year.div_ceil(100) + year.div_ceil(400);
    let month_start = DAYS_BEFORE.get(index)? + u16::from(leap && month > 2);
    let days = year * 365 + leap_years + u32::from(month_start) + u32::from(day) - 1;
    Some(i64::from(days) - EPOCH)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = EPOCH.saturating_add(SignedDuration::from_millis(self.millis()));
        // Digit by digit: `write!` takes three times as long, a twelfth of what writing a row takes.
        let mut text = *b"0000-00-00 00:00:00.000";
        for (end, number) in [
            (4, i32::from(time.year())),
            (7, time.month().into()),
            (10, time.day().into()),
            (13, time.hour().into()),
            (16, time.minute().into()),
            (19, time.second().into()),
            (23, time.subsec_nanosecond() / 1_000_000),
        ] {
            let mut rest = number.unsigned_abs();
            for digit in text[..end].iter_mut().rev() {
                if rest == 0 {
                    break;
                }
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        formatter.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        let nanos = |text: &str| text.parse::<Timestamp>().unwrap().nanos();
        assert_eq!(nanos("1970-01-01 00:00:00.000000001"), 1);
        assert_eq!(nanos("1970-01-01 00:00:00.0000000019"), 1);
    }

    #[test]
    fn times_are_milliseconds_and_nanoseconds() {
        for (text, millis, nanos) in [
            ("1970-01-01 00:00:00.001000002", 1, 2),
            ("1969-12-31 23:59:59.999999999", -1, 999_999),
            ("0000-01-01 00:00:00.000000001", FIRST.millis(), 1),
            ("9999-12-31 23:59:59.999999999", LAST.millis(), 999_999),
        ] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!((time.millis(), time.nanos_after_millis()), (millis, nanos));
            let whole = Timestamp::from_millis(millis);
            assert_eq!(whole.with_nanos_after_millis(nanos), time);
            assert_eq!(Timestamp::from_nanos(time.nanos()), Some(time));
        }
        assert_eq!(Timestamp::from_millis(i64::MAX), LAST);
        assert_eq!(Timestamp::from_millis(i64::MIN), FIRST);
        for beyond in [FIRST.nanos() - 1, LAST.nanos() + 1] {
            assert_eq!(Timestamp::from_nanos(beyond), None);
        }
    }

    #[test]
    fn days_agree_with_the_calendar() {
        for year in 0..=9999_i16 {
            for month in 0..=13_i8 {
                for day in [0, 1, 28, 29, 30, 31, 32] {
                    let date = Date::new(year, month, day).ok();
                    let days = date.map(|date| date.duration_since(EPOCH.date()).as_hours() / 24);
                    let counted = days_since_epoch(year as u32, month as u8, day as u8);
                    assert_eq!(counted, days, "{year} {month} {day}");
                }
            }
        }
    }

    /// Replaces each byte of a time by every other byte.
    #[test]
    fn both_parsers_agree_on_the_usual_format() {
        for formatted in [
            "2026-11-20 09:17:08.189",
            "0000-02-29 23:59:59.999",
            "9999-12-31 00:00:00.000",
        ] {
            let mut text: [u8; 23] = formatted.as_bytes().try_into().unwrap();
            for index in 0..text.len() {
                for byte in 0..=255 {
                    let original = std::mem::replace(&mut text[index], byte);
                    let slow = std::str::from_utf8(&text)
                        .ok()
                        .and_then(|text| text.parse().ok());
                    // Other forms: an offset after the point, a comma in its place, a leap second.
                    let slow = slow.filter(|_| index < 20 || byte.is_ascii_digit());
                    let slow = slow.filter(|_| index != 10 || byte == b' ');
                    let slow = slow.filter(|_| index != 19 || byte == b'.');
                    assert_eq!(
                        Timestamp::from_formatted(&text),
                        slow,
                        "{}",
                        text.escape_ascii()
                    );
                    text[index] = original;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn formatted_times_are_parsed(millis in -62_167_219_200_000..=253_402_300_799_999_i64) {
            let time = Timestamp::from_millis(millis);
            let text = time.to_string();
            prop_assert_eq!(Timestamp::from_formatted(text.as_bytes().try_into().unwrap()), Some(time));
        }

        #[test]
        fn milliseconds_round_trip(millis in -62_167_219_200_000..=253_402_300_799_999_i64) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(time.millis(), millis);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn any_text_is_a_time_or_an_error(text in "[0-9TZ:., +-]{0,30}|.*") {
            let _ = text.parse::<Timestamp>();
        }

        #[test]
        fn any_millisecond_can_be_formatted(millis: i64) {
            prop_assert_eq!(Timestamp::from_millis(millis).to_string().len(), 23);
        }
    }
}
