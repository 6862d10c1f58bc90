//! Sequence numbers.
//!
//! They look like those of AWS: 56 decimal digits that begin with 49. The others are the shard's
//! epoch (14 digits), the place in the shard (20) and the shard's number (20), so they order as text
//! and need no big integers.

use std::fmt;

use serde::{Serialize, Serializer};

const PREFIX: &str = "49";
const EPOCH_DIGITS: usize = 14;
const PLACE_DIGITS: usize = 20;
const LENGTH: usize = PREFIX.len() + EPOCH_DIGITS + 2 * PLACE_DIGITS;

/// The longest number that the Kinesis API reference allows: `0|([1-9]\d{0,128})`.
const LONGEST: usize = 129;

/// The place of the end of a closed shard, after every record.
pub(crate) const LAST_PLACE: u64 = i64::MAX as u64;

/// The sequence number of one place in one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SequencePlace {
    /// Larger in a shard than in its parents.
    pub(crate) epoch: u64,
    /// 0 is the start of the shard, and the first record has 1.
    pub(crate) place: u64,
    pub(crate) shard: u32,
}

impl fmt::Display for SequencePlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            epoch,
            place,
            shard,
        } = self;
        write!(formatter, "{PREFIX}{epoch:014}{place:020}{shard:020}")
    }
}

impl Serialize for SequencePlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = self.digits();
        serializer.serialize_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl SequencePlace {
    /// The text in a buffer, without the formatting machinery: a put needs one per record.
    pub(crate) fn digits(&self) -> [u8; LENGTH] {
        let mut text = [b'0'; LENGTH];
        text[..PREFIX.len()].copy_from_slice(PREFIX.as_bytes());
        let (epoch_end, place_end) = (PREFIX.len() + EPOCH_DIGITS, LENGTH - PLACE_DIGITS);
        write_digits(&mut text[PREFIX.len()..epoch_end], self.epoch);
        write_digits(&mut text[epoch_end..place_end], self.place);
        write_digits(&mut text[place_end..], u64::from(self.shard));
        text
    }

    /// Parses the text of a sequence number that this crate wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != LENGTH || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = text.strip_prefix(PREFIX)?;
        let (epoch, digits) = digits.split_at(EPOCH_DIGITS);
        let (place, shard) = digits.split_at(PLACE_DIGITS);
        Some(Self {
            epoch: epoch.parse().ok()?,
            place: place.parse().ok()?,
            shard: shard.parse().ok()?,
        })
    }
}

/// Whether the text has the form of a sequence number of Kinesis.
pub(crate) fn is_sequence_number(text: &str) -> bool {
    let has_leading_zero = text.len() > 1 && text.starts_with('0');
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number && !has_leading_zero && text.len() <= LONGEST
}

fn write_digits(text: &mut [u8], mut number: u64) {
    for digit in text.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_order_as_text_and_come_back(
            first in (0..100_000_000_000_000_u64, any::<u64>(), any::<u32>()),
            second in (0..100_000_000_000_000_u64, any::<u64>(), any::<u32>()),
        ) {
            let of = |(epoch, place, shard)| SequencePlace { epoch, place, shard };
            let (first, second) = (of(first), of(second));
            let text = first.to_string();
            prop_assert_eq!(text.len(), 56);
            prop_assert!(is_sequence_number(&text));
            prop_assert_eq!(text.as_bytes(), first.digits());
            prop_assert_eq!(SequencePlace::parse(&text), Some(first));
            prop_assert_eq!(text.cmp(&second.to_string()), first.cmp(&second));
        }

        #[test]
        fn other_text_is_no_number(text in ".{0,60}|[0-9]{55}|[0-9]{57}|[0-35-9][0-9]{55}|[0-9]{55}[^0-9]") {
            prop_assert_eq!(SequencePlace::parse(&text), None);
        }
    }

    #[test]
    fn the_form_is_that_of_the_api_reference() {
        for text in [
            "0",
            "1",
            "49590338271490256608559692538361571095921575989136588898",
        ] {
            assert!(is_sequence_number(text), "{text}");
        }
        for text in ["", "01", "-1", "1a", "１"] {
            assert!(!is_sequence_number(text), "{text}");
        }
    }
}
