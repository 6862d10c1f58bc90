//! Positions in a shard's log.

use std::fmt;

/// The number of digits that the Kinesis API reference allows.
const LONGEST: usize = 129;

/// 64 bits each; 129 decimal digits need 429.
const WORDS: usize = 7;

/// A sequence number as an integer.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// The most significant word comes first.
    words: [u64; WORDS],
}

impl LogPosition {
    /// Parses a sequence number; `None` if it is not a number of 1 to 129 digits.
    pub fn parse(text: &str) -> Option<Self> {
        if !(1..=LONGEST).contains(&text.len()) {
            return None;
        }
        let mut position = Self { words: [0; WORDS] };
        for character in text.chars() {
            let digit = character.to_digit(10)?;
            position.multiply_and_add(10, digit.into());
        }
        Some(position)
    }

    /// The position after this one.
    pub fn next(mut self) -> Self {
        self.multiply_and_add(1, 1);
        self
    }

    fn multiply_and_add(&mut self, factor: u64, summand: u64) {
        let mut carry = u128::from(summand);
        for word in self.words.iter_mut().rev() {
            let value = u128::from(*word) * u128::from(factor) + carry;
            *word = value as u64;
            carry = value >> 64;
        }
    }
}

impl fmt::Debug for LogPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("0x")?;
        self.words
            .iter()
            .try_for_each(|word| write!(formatter, "{word:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str) -> LogPosition {
        LogPosition::parse(text).unwrap()
    }

    #[test]
    fn positions_are_ordered_as_numbers() {
        let ascending = [
            "0",
            "9",
            "10",
            "18446744073709551615",
            "18446744073709551616",
            "49590338271490256608559692538361571095921575989136588898",
            "149590338271490256608559692538361571095921575989136588898",
            &"9".repeat(LONGEST),
        ];
        for pair in ascending.windows(2) {
            assert!(position(pair[0]) < position(pair[1]), "{pair:?}");
        }
        assert_eq!(position(ascending[3]).next(), position(ascending[4]));
        assert_eq!(position("9").next(), position("10"));
        assert!(position(ascending[7]).next() > position(ascending[7]));
    }

    #[test]
    fn only_digits_are_positions() {
        for text in ["", "-1", "+1", "1a", "１", " 1", &"1".repeat(LONGEST + 1)] {
            assert_eq!(LogPosition::parse(text), None, "{text}");
        }
    }
}
