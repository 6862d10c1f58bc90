//! What comes out of an embedded run: rows, printed window by window.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::sync::Arc;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::query::QueryError;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use unicorn::merge::merge;
use unicorn::summary::Summary;
use windrow_read::ReadError;

use crate::args::ProducerFormat;
use crate::progress::ProducerProgress;
use crate::rows::{NewRows, PrintedWindow, RowTable};
use crate::window_table;

/// How many unicorns' rows are asked for at once.
const QUERIES: usize = 8;

/// Why rows are not printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// The summary stream cannot be read.
    #[error(transparent)]
    Stream(#[from] ReadError),
    /// The table cannot be read.
    #[error("the table cannot be read")]
    RowTable(#[from] Box<SdkError<QueryError>>),
    /// The output takes no more.
    #[error("the rows cannot be written")]
    Output(#[from] io::Error),
}

impl ReportError {
    /// Whether nobody reads the output any more.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Prints each window's rows once, read back from the table.
#[derive(Debug)]
pub(crate) struct ProducerReport<W> {
    new_rows: NewRows,
    table: RowTable,
    /// Windows that have rows and are not printed: per unicorn, the keys of the rows of this run.
    pending: BTreeMap<PrintedWindow, BTreeMap<String, HashSet<String>>>,
    readings: u64,
    format: ProducerFormat,
    progress: Arc<ProducerProgress>,
    output: W,
}

impl<W: Write> ProducerReport<W> {
    /// A report of the rows that `new_rows` tells of and `table` has.
    pub(crate) fn new(
        new_rows: NewRows,
        table: RowTable,
        format: ProducerFormat,
        progress: Arc<ProducerProgress>,
        output: W,
    ) -> Self {
        Self {
            new_rows,
            table,
            pending: BTreeMap::new(),
            readings: 0,
            format,
            progress,
            output,
        }
    }

    /// How many readings the printed rows of this run hold.
    pub(crate) fn readings(&self) -> u64 {
        self.readings
    }

    /// Prints windows as `watermark` says that they are done, until `ended`.
    ///
    /// A fault that may pass is told and tried again at the next window; an output that nobody
    /// reads any more cancels `stop` and ends the report.
    pub(crate) async fn watch(
        mut self,
        mut watermark: watch::Receiver<i64>,
        ended: CancellationToken,
        stop: CancellationToken,
    ) -> Self {
        while let Some(Ok(())) = ended.run_until_cancelled(watermark.changed()).await {
            let time = *watermark.borrow_and_update();
            let Err(error) = self.print_until(time).await else {
                continue;
            };
            if error.is_broken_pipe() {
                stop.cancel();
                break;
            }
            self.progress
                .note(&format!("rows are not printed yet: {error}"));
        }
        self
    }

    /// Prints the windows that ended by `time`, in milliseconds since the epoch, oldest first.
    ///
    /// # Errors
    /// [`ReportError`]. Windows that were not printed stay for the next call.
    pub(crate) async fn print_until(&mut self, time: i64) -> Result<(), ReportError> {
        for row in self.new_rows.read().await? {
            let unicorns = self.pending.entry(PrintedWindow::of(&row)).or_default();
            let key = row.sort_key();
            unicorns.entry(row.name).or_default().insert(key);
        }
        while let Some((window, unicorns)) = self.pending.first_key_value() {
            let window = *window;
            if window.end().millis() > time {
                return Ok(());
            }
            let rows = read_back(&self.table, window, unicorns.keys().cloned().collect()).await?;
            let ours = |row: &&Summary| {
                let keys = unicorns.get(&row.name);
                keys.is_some_and(|keys| keys.contains(&row.sort_key()))
            };
            let ours: Vec<Summary> = rows.iter().filter(ours).cloned().collect();
            self.print(window, &rows, &ours)?;
            self.readings += merge(ours)
                .iter()
                .map(|minute| minute.readings)
                .sum::<u64>();
            self.progress.in_rows(self.readings);
            self.pending.remove(&window);
        }
        Ok(())
    }

    /// As a table, the window as it stands now, with what earlier runs left of it; as lines, the rows
    /// that are new, so that each is printed once even where a window gets a late one.
    fn print(
        &mut self,
        window: PrintedWindow,
        rows: &[Summary],
        new: &[Summary],
    ) -> io::Result<()> {
        let text = match self.format {
            ProducerFormat::Pretty => {
                window_table::table(window, &merge(rows.iter().cloned())).into_bytes()
            }
            ProducerFormat::Lines => new.iter().flat_map(Summary::to_line).collect(),
        };
        let output = &mut self.output;
        self.progress.aside(|| {
            output.write_all(&text)?;
            output.flush()
        })
    }
}

/// All rows of a window, unicorn by unicorn.
async fn read_back(
    table: &RowTable,
    window: PrintedWindow,
    unicorns: Vec<String>,
) -> Result<Vec<Summary>, ReportError> {
    let queries = stream::iter(unicorns).map(async |unicorn| table.rows(&unicorn, window).await);
    let rows: Vec<Vec<Summary>> = queries
        .buffered(QUERIES)
        .try_collect()
        .await
        .map_err(Box::new)?;
    Ok(rows.into_iter().flatten().collect())
}
