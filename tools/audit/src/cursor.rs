//! Reads one shard's log, slowly enough for its other readers.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{Record, Shard, ShardIteratorType};
use tokio::time::{Instant, sleep_until};
use windrow_service::ServiceError;

use crate::error::AuditError;
use crate::position::LogPosition;

/// A shard allows five calls per second; the functions and the consumers need some.
const PERIOD: Duration = Duration::from_millis(500);

/// A shard allows 2 MB per second. Calls that exceed it throttle every reader of the shard.
const BYTES_PER_SECOND: u64 = 900_000;

/// The bytes that a page should have: what may be read in one period.
const PAGE_BYTES: u64 = 450_000;

/// The limit of the first page, before the size of a record is known.
const FIRST_LIMIT: i32 = 500;

/// The highest limit that Kinesis allows.
const HIGHEST_LIMIT: u64 = 10_000;

/// How often an iterator may expire before it has been used.
const RENEWALS: u32 = 5;

/// How many empty pages may follow each other before the tip of the log: Kinesis returns some for
/// the time in which a shard had no records.
const EMPTY_PAGES: u32 = 2_000;

/// Where to begin reading.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReadFrom {
    /// At the oldest record.
    Oldest,
    /// At the first record that arrived then or later, in milliseconds since the epoch.
    Arrival(i64),
}

/// A place in one shard's log.
#[derive(Debug)]
pub(crate) struct ShardCursor {
    /// The name of the stream.
    pub(crate) stream: String,
    /// The shard.
    pub(crate) shard: String,
    /// Its parents.
    pub(crate) parents: Vec<String>,
    /// Where its log begins.
    pub(crate) first: LogPosition,
    /// When the last record that was read arrived.
    pub(crate) arrival: i64,
    /// Whether there is nothing left to read.
    pub(crate) is_at_end: bool,
    /// Whether the shard is closed and its last record has been read.
    is_exhausted: bool,
    from: ReadFrom,
    iterator: Option<String>,
    last: Option<String>,
    limit: i32,
    empty_pages: u32,
    next_call: Instant,
}

impl ShardCursor {
    pub(crate) fn new(stream: &str, shard: &Shard) -> Self {
        let parents = [&shard.parent_shard_id, &shard.adjacent_parent_shard_id];
        let range = shard.sequence_number_range.as_ref();
        let first = range.map_or("0", |range| range.starting_sequence_number());
        Self {
            stream: stream.to_owned(),
            shard: shard.shard_id.clone(),
            parents: parents.into_iter().flatten().cloned().collect(),
            first: LogPosition::parse(first).unwrap_or_default(),
            arrival: i64::MIN,
            is_at_end: false,
            is_exhausted: false,
            from: ReadFrom::Oldest,
            iterator: None,
            last: None,
            limit: FIRST_LIMIT,
            empty_pages: 0,
            next_call: Instant::now(),
        }
    }

    /// Goes to another place. A shard that has no records there stays at its end.
    pub(crate) fn rewind(&mut self, from: ReadFrom) {
        let ended_before = match from {
            ReadFrom::Oldest => false,
            ReadFrom::Arrival(arrival) => self.is_exhausted && self.arrival < arrival,
        };
        if ended_before {
            return;
        }
        self.arrival = match from {
            ReadFrom::Oldest => i64::MIN,
            ReadFrom::Arrival(arrival) => arrival,
        };
        self.from = from;
        (self.is_at_end, self.is_exhausted) = (false, false);
        (self.iterator, self.last) = (None, None);
        self.empty_pages = 0;
    }

    /// When the oldest record arrived; `None` if there is none.
    pub(crate) async fn oldest(&mut self, client: &Client) -> Result<Option<i64>, AuditError> {
        self.rewind(ReadFrom::Oldest);
        self.limit = 1;
        let mut oldest = None;
        while oldest.is_none() && !self.is_at_end {
            let records = self.read(client).await?;
            oldest = records.first().map(arrival_of);
        }
        self.limit = FIRST_LIMIT;
        Ok(oldest)
    }

    /// Reads the next page, which may be empty.
    pub(crate) async fn read(&mut self, client: &Client) -> Result<Vec<Record>, AuditError> {
        for _ in 0..RENEWALS {
            sleep_until(self.next_call).await;
            let iterator = match self.iterator.take() {
                Some(iterator) => iterator,
                None => self.iterator_of(client).await?,
            };
            let started = Instant::now();
            self.next_call = started + PERIOD;
            let request = client.get_records().shard_iterator(iterator);
            match request.limit(self.limit).send().await {
                Ok(page) => return self.take(page, started),
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(|error| error.is_expired_iterator_exception()) => {}
                Err(error) => return Err(self.failed(ServiceError::from(&error))),
            }
        }
        Err(AuditError::NoProgress {
            shard: self.shard.clone(),
            what: "its iterators expire before they are used",
        })
    }

    /// An iterator after the last record that was read, or at the beginning.
    async fn iterator_of(&self, client: &Client) -> Result<String, AuditError> {
        let request = client
            .get_shard_iterator()
            .stream_name(&self.stream)
            .shard_id(&self.shard);
        let request = match (&self.last, self.from) {
            (Some(last), _) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(last),
            (None, ReadFrom::Oldest) => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            (None, ReadFrom::Arrival(arrival)) => request
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(DateTime::from_millis(arrival)),
        };
        let output = request.send().await;
        let output = output.map_err(|error| self.failed(ServiceError::from(&error)))?;
        output.shard_iterator.ok_or_else(|| AuditError::NoProgress {
            shard: self.shard.clone(),
            what: "Kinesis returned no iterator",
        })
    }

