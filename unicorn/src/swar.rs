//! Eight bytes at a time, as one `u64` whose lowest byte is the first of them.
//!
//! A test of all eight gives marks: the highest bit of a byte is set where the test holds. Sums and
//! differences run over from a byte into the next one, so only the first mark can be relied on; and
//! where there is none, none of the eight passes.

/// The highest bit of each byte.
pub(crate) const HIGHEST: u64 = each(0x80);

/// The same byte eight times.
pub(crate) const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Eight bytes of the text, from a place on. Where they reach past its end, there are zeros if it is to
/// be `PADDED`, or else none.
#[inline(always)]
pub(crate) fn at<const PADDED: bool>(text: &[u8], place: usize) -> Option<u64> {
    let rest = text.get(place..)?;
    match rest.first_chunk() {
        Some(bytes) => Some(u64::from_le_bytes(*bytes)),
        None => PADDED.then(|| last(rest)),
    }
}

/// Less than eight bytes, and zeros after them.
#[cold]
#[inline(never)]
fn last(rest: &[u8]) -> u64 {
    let last = rest.iter().rev();
    last.fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

/// How many bytes stand before the first mark; eight where there is none.
#[inline(always)]
pub(crate) fn before_first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// Marks the bytes that end a JSON string or cannot stand in one as they are: a quote, a backslash,
/// and all below a space.
#[inline(always)]
pub(crate) fn special(word: u64) -> u64 {
    let below = |word: u64, limit: u8| word.wrapping_sub(each(limit)) & !word & HIGHEST;
    // With this bit turned over a quote becomes a space, and the characters below a space change
    // places with each other: what was to be found is all that is up to a space.
    let up_to_space = below(word ^ each(b'"' ^ b' '), b' ' + 1);
    up_to_space | below(word ^ each(b'\\'), 1)
}

/// The values of digits, and marks where there is another byte.
#[inline(always)]
pub(crate) fn digits(word: u64) -> (u64, u64) {
    let values = word ^ each(b'0');
    // 9 is the most to which this can be added without reaching the highest bit.
    let marks = (values.wrapping_add(each(0x7F - 9)) | values) & HIGHEST;
    (values, marks)
}

/// The number that eight digits make, given their values.
#[inline(always)]
pub(crate) fn number(values: u64) -> u64 {
    // Two digits in each second byte, then four in each fourth, then all eight.
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn word() -> impl Strategy<Value = [u8; 8]> {
        let byte = prop_oneof![
            any::<u8>(),
            b'0'..=b'9',
            b' '..b'#',
            Just(b'\\'),
            Just(0x80)
        ];
        proptest::array::uniform8(byte)
    }

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(bytes in word()) {
            let special = special(u64::from_le_bytes(bytes));
            let is_special = |byte: &u8| matches!(byte, 0..b' ' | b'"' | b'\\');
            let expected = bytes.iter().position(is_special).unwrap_or(8);
            prop_assert_eq!(before_first(special), expected);
        }

        #[test]
        fn the_first_byte_that_is_no_digit_is_found(bytes in word()) {
            let (_, marks) = digits(u64::from_le_bytes(bytes));
            let is_none = |byte: &u8| !byte.is_ascii_digit();
            let expected = bytes.iter().position(is_none).unwrap_or(8);
            prop_assert_eq!(before_first(marks), expected);
        }

        #[test]
        fn there_are_zeros_after_the_end(bytes in word(), place in 0..=8_usize) {
            let expected = u64::from_le_bytes(bytes) >> (4 * place) >> (4 * place);
            prop_assert_eq!(at::<true>(&bytes, place), Some(expected));
            prop_assert_eq!(at::<true>(&bytes, 9), None);
            prop_assert_eq!(at::<false>(&bytes, place).is_some(), place == 0);
        }

        #[test]
        fn eight_digits_make_a_number(expected in 0..100_000_000_u64) {
            let text = format!("{expected:08}");
            let (values, marks) = digits(at::<false>(text.as_bytes(), 0).unwrap());
            prop_assert_eq!((number(values), marks), (expected, 0));
        }
    }
}
