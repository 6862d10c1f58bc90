//! Arithmetic on exact decimals. Nothing wraps: what does not fit is `None`.

use std::cmp::Ordering;

use windrow_core::decimal::Decimal;

use crate::types::FLOAT_SUM_PLACES;

/// The most digits of a computed decimal.
pub(crate) const MOST_DIGITS: u8 = 38;

/// From here, floats are not summed.
pub(crate) const FLOAT_SUM_LIMIT: f64 = 1e15;

fn power(digits: u8) -> Option<i128> {
    10_i128.checked_pow(digits.into())
}

/// A quotient rounded half away from zero.
fn rounded(numerator: i128, denominator: i128) -> Option<i128> {
    let quotient = numerator.checked_div(denominator)?;
    let rest = numerator.checked_rem(denominator)?.unsigned_abs();
    if rest < denominator.unsigned_abs().div_ceil(2) {
        return Some(quotient);
    }
    let is_negative = (numerator < 0) != (denominator < 0);
    quotient.checked_add(if is_negative { -1 } else { 1 })
}

/// The number with another scale, rounded half away from zero.
pub(crate) fn rescale(number: Decimal, scale: u8) -> Option<Decimal> {
    let unscaled = match scale.cmp(&number.scale) {
        Ordering::Equal => number.unscaled,
        Ordering::Greater => number.unscaled.checked_mul(power(scale - number.scale)?)?,
        Ordering::Less => match power(number.scale - scale) {
            Some(divisor) => rounded(number.unscaled, divisor)?,
            // 10^39 and more exceeds any number.
            None => 0,
        },
    };
    Some(Decimal { unscaled, scale })
}

/// The whole number below or above.
pub(crate) fn whole(number: Decimal, up: bool) -> Option<Decimal> {
    let divisor = power(number.scale)?;
    let floor = number.unscaled.div_euclid(divisor);
    let has_rest = number.unscaled.rem_euclid(divisor) != 0;
    Some(Decimal {
        unscaled: floor + i128::from(up && has_rest),
        scale: 0,
    })
}

pub(crate) fn add(left: Decimal, right: Decimal, scale: u8) -> Option<Decimal> {
    let (left, right) = (rescale(left, scale)?, rescale(right, scale)?);
    let unscaled = left.unscaled.checked_add(right.unscaled)?;
    Some(Decimal { unscaled, scale })
}

pub(crate) fn negate(number: Decimal) -> Option<Decimal> {
    let unscaled = number.unscaled.checked_neg()?;
    Some(Decimal { unscaled, ..number })
}

pub(crate) fn multiply(left: Decimal, right: Decimal, scale: u8) -> Option<Decimal> {
    let product = Decimal {
        unscaled: left.unscaled.checked_mul(right.unscaled)?,
        scale: left.scale.checked_add(right.scale)?,
    };
    rescale(product, scale)
}

/// The quotient, rounded half away from zero, or cut if `truncated`. `None` also if `right` is 0.
pub(crate) fn divide(left: Decimal, right: Decimal, scale: u8, truncated: bool) -> Option<Decimal> {
    let shift = i16::from(scale) + i16::from(right.scale) - i16::from(left.scale);
    let (mut numerator, mut denominator) = (left.unscaled, right.unscaled);
    match u8::try_from(shift) {
        Ok(shift) => numerator = numerator.checked_mul(power(shift)?)?,
        Err(_) => denominator = denominator.checked_mul(power(shift.unsigned_abs() as u8)?)?,
    }
    let unscaled = if truncated {
        numerator.checked_div(denominator)?
    } else {
        rounded(numerator, denominator)?
    };
    Some(Decimal { unscaled, scale })
}

/// The rest of a division that is cut; it has the sign of `left`.
pub(crate) fn modulo(left: Decimal, right: Decimal, scale: u8) -> Option<Decimal> {
    let (left, right) = (rescale(left, scale)?, rescale(right, scale)?);
    let unscaled = left.unscaled.checked_rem(right.unscaled)?;
    Some(Decimal { unscaled, scale })
}

/// Compares two numbers of any scale.
pub(crate) fn compare(left: Decimal, right: Decimal) -> Ordering {
    if left.scale == right.scale {
        return left.cmp(&right);
    }
    let scale = left.scale.max(right.scale);
    match (rescale(left, scale), rescale(right, scale)) {
        (Some(left), Some(right)) => left.cmp(&right),
        // One of them has more than 38 digits at this scale: it is the larger one.
        (None, _) => left.unscaled.signum().cmp(&0),
        (_, None) => 0.cmp(&right.unscaled.signum()),
    }
}

/// The nearest float.
pub(crate) fn to_float(number: Decimal) -> f64 {
    const EXACT: u64 = 1 << 53;
    if number.unscaled.unsigned_abs() <= u128::from(EXACT) && number.scale <= 22 {
        // Both are exact, so the quotient is the nearest float.
        return number.unscaled as f64 / 10_f64.powi(number.scale.into());
    }
    number.to_string().parse().unwrap_or(0.0)
}

