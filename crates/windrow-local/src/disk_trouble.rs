//! Reports trouble with a disk in few lines: one when it begins, one every ten seconds while it
//! lasts, and one when it is over.
//!
//! A disk that is full fails every write to it, of every shard and delivery stream. Whoever writes
//! has a [`DiskWriter`], retries, and reports each failure and each success. All writers of a
//! [`DiskTrouble`] share its lines.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time between two lines while the trouble lasts.
const INTERVAL: Duration = Duration::from_secs(10);

/// The trouble of all writers to a disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct DiskTrouble {
    state: Arc<Mutex<TroubleState>>,
}

#[derive(Debug, Default)]
struct TroubleState {
    next_writer: u64,
    /// The writers whose last write failed, and what they could not write.
    waiting: BTreeMap<u64, String>,
    began: Option<Instant>,
    last_line: Option<Instant>,
    totals: TroubleTotals,
}

/// One of the writers. Dropping it ends its trouble.
#[derive(Debug)]
pub struct DiskWriter {
    number: u64,
    trouble: DiskTrouble,
}

/// How much trouble there was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TroubleTotals {
    /// How many writes failed.
    pub failed: u64,
    /// How long at least one writer waited.
    pub waited: Duration,
    /// What is still not written.
    pub unwritten: Vec<String>,
}

impl fmt::Display for TroubleTotals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            failed,
            waited,
            unwritten,
        } = self;
        write!(
            formatter,
            "{failed} writes failed in {} s; ",
            waited.as_secs()
        )?;
        match unwritten.as_slice() {
            [] => formatter.write_str("all were retried until they succeeded"),
            [one] => write!(formatter, "not written: {one}"),
            [one, others @ ..] => {
                write!(formatter, "not written: {one} and {} others", others.len())
            }
        }
    }
}

impl DiskTrouble {
    /// No trouble so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a writer.
    #[must_use]
    pub fn writer(&self) -> DiskWriter {
        let mut state = self.state();
        state.next_writer += 1;
        DiskWriter {
            number: state.next_writer,
            trouble: self.clone(),
        }
    }

    /// How much trouble there was so far; `None` if every write succeeded.
    #[must_use]
    pub fn totals(&self) -> Option<TroubleTotals> {
        self.state().totals(Instant::now())
    }

    /// Logs the totals if there was trouble.
    pub fn log_totals(&self) {
        if let Some(totals) = self.totals() {
            tracing::warn!("trouble with the disk in this run: {totals}");
        }
    }

    fn state(&self) -> MutexGuard<'_, TroubleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskWriter {
    /// Reports that a write to `path` failed. It will be retried.
    pub fn failed(&self, path: &Path, error: &io::Error) {
        let failed = path.display().to_string();
        let line =
            self.trouble
                .state()
                .failed(self.number, failed, &error.to_string(), Instant::now());
        if let Some(line) = line {
            tracing::error!("{line}");
        }
    }

    /// Reports that a write succeeded.
    pub fn succeeded(&self) {
        let line = self.trouble.state().succeeded(self.number, Instant::now());
        if let Some(line) = line {
            tracing::warn!("{line}");
        }
    }
}

impl Drop for DiskWriter {
    fn drop(&mut self) {
        // What it could not write is in the totals.
        let mut state = self.trouble.state();
        if let Some(unwritten) = state.waiting.remove(&self.number) {
            state.totals.unwritten.push(unwritten);
            state.end_if_over(Instant::now());
        }
    }
}

impl TroubleState {
    /// The line to print, if one is due.
    fn failed(&mut self, writer: u64, path: String, error: &str, now: Instant) -> Option<String> {
        self.totals.failed += 1;
        self.waiting.insert(writer, path.clone());
        let begins = self.began.is_none();
        let began = *self.began.get_or_insert(now);
        let is_due = self
            .last_line
            .is_none_or(|last| now.saturating_duration_since(last) >= INTERVAL);
        if !begins && !is_due {
            return None;
        }
        self.last_line = Some(now);
        if begins {
            return Some(format!(
                "cannot write {path}: {error}; what is not written waits and is retried: make room, or \
                 make the folder writable"
            ));
        }
        let waited = now.saturating_duration_since(began).as_secs();
        let others = match self.waiting.len() {
            1 => String::new(),
            waiting => format!(" and {} others", waiting - 1),
        };
        Some(format!(
            "still cannot write {path}{others} after {waited} s: {error}"
        ))
    }

    /// The line to print, if the trouble is over.
    fn succeeded(&mut self, writer: u64, now: Instant) -> Option<String> {
        self.waiting.remove(&writer)?;
        let waited = self.end_if_over(now)?;
        Some(format!(
            "the disk can be written again, after {} s; nothing that waited is lost",
            waited.as_secs()
        ))
    }

    fn end_if_over(&mut self, now: Instant) -> Option<Duration> {
        if !self.waiting.is_empty() {
            return None;
        }
        let waited = now.saturating_duration_since(self.began.take()?);
        self.totals.waited += waited;
        self.last_line = None;
        Some(waited)
    }

    fn totals(&self, now: Instant) -> Option<TroubleTotals> {
        if self.totals.failed == 0 {
            return None;
        }
        let mut totals = self.totals.clone();
        totals.unwritten.extend(self.waiting.values().cloned());
        if let Some(began) = self.began {
            totals.waited += now.saturating_duration_since(began);
        }
        Some(totals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trouble_has_a_line_when_it_begins_every_ten_seconds_and_when_it_is_over() {
        let mut state = TroubleState::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut lines = Vec::new();
        for step in 0..=250_u64 {
            let path = if step % 2 == 0 { "a" } else { "b" };
            lines.extend(state.failed(step % 2, path.to_owned(), "no space", at(step * 100)));
        }
        assert_eq!(state.succeeded(0, at(26_000)), None, "one still waits");
        lines.extend(state.succeeded(1, at(27_000)));
        assert_eq!(state.succeeded(1, at(27_001)), None);
        assert_eq!(
            lines,
            [
                "cannot write a: no space; what is not written waits and is retried: make room, or make \
                 the folder writable",
                "still cannot write a and 1 others after 10 s: no space",
                "still cannot write a and 1 others after 20 s: no space",
                "the disk can be written again, after 27 s; nothing that waited is lost",
            ]
        );
        let totals = state.totals(at(90_000)).unwrap();
        assert_eq!(
            totals.to_string(),
            "251 writes failed in 27 s; all were retried until they succeeded"
        );
    }

    #[test]
    fn a_writer_that_ends_in_trouble_is_counted() {
        let trouble = DiskTrouble::new();
        assert_eq!(trouble.totals(), None);
        let writer = trouble.writer();
        writer.failed(Path::new("mappings/a"), &io::Error::other("no"));
        drop(writer);
        let other = trouble.writer();
        other.failed(Path::new("incoming/b"), &io::Error::other("no"));
        let totals = trouble.totals().unwrap();
        assert_eq!(totals.unwritten, ["mappings/a", "incoming/b"]);
        other.succeeded();
        assert_eq!(trouble.totals().unwrap().unwritten, ["mappings/a"]);
    }
}
