//! Compares fleets with the limits, and makes the tables of `docs/scale.md`.

use crate::limits;
use crate::table::{TextTable, count, seconds};
use crate::workload::{ROW_BYTES, StreamMode, WINDOW_SECONDS, Workload};

/// The fleets of `docs/scale.md`.
pub const FLEETS: [u64; 8] = [1, 100, 1_000, 4_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// A limit that a growing fleet meets.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// The resource and its limit.
    pub name: &'static str,
    /// The number of unicorns that reaches it.
    pub unicorns: f64,
    /// Whether it applies to the template's defaults in us-east-1; otherwise the name says when it
    /// does.
    pub default: bool,
    /// How to raise it.
    pub moved_by: &'static str,
}

/// The limits in the order in which a growing fleet meets them. `fleet` defines how readings are
/// sent; its size is ignored.
pub fn fleet_limits(fleet: &Workload) -> Vec<Limit> {
    let mut limits = default_limits(fleet);
    limits.extend(other_limits(fleet));
    limits.sort_by(|one, other| one.unicorns.total_cmp(&other.unicorns));
    limits
}

/// The number of unicorns whose rows pass `shards` shards of the summary stream within a window.
fn unicorns_drained_by(shards: u64) -> f64 {
    shards as f64 * limits::SHARD_WRITE_BYTES * WINDOW_SECONDS / ROW_BYTES as f64
}

/// The limits of the template's defaults.
fn default_limits(fleet: &Workload) -> Vec<Limit> {
    let on_demand = |shards: u64| shards as f64 * full_shard(fleet);
    let limit = |name, unicorns, moved_by| Limit {
        name,
        unicorns,
        default: true,
        moved_by,
    };
    vec![
        limit(
            "a new stream on demand is full: 4 MB and 4,000 records per second",
            on_demand(limits::ON_DEMAND_SHARDS),
            "grow to at most twice the peak at a time; or start `PROVISIONED` with enough `ShardCount`, then switch",
        ),
        limit(
            "`wildrydes-rejects` is full: 5,000 records per second, if every reading is rejected",
            limits::FIREHOSE_RECORDS,
            "Firehose's quota; until then batches wait and nothing is lost",
        ),
        limit(
            "a new table needs a full minute: 4,000 writes per second",
            limits::NEW_TABLE_WRITES * WINDOW_SECONDS,
            "the table's warm throughput; the table also scales automatically, to twice its peak",
        ),
        limit(
            "1,000 concurrent invocations, one per shard of either stream, on demand",
            most_unicorns(fleet, StreamMode::OnDemand),
            "Lambda's quota; fewer shards, with more readings per record or `PROVISIONED`",
        ),
        limit(
            "a new summary stream on demand needs a full minute: 4 MB per second",
            unicorns_drained_by(limits::ON_DEMAND_SHARDS),
            "grow to at most twice the peak at a time; or `PROVISIONED` with `SummaryShardCount`",
        ),
        limit(
            "the table at its quota needs a full minute: 40,000 writes per second",
            limits::TABLE_WRITES * WINDOW_SECONDS,
            "DynamoDB's table quota; a longer `WindowSeconds`",
        ),
        limit(
            "on demand in the three largest Regions: 10 GB per second",
            on_demand(limits::ON_DEMAND_MOST_SHARDS),
            "`PROVISIONED`; more readings per record",
        ),
    ]
}

/// The limits of other settings and Regions.
fn other_limits(fleet: &Workload) -> Vec<Limit> {
    let on_demand = |shards: u64| shards as f64 * full_shard(fleet);
    let provisioned = |shards: u64| on_demand(shards) * crate::workload::FILL;
    let limit = |name, unicorns, moved_by| Limit {
        name,
        unicorns,
        default: false,
        moved_by,
    };
    vec![
        limit(
            "`PROVISIONED`: the one shard is full",
            full_shard(fleet),
            "`ShardCount`",
        ),
        limit(
            "`PROVISIONED`: the one summary shard needs a full minute for a minute's rows",
            unicorns_drained_by(1),
            "`SummaryShardCount`",
        ),
        limit(
            "on demand outside the three largest Regions: 200 MB per second",
            on_demand(limits::ON_DEMAND_MOST_SHARDS_ELSEWHERE),
            "a support request, up to 10 GB per second; or `PROVISIONED`",
        ),
        limit(
            "`PROVISIONED`: 1,000 concurrent invocations",
            most_unicorns(fleet, StreamMode::Provisioned),
            "Lambda's quota; more readings per record",
        ),
        limit(
            "`PROVISIONED` outside the three largest Regions: 1,000 shards (or 6,000)",
            provisioned(limits::SHARD_QUOTA_ELSEWHERE),
            "Kinesis's shard quota; more readings per record",
        ),
        limit(
            "`PROVISIONED` in the three largest Regions: 20,000 shards",
            provisioned(limits::SHARD_QUOTA),
            "Kinesis's shard quota; more readings per record",
        ),
    ]
}

