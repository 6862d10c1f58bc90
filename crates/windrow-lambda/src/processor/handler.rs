//! The handler: read, write, report.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::{Metrics, Sink, Unit};
use bytes::Bytes;
use lambda_runtime::tracing;
use tokio::time::Instant;
use windrow_core::row::{Row, rows};
use windrow_core::schema::Schema;
use windrow_event::{Event, EventRecord, Reject, Response};
use windrow_write::{Destination, Policy, Reasons, Undelivered, deliver};

use crate::processor::row::TableRow;

/// The processor function. It writes rows to `table` and sends lines that fail to parse to
/// `rejects`.
pub struct Processor<T, R> {
    schema: Arc<Schema>,
    table: T,
    rejects: R,
    expire_after_days: Option<u32>,
    row_metric: Option<RowMetric>,
    sink: Sink,
}

/// A metric of a sensor: the number of an invocation's rows for which something is true.
#[derive(Clone, Copy, Debug)]
pub struct RowMetric {
    /// The metric's name.
    pub name: &'static str,
    /// Whether a row counts.
    pub counts: fn(&Row) -> bool,
}

/// The maximum number of lost rejects to log per invocation. A metric has the full count.
const MOST_LOGGED_REJECTS: usize = 10;

/// The maximum time of an invocation to reserve for its rejects.
const MOST_FOR_REJECTS: Duration = Duration::from_secs(3);

/// Items to deliver, each with the index in the batch of the record it came from.
struct Sourced<T> {
    items: Vec<T>,
    records: Vec<usize>,
}

impl<T> Default for Sourced<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            records: Vec::new(),
        }
    }
}

impl<T> Sourced<T> {
    fn push(&mut self, record: usize, item: T) {
        self.items.push(item);
        self.records.push(record);
    }
}

/// The rows and rejects read from an invocation's records.
#[derive(Default)]
struct ProcessorIntake {
    rows: Sourced<TableRow>,
    counted: u64,
    rejects: Sourced<Bytes>,
}

