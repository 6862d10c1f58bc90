//! Short decimals: JSON numbers of up to 19 digits without an exponent.

use crate::swar;

/// A non-negative number: `digits` / 10^`places`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShortDecimal {
    pub(super) digits: u64,
    pub(super) places: usize,
}

/// The number of digits that always fit 64 bits.
const MAX_DIGITS: usize = 19;

/// 10^0 to 10^19.
const POWERS_OF_TEN: [u64; MAX_DIGITS + 1] = {
    let mut powers = [1; MAX_DIGITS + 1];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = 10 * powers[power - 1];
        power += 1;
    }
    powers
};

/// Parses the integer at the start of the text. Returns its value and length; `None` if there is no
/// integer by JSON's grammar, which has no leading zeros, or if it has more than 19 digits.
///
/// Reads byte by byte: integers have few digits, and predicting the branch after the last one is
/// faster than counting them.
#[inline(always)]
pub fn integer(text: &[u8]) -> Option<(u64, usize)> {
    let (mut value, mut length) = (0_u64, 0);
    while let Some(byte @ b'0'..=b'9') = text.get(length) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        length += 1;
    }
    let leading_zero = length > 1 && text.first() == Some(&b'0');
    if length == 0 || length > MAX_DIGITS || leading_zero {
        return None;
    }
    Some((value, length))
}

/// Appends the digits at the start of the text to `number`. Returns the result and how many digits
/// there are; `None` if the text ends less than eight bytes after the last one and is not `PADDED`.
/// The result is wrong if it exceeds 64 bits.
#[inline(always)]
fn further_digits<const PADDED: bool>(text: &[u8], mut number: u64) -> Option<(u64, usize)> {
    let mut count = 0;
    loop {
        let (values, marks) = swar::digits(swar::at::<PADDED>(text, count)?);
        if marks == 0 {
            number = number.wrapping_mul(POWERS_OF_TEN[8]);
            number = number.wrapping_add(swar::number(values));
            count += 8;
            continue;
        }
        // The shift puts zeros before the digits and drops what follows them.
        let more = swar::before_first(marks);
        let values = values << (8 * (7 - more)) << 8;
        number = number.wrapping_mul(POWERS_OF_TEN[more]);
        return Some((number.wrapping_add(swar::number(values)), count + more));
    }
}

impl ShortDecimal {
    /// Parses the decimal at the start of the text. Returns it and its length; `None` if there is
    /// no decimal by JSON's grammar, if it has more than 19 digits, or if the text ends less than
    /// eight bytes after it and is not `PADDED`.
    #[inline(always)]
    pub fn read<const PADDED: bool>(text: &[u8]) -> Option<(Self, usize)> {
        let (whole, before) = integer(text)?;
        let Some((b'.', fraction)) = text.get(before..)?.split_first() else {
            let short = Self {
                digits: whole,
                places: 0,
            };
            return Some((short, before));
        };
        let (digits, places) = further_digits::<PADDED>(fraction, whole)?;
        if places == 0 || before + places > MAX_DIGITS {
            return None;
        }
        let short = Self { digits, places };
        Some((short, before + 1 + places))
    }

    /// Its digits, without the point.
    #[inline(always)]
    pub fn digits(self) -> u64 {
        self.digits
    }

    /// How many of the digits come after the point.
    #[inline(always)]
    pub fn places(self) -> usize {
        self.places
    }

    /// The number times 10^`places`, rounded to the nearest integer, halves up. `None` if it
    /// exceeds 64 bits.
    #[inline(always)]
    pub fn scale(self, places: usize) -> Option<u64> {
        let own_places = self.places;
        if own_places <= places {
            let unit = POWERS_OF_TEN.get(places - own_places)?;
            return self.digits.checked_mul(*unit);
        }
        let unit = POWERS_OF_TEN[own_places - places];
        let rounded_up = self.digits % unit >= unit / 2;
        Some(self.digits / unit + u64::from(rounded_up))
    }

    /// The number times 10^`places`. `None` if it is not an integer or exceeds 64 bits.
    #[inline(always)]
    pub fn scale_exactly(self, places: usize) -> Option<u64> {
        let own_places = self.places;
        if own_places <= places {
            let unit = POWERS_OF_TEN.get(places - own_places)?;
            return self.digits.checked_mul(*unit);
        }
        let unit = POWERS_OF_TEN[own_places - places];
        self.digits.is_multiple_of(unit).then(|| self.digits / unit)
    }

