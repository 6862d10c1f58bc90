//! Moments in UTC, and the time format of readings and rows.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};
use thiserror::Error;

use crate::swar;

/// A moment in UTC, to the nanosecond, in the years 0 to 9999.
///
/// Parsed from `YYYY-MM-DD HH:MM:SS.mmm` and from RFC 3339 (`2026-11-20T09:17:08.189+01:00`). The
/// fraction may be missing or have any number of digits, of which nine count. Dates and times must
/// exist: there is no 30 February and no second 60. Formatted as `YYYY-MM-DD HH:MM:SS.mmm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    nanos: i128,
}

/// Text that is not a time.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("is not a real UTC time of the form YYYY-MM-DD HH:MM:SS.mmm")]
pub struct InvalidTime;

const EPOCH: DateTime = jiff::civil::datetime(1970, 1, 1, 0, 0, 0, 0);
/// Nanoseconds since the epoch of the first moment of the year 0, and of the last of the year 9999.
const FIRST: i128 = -62_167_219_200 * 1_000_000_000;
const LAST: i128 = 253_402_300_800 * 1_000_000_000 - 1;

fn nanos_of(time: DateTime) -> i128 {
    time.duration_since(EPOCH).as_nanos()
}

impl Timestamp {
    /// The Unix epoch, 1970-01-01 00:00:00 UTC.
    pub const EPOCH: Self = Self { nanos: 0 };

    /// The moment `millis` milliseconds after the epoch, clamped to the years 0 to 9999.
    pub const fn from_millis(millis: i64) -> Self {
        let nanos = millis as i128 * 1_000_000;
        let nanos = if nanos < FIRST { FIRST } else { nanos };
        let nanos = if nanos > LAST { LAST } else { nanos };
        Self { nanos }
    }

    /// The moment `nanos` nanoseconds after the epoch; `None` beyond the years 0 to 9999.
    #[inline]
    pub fn from_nanos(nanos: i128) -> Option<Self> {
        let years = FIRST..=LAST;
        years.contains(&nanos).then_some(Self { nanos })
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
        Some(Self {
            nanos: i128::from(millis) * 1_000_000,
        })
    }

    /// Milliseconds since the epoch, rounded down.
    pub fn millis(self) -> i64 {
        // Milliseconds of ten thousand years always fit an i64.
        self.nanos.div_euclid(1_000_000) as i64
    }

    /// Nanoseconds since the epoch.
    #[inline]
    pub fn nanos(self) -> i128 {
        self.nanos
    }

