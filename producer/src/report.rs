//! Prints the rows of an embedded run, window by window.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::sync::Arc;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::query::QueryError;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use unicorn::merge::{FleetRow, merge};
use unicorn::row::schema;
use unicorn::table::{TableLine, table};
use windrow_connect::terminal::printable;
use windrow_core::row::Row;
use windrow_read::ReadError;

use crate::args::ProducerFormat;
use crate::progress::ProducerProgress;
use crate::rows::{NewRows, PrintedWindow, RowTable};

/// How many queries run at once; each reads one unicorn's rows.
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
    /// The output cannot be written.
    #[error("the rows cannot be written")]
    Output(#[from] io::Error),
}

impl ReportError {
    /// Whether the reader of the output has closed it.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Prints each window's rows once, read back from the table.
#[derive(Debug)]
pub(crate) struct ProducerReport<W> {
    new_rows: NewRows,
    table: RowTable,
    /// Windows not printed yet: for each unicorn, the sort keys of the rows of this run.
    pending: BTreeMap<PrintedWindow, BTreeMap<String, HashSet<String>>>,
    readings: u64,
    format: ProducerFormat,
    progress: Arc<ProducerProgress>,
    output: W,
}

impl<W: Write> ProducerReport<W> {
    /// A report of the rows that `new_rows` announces, read from `table`.
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

    /// The number of readings in the printed rows of this run.
    pub(crate) fn readings(&self) -> u64 {
        self.readings
    }

    /// Prints windows when `watermark` reaches their end, until `ended` is cancelled.
    ///
    /// An error is reported, and printing is retried at the next window. A broken pipe cancels
    /// `stop` and ends the report.
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
            self.progress.note(&format!(
                "printing rows failed, retrying at the next window: {error}"
            ));
        }
        self
    }

    /// Prints the windows that end at or before `time`, in milliseconds since the epoch, oldest
    /// first.
    ///
    /// # Errors
    /// [`ReportError`]. The next call prints the remaining windows.
    pub(crate) async fn print_until(&mut self, time: i64) -> Result<(), ReportError> {
        for row in self.new_rows.read().await? {
            let unicorns = self.pending.entry(PrintedWindow::of(&row)).or_default();
            let unicorn = row.partition_value(schema()).into_owned();
            let sort_values = unicorns.entry(unicorn).or_default();
            sort_values.insert(row.sort_value(schema()));
        }
        while let Some((window, unicorns)) = self.pending.first_key_value() {
            let window = *window;
            if window.end().millis() > time {
                return Ok(());
            }
            let rows = read_back(&self.table, window, unicorns.keys().cloned().collect()).await?;
            let is_new = |row: &&Row| {
                let sort_values = unicorns.get(row.partition_value(schema()).as_ref());
                sort_values.is_some_and(|values| values.contains(&row.sort_value(schema())))
            };
            let new: Vec<Row> = rows.iter().filter(is_new).cloned().collect();
            self.print(window, &rows, &new)?;
            self.readings += merge(new).iter().map(|merged| merged.readings).sum::<u64>();
            self.progress.in_rows(self.readings);
            self.pending.remove(&window);
        }
        Ok(())
    }

    /// Prints a window: as a table, all its rows merged, including those of earlier runs; as lines,
    /// only its new rows, so that each row is printed once even if a late one follows.
    fn print(&mut self, window: PrintedWindow, rows: &[Row], new: &[Row]) -> io::Result<()> {
        let text = match self.format {
            ProducerFormat::Pretty => {
                window_table(window, &merge(rows.iter().cloned())).into_bytes()
            }
            ProducerFormat::Lines => new.iter().flat_map(|row| row.to_line(schema())).collect(),
        };
        let output = &mut self.output;
        self.progress.aside(|| {
            output.write_all(&text)?;
            output.flush()
        })
    }
}

/// Reads all rows of a window, unicorn by unicorn.
async fn read_back(
    table: &RowTable,
    window: PrintedWindow,
    unicorns: Vec<String>,
) -> Result<Vec<Row>, ReportError> {
    let queries = stream::iter(unicorns).map(async |unicorn| table.rows(&unicorn, window).await);
    let rows: Vec<Vec<Row>> = queries
        .buffered(QUERIES)
        .try_collect()
        .await
        .map_err(Box::new)?;
    Ok(rows.into_iter().flatten().collect())
}

fn window_table(window: PrintedWindow, merged_rows: &[FleetRow]) -> String {
    let lines = merged_rows.iter().map(|merged| TableLine {
        name: printable(&merged.name),
        measures: &merged.measures,
        readings: merged.readings,
        note: if merged.gap {
            "  readings are missing"
        } else {
            ""
        },
    });
    let lines: Vec<TableLine<'_>> = lines.collect();
    table(window.start, window.seconds, &lines)
}