    /// The `f64` nearest to the number. `None` if the number is over `limit`.
    ///
    /// If digits and power of ten are both exact as `f64`, their quotient is rounded only once, by
    /// the division. Otherwise the quotient is computed in integers to 55 bits or more, the last of
    /// which is set if there is a remainder. The only rounding, to 53 bits and half to even, is
    /// then the conversion to `f64`. This takes about 3 ns; `str::parse` takes 15 ns.
    #[inline(always)]
    pub fn nearest_up_to(self, limit: u8) -> Option<f64> {
        let unit = POWERS_OF_TEN[self.places];
        if self.digits > u64::from(limit).saturating_mul(unit) {
            return None;
        }
        // Signed, since processors convert signed integers to floating point faster. None of these
        // integers exceeds 2^63.
        if self.digits < 1 << f64::MANTISSA_DIGITS {
            return Some(self.digits as i64 as f64 / unit as i64 as f64);
        }
        // Shifted and divided, the digits are between 2^54 and 2^56. The shift is at least 47,
        // since the digits are at most 2^8 units, and at most 61, since they are at least 2^53.
        let shift = 55 + unit.ilog2() - self.digits.ilog2();
        let shifted = u128::from(self.digits) << shift;
        let quotient = (shifted / u128::from(unit)) as u64;
        let left_over = u128::from(quotient) * u128::from(unit) != shifted;
        let rounded = (quotient | u64::from(left_over)) as i64 as f64;
        // 2^-shift, by which a product is exact.
        let power_of_two = f64::from_bits(u64::from(1023 - shift) << 52);
        Some(rounded * power_of_two)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scale;
    use proptest::prelude::*;

    fn read(number: &str) -> Option<ShortDecimal> {
        let line = format!("{number},\"Distance\"");
        let (decimal, length) = ShortDecimal::read::<false>(line.as_bytes())?;
        (length == number.len()).then_some(decimal)
    }

    #[test]
    fn only_short_decimals_are_parsed() {
        for number in [
            "0",
            "0.0",
            "7",
            "10",
            "1234567.8",
            "9999999999999999999",
            "0.000000000000000001",
        ] {
            assert!(read(number).is_some(), "{number}");
        }
        for number in [
            "", "00", "01", "01.5", "1.", ".5", "1.e1", "-1", "+1", "1e3", "1E3", "1.5e2", "0x1",
            "1_0", "１",
        ] {
            assert_eq!(read(number), None, "{number}");
        }
        assert_eq!(read("10000000000000000000"), None);
        assert_eq!(read("1.0000000000000000000"), None);
        assert_eq!(read(&format!("1.{}", "0".repeat(100))), None);
        assert_eq!(ShortDecimal::read::<false>(b"1.5"), None);
        assert_eq!(
            ShortDecimal::read::<true>(b"1.5"),
            read("1.5").map(|read| (read, 3))
        );
    }

    #[test]
    fn limits_are_inclusive() {
        for (number, nearest) in [
            ("180", Some(180.0)),
            ("180.0000000000000000", Some(180.0)),
            ("180.0000000000000001", None),
            ("181", None),
            ("9999999999999999999", None),
            ("0.000000000000000000", Some(0.0)),
        ] {
            assert_eq!(
                read(number).unwrap().nearest_up_to(180),
                nearest,
                "{number}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn nearest_agrees_with_the_standard_library(
            whole in prop_oneof![0..181_u64, 0..2_u64], fraction in "[0-9]{1,16}",
        ) {
            let number = format!("{whole}.{fraction}");
            let expected: f64 = number.parse().unwrap();
            match read(&number).unwrap().nearest_up_to(180) {
                Some(nearest) => prop_assert_eq!(nearest.to_bits(), expected.to_bits()),
                None => prop_assert!(expected >= 180.0),
            }
        }

        /// As close to the midpoint of two adjacent `f64` as the digits allow, where rounding
        /// errors show first.
        #[test]
        fn nearest_is_exact_beside_midpoints(
            halves in 1_u64 << 53..1 << 54, places in 14..=16_usize, beside in -1..=1_i64,
        ) {
            // Adjacent `f64` between 64 and 128 are 2^-46 apart.
            let middle = (u128::from(halves | 1) * 10_u128.pow(places as u32)) >> 47;
            let digits = (middle as u64).saturating_add_signed(beside);
            let decimal = ShortDecimal {
                digits,
                places,
            };
            let unit = POWERS_OF_TEN[places];
            let number = format!("{}.{:0places$}", digits / unit, digits % unit);
            let expected: f64 = number.parse().unwrap();
            if let Some(nearest) = decimal.nearest_up_to(u8::MAX) {
                prop_assert_eq!(nearest.to_bits(), expected.to_bits());
            }
        }

        #[test]
        fn scale_agrees_with_the_general_parser(number in "(0|[1-9][0-9]{0,14})(\\.[0-9]{1,12})?") {
            if let Some(decimal) = read(&number) {
                let expected = scale(&number, 6).unwrap().value;
                let expected = u64::try_from(expected).ok();
                prop_assert_eq!(decimal.scale(6), expected);
            }
        }
    }
}
