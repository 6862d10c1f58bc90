//! JSON numbers as scaled integers, without floating point in between.

/// The value of a JSON number times `10^places`, rounded half away from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaled {
    /// The scaled value.
    pub value: i128,
    /// Whether no rounding was needed.
    pub exact: bool,
    /// Whether the number is below zero, even if it rounds to zero.
    pub negative: bool,
}

/// Scales a JSON number. Returns `None` if the result does not fit an `i128` (38 digits).
///
/// `text` must be a number by JSON's grammar.
pub fn scale(text: &str, places: i64) -> Option<Scaled> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || {
        whole
            .bytes()
            .chain(fraction.bytes())
            .map(|digit| digit - b'0')
    };
    if digits().all(|digit| digit == 0) {
        return Some(Scaled {
            value: 0,
            exact: true,
            negative: false,
        });
    }

    // How many of the digits are before the decimal point of the scaled number.
    let kept = (whole.len() as i64)
        .saturating_add(exponent)
        .saturating_add(places);
    let mut value = 0_i128;
    let mut exact = true;
    for (index, digit) in (0_i64..).zip(digits()) {
        let digit = i128::from(digit);
        if index < kept {
            value = value.checked_mul(10)?.checked_add(digit)?;
        } else {
            if index == kept && digit >= 5 {
                value = value.checked_add(1)?;
            }
            exact &= digit == 0;
        }
    }
    let count = (whole.len() + fraction.len()) as i64;
    for _ in count..kept {
        value = value.checked_mul(10)?;
    }
    Some(Scaled {
        value: sign * value,
        exact,
        negative: sign < 0,
    })
}

/// Parses an exponent, clipped to 32 bits; larger ones make no difference.
fn parse_exponent(text: &str) -> i64 {
    let clipped = if text.starts_with('-') {
        -i64::from(i32::MAX)
    } else {
        i64::from(i32::MAX)
    };
    text.parse::<i32>().map_or(clipped, i64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn micro(text: &str) -> Option<i128> {
        scale(text, 6).map(|scaled| scaled.value)
    }

    #[test]
    fn every_form_of_a_number_is_scaled() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("-0.0e5", 0),
            ("175", 175_000_000),
            ("1789.25", 1_789_250_000),
            ("1e3", 1_000_000_000),
            ("1.5e2", 150_000_000),
            ("1.5E+2", 150_000_000),
            ("15e-1", 1_500_000),
            ("29.999999999999996", 30_000_000),
            ("0.0000005", 1),
            ("0.00000049999", 0),
            ("5e-7", 1),
            ("9.9999999e0", 10_000_000),
            ("-1", -1_000_000),
            ("1e-400", 0),
            ("1e-99999999999999999999", 0),
            ("0e99999999999999999999", 0),
            (
                "123456789012345678901234567890",
                123_456_789_012_345_678_901_234_567_890_000_000,
            ),
        ] {
            assert_eq!(micro(text), Some(expected), "{text}");
        }
        let largest = i128::MAX.to_string();
        let (metres, rest) = largest.split_at(largest.len() - 6);
        assert_eq!(micro(&format!("{metres}.{rest}4")), Some(i128::MAX));
        assert_eq!(micro(&format!("{metres}.{rest}5")), None);
        for text in [
            "1e400",
            "1e99999999999999999999",
            "1e33",
            "9".repeat(39).as_str(),
        ] {
            assert_eq!(micro(text), None, "{text}");
        }
    }

    #[test]
    fn rounding_and_sign_are_reported() {
        assert!(scale("150.0", 0).unwrap().exact);
        assert!(scale("1.5e2", 0).unwrap().exact);
        assert!(!scale("150.5", 0).unwrap().exact);
        assert!(!scale("1e-400", 0).unwrap().exact);
        assert!(scale("-1e-400", 6).unwrap().negative);
    }

    proptest! {
        #[test]
        fn micrometres_round_trip(value in -10_i128.pow(30)..10_i128.pow(30), exponent in -8..8_i64) {
            let text = format!("{value}e{exponent}");
            let scaled = scale(&text, -exponent).unwrap();
            prop_assert_eq!(scaled.value, value);
            prop_assert!(scaled.exact);
        }

        #[test]
        fn agrees_with_floating_point(value in -1.0e6..1.0e6_f64) {
            let scaled = scale(&format!("{value}"), 6).unwrap().value as f64;
            prop_assert!((scaled - value * 1e6).abs() <= 0.51);
        }
    }
}
