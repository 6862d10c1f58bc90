//! Times an aggregator invocation: decoding and folding compared with a peer and between packed and
//! plain records, and the window state.

use std::collections::HashMap;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use anyhow::{Context, ensure};
use aws_lambda_events::event::kinesis::KinesisEvent;
use clap::Parser;
use flate2::Compression;
use flate2::write::GzEncoder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::json;
use unicorn::sensor::Unicorn;
use windrow_core::fold::{Fold, StateLimits};
use windrow_core::sensor::Sensor;
use windrow_event::{
    Event, EventSource, RecordData, Timestamp, Window, WindowFields, encode, encoded_len,
};
use windrow_lambda::aggregator::intake::{Intake, RecordReader, RecordSource, WindowRule};
use windrow_lambda::aggregator::state::{self, WindowFold};
use windrow_record::kpl::{self, AggregateBuilder};

/// Times decoding and folding a full event, in turn with a peer and with the same readings packed in
/// several ways, and encoding and decoding window state
///
/// Prints one JSON object: medians, lowest and highest in nanoseconds, sizes in bytes.
#[derive(Debug, Parser)]
struct InvocationArgs {
    /// Number of rounds
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000))]
    rounds: u64,
}

/// The number of unicorns in the event.
const UNICORNS: usize = 1_000;

/// The number of unicorns in the window state.
const STATE_UNICORNS: usize = 10_000;

/// 2026-09-21 14:14:00 UTC, in milliseconds since the epoch.
const START: i64 = 1_790_000_040_000;
const WINDOW: Window = Window {
    start: START,
    end: START + 60_000,
};

/// The maximum payload of a synchronous invocation (Lambda quotas), less room for the envelope.
const EVENT_BYTES: usize = 6_291_556 - 1_000;

const SOURCE: EventSource<'static> = EventSource {
    stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
    region: "us-east-1",
    shard_id: "shardId-000000000000",
};

/// A reading of `name` in the producer's format.
fn line(random: &mut ChaCha8Rng, name: &str, second: usize) -> String {
    format!(
        "{{\"Name\":\"{name}\",\"StatusTime\":\"2026-09-21 14:14:{second:02}.{:03}\",\"Latitude\":42.{:015},\"Longitude\":-71.{:014},\"Distance\":29.{:05}1,\"MagicPoints\":{},\"HealthPoints\":{}}}\n",
        random.random_range(0..1_000),
        random.random_range(0..1_000_000_000_000_000_u64),
        random.random_range(0..100_000_000_000_000_u64),
        random.random_range(0..100_000),
        random.random_range(140..160),
        random.random_range(140..160),
    )
}

fn names(random: &mut ChaCha8Rng, count: usize) -> Vec<String> {
    let mut letter = || char::from(random.random_range(b'a'..=b'z'));
    (0..count)
        .map(|_| (0..16).map(|_| letter()).collect())
        .collect()
}

/// A sequence number of 56 digits, like those of Kinesis.
fn sequence_number(number: usize) -> String {
    format!("4959033827149025660855969253836157109592157598{number:010}")
}

/// The readings of an event of 6 MB with one reading per record: the partition key and the line of
/// each.
fn readings(random: &mut ChaCha8Rng) -> Vec<(String, String)> {
    let names = names(random, UNICORNS);
    let (mut readings, mut bytes) = (Vec::new(), 0);
    for (number, name) in names.iter().cycle().enumerate() {
        let line = line(random, name, number / UNICORNS);
        let sequence_number = sequence_number(number);
        let record = record(name, &sequence_number, line.as_bytes());
        bytes += encoded_len(&SOURCE, &record);
        if bytes > EVENT_BYTES {
            break;
        }
        readings.push((name.clone(), line));
    }
    readings
}

/// How the readings of an event are packed into records.
#[derive(Clone, Copy, Debug)]
enum EventPacking {
    /// One reading per record.
    Single,
    /// Lines, about 50 KB per record, which is the default of the KPL.
    Lines,
    /// Aggregated records of the same number of readings.
    Kpl,
    /// The lines, compressed.
    Gzip,
}

/// How many readings are packed into a record.
const READINGS_PER_RECORD: usize = 250;

impl EventPacking {
    const ALL: [Self; 4] = [Self::Single, Self::Lines, Self::Kpl, Self::Gzip];

