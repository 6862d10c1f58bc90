//! The aggregator on Lambda's JSON, with in-memory destinations in place of the services.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::value::RawValue;
use tokio::time::Instant;
use unicorn::merge::merge;
use unicorn::row::{rows, schema};
use unicorn::sensor::Unicorn;
use unicorn::totals::Measures;
use windrow_core::fold::StateLimits;
use windrow_core::row::Row;
use windrow_core::row::ShardWatermark;
use windrow_event::{
    Event, EventSource, RecordData, Response, Timestamp, Window, WindowFields, encode,
};
use windrow_lambda::aggregator::Aggregator;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_lambda::metrics::Metrics;
use windrow_write::{Collected, KinesisRecord};

const START: i64 = 1_790_000_040_000;
const WINDOW: Window = Window {
    start: START,
    end: START + 60_000,
};
const SOURCE: EventSource<'_> = EventSource {
    stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
    region: "us-east-1",
    shard_id: "shardId-000000000000",
};

type SentRecords = (Vec<Row>, Vec<serde_json::Value>);

struct Harness {
    function: Aggregator<Unicorn, &'static Collected<KinesisRecord>, &'static Collected<Bytes>>,
    summaries: &'static Collected<KinesisRecord>,
    rejects: &'static Collected<Bytes>,
    metrics: &'static Mutex<Vec<Metrics>>,
}

impl Harness {
    fn new(window_time: WindowTime, limits: StateLimits) -> Self {
        let summaries: &'static Collected<KinesisRecord> = Box::leak(Box::default());
        let rejects: &'static Collected<Bytes> = Box::leak(Box::default());
        let metrics: &'static Mutex<Vec<Metrics>> = Box::leak(Box::default());
        let sink = Box::new(|reported: &Metrics| metrics.lock().unwrap().push(reported.clone()));
        Self {
            function: Aggregator::new(Unicorn, summaries, rejects, window_time, sink)
                .with_limits(limits),
            summaries,
            rejects,
            metrics,
        }
    }

    async fn invoke(
        &self,
        records: &[(u64, &str)],
        state: Option<&RawValue>,
        is_final: bool,
    ) -> Response {
        let event = event(records, state, is_final, false);
        let deadline = Instant::now() + Duration::from_secs(3600);
        self.function.handle(&event, deadline).await.unwrap()
    }

    fn sent(&self) -> SentRecords {
        let records = self.summaries.take();
        let rows = records
            .iter()
            .flat_map(|record| rows(&record.data).map(|(_, row)| row.unwrap()))
            .collect();
        let rejects = self.rejects.take();
        let rejects = rejects
            .iter()
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        (rows, rejects)
    }

    fn last(&self, metric: &str) -> u64 {
        let metrics = self.metrics.lock().unwrap();
        metrics.last().unwrap().value(metric).unwrap()
    }
}

fn event(
    records: &[(u64, &str)],
    state: Option<&RawValue>,
    is_final: bool,
    is_terminated_early: bool,
) -> Event {
    let numbers: Vec<String> = records
        .iter()
        .map(|(number, _)| number.to_string())
        .collect();
    let records: Vec<RecordData<'_>> = records
        .iter()
        .zip(&numbers)
        .map(|((_, data), sequence_number)| RecordData {
            partition_key: "Shadowfax",
            sequence_number,
            arrival: Timestamp::from_millis(START + 5_000),
            data: data.as_bytes(),
        })
        .collect();
    let fields = WindowFields {
        window: WINDOW,
        state,
        is_final,
        is_terminated_early,
    };
    Event::from_json(&encode(&SOURCE, &records, Some(&fields))).unwrap()
}

fn reading(name: &str, second: i64, metres: &str, points: i32) -> String {
    let time = Timestamp::from_millis(START + second * 1000);
    format!(
        r#"{{"Name":"{name}","StatusTime":"{time}","Distance":{metres},"MagicPoints":{points},"HealthPoints":{points}}}"#
    )
}

