//! A fleet's monthly bill by service, and the tables of `docs/costs.md`.

pub mod kinesis_sql;

use crate::limits;
use crate::prices::{self, GB, KB, tiered};
use crate::table::{TextTable, count, difference, dollars};
use crate::workload::{
    FILL, HOURS, METRICS_LINE_BYTES, MONTH_SECONDS, PACKED_BYTES, PLATFORM_LINES_BYTES, StreamMode,
    WINDOW_SECONDS, Workload,
};

/// Bytes that DynamoDB bills per row: about 330 of names and values, plus 100 per item ("Item sizes
/// and formats" in its developer guide).
const ITEM_BYTES: f64 = 430.0;
/// Compression ratio of the gzipped archive, measured on random flights.
const ARCHIVE_RATIO: f64 = 5.0;
/// Firehose writes an object after this many bytes or after a minute (`BufferingHints`).
const ARCHIVE_BUFFER_BYTES: f64 = 64.0 * 1_048_576.0;
/// Metrics of the aggregator and of the processor.
pub const FUNCTION_METRICS: [u32; 2] = [14, 7];
/// EventCount metrics of each of the two mappings, which are assumed to be billed the same.
const MAPPING_METRICS: u32 = 5;
/// Alarms in `template.yaml`.
pub const ALARMS: u32 = 17;
/// The month whose storage is compared with that of the first.
const LATER_MONTH: f64 = 12.0;

/// The fleets of `docs/costs.md`.
pub const FLEETS: [u64; 3] = [1, 1_000, 100_000];

/// Whether a Flink application would replace a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A Flink application needs it too.
    Shared,
    /// A Flink application replaces it.
    Replaced,
}

/// One service's cost.
#[derive(Clone, Debug, PartialEq)]
pub struct CostLine {
    /// The service.
    pub service: &'static str,
    /// US dollars per month.
    pub cost: f64,
    /// Whether Flink replaces it.
    pub role: Role,
}

/// A fleet's bill for its first month.
pub fn bill(workload: &Workload) -> Vec<CostLine> {
    let metrics = FUNCTION_METRICS.map(|metrics| metrics + MAPPING_METRICS);
    let metrics = f64::from(metrics.iter().sum::<u32>());
    let line = |role: Role, service: &'static str, cost: f64| CostLine {
        service,
        cost,
        role,
    };
    let shared = |service, cost| line(Role::Shared, service, cost);
    let replaced = |service, cost| line(Role::Replaced, service, cost);
    vec![
        shared("Firehose, to the archive", firehose(workload)),
        shared("Kinesis `wildrydes`", readings_stream(workload)),
        shared("DynamoDB, writes", rows(workload) * prices::WRITE_UNIT),
        shared("DynamoDB, rows and recovery", table_storage(workload, 1.0)),
        replaced("Kinesis `wildrydes-summary`", summary_stream(workload)),
        replaced("CloudWatch, logs", logs(workload)),
        replaced("Lambda aggregator", aggregator(workload)),
        replaced("Lambda processor", processor(workload)),
        replaced("CloudWatch, metrics", metrics * prices::METRIC),
        shared(
            "CloudWatch, alarms and a dashboard",
            f64::from(ALARMS) * prices::ALARM + prices::DASHBOARD,
        ),
        shared("S3, the archive", archive(workload, 1.0)),
        shared("KMS", encryption(workload)),
    ]
}

/// The total of a bill, in US dollars per month.
pub fn total(bill: &[CostLine]) -> f64 {
    bill.iter().map(|line| line.cost).sum()
}

/// The monthly cost of a Flink application that folds the readings and writes the rows itself.
pub fn flink(workload: &Workload) -> f64 {
    let kpus = kpus(workload) as f64;
    let storage = kpus * prices::KPU_GB * prices::KPU_GB_MONTH;
    (kpus + 1.0) * HOURS * prices::KPU_HOUR + storage
}

/// The number of KPUs that the readings need, without the one for orchestration.
pub fn kpus(workload: &Workload) -> u64 {
    workload.unicorns.div_ceil(workload.readings_per_kpu)
}

fn firehose(workload: &Workload) -> f64 {
    let unit = prices::FIREHOSE_RECORD_UNIT;
    let billed = workload.record_bytes().div_ceil(unit) * unit;
    let records = workload.records_per_second() * MONTH_SECONDS;
    tiered(records * billed as f64 / GB, prices::FIREHOSE_GB)
}

