//! The time formats on the wire, to and from milliseconds since the epoch.

use std::io::{self, Write};
use std::num::IntErrorKind;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

/// An arrival time, in milliseconds, parsed from the JSON number of seconds that Lambda writes.
///
/// The number may be in a string, as `aws_lambda_events` serializes it.
pub(crate) struct Arrival(pub(crate) i64);

impl<'de> Deserialize<'de> for Arrival {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let seconds = raw.get().trim_matches('"');
        parse_seconds(seconds).map(Arrival).ok_or_else(|| {
            D::Error::custom("`approximateArrivalTimestamp` is not a number of seconds")
        })
    }
}

/// Parses a JSON number of seconds. Returns milliseconds, rounded to the nearest, halves away from
/// zero. `None` if the text is not such a number or is far beyond any date.
fn parse_seconds(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = whole.bytes().chain(fraction.bytes());
    if whole.is_empty() || !digits.clone().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    if digits.clone().all(|digit| digit == b'0') {
        return Some(0);
    }
    // Beyond any date, however many zeros the fraction starts with.
    if exponent > i64::try_from(fraction.len()).ok()? + 20 {
        return None;
    }

    let digits_of_millis = i64::try_from(whole.len()).ok()? + exponent + 3;
    let mut millis: i64 = 0;
    for _ in 0..digits_of_millis {
        let digit = digits.next().map_or(0, |digit| i64::from(digit - b'0'));
        millis = millis.checked_mul(10)?.checked_add(digit)?;
    }
    let at_least_half = digits_of_millis >= 0 && digits.next().is_some_and(|digit| digit >= b'5');
    let millis = millis.checked_add(i64::from(at_least_half))?;
    Some(if negative { -millis } else { millis })
}

/// Parses an exponent, clipped to 32 bits; larger ones make no difference.
fn parse_exponent(text: &str) -> Option<i64> {
    match text.parse::<i32>() {
        Ok(exponent) => Some(i64::from(exponent)),
        Err(error) => match error.kind() {
            IntErrorKind::PosOverflow => Some(i64::from(i32::MAX)),
            IntErrorKind::NegOverflow => Some(i64::from(i32::MIN)),
            _ => None,
        },
    }
}

/// Writes seconds with exactly three decimals, as Lambda does for arrival times.
pub(crate) fn write_seconds(out: &mut impl Write, millis: i64) -> io::Result<()> {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    write!(out, "{sign}{}.{:03}", millis / 1000, millis % 1000)
}

/// Formats UTC as RFC 3339, without a fraction if it is zero.
pub(crate) fn rfc3339(millis: i64) -> String {
    timestamp(millis).to_string()
}

/// Parses RFC 3339 with any offset and any number of decimals. Returns milliseconds, truncated.
pub(crate) fn parse_rfc3339(text: &str) -> Result<i64, jiff::Error> {
    Ok(text.parse::<Timestamp>()?.as_millisecond())
}

/// The instant, or the nearest one that jiff supports.
fn timestamp(millis: i64) -> Timestamp {
    let nearest = if millis < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_millisecond(millis).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn arrival_times_are_exact_decimals() {
        let cases = [
            ("1607497475.189", 1_607_497_475_189),
            ("1607497475.000", 1_607_497_475_000),
            ("1607497475", 1_607_497_475_000),
            ("1607497475.5", 1_607_497_475_500),
            ("1607497475.05", 1_607_497_475_050),
            ("1607497475.1894999", 1_607_497_475_189),
            ("1607497475.1895", 1_607_497_475_190),
            ("1607497475.1895000", 1_607_497_475_190),
            ("1607497475.9995", 1_607_497_476_000),
            ("1.607497475E9", 1_607_497_475_000),
            ("1.607497475189e9", 1_607_497_475_189),
            ("1.6074974751895E+9", 1_607_497_475_190),
            ("16074974751.894999e-1", 1_607_497_475_189),
            ("0", 0),
            ("-0", 0),
            ("0.0005", 1),
            ("0.00049999", 0),
            ("5e-4", 1),
            ("9e-5", 0),
            ("9e-2147483648", 0),
            ("9e-99999999999", 0),
            ("0e25", 0),
            ("-0.0e99999999999", 0),
            ("0.00000000000000001607497475189e26", 1_607_497_475_189),
            ("-1.5", -1_500),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_seconds(text), Some(millis), "{text}");
        }
    }

    #[test]
    fn other_text_is_not_a_number_of_seconds() {
        let cases = [
            "",
            "-",
            ".5",
            "NaN",
            "true",
            "1.2.3",
            "1e",
            "1e9999999999",
            "0e",
            "0e+-1",
            "0.01e99999999999",
            "1e300",
            "0x10",
            "--1",
            "9223372036854775807",
            "9223372036854775.8075",
        ];
        for text in cases {
            assert_eq!(parse_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_formatted_as_in_lambda() {
        assert_eq!(rfc3339(1_607_497_440_000), "2020-12-09T07:04:00Z");
        assert_eq!(rfc3339(1_607_497_440_250), "2020-12-09T07:04:00.25Z");
        assert_eq!(
            parse_rfc3339("2020-12-09T07:04:00.0005Z").ok(),
            Some(1_607_497_440_000)
        );
        assert_eq!(
            parse_rfc3339("2020-12-09T08:04:00.25+01:00").ok(),
            Some(1_607_497_440_250)
        );
    }

    proptest! {
        #[test]
        fn seconds_round_trip(millis in -9_223_372_036_854_775_000..9_223_372_036_854_775_000_i64) {
            let mut written = Vec::new();
            write_seconds(&mut written, millis).unwrap();
            prop_assert_eq!(parse_seconds(str::from_utf8(&written).unwrap()), Some(millis));
        }

        #[test]
        fn dates_round_trip(millis in -60_000_000_000_000..250_000_000_000_000_i64) {
            prop_assert_eq!(parse_rfc3339(&rfc3339(millis)).ok(), Some(millis));
        }

        #[test]
        fn any_instant_can_be_formatted(millis: i64) {
            prop_assert!(!rfc3339(millis).is_empty());
        }

        #[test]
        fn any_text_is_a_number_or_none(text in "[-+.eE0-9]{0,40}|.*") {
            let _ = parse_seconds(&text);
        }
    }
}