#[tokio::test]
async fn window_of_three_invocations_emits_one_row_per_unicorn() {
    let harness = Harness::new(WindowTime::Arrival, StateLimits::default());
    let first = [
        (1, reading("Shadowfax", 1, "29.5", 150)),
        (2, reading("Franky", 1, "30", 149)),
    ];
    let second = [
        (5, reading("Shadowfax", 2, "30.25", 151)),
        (9, reading("Shadowfax", 3, "0", 148)),
    ];
    let borrow = |records: &'_ [(u64, String); 2]| -> Vec<(u64, String)> { records.to_vec() };
    let (first, second) = (borrow(&first), borrow(&second));
    let first: Vec<(u64, &str)> = first.iter().map(|(n, d)| (*n, d.as_str())).collect();
    let second: Vec<(u64, &str)> = second.iter().map(|(n, d)| (*n, d.as_str())).collect();

    let response = harness.invoke(&first, None, false).await;
    assert_eq!(harness.sent(), (vec![], vec![]));
    assert!(response.batch_item_failures.is_empty());
    let response = harness
        .invoke(&second, response.state.as_deref(), false)
        .await;
    assert_eq!(harness.last("OpenKeys"), 2);
    let response = harness.invoke(&[], response.state.as_deref(), true).await;
    assert_eq!(response.state.unwrap().get(), "{}");

    let (rows, rejects) = harness.sent();
    assert!(rejects.is_empty());
    let lines: Vec<String> = rows
        .iter()
        .map(|row| String::from_utf8(row.to_line(schema())).unwrap())
        .collect();
    let source = r#""Source":{"Stream":"arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes","Shard":"shardId-000000000000","From":"1","To":"9""#;
    assert_eq!(
        lines,
        [
            format!(
                "{{\"Name\":\"Franky\",\"StatusTime\":\"2026-09-21 14:14:00.000\",\"Distance\":30,\"MinMagicPoints\":149,\"MaxMagicPoints\":149,\"MinHealthPoints\":149,\"MaxHealthPoints\":149,{source},\"Readings\":1,\"WindowSeconds\":60}}}}\n"
            ),
            format!(
                "{{\"Name\":\"Shadowfax\",\"StatusTime\":\"2026-09-21 14:14:00.000\",\"Distance\":59.75,\"MinMagicPoints\":148,\"MaxMagicPoints\":151,\"MinHealthPoints\":148,\"MaxHealthPoints\":151,{source},\"Readings\":3,\"WindowSeconds\":60}}}}\n"
            ),
        ]
    );
}

#[tokio::test]
async fn final_invocation_folds_its_records_first() {
    let harness = Harness::new(WindowTime::Arrival, StateLimits::default());
    harness
        .invoke(&[(1, &reading("Franky", 1, "30", 1))], None, true)
        .await;
    assert_eq!(harness.sent().0[0].readings, 1);
    assert_eq!(harness.last("EarlyEnds"), 0);
}

#[tokio::test]
async fn window_terminated_early_emits_its_rows() {
    let harness = Harness::new(WindowTime::Arrival, StateLimits::default());
    let event = event(&[(1, &reading("Franky", 1, "30", 1))], None, false, true);
    let deadline = Instant::now() + Duration::from_secs(3600);
    let response = harness.function.handle(&event, deadline).await.unwrap();
    assert_eq!(response.state.unwrap().get(), "{}");
    assert_eq!(harness.sent().0.len(), 1);
    assert_eq!(harness.last("EarlyEnds"), 1);
}

