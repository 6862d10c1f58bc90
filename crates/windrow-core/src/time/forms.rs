//! The forms of a time that are not the usual one.

use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

use super::{EPOCH, InvalidTime, Timestamp, nanos_of};

const MINUTE: i128 = 60_000_000_000;

impl FromStr for Timestamp {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        if let Ok(text) = text.as_bytes().try_into()
            && let Some(time) = Self::from_formatted(text)
        {
            return Ok(time);
        }
        let mut input = TimeScanner { rest: text };
        let date = input.date()?;
        input.one_of(" Tt")?;
        let (hour, _) = (input.digits(2)?, input.one_of(":")?);
        let (minute, _) = (input.digits(2)?, input.one_of(":")?);
        let second = input.digits(2)?;
        let fraction = input.fraction()?;
        let offset = input.offset()?;
        let time = Time::new(hour as i8, minute as i8, 0, 0).map_err(|_| InvalidTime)?;
        let minute = nanos_of(date.to_datetime(time)) - i128::from(offset) * MINUTE;
        let nanos = match second {
            0..60 => second * 1_000_000_000 + fraction,
            60 if may_have_leap_second(minute) => 59_999_000_000 + (fraction / 1000).max(1),
            _ => return Err(InvalidTime),
        };
        Self::from_nanos(minute + i128::from(nanos)).ok_or(InvalidTime)
    }
}

/// Whether a minute, in nanoseconds since the epoch, is the last of a month.
fn may_have_leap_second(minute: i128) -> bool {
    let seconds = i64::try_from(minute / 1_000_000_000).unwrap_or(i64::MAX);
    let start = EPOCH.checked_add(SignedDuration::from_secs(seconds));
    start.is_ok_and(|start: DateTime| {
        (start.hour(), start.minute()) == (23, 59) && start.date() == start.date().last_of_month()
    })
}

/// Parses a JSON number of seconds or milliseconds since the epoch.
pub(super) fn number(text: &str) -> Result<Timestamp, InvalidTime> {
    const FIRST_MILLISECONDS: i128 = 100_000_000_000_000_000_000;
    let nanos = rounded_down(text, 9).ok_or(InvalidTime)?;
    let nanos = if (-FIRST_MILLISECONDS..FIRST_MILLISECONDS).contains(&nanos) {
        nanos
    } else {
        rounded_down(text, 6).ok_or(InvalidTime)?
    };
    Timestamp::from_nanos(nanos).ok_or(InvalidTime)
}

/// A JSON number times 10^`places`, rounded down. `None` if it is none or too large.
fn rounded_down(text: &str, places: i64) -> Option<i128> {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|digit: u8| digit.is_ascii_digit());
    let exponent_digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if ![whole, fraction, exponent_digits]
        .into_iter()
        .all(is_number)
    {
        return None;
    }
    // An exponent beyond 64 bits: only zero is in range, or what rounds to it.
    let farthest = if exponent.starts_with('-') {
        i64::MIN / 2
    } else {
        i64::MAX / 2
    };
    let exponent: i64 = exponent
        .parse()
        .unwrap_or(farthest)
        .clamp(i64::MIN / 2, i64::MAX / 2);

    let mut kept = (whole.len() as i64)
        .saturating_add(exponent)
        .saturating_add(places);
    let mut value = 0_i128;
    let mut is_cut = false;
    for digit in whole.bytes().chain(fraction.bytes()) {
        let digit = i128::from(digit - b'0');
        if kept > 0 {
            value = value.checked_mul(10)?.checked_add(digit)?;
        } else {
            is_cut |= digit > 0;
        }
        kept = kept.saturating_sub(1);
    }
    if value > 0 {
        for _ in 0..kept {
            value = value.checked_mul(10)?;
        }
    }
    Some(if is_negative {
        -value - i128::from(is_cut)
    } else {
        value
    })
}

struct TimeScanner<'a> {
    rest: &'a str,
}

