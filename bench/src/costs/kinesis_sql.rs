//! The monthly bill of a Kinesis SQL application beside that of a Flink application.

use super::{
    FUNCTION_METRICS, aggregator, kpus, logs, named, processor, rows, stream, summary_stream,
    table_storage, windows,
};
use crate::limits;
use crate::prices::{self, GB, KB, tiered};
use crate::table::{TextTable, count, dollars};
use crate::workload::{
    DRAIN_SECONDS, HOURS, METRICS_LINE_BYTES, MONTH_SECONDS, PLATFORM_LINES_BYTES, StreamMode,
    WINDOW_SECONDS, Workload,
};

/// Microseconds of one whole core per reading and SQL text: decoding, the state, and the fold, which
/// takes about one (`bench/RESULTS.md`).
const READING_MICROS: f64 = 4.0;
/// Bytes of a finished row, with its id, its revision and its newline. A guess; Kinesis on demand bills
/// a KB.
const FINISHED_ROW_BYTES: f64 = 300.0;
/// MB of the finisher's memory in `examples/ticker/template.yaml`.
const FINISHER_MEMORY: f64 = 1_024.0;
/// Milliseconds of a finisher's invocation that finds nothing to do: a dozen calls of DynamoDB and
/// Kinesis. A guess.
const FINISHER_MILLIS: f64 = 200.0;
/// Microseconds of one whole core that the finisher takes to parse, merge and finish a row. A guess.
const FINISHED_ROW_MICROS: f64 = 20.0;
/// Milliseconds per PutRecords of 500 rows. A guess.
const PUT_MILLIS: f64 = 20.0;
/// Rows per PutRecords.
const PUT_RECORDS: f64 = 500.0;
/// Metrics of the finisher.
const FINISHER_METRICS: u32 = 9;
/// Alarms of the finisher in `examples/ticker/template.yaml`.
const FINISHER_ALARMS: f64 = 2.0;
/// Invocations per window by the finisher's mapping, which collects watermarks for three seconds: all
/// are in one shard of the summary stream, and come at nearly the same time.
const BY_WATERMARKS: f64 = 2.0;
/// How often an invocation reads the rows: a watermark counts once they are read again after it.
const PASSES: f64 = 2.0;
/// Bytes of the finisher's progress, without shards, and per shard of either stream.
const PROGRESS_BYTES: [f64; 2] = [300.0, 150.0];
/// Bytes of a record with a watermark.
const WATERMARK_BYTES: f64 = 180.0;
/// Invocations per month by the finisher's schedule: one per minute.
const SCHEDULED: f64 = MONTH_SECONDS / 60.0;

/// A Kinesis SQL application. Its windows are those of Lambda, and the partition key is such that all
/// readings of a group are in one shard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SqlFleet {
    /// What the tables call it.
    pub name: &'static str,
    /// Its readings, one `unicorn` each per second, and its rows.
    pub workload: Workload,
    /// The number of groups per window and output.
    pub keys: u64,
    /// The number of outputs, each of one pump with windows.
    pub outputs: u64,
}

impl SqlFleet {
    /// An application with this number of readings per second, of groups and of outputs.
    pub fn new(name: &'static str, readings: u64, keys: u64, outputs: u64) -> Self {
        let workload = Workload {
            rows: keys * outputs,
            reading_micros: READING_MICROS,
            ..Workload::of(readings)
        };
        Self {
            name,
            workload,
            keys,
            outputs,
        }
    }

    fn provisioned(self) -> Self {
        let mode = StreamMode::Provisioned;
        let workload = Workload {
            mode,
            ..self.workload
        };
        Self { workload, ..self }
    }

    /// The number of shards of the stream of an output: it takes a window's rows within
    /// [`DRAIN_SECONDS`].
    fn output_shards(&self) -> u64 {
        let full = (self.keys as f64 / (DRAIN_SECONDS * limits::SHARD_RECORDS)).ceil();
        match self.workload.mode {
            StreamMode::OnDemand => (full as u64 * 2).max(limits::ON_DEMAND_SHARDS),
            StreamMode::Provisioned => (full as u64).max(1),
        }
    }