#[tokio::test]
async fn the_watermark_of_a_window_that_has_ended_is_the_last_record() {
    let records = [(1, reading("Shadowfax", 1, "29.5", 150))];
    let records: Vec<(u64, &str)> = records
        .iter()
        .map(|(n, line)| (*n, line.as_str()))
        .collect();
    let watermarks = async |window_time, is_final, is_terminated_early| {
        let harness = Harness::new(window_time, StateLimits::default());
        let event = event(&records, None, is_final, is_terminated_early);
        let deadline = Instant::now() + Duration::from_secs(3600);
        harness.function.handle(&event, deadline).await.unwrap();
        let sent = harness.summaries.take();
        let watermarks = sent
            .iter()
            .map(|record| ShardWatermark::parse(&record.data));
        watermarks.collect::<Vec<_>>()
    };
    let watermark = ShardWatermark {
        stream: SOURCE.stream_arn.to_owned(),
        shard: SOURCE.shard_id.to_owned(),
        through: Timestamp::from_millis(WINDOW.end),
    };
    let arrival = WindowTime::Arrival;
    assert_eq!(
        watermarks(arrival, true, false).await,
        [None, Some(watermark)]
    );
    // The window goes on.
    assert_eq!(watermarks(arrival, false, false).await, []);
    assert_eq!(watermarks(arrival, false, true).await, [None]);
    assert_eq!(watermarks(arrival, true, true).await, [None]);
    // Readings of the window may follow at any time.
    assert_eq!(watermarks(WindowTime::Event, true, false).await, [None]);
}

#[tokio::test]
async fn redelivered_records_and_duplicate_readings_count_once() {
    let harness = Harness::new(WindowTime::Arrival, StateLimits::default());
    let (a, b) = (reading("Franky", 1, "30", 1), reading("Franky", 2, "5", 2));
    let response = harness.invoke(&[(1, &a), (2, &b)], None, false).await;
    // Record 2 is redelivered, and a producer that got no response retried its reading as record 3.
    harness
        .invoke(&[(2, &b), (3, &b)], response.state.as_deref(), true)
        .await;
    assert_eq!(
        (
            harness.last("RedeliveredRecords"),
            harness.last("Duplicates"),
            harness.last("Readings")
        ),
        (1, 1, 0)
    );
    let (rows, _) = harness.sent();
    assert_eq!(
        (
            rows[0].readings,
            Measures::of_row(&rows[0]).unwrap().distance.to_string()
        ),
        (2, "35".to_owned())
    );
}

#[tokio::test]
async fn rejected_reading_does_not_affect_its_neighbors() {
    let harness = Harness::new(WindowTime::Arrival, StateLimits::default());
    let good = reading("Franky", 1, "30", 1);
    let bad = reading("Franky", 1, "-1", 1);
    harness
        .invoke(&[(7, &format!("{good}\n{bad}\n")), (8, "")], None, true)
        .await;
    let (rows, rejects) = harness.sent();
    assert_eq!((rows.len(), rows[0].readings), (1, 1));
    assert_eq!(harness.last("RejectedReadings"), 2);
    assert_eq!(
        rejects[0]["Reason"],
        "Distance is `-1`, which is below zero"
    );
    assert_eq!(rejects[0]["Payload"], bad.as_str());
    assert_eq!(rejects[0]["SequenceNumber"], "7");
    assert_eq!(rejects[0]["Shard"], "shardId-000000000000");
    assert_eq!(rejects[0]["PartitionKey"], "Shadowfax");
    assert_eq!(rejects[1]["Reason"], "the record is empty");
}

#[tokio::test]
async fn record_of_broken_lines_makes_few_rejects_and_loses_no_line() {
    let harness = Harness::new(WindowTime::Arrival, StateLimits::default());
    let bad: Vec<String> = (0..100_000).map(|number| format!("{{x {number}")).collect();
    let good = reading("Franky", 1, "30", 1);
    let record = format!("{}\n{good}", bad.join("\n"));
    harness.invoke(&[(7, &record)], None, true).await;
    let (rows, rejects) = harness.sent();
    assert_eq!((rows.len(), harness.last("RejectedReadings")), (1, 100_000));
    assert!(rejects.len() < 120, "{}", rejects.len());
    let payloads: Vec<&str> = rejects
        .iter()
        .map(|reject| reject["Payload"].as_str().unwrap())
        .collect();
    let (single, combined) = payloads.split_at(100);
    assert_eq!(
        format!("{}\n{}", single.join("\n"), combined.concat()).trim_end(),
        bad.join("\n")
    );
    assert_eq!(
        rejects[100]["Reason"],
        "99900 more parts of the record cannot be read"
    );
}