fn readings_stream(workload: &Workload) -> f64 {
    // Firehose; and the aggregator, unless it has dedicated reads.
    let readers = 1 + u64::from(!workload.dedicated_reads) + workload.viewers;
    let records = workload.records_per_second() * MONTH_SECONDS;
    let bytes = workload.record_bytes() as f64;
    let shards = workload.shards();
    let shared = stream(workload.mode, shards, records, bytes, readers);
    shared + dedicated(workload, shards, records * bytes)
}

fn summary_stream(workload: &Workload) -> f64 {
    let records = workload.summary_records();
    let bytes = workload.row_bytes() / records;
    let records = records * windows();
    let shards = workload.summary_shards();
    let readers = u64::from(!workload.dedicated_reads);
    let shared = stream(workload.mode, shards, records, bytes, readers);
    shared + dedicated(workload, shards, records * bytes)
}

/// The cost of a function's dedicated reads of `bytes` per month, if it has them.
fn dedicated(workload: &Workload, shards: u64, bytes: f64) -> f64 {
    let gb = bytes / GB;
    match (workload.dedicated_reads, workload.mode) {
        (false, _) => 0.0,
        (true, StreamMode::OnDemand) => gb * prices::ON_DEMAND_DEDICATED_OUT,
        (true, StreamMode::Provisioned) => {
            shards as f64 * HOURS * prices::DEDICATED_SHARD_HOUR + gb * prices::DEDICATED_OUT
        }
    }
}

/// The cost of a copy of the readings stream for guests: another stream, with records of 25 KB, and
/// a function like the aggregator that reads the readings and writes them there.
fn copy(workload: &Workload) -> f64 {
    let bytes = workload.bytes_per_second() * MONTH_SECONDS;
    let packed = PACKED_BYTES as f64;
    let full = workload.bytes_per_second() / limits::SHARD_WRITE_BYTES;
    let shards = match workload.mode {
        // Billed per hour of the stream, not of its shards.
        StreamMode::OnDemand => 4,
        StreamMode::Provisioned => (full / FILL).ceil().max(1.0) as u64,
    };
    let written = stream(workload.mode, shards, bytes / packed, packed, 0);
    let read = match workload.mode {
        StreamMode::OnDemand => bytes / GB * prices::ON_DEMAND_OUT,
        StreamMode::Provisioned => 0.0,
    };
    let invocations = workload.aggregator_invocations() * MONTH_SECONDS;
    let logs = invocations * PLATFORM_LINES_BYTES as f64 / GB * prices::LOG_GB;
    written + read + aggregator(workload) + logs
}

/// The cost of guests who read both streams at full speed all month.
fn guests_at_most(workload: &Workload) -> f64 {
    match workload.mode {
        StreamMode::OnDemand => {
            let summaries = (workload.summary_shards() as f64).min(workload.summary_records());
            let shards = workload.active_shards() as f64 + summaries;
            let bytes = shards * limits::SHARD_READ_BYTES * MONTH_SECONDS;
            bytes / GB * prices::ON_DEMAND_OUT
        }
        // Shared reads are free.
        StreamMode::Provisioned => 0.0,
    }
}

/// The cost of a stream that takes `records` per month, of `bytes` each.
fn stream(mode: StreamMode, shards: u64, records: f64, bytes: f64, readers: u64) -> f64 {
    if mode == StreamMode::Provisioned {
        let units = (bytes / (25 * KB) as f64).ceil() * records;
        return shards as f64 * HOURS * prices::SHARD_HOUR + units * prices::PUT_UNIT;
    }
    let rounded = (bytes / KB as f64).ceil() * KB as f64;
    let written = records * rounded / GB * prices::ON_DEMAND_IN;
    let read = records * bytes / GB * prices::ON_DEMAND_OUT * readers as f64;
    HOURS * prices::STREAM_HOUR + written + read
}

fn aggregator(workload: &Workload) -> f64 {
    let invocations = workload.aggregator_invocations() * MONTH_SECONDS;
    let seconds = invocations * workload.aggregator_millis() / 1_000.0;
    function(workload, invocations, seconds)
}

fn processor(workload: &Workload) -> f64 {
    let invocations = workload.processor_invocations() * windows();
    let seconds = workload.processor_millis() * windows() / 1_000.0;
    function(workload, invocations, seconds)
}

fn function(workload: &Workload, invocations: f64, seconds: f64) -> f64 {
    let gb_seconds = seconds * workload.memory as f64 / 1_024.0;
    invocations * prices::INVOCATION + tiered(gb_seconds, prices::GB_SECOND)
}