impl<T, R> Processor<T, R>
where
    T: Destination<Item = TableRow>,
    R: Destination<Item = Bytes>,
{
    /// A function that writes rows of `schema` to `table` and `rejects` and passes its metrics to `sink`.
    ///
    /// Rows expire `expire_after_days` after the start of their window, or never.
    pub fn new(
        schema: &Arc<Schema>,
        table: T,
        rejects: R,
        expire_after_days: Option<u32>,
        sink: Sink,
    ) -> Self {
        Self {
            schema: Arc::clone(schema),
            table,
            rejects,
            expire_after_days,
            row_metric: None,
            sink,
        }
    }

    /// Adds a metric of the sensor.
    pub fn with_row_metric(self, row_metric: Option<RowMetric>) -> Self {
        Self { row_metric, ..self }
    }

    /// Handles one invocation and returns by `deadline`. The response names the first record that
    /// was not fully written.
    ///
    /// Items that their destination permanently rejects are not reported as failures, because
    /// Lambda would redeliver them forever. Such rows go to the rejects stream; such rejects are
    /// logged and counted in a metric.
    pub async fn handle(&self, event: &Event, deadline: Instant) -> Response {
        let ProcessorIntake {
            rows,
            counted,
            mut rejects,
        } = self.read(event);
        let row_count = rows.items.len() as u64;
        let policy = Policy::until(table_deadline(deadline));
        let mut written = deliver(&self.table, rows.items, &policy).await;
        for rejected in written.take_rejected() {
            self.reject_row(event, rows.records[rejected.index], &rejected, &mut rejects);
        }

        let reject_count = rejects.items.len() as u64;
        let policy = Policy::until(deadline);
        let mut rejected = deliver(&self.rejects, rejects.items, &policy).await;
        let lost = rejected.take_rejected();
        log_lost(&lost);

        let failed_rows = written.undelivered.iter();
        let failed_rows = failed_rows.map(|left| (rows.records[left.index], &left.reason));
        let failed_rejects = rejected.undelivered.iter();
        let failed_rejects = failed_rejects.map(|left| (rejects.records[left.index], &left.reason));
        let failed: Vec<_> = failed_rows.chain(failed_rejects).collect();
        if !failed.is_empty() {
            let (rows, rejects) = (written.undelivered.len(), rejected.undelivered.len());
            let reasons: Reasons = failed.iter().map(|(_, reason)| *reason).collect();
            tracing::warn!(rows, rejects, %reasons, "could not write all rows and rejects");
        }

        let mut metrics = vec![
            ("Rows", Unit::Count, row_count),
            ("RowsWrittenTwice", Unit::Count, written.merged as u64),
            ("RejectedRows", Unit::Count, reject_count),
            ("LostRejects", Unit::Count, lost.len() as u64),
            ("Retries", Unit::Count, written.retries + rejected.retries),
            ("Undelivered", Unit::Count, failed.len() as u64),
        ];
        if let Some(RowMetric { name, .. }) = self.row_metric {
            metrics.push((name, Unit::Count, counted));
        }
        (self.sink)(&Metrics::new(metrics));
        // Lambda redelivers from the lowest sequence number on, so reporting one reports all after
        // it.
        let first = failed.into_iter().map(|(record, _)| record).min();
        let lowest = first.and_then(|first| event.records().nth(first));
        Response::with_failures(lowest.map(|record| record.sequence_number))
    }

    fn read(&self, event: &Event) -> ProcessorIntake {
        let mut intake = ProcessorIntake::default();
        for (index, record) in event.records().enumerate() {
            let data = match record.data {
                Ok(data) => data,
                Err(bad) => {
                    let payload = bad.text.as_bytes();
                    let reason = bad.to_string();
                    reject(event, index, record, &reason, payload, &mut intake.rejects);
                    continue;
                }
            };
            for (line, row) in rows(&self.schema, data) {
                match row {
                    Ok(row) => {
                        let metric = self.row_metric;
                        let counts = metric.is_some_and(|metric| (metric.counts)(&row));
                        intake.counted += u64::from(counts);
                        let row = TableRow::new(&self.schema, row, self.expire_after_days);
                        intake.rows.push(index, row);
                    }
                    Err(rejection) => {
                        let reason = rejection.to_string();
                        reject(event, index, record, &reason, line, &mut intake.rejects);
                    }
                }
            }
        }
        intake
    }

    /// Adds a row that DynamoDB permanently rejected to the rejects, as its line.
    fn reject_row(
        &self,
        event: &Event,
        index: usize,
        undelivered: &Undelivered<TableRow>,
        rejects: &mut Sourced<Bytes>,
    ) {
        let Some(record) = event.records().nth(index) else {
            return;
        };
        let reason = undelivered.reason.to_string();
        let line = undelivered.item.row().to_line(&self.schema);
        reject(event, index, record, &reason, &line, rejects);
    }
}

/// The deadline for writing to the table. The remaining time is reserved for the rejects, so that a
/// slow table cannot keep them from being delivered.
fn table_deadline(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline - (left / 10).min(MOST_FOR_REJECTS)
}

fn log_lost(lost: &[Undelivered<Bytes>]) {
    for reject in lost.iter().take(MOST_LOGGED_REJECTS) {
        let start = windrow_event::reject_start(&reject.item);
        tracing::error!(reason = %reject.reason, start, "rejects stream rejected a reject, which is lost");
    }
}

fn reject(
    event: &Event,
    index: usize,
    record: EventRecord<'_>,
    reason: &str,
    payload: &[u8],
    rejects: &mut Sourced<Bytes>,
) {
    let reject = Reject {
        reason,
        stream: event.stream().unwrap_or_default(),
        shard: event.shard().unwrap_or_default(),
        sequence_number: record.sequence_number,
        partition_key: record.partition_key,
        sub_sequence_number: None,
        arrival: record.arrival,
        payload,
    };
    for line in reject.lines() {
        rejects.push(index, line.into());
    }
}