/// The number of unicorns that fill one shard.
fn full_shard(fleet: &Workload) -> f64 {
    let by_records = limits::SHARD_RECORDS * fleet.readings_per_record as f64;
    let by_bytes = limits::SHARD_WRITE_BYTES / fleet.reading_bytes as f64;
    by_records.min(by_bytes)
}

/// The most invocations that can run at once: one per shard of either stream.
pub fn concurrency(fleet: &Workload) -> u64 {
    fleet.active_shards() + fleet.summary_shards()
}

/// The largest fleet whose [`concurrency`] is within an account's quota.
fn most_unicorns(fleet: &Workload, mode: StreamMode) -> f64 {
    let fits = |unicorns: u64| {
        let fleet = Workload {
            unicorns,
            rows: unicorns,
            mode,
            ..*fleet
        };
        concurrency(&fleet) <= limits::CONCURRENCY
    };
    let (mut fitting, mut too_many) = (1, 1_000_000_000_000);
    while too_many - fitting > 1 {
        let middle = u64::midpoint(fitting, too_many);
        if fits(middle) {
            fitting = middle;
        } else {
            too_many = middle;
        }
    }
    fitting as f64
}

/// The first table: fleets, what they need, and which limits they exceed.
pub fn fleets(fleets: &[Workload]) -> TextTable {
    let mut table = TextTable::new([
        "Unicorns",
        "MB/s",
        "Full shards",
        "KB of state per shard",
        "MB of rows per minute",
        "s through a new summary stream",
        "Summary shards for 20 s",
        "s into a new table",
        "s at the table's quota",
        "Concurrent invocations",
        "Limits exceeded",
    ]);
    for fleet in fleets {
        let unicorns = fleet.unicorns as f64;
        let full_shards = fleet.full_shards().ceil().max(1.0);
        let on_a_shard = (unicorns / full_shards).ceil();
        let state = on_a_shard * limits::STATE_BYTES_PER_UNICORN as f64;
        let new_stream = limits::ON_DEMAND_SHARDS as f64 * limits::SHARD_WRITE_BYTES;
        let planned = Workload {
            mode: StreamMode::Provisioned,
            ..*fleet
        };
        table.row([
            count(unicorns),
            megabytes(fleet.bytes_per_second()),
            count(full_shards),
            count((state.min(limits::STATE_BYTES) / 1e3).ceil()),
            megabytes(fleet.row_bytes()),
            seconds(fleet.row_bytes() / new_stream),
            count(planned.summary_shards() as f64),
            seconds(unicorns / limits::NEW_TABLE_WRITES),
            seconds(unicorns / limits::TABLE_WRITES),
            count(concurrency(fleet) as f64),
            exceeded(fleet),
        ]);
    }
    table
}

/// The numbers of the limits that a fleet with default settings exceeds.
fn exceeded(fleet: &Workload) -> String {
    let unicorns = fleet.unicorns as f64;
    let numbers: Vec<String> = (1..)
        .zip(fleet_limits(fleet))
        .filter(|(_, limit)| limit.default && unicorns > limit.unicorns)
        .map(|(number, _)| number.to_string())
        .collect();
    if numbers.is_empty() {
        return "none".to_owned();
    }
    numbers.join(", ")
}

/// The second table: the limits in the order in which a growing fleet meets them.
pub fn limits_in_order(fleet: &Workload) -> TextTable {
    let mut table = TextTable::new(["#", "Limit", "Unicorns", "With defaults", "How to raise it"]);
    for (number, limit) in (1..).zip(fleet_limits(fleet)) {
        table.row([
            number.to_string(),
            limit.name.to_owned(),
            count(limit.unicorns.floor()),
            if limit.default { "yes" } else { "no" }.to_owned(),
            limit.moved_by.to_owned(),
        ]);
    }
    table.left_aligned()
}

/// The third table: how many unicorns one shard holds, by readings per record.
pub fn shard_capacity(fleet: &Workload) -> TextTable {
    let packing = [1, 5, 25].map(|readings_per_record| Workload {
        readings_per_record,
        ..*fleet
    });
    let names = packing.map(|fleet| match fleet.readings_per_record {
        1 => "1 reading per record".to_owned(),
        number => format!("{number} per record"),
    });
    let mut header = vec!["Unicorns on one shard".to_owned()];
    header.extend(names);
    header.push("Beyond that".to_owned());
    let mut table = TextTable::new(header);
    let mut row = |name: &str, unicorns: fn(&Workload) -> f64, then: &str| {
        let mut cells = vec![name.to_owned()];
        cells.extend(packing.iter().map(|fleet| count(unicorns(fleet).floor())));
        cells.push(then.to_owned());
        table.row(cells);
    };
    row(
        "1,000 records per second in",
        |fleet| limits::SHARD_RECORDS * fleet.readings_per_record as f64,
        "writes are throttled and retried; add shards",
    );
    row(
        "1 MB per second in",
        |fleet| limits::SHARD_WRITE_BYTES / fleet.reading_bytes as f64,
        "the same",
    );
    row(
        "2 MB per second out, to Lambda and Firehose",
        |fleet| limits::SHARD_READ_BYTES / 2.0 / fleet.reading_bytes as f64,
        "readers lag; set `DedicatedReads`",
    );
    row(
        "2 MB per second out, to these and one live map",
        |fleet| limits::SHARD_READ_BYTES / 3.0 / fleet.reading_bytes as f64,
        "the same",
    );
    row(
        "256 KB of dedup cache",
        |_| limits::deduplicated_unicorns(WINDOW_SECONDS as u64) as f64,
        "`EvictedReadings`: a duplicate may count twice; add shards",
    );
    row(
        "6 MB per event",
        |fleet| {
            let records = limits::PAYLOAD_BYTES / fleet.event_record_bytes();
            records * fleet.readings_per_record as f64 / fleet.batching_window.max(1.0)
        },
        "Lambda invokes more often",
    );
    row(
        "900 KB of state",
        |_| limits::STATE_BYTES / limits::STATE_BYTES_PER_UNICORN as f64,
        "the window's rows are emitted in two source ranges; still exact",
    );
    row(
        "40,000 open accumulators",
        |_| limits::ACCUMULATORS as f64,
        "the same",
    );
    table.left_aligned()
}