fn table_storage(workload: &Workload, month: f64) -> f64 {
    let stored = rows(workload) * ITEM_BYTES * (month - 0.5) / GB;
    stored * (prices::TABLE_GB_MONTH + prices::RECOVERY_GB_MONTH)
}

fn archive(workload: &Workload, month: f64) -> f64 {
    let bytes = workload.bytes_per_second() * MONTH_SECONDS;
    let stored = bytes / ARCHIVE_RATIO * (month - 0.5) / GB;
    let objects = (bytes / ARCHIVE_BUFFER_BYTES).max(MONTH_SECONDS / 60.0);
    tiered(stored, prices::S3_GB_MONTH) + objects * prices::S3_PUT
}

fn logs(workload: &Workload) -> f64 {
    let aggregator = workload.aggregator_invocations() * MONTH_SECONDS;
    let processor = workload.processor_invocations() * windows();
    let bytes = (METRICS_LINE_BYTES + PLATFORM_LINES_BYTES) as f64;
    (aggregator + processor) * bytes / GB * prices::LOG_GB
}

/// One producer per full shard, the invocations of each shard, and Firehose each have their own
/// credentials.
fn encryption(workload: &Workload) -> f64 {
    let producers = workload.full_shards().ceil();
    let readings = producers + workload.active_shards() as f64 + 1.0;
    let summaries = workload.active_shards() as f64 + workload.summary_shards() as f64;
    (readings + summaries) * prices::KMS_REQUESTS * prices::KMS_REQUEST
}

fn rows(workload: &Workload) -> f64 {
    workload.rows as f64 * windows()
}

fn windows() -> f64 {
    MONTH_SECONDS / WINDOW_SECONDS
}

/// The first table: cost by service and fleet.
pub fn services(fleets: &[Workload]) -> TextTable {
    let mut table = TextTable::new(header("USD per month", fleets));
    let bills: Vec<Vec<CostLine>> = fleets.iter().map(bill).collect();
    let services = bills.first().into_iter().flatten().enumerate();
    for (index, line) in services {
        let costs = bills.iter().map(|bill| dollars(bill[index].cost));
        table.row(named(line.service, costs));
    }
    let totals = bills.iter().map(|bill| dollars(total(bill)));
    table.row(named("**total, first month**", totals));
    let unicorns = fleets.iter().zip(&bills);
    let each = unicorns.map(|(fleet, bill)| dollars(total(bill) / fleet.unicorns as f64));
    table.row(named("per unicorn", each));
    let later = fleets.iter().map(|fleet| {
        let table = table_storage(fleet, LATER_MONTH) - table_storage(fleet, 1.0);
        let archive = archive(fleet, LATER_MONTH) - archive(fleet, 1.0);
        difference(table + archive)
    });
    table.row(named("extra in the 12th month, for stored data", later));
    table
}

/// The comparison with a Flink application: what it would replace, and what it would cost.
pub fn compared_with_flink(fleets: &[Workload]) -> TextTable {
    let cost_of = |fleet: &Workload, role: Role| {
        let mut lines = bill(fleet);
        lines.retain(|line| line.role == role);
        total(&lines)
    };
    let mut table = TextTable::new(header("USD per month", fleets));
    let ours = fleets.iter().map(|fleet| cost_of(fleet, Role::Replaced));
    table.row(named(
        "aggregator, `wildrydes-summary`, processor, their logs and metrics",
        ours.map(dollars),
    ));
    let kpus = fleets.iter().map(|fleet| count(kpus(fleet) as f64 + 1.0));
    table.row(named("Flink: KPUs, including one for orchestration", kpus));
    let theirs = fleets.iter().map(flink);
    table.row(named(
        "Flink: cost of KPUs and storage",
        theirs.map(dollars),
    ));
    let shared = fleets.iter().map(|fleet| cost_of(fleet, Role::Shared));
    table.row(named("services needed by both", shared.map(dollars)));
    let totals = fleets.iter().map(|fleet| dollars(total(&bill(fleet))));
    table.row(named("**total, this project**", totals));
    let with_flink = fleets
        .iter()
        .map(|fleet| dollars(cost_of(fleet, Role::Shared) + flink(fleet)));
    table.row(named("**total, with Flink**", with_flink));
    table
}

