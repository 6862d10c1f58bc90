//! How far the sending has come, on the standard error.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::standing::Standing;

/// How many dots a line has: a minute of them.
const DOTS_A_LINE: u64 = 60;

/// How far the sending has come: a dot a reading for one unicorn, and a bar for
/// more, which is hidden where nobody looks.
///
/// Whoever else writes to the terminal meanwhile does so through [`aside`](Self::aside).
#[derive(Debug)]
pub(crate) struct ProducerProgress {
    kind: BarKind,
    standing: Arc<Standing>,
}

#[derive(Debug)]
enum BarKind {
    /// How many dots stand on the last line.
    Dots(Mutex<u64>),
    Bar(ProgressBar),
}

impl ProducerProgress {
    /// A dot a reading.
    pub(crate) fn dots(standing: Arc<Standing>) -> Self {
        Self {
            kind: BarKind::Dots(Mutex::new(0)),
            standing,
        }
    }

    /// A bar for `count` readings, or a counter where their number is not known. Hidden where the
    /// standard error is no terminal.
    pub(crate) fn bar(count: Option<u64>, standing: Arc<Standing>) -> Self {
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
            standing,
        }
    }

    /// Nothing, for tests.
    #[cfg(test)]
    pub(crate) fn hidden() -> Self {
        Self {
            kind: BarKind::Bar(ProgressBar::hidden()),
            standing: Arc::default(),
        }
    }

    /// Shows that `readings` more are sent.
    pub(crate) fn sent(&self, readings: u64) {
        self.standing.add_sent(readings);
        match &self.kind {
            BarKind::Bar(bar) => bar.inc(readings),
            BarKind::Dots(column) => {
                let mut column = column.lock().unwrap_or_else(PoisonError::into_inner);
                let mut text = String::new();
                for _ in 0..readings {
                    text.push('.');
                    *column += 1;
                    if *column == DOTS_A_LINE {
                        text.push('\n');
                        *column = 0;
                    }
                }
                show(&text);
            }
        }
    }

    /// Runs `write`, which writes whole lines to the terminal, between two states of the progress.
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

    /// Takes note that rows with so many readings in all were read back.
    pub(crate) fn in_rows(&self, readings: u64) {
        self.standing.set_in_rows(readings);
    }

    /// Writes a line to the standard error.
    pub(crate) fn note(&self, line: &str) {
        self.aside(|| note(line));
    }

    /// Shows nothing from now on.
    pub(crate) fn finish(&self) {
        match &self.kind {
            BarKind::Bar(bar) => bar.finish_and_clear(),
            BarKind::Dots(_) => self.aside(|| {}),
        }
    }
}

/// Writes a line to the standard error, where no progress is shown.
pub(crate) fn note(line: &str) {
    show(&format!("{line}\n"));
}

/// A standard error that is gone is no reason to stop sending.
fn show(text: &str) {
    let mut output = io::stderr().lock();
    let _ = output.write_all(text.as_bytes());
    let _ = output.flush();
}
