//! A query's progress, on standard error if that is a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::task::AbortOnDropHandle;

use crate::archive::Meter;

/// Queries that finish sooner show no progress.
const DELAY: Duration = Duration::from_secs(1);

/// How often the bar is drawn.
const TICK: Duration = Duration::from_millis(100);

/// What progress is measured by.
#[derive(Clone, Debug)]
pub(crate) enum ProgressMeasure {
    /// The bytes read of the archive, of a known total.
    Archive(Arc<Meter>),
    /// The bytes that Athena has scanned; the total is unknown.
    Athena(Arc<AtomicU64>),
    /// The rows read of the table; the total is unknown.
    Table(Arc<AtomicU64>),
}

/// A progress bar that appears after one second if standard error is a terminal, and disappears
/// when dropped.
#[derive(Debug)]
pub(crate) struct QueryProgress {
    bar: ProgressBar,
    _task: AbortOnDropHandle<()>,
}

impl QueryProgress {
    pub(crate) fn start(measure: ProgressMeasure) -> Self {
        let bar = ProgressBar::hidden();
        let template = match measure {
            ProgressMeasure::Archive(_) => "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            ProgressMeasure::Athena(_) => "{spinner} Athena: {bytes} scanned, {elapsed}",
            ProgressMeasure::Table(_) => "{spinner} {human_pos} rows of the table, {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let task = tokio::spawn(draw(bar.clone(), measure));
        Self {
            bar,
            _task: AbortOnDropHandle::new(task),
        }
    }
}

impl Drop for QueryProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

async fn draw(bar: ProgressBar, measure: ProgressMeasure) {
    tokio::time::sleep(DELAY).await;
    bar.set_draw_target(ProgressDrawTarget::stderr());
    loop {
        match &measure {
            ProgressMeasure::Archive(meter) => {
                let (read, total) = meter.bytes();
                bar.set_length(total);
                bar.set_position(read);
            }
            ProgressMeasure::Athena(count) | ProgressMeasure::Table(count) => {
                bar.set_position(count.load(Ordering::Relaxed));
                bar.tick();
            }
        }
        tokio::time::sleep(TICK).await;
    }
}