    fn name(self) -> &'static str {
        match self {
            Self::Single => "ours",
            Self::Lines => "lines",
            Self::Kpl => "kpl",
            Self::Gzip => "gzip",
        }
    }

    /// An event of these readings.
    fn event(self, readings: &[(String, String)]) -> anyhow::Result<Vec<u8>> {
        let size = match self {
            Self::Single => 1,
            Self::Lines | Self::Kpl | Self::Gzip => READINGS_PER_RECORD,
        };
        let mut packed = Vec::new();
        for (number, readings) in readings.chunks(size).enumerate() {
            let (key, _) = readings.first().context("the chunk is empty")?;
            packed.push((key, sequence_number(number), self.record(readings)?));
        }
        let records: Vec<RecordData<'_>> = packed
            .iter()
            .map(|(key, sequence_number, data)| record(key, sequence_number, data))
            .collect();
        let fields = WindowFields {
            window: WINDOW,
            state: None,
            is_final: false,
            is_terminated_early: false,
        };
        Ok(encode(&SOURCE, &records, Some(&fields)))
    }

    fn record(self, readings: &[(String, String)]) -> anyhow::Result<Vec<u8>> {
        if let Self::Kpl = self {
            let mut aggregate = AggregateBuilder::default();
            for (key, line) in readings {
                aggregate.add(key, line.as_bytes());
            }
            return Ok(aggregate.finish());
        }
        let lines: String = readings.iter().map(|(_, line)| line.as_str()).collect();
        if let Self::Gzip = self {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(lines.as_bytes())?;
            return Ok(encoder.finish()?);
        }
        Ok(lines.into_bytes())
    }
}

fn record<'a>(name: &'a str, sequence_number: &'a str, data: &'a [u8]) -> RecordData<'a> {
    RecordData {
        partition_key: name,
        sequence_number,
        arrival: Timestamp::from_millis(START + 30_000),
        data,
    }
}

/// Decodes and folds like the aggregator. Returns the fold and its number of readings.
fn ours(event: &[u8], limits: StateLimits) -> anyhow::Result<(WindowFold<Unicorn>, u64)> {
    let event = Event::from_json(event)?;
    let window = event.window.context("the event has no window")?;
    let source = RecordSource {
        stream: event.stream().unwrap_or_default(),
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
        shard: event.shard().unwrap_or_default(),
        window_rule: WindowRule::Arrival(windrow_core::window::Window {
            start: window.start,
            end: window.end,
        }),
    };
    let mut fold: WindowFold<Unicorn> = Fold::new(limits);
    let mut intake = Intake::default();
    let mut reader = RecordReader::default();
    let data = event
        .records()
        .map(|record| record.data.unwrap_or_default());
    let digests = kpl::check_digests(data);
    for (record, is_digest_right) in event.records().zip(digests) {
        if let Some(open) = fold.begin_record(record.sequence_number)?.into_record() {
            intake.take(&Unicorn, source, &mut reader, is_digest_right, record, open);
        }
    }
    Ok((fold, intake.readings))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PeerReading<'a> {
    name: &'a str,
    distance: f64,
    magic_points: i32,
    health_points: i32,
}

struct PeerTotals {
    readings: u64,
    distance: f64,
    magic: (i32, i32),
    health: (i32, i32),
}

/// A straightforward implementation with common crates, without deduplication.
fn peer(event: &[u8]) -> anyhow::Result<(HashMap<String, PeerTotals>, u64)> {
    let event: KinesisEvent = serde_json::from_slice(event)?;
    let mut totals: HashMap<String, PeerTotals> = HashMap::new();
    let mut readings = 0;
    for record in &event.records {
        for line in record.kinesis.data.0.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            let reading: PeerReading<'_> = serde_json::from_slice(line)?;
            let PeerReading {
                magic_points: magic,
                health_points: health,
                ..
            } = reading;
            readings += 1;
            if let Some(totals) = totals.get_mut(reading.name) {
                totals.readings += 1;
                totals.distance += reading.distance;
                totals.magic = (totals.magic.0.min(magic), totals.magic.1.max(magic));
                totals.health = (totals.health.0.min(health), totals.health.1.max(health));
                continue;
            }
            let first = PeerTotals {
                readings: 1,
                distance: reading.distance,
                magic: (magic, magic),
                health: (health, health),
            };
            totals.insert(reading.name.to_owned(), first);
        }
    }
    Ok((totals, readings))
}

