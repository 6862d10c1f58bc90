//! The handler: read, write in order, report.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use lambda_runtime::tracing;
use thiserror::Error;
use tokio::time::Instant;
use windrow_core::rejection::Rejection;
use windrow_event::{Event, EventRecord, Reject, Response};
use windrow_lambda::metrics::{Metrics, Sink, Unit};
use windrow_lambda::records::{
    ReadingOrigin, ReadingTaker, RecordPlace, RecordReader, RejectedParts,
};
use windrow_record::kpl;
use windrow_sql::output::RowId;
use windrow_sql::sensor::{SqlReading, SqlSensor};
use windrow_write::{Destination, KinesisRecord, Policy, Reason, deliver};

use super::pack::{OrderedPacker, PackedRows};

/// How many bytes of rows are kept while records are still being read. Many pumps can make several
/// times as many bytes of a batch as it has.
const MOST_UNSENT_BYTES: usize = 8 << 20;

/// How many bytes of rows one record may become: 16 MiB, as much as it may unpack to.
///
/// What is not written of a record comes again with it, so all its rows have to be written within one
/// invocation, or the record would block its shard for ever. A shard of the output takes 1 MB per second.
const MOST_RECORD_BYTES: usize = 16 << 20;

/// The maximum time of an invocation to reserve for its rejects.
const MOST_FOR_REJECTS: Duration = Duration::from_secs(3);

/// The maximum number of lost rejects to log per invocation. A metric has the full count.
const MOST_LOGGED_REJECTS: usize = 10;

/// An event that does not name its stream and shard, which are in the ids of rows.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the event names neither its stream nor its shard")]
pub struct NoSource;

/// The function of pumps without windows. It sends their rows to the destinations of their outputs,
/// and rejected readings to `rejects`.
pub struct StatelessWriter<D, R> {
    sensor: SqlSensor,
    /// Which of the destinations each output has.
    outputs: BTreeMap<String, usize>,
    destinations: Vec<D>,
    rejects: R,
    sink: Sink,
}

