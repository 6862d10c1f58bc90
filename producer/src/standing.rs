//! What became of the readings, at any moment of a run.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far a run has come, for whoever ends it before it is over: as text, what became of the readings.
#[derive(Debug, Default)]
pub struct Standing {
    sent: AtomicU64,
    in_rows: AtomicU64,
    embedded: AtomicBool,
    drained: AtomicBool,
}

impl Standing {
    /// Takes note that the stream has so many readings more.
    pub(crate) fn add_sent(&self, readings: u64) {
        self.sent.fetch_add(readings, Ordering::Relaxed);
    }

    /// Takes note that rows with so many readings in all were read back.
    pub(crate) fn set_in_rows(&self, readings: u64) {
        self.in_rows.store(readings, Ordering::Relaxed);
    }

    /// Takes note that the cloud ends with this run.
    pub(crate) fn set_embedded(&self) {
        self.embedded.store(true, Ordering::Relaxed);
    }

    /// Takes note that every row is in the table.
    pub(crate) fn set_drained(&self) {
        self.drained.store(true, Ordering::Relaxed);
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = self.sent.load(Ordering::Relaxed);
        if !self.embedded.load(Ordering::Relaxed) {
            return write!(
                f,
                "sent {sent} readings, and what was under way may have arrived as well"
            );
        }
        if self.drained.load(Ordering::Relaxed) {
            return write!(
                f,
                "the rows of all {sent} readings are in the table, and not all were printed"
            );
        }
        // Rows of a closed window may be under way, and other programs may have sent readings.
        let open = sent.saturating_sub(self.in_rows.load(Ordering::Relaxed));
        write!(
            f,
            "up to {open} of the {sent} readings that were sent from here are in no row, those of the open \
             window; they may not be in the archive either"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_the_readings_is_told() {
        let standing = Standing::default();
        standing.add_sent(5);
        standing.add_sent(7);
        assert!(standing.to_string().starts_with("sent 12 readings, "));
        standing.set_embedded();
        standing.set_in_rows(8);
        assert!(
            standing
                .to_string()
                .starts_with("up to 4 of the 12 readings ")
        );
        standing.set_drained();
        assert!(
            standing
                .to_string()
                .starts_with("the rows of all 12 readings are in the table")
        );
    }
}