/// The effect of each setting, with the others left at their values.
pub fn settings(fleets: &[Workload]) -> TextTable {
    type Change = fn(Workload) -> Workload;
    let changes: [(&str, Change); 5] = [
        ("a batching window of 10 s", |fleet| Workload {
            batching_window: 10.0,
            ..fleet
        }),
        ("provisioned streams", |fleet| Workload {
            mode: StreamMode::Provisioned,
            ..fleet
        }),
        ("5 readings per record", |fleet| Workload {
            readings_per_record: 5,
            ..fleet
        }),
        ("25 readings per record", |fleet| Workload {
            readings_per_record: 25,
            ..fleet
        }),
        ("10 s, provisioned and 25 per record", |fleet| Workload {
            batching_window: 10.0,
            mode: StreamMode::Provisioned,
            readings_per_record: 25,
            ..fleet
        }),
    ];
    let mut table = TextTable::new(header("Change in USD per month", fleets));
    for (name, change) in changes {
        let differences = fleets
            .iter()
            .map(|fleet| difference(total(&bill(&change(*fleet))) - total(&bill(fleet))));
        table.row(named(name, differences));
    }
    let all = changes[4].1;
    let remaining = fleets
        .iter()
        .map(|fleet| dollars(total(&bill(&all(*fleet)))));
    table.row(named("**remaining bill**", remaining));
    table
}

/// The cost of a public live map.
pub fn public_map(fleets: &[Workload]) -> TextTable {
    type Cost = fn(&Workload) -> f64;
    let own_reads: Cost = |fleet| {
        let own = Workload {
            dedicated_reads: true,
            ..*fleet
        };
        let shared = Workload {
            dedicated_reads: false,
            ..*fleet
        };
        total(&bill(&own)) - total(&bill(&shared))
    };
    let mut table = TextTable::new(header("Change in USD per month", fleets));
    let rows: [(&str, Cost); 3] = [
        (
            "`DedicatedReads`: dedicated reads for the functions",
            own_reads,
        ),
        ("alternative: a copy of `wildrydes` for guests", copy),
        (
            "guests who read both streams continuously, at most",
            guests_at_most,
        ),
    ];
    for (name, cost) in rows {
        table.row(named(
            name,
            fleets.iter().map(|fleet| difference(cost(fleet))),
        ));
    }
    for (name, cost) in &rows[..2] {
        let costs = fleets.iter().map(|fleet| {
            difference(cost(&Workload {
                mode: StreamMode::Provisioned,
                ..*fleet
            }))
        });
        table.row(named(&format!("provisioned, {name}"), costs));
    }
    table
}

/// The assumptions behind the tables, for each fleet.
pub fn assumptions(fleets: &[Workload]) -> TextTable {
    let mut table = TextTable::new(header("Assumption", fleets));
    let mut row = |name: &str, value: fn(&Workload) -> f64| {
        table.row(named(name, fleets.iter().map(|fleet| count(value(fleet)))));
    };
    row("shards of `wildrydes`", |fleet| fleet.shards() as f64);
    row("shards that receive readings", |fleet| {
        fleet.active_shards() as f64
    });
    row("shards of `wildrydes-summary`", |fleet| {
        fleet.summary_shards() as f64
    });
    row("aggregator invocations, millions per month", |fleet| {
        fleet.aggregator_invocations() * MONTH_SECONDS / 1e6
    });
    row("milliseconds per invocation", Workload::aggregator_millis);
    row("GB per month billed by Firehose", |fleet| {
        let unit = prices::FIREHOSE_RECORD_UNIT;
        let billed = fleet.record_bytes().div_ceil(unit) * unit;
        fleet.records_per_second() * MONTH_SECONDS * billed as f64 / GB
    });
    row("GB per month of readings", |fleet| {
        fleet.bytes_per_second() * MONTH_SECONDS / GB
    });
    table
}

fn header(corner: &str, fleets: &[Workload]) -> Vec<String> {
    let names = fleets.iter().map(|fleet| {
        let unicorns = count(fleet.unicorns as f64);
        match fleet.unicorns {
            1 => "1 unicorn".to_owned(),
            _ => format!("{unicorns} unicorns"),
        }
    });
    named(corner, names)
}

fn named(name: &str, cells: impl Iterator<Item = String>) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(cells).collect()
}

