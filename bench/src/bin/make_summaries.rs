//! Makes Lambda events of rows, as the processor receives them from the summary stream.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use unicorn::distance::Distance;
use unicorn::row::schema;
use unicorn::totals::Measures;
use windrow_core::row::{Row, SourceRange};
use windrow_core::sequence::SequenceRange;
use windrow_core::time::Timestamp;
use windrow_core::value::Value;
use windrow_event::{EventSource, RecordData, encode, encoded_len};
use windrow_lambda::aggregator::pack::RowPacker;

/// Writes Lambda events of rows, packed as by the aggregator: event-0.json, event-1.json ...
#[derive(Debug, Parser)]
struct MakeSummariesArgs {
    /// Number of rows
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rows: u64,

    /// Directory for the events
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

/// 2026-11-20 09:17:00 UTC, in milliseconds since the epoch.
const START: i64 = 1_795_166_220_000;

/// The maximum payload of a synchronous invocation (Lambda quotas), less room for the envelope.
const EVENT_BYTES: usize = 6_291_556 - 1_000;

const SOURCE: EventSource<'static> = EventSource {
    stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes-summary",
    region: "us-east-1",
    shard_id: "shardId-000000000000",
};

fn row(number: u64, source: &Arc<SourceRange>) -> Row {
    let points = 140 + (number % 10) as i32;
    let measures = Measures {
        distance: Distance::from_micrometres(1_800_000_000 + i128::from(number * 7_919)),
        min_magic_points: points,
        max_magic_points: points + 8,
        min_health_points: points - 3,
        max_health_points: points + 6,
    };
    Row {
        key: vec![Value::Text(format!("Shadowfax-{number}"))],
        window_start: Timestamp::from_millis(START),
        window_seconds: 60,
        readings: 60,
        duplicates: 0,
        measures: measures.to_row(),
        source: Arc::clone(source),
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = MakeSummariesArgs::parse();
    fs::create_dir_all(&arguments.output)?;
    let from = "49590338271490256608559692538361571095921575989136588898".parse()?;
    let to = "49590338271490256608559692538361571095921575989136648897".parse()?;
    let source = Arc::new(SourceRange {
        stream: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes".to_owned(),
        shard: "shardId-000000000000".to_owned(),
        range: SequenceRange::new(from, to).context("the range is reversed")?,
        dedup_from: None,
    });
    let mut packer = RowPacker::new(schema());
    for number in 0..arguments.rows {
        packer.push(&row(number, &source));
    }
    let packed = packer.take();
    let numbers: Vec<String> = (1..=packed.len())
        .map(|number| number.to_string())
        .collect();

    let mut events: Vec<Vec<RecordData<'_>>> = vec![Vec::new()];
    let mut bytes = 0;
    for (record, sequence_number) in packed.iter().zip(&numbers) {
        let record = RecordData {
            partition_key: &record.partition_key,
            sequence_number,
            arrival: Timestamp::from_millis(START + 61_000),
            data: &record.data,
        };
        let length = encoded_len(&SOURCE, &record);
        if bytes + length > EVENT_BYTES {
            events.push(Vec::new());
            bytes = 0;
        }
        bytes += length;
        if let Some(event) = events.last_mut() {
            event.push(record);
        }
    }
    for (index, records) in events.iter().enumerate() {
        let path = arguments.output.join(format!("event-{index}.json"));
        fs::write(path, encode(&SOURCE, records, None))?;
    }
    Ok(())
}
