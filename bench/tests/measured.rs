//! Checks the sizes behind the tables against the project's own code.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use bench::{costs, limits, workload};
use unicorn::distance::Distance;
use unicorn::row::schema;
use unicorn::sensor::Unicorn;
use unicorn::sensor::readings;
use unicorn::totals::{Measures, Totals};
use windrow_core::fold::{Fold, StateLimits};
use windrow_core::row::{Row, SourceRange};
use windrow_core::sensor::Sensor;
use windrow_core::sequence::SequenceRange;
use windrow_core::time::Timestamp;
use windrow_core::value::Value;
use windrow_event::{EventSource, RecordData, Window, WindowFields, encode};
use windrow_lambda::metrics::{Metrics, Unit};

/// The start of a sequence number in Lambda's documentation; a counter follows it.
const SEQUENCE: &str = "495903382714902566085596925383615710959215759891365";
const START: i64 = 1_790_000_040_000;

fn assert_near(name: &str, constant: u64, measured: u64) {
    let difference = constant.abs_diff(measured);
    assert!(
        difference * 10 <= measured,
        "{name} is {constant} in the tables but measures {measured}; change it and update the pages"
    );
}

/// A deterministic hash of `number`.
fn noise(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

fn line(unicorn: u64, second: u64) -> String {
    let noise = noise(unicorn * 1_000 + second);
    format!(
        "{{\"Name\":\"Unicorn{unicorn:05}\",\"StatusTime\":\"2026-09-21 14:14:{second:02}.{:03}\",\"Latitude\":42.26{:013},\"Longitude\":-71.97{:013},\"Distance\":29.{:06},\"MagicPoints\":{},\"HealthPoints\":{}}}\n",
        noise % 1_000,
        noise % 10_000_000_000_000,
        noise / 7 % 10_000_000_000_000,
        noise % 1_000_000,
        140 + noise % 20,
        150 + noise % 20,
    )
}

/// Folds a shard's window. Returns the bytes of its state just before the end, and the number of
/// evicted readings.
fn fold_window(unicorns: u64) -> (u64, u64) {
    let mut fold: Fold<String, Totals> = Fold::new(StateLimits::default());
    let window = windrow_core::window::Window {
        start: START,
        end: START + 60_000,
    };
    for second in 0..60 {
        for unicorn in 0..unicorns {
            let sequence_number = format!("{SEQUENCE}{:05}", second * unicorns + unicorn);
            let step = fold.begin_record(&sequence_number).unwrap();
            let mut open = step.into_record().unwrap();
            let text = line(unicorn, second);
            for (_, reading) in readings(text.as_bytes()) {
                let reading = reading.unwrap();
                let (identity, sample) = (Unicorn.identity(&reading), Unicorn.values(&reading));
                let add = |totals: &mut Totals| totals.add(sample);
                assert!(open.add(window, reading.name.as_ref(), identity, add));
            }
        }
    }
    let evicted = fold.evicted();
    (fold.encode().len() as u64, evicted)
}

#[test]
fn state_of_a_full_shard() {
    let (bytes, evicted) = fold_window(1_000);
    assert_near(
        "STATE_BYTES_PER_UNICORN",
        limits::STATE_BYTES_PER_UNICORN,
        bytes / 1_000,
    );
    assert_eq!(
        evicted, 0,
        "the window of a full shard fits the dedup cache"
    );
}

#[test]
fn an_overfull_shard_evicts() {
    let (_, evicted) = fold_window(limits::deduplicated_unicorns(60) * 11 / 10);
    assert!(evicted > 0);
}

#[test]
fn row_bytes() {
    let sequence_number = format!("{SEQUENCE}88898");
    let measures = Measures {
        distance: Distance::from_micrometres(1_801_785_806),
        min_magic_points: 153,
        max_magic_points: 159,
        min_health_points: 146,
        max_health_points: 156,
    };
    let row = Row {
        key: vec![Value::Text("Unicorn00001".to_owned())],
        window_start: Timestamp::from_millis(START),
        window_seconds: 60,
        readings: 60,
        duplicates: 0,
        measures: measures.to_row(),
        source: Arc::new(SourceRange {
            stream: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes".to_owned(),
            shard: "shardId-000000000000".to_owned(),
            range: SequenceRange::new(
                sequence_number.parse().unwrap(),
                sequence_number.parse().unwrap(),
            )
            .unwrap(),
            dedup_from: None,
        }),
    };
    assert_near(
        "ROW_BYTES",
        workload::ROW_BYTES,
        row.to_line(schema()).len() as u64,
    );
}

#[test]
fn event_record_bytes() {
    let data = line(1, 1);
    let length = data.len() as u64;
    let number = format!("{SEQUENCE}88898");
    let record = RecordData {
        partition_key: "Unicorn00001",
        sequence_number: &number,
        arrival: Timestamp::from_millis(START),
        data: data.as_bytes(),
    };
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
        region: "us-east-1",
        shard_id: "shardId-000000000000",
    };
    let fields = WindowFields {
        window: Window {
            start: START,
            end: START + 60_000,
        },
        state: None,
        is_final: false,
        is_terminated_early: false,
    };
    let hundred = encode(&source, &vec![record; 100], Some(&fields)).len();
    let one = encode(&source, &[record], Some(&fields)).len();
    let record_bytes = ((hundred - one) / 99) as u64;
    assert_near(
        "EVENT_RECORD_BYTES",
        workload::EVENT_RECORD_BYTES,
        record_bytes - length.div_ceil(3) * 4,
    );
}

const AGGREGATOR: &str = include_str!("../../crates/windrow-lambda/src/aggregator/handler.rs");
const PROCESSOR: &str = include_str!("../../crates/windrow-lambda/src/processor/handler.rs");
const TEMPLATE: &str = include_str!("../../template.yaml");

/// The names of the metrics in a handler's source.
fn metrics(source: &'static str) -> Vec<&'static str> {
    let before = source
        .split("\", Unit::")
        .map(|text| text.rsplit('"').next());
    let mut names: Vec<&str> = before.flatten().collect();
    names.pop();
    names
}

#[test]
fn metrics_and_alarms_are_counted() {
    let mut aggregator = metrics(AGGREGATOR);
    // Unicorns have no filter.
    aggregator.retain(|name| *name != "FilteredReadings");
    // One metric is the sensor's: the rows with low vitals.
    let processor = metrics(PROCESSOR).len() + 1;
    let emitted = [aggregator.len(), processor].map(|metrics| metrics as u32);
    assert_eq!(costs::FUNCTION_METRICS, emitted);
    let alarm = "Type: AWS::CloudWatch::Alarm\n";
    // The finisher, which has alarms of its own, is off by default.
    let of_finisher = format!("{alarm}    Condition: FinishedRows\n");
    let alarms = TEMPLATE.matches(alarm).count() - TEMPLATE.matches(&of_finisher).count();
    assert_eq!(costs::ALARMS as usize, alarms);
}

#[test]
fn metrics_line_bytes() {
    let values = metrics(AGGREGATOR).into_iter();
    let values = values.map(|name| (name, Unit::Count, 1_000)).collect();
    let line = Metrics::new(values).to_line("wildrydes-aggregator", START as u64);
    assert_near(
        "METRICS_LINE_BYTES",
        workload::METRICS_LINE_BYTES,
        line.len() as u64,
    );
}
