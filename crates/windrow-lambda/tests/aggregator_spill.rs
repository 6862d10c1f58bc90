//! A shard with 60,000 unicorns, whose window needs several times the state that Lambda can carry.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::value::RawValue;
use tokio::time::Instant;
use unicorn::merge::merge;
use unicorn::row::rows;
use unicorn::sensor::Unicorn;
use windrow_core::row::Row;
use windrow_core::time::Timestamp;
use windrow_event::{Event, EventSource, RecordData, Window, WindowFields, encode};
use windrow_lambda::aggregator::Aggregator;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_write::{Collected, KinesisRecord};

const UNICORNS: u64 = 60_000;
const LINES_PER_RECORD: usize = 20;
const RECORDS_PER_BATCH: usize = 500;
const WINDOW: Window = Window {
    start: 1_790_000_040_000,
    end: 1_790_000_100_000,
};

struct TestShard {
    function: Aggregator<Unicorn, &'static Collected<KinesisRecord>, &'static Collected<Bytes>>,
    /// The lines of each record. A record's sequence number is its index plus 100.
    log: Vec<String>,
}

impl TestShard {
    /// Invokes the function with the records `from..to` and returns the new state.
    async fn invoke(
        &self,
        from: usize,
        to: usize,
        state: Option<&RawValue>,
        is_final: bool,
    ) -> Option<Box<RawValue>> {
        let numbers: Vec<String> = (from..to).map(|index| (index + 100).to_string()).collect();
        let records: Vec<RecordData<'_>> = self.log[from..to]
            .iter()
            .zip(&numbers)
            .map(|(data, sequence_number)| RecordData {
                partition_key: "key",
                sequence_number,
                arrival: Timestamp::from_millis(WINDOW.start + 5_000),
                data: data.as_bytes(),
            })
            .collect();
        let source = EventSource {
            stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
            region: "us-east-1",
            shard_id: "shardId-000000000000",
        };
        let fields = WindowFields {
            window: WINDOW,
            state,
            is_final,
            is_terminated_early: false,
        };
        let event = Event::from_json(&encode(&source, &records, Some(&fields))).unwrap();
        let deadline = Instant::now() + Duration::from_secs(3600);
        self.function.handle(&event, deadline).await.unwrap().state
    }
}

/// The shard's log and each unicorn's expected readings and distance.
///
/// Every unicorn has one reading and some have two. A few readings are duplicated while still in
/// the dedup cache.
fn log(random: &mut ChaCha8Rng) -> (Vec<String>, BTreeMap<String, (u64, u64)>) {
    let mut totals = BTreeMap::new();
    let mut lines = Vec::new();
    for (second, unicorns) in [(1, UNICORNS), (2, UNICORNS / 4)] {
        for unicorn in 0..unicorns {
            // Long names that do not compress: about 50 bytes of state each.
            let word = |n: u64| {
                (unicorn + n)
                    .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                    .rotate_left(17)
            };
            let word = |n: u64| word(n << 20).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            let name = format!("{:016x}{:016x}{:016x}", word(1), word(2), word(3));
            let metres = random.random_range(0..40_u64);
            let time = Timestamp::from_millis(WINDOW.start + 1000 * second);
            lines.push(format!(
                r#"{{"Name":"{name}","StatusTime":"{time}","Distance":{metres},"MagicPoints":120,"HealthPoints":130}}"#
            ));
            let total: &mut (u64, u64) = totals.entry(name).or_default();
            *total = (total.0 + 1, total.1 + metres);
            if random.random_bool(0.01) {
                let back = random.random_range(1..=lines.len().min(1_000));
                lines.push(lines[lines.len() - back].clone());
            }
        }
    }
    let log = lines.chunks(LINES_PER_RECORD).map(|lines| lines.join("\n"));
    (log.collect(), totals)
}

#[tokio::test]
async fn totals_of_sixty_thousand_unicorns_are_exact_despite_failures() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let (log, totals) = log(&mut random);
    let emitted: &'static Collected<KinesisRecord> = Box::leak(Box::default());
    let rejects: &'static Collected<Bytes> = Box::leak(Box::default());
    let sink = Box::new(|_: &windrow_lambda::metrics::Metrics| ());
    let shard = TestShard {
        function: Aggregator::new(Unicorn, emitted, rejects, WindowTime::Arrival, sink),
        log,
    };

    let mut state: Option<Box<RawValue>> = None;
    let mut from = 0;
    let mut restarts = 0;
    let mut longest = 0;
    while from < shard.log.len() {
        // A full batch, or part of one that Lambda split.
        let whole = RECORDS_PER_BATCH.min(shard.log.len() - from);
        let count = if random.random_bool(0.3) {
            random.random_range(1..=whole)
        } else {
            whole
        };
        let is_final = from + count == shard.log.len();
        if random.random_bool(0.3) {
            // An attempt whose response is lost: its rows were sent, but its state is gone.
            let cut = random.random_range(1..=count);
            shard
                .invoke(from, from + cut, state.as_deref(), is_final)
                .await;
        }
        if restarts < 2 && from > [700, 2_500][restarts] {
            // The state is lost, and the window is replayed from its start.
            (state, from, restarts) = (None, 0, restarts + 1);
            continue;
        }
        state = shard
            .invoke(from, from + count, state.as_deref(), is_final)
            .await;
        longest = longest.max(state.as_ref().map_or(0, |state| state.get().len()));
        from += count;
    }

    assert!(longest < 1_000_000, "{longest}");
    let sent = emitted.take();
    let rows: Vec<Row> = sent
        .iter()
        .flat_map(|record| rows(&record.data).map(|(_, row)| row.unwrap()))
        .collect();
    let source_ranges: std::collections::BTreeSet<_> =
        rows.iter().map(|row| row.source.clone()).collect();
    // Each source range except the last holds about 850 KB of state.
    assert!(
        source_ranges.len() >= 4,
        "{} source ranges",
        source_ranges.len()
    );
    assert_eq!(restarts, 2);
    assert!(rows.iter().any(|row| row.source.dedup_from.is_some()));
    let found: BTreeMap<String, (u64, u64)> = merge(rows)
        .into_iter()
        .map(|row| {
            let metres = row.measures.distance.micrometres() / 1_000_000;
            (row.name, (row.readings, u64::try_from(metres).unwrap()))
        })
        .collect();
    assert_eq!(found.len(), totals.len());
    let wrong = totals
        .iter()
        .filter(|(name, total)| found.get(*name) != Some(total));
    assert_eq!(wrong.count(), 0);
}
