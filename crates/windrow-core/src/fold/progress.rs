//! How far a fold has come in the log.

use crate::sequence::{InvalidSequenceNumber, SequenceNumber, SequenceRange};

/// The run of the log that a fold holds, and the last record it took in.
#[derive(Clone, Debug, Default)]
pub(super) struct FoldProgress {
    dedup_from: Option<SequenceNumber>,
    range: Option<SequenceRange>,
    last: Option<SequenceNumber>,
    /// The record begun last, if it only moved the ends of `range` and `last` on, which is put off.
    /// Empty otherwise.
    reached: String,
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
            reached: String::new(),
        }
    }

    /// Starts on a record; false where it was begun before.
    pub(super) fn begin(&mut self, sequence_number: &str) -> Result<bool, InvalidSequenceNumber> {
        if self.goes_on(sequence_number) {
            self.reached.clear();
            self.reached.push_str(sequence_number);
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

    /// Ends the part; gives it and the first record that is remembered.
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

    /// The part's first and last record and the last record that was begun, each as text, empty
    /// where there is none.
    pub(super) fn ends(&self) -> [&str; 3] {
        let (from, to) = match &self.range {
            Some(range) => (range.from().as_str(), range.to().as_str()),
            None => ("", ""),
        };
        let last = self.last.as_ref().map_or("", SequenceNumber::as_str);
        match self.reached.as_str() {
            "" => [from, to, last],
            reached if comes_later(reached, to) => [from, reached, reached],
            reached => [from, to, reached],
        }
    }

    /// Whether a record follows on the last one within the part, with a number as long. It is
    /// greater than that, so it has no leading zero and is as good a position.
    fn goes_on(&self, sequence_number: &str) -> bool {
        let last = match (self.reached.as_str(), &self.last) {
            ("", Some(last)) => last.as_str(),
            ("", None) => return false,
            (reached, _) => reached,
        };
        self.range.is_some()
            && self.dedup_from.is_some()
            && sequence_number.len() == last.len()
            && sequence_number > last
            && is_digits(sequence_number)
    }

    fn catch_up(&mut self) {
        if let Ok(sequence_number) = self.reached.parse::<SequenceNumber>() {
            if let Some(range) = &mut self.range {
                range.extend(&sequence_number);
            }
            self.last = Some(sequence_number);
        }
        self.reached.clear();
    }
}

/// Without a way out at the first non-digit, so that many are looked at together.
fn is_digits(text: &str) -> bool {
    text.bytes()
        .fold(true, |so_far, byte| so_far & byte.is_ascii_digit())
}

/// The order of positions.
fn comes_later(sequence_number: &str, than: &str) -> bool {
    (sequence_number.len(), sequence_number) > (than.len(), than)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same without putting anything off.
    #[derive(Default)]
    struct PlainProgress {
        ends: Option<SequenceRange>,
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
            match &mut self.ends {
                Some(ends) => ends.extend(&sequence_number),
                None => self.ends = Some(SequenceRange::at(sequence_number.clone())),
            }
            self.last = Some(sequence_number);
            Ok(true)
        }
    }

    proptest! {
        #[test]
        fn putting_off_changes_nothing(
            sequence_numbers in prop::collection::vec("[0-9]{0,3}|[1-9][0-9]{2}|1[0-9]a", 0..40),
            ending in 0..40_usize,
            last in prop::option::of(0..300_u32),
        ) {
            let last = last.map(|last| last.to_string().parse::<SequenceNumber>().unwrap());
            // A state can say that it went on further than its part.
            let range = last.as_ref().map(|_| SequenceRange::at("7".parse().unwrap()));
            let dedup_from = range.as_ref().map(|range| range.from().clone());
            let mut progress = FoldProgress::new(dedup_from, range.clone(), last.clone());
            let mut plain = PlainProgress { ends: range, last };
            for (number, sequence_number) in sequence_numbers.iter().enumerate() {
                prop_assert_eq!(progress.begin(sequence_number), plain.begin(sequence_number));
                let text = |sequence_number: Option<&SequenceNumber>| sequence_number.map_or(String::new(), |it| it.to_string());
                let expected = [
                    text(plain.ends.as_ref().map(SequenceRange::from)),
                    text(plain.ends.as_ref().map(SequenceRange::to)),
                    text(plain.last.as_ref()),
                ];
                prop_assert_eq!(progress.ends(), [&*expected[0], &*expected[1], &*expected[2]]);
                if number == ending {
                    let range = progress.end_range().map(|(range, _)| range);
                    prop_assert_eq!(range, plain.ends.take());
                }
            }
        }
    }
}
