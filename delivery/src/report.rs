//! What became of the items.

use std::fmt;

/// What became of the items given to [`deliver`](crate::deliver()).
///
/// Every item is counted once: `delivered + merged + undelivered.len()` is how many there were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<T> {
    /// Items the service said it has written.
    pub delivered: usize,
    /// Items not sent, because a later one has the same [`Key`](crate::Key).
    pub merged: usize,
    /// Items handed back, in the order they were given.
    pub undelivered: Vec<Undelivered<T>>,
    /// Calls made, those without an answer included.
    pub calls: u64,
    /// Items sent again, once for each further time.
    pub resends: u64,
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
    Refused(String),
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
        matches!(self, Self::Refused(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(formatter, "refused: {reason}"),
            Self::OutOfTime { last: Some(last) } => {
                write!(formatter, "out of time, last answer: {last}")
            }
            Self::OutOfTime { last: None } => formatter.write_str("out of time, no answer"),
            Self::Stopped(reason) => write!(formatter, "stopped: {reason}"),
        }
    }
}