/// A decimal from text such as `-1.25e3`, with `scale` digits after the point, rounded half away
/// from zero. `None` if it is another text or too large.
pub(crate) fn parse(text: &str, scale: u8) -> Option<Decimal> {
    let (is_negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // How many of the digits count.
    let kept = (whole.len() as i64)
        .saturating_add(exponent.into())
        .saturating_add(scale.into());
    let mut unscaled = 0_i128;
    let mut round_up = false;
    for (index, digit) in (0_i64..).zip(whole.bytes().chain(fraction.bytes())) {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = i128::from(digit - b'0');
        if index < kept {
            unscaled = unscaled.checked_mul(10)?.checked_add(digit)?;
        } else if index == kept {
            round_up = digit >= 5;
        }
    }
    let digits = (whole.len() + fraction.len()) as i64;
    if unscaled != 0 && kept > digits {
        unscaled = unscaled.checked_mul(power(u8::try_from(kept - digits).ok()?)?)?;
    }
    unscaled += i128::from(round_up);
    Some(Decimal {
        unscaled: if is_negative { -unscaled } else { unscaled },
        scale,
    })
}

/// A float with `scale` digits after the point, rounded half away from zero: of its text, or exactly
/// if it is a whole number, whose shortest text may have zeros for digits.
pub(crate) fn of_text_or_whole(text: &str, float: f64, scale: u8) -> Option<Decimal> {
    const LIMIT: f64 = 1e38;
    if float.fract() != 0.0 || float.abs() >= LIMIT {
        return parse(text, scale);
    }
    let whole = Decimal {
        unscaled: float as i128,
        scale: 0,
    };
    rescale(whole, scale)
}

/// A float as the decimal of its shortest text, with [`FLOAT_SUM_PLACES`] digits after the point.
/// `None` from [`FLOAT_SUM_LIMIT`].
///
/// So 0.1 and 0.2 add up to 0.3: what was written is summed, not its binary neighbour.
pub(crate) fn of_float(float: f64, is_real: bool) -> Option<Decimal> {
    const LIMIT: f64 = FLOAT_SUM_LIMIT;
    if float.is_nan() || float.abs() >= LIMIT {
        return None;
    }
    let single = float as f32;
    if is_real && f64::from(single) == float {
        return of_text_or_whole(&single.to_string(), float, FLOAT_SUM_PLACES);
    }
    // A number of 15 digits is the shortest text of the float nearest to it, if it is so short.
    const PLACES: u8 = 6;
    let scaled = (float * 1e6).round();
    if scaled.abs() < LIMIT && scaled / 1e6 == float {
        let power = const { 10_i128.pow((FLOAT_SUM_PLACES - PLACES) as u32) };
        return Some(Decimal {
            unscaled: scaled as i128 * power,
            scale: FLOAT_SUM_PLACES,
        });
    }
    parse(&float.to_string(), FLOAT_SUM_PLACES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Decimal {
        let scale = text.split_once('.').map_or(0, |(_, digits)| digits.len());
        parse(text, scale as u8).unwrap()
    }

    #[test]
    fn numbers_round_half_away_from_zero() {
        for (text, scale, expected) in [
            ("2.5", 0, "3"),
            ("-2.5", 0, "-3"),
            ("2.49", 0, "2"),
            ("0.05", 1, "0.1"),
            ("1e-30", 2, "0"),
            ("1.5e3", 0, "1500"),
            (".5", 1, "0.5"),
        ] {
            assert_eq!(parse(text, scale).unwrap().to_string(), expected, "{text}");
        }
        assert_eq!(rescale(number("2.345"), 2).unwrap().to_string(), "2.35");
        for text in ["", "-", ".", "1e", "1x", "1e99", "0x1"] {
            assert_eq!(parse(text, 2), None, "{text}");
        }
    }

    #[test]
    fn arithmetic_is_exact_or_absent() {
        let text = |number: Option<Decimal>| number.map(|number| number.to_string());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(text(add(number("0.1"), number("0.25"), 2)), some("0.35"));
        assert_eq!(
            text(multiply(number("1.5"), number("-1.5"), 2)),
            some("-2.25")
        );
        assert_eq!(
            text(divide(number("1"), number("3"), 6, false)),
            some("0.333333")
        );
        assert_eq!(text(divide(number("-7"), number("2"), 0, true)), some("-3"));
        assert_eq!(text(divide(number("7"), number("0"), 0, true)), None);
        assert_eq!(text(modulo(number("-7"), number("3"), 0)), some("-1"));
        assert_eq!(text(whole(number("-1.5"), false)), some("-2"));
        assert_eq!(text(whole(number("-1.5"), true)), some("-1"));
        let most = Decimal {
            unscaled: i128::MAX,
            scale: 0,
        };
        assert_eq!(add(most, most, 0), None);
        assert_eq!(compare(most, number("0.1")), Ordering::Greater);
        assert_eq!(compare(number("0.10"), number("0.1")), Ordering::Equal);
    }

    #[test]
    fn floats_are_summed_as_they_are_written() {
        let text = |float, is_real| of_float(float, is_real).map(|number| number.to_string());
        assert_eq!(text(0.1, false).as_deref(), Some("0.1"));
        assert_eq!(text(f64::from(0.1_f32), true).as_deref(), Some("0.1"));
        let single = |float: f32| text(f64::from(float), true);
        assert_eq!(single(177_240.6).as_deref(), Some("177240.6"));
        assert_eq!(single(177_240_590.0).as_deref(), Some("177240592"));
        assert_eq!(text(1e15, false), None);
        assert_eq!(text(1.0 / 3.0, false).as_deref(), Some("0.333333333333333"));
        assert_eq!(
            text(999_999_999_999_999.9, false).as_deref(),
            Some("999999999999999.9")
        );
    }

    proptest! {
        #[test]
        fn the_short_cut_for_floats_changes_nothing(unscaled in -10_i64.pow(15)..10_i64.pow(15), scale in 0..12_u8) {
            let text = Decimal { unscaled: unscaled.into(), scale }.to_string();
            let float: f64 = text.parse().unwrap();
            prop_assert_eq!(of_float(float, false), parse(&float.to_string(), FLOAT_SUM_PLACES).filter(|_| float.abs() < 1e15));
        }
    }
}