    /// Milliseconds that the finisher runs per window, over all its invocations. Each is assumed to
    /// read all rows of the window, as if no other one had finished it.
    fn finisher_millis(&self) -> f64 {
        let shards = self.workload.summary_shards() as f64;
        let read = self.workload.row_bytes() / (shards * limits::SHARD_READ_BYTES) * 1_000.0;
        let core = (FINISHER_MEMORY / limits::MEMORY_PER_CORE).min(1.0);
        let merge = self.workload.rows as f64 * FINISHED_ROW_MICROS / 1_000.0 / core;
        let calls = (self.keys as f64 / PUT_RECORDS).ceil();
        let puts = (calls / limits::CALLS_AT_ONCE).ceil() * self.outputs as f64;
        finisher_invocations() * (FINISHER_MILLIS + PASSES * (read + merge)) + puts * PUT_MILLIS
    }

    /// Bytes of the finisher's progress.
    fn progress_bytes(&self) -> f64 {
        let shards = self.workload.shards() + self.workload.summary_shards();
        PROGRESS_BYTES[0] + shards as f64 * PROGRESS_BYTES[1]
    }

    /// The stream of readings, which one function reads.
    fn readings(&self) -> f64 {
        let workload = &self.workload;
        let records = workload.records_per_second() * MONTH_SECONDS;
        let bytes = workload.record_bytes() as f64;
        stream(workload.mode, workload.shards(), records, bytes, 1)
    }

    /// The stream of rows, with watermarks.
    fn summaries(&self) -> f64 {
        let watermarks = self.workload.active_shards() as f64 * windows();
        let watermarks = match self.workload.mode {
            StreamMode::OnDemand => watermarks * KB as f64 / GB * prices::ON_DEMAND_IN,
            StreamMode::Provisioned => watermarks * prices::PUT_UNIT,
        };
        summary_stream(&self.workload) + watermarks
    }

    /// The table of rows, in the first month.
    fn table(&self) -> f64 {
        rows(&self.workload) * prices::WRITE_UNIT + table_storage(&self.workload, 1.0)
    }

    /// The streams of all outputs, each read once.
    fn outputs(&self) -> f64 {
        let (mode, records) = (self.workload.mode, self.keys as f64 * windows());
        let shards = self.output_shards();
        self.outputs as f64 * stream(mode, shards, records, FINISHED_ROW_BYTES, 1)
    }

    /// The finisher, without the streams that it writes.
    fn finisher(&self) -> f64 {
        let invocations = finisher_invocations() * windows();
        // The mapping reads the stream too, and Lambda filters what it has read.
        let reads = match self.workload.mode {
            StreamMode::OnDemand => {
                let watermarks = self.workload.active_shards() as f64 * WATERMARK_BYTES;
                let bytes = (self.workload.row_bytes() + watermarks) * windows();
                bytes / GB * (1.0 + PASSES * finisher_invocations()) * prices::ON_DEMAND_OUT
            }
            StreamMode::Provisioned => 0.0,
        };
        let seconds = self.finisher_millis() * windows() / 1_000.0;
        // It writes its progress before it writes rows, and once more in any case.
        reads + invocations * self.progress_write() + self.finisher_invoked(invocations, seconds)
    }

    /// Writing the finisher's progress once.
    fn progress_write(&self) -> f64 {
        (self.progress_bytes() / KB as f64).ceil() * prices::WRITE_UNIT
    }