#[tokio::test]
async fn event_time_windows_follow_status_time_and_reject_the_far_future() {
    let harness = Harness::new(WindowTime::Event, StateLimits::default());
    let late = reading("Franky", -30, "1", 1);
    let on_time = reading("Franky", 1, "2", 1);
    let ahead = reading("Franky", 306, "4", 1);
    harness
        .invoke(&[(1, &late), (2, &on_time), (3, &ahead)], None, true)
        .await;
    let (rows, rejects) = harness.sent();
    let starts: Vec<(i64, u64)> = rows
        .iter()
        .map(|row| (row.window_start.millis() - START, row.readings))
        .collect();
    assert_eq!(starts, [(-60_000, 1), (0, 1)]);
    assert_eq!(rejects.len(), 1);
    assert!(
        rejects[0]["Reason"]
            .as_str()
            .unwrap()
            .ends_with("is more than 5 minutes ahead of its arrival")
    );
    assert_eq!(rejects[0]["Payload"], ahead.as_str());
}

#[tokio::test]
async fn oversized_state_spills_and_its_rows_merge_to_the_totals() {
    let limits = StateLimits {
        state: 20_000,
        dedup: 6_000,
        ..StateLimits::default()
    };
    let harness = Harness::new(WindowTime::Arrival, limits);
    let names: Vec<String> = (0..6_000_u64)
        .map(|n| format!("{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        .collect();
    let mut state: Option<Box<RawValue>> = None;
    for (batch, names) in names.chunks(500).enumerate() {
        let records: Vec<(u64, String)> = names
            .chunks(50)
            .zip(1..)
            .map(|(names, n)| {
                let lines: Vec<String> = names
                    .iter()
                    .map(|name| reading(name, 1, "1.5", 1))
                    .collect();
                (batch as u64 * 100 + n, lines.join("\n"))
            })
            .collect();
        let records: Vec<(u64, &str)> = records.iter().map(|(n, d)| (*n, d.as_str())).collect();
        let response = harness.invoke(&records, state.as_deref(), false).await;
        assert!(response.state.as_deref().unwrap().get().len() <= limits.state);
        state = response.state;
    }
    harness.invoke(&[], state.as_deref(), true).await;
    let (rows, _) = harness.sent();
    let source_ranges: std::collections::BTreeSet<_> =
        rows.iter().map(|row| row.source.range.clone()).collect();
    assert!(source_ranges.len() > 2, "{}", source_ranges.len());
    let merged = merge(rows);
    assert_eq!(merged.len(), names.len());
    assert!(merged.iter().all(|row| row.readings == 1));
}

#[tokio::test]
async fn invalid_event_is_an_error() {
    let harness = Harness::new(WindowTime::Arrival, StateLimits::default());
    let deadline = Instant::now() + Duration::from_secs(3600);
    let error = |json: &str| {
        let event = Event::from_json(json.as_bytes()).unwrap();
        let function = &harness.function;
        async move {
            function
                .handle(&event, deadline)
                .await
                .unwrap_err()
                .to_string()
        }
    };
    assert_eq!(
        error(r#"{"Records":[]}"#).await,
        "the event has no window: set TumblingWindowInSeconds on the event source mapping"
    );
    let window =
        r#""Records":[],"window":{"start":"2026-11-20T09:17:00Z","end":"2026-11-20T09:18:00Z"}"#;
    assert_eq!(
        error(&format!("{{{window}}}")).await,
        "the event names neither its stream nor its shard"
    );
    let source =
        r#""shardId":"shardId-0","eventSourceARN":"arn:aws:kinesis:us-east-1:0:stream/wildrydes""#;
    assert_eq!(
        error(&format!(
            r#"{{{window},{source},"state":{{"version":7,"data":""}}}}"#
        ))
        .await,
        "the window's state has version 7, and this release reads 1 at most: deploy the \
         release that wrote it, or a later one"
    );
    assert_eq!(
        error(&format!(
            r#"{{{window},{source},"state":{{"version":1,"schema":"{}","data":"AAAA"}}}}"#,
            schema().fingerprint()
        ))
        .await,
        "the window's state cannot be read"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However a window is split into invocations, and whatever is redelivered, the merged rows are
    /// the fold of the distinct readings.
    #[test]
    fn any_split_and_redelivery_gives_the_same_totals(
        readings in proptest::collection::vec((0..3_usize, 0..20_i64, 0..1000_u32), 1..60),
        batches in proptest::collection::vec(1..9_usize, 1..30),
        redelivered in 0..4_usize,
    ) {
        let names = ["Shadowfax", "Franky", "🦄"];
        let lines: Vec<String> = readings.iter().map(|(name, second, metres)| reading(names[*name], *second, &metres.to_string(), *metres as i32)).collect();
        let records: Vec<(u64, &str)> = (1..).zip(lines.iter().map(String::as_str)).collect();
        let mut expected: BTreeMap<&str, BTreeMap<i64, u32>> = BTreeMap::new();
        for (name, second, metres) in &readings {
            expected.entry(names[*name]).or_default().entry(*second).or_insert(*metres);
        }

        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let harness = Harness::new(WindowTime::Arrival, StateLimits::default());
        runtime.block_on(async {
            let (mut at, mut state) = (0, None::<Box<RawValue>>);
            for batch in batches {
                let end = (at + batch).min(records.len());
                let start = at.saturating_sub(redelivered);
                state = harness.invoke(&records[start..end], state.as_deref(), false).await.state;
                at = end;
            }
            harness.invoke(&records[at..], state.as_deref(), true).await;
        });
        let merged = merge(harness.sent().0);
        prop_assert_eq!(merged.len(), expected.len());
        for row in merged {
            let readings = &expected[row.name.as_str()];
            prop_assert_eq!(row.readings, readings.len() as u64);
            let metres: u32 = readings.values().sum();
            prop_assert_eq!(row.measures.distance.to_string(), metres.to_string());
            prop_assert_eq!(row.measures.max_magic_points, *readings.values().max().unwrap() as i32);
            prop_assert_eq!(row.measures.min_health_points, *readings.values().min().unwrap() as i32);
        }
    }

    /// Parts of the log are delivered in any order, with holes between them, and then the whole
    /// log: Lambda may process records more than once, and then out of order.
    #[test]
    fn deliveries_out_of_order_lose_nothing(
        count in 1..20_usize,
        runs in proptest::collection::vec((0..20_usize, 1..6_usize), 0..8),
    ) {
        let lines: Vec<String> = (0..count).map(|second| reading("Franky", second as i64, "1", 1)).collect();
        let records: Vec<(u64, &str)> = (1..).zip(lines.iter().map(String::as_str)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let harness = Harness::new(WindowTime::Arrival, StateLimits::default());
        runtime.block_on(async {
            let mut state = None::<Box<RawValue>>;
            for (first, length) in runs {
                let run = first.min(count)..(first + length).min(count);
                state = harness.invoke(&records[run], state.as_deref(), false).await.state;
            }
            harness.invoke(&records, state.as_deref(), true).await;
        });
        let merged = merge(harness.sent().0);
        prop_assert_eq!(merged.len(), 1);
        prop_assert_eq!(merged[0].readings, count as u64);
        prop_assert_eq!(merged[0].measures.distance.to_string(), count.to_string());
    }
}
