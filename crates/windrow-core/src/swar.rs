//! SIMD within a register: eight bytes at a time, as a `u64` whose lowest byte comes first.
//!
//! A test of all eight returns marks: the highest bit of every byte that passes is set. Sums and
//! differences carry over from one byte into the next, so only the first mark is reliable. If there
//! are no marks, none of the eight bytes passes.

/// The highest bit of each byte.
pub const HIGHEST: u64 = each(0x80);

/// The same byte eight times.
pub const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Loads eight bytes of the text from `offset` on. If the text ends before that, the rest is zeros
/// if `PADDED`, and the result is `None` otherwise.
#[inline(always)]
pub fn at<const PADDED: bool>(text: &[u8], offset: usize) -> Option<u64> {
    let rest = text.get(offset..)?;
    match rest.first_chunk() {
        Some(bytes) => Some(u64::from_le_bytes(*bytes)),
        None => PADDED.then(|| last(rest)),
    }
}

/// Loads fewer than eight bytes, followed by zeros.
#[cold]
#[inline(never)]
fn last(rest: &[u8]) -> u64 {
    let last = rest.iter().rev();
    last.fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

/// The number of bytes before the first mark; eight if there are no marks.
#[inline(always)]
pub fn before_first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// Marks the bytes that are special in a JSON string: quotes, backslashes, and control characters
/// below the space.
#[inline(always)]
pub fn special(word: u64) -> u64 {
    let below = |word: u64, limit: u8| word.wrapping_sub(each(limit)) & !word & HIGHEST;
    // Flipping this bit turns a quote into a space and maps the characters below a space to each
    // other, so the bytes to find are those up to a space.
    let up_to_space = below(word ^ each(b'"' ^ b' '), b' ' + 1);
    up_to_space | below(word ^ each(b'\\'), 1)
}

/// The values of digits, and marks for the bytes that are not digits.
#[inline(always)]
pub fn digits(word: u64) -> (u64, u64) {
    let values = word ^ each(b'0');
    // Adding this reaches the highest bit for every value above 9.
    let marks = (values.wrapping_add(each(0x7F - 9)) | values) & HIGHEST;
    (values, marks)
}

/// The number of eight decimal digits, given their values.
#[inline(always)]
pub fn number(values: u64) -> u64 {
    // Combines pairs of digits, then pairs of pairs, then both halves.
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
        fn first_special_byte_is_found(bytes in word()) {
            let special = special(u64::from_le_bytes(bytes));
            let is_special = |byte: &u8| matches!(byte, 0..b' ' | b'"' | b'\\');
            let expected = bytes.iter().position(is_special).unwrap_or(8);
            prop_assert_eq!(before_first(special), expected);
        }

        #[test]
        fn first_non_digit_is_found(bytes in word()) {
            let (_, marks) = digits(u64::from_le_bytes(bytes));
            let is_other = |byte: &u8| !byte.is_ascii_digit();
            let expected = bytes.iter().position(is_other).unwrap_or(8);
            prop_assert_eq!(before_first(marks), expected);
        }

        #[test]
        fn the_end_is_padded_with_zeros(bytes in word(), offset in 0..=8_usize) {
            let expected = u64::from_le_bytes(bytes) >> (4 * offset) >> (4 * offset);
            prop_assert_eq!(at::<true>(&bytes, offset), Some(expected));
            prop_assert_eq!(at::<true>(&bytes, 9), None);
            prop_assert_eq!(at::<false>(&bytes, offset).is_some(), offset == 0);
        }

        #[test]
        fn eight_digits_are_a_number(expected in 0..100_000_000_u64) {
            let text = format!("{expected:08}");
            let (values, marks) = digits(at::<false>(text.as_bytes(), 0).unwrap());
            prop_assert_eq!((number(values), marks), (expected, 0));
        }
    }
}
