//! A fleet held against the limits, and the tables of `docs/scale.md`.

use crate::limits;
use crate::table::{TextTable, count, seconds};
use crate::workload::{ROW_BYTES, StreamMode, WINDOW_SECONDS, Workload};

/// The fleets of `docs/scale.md`.
pub const FLEETS: [u64; 8] = [1, 100, 1_000, 4_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// A limit that a growing fleet meets.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// What is limited, and to how much.
    pub name: &'static str,
    /// The number of unicorns that reaches it.
    pub unicorns: f64,
    /// Whether the template's defaults meet it in us-east-1; else only what the name says does.
    pub default: bool,
    /// What moves it.
    pub moved_by: &'static str,
}

/// What a growing fleet meets, in that order. `fleet` says how readings are sent.
pub fn fleet_limits(fleet: &Workload) -> Vec<Limit> {
    let mut limits = default_limits(fleet);
    limits.extend(other_limits(fleet));
    limits.sort_by(|one, other| one.unicorns.total_cmp(&other.unicorns));
    limits
}

/// How many unicorns have their rows written by so many shards of the summary stream within a window.
fn drained(shards: u64) -> f64 {
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
            "a new stream on demand is full: 4 MB and 4,000 records a second",
            on_demand(limits::ON_DEMAND_SHARDS),
            "growing no faster than double; or begin `PROVISIONED` with enough `ShardCount`, then switch",
        ),
        limit(
            "`wildrydes-rejects` is full: 5,000 records a second, if every reading is rejected",
            limits::FIREHOSE_RECORDS,
            "Firehose's quota; the batch waits and nothing is lost",
        ),
        limit(
            "a new table takes the whole minute: 4,000 writes a second",
            limits::NEW_TABLE_WRITES * WINDOW_SECONDS,
            "the table's warm throughput; it also grows by itself, to twice its peak",
        ),
        limit(
            "1,000 invocations at once, one a shard of either stream, on demand",
            most_unicorns(fleet, StreamMode::OnDemand),
            "Lambda's quota; fewer shards by more readings a record or `PROVISIONED`",
        ),
        limit(
            "a new summary stream on demand takes the whole minute: 4 MB a second",
            drained(limits::ON_DEMAND_SHARDS),
            "growing no faster than double; or `PROVISIONED` with `SummaryShardCount`",
        ),
        limit(
            "the table's quota takes the whole minute: 40,000 writes a second",
            limits::TABLE_WRITES * WINDOW_SECONDS,
            "DynamoDB's table quota; a longer `WindowSeconds`",
        ),
        limit(
            "on demand in the three largest Regions: 10 GB a second",
            on_demand(limits::ON_DEMAND_MOST_SHARDS),
            "`PROVISIONED`; more readings a record",
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
            "`PROVISIONED`: the one summary shard takes the whole minute for a minute's rows",
            drained(1),
            "`SummaryShardCount`",
        ),
        limit(
            "on demand outside the three largest Regions: 200 MB a second",
            on_demand(limits::ON_DEMAND_MOST_SHARDS_ELSEWHERE),
            "a support request, up to 10 GB a second; or `PROVISIONED`",
        ),
        limit(
            "`PROVISIONED`: 1,000 invocations at once",
            most_unicorns(fleet, StreamMode::Provisioned),
            "Lambda's quota; more readings a record",
        ),
        limit(
            "`PROVISIONED` outside the three largest Regions: 1,000 shards (or 6,000)",
            provisioned(limits::SHARD_QUOTA_ELSEWHERE),
            "Kinesis's shard quota; more readings a record",
        ),
        limit(
            "`PROVISIONED` in the three largest Regions: 20,000 shards",
            provisioned(limits::SHARD_QUOTA),
            "Kinesis's shard quota; more readings a record",
        ),
    ]
}

/// How many unicorns fill one shard.
fn full_shard(fleet: &Workload) -> f64 {
    let by_records = limits::SHARD_RECORDS * fleet.readings_per_record as f64;
    let by_bytes = limits::SHARD_WRITE_BYTES / fleet.reading_bytes as f64;
    by_records.min(by_bytes)
}

