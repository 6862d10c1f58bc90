//! The status of a run, readable at any time.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use windrow_connect::terminal::counted;

/// The status of a run in progress. Its text says where the readings are if the run is cut short.
#[derive(Debug, Default)]
pub struct RunStatus {
    sent: AtomicU64,
    in_rows: AtomicU64,
    embedded: AtomicBool,
    drained: AtomicBool,
}

impl RunStatus {
    /// Adds readings that the stream accepted.
    pub(crate) fn add_sent(&self, readings: u64) {
        self.sent.fetch_add(readings, Ordering::Relaxed);
    }

    /// Sets the total number of readings in the rows that were read back.
    pub(crate) fn set_in_rows(&self, readings: u64) {
        self.in_rows.store(readings, Ordering::Relaxed);
    }

    /// Marks the run as embedded: its cloud ends with it.
    pub(crate) fn set_embedded(&self) {
        self.embedded.store(true, Ordering::Relaxed);
    }

    /// Marks the run as drained: every row is in the table.
    pub(crate) fn set_drained(&self) {
        self.drained.store(true, Ordering::Relaxed);
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = self.sent.load(Ordering::Relaxed);
        if !self.embedded.load(Ordering::Relaxed) {
            return write!(
                f,
                "sent {}, and readings in flight may have arrived too",
                counted(sent, "reading")
            );
        }
        if self.drained.load(Ordering::Relaxed) {
            return write!(
                f,
                "the rows of all {} are in the table, but not all were printed",
                counted(sent, "reading")
            );
        }
        // An upper bound: rows of a closed window may be on their way.
        let open = sent.saturating_sub(self.in_rows.load(Ordering::Relaxed));
        write!(
            f,
            "up to {open} of the {} sent by this run, those in the open window, are in no row; they may \
             also be missing from the archive",
            counted(sent, "reading")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_says_where_the_readings_are() {
        let status = RunStatus::default();
        status.add_sent(1);
        assert!(status.to_string().starts_with("sent 1 reading, "));
        status.add_sent(4);
        status.add_sent(7);
        assert!(status.to_string().starts_with("sent 12 readings, "));
        status.set_embedded();
        status.set_in_rows(8);
        assert!(
            status
                .to_string()
                .starts_with("up to 4 of the 12 readings ")
        );
        status.set_drained();
        assert!(
            status
                .to_string()
                .starts_with("the rows of all 12 readings are in the table")
        );
    }
}