    /// What the finisher costs for being invoked, whatever it finds.
    fn finisher_invoked(&self, invocations: f64, seconds: f64) -> f64 {
        let gb_seconds = seconds * FINISHER_MEMORY / 1_024.0;
        let logs = invocations * (METRICS_LINE_BYTES + PLATFORM_LINES_BYTES) as f64 / GB;
        let reads = (self.progress_bytes() / (4 * KB) as f64).ceil() * prices::READ_UNIT;
        invocations * (prices::INVOCATION + reads + self.progress_write())
            + tiered(gb_seconds, prices::GB_SECOND)
            + logs * prices::LOG_GB
            + f64::from(FINISHER_METRICS) * prices::METRIC
            + FINISHER_ALARMS * prices::ALARM
    }

    fn logs_and_metrics(&self) -> f64 {
        let metrics = FUNCTION_METRICS.iter().sum::<u32>();
        logs(&self.workload) + f64::from(metrics) * prices::METRIC
    }

    fn functions(&self) -> f64 {
        aggregator(&self.workload) + processor(&self.workload)
    }

    /// The whole bill without finished rows.
    fn unfinished(&self) -> f64 {
        let streams = self.readings() + self.summaries();
        streams + self.functions() + self.table() + self.logs_and_metrics()
    }

    /// The whole bill with finished rows.
    fn finished(&self) -> f64 {
        self.unfinished() + self.finisher() + self.outputs()
    }

    fn kpu_hours(&self) -> f64 {
        (kpus(&self.workload) as f64 + 1.0) * HOURS
    }

    fn flink_storage(&self) -> f64 {
        kpus(&self.workload) as f64 * prices::KPU_GB * prices::KPU_GB_MONTH
    }

    /// A Flink application, without streams and tables.
    fn flink(&self) -> f64 {
        self.kpu_hours() * prices::KPU_HOUR + self.flink_storage()
    }

    /// The whole bill of a Flink application that writes its rows to streams.
    fn flink_finished(&self) -> f64 {
        self.readings() + self.flink() + self.outputs()
    }

    /// The streams, for as long as nothing is written to them.
    fn idle_streams(&self, outputs: u64, has_summaries: bool) -> f64 {
        let summaries = u64::from(has_summaries);
        let shards = self.workload.shards()
            + summaries * self.workload.summary_shards()
            + outputs * self.output_shards();
        match self.workload.mode {
            StreamMode::OnDemand => (1 + summaries + outputs) as f64 * HOURS * prices::STREAM_HOUR,
            StreamMode::Provisioned => shards as f64 * HOURS * prices::SHARD_HOUR,
        }
    }

    /// The bill with finished rows of a month without a reading.
    fn idle(&self) -> f64 {
        let seconds = SCHEDULED * FINISHER_MILLIS / 1_000.0;
        self.idle_streams(self.outputs, true) + self.finisher_invoked(SCHEDULED, seconds)
    }

    /// The same of a Flink application that is scaled down to one KPU, and the one for orchestration.
    fn flink_idle(&self) -> f64 {
        let kpu = 2.0 * HOURS * prices::KPU_HOUR + prices::KPU_GB * prices::KPU_GB_MONTH;
        self.idle_streams(self.outputs, false) + kpu
    }
}

/// The applications of `docs/costs.md`.
pub fn fleets() -> [SqlFleet; 3] {
    [
        SqlFleet::new("small", 10, 100, 1),
        SqlFleet::new("medium", 1_000, 1_000, 2),
        SqlFleet::new("large", 20_000, 20_000, 3),
    ]
}

/// Finisher invocations per window.
fn finisher_invocations() -> f64 {
    BY_WATERMARKS + SCHEDULED / windows()
}

type SqlCost = fn(&SqlFleet) -> f64;

/// A table of costs, with a column for each fleet.
fn costs(fleets: &[SqlFleet], rows: &[(&str, SqlCost)]) -> TextTable {
    table("USD per month", fleets, dollars, rows)
}

