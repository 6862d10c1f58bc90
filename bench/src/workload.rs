//! A fleet, how it is sent and folded, and the bytes, records and rows that follow.
//!
//! Every unicorn sends one reading a second. Where a size is measured, `tests/measured.rs` measures
//! it on the project's own code and fails when it has changed.

use crate::limits;

/// Seconds in a month of 730 hours.
pub const MONTH_SECONDS: f64 = HOURS * 3_600.0;
/// Hours in a month, as AWS's own estimates count them.
pub const HOURS: f64 = 730.0;
/// Length of the window in seconds: the template's default.
pub const WINDOW_SECONDS: f64 = 60.0;
/// A row in the stream of summaries, in bytes with its newline. Measured.
pub const ROW_BYTES: u64 = 400;
/// The most bytes of rows in one record: `RECORD_BYTES` in `aggregator/src/pack.rs`.
pub const PACKED_BYTES: u64 = 25_000;
/// What a record takes in a Lambda event beside its data in base64, in bytes. Measured.
pub const EVENT_RECORD_BYTES: u64 = 540;
/// The aggregator's line of metrics, in bytes. Measured.
pub const METRICS_LINE_BYTES: u64 = 826;
/// What Lambda itself logs of an invocation, in bytes: its start and its report as JSON, and 26 bytes
/// that CloudWatch counts on top of each of the three lines. An estimate.
pub const PLATFORM_LINES_BYTES: u64 = 600;
/// How full a provisioned shard is planned to be: keys never spread evenly.
pub const FILL: f64 = 0.8;
/// Within how many seconds a minute's rows are planned to pass the stream of summaries.
pub const DRAIN_SECONDS: f64 = 20.0;

/// How a stream gets its shards: the template's `StreamMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamMode {
    /// The stream follows the load; it has room for twice its peak, and for 4 shards at least.
    OnDemand,
    /// Somebody sets the number of shards; here each is [`FILL`] full.
    Provisioned,
}

/// A fleet, and how its readings are sent and folded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    /// How many unicorns; at least one.
    pub unicorns: u64,
    /// Bytes of one reading with its newline.
    pub reading_bytes: u64,
    /// How many readings the producer puts into one record.
    pub readings_per_record: u64,
    /// Seconds that Lambda gathers readings before it invokes the aggregator.
    pub batching_window: f64,
    /// How both streams get their shards.
    pub mode: StreamMode,
    /// MB of memory of either function.
    pub memory: u64,
    /// Milliseconds of an invocation that do not depend on how much it brings.
    pub fixed_millis: f64,
    /// Microseconds of one whole core that a reading takes: decoding the event, folding, the state.
    pub reading_micros: f64,
    /// Milliseconds that one BatchWriteItem of 25 rows takes.
    pub write_millis: f64,
    /// How many readings a second one KPU of a Flink application is taken to handle.
    pub readings_per_kpu: u64,
    /// How many live maps read the stream of readings all month long.
    pub viewers: u64,
    /// Whether each function has reads of its own: the template's `DedicatedReads`.
    pub dedicated_reads: bool,
}

impl Workload {
    /// The template's defaults and this page's assumptions, for that many unicorns.
    pub fn of(unicorns: u64) -> Self {
        Self {
            unicorns,
            reading_bytes: 200,
            readings_per_record: 1,
            batching_window: 1.0,
            mode: StreamMode::OnDemand,
            memory: 256,
            fixed_millis: 5.0,
            reading_micros: 2.0,
            write_millis: 10.0,
            readings_per_kpu: 5_000,
            viewers: 0,
            dedicated_reads: false,
        }
    }

    /// Bytes of data in one record.
    pub fn record_bytes(&self) -> u64 {
        self.reading_bytes * self.readings_per_record
    }

    /// Records a second of the whole fleet.
    pub fn records_per_second(&self) -> f64 {
        self.unicorns as f64 / self.readings_per_record as f64
    }

    /// Bytes a second of the whole fleet.
    pub fn bytes_per_second(&self) -> f64 {
        self.unicorns as f64 * self.reading_bytes as f64
    }

    /// How many shards the readings fill to the brim.
    pub fn full_shards(&self) -> f64 {
        let by_records = self.records_per_second() / limits::SHARD_RECORDS;
        let by_bytes = self.bytes_per_second() / limits::SHARD_WRITE_BYTES;
        by_records.max(by_bytes)
    }

    /// How many shards the stream of readings has.
    pub fn shards(&self) -> u64 {
        shards(self.mode, self.full_shards())
    }

    /// How many of them get readings: a unicorn writes to one shard.
    pub fn active_shards(&self) -> u64 {
        self.shards().min(self.unicorns)
    }

    /// Bytes of a minute's rows.
    pub fn row_bytes(&self) -> f64 {
        self.unicorns as f64 * ROW_BYTES as f64
    }

