//! A fleet, how its readings are sent and folded, and the resulting bytes, records and rows.
//!
//! Every unicorn sends one reading per second. `tests/measured.rs` checks the sizes marked
//! "Measured" against the project's own code and fails when they have changed.

use crate::limits;

/// Seconds in a month of 730 hours.
pub const MONTH_SECONDS: f64 = HOURS * 3_600.0;
/// Hours in a month, as in AWS's own estimates.
pub const HOURS: f64 = 730.0;
/// Length of a window in seconds: the template's default.
pub const WINDOW_SECONDS: f64 = 60.0;
/// Bytes of a row in the summary stream, with its newline. Measured.
pub const ROW_BYTES: u64 = 400;
/// The most bytes of rows in one record: `RECORD_BYTES` in
/// `crates/windrow-lambda/src/aggregator/pack.rs`.
pub const PACKED_BYTES: u64 = 25_000;
/// Bytes of a record in a Lambda event, without its data in base64. Measured.
pub const EVENT_RECORD_BYTES: u64 = 540;
/// Bytes of the aggregator's log line of metrics. Measured.
pub const METRICS_LINE_BYTES: u64 = 978;
/// Bytes that Lambda itself logs per invocation: start and report as JSON, and 26 bytes that
/// CloudWatch adds to each of the three lines. An estimate.
pub const PLATFORM_LINES_BYTES: u64 = 600;
/// The planned load of a provisioned shard, as a fraction of its capacity: keys never spread
/// evenly.
pub const FILL: f64 = 0.8;
/// The planned time for a minute's rows to pass the summary stream, in seconds.
pub const DRAIN_SECONDS: f64 = 20.0;

/// How a stream gets its shards: the template's `StreamMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamMode {
    /// The stream scales with the load. It has capacity for twice its peak, and at least 4 shards.
    OnDemand,
    /// The number of shards is fixed; each is planned to be [`FILL`] full.
    Provisioned,
}

/// A fleet, and how its readings are sent and folded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    /// The number of unicorns; at least one.
    pub unicorns: u64,
    /// The number of rows per window: one per unicorn, unless the readings are those of another
    /// sensor.
    pub rows: u64,
    /// Bytes of one reading with its newline.
    pub reading_bytes: u64,
    /// The number of readings per record.
    pub readings_per_record: u64,
    /// Seconds for which Lambda collects readings before it invokes the aggregator.
    pub batching_window: f64,
    /// The mode of both streams.
    pub mode: StreamMode,
    /// MB of memory of each function.
    pub memory: u64,
    /// Milliseconds per invocation that do not depend on the size of its batch.
    pub fixed_millis: f64,
    /// Microseconds of one whole core per reading: decoding the event, folding, and the state.
    pub reading_micros: f64,
    /// Milliseconds per BatchWriteItem of 25 rows.
    pub write_millis: f64,
    /// Readings per second that one KPU of a Flink application is assumed to handle.
    pub readings_per_kpu: u64,
    /// The number of live maps that read the readings stream all month.
    pub viewers: u64,
    /// Whether the functions have dedicated reads: the template's `DedicatedReads`.
    pub dedicated_reads: bool,
}