impl<D, R> StatelessWriter<D, R>
where
    D: Destination<Item = KinesisRecord>,
    R: Destination<Item = Bytes>,
{
    /// A function that writes each output to the stream that `output_streams` names for it, and passes
    /// its metrics to `sink`. `destination` makes the destination of a stream, once for each name.
    ///
    /// Rows of outputs without a stream are written nowhere;
    /// [`StatelessSettings::check`](super::settings::StatelessSettings::check) says whether there are
    /// any.
    pub fn new(
        sensor: SqlSensor,
        output_streams: &BTreeMap<String, String>,
        destination: impl Fn(&str) -> D,
        rejects: R,
        sink: Sink,
    ) -> Self {
        let mut streams: Vec<&str> = Vec::new();
        let mut outputs = BTreeMap::new();
        for (output, stream) in output_streams {
            let known = streams.iter().position(|known| known == stream);
            let index = known.unwrap_or(streams.len());
            if known.is_none() {
                streams.push(stream);
            }
            outputs.insert(output.clone(), index);
        }
        Self {
            sensor,
            outputs,
            destinations: streams.into_iter().map(destination).collect(),
            rejects,
            sink,
        }
    }

    /// Handles one invocation and returns by `deadline`. The response names the first record of which
    /// not all rows are written.
    ///
    /// Rows that their stream permanently rejects go to the rejects stream and do not fail a record,
    /// because a retry would be rejected again.
    ///
    /// # Errors
    ///
    /// [`NoSource`]. On an error, Lambda delivers the whole batch again.
    pub async fn handle(&self, event: &Event, deadline: Instant) -> Result<Response, NoSource> {
        let place = RecordPlace {
            stream: event.stream().ok_or(NoSource)?,
            shard: event.shard().ok_or(NoSource)?,
        };
        let mut batch = RowBatch::new(&self.outputs, self.destinations.len(), place);
        self.read_and_send(event, &mut batch, deadline).await;
        let RowBatch {
            mut rejects,
            counts,
            sent,
            ..
        } = batch;
        let rejected_records = sent.rejected.len() as u64;
        for rejected in &sent.rejected {
            reject_rows(event, place, rejected, &mut rejects);
        }
        // What comes before it does not come again.
        let first_failed = sent.failed.as_ref().map(|(record, _)| *record);
        let comes_again = |record: usize| first_failed.is_some_and(|first| record >= first);
        rejects.retain(|(record, is_of_rows, _)| *is_of_rows || !comes_again(*record));
        let (records, lines): (Vec<usize>, Vec<Bytes>) = rejects
            .into_iter()
            .map(|(record, _, line)| (record, line))
            .unzip();
        let mut rejected = deliver(&self.rejects, lines, &Policy::until(deadline)).await;
        let lost = rejected.take_rejected();
        for reject in lost.iter().take(MOST_LOGGED_REJECTS) {
            let start = windrow_event::reject_start(&reject.item);
            tracing::error!(reason = %reject.reason, start, "rejects stream rejected a reject, which is lost");
        }
        if let Some((_, reason)) = &sent.failed {
            tracing::warn!(%reason, "could not write all rows");
        }
        if let Some(left) = rejected.undelivered.first() {
            let rejects = rejected.undelivered.len();
            tracing::warn!(rejects, reason = %left.reason, "could not write all rejects");
        }
        let failed_rejects = rejected.undelivered.iter().map(|left| records[left.index]);
        let failed = failed_rejects.chain(first_failed).min();
        let undelivered = sent.undelivered + rejected.undelivered.len() as u64;
        (self.sink)(&Metrics::new(vec![
            ("Rows", Unit::Count, counts.rows),
            ("FilteredReadings", Unit::Count, counts.filtered),
            ("RejectedReadings", Unit::Count, counts.rejected),
            ("RejectedRowRecords", Unit::Count, rejected_records),
            ("LostRejects", Unit::Count, lost.len() as u64),
            ("Retries", Unit::Count, sent.retries + rejected.retries),
            ("Undelivered", Unit::Count, undelivered),
        ]));
        let failed = failed.and_then(|failed| event.records().nth(failed));
        Ok(Response::with_failures(
            failed.map(|record| record.sequence_number),
        ))
    }

    /// Reads the records, and sends their rows once there are many. Stops when some cannot be sent.
    async fn read_and_send(&self, event: &Event, batch: &mut RowBatch<'_>, deadline: Instant) {
        let policy = Policy::until(rows_deadline(deadline));
        let mut reader = RecordReader::default();
        let data = event
            .records()
            .map(|record| record.data.unwrap_or_default());
        let digests = kpl::check_digests(data);
        for (index, (record, is_digest_right)) in event.records().zip(digests).enumerate() {
            let mut rejected = RejectedParts::default();
            batch.begin_record(index);
            let place = batch.place;
            reader.read(
                &self.sensor,
                place,
                record,
                is_digest_right,
                batch,
                &mut rejected,
            );
            batch.end_record(record, &mut rejected);
            batch.counts.rejected += rejected.count;
            let lines = rejected.lines.into_iter();
            batch.rejects.extend(lines.map(|line| (index, false, line)));
            if batch.bytes() > MOST_UNSENT_BYTES {
                self.send(batch, &policy).await;
                if batch.sent.failed.is_some() {
                    return;
                }
            }
        }
        self.send(batch, &policy).await;
    }

    /// Sends the rows that are packed: those of one stream in order, and the streams at once.
    async fn send(&self, batch: &mut RowBatch<'_>, policy: &Policy) {
        let RecordPlace { stream, shard } = batch.place;
        // At most 128 characters, a slash, and 20 or so.
        let partition_key = format!("{stream}/{shard}");
        let packers = batch.packers.iter_mut().zip(&self.destinations);
        let sending = packers.map(|(packer, destination)| {
            send_in_order(destination, packer.take(), &partition_key, policy)
        });
        for sent in join_all(sending).await {
            batch.sent.add(sent);
        }
    }
}

/// The deadline for rows. The remaining time is reserved for the rejects, so that a slow stream cannot
/// keep them from being delivered.
fn rows_deadline(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline - (left / 10).min(MOST_FOR_REJECTS)
}

/// Sends records one after the other. The first that is not acknowledged is the last.
async fn send_in_order<D: Destination<Item = KinesisRecord>>(
    destination: &D,
    records: Vec<PackedRows>,
    partition_key: &str,
    policy: &Policy,
) -> SentRows {
    let mut sent = SentRows::default();
    let mut records = records.into_iter();
    for rows in records.by_ref() {
        let record = KinesisRecord {
            partition_key: partition_key.to_owned(),
            data: rows.data.clone(),
        };
        let mut report = deliver(destination, vec![record], policy).await;
        sent.retries += report.retries;
        if let Some(rejected) = report.take_rejected().pop() {
            sent.rejected.push((rows, rejected.reason));
        } else if let Some(left) = report.undelivered.pop() {
            sent.failed = Some((rows.first, left.reason));
            sent.undelivered = 1;
            break;
        }
    }
    sent.undelivered += records.count() as u64;
    sent
}

/// Adds rows that their stream permanently rejected to the rejects.
fn reject_rows(
    event: &Event,
    place: RecordPlace<'_>,
    (rows, reason): &(PackedRows, Reason),
    rejects: &mut Vec<SourcedReject>,
) {
    let Some(record) = event.records().nth(rows.first) else {
        return;
    };
    let reject = Reject {
        reason: &format!("the stream of the output rejected these rows: {reason}"),
        stream: place.stream,
        shard: place.shard,
        sequence_number: record.sequence_number,
        partition_key: record.partition_key,
        sub_sequence_number: None,
        arrival: record.arrival,
        payload: &rows.data,
    };
    let lines = reject.lines().into_iter();
    rejects.extend(lines.map(|line| (rows.first, true, line.into())));
}

