//! What became of the items.

use std::fmt;

/// What became of the items given to [`deliver`](crate::deliver()).
///
/// Every item is counted once: `delivered + merged + undelivered.len()` is how many there were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReport<T> {
    /// Items the service said it has written.
    pub delivered: usize,
    /// Items not sent, because a later one has the same [`Key`](crate::Key).
    pub merged: usize,
    /// Items handed back, in the order they were given.
    pub undelivered: Vec<Undelivered<T>>,
    /// Calls made, those without an answer included.
    pub calls: u64,
    /// Items sent again, once for each further time.
    pub retries: u64,
}

impl<T> DeliveryReport<T> {
    /// Takes out the items that the service will never take, in the order they were given.
    pub fn take_rejected(&mut self) -> Vec<Undelivered<T>> {
        let undelivered = std::mem::take(&mut self.undelivered);
        let (rejected, undelivered) = undelivered
            .into_iter()
            .partition(|left| left.reason.is_permanent());
        self.undelivered = undelivered;
        rejected
    }
}

/// One item that was not written, or not known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered<T> {
    /// Its place among the items given, from 0.
    pub index: usize,
    /// The item, whole.
    pub item: T,
    /// Why it is handed back.
    pub reason: Reason,
}

/// Why an item is handed back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The service will never take it: it is too large, or invalid for the reason given.
    Rejected(String),
    /// The deadline came first. It may have been written all the same.
    OutOfTime {
        /// What the service last said of it, or `None` if it never answered.
        last: Option<String>,
    },
    /// No call would have passed, for the reason given. It may have been written all the same.
    Stopped(String),
}

impl Reason {
    /// Whether sending the item again, later or elsewhere, is pointless.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }
}

/// How many reasons [`Reasons`] tells apart.
const MOST_REPORTED_REASONS: usize = 5;
/// How many characters of a reason it shows: a service may quote the whole of an item.
const MOST_REPORTED_CHARACTERS: usize = 300;

/// How often each reason was given, for one line of a log: `17 x stopped: no such table`.
///
/// It shows at most five reasons, those that came first, and the beginning of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasons {
    counts: Vec<(String, usize)>,
    others: usize,
}

impl Reasons {
    fn count(&mut self, reason: String) {
        if let Some((_, count)) = self.counts.iter_mut().find(|(told, _)| *told == reason) {
            *count += 1;
        } else if self.counts.len() < MOST_REPORTED_REASONS {
            self.counts.push((reason, 1));
        } else {
            self.others += 1;
        }
    }
}

impl<'a> FromIterator<&'a Reason> for Reasons {
    fn from_iter<I: IntoIterator<Item = &'a Reason>>(reasons: I) -> Self {
        let mut counted = Self::default();
        for reason in reasons {
            let text = reason.to_string();
            counted.count(match text.char_indices().nth(MOST_REPORTED_CHARACTERS) {
                Some((end, _)) => format!("{}...", &text[..end]),
                None => text,
            });
        }
        counted
    }
}

impl fmt::Display for Reasons {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (reason, count)) in self.counts.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(formatter, "{separator}{count} x {reason}")?;
        }
        if self.others > 0 {
            write!(formatter, "; {} for other reasons", self.others)?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(reason) => write!(formatter, "rejected: {reason}"),
            Self::OutOfTime { last: Some(last) } => {
                write!(formatter, "out of time, last answer: {last}")
            }
            Self::OutOfTime { last: None } => formatter.write_str("out of time, no answer"),
            Self::Stopped(reason) => write!(formatter, "stopped: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_in_a_line_of_bounded_length() {
        let stopped = |text: &str| Reason::Stopped(text.to_owned());
        let late = Reason::OutOfTime { last: None };
        let few: Reasons = [&late, &stopped("no table"), &late].into_iter().collect();
        assert_eq!(
            few.to_string(),
            "2 x out of time, no answer; 1 x stopped: no table"
        );
        assert_eq!(Reasons::from_iter([]).to_string(), "");

        let many: Vec<Reason> = (0..10_000)
            .map(|number| stopped(&format!("{number} {}", "é".repeat(100_000 / (number + 1)))))
            .collect();
        let told = Reasons::from_iter(&many).to_string();
        assert!(told.len() < 5 * 700, "{}", told.len());
        assert!(told.ends_with("; 9995 for other reasons"), "{told}");
    }
}
