//! How far a fold has progressed in the log.

use crate::sequence::{InvalidSequenceNumber, SequenceNumber, SequenceRange};

/// The source range that a fold covers, and the last record it folded.
#[derive(Clone, Debug, Default)]
pub(super) struct FoldProgress {
    dedup_from: Option<SequenceNumber>,
    range: Option<SequenceRange>,
    last: Option<SequenceNumber>,
    /// The record begun last, while moving the ends of `range` and `last` to it is deferred. Empty
    /// otherwise.
    pending: String,
}

impl FoldProgress {
    pub(super) fn new(
        dedup_from: Option<SequenceNumber>,
        range: Option<SequenceRange>,
        last: Option<SequenceNumber>,
    ) -> Self {
        Self {
            dedup_from,
            range,
            last,
            pending: String::new(),
        }
    }

    /// Begins a record. Returns false if it was begun before.
    pub(super) fn begin(&mut self, sequence_number: &str) -> Result<bool, InvalidSequenceNumber> {
        if self.extends_range(sequence_number) {
            self.pending.clear();
            self.pending.push_str(sequence_number);
            return Ok(true);
        }
        let sequence_number: SequenceNumber = sequence_number.parse()?;
        self.catch_up();
        if self
            .last
            .as_ref()
            .is_some_and(|last| sequence_number <= *last)
        {
            return Ok(false);
        }
        match &mut self.range {
            Some(range) => range.extend(&sequence_number),
            None => self.range = Some(SequenceRange::at(sequence_number.clone())),
        }
        if self.dedup_from.is_none() {
            self.dedup_from = Some(sequence_number.clone());
        }
        self.last = Some(sequence_number);
        Ok(true)
    }

    /// Ends the source range. Returns it, and the first record whose readings are in the dedup
    /// cache.
    pub(super) fn end_range(&mut self) -> Option<(SequenceRange, &SequenceNumber)> {
        self.catch_up();
        Some((self.range.take()?, self.dedup_from.as_ref()?))
    }

    /// Whether a source range is open.
    pub(super) fn has_range(&self) -> bool {
        self.range.is_some()
    }

    pub(super) fn dedup_from(&self) -> Option<&SequenceNumber> {
        self.dedup_from.as_ref()
    }

    /// The first and last record of the source range and the last record begun, each as text; empty
    /// if there is none.
    pub(super) fn ends(&self) -> [&str; 3] {
        let (from, to) = match &self.range {
            Some(range) => (range.from().as_str(), range.to().as_str()),
            None => ("", ""),
        };
        let last = self.last.as_ref().map_or("", SequenceNumber::as_str);
        match self.pending.as_str() {
            "" => [from, to, last],
            pending if is_after(pending, to) => [from, pending, pending],
            pending => [from, to, pending],
        }
    }

    /// Whether a record comes after the last one of the open source range and has a number of the
    /// same length. Such a number is greater than a valid one, so it has no leading zero and need
    /// not be parsed.
    fn extends_range(&self, sequence_number: &str) -> bool {
        let last = match (self.pending.as_str(), &self.last) {
            ("", Some(last)) => last.as_str(),
            ("", None) => return false,
            (pending, _) => pending,
        };
        self.range.is_some()
            && self.dedup_from.is_some()
            && sequence_number.len() == last.len()
            && sequence_number > last
            && is_digits(sequence_number)
    }

    fn catch_up(&mut self) {
        if let Ok(sequence_number) = self.pending.parse::<SequenceNumber>() {
            if let Some(range) = &mut self.range {
                range.extend(&sequence_number);
            }
            self.last = Some(sequence_number);
        }
        self.pending.clear();
    }
}

/// Does not stop at the first non-digit, so that the compiler can vectorize the loop.
fn is_digits(text: &str) -> bool {
    text.bytes()
        .fold(true, |digits, byte| digits & byte.is_ascii_digit())
}

/// The order of sequence numbers.
fn is_after(sequence_number: &str, other: &str) -> bool {
    (sequence_number.len(), sequence_number) > (other.len(), other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same without deferral.
    #[derive(Default)]
    struct PlainProgress {
        range: Option<SequenceRange>,
        last: Option<SequenceNumber>,
    }

    impl PlainProgress {
        fn begin(&mut self, sequence_number: &str) -> Result<bool, InvalidSequenceNumber> {
            let sequence_number: SequenceNumber = sequence_number.parse()?;
            if self
                .last
                .as_ref()
                .is_some_and(|last| sequence_number <= *last)
            {
                return Ok(false);
            }
            match &mut self.range {
                Some(range) => range.extend(&sequence_number),
                None => self.range = Some(SequenceRange::at(sequence_number.clone())),
            }
            self.last = Some(sequence_number);
            Ok(true)
        }
    }

    proptest! {
        #[test]
        fn deferral_changes_nothing(
            sequence_numbers in prop::collection::vec("[0-9]{0,3}|[1-9][0-9]{2}|1[0-9]a", 0..40),
            ending in 0..40_usize,
            last in prop::option::of(0..300_u32),
        ) {
            let last = last.map(|last| last.to_string().parse::<SequenceNumber>().unwrap());
            // In a decoded state, `last` can be past the end of the range.
            let range = last.as_ref().map(|_| SequenceRange::at("7".parse().unwrap()));
            let dedup_from = range.as_ref().map(|range| range.from().clone());
            let mut progress = FoldProgress::new(dedup_from, range.clone(), last.clone());
            let mut plain = PlainProgress { range, last };
            for (number, sequence_number) in sequence_numbers.iter().enumerate() {
                prop_assert_eq!(progress.begin(sequence_number), plain.begin(sequence_number));
                let text = |sequence_number: Option<&SequenceNumber>| sequence_number.map_or(String::new(), |it| it.to_string());
                let expected = [
                    text(plain.range.as_ref().map(SequenceRange::from)),
                    text(plain.range.as_ref().map(SequenceRange::to)),
                    text(plain.last.as_ref()),
                ];
                prop_assert_eq!(progress.ends(), [&*expected[0], &*expected[1], &*expected[2]]);
                if number == ending {
                    let range = progress.end_range().map(|(range, _)| range);
                    prop_assert_eq!(range, plain.range.take());
                }
            }
        }
    }
}