/// Invocations that can run at once: one a shard of either stream.
pub fn concurrency(fleet: &Workload) -> u64 {
    fleet.active_shards() + fleet.summary_shards()
}

/// The largest fleet that [`concurrency`] leaves within an account's quota.
fn most_unicorns(fleet: &Workload, mode: StreamMode) -> f64 {
    let fits = |unicorns: u64| {
        let fleet = Workload {
            unicorns,
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

/// The first table: fleets, what they need and which defaults they pass.
pub fn fleets(fleets: &[Workload]) -> TextTable {
    let mut table = TextTable::new([
        "Unicorns",
        "MB/s",
        "Full shards",
        "KB of state a shard",
        "MB of rows a minute",
        "s to pass a new summary stream",
        "Summary shards for 20 s",
        "s into a new table",
        "s at its quota",
        "Invocations at once",
        "Defaults passed",
    ]);
    for fleet in fleets {
        let unicorns = fleet.unicorns as f64;
        let full_shards = fleet.full_shards().ceil().max(1.0);
        let on_a_shard = (unicorns / full_shards).ceil();
        let state = on_a_shard * limits::STATE_BYTES_A_UNICORN as f64;
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
            passed(fleet),
        ]);
    }
    table
}

/// The numbers of the limits that a fleet passes with the defaults.
fn passed(fleet: &Workload) -> String {
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
pub fn in_order(fleet: &Workload) -> TextTable {
    let mut table = TextTable::new([
        "#",
        "Limit",
        "Met at unicorns",
        "By default",
        "What moves it",
    ]);
    for (number, limit) in (1..).zip(fleet_limits(fleet)) {
        table.row([
            number.to_string(),
            limit.name.to_owned(),
            count(limit.unicorns.floor()),
            if limit.default { "yes" } else { "no" }.to_owned(),
            limit.moved_by.to_owned(),
        ]);
    }
    table.of_text()
}

/// The third table: how many unicorns one shard holds, by how many readings share a record.
pub fn on_one_shard(fleet: &Workload) -> TextTable {
    let packing = [1, 5, 25].map(|readings_per_record| Workload {
        readings_per_record,
        ..*fleet
    });
    let names = packing.map(|fleet| match fleet.readings_per_record {
        1 => "1 reading a record".to_owned(),
        number => format!("{number} a record"),
    });
    let mut header = vec!["Unicorns on one shard".to_owned()];
    header.extend(names);
    header.push("Then".to_owned());
    let mut table = TextTable::new(header);
    let mut row = |name: &str, unicorns: fn(&Workload) -> f64, then: &str| {
        let mut cells = vec![name.to_owned()];
        cells.extend(packing.iter().map(|fleet| count(unicorns(fleet).floor())));
        cells.push(then.to_owned());
        table.row(cells);
    };
    row(
        "1,000 records a second in",
        |fleet| limits::SHARD_RECORDS * fleet.readings_per_record as f64,
        "writes are rejected and sent again; more shards",
    );
    row(
        "1 MB a second in",
        |fleet| limits::SHARD_WRITE_BYTES / fleet.reading_bytes as f64,
        "the same",
    );
    row(
        "2 MB a second out, to Lambda and Firehose",
        |fleet| limits::SHARD_READ_BYTES / 2.0 / fleet.reading_bytes as f64,
        "readers fall behind; `DedicatedReads`",
    );
    row(
        "2 MB a second out, with one live map more",
        |fleet| limits::SHARD_READ_BYTES / 3.0 / fleet.reading_bytes as f64,
        "the same",
    );
    row(
        "256 KB of seen readings",
        |_| limits::remembered_unicorns(WINDOW_SECONDS as u64) as f64,
        "`EvictedReadings`: a repeated reading may count twice; more shards",
    );
    row(
        "6 MB an event",
        |fleet| {
            let records = limits::PAYLOAD_BYTES / fleet.event_record_bytes();
            records * fleet.readings_per_record as f64 / fleet.batching_window.max(1.0)
        },
        "Lambda invokes more often",
    );
    row(
        "900 KB of state",
        |_| limits::STATE_BYTES / limits::STATE_BYTES_A_UNICORN as f64,
        "the window's rows come in two parts; exact all the same",
    );
    row(
        "40,000 unicorns open at once",
        |_| limits::ACCUMULATORS as f64,
        "the same",
    );
    table.of_text()
}

/// The fourth table: what a fleet's size does not change.
pub fn whatever_the_fleet(fleet: &Workload) -> TextTable {
    let left = limits::SHARD_READS - limits::FIREHOSE_READS;
    let mut table = TextTable::new(["Limit", "At most", "What moves it"]);
    table.row([
        "live maps and consumers that poll once a second: 5 reads a second and shard, of which Lambda \
         and Firehose take one each"
            .to_owned(),
        (left - limits::LAMBDA_READS).to_string(),
        format!("`DedicatedReads`: {left}"),
    ]);
    table.row([
        "new visitors of the live map a second".to_owned(),
        limits::NEW_VISITORS.to_string(),
        "Cognito's quota".to_owned(),
    ]);
    table.row([
        "readings a second of one unicorn: one key writes to one shard".to_owned(),
        count(full_shard(fleet)),
        "more readings a record, up to 1 MB a second".to_owned(),
    ]);
    table.of_text()
}

/// All tables, as `scale` prints them and `docs/scale.md` holds them.
///
/// `sizes` are fleets, all sent in the same way; `fleet` is that way, and its size means nothing.
pub fn page(fleet: &Workload, sizes: &[u64]) -> String {
    let sized: Vec<Workload> = sizes
        .iter()
        .map(|unicorns| Workload {
            unicorns: *unicorns,
            ..*fleet
        })
        .collect();
    let tables = [
        ("Fleets", fleets(&sized)),
        ("What is met first, second, third", in_order(fleet)),
        ("What one shard holds", on_one_shard(fleet)),
        ("Whatever the fleet", whatever_the_fleet(fleet)),
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

    fn met_at(fleet: &Workload, name: &str) -> f64 {
        let limits = fleet_limits(fleet);
        let limit = limits.iter().find(|limit| limit.name.starts_with(name));
        limit.map_or(f64::NAN, |limit| limit.unicorns)
    }

    #[test]
    fn what_fills_first() {
        let plain = Workload::of(1);
        assert_eq!(met_at(&plain, "a new stream on demand"), 4_000.0);
        let packed = Workload {
            readings_per_record: 25,
            ..plain
        };
        // 4 MB a second of 200 bytes each.
        assert_eq!(met_at(&packed, "a new stream on demand"), 20_000.0);
        // 1 MB a second, 60 s, 400 bytes a row.
        assert_eq!(met_at(&plain, "`PROVISIONED`: the one summary"), 150_000.0);
    }

    #[test]
    fn a_thousand_invocations() {
        // n/500 shards of readings and n/25,000 of rows: 1,000 at 490,196.
        let unicorns = met_at(&Workload::of(1), "1,000 invocations");
        assert!((488_000.0..=490_500.0).contains(&unicorns), "{unicorns}");
        let fleet = |unicorns| Workload {
            unicorns,
            ..Workload::of(1)
        };
        assert!(concurrency(&fleet(unicorns as u64)) <= 1_000);
        assert!(concurrency(&fleet(unicorns as u64 + 1)) > 1_000);
    }

    #[test]
    fn limits_come_in_order() {
        let limits = fleet_limits(&Workload::of(1));
        assert!(limits.is_sorted_by_key(|limit| limit.unicorns as u64));
    }

    #[test]
    fn a_fleet_at_a_limit_has_not_passed_it() {
        assert_eq!(passed(&Workload::of(4_000)), "none");
        assert_eq!(passed(&Workload::of(4_001)), "2");
    }
}