/// The fourth table: limits that do not depend on the fleet's size.
pub fn fixed_limits(fleet: &Workload) -> TextTable {
    let left = limits::SHARD_READS - limits::FIREHOSE_READS;
    let mut table = TextTable::new(["Limit", "At most", "How to raise it"]);
    table.row([
        "live maps and consumers that poll once per second: 5 reads per second per shard, of which \
         Lambda and Firehose use one each"
            .to_owned(),
        (left - limits::LAMBDA_READS).to_string(),
        format!("`DedicatedReads`: {left}"),
    ]);
    table.row([
        "new visitors of the live map per second".to_owned(),
        limits::NEW_VISITORS.to_string(),
        "Cognito's quota".to_owned(),
    ]);
    table.row([
        "readings per second of one unicorn: one key writes to one shard".to_owned(),
        count(full_shard(fleet)),
        "more readings per record, up to 1 MB per second".to_owned(),
    ]);
    table.left_aligned()
}

/// All tables, as printed by `scale` and contained in `docs/scale.md`.
///
/// `sizes` are the numbers of unicorns. `fleet` defines how they send readings; its own size is
/// ignored.
pub fn page(fleet: &Workload, sizes: &[u64]) -> String {
    let sized: Vec<Workload> = sizes
        .iter()
        .map(|unicorns| Workload {
            unicorns: *unicorns,
            rows: *unicorns,
            ..*fleet
        })
        .collect();
    let tables = [
        ("Fleets", fleets(&sized)),
        (
            "Limits in the order in which a growing fleet meets them",
            limits_in_order(fleet),
        ),
        ("What one shard holds", shard_capacity(fleet)),
        (
            "Limits that do not depend on the fleet",
            fixed_limits(fleet),
        ),
    ];
    crate::table::page(&tables)
}

fn megabytes(bytes: f64) -> String {
    let megabytes = bytes / 1e6;
    if megabytes < 0.095 {
        return "< 0.1".to_owned();
    }
    if megabytes < 9.95 {
        return format!("{megabytes:.1}");
    }
    count(megabytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unicorns_at(fleet: &Workload, name: &str) -> f64 {
        let limits = fleet_limits(fleet);
        let limit = limits.iter().find(|limit| limit.name.starts_with(name));
        limit.map_or(f64::NAN, |limit| limit.unicorns)
    }

    #[test]
    fn streams_fill_by_records_or_bytes() {
        let plain = Workload::of(1);
        assert_eq!(unicorns_at(&plain, "a new stream on demand"), 4_000.0);
        let packed = Workload {
            readings_per_record: 25,
            ..plain
        };
        // 4 MB per second of 200 bytes each.
        assert_eq!(unicorns_at(&packed, "a new stream on demand"), 20_000.0);
        // 1 MB per second, 60 s, 400 bytes per row.
        assert_eq!(
            unicorns_at(&plain, "`PROVISIONED`: the one summary"),
            150_000.0
        );
    }

    #[test]
    fn concurrency_limit_is_exact() {
        // n/500 shards of readings and n/25,000 of rows: 1,000 at 490,196.
        let unicorns = unicorns_at(&Workload::of(1), "1,000 concurrent");
        assert!((488_000.0..=490_500.0).contains(&unicorns), "{unicorns}");
        let fleet = |unicorns| Workload {
            unicorns,
            rows: unicorns,
            ..Workload::of(1)
        };
        assert!(concurrency(&fleet(unicorns as u64)) <= 1_000);
        assert!(concurrency(&fleet(unicorns as u64 + 1)) > 1_000);
    }

    #[test]
    fn limits_are_sorted() {
        let limits = fleet_limits(&Workload::of(1));
        assert!(limits.is_sorted_by_key(|limit| limit.unicorns as u64));
    }

    #[test]
    fn a_fleet_at_a_limit_does_not_exceed_it() {
        assert_eq!(exceeded(&Workload::of(4_000)), "none");
        assert_eq!(exceeded(&Workload::of(4_001)), "2");
    }
}