    /// How many shards the stream of summaries has.
    pub fn summary_shards(&self) -> u64 {
        let full = self.row_bytes() / (DRAIN_SECONDS * limits::SHARD_WRITE_BYTES);
        match self.mode {
            StreamMode::OnDemand => shards(self.mode, full),
            StreamMode::Provisioned => at_least_one(full),
        }
    }

    /// How many records a minute's rows are packed into: each shard's aggregator packs its own.
    pub fn summary_records(&self) -> f64 {
        let shards = self.active_shards() as f64;
        let bytes = self.row_bytes() / shards;
        shards * (bytes / PACKED_BYTES as f64).ceil()
    }

    /// Invocations of the aggregator a second: one a shard and batching window, more where a batch
    /// would pass 10,000 records or 6 MB, fewer where records come more seldom, and one more at the
    /// end of each window.
    pub fn aggregator_invocations(&self) -> f64 {
        let shards = self.active_shards() as f64;
        let records = self.records_per_second() / shards;
        // Lambda polls a shard once a second.
        let by_time = (1.0 / self.batching_window.max(1.0)).min(records);
        let by_count = records / limits::BATCH_RECORDS;
        let by_payload = records * self.event_record_bytes() / limits::PAYLOAD_BYTES;
        shards * (by_time.max(by_count).max(by_payload) + 1.0 / WINDOW_SECONDS)
    }

    /// Bytes of one record in a Lambda event.
    pub fn event_record_bytes(&self) -> f64 {
        (EVENT_RECORD_BYTES + self.record_bytes().div_ceil(3) * 4) as f64
    }

    /// Milliseconds of an average invocation of the aggregator, rounded up as Lambda bills it.
    pub fn aggregator_millis(&self) -> f64 {
        let readings = self.unicorns as f64 / self.aggregator_invocations();
        let core = (self.memory as f64 / limits::MEMORY_OF_A_CORE).min(1.0);
        (self.fixed_millis + readings * self.reading_micros / 1_000.0 / core).ceil()
    }

    /// Invocations of the processor a minute: one a shard that has rows, and second that it takes.
    pub fn processor_invocations(&self) -> f64 {
        let shards = (self.summary_shards() as f64).min(self.summary_records());
        let seconds = self.row_bytes() / (shards * limits::SHARD_WRITE_BYTES);
        shards * seconds.ceil()
    }

    /// Milliseconds that the processor runs a minute, over all of its invocations.
    pub fn processor_millis(&self) -> f64 {
        let calls = (self.unicorns as f64 / limits::BATCH_WRITE_ITEMS).ceil();
        let calls_in_turn = (calls / limits::CALLS_AT_ONCE).ceil();
        self.processor_invocations() * self.fixed_millis + calls_in_turn * self.write_millis
    }
}

fn shards(mode: StreamMode, full: f64) -> u64 {
    match mode {
        StreamMode::OnDemand => at_least_one(full * 2.0).max(limits::ON_DEMAND_SHARDS),
        StreamMode::Provisioned => at_least_one(full / FILL),
    }
}

fn at_least_one(shards: f64) -> u64 {
    shards.ceil().max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_go_by_records_until_they_are_packed() {
        let plain = Workload::of(100_000);
        assert_eq!(plain.full_shards(), 100.0);
        assert_eq!(plain.shards(), 200);
        let provisioned = Workload {
            mode: StreamMode::Provisioned,
            ..plain
        };
        assert_eq!(provisioned.shards(), 125);
        let packed = Workload {
            readings_per_record: 25,
            ..provisioned
        };
        // 20 MB a second.
        assert_eq!(packed.full_shards(), 20.0);
        assert_eq!(packed.shards(), 25);
    }

    #[test]
    fn one_unicorn_keeps_one_shard_of_four_busy() {
        let one = Workload::of(1);
        assert_eq!((one.shards(), one.active_shards()), (4, 1));
        // One a second and one at the minute's end.
        assert_eq!(one.aggregator_invocations() * 60.0, 61.0);
        // One record in 25 seconds.
        let seldom = Workload {
            readings_per_record: 25,
            ..one
        };
        let invocations = seldom.aggregator_invocations() * 60.0;
        assert!((invocations - 3.4).abs() < 1e-9);
    }

    #[test]
    fn a_long_batching_window_ends_at_six_megabytes() {
        let workload = Workload {
            batching_window: 60.0,
            mode: StreamMode::Provisioned,
            ..Workload::of(800)
        };
        assert_eq!(workload.shards(), 1);
        // 800 records of 540 + 268 bytes are 646,400 bytes a second.
        let expected = 646_400.0 / 6_291_556.0 + 1.0 / 60.0;
        assert!((workload.aggregator_invocations() - expected).abs() < 1e-9);
    }

    #[test]
    fn a_quarter_gigabyte_is_a_seventh_of_a_core() {
        let workload = Workload {
            mode: StreamMode::Provisioned,
            ..Workload::of(800)
        };
        // 5 ms, and 800 / (61/60) readings of 2 us at 256/1769 of a core: 10.9 ms.
        assert_eq!(workload.aggregator_millis(), 16.0);
    }
}