fn table(
    corner: &str,
    fleets: &[SqlFleet],
    format: fn(f64) -> String,
    rows: &[(&str, SqlCost)],
) -> TextTable {
    let names = fleets.iter().map(|fleet| fleet.name.to_owned());
    let mut table = TextTable::new(named(corner, names));
    for (name, value) in rows {
        let cells = fleets.iter().map(|fleet| format(value(fleet)));
        table.row(named(name, cells));
    }
    table
}

/// All tables of Kinesis SQL, as printed by `costs` and contained in `docs/costs.md`.
pub fn page(fleets: &[SqlFleet]) -> String {
    crate::table::page(&[
        ("Kinesis SQL: three applications", sizes(fleets)),
        ("Kinesis SQL: the bill", bill(fleets)),
        (
            "Kinesis SQL beside Managed Service for Apache Flink",
            compared(fleets),
        ),
        ("Kinesis SQL: a month without a reading", idle(fleets)),
    ])
}

fn sizes(fleets: &[SqlFleet]) -> TextTable {
    let rows: [(&str, SqlCost); 9] = [
        ("readings per second", |fleet| {
            fleet.workload.unicorns as f64
        }),
        ("keys per minute and output", |fleet| fleet.keys as f64),
        ("outputs", |fleet| fleet.outputs as f64),
        ("shards of readings", |fleet| fleet.workload.shards() as f64),
        ("shards of summaries", |fleet| {
            fleet.workload.summary_shards() as f64
        }),
        ("shards of each output", |fleet| {
            fleet.output_shards() as f64
        }),
        ("finisher invocations per minute", |_| {
            finisher_invocations() * 60.0 / WINDOW_SECONDS
        }),
        ("finisher milliseconds per minute", |fleet| {
            fleet.finisher_millis() * 60.0 / WINDOW_SECONDS
        }),
        ("Flink: KPUs, including one for orchestration", |fleet| {
            kpus(&fleet.workload) as f64 + 1.0
        }),
    ];
    table("Assumption", fleets, count, &rows)
}

fn bill(fleets: &[SqlFleet]) -> TextTable {
    let rows: [(&str, SqlCost); 9] = [
        ("Kinesis, readings", SqlFleet::readings),
        ("Kinesis, summaries", SqlFleet::summaries),
        ("Lambda aggregator and processor", SqlFleet::functions),
        ("DynamoDB, the table", SqlFleet::table),
        ("CloudWatch, logs and metrics", SqlFleet::logs_and_metrics),
        ("**total without finished rows**", SqlFleet::unfinished),
        (
            "finisher: Lambda, reads, progress, logs, metrics and alarms",
            SqlFleet::finisher,
        ),
        ("Kinesis, finished rows", SqlFleet::outputs),
        ("**total with finished rows**", SqlFleet::finished),
    ];
    costs(fleets, &rows)
}

fn compared(fleets: &[SqlFleet]) -> TextTable {
    let rows: [(&str, SqlCost); 8] = [
        ("Flink: KPU hours", |fleet| {
            fleet.kpu_hours() * prices::KPU_HOUR
        }),
        (
            "Flink: running application storage",
            SqlFleet::flink_storage,
        ),
        ("**rows in a table: this project**", SqlFleet::unfinished),
        ("**rows in a table: Flink**", |fleet| {
            fleet.readings() + fleet.flink() + fleet.table()
        }),
        ("**rows in streams: this project**", SqlFleet::finished),
        ("**rows in streams: Flink**", SqlFleet::flink_finished),
        (
            "rows in streams, all of them provisioned: this project",
            |fleet| fleet.provisioned().finished(),
        ),
        ("rows in streams, all of them provisioned: Flink", |fleet| {
            fleet.provisioned().flink_finished()
        }),
    ];
    costs(fleets, &rows)
}

