//! Sequence numbers in a shard's log, and ranges of them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A Kinesis sequence number: identifies one record in its shard's log.
///
/// Ordered numerically. The comparison is by length and then as text, since the numbers have no
/// leading zeros and can exceed 128 bits, so no integer type holds them all.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(String);

/// Text that is not a sequence number.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a sequence number: it must be 1 to 129 digits without leading zeros")]
pub struct InvalidSequenceNumber(String);

impl SequenceNumber {
    /// The number as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number after this one, which can be a digit longer than any that Kinesis assigns.
    pub(crate) fn next(&self) -> Self {
        let kept = self.0.trim_end_matches('9');
        let nines = self.0.len() - kept.len();
        let (kept, last) = kept.split_at(kept.len().saturating_sub(1));
        let last = last.bytes().next().unwrap_or(b'0');
        let next = char::from(last + 1);
        Self(format!("{kept}{next}{}", "0".repeat(nines)))
    }
}

/// The longest number that the Kinesis API reference allows: `0|([1-9]\d{0,128})`.
const LONGEST: usize = 129;

impl FromStr for SequenceNumber {
    type Err = InvalidSequenceNumber;

    fn from_str(text: &str) -> Result<Self, InvalidSequenceNumber> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }
}

/// Whether the text is a sequence number.
pub(crate) fn check(text: &str) -> Result<(), InvalidSequenceNumber> {
    // The compiler finds the highest of many bytes at a time.
    let digits = text.bytes().map(|byte| byte.wrapping_sub(b'0'));
    let is_number = digits.fold(0, u8::max) <= 9;
    let has_leading_zero = text.len() > 1 && text.starts_with('0');
    if !is_number || text.is_empty() || has_leading_zero || text.len() > LONGEST {
        let start = text.chars().take(LONGEST + 1).collect();
        return Err(InvalidSequenceNumber(start));
    }
    Ok(())
}

/// Compares sequence numbers as text.
pub fn compare(one: &str, other: &str) -> Ordering {
    (one.len(), one).cmp(&(other.len(), other))
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A range of one shard's log, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceRange {
    from: SequenceNumber,
    to: SequenceNumber,
}

impl SequenceRange {
    /// The range from `from` to `to`; `None` if `to` comes before `from`.
    pub fn new(from: SequenceNumber, to: SequenceNumber) -> Option<Self> {
        (from <= to).then_some(Self { from, to })
    }

    /// The range of one record.
    pub fn at(sequence_number: SequenceNumber) -> Self {
        Self {
            from: sequence_number.clone(),
            to: sequence_number,
        }
    }

    /// The first record.
    pub fn from(&self) -> &SequenceNumber {
        &self.from
    }

    /// The last record.
    pub fn to(&self) -> &SequenceNumber {
        &self.to
    }

    /// Whether a record could be in both ranges.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }

    /// Moves the end to a sequence number that comes after it.
    pub(crate) fn extend_to(&mut self, sequence_number: &str) {
        self.to.0.clear();
        self.to.0.push_str(sequence_number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence_number(text: &str) -> SequenceNumber {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_compare_as_numbers() {
        let ascending = [
            "0",
            "9",
            "10",
            "340282366920938463463374607431768211456",
            "49590338271490256608559692538361571095921575989136588898",
            "49590338271490256608559692538361571095921575989136588899",
            "149590338271490256608559692538361571095921575989136588898",
        ];
        for pair in ascending.windows(2) {
            assert!(
                sequence_number(pair[0]) < sequence_number(pair[1]),
                "{pair:?}"
            );
        }
    }

    #[test]
    fn the_next_number_is_one_more() {
        let longest = "9".repeat(LONGEST);
        let longer = format!("1{}", "0".repeat(LONGEST));
        let pairs = [
            ("0", "1"),
            ("9", "10"),
            ("10", "11"),
            ("1099", "1100"),
            ("999", "1000"),
            (&longest, &longer),
        ];
        for (number, next) in pairs {
            assert_eq!(sequence_number(number).next().as_str(), next);
        }
    }

    #[test]
    fn only_numbers_are_sequence_numbers() {
        for text in ["", "01", "-1", "1a", "１", "1 ", &"1".repeat(130)] {
            assert!(text.parse::<SequenceNumber>().is_err(), "{text}");
        }
        assert!("1".repeat(129).parse::<SequenceNumber>().is_ok());
    }

    #[test]
    fn ranges_include_their_ends() {
        let range =
            |from, to| SequenceRange::new(sequence_number(from), sequence_number(to)).unwrap();
        assert!(range("1", "5").overlaps(&range("5", "9")));
        assert!(range("1", "50").overlaps(&range("9", "10")));
        assert!(!range("1", "5").overlaps(&range("6", "9")));
        assert_eq!(
            SequenceRange::new(sequence_number("2"), sequence_number("1")),
            None
        );
    }
}
