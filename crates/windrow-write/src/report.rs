//! The outcome of a delivery.

use std::fmt;

/// The outcome of [`deliver`](crate::deliver()).
///
/// Every item is counted once: `delivered + merged + undelivered.len()` is the number of items
/// given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReport<T> {
    /// The number of items that the service confirmed as written.
    pub delivered: usize,
    /// The number of items not sent because a later one has the same [`Key`](crate::Key).
    pub merged: usize,
    /// The items that were not delivered, in the order they were given.
    pub undelivered: Vec<Undelivered<T>>,
    /// The number of calls made, including those without a response.
    pub calls: u64,
    /// The number of items retried. An item counts once per retry.
    pub retries: u64,
}

impl<T> Default for DeliveryReport<T> {
    /// The outcome of delivering no items.
    fn default() -> Self {
        Self {
            delivered: 0,
            merged: 0,
            undelivered: Vec::new(),
            calls: 0,
            retries: 0,
        }
    }
}

impl<T> DeliveryReport<T> {
    /// Adds the outcome of a later delivery, as if its items had been given after those of this one.
    pub fn append(&mut self, later: Self) {
        let given = self.delivered + self.merged + self.undelivered.len();
        let later_undelivered = later.undelivered.into_iter().map(|left| Undelivered {
            index: given + left.index,
            ..left
        });
        self.undelivered.extend(later_undelivered);
        self.delivered += later.delivered;
        self.merged += later.merged;
        self.calls += later.calls;
        self.retries += later.retries;
    }

    /// Removes and returns the undelivered items that the service will never accept, in the order
    /// they were given.
    pub fn take_rejected(&mut self) -> Vec<Undelivered<T>> {
        let undelivered = std::mem::take(&mut self.undelivered);
        let (rejected, undelivered) = undelivered
            .into_iter()
            .partition(|left| left.reason.is_permanent());
        self.undelivered = undelivered;
        rejected
    }
}

/// One item that was not written, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered<T> {
    /// Its index among the items given, from 0.
    pub index: usize,
    /// The item, unchanged.
    pub item: T,
    /// Why it was not delivered.
    pub reason: Reason,
}

/// Why an item was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The service will never accept it: it is too large, or invalid for the given reason.
    Rejected(String),
    /// The deadline passed first. The item may have been written.
    OutOfTime {
        /// The last reason the service gave, or `None` if it never responded.
        last: Option<String>,
    },
    /// The delivery stopped because no call could succeed, for the given reason. The item may have
    /// been written.
    Stopped(String),
}

impl Reason {
    /// Whether sending the item again is pointless.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }
}

/// The maximum number of different reasons in [`Reasons`].
const MOST_REPORTED_REASONS: usize = 5;
/// The maximum characters shown of a reason, because a service may quote a whole item.
const MOST_REPORTED_CHARACTERS: usize = 300;

/// Counts of equal reasons, formatted for one log line: `17 x stopped: no such table`.
///
/// It shows the first five reasons, and the first 300 characters of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasons {
    counts: Vec<(String, usize)>,
    others: usize,
}

impl Reasons {
    fn count(&mut self, reason: String) {
        if let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| *known == reason) {
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
        for (index, (reason, count)) in self.counts.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
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
                write!(formatter, "out of time, last response: {last}")
            }
            Self::OutOfTime { last: None } => formatter.write_str("out of time, no response"),
            Self::Stopped(reason) => write!(formatter, "stopped: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_and_their_length_is_bounded() {
        let stopped = |text: &str| Reason::Stopped(text.to_owned());
        let late = Reason::OutOfTime { last: None };
        let few: Reasons = [&late, &stopped("no table"), &late].into_iter().collect();
        assert_eq!(
            few.to_string(),
            "2 x out of time, no response; 1 x stopped: no table"
        );
        assert_eq!(Reasons::from_iter([]).to_string(), "");

        let many: Vec<Reason> = (0..10_000)
            .map(|number| stopped(&format!("{number} {}", "é".repeat(100_000 / (number + 1)))))
            .collect();
        let text = Reasons::from_iter(&many).to_string();
        assert!(text.len() < 5 * 700, "{}", text.len());
        assert!(text.ends_with("; 9995 for other reasons"), "{text}");
    }
}
