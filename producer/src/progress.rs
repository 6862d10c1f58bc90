//! Progress on standard error.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::status::RunStatus;

/// How many dots a line has: one minute's worth at one reading per second.
const DOTS_PER_LINE: u64 = 60;

/// The progress display: one dot per reading for a single unicorn, otherwise a bar, which is hidden
/// if standard error is not a terminal.
///
/// All other terminal output must go through [`aside`](Self::aside) while it is shown.
#[derive(Debug)]
pub(crate) struct ProducerProgress {
    kind: BarKind,
    status: Arc<RunStatus>,
}

#[derive(Debug)]
enum BarKind {
    /// How many dots are on the current line.
    Dots(Mutex<u64>),
    Bar(ProgressBar),
}

impl ProducerProgress {
    /// One dot per reading.
    pub(crate) fn dots(status: Arc<RunStatus>) -> Self {
        Self {
            kind: BarKind::Dots(Mutex::new(0)),
            status,
        }
    }

    /// A bar for `count` readings, or a counter if the total is unknown. Hidden if standard error
    /// is not a terminal.
    pub(crate) fn bar(count: Option<u64>, status: Arc<RunStatus>) -> Self {
        let (bar, template) = match count {
            Some(count) => (
                ProgressBar::new(count),
                "{wide_bar} {human_pos}/{human_len} readings {per_sec} {eta}",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {human_pos} readings {per_sec} {elapsed}",
            ),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            kind: BarKind::Bar(bar),
            status,
        }
    }

    /// A hidden display, for tests.
    #[cfg(test)]
    pub(crate) fn hidden() -> Self {
        Self {
            kind: BarKind::Bar(ProgressBar::hidden()),
            status: Arc::default(),
        }
    }

    /// Adds `readings` to the readings sent.
    pub(crate) fn sent(&self, readings: u64) {
        self.status.add_sent(readings);
        match &self.kind {
            BarKind::Bar(bar) => bar.inc(readings),
            BarKind::Dots(column) => {
                let mut column = column.lock().unwrap_or_else(PoisonError::into_inner);
                let mut text = String::new();
                for _ in 0..readings {
                    text.push('.');
                    *column += 1;
                    if *column == DOTS_PER_LINE {
                        text.push('\n');
                        *column = 0;
                    }
                }
                show(&text);
            }
        }
    }

    /// Suspends the display while `write` writes whole lines to the terminal.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.kind {
            BarKind::Bar(bar) => bar.suspend(write),
            BarKind::Dots(column) => {
                let mut column = column.lock().unwrap_or_else(PoisonError::into_inner);
                if *column > 0 {
                    show("\n");
                    *column = 0;
                }
                write()
            }
        }
    }

    /// Sets the total number of readings in the rows that were read back.
    pub(crate) fn in_rows(&self, readings: u64) {
        self.status.set_in_rows(readings);
    }

    /// Writes a line to standard error.
    pub(crate) fn note(&self, line: &str) {
        self.aside(|| note(line));
    }

    /// Removes the display.
    pub(crate) fn finish(&self) {
        match &self.kind {
            BarKind::Bar(bar) => bar.finish_and_clear(),
            BarKind::Dots(_) => self.aside(|| {}),
        }
    }
}

/// Writes a line to standard error while no progress is shown.
pub(crate) fn note(line: &str) {
    show(&format!("{line}\n"));
}

/// Writes to standard error. Errors are ignored: a closed terminal must not stop the run.
fn show(text: &str) {
    let mut output = io::stderr().lock();
    let _ = output.write_all(text.as_bytes());
    let _ = output.flush();
}