    fn take(
        &mut self,
        page: GetRecordsOutput,
        started: Instant,
    ) -> Result<Vec<Record>, AuditError> {
        let records = page.records;
        let bytes: usize = records
            .iter()
            .map(|record| {
                let key = record.partition_key.as_deref().unwrap_or_default();
                record.data.as_ref().len() + key.len()
            })
            .sum();
        let pause = Duration::from_millis(bytes as u64 * 1000 / BYTES_PER_SECOND);
        self.next_call = started + pause.max(PERIOD);

        self.is_exhausted = page.next_shard_iterator.is_none();
        self.iterator = page.next_shard_iterator;
        if let Some(last) = records.last() {
            self.empty_pages = 0;
            self.last = Some(last.sequence_number.clone());
            let average = (bytes / records.len()).max(1) as u64;
            let limit = (PAGE_BYTES / average).clamp(1, HIGHEST_LIMIT);
            self.limit = i32::try_from(limit).unwrap_or(FIRST_LIMIT);
            let latest = records.iter().map(arrival_of).max();
            self.arrival = self.arrival.max(latest.unwrap_or(i64::MIN));
        } else {
            self.empty_pages += 1;
        }
        let is_at_tip = records.is_empty() && page.millis_behind_latest.unwrap_or(0) == 0;
        self.is_at_end = self.is_exhausted || is_at_tip;
        if self.empty_pages > EMPTY_PAGES && !self.is_at_end {
            return Err(AuditError::NoProgress {
                shard: self.shard.clone(),
                what: "Kinesis returns only empty pages",
            });
        }
        Ok(records)
    }

    fn failed(&self, source: ServiceError) -> AuditError {
        AuditError::Log {
            stream: self.stream.clone(),
            shard: self.shard.clone(),
            source,
        }
    }
}

/// When a record arrived, in milliseconds since the epoch. A response has a binary fraction of seconds,
/// which may be a little early.
pub(crate) fn arrival_of(record: &Record) -> i64 {
    let arrival = record.approximate_arrival_timestamp;
    let nanos = arrival.map_or(0, |time| time.as_nanos() + 1_000);
    i64::try_from(nanos.div_euclid(1_000_000)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::primitives::Blob;
    use aws_sdk_kinesis::types::SequenceNumberRange;

    use super::*;

    #[test]
    fn arrival_times_are_exact_to_the_millisecond() {
        for millis in [0, 1_764_513_818_651, 1_764_513_818_652, 1_764_513_818_653] {
            let time = DateTime::from_secs_f64(millis as f64 / 1e3);
            let record = Record::builder()
                .sequence_number("1")
                .partition_key("k")
                .data(Blob::new(""))
                .approximate_arrival_timestamp(time);
            assert_eq!(arrival_of(&record.build().unwrap()), millis);
        }
    }

    fn cursor() -> ShardCursor {
        let range = SequenceNumberRange::builder().starting_sequence_number("7");
        let shard = Shard::builder()
            .shard_id("shardId-000000000001")
            .parent_shard_id("shardId-000000000000")
            .hash_key_range(
                aws_sdk_kinesis::types::HashKeyRange::builder()
                    .starting_hash_key("0")
                    .ending_hash_key("1")
                    .build()
                    .unwrap(),
            )
            .sequence_number_range(range.build().unwrap());
        ShardCursor::new("wildrydes", &shard.build().unwrap())
    }

    /// A page of `count` records of `bytes` each, which arrived one per millisecond from 1000 on.
    fn page(count: i64, bytes: usize, behind: i64, has_next: bool) -> GetRecordsOutput {
        let record = |number: i64| {
            let record = Record::builder()
                .sequence_number(format!("{}", 8 + number))
                .approximate_arrival_timestamp(DateTime::from_millis(1000 + number))
                .partition_key("")
                .data(Blob::new(vec![b' '; bytes]));
            record.build().unwrap()
        };
        GetRecordsOutput::builder()
            .set_records(Some((0..count).map(record).collect()))
            .millis_behind_latest(behind)
            .set_next_shard_iterator(has_next.then(|| "next".to_owned()))
            .build()
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn reads_leave_half_of_the_limits_to_others() {
        let mut cursor = cursor();
        for (count, bytes, pause, limit) in [
            (1, 100, 500, 4_500),
            (500, 900, 500, 500),
            (2_000, 900, 2_000, 500),
            (1, 1 << 20, 1_165, 1),
            (3, 1, 500, 10_000),
        ] {
            let started = Instant::now();
            cursor.take(page(count, bytes, 1, true), started).unwrap();
            let next = cursor.next_call - started;
            assert_eq!((next.as_millis(), cursor.limit), (pause, limit));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_shard_is_its_tip_or_its_last_record() {
        let mut cursor = cursor();
        cursor.rewind(ReadFrom::Arrival(500));
        for (page, is_at_end) in [
            (page(0, 0, 60_000, true), false),
            // The local cloud always says that it is not behind.
            (page(2, 9, 0, true), false),
            (page(0, 0, 0, true), true),
            (page(3, 9, 0, false), true),
        ] {
            cursor.take(page, Instant::now()).unwrap();
            assert_eq!(cursor.is_at_end, is_at_end);
        }
        assert_eq!((cursor.arrival, cursor.last.as_deref()), (1002, Some("10")));
        cursor.rewind(ReadFrom::Arrival(1003));
        assert!(cursor.is_at_end, "a closed shard has no later records");
        cursor.rewind(ReadFrom::Arrival(1002));
        assert_eq!((cursor.is_at_end, cursor.arrival), (false, 1002));
    }

    #[tokio::test(start_paused = true)]
    async fn empty_pages_are_bounded() {
        let mut cursor = cursor();
        let mut pages = 0;
        while cursor.take(page(0, 0, 1, true), Instant::now()).is_ok() {
            pages += 1;
        }
        assert_eq!(pages, EMPTY_PAGES);
    }
}