impl Workload {
    /// The template's defaults and the assumptions of `docs/costs.md`, for this number of unicorns.
    pub fn of(unicorns: u64) -> Self {
        Self {
            unicorns,
            rows: unicorns,
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

    /// Records per second of the whole fleet.
    pub fn records_per_second(&self) -> f64 {
        self.unicorns as f64 / self.readings_per_record as f64
    }

    /// Bytes per second of the whole fleet.
    pub fn bytes_per_second(&self) -> f64 {
        self.unicorns as f64 * self.reading_bytes as f64
    }

    /// The number of shards that the readings fill completely.
    pub fn full_shards(&self) -> f64 {
        let by_records = self.records_per_second() / limits::SHARD_RECORDS;
        let by_bytes = self.bytes_per_second() / limits::SHARD_WRITE_BYTES;
        by_records.max(by_bytes)
    }

    /// The number of shards of the readings stream.
    pub fn shards(&self) -> u64 {
        shards(self.mode, self.full_shards())
    }

    /// The number of shards that receive readings: a unicorn writes to one shard.
    pub fn active_shards(&self) -> u64 {
        self.shards().min(self.unicorns)
    }

    /// Bytes of a minute's rows.
    pub fn row_bytes(&self) -> f64 {
        self.rows as f64 * ROW_BYTES as f64
    }

    /// The number of shards of the summary stream.
    pub fn summary_shards(&self) -> u64 {
        let full = self.row_bytes() / (DRAIN_SECONDS * limits::SHARD_WRITE_BYTES);
        match self.mode {
            StreamMode::OnDemand => shards(self.mode, full),
            StreamMode::Provisioned => at_least_one(full),
        }
    }

    /// The number of records with a minute's rows: each shard's aggregator packs its own.
    pub fn summary_records(&self) -> f64 {
        let shards = self.active_shards() as f64;
        let bytes = self.row_bytes() / shards;
        shards * (bytes / PACKED_BYTES as f64).ceil()
    }

    /// Aggregator invocations per second: one per shard per batching window, more if a batch would
    /// exceed 10,000 records or 6 MB, fewer if records arrive less often, and one more at the end
    /// of each window.
    pub fn aggregator_invocations(&self) -> f64 {
        let shards = self.active_shards() as f64;
        let records = self.records_per_second() / shards;
        // Lambda polls a shard once per second.
        let by_time = (1.0 / self.batching_window.max(1.0)).min(records);
        let by_count = records / limits::BATCH_RECORDS;
        let by_payload = records * self.event_record_bytes() / limits::PAYLOAD_BYTES;
        shards * (by_time.max(by_count).max(by_payload) + 1.0 / WINDOW_SECONDS)
    }

    /// Bytes of one record in a Lambda event.
    pub fn event_record_bytes(&self) -> f64 {
        (EVENT_RECORD_BYTES + self.record_bytes().div_ceil(3) * 4) as f64
    }

    /// Milliseconds of an average aggregator invocation, rounded up as Lambda bills it.
    pub fn aggregator_millis(&self) -> f64 {
        let readings = self.unicorns as f64 / self.aggregator_invocations();
        let core = (self.memory as f64 / limits::MEMORY_PER_CORE).min(1.0);
        (self.fixed_millis + readings * self.reading_micros / 1_000.0 / core).ceil()
    }

    /// Processor invocations per minute: one per shard with rows per second that their transfer
    /// takes.
    pub fn processor_invocations(&self) -> f64 {
        let shards = (self.summary_shards() as f64).min(self.summary_records());
        let seconds = self.row_bytes() / (shards * limits::SHARD_WRITE_BYTES);
        shards * seconds.ceil()
    }

    /// Milliseconds that the processor runs per minute, over all its invocations.
    pub fn processor_millis(&self) -> f64 {
        let calls = (self.rows as f64 / limits::BATCH_WRITE_ITEMS).ceil();
        let rounds = (calls / limits::CALLS_AT_ONCE).ceil();
        self.processor_invocations() * self.fixed_millis + rounds * self.write_millis
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
    fn unpacked_shards_fill_by_records_and_packed_by_bytes() {
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
        // 20 MB per second.
        assert_eq!(packed.full_shards(), 20.0);
        assert_eq!(packed.shards(), 25);
    }

    #[test]
    fn one_unicorn_uses_one_shard_of_four() {
        let one = Workload::of(1);
        assert_eq!((one.shards(), one.active_shards()), (4, 1));
        // One per second and one at the end of the minute.
        assert_eq!(one.aggregator_invocations() * 60.0, 61.0);
        // One record per 25 seconds.
        let packed = Workload {
            readings_per_record: 25,
            ..one
        };
        let invocations = packed.aggregator_invocations() * 60.0;
        assert!((invocations - 3.4).abs() < 1e-9);
    }

    #[test]
    fn a_batch_ends_at_six_megabytes() {
        let workload = Workload {
            batching_window: 60.0,
            mode: StreamMode::Provisioned,
            ..Workload::of(800)
        };
        assert_eq!(workload.shards(), 1);
        // 800 records of 540 + 268 bytes are 646,400 bytes per second.
        let expected = 646_400.0 / 6_291_556.0 + 1.0 / 60.0;
        assert!((workload.aggregator_invocations() - expected).abs() < 1e-9);
    }

    #[test]
    fn memory_determines_cpu() {
        let workload = Workload {
            mode: StreamMode::Provisioned,
            ..Workload::of(800)
        };
        // 5 ms, and 800 / (61/60) readings of 2 us at 256/1769 of a core: 10.9 ms.
        assert_eq!(workload.aggregator_millis(), 16.0);
    }
}