    /// The time with all of its digits: formatted as usual if it is a whole millisecond, otherwise
    /// with nine digits after the point.
    pub fn to_exact_string(self) -> String {
        let mut text = self.to_string();
        match self.nanos.rem_euclid(1_000_000) {
            0 => {}
            nanos => {
                // Writing to a string cannot fail.
                let _ = write!(text, "{nanos:06}");
            }
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

impl FromStr for Timestamp {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        if let Ok(text) = text.as_bytes().try_into()
            && let Some(time) = Self::from_formatted(text)
        {
            return Ok(time);
        }
        let mut input = TimeScanner { rest: text };
        let date = {
            let (year, _) = (input.digits(4)?, input.one_of("-")?);
            let (month, _) = (input.digits(2)?, input.one_of("-")?);
            let day = input.digits(2)?;
            Date::new(year as i16, month as i8, day as i8).map_err(|_| InvalidTime)?
        };
        let separator = input.one_of(" Tt")?;
        let (hour, _) = (input.digits(2)?, input.one_of(":")?);
        let (minute, _) = (input.digits(2)?, input.one_of(":")?);
        let second = input.digits(2)?;
        let fraction = input.fraction()?;
        let offset = match input.rest {
            "" if separator == b' ' => 0,
            _ => input.offset()?,
        };
        let time = jiff::civil::Time::new(hour as i8, minute as i8, second as i8, fraction)
            .map_err(|_| InvalidTime)?;
        let nanos = nanos_of(date.to_datetime(time)) - i128::from(offset) * 60_000_000_000;
        if !(FIRST..=LAST).contains(&nanos) {
            return Err(InvalidTime);
        }
        Ok(Self { nanos })
    }
}

struct TimeScanner<'a> {
    rest: &'a str,
}

impl TimeScanner<'_> {
    fn digits(&mut self, count: usize) -> Result<i32, InvalidTime> {
        let (digits, rest) = self.rest.split_at_checked(count).ok_or(InvalidTime)?;
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(InvalidTime);
        }
        self.rest = rest;
        digits.parse().map_err(|_| InvalidTime)
    }

    fn one_of(&mut self, allowed: &str) -> Result<u8, InvalidTime> {
        let first = self.rest.bytes().next().ok_or(InvalidTime)?;
        if !allowed.as_bytes().contains(&first) {
            return Err(InvalidTime);
        }
        self.rest = &self.rest[1..];
        Ok(first)
    }

    /// Takes a fraction of a second, in nanoseconds; zero if there is none.
    fn fraction(&mut self) -> Result<i32, InvalidTime> {
        let Some(rest) = self.rest.strip_prefix('.') else {
            return Ok(0);
        };
        let end = rest
            .find(|digit: char| !digit.is_ascii_digit())
            .unwrap_or(rest.len());
        if end == 0 {
            return Err(InvalidTime);
        }
        self.rest = &rest[end..];
        let digits = &rest[..end.min(9)];
        let value: i32 = digits.parse().map_err(|_| InvalidTime)?;
        Ok(value * 10_i32.pow(9 - digits.len() as u32))
    }

    /// Takes an offset, in minutes ahead of UTC. Nothing may follow it.
    fn offset(&mut self) -> Result<i32, InvalidTime> {
        let sign = match self.one_of("Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => 0,
        };
        if sign != 0 {
            let (hours, _) = (self.digits(2)?, self.one_of(":")?);
            let minutes = self.digits(2)?;
            if self.rest.is_empty() && hours < 24 && minutes < 60 {
                return Ok(sign * (hours * 60 + minutes));
            }
        }
        match (sign, self.rest) {
            (0, "") => Ok(0),
            _ => Err(InvalidTime),
        }
    }
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
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_formats_are_parsed() {
        for (text, formatted) in [
            ("2026-11-20 09:17:08.189", "2026-11-20 09:17:08.189"),
            ("2026-11-20 09:17:08", "2026-11-20 09:17:08.000"),
            ("2026-11-20T09:17:08.189Z", "2026-11-20 09:17:08.189"),
            ("2026-11-20t09:17:08.1z", "2026-11-20 09:17:08.100"),
            ("2026-11-20 09:17:08.189Z", "2026-11-20 09:17:08.189"),
            (
                "2026-11-20T00:17:08.189999999+01:00",
                "2026-11-19 23:17:08.189",
            ),
            ("2026-12-31T23:59:59-00:30", "2027-01-01 00:29:59.000"),
            ("2024-02-29 00:00:00.000", "2024-02-29 00:00:00.000"),
            ("0000-01-01 00:00:00.000", "0000-01-01 00:00:00.000"),
            ("9999-12-31 23:59:59.999", "9999-12-31 23:59:59.999"),
            ("1969-12-31 23:59:59.9999", "1969-12-31 23:59:59.999"),
        ] {
            let time: Timestamp = text.parse().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(time.to_string(), formatted, "{text}");
        }
    }

    #[test]
    fn only_existing_times_are_parsed() {
        for text in [
            "",
            "now",
            "2026-02-30 00:00:00.000",
            "2026-02-29 00:00:00.000",
            "2026-13-01 00:00:00.000",
            "2026-00-01 00:00:00.000",
            "2026-11-20 24:00:00.000",
            "2026-11-20 23:60:00.000",
            "2026-11-20 23:59:60.000",
            "2026-11-20",
            "2026-11-20T09:17:08",
            "2026-11-20 09:17:08.",
            "2026-11-20 09:17:08.189 ",
            " 2026-11-20 09:17:08.189",
            "2026-11-20 09:17:08,189",
            "2026-11-20 9:17:08.189",
            "+026-11-20 09:17:08.189",
            "2026-11-20T09:17:08+24:00",
            "2026-11-20T09:17:08+0100",
            "2026-11-20T09:17:08ZZ",
            "2026-11-20T09:17:08+01:00[Europe/Paris]",
            "0000-01-01T00:00:00+01:00",
            "2026-11-20 09:17:0é",
            "２026-11-20 09:17:08.189",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        let nanos = |text: &str| text.parse::<Timestamp>().unwrap().nanos();
        assert_eq!(nanos("1970-01-01 00:00:00.000000001"), 1);
        assert_eq!(nanos("1970-01-01 00:00:00.0000000019"), 1);
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
                    // A non-digit after the point may be the start of an offset.
                    let slow = slow.filter(|_| index < 20 || byte.is_ascii_digit());
                    let slow = slow.filter(|_| index != 10 || byte == b' ');
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
        fn any_text_is_a_time_or_an_error(text in "[0-9TZ:. +-]{0,30}|.*") {
            let _ = text.parse::<Timestamp>();
        }

        #[test]
        fn any_millisecond_can_be_formatted(millis: i64) {
            prop_assert_eq!(Timestamp::from_millis(millis).to_string().len(), 23);
        }
    }
}
