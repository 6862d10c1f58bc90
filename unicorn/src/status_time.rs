//! Times as readings and summaries write them.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};
use thiserror::Error;

/// A moment in UTC, to the nanosecond, in the years 0 to 9999.
///
/// Read from `YYYY-MM-DD HH:MM:SS.mmm` and from RFC 3339 (`2026-11-20T09:17:08.189+01:00`); the
/// fraction may be missing or have any number of digits, of which nine count. Dates and clock
/// values must be real ones: there is no 30 February and no second 60. Written as
/// `YYYY-MM-DD HH:MM:SS.mmm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusTime {
    nanos: i128,
}

/// Text that is not a time.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("is not a real UTC time of the form YYYY-MM-DD HH:MM:SS.mmm")]
pub struct InvalidTime;

const EPOCH: DateTime = jiff::civil::datetime(1970, 1, 1, 0, 0, 0, 0);
const FIRST: DateTime = jiff::civil::datetime(0, 1, 1, 0, 0, 0, 0);
const LAST: DateTime = jiff::civil::datetime(9999, 12, 31, 23, 59, 59, 999_999_999);

fn nanos_of(time: DateTime) -> i128 {
    time.duration_since(EPOCH).as_nanos()
}

impl StatusTime {
    /// The moment `millis` milliseconds after the epoch; the first or last one there is, where that
    /// lies outside of the years 0 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        let nanos = i128::from(millis) * 1_000_000;
        Self {
            nanos: nanos.clamp(nanos_of(FIRST), nanos_of(LAST)),
        }
    }

    /// Milliseconds since the epoch, rounded down.
    pub fn millis(self) -> i64 {
        // Ten thousand years of milliseconds are far from the ends of an i64.
        self.nanos.div_euclid(1_000_000) as i64
    }

    /// Nanoseconds since the epoch.
    pub fn nanos(self) -> i128 {
        self.nanos
    }
}

impl FromStr for StatusTime {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let mut input = Scanner { rest: text };
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
        if !(nanos_of(FIRST)..=nanos_of(LAST)).contains(&nanos) {
            return Err(InvalidTime);
        }
        Ok(Self { nanos })
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
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

    /// Nanoseconds of a fraction of a second; zero where there is none.
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

    /// Minutes ahead of UTC; must be all that is left.
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

impl fmt::Display for StatusTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = EPOCH.saturating_add(SignedDuration::from_millis(self.millis()));
        write!(
            formatter,
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.subsec_nanosecond() / 1_000_000,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_are_read() {
        for (text, written) in [
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
            let time: StatusTime = text.parse().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(time.to_string(), written, "{text}");
        }
    }

    #[test]
    fn only_real_times_are_read() {
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
            assert!(text.parse::<StatusTime>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_nanosecond_is_kept_and_further_digits_are_not() {
        let nanos = |text: &str| text.parse::<StatusTime>().unwrap().nanos();
        assert_eq!(nanos("1970-01-01 00:00:00.000000001"), 1);
        assert_eq!(nanos("1970-01-01 00:00:00.0000000019"), 1);
    }

    proptest! {
        #[test]
        fn milliseconds_round_trip(millis in -62_167_219_200_000..=253_402_300_799_999_i64) {
            let time = StatusTime::from_millis(millis);
            prop_assert_eq!(time.millis(), millis);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn any_text_is_a_time_or_an_error(text in "[0-9TZ:. +-]{0,30}|.*") {
            let _ = text.parse::<StatusTime>();
        }

        #[test]
        fn any_millisecond_can_be_written(millis: i64) {
            prop_assert_eq!(StatusTime::from_millis(millis).to_string().len(), 23);
        }
    }
}