/// All tables, as printed by `costs` and contained in `docs/costs.md`.
pub fn page(fleets: &[Workload]) -> String {
    let tables = [
        ("The bill", services(fleets)),
        ("Assumptions", assumptions(fleets)),
        (
            "Compared with Managed Service for Apache Flink",
            compared_with_flink(fleets),
        ),
        ("What changes the bill", settings(fleets)),
        ("A public live map", public_map(fleets)),
    ];
    crate::table::page(&tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(workload: &Workload, service: &str) -> f64 {
        let bill = bill(workload);
        let line = bill.iter().find(|line| line.service == service);
        line.map_or(f64::NAN, |line| line.cost)
    }

    fn assert_cents(actual: f64, expected: f64) {
        assert!(
            (actual - expected).abs() < 0.005,
            "{actual} is not {expected}"
        );
    }

    #[test]
    fn thousand_unicorns_on_demand() {
        let fleet = Workload::of(1_000);
        // 2.628e9 records of 5 KB are 12,531.28 GB at 0.029.
        assert_cents(cost(&fleet, "Firehose, to the archive"), 363.41);
        // 730 h at 0.04; 2.628e9 KB are 2,506.26 GB at 0.08; 489.50 GB, read twice, at 0.04.
        assert_cents(cost(&fleet, "Kinesis `wildrydes`"), 29.20 + 200.50 + 39.16);
        // 43.8 million rows at 0.625 per million.
        assert_cents(cost(&fleet, "DynamoDB, writes"), 27.375);
        // 4 shards: 10.512 million invocations per month by batching window, 175,200 at the ends of
        // windows. 250 readings of 13.8 us and 5 ms are 9 ms: 24,046.2 GB-s.
        assert_cents(cost(&fleet, "Lambda aggregator"), 2.137_44 + 0.320_62);
    }

    #[test]
    fn packing_lowers_the_cost_of_rounded_records() {
        let packed = Workload {
            readings_per_record: 25,
            ..Workload::of(1_000)
        };
        // 5,000 bytes are billed as 5,120: a 25th.
        assert_cents(cost(&packed, "Firehose, to the archive"), 14.54);
        assert_cents(cost(&packed, "Kinesis `wildrydes`"), 29.20 + 40.10 + 39.16);
    }

    #[test]
    fn hundred_thousand_unicorns_provisioned() {
        let fleet = Workload {
            mode: StreamMode::Provisioned,
            ..Workload::of(100_000)
        };
        // 125 shards, 730 h at 0.015; 262,800 million units at 0.014.
        assert_cents(cost(&fleet, "Kinesis `wildrydes`"), 1_368.75 + 3_679.20);
    }

    #[test]
    fn dedicated_reads_cost_per_gb_on_demand_and_per_shard_provisioned() {
        let own = |fleet: Workload| Workload {
            dedicated_reads: true,
            ..fleet
        };
        let fleet = Workload::of(1_000);
        // 489.50 GB at 0.05 and at 0.04.
        assert_cents(
            cost(&own(fleet), "Kinesis `wildrydes`"),
            29.20 + 200.50 + 24.475 + 19.58,
        );
        let fleet = Workload {
            mode: StreamMode::Provisioned,
            ..Workload::of(100_000)
        };
        let more = cost(&own(fleet), "Kinesis `wildrydes`") - cost(&fleet, "Kinesis `wildrydes`");
        // 125 shards, 730 h at 0.015; 48,950.3 GB at 0.013.
        assert_cents(more, 1_368.75 + 636.354);
    }

    #[test]
    fn a_copy_costs_another_stream_and_function() {
        let fleet = Workload::of(1_000);
        let function = cost(&fleet, "Lambda aggregator");
        // 730 h at 0.04; 489.50 GB at 0.08, rounded up by 2.4%, and read once at 0.04; 10.687
        // million invocations that log 600 bytes each: 5.972 GB at 0.50.
        assert_cents(copy(&fleet), 29.20 + 40.10 + 19.58 + 2.986 + function);
        // 8 shards of 2 MB per second: 39,160.25 GB at 0.04.
        assert_cents(guests_at_most(&fleet), 1_566.41);
    }

    #[test]
    fn flink_adds_one_kpu() {
        // 2 KPUs, 730 h at 0.11, and 50 GB at 0.10.
        assert_cents(flink(&Workload::of(1)), 165.60);
        // 21 of them, and 1,000 GB.
        assert_cents(flink(&Workload::of(100_000)), 1_786.30);
    }

    #[test]
    fn stored_rows_accumulate() {
        let fleet = Workload::of(1_000);
        // 43.8 million rows of 430 bytes, half of them on average: 8.7702 GB at 0.45.
        assert_cents(table_storage(&fleet, 1.0), 3.95);
        assert_cents(table_storage(&fleet, 12.0), 3.946_6 * 23.0);
    }
}
