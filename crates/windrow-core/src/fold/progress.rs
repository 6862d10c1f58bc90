//! How far a fold has come in the log.

use crate::sequence::{InvalidSequenceNumber, SequenceNumber, SequenceRange};

/// The run of the log that a fold holds, and the last record it took in.
#[derive(Clone, Debug, Default)]
pub(super) struct FoldProgress {
    since: Option<SequenceNumber>,
    part: Option<SequenceRange>,
    last: Option<SequenceNumber>,
    /// The record begun last, if it only moved the ends of `part` and `last` on, which is put off.
    /// Empty otherwise.
    reached: String,
}

impl FoldProgress {
    pub(super) fn new(
        since: Option<SequenceNumber>,
        part: Option<SequenceRange>,
        last: Option<SequenceNumber>,
    ) -> Self {
        Self {
            since,
            part,
            last,
            reached: String::new(),
        }
    }

    /// Starts on a record; false where it was begun before.
    pub(super) fn begin(&mut self, position: &str) -> Result<bool, InvalidSequenceNumber> {
        if self.goes_on(position) {
            self.reached.clear();
            self.reached.push_str(position);
            return Ok(true);
        }
        let position: SequenceNumber = position.parse()?;
        self.catch_up();
        if self.last.as_ref().is_some_and(|last| position <= *last) {
            return Ok(false);
        }
        match &mut self.part {
            Some(part) => part.extend(&position),
            None => self.part = Some(SequenceRange::at(position.clone())),
        }
        if self.since.is_none() {
            self.since = Some(position.clone());
        }
        self.last = Some(position);
        Ok(true)
    }

    /// Ends the part; gives it and the first record that is remembered.
    pub(super) fn end_part(&mut self) -> Option<(SequenceRange, &SequenceNumber)> {
        self.catch_up();
        Some((self.part.take()?, self.since.as_ref()?))
    }

    /// Whether a source range is open.
    pub(super) fn has_range(&self) -> bool {
        self.part.is_some()
    }

    pub(super) fn since(&self) -> Option<&SequenceNumber> {
        self.since.as_ref()
    }

    /// The part's first and last record and the last record that was begun, each as text, empty
    /// where there is none.
    pub(super) fn ends(&self) -> [&str; 3] {
        let (from, to) = match &self.part {
            Some(part) => (part.from().as_str(), part.to().as_str()),
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
    fn goes_on(&self, position: &str) -> bool {
        let last = match (self.reached.as_str(), &self.last) {
            ("", Some(last)) => last.as_str(),
            ("", None) => return false,
            (reached, _) => reached,
        };
        self.part.is_some()
            && self.since.is_some()
            && position.len() == last.len()
            && position > last
            && is_digits(position)
    }

    fn catch_up(&mut self) {
        if let Ok(position) = self.reached.parse::<SequenceNumber>() {
            if let Some(part) = &mut self.part {
                part.extend(&position);
            }
            self.last = Some(position);
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
fn comes_later(position: &str, than: &str) -> bool {
    (position.len(), position) > (than.len(), than)
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
        fn begin(&mut self, position: &str) -> Result<bool, InvalidSequenceNumber> {
            let position: SequenceNumber = position.parse()?;
            if self.last.as_ref().is_some_and(|last| position <= *last) {
                return Ok(false);
            }
            match &mut self.ends {
                Some(ends) => ends.extend(&position),
                None => self.ends = Some(SequenceRange::at(position.clone())),
            }
            self.last = Some(position);
            Ok(true)
        }
    }

    proptest! {
        #[test]
        fn putting_off_changes_nothing(
            positions in prop::collection::vec("[0-9]{0,3}|[1-9][0-9]{2}|1[0-9]a", 0..40),
            ending in 0..40_usize,
            last in prop::option::of(0..300_u32),
        ) {
            let last = last.map(|last| last.to_string().parse::<SequenceNumber>().unwrap());
            // A state can say that it went on further than its part.
            let part = last.as_ref().map(|_| SequenceRange::at("7".parse().unwrap()));
            let since = part.as_ref().map(|part| part.from().clone());
            let mut progress = FoldProgress::new(since, part.clone(), last.clone());
            let mut plain = PlainProgress { ends: part, last };
            for (number, position) in positions.iter().enumerate() {
                prop_assert_eq!(progress.begin(position), plain.begin(position));
                let text = |position: Option<&SequenceNumber>| position.map_or(String::new(), |it| it.to_string());
                let expected = [
                    text(plain.ends.as_ref().map(SequenceRange::from)),
                    text(plain.ends.as_ref().map(SequenceRange::to)),
                    text(plain.last.as_ref()),
                ];
                prop_assert_eq!(progress.ends(), [&*expected[0], &*expected[1], &*expected[2]]);
                if number == ending {
                    let part = progress.end_part().map(|(part, _)| part);
                    prop_assert_eq!(part, plain.ends.take());
                }
            }
        }
    }
}