/// The index of the record that a line of rejects is of, whether it has rows and not a reading, and the
/// line.
type SourcedReject = (usize, bool, Bytes);

/// What was sent of the rows of an invocation.
#[derive(Debug, Default)]
struct SentRows {
    /// The first record of the batch of which not all rows are written, and why.
    failed: Option<(usize, Reason)>,
    /// Rows that their stream permanently rejected.
    rejected: Vec<(PackedRows, Reason)>,
    /// How many records of rows were not written.
    undelivered: u64,
    retries: u64,
}

impl SentRows {
    fn add(&mut self, other: Self) {
        let is_first = |(record, _): &(usize, Reason)| match &self.failed {
            Some((first, _)) => record < first,
            None => true,
        };
        if let Some(failed) = other.failed.filter(is_first) {
            self.failed = Some(failed);
        }
        self.rejected.extend(other.rejected);
        self.undelivered += other.undelivered;
        self.retries += other.retries;
    }
}

#[derive(Debug, Default)]
struct RowCounts {
    rows: u64,
    filtered: u64,
    rejected: u64,
}

/// The rows of the records of an invocation.
struct RowBatch<'a> {
    outputs: &'a BTreeMap<String, usize>,
    place: RecordPlace<'a>,
    packers: Vec<OrderedPacker>,
    rejects: Vec<SourcedReject>,
    counts: RowCounts,
    sent: SentRows,
    /// The index of the record that is read, how many bytes of rows it became, and how many rows are
    /// beyond the limit.
    record: usize,
    record_bytes: usize,
    left_out: u64,
    /// Its user record, and how many rows that became so far.
    sub_sequence_number: u64,
    index: u64,
    line: Vec<u8>,
}

impl<'a> RowBatch<'a> {
    fn new(outputs: &'a BTreeMap<String, usize>, streams: usize, place: RecordPlace<'a>) -> Self {
        Self {
            outputs,
            place,
            packers: (0..streams).map(|_| OrderedPacker::default()).collect(),
            rejects: Vec::new(),
            counts: RowCounts::default(),
            sent: SentRows::default(),
            record: 0,
            record_bytes: 0,
            left_out: 0,
            sub_sequence_number: 0,
            index: 0,
            line: Vec::new(),
        }
    }

    fn begin_record(&mut self, record: usize) {
        self.record = record;
        self.record_bytes = 0;
        self.left_out = 0;
        self.sub_sequence_number = 0;
        self.index = 0;
    }

    /// Rejects a record of which some rows are left out.
    fn end_record(&self, record: EventRecord<'_>, rejected: &mut RejectedParts) {
        if self.left_out == 0 {
            return;
        }
        let reject = Reject {
            reason: &format!(
                "its last {} rows are not written, since it becomes more than {MOST_RECORD_BYTES} bytes of rows; the payload is the whole record",
                self.left_out
            ),
            stream: self.place.stream,
            shard: self.place.shard,
            sequence_number: record.sequence_number,
            partition_key: record.partition_key,
            sub_sequence_number: None,
            arrival: record.arrival,
            payload: record.data.unwrap_or_default(),
        };
        rejected.count += 1;
        rejected
            .lines
            .extend(reject.lines().into_iter().map(Bytes::from));
    }

    fn bytes(&self) -> usize {
        self.packers.iter().map(OrderedPacker::bytes).sum()
    }
}

impl ReadingTaker<SqlSensor> for RowBatch<'_> {
    fn take(
        &mut self,
        sensor: &SqlSensor,
        reading: Option<SqlReading<'_>>,
        at: ReadingOrigin<'_>,
        mut reject: impl FnMut(&Rejection),
    ) {
        let Some(reading) = reading else {
            return;
        };
        let sub_sequence_number = at.sub_sequence_number.unwrap_or(0);
        if sub_sequence_number != self.sub_sequence_number {
            self.sub_sequence_number = sub_sequence_number;
            self.index = 0;
        }
        let mut is_filtered = true;
        sensor.stateless_rows(&reading, at.record.arrival, |row| {
            is_filtered = false;
            let row = match row {
                Ok(row) => row,
                Err(rejection) => return reject(&rejection),
            };
            let id = RowId {
                stream: self.place.stream,
                shard: self.place.shard,
                sequence_number: at.record.sequence_number,
                sub_sequence_number,
                index: self.index,
            };
            self.index += 1;
            let packer = self.outputs.get(&row.stream.name);
            if let Some(packer) = packer.and_then(|index| self.packers.get_mut(*index)) {
                self.line.clear();
                row.write_line(id, &mut self.line);
                self.record_bytes = self.record_bytes.saturating_add(self.line.len());
                if self.record_bytes > MOST_RECORD_BYTES {
                    self.left_out += 1;
                    return;
                }
                packer.push(&self.line, self.record);
                self.counts.rows += 1;
            }
        });
        self.counts.filtered += u64::from(is_filtered);
    }
}