/// A window of unicorns with incompressible names, 60 readings each, without a dedup cache.
fn state_fold(random: &mut ChaCha8Rng) -> anyhow::Result<WindowFold<Unicorn>> {
    let limits = StateLimits {
        dedup: 0,
        ..StateLimits::default()
    };
    let mut fold: WindowFold<Unicorn> = Fold::new(limits);
    let window = windrow_core::window::Window {
        start: WINDOW.start,
        end: WINDOW.end,
    };
    let names = names(random, STATE_UNICORNS);
    for number in 0..STATE_UNICORNS * 60 {
        let name = &names[number % STATE_UNICORNS];
        let line = line(random, name, number / STATE_UNICORNS);
        let step = fold.begin_record(&sequence_number(number))?;
        let mut open = step.into_record().context("the record is new")?;
        for (_, reading) in unicorn::sensor::readings(line.as_bytes()) {
            let reading = reading?;
            let (identity, sample) = (Unicorn.identity(&reading), Unicorn.values(&reading));
            open.add(window, name.as_str(), identity, |totals| totals.add(sample));
        }
    }
    Ok(fold)
}

#[expect(clippy::disallowed_methods, reason = "it measures elapsed time")]
fn nanos<T>(step: impl FnOnce() -> T) -> (u64, T) {
    let start = Instant::now();
    let result = black_box(step());
    (start.elapsed().as_nanos() as u64, result)
}

/// Median, lowest and highest.
fn statistics(mut times: Vec<u64>) -> serde_json::Value {
    times.sort_unstable();
    json!([times.get(times.len() / 2), times.first(), times.last()])
}

/// Times an event of each packing and the peer's of single readings in turn, and checks that all
/// count the same readings.
fn time_events(
    rounds: u64,
    readings: &[(String, String)],
) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
    let mut cases = Vec::new();
    for packing in EventPacking::ALL {
        cases.push((packing, packing.event(readings)?, Vec::new()));
    }
    let single = EventPacking::Single.event(readings)?;
    let mut peer_times = Vec::new();
    // The first round warms up.
    for round in 0..=rounds {
        let (peer_time, peer_result) = nanos(|| peer(black_box(&single)));
        let (totals, peer_readings) = peer_result?;
        let counted: u64 = totals.values().map(|totals| totals.readings).sum();
        ensure!(peer_readings == readings.len() as u64 && counted == peer_readings);
        for (packing, event, times) in &mut cases {
            let (time, result) = nanos(|| ours(black_box(event), StateLimits::default()));
            let (fold, counted) = result?;
            ensure!(counted == peer_readings, "{packing:?}: {counted} readings");
            ensure!(fold.open() == totals.len());
            if round > 0 {
                times.push(time);
            }
        }
        if round > 0 {
            peer_times.push(peer_time);
        }
    }
    let mut report = serde_json::Map::new();
    report.insert("event_bytes".to_owned(), single.len().into());
    for (packing, event, times) in cases {
        let name = packing.name();
        report.insert(name.to_owned(), statistics(times));
        report.insert(format!("{name}_bytes"), event.len().into());
    }
    report.insert("peer".to_owned(), statistics(peer_times));
    Ok(report)
}

fn main() -> anyhow::Result<()> {
    let arguments = InvocationArgs::parse();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let readings = readings(&mut random);
    let mut report = time_events(arguments.rounds, &readings)?;

    let fold = state_fold(&mut random)?;
    let (mut encode_times, mut decode_times) = (Vec::new(), Vec::new());
    let encoded = state::write(&Unicorn, &fold)?;
    for round in 0..=arguments.rounds {
        let (encode_time, text) = nanos(|| state::write(&Unicorn, black_box(&fold)));
        text?;
        let limits = StateLimits {
            dedup: 0,
            ..StateLimits::default()
        };
        let (decode_time, decoded) = nanos(|| state::read(&Unicorn, black_box(&encoded), limits));
        ensure!(decoded?.open() == STATE_UNICORNS);
        if round > 0 {
            encode_times.push(encode_time);
            decode_times.push(decode_time);
        }
    }
    let state = [
        ("records", readings.len().into()),
        ("state_unicorns", STATE_UNICORNS.into()),
        ("state_bytes", encoded.get().len().into()),
        ("encode", statistics(encode_times)),
        ("decode", statistics(decode_times)),
    ];
    report.extend(state.map(|(name, value)| (name.to_owned(), value)));
    println!("{}", serde_json::Value::Object(report));
    Ok(())
}
