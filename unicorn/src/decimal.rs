//! Short decimals: numbers of JSON without an exponent, of up to 19 digits.

use crate::swar;

/// A number of zero or more: `digits` / 10^`places`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    digits: u64,
    places: usize,
}

/// So many digits always fit 64 bits.
const MOST_DIGITS: usize = 19;

/// From 1 on.
const POWERS_OF_TEN: [u64; MOST_DIGITS + 1] = {
    let mut powers = [1; MOST_DIGITS + 1];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = 10 * powers[power - 1];
        power += 1;
    }
    powers
};

/// The integer that the text starts with, and its length; none where there is none by JSON's grammar,
/// which has no leading zeros, or where it is long.
///
/// Integers have few digits, of which a processor foresees the last one better than it counts them,
/// so they are read byte by byte.
#[inline(always)]
pub(crate) fn integer(text: &[u8]) -> Option<(u64, usize)> {
    let (mut value, mut length) = (0_u64, 0);
    while let Some(byte @ b'0'..=b'9') = text.get(length) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        length += 1;
    }
    let leading_zero = length > 1 && text.first() == Some(&b'0');
    if length == 0 || length > MOST_DIGITS || leading_zero {
        return None;
    }
    Some((value, length))
}

/// The digits that the text starts with, as the next ones of a number, and how many they are; none
/// where the text ends within eight bytes of the last one and is not to be `PADDED`. A number that gets
/// too long for 64 bits is a wrong one.
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
        // The shift leaves zeros before the digits, and drops what comes after them.
        let more = swar::before_first(marks);
        let values = values << (8 * (7 - more)) << 8;
        number = number.wrapping_mul(POWERS_OF_TEN[more]);
        return Some((number.wrapping_add(swar::number(values)), count + more));
    }
}

impl Decimal {
    /// The decimal that the text starts with, and its length; none where there is none by JSON's
    /// grammar, where it is long, or where the text ends soon after it and is not to be `PADDED`.
    #[inline(always)]
    pub(crate) fn read<const PADDED: bool>(text: &[u8]) -> Option<(Self, usize)> {
        let (whole, before) = integer(text)?;
        let Some((b'.', fraction)) = text.get(before..)?.split_first() else {
            let (digits, places) = (whole, 0);
            return Some((Self { digits, places }, before));
        };
        let (digits, places) = further_digits::<PADDED>(fraction, whole)?;
        if places == 0 || before + places > MOST_DIGITS {
            return None;
        }
        Some((Self { digits, places }, before + 1 + places))
    }

    /// The number times 10^`places`, a half rounded upwards; none past 64 bits.
    #[inline(always)]
    pub(crate) fn scale(self, places: usize) -> Option<u64> {
        if self.places <= places {
            let unit = POWERS_OF_TEN.get(places - self.places)?;
            return self.digits.checked_mul(*unit);
        }
        let unit = POWERS_OF_TEN[self.places - places];
        let rounded_up = self.digits % unit >= unit / 2;
        Some(self.digits / unit + u64::from(rounded_up))
    }

    /// The `f64` that is nearest to the number; none where the number is beyond the limit, which is
    /// 256 at most.
    ///
    /// Where digits and power of ten are both exact in an `f64`, so is their quotient but for the one
    /// rounding that any division does. Else the quotient is worked out in integers to 55 bits or
    /// more, the last of which tells whether anything is left over, so that the one rounding, to 53
    /// bits and half to even, happens where it becomes an `f64`. It takes some 3 ns; `str::parse`, 15.
    #[inline(always)]
    pub(crate) fn nearest_up_to(self, limit: u8) -> Option<f64> {
        let unit = POWERS_OF_TEN[self.places];
        if self.digits > u64::from(limit).saturating_mul(unit) {
            return None;
        }
        // Signed, since processors turn signed integers into floating point faster. None of these
        // integers is past 2^63.
        if self.digits < 1 << f64::MANTISSA_DIGITS {
            return Some(self.digits as i64 as f64 / unit as i64 as f64);
        }
        // Between 2^54 and 2^56 once divided. The digits are at most 2^8 units, so this is 47 or
        // more, and at most 61, since they are at least 2^53.
        let shift = 55 + unit.ilog2() - self.digits.ilog2();
        let shifted = u128::from(self.digits) << shift;
        let quotient = (shifted / u128::from(unit)) as u64;
        let left_over = u128::from(quotient) * u128::from(unit) != shifted;
        let rounded = (quotient | u64::from(left_over)) as i64 as f64;
        // 2^-shift, of which the product is exact.
        let power_of_two = f64::from_bits(u64::from(1023 - shift) << 52);
        Some(rounded * power_of_two)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::scale;
    use proptest::prelude::*;

    fn read(number: &str) -> Option<Decimal> {
        let line = format!("{number},\"Distance\"");
        let (decimal, length) = Decimal::read::<false>(line.as_bytes())?;
        (length == number.len()).then_some(decimal)
    }

    #[test]
    fn only_plain_and_short_decimals_are_read() {
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
        assert_eq!(Decimal::read::<false>(b"1.5"), None);
        assert_eq!(
            Decimal::read::<true>(b"1.5"),
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
        fn the_nearest_is_what_the_standard_library_finds(
            whole in prop_oneof![0..181_u64, 0..2_u64], fraction in "[0-9]{1,16}",
        ) {
            let number = format!("{whole}.{fraction}");
            let expected: f64 = number.parse().unwrap();
            match read(&number).unwrap().nearest_up_to(180) {
                Some(nearest) => prop_assert_eq!(nearest.to_bits(), expected.to_bits()),
                None => prop_assert!(expected >= 180.0),
            }
        }

        /// As near to the middle between two neighbours as the digits allow, where a rounding goes
        /// wrong first.
        #[test]
        fn beside_the_middle_between_two_neighbours(
            halves in 1_u64 << 53..1 << 54, places in 14..=16_usize, beside in -1..=1_i64,
        ) {
            // Between 64 and 128 neighbours are 2^-46 apart.
            let middle = (u128::from(halves | 1) * 10_u128.pow(places as u32)) >> 47;
            let digits = (middle as u64).saturating_add_signed(beside);
            let decimal = Decimal { digits, places };
            let unit = POWERS_OF_TEN[places];
            let number = format!("{}.{:0places$}", digits / unit, digits % unit);
            let expected: f64 = number.parse().unwrap();
            if let Some(nearest) = decimal.nearest_up_to(u8::MAX) {
                prop_assert_eq!(nearest.to_bits(), expected.to_bits());
            }
        }

        #[test]
        fn scales_as_any_number_does(number in "(0|[1-9][0-9]{0,14})(\\.[0-9]{1,12})?") {
            if let Some(decimal) = read(&number) {
                let expected = scale(&number, 6).unwrap().value;
                let expected = u64::try_from(expected).ok();
                prop_assert_eq!(decimal.scale(6), expected);
            }
        }
    }
}