fn idle(fleets: &[SqlFleet]) -> TextTable {
    let rows: [(&str, SqlCost); 5] = [
        ("this project, without finished rows", |fleet| {
            fleet.idle_streams(0, true)
        }),
        ("this project, with finished rows", SqlFleet::idle),
        ("Flink, with rows in streams", SqlFleet::flink_idle),
        ("provisioned: this project, with finished rows", |fleet| {
            fleet.provisioned().idle()
        }),
        ("provisioned: Flink, with rows in streams", |fleet| {
            fleet.provisioned().flink_idle()
        }),
    ];
    costs(fleets, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_cents(actual: f64, expected: f64) {
        let difference = (actual - expected).abs();
        assert!(difference < 0.005, "{actual} is not {expected}");
    }

    #[test]
    fn a_medium_application() {
        let fleet = SqlFleet::new("medium", 1_000, 1_000, 2);
        // 730 h at 0.04; 2.628e9 KB are 2,506.26 GB at 0.08; 489.50 GB at 0.04.
        assert_cents(fleet.readings(), 29.20 + 200.50 + 19.58);
        // 87.6 million rows at 0.625 per million; half of 430 bytes each are 17.54 GB at 0.45.
        assert_cents(fleet.table(), 54.75 + 7.893);
        // Two streams: 730 h at 0.04; 43.8 million KB are 41.77 GB at 0.08; 12.24 GB at 0.04.
        assert_cents(fleet.outputs(), 2.0 * (29.20 + 3.3417 + 0.4895));
        // 2,000 rows of 20 us at 1,024/1,769 of a core are 69.1 ms, read in 100 ms; two calls of 20 ms
        // per output.
        let millis = 3.0 * (200.0 + 2.0 * (100.0 + 69.102)) + 40.0;
        assert!((fleet.finisher_millis() - millis).abs() < 0.01);
    }

    #[test]
    fn the_finisher_of_a_medium_application() {
        let fleet = SqlFleet::new("medium", 1_000, 1_000, 2);
        let invocations = 3.0 * 43_800.0;
        // 800 KB of rows and 720 bytes of watermarks, read by the mapping, and twice by each
        // invocation.
        let reads = 800_720.0 * 43_800.0 / GB * 7.0 * 0.04;
        // 1,500 bytes of progress.
        let progress = invocations * (4.0 * 0.625 + 0.125) / 1e6;
        let lambda = invocations * 0.20 / 1e6 + 1.654_61 * 43_800.0 * 0.000_013_333_4;
        let logs = invocations * 1_578.0 / GB * 0.50;
        let watched = 9.0 * 0.30 + 2.0 * 0.10;
        let expected = reads + progress + lambda + logs + watched;
        assert_cents(fleet.finisher(), expected);
    }

    #[test]
    fn idle_streams_are_billed_per_hour() {
        let fleet = SqlFleet::new("small", 10, 100, 1);
        // Three streams; 43,800 invocations that take 200 ms, log 1,578 bytes, and write 1,500 bytes of
        // progress; and 2.90 for metrics and alarms.
        let lambda = 43_800.0 * (0.20 + 0.125 + 2.0 * 0.625) / 1e6 + 8_760.0 * 0.000_013_333_4;
        let logs = 43_800.0 * 1_578.0 / GB * 0.50;
        assert_cents(fleet.idle(), 87.60 + lambda + logs + 2.90);
        // Two streams, 2 KPUs and 50 GB.
        assert_cents(fleet.flink_idle(), 58.40 + 165.60);
        // Three shards instead. The progress of two of them takes one write.
        let provisioned = fleet.provisioned();
        let lambda = lambda - 43_800.0 * 0.625 / 1e6;
        assert_cents(provisioned.idle(), 32.85 + lambda + logs + 2.90);
        assert_cents(provisioned.flink_idle(), 21.90 + 165.60);
    }

    #[test]
    fn what_the_finisher_holds_fits() {
        // 500 rows per MB: `ROWS_PER_MB` in `crates/windrow-lambda/src/finisher/main.rs`.
        for fleet in fleets() {
            assert!(fleet.workload.rows <= 500 * 1_024, "{}", fleet.name);
        }
    }
}
