//! The handler: read, write, report.

use std::time::Duration;

use crate::metrics::{Metrics, Sink, Unit};
use bytes::Bytes;
use lambda_runtime::tracing;
use tokio::time::Instant;
use unicorn::summary::summaries;
use unicorn::totals::Measures;
use windrow_event::{Event, EventRecord, Reject, Response};
use windrow_write::{Destination, Policy, Reasons, Undelivered, deliver};

use crate::processor::row::{TableRow, TableRows};

/// The function: `table` takes rows, `rejects` takes lines that fail to parse.
pub struct Processor<T, R> {
    table: T,
    rejects: R,
    expire_after_days: Option<u32>,
    sink: Sink,
}

/// How many lost rejects of an invocation are logged one by one; their number is a metric.
const MOST_LOGGED_REJECTS: usize = 10;

/// The most of an invocation's time that is kept for its rejects.
const MOST_FOR_REJECTS: Duration = Duration::from_secs(3);

/// Things to deliver, and for each the place in the batch of the record that it came from.
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

/// What an invocation brought.
#[derive(Default)]
struct ProcessorIntake {
    rows: Sourced<TableRow>,
    low_vitals: u64,
    rejects: Sourced<Bytes>,
}

impl<T, R> Processor<T, R>
where
    T: Destination<Item = TableRow>,
    R: Destination<Item = Bytes>,
{
    /// A function that writes to `table` and `rejects` and tells its metrics to `sink`.
    pub fn new(table: T, rejects: R, expire_after_days: Option<u32>, sink: Sink) -> Self {
        Self {
            table,
            rejects,
            expire_after_days,
            sink,
        }
    }

    /// Handles one invocation. By `deadline` it has returned, and reported the first record of
    /// which something was not written.
    ///
    /// What its destination will never take is not reported, since Lambda would deliver it again
    /// without end: rows go to the rejects, and rejects into the log and a metric.
    pub async fn handle(&self, event: &Event, deadline: Instant) -> Response {
        let ProcessorIntake {
            rows,
            low_vitals,
            mut rejects,
        } = self.read(event);
        let row_count = rows.items.len() as u64;
        let policy = Policy::until(table_deadline(deadline));
        let mut written = deliver(&self.table, rows.items, &policy).await;
        for rejected in written.take_rejected() {
            reject_row(event, rows.records[rejected.index], &rejected, &mut rejects);
        }

        let reject_count = rejects.items.len() as u64;
        let policy = Policy::until(deadline);
        let mut rejected = deliver(&self.rejects, rejects.items, &policy).await;
        let lost = rejected.take_rejected();
        log_lost(&lost);

        let of_rows = written.undelivered.iter();
        let of_rows = of_rows.map(|left| (rows.records[left.index], &left.reason));
        let of_rejects = rejected.undelivered.iter();
        let of_rejects = of_rejects.map(|left| (rejects.records[left.index], &left.reason));
        let failed: Vec<_> = of_rows.chain(of_rejects).collect();
        if !failed.is_empty() {
            let (rows, rejects) = (written.undelivered.len(), rejected.undelivered.len());
            let reasons: Reasons = failed.iter().map(|(_, reason)| *reason).collect();
            tracing::warn!(rows, rejects, %reasons, "not everything was written");
        }

        (self.sink)(&Metrics::new(vec![
            ("Rows", Unit::Count, row_count),
            ("LowVitals", Unit::Count, low_vitals),
            ("RowsWrittenTwice", Unit::Count, written.merged as u64),
            ("RejectedRows", Unit::Count, reject_count),
            ("LostRejects", Unit::Count, lost.len() as u64),
            ("Retries", Unit::Count, written.retries + rejected.retries),
            ("Undelivered", Unit::Count, failed.len() as u64),
        ]));
        // Lambda delivers again from the lowest number on, so naming one is naming all after it.
        let first = failed.into_iter().map(|(record, _)| record).min();
        let lowest = first.and_then(|first| event.records().nth(first));
        Response::with_failures(lowest.map(|record| record.sequence_number))
    }

    fn read(&self, event: &Event) -> ProcessorIntake {
        let mut intake = ProcessorIntake::default();
        let mut rows = TableRows::new(self.expire_after_days);
        for (place, record) in event.records().enumerate() {
            let data = match record.data {
                Ok(data) => data,
                Err(bad) => {
                    let payload = bad.text.as_bytes();
                    let reason = bad.to_string();
                    reject(event, place, record, &reason, payload, &mut intake.rejects);
                    continue;
                }
            };
            for (line, summary) in summaries(data) {
                match summary {
                    Ok(summary) => {
                        let low = |measures: &Measures| measures.vitals_are_low();
                        intake.low_vitals += u64::from(summary.measures.as_ref().is_some_and(low));
                        intake.rows.push(place, rows.row(summary));
                    }
                    Err(rejection) => {
                        let reason = rejection.to_string();
                        reject(event, place, record, &reason, line, &mut intake.rejects);
                    }
                }
            }
        }
        intake
    }
}

/// When the table has had its time. The rejects have what is left: a table that takes all there is
/// must not keep them from ever being delivered.
fn table_deadline(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline - (left / 10).min(MOST_FOR_REJECTS)
}

fn log_lost(lost: &[Undelivered<Bytes>]) {
    for reject in lost.iter().take(MOST_LOGGED_REJECTS) {
        let start = windrow_event::reject_start(&reject.item);
        tracing::error!(reason = %reject.reason, start, "a reject is rejected and lost");
    }
}

/// A row that DynamoDB will never take goes to the rejects, as the summary it was.
fn reject_row(
    event: &Event,
    place: usize,
    undelivered: &Undelivered<TableRow>,
    rejects: &mut Sourced<Bytes>,
) {
    let Some(record) = event.records().nth(place) else {
        return;
    };
    let reason = undelivered.reason.to_string();
    let line = undelivered.item.summary().to_line();
    reject(event, place, record, &reason, &line, rejects);
}

fn reject(
    event: &Event,
    place: usize,
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
        arrival: record.arrival,
        payload,
    };
    for line in reject.lines() {
        rejects.push(place, line.into());
    }
}
