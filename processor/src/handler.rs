//! The handler: read, write, report.

use bytes::Bytes;
use delivery::{Destination, Policy, Undelivered, deliver};
use kinesis_event::{Event, Record, Refused, Response};
use lambda_runtime::tracing;
use telemetry::{Metrics, Sink, Unit};
use tokio::time::Instant;
use unicorn::summary::summaries;

use crate::row::{Item, to_item};

/// The function: `table` takes rows, `rejects` takes summaries that are none.
pub struct Processor<T, R> {
    table: T,
    rejects: R,
    expire_after_days: Option<u32>,
    sink: Sink,
}

/// Something to deliver, and the place in the batch of the record that it came from.
struct Sourced<T> {
    record: usize,
    item: T,
}

/// What an invocation brought.
#[derive(Default)]
struct Intake {
    rows: Vec<Sourced<Item>>,
    low_vitals: u64,
    rejects: Vec<Sourced<Bytes>>,
}

impl<T, R> Processor<T, R>
where
    T: Destination<Item = Item>,
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
    pub async fn handle(&self, event: &Event, deadline: Instant) -> Response {
        let policy = Policy::until(deadline);
        let Intake {
            rows,
            low_vitals,
            mut rejects,
        } = self.read(event);
        let row_count = rows.len() as u64;
        let (origins, items): (Vec<usize>, Vec<Item>) =
            rows.into_iter().map(|row| (row.record, row.item)).unzip();
        let written = deliver(&self.table, items, &policy).await;

        let mut failed = Vec::new();
        let mut count = 0_u64;
        for undelivered in &written.undelivered {
            let record = origins[undelivered.index];
            if undelivered.reason.is_permanent() {
                rejects.extend(self.refuse_row(event, record, undelivered));
            } else {
                tracing::warn!(reason = %undelivered.reason, "row not written");
                failed.push(record);
                count += 1;
            }
        }

        let refused = rejects.len() as u64;
        let (origins, lines): (Vec<usize>, Vec<Bytes>) = rejects
            .into_iter()
            .map(|line| (line.record, line.item))
            .unzip();
        let rejected = deliver(&self.rejects, lines, &policy).await;
        for undelivered in &rejected.undelivered {
            tracing::warn!(reason = %undelivered.reason, "refused summary not delivered");
            failed.push(origins[undelivered.index]);
            count += 1;
        }

        (self.sink)(&Metrics::new(vec![
            ("Rows", Unit::Count, row_count),
            ("LowVitals", Unit::Count, low_vitals),
            ("Duplicates", Unit::Count, written.merged as u64),
            ("Refused", Unit::Count, refused),
            ("Resends", Unit::Count, written.resends + rejected.resends),
            ("Undelivered", Unit::Count, count),
        ]));
        // Lambda delivers again from the lowest number on, so naming one is naming all after it.
        let first = failed.into_iter().min();
        let lowest = first.and_then(|first| event.records().nth(first));
        Response::with_failures(lowest.map(|record| record.sequence_number))
    }

    fn read(&self, event: &Event) -> Intake {
        let mut intake = Intake::default();
        for (place, record) in event.records().enumerate() {
            let data = match record.data {
                Ok(data) => data,
                Err(bad) => {
                    let payload = bad.text.as_bytes();
                    let refused = refuse(event, place, record, &bad.to_string(), payload);
                    intake.rejects.extend(refused);
                    continue;
                }
            };
            for (line, summary) in summaries(data) {
                match summary {
                    Ok(row) => {
                        intake.low_vitals +=
                            u64::from(row.figures.is_some_and(|figures| figures.vitals_are_low()));
                        intake.rows.push(Sourced {
                            record: place,
                            item: to_item(&row, self.expire_after_days),
                        });
                    }
                    Err(rejection) => {
                        let refused = refuse(event, place, record, &rejection.to_string(), line);
                        intake.rejects.extend(refused);
                    }
                }
            }
        }
        intake
    }

    /// A row that DynamoDB will never take goes to the rejects, as the summary it was.
    fn refuse_row(
        &self,
        event: &Event,
        place: usize,
        undelivered: &Undelivered<Item>,
    ) -> Vec<Sourced<Bytes>> {
        let Some(record) = event.records().nth(place) else {
            return Vec::new();
        };
        let payload = match crate::row::from_item(&undelivered.item) {
            Ok(row) => row.to_line(),
            Err(_) => record.data.unwrap_or_default().to_vec(),
        };
        refuse(
            event,
            place,
            record,
            &undelivered.reason.to_string(),
            &payload,
        )
    }
}

fn refuse(
    event: &Event,
    place: usize,
    record: Record<'_>,
    reason: &str,
    payload: &[u8],
) -> Vec<Sourced<Bytes>> {
    let refused = Refused {
        reason,
        stream: event.stream().unwrap_or_default(),
        shard: event.shard().unwrap_or_default(),
        sequence_number: record.sequence_number,
        partition_key: record.partition_key,
        arrival: record.arrival,
        payload,
    };
    let line = |line: Vec<u8>| Sourced {
        record: place,
        item: line.into(),
    };
    refused.lines().into_iter().map(line).collect()
}
