//! Exact decimal numbers.

use std::fmt;

/// An exact number: `unscaled` divided by 10^`scale`. Formatted as the shortest decimal.
///
/// A fixed-point integer: unlike sums of floating point numbers, sums of decimals are exact and do
/// not depend on the order. The decimals of a column have one scale, and then they compare as
/// numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
// Half of the 16 bytes by which 128 bits are aligned, so that a decimal takes 24 bytes, not 32. An
// accumulator is mostly decimals, and adding to one mostly waits for memory.
#[repr(Rust, packed(8))]
pub struct Decimal {
    /// The number without its point. It can be copied, but not borrowed: it may be less aligned than
    /// other numbers of its size.
    pub unscaled: i128,
    /// How many of the digits come after the point.
    pub scale: u8,
}

/// As many zeros as a scale can ask for.
const ZEROS: &str = match str::from_utf8(&[b'0'; u8::MAX as usize]) {
    Ok(zeros) => zeros,
    Err(_) => "",
};

impl Decimal {
    /// Appends the number to a text. This takes half the time of [`Display`](fmt::Display), which a
    /// job with a row per reading notices.
    pub fn append_to(self, text: &mut Vec<u8>) {
        self.pieces(|piece| text.extend_from_slice(piece.as_bytes()));
    }

    /// Passes on the text in pieces.
    #[inline]
    fn pieces(self, mut push: impl FnMut(&str)) {
        let mut buffer = itoa::Buffer::new();
        let digits = self.unscaled.unsigned_abs();
        let digits = match u64::try_from(digits) {
            Ok(digits) => buffer.format(digits),
            Err(_) => buffer.format(digits),
        };
        let scale = usize::from(self.scale);
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
        if self.unscaled < 0 {
            push("-");
        }
        push(if whole.is_empty() { "0" } else { whole });
        let zeros = scale - fraction.len();
        let fraction = fraction.trim_end_matches('0');
        if !fraction.is_empty() {
            push(".");
            push(&ZEROS[..zeros]);
            push(fraction);
        }
    }

    /// The sum of two decimals of one scale. It wraps at 128 bits, so the order does not matter.
    pub fn plus(self, other: Self) -> Self {
        Self {
            unscaled: self.unscaled.wrapping_add(other.unscaled),
            ..self
        }
    }

    /// The number divided by `count`, with `places` digits after the point, rounded half away from
    /// zero. `None` if `count` is 0 or the quotient exceeds 128 bits.
    pub fn divided_by(self, count: u64, places: u8) -> Option<Self> {
        let count = i128::from(count);
        let power = |digits: u8| 10_i128.checked_pow(digits.into());
        let (factor, divisor) = if places >= self.scale {
            (power(places - self.scale)?, count)
        } else {
            (1, count.checked_mul(power(self.scale - places)?)?)
        };
        // The quotient first, so that only its remainder grows by the factor.
        let whole = self.unscaled.checked_div(divisor)?;
        let rest = self.unscaled.checked_rem(divisor)?.checked_mul(factor)?;
        let whole = whole.checked_mul(factor)?.checked_add(rest / divisor)?;
        let rest = (rest % divisor).unsigned_abs();
        let is_half = rest >= divisor.unsigned_abs().div_ceil(2);
        let rounding = i128::from(is_half) * self.unscaled.signum();
        Some(Self {
            unscaled: whole.checked_add(rounding)?,
            scale: places,
        })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        self.pieces(|piece| result = result.and_then(|()| formatter.write_str(piece)));
        result
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(unscaled: i128, scale: u8) -> Decimal {
        Decimal { unscaled, scale }
    }

    #[test]
    fn numbers_are_formatted_as_short_as_possible() {
        for (unscaled, scale, text) in [
            (0, 6, "0"),
            (1, 6, "0.000001"),
            (-1_500_000, 6, "-1.5"),
            (-7, 0, "-7"),
            (-70, 0, "-70"),
            (1_789_250_000, 6, "1789.25"),
            (10_i128.pow(30), 6, "1000000000000000000000000"),
            (i64::MAX.into(), 6, "9223372036854.775807"),
            (i128::MAX, 0, "170141183460469231731687303715884105727"),
            (i128::MIN, 18, "-170141183460469231731.687303715884105728"),
        ] {
            assert_eq!(decimal(unscaled, scale).to_string(), text);
            let mut appended = Vec::new();
            decimal(unscaled, scale).append_to(&mut appended);
            assert_eq!(appended, text.as_bytes());
        }
        let tiny = decimal(12, u8::MAX).to_string();
        assert_eq!(tiny, format!("0.{}12", "0".repeat(253)));
    }

    #[test]
    fn quotients_are_rounded_half_away_from_zero() {
        for (unscaled, scale, count, places, expected) in [
            (10, 0, 4, 1, "2.5"),
            (10, 0, 4, 0, "3"),
            (-10, 0, 4, 0, "-3"),
            (1, 0, 3, 4, "0.3333"),
            (2, 0, 3, 4, "0.6667"),
            (-2, 0, 3, 4, "-0.6667"),
            (12_345, 2, 1, 1, "123.5"),
            (12_344, 2, 1, 1, "123.4"),
            (25, 2, 5, 1, "0.1"),
            (24, 2, 5, 1, "0"),
            (-25, 2, 5, 1, "-0.1"),
            (
                i128::MAX,
                0,
                1,
                0,
                "170141183460469231731687303715884105727",
            ),
        ] {
            let quotient = decimal(unscaled, scale).divided_by(count, places).unwrap();
            assert_eq!(
                quotient.to_string(),
                expected,
                "{unscaled} {scale} / {count}"
            );
        }
        assert_eq!(decimal(1, 0).divided_by(0, 0), None);
        assert_eq!(decimal(i128::MAX, 0).divided_by(1, 1), None);
        // The quotient is `i128::MAX` and a half.
        let unscaled = 68_056_473_384_187_692_692_674_921_486_353_642_291;
        assert_eq!(decimal(unscaled, 0).divided_by(4, 1), None);
    }

    proptest! {
        #[test]
        fn quotients_are_within_half_a_unit(
            unscaled in -1_000_000_000_i128..1_000_000_000, scale in 0..6_u8, count in 1..10_000_u64,
            places in 0..9_u8,
        ) {
            let quotient = decimal(unscaled, scale).divided_by(count, places).unwrap();
            // |quotient - exact| <= half a unit, times 2 * count * 10^(scale + places).
            let units = |power: u8| 10_i128.pow(power.into());
            let exact = 2 * unscaled * units(places);
            let found = 2 * quotient.unscaled * i128::from(count) * units(scale);
            prop_assert!((exact - found).abs() <= i128::from(count) * units(scale));
        }
    }
}