impl TimeScanner<'_> {
    fn date(&mut self) -> Result<Date, InvalidTime> {
        let (year, _) = (self.digits(4)?, self.one_of("-")?);
        let (month, _) = (self.digits(2)?, self.one_of("-")?);
        let day = self.digits(2)?;
        Date::new(year as i16, month as i8, day as i8).map_err(|_| InvalidTime)
    }

    fn digits(&mut self, count: usize) -> Result<i64, InvalidTime> {
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
    fn fraction(&mut self) -> Result<i64, InvalidTime> {
        let Some(rest) = self.rest.strip_prefix(['.', ',']) else {
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
        let value: i64 = digits.parse().map_err(|_| InvalidTime)?;
        Ok(value * 10_i64.pow(9 - digits.len() as u32))
    }

    /// Takes an offset, in minutes ahead of UTC; zero if there is none. Nothing may follow it.
    fn offset(&mut self) -> Result<i64, InvalidTime> {
        if self.rest.is_empty() {
            return Ok(0);
        }
        let sign = match self.one_of("Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ if self.rest.is_empty() => return Ok(0),
            _ => return Err(InvalidTime),
        };
        let hours = self.digits(2)?;
        let minutes = match self.rest {
            "" => 0,
            _ => {
                self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
                self.digits(2)?
            }
        };
        if !self.rest.is_empty() || hours > 23 || minutes > 59 {
            return Err(InvalidTime);
        }
        Ok(sign * (hours * 60 + minutes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json;

    #[test]
    fn a_leap_second_is_after_all_others_of_its_minute() {
        let texts = [
            "2026-12-31 23:59:59.999",
            "2026-12-31 23:59:60",
            "2026-12-31 23:59:60.001",
            "2026-12-31 23:59:60.500",
            "2026-12-31 23:59:60.999999",
            "2027-01-01 00:00:00",
        ];
        let times = texts.map(|text| text.parse::<Timestamp>().unwrap());
        assert!(times.is_sorted_by(|one, other| one < other));
        let minutes = times.map(|time| time.millis().div_euclid(60_000));
        assert_eq!(minutes[0], minutes[4]);
        assert_ne!(minutes[0], minutes[5]);
    }

    #[test]
    fn the_error_names_the_forms() {
        assert_eq!(
            InvalidTime.to_string(),
            "is not a real time as YYYY-MM-DD HH:MM:SS.mmm in UTC, RFC 3339, or a JSON number of \
             seconds or milliseconds since 1970"
        );
    }

    proptest! {
        #[test]
        fn every_time_can_be_a_number(millis in -62_167_219_200_000..=253_402_300_799_999_i64) {
            let time = Ok(Timestamp::from_millis(millis));
            let (whole, rest) = (millis.div_euclid(1000), millis.rem_euclid(1000));
            if millis >= 0 && whole < 100_000_000_000 {
                prop_assert_eq!(Timestamp::from_number(&format!("{whole}.{rest:03}")), time);
                prop_assert_eq!(Timestamp::from_number(&format!("{millis}e-3")), time);
            }
            if !(-100_000_000_000..100_000_000_000).contains(&millis) {
                prop_assert_eq!(Timestamp::from_number(&millis.to_string()), time);
            }
        }

        #[test]
        fn numbers_are_scaled_as_other_numbers_are(text in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,12})?(e[+-]?[0-9]{1,2})?") {
            let down = rounded_down(&text, 9);
            match json::scale(&text, 9) {
                Some(scaled) if scaled.exact => prop_assert_eq!(down, Some(scaled.value)),
                Some(scaled) => prop_assert!(matches!(down, Some(down) if (0..=1).contains(&(scaled.value - down)))),
                // Rounding up may be what does not fit.
                None => prop_assert!(down.is_none_or(|down| down.unsigned_abs() > u128::MAX / 4)),
            }
        }

        #[test]
        fn any_text_is_a_number_or_an_error(text in "[0-9.eE+-]{0,30}|.*") {
            let _ = Timestamp::from_number(&text);
        }
    }
}
