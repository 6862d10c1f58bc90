//! One window in memory: three readings in, one row out.
//!
//! Run it with `cargo run -p windrow-lambda --features aggregator --example one_window`.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use unicorn::sensor::Unicorn;
use windrow_event::{Event, EventSource, RecordData, Timestamp, Window, WindowFields, encode};
use windrow_lambda::aggregator::Aggregator;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_write::{Collected, KinesisRecord};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let summaries: Collected<KinesisRecord> = Collected::default();
    let rejects: Collected<Bytes> = Collected::default();
    let metrics = Box::new(|metrics: &windrow_lambda::metrics::Metrics| {
        eprintln!("{}", metrics.to_line("aggregator", 0))
    });
    let function = Aggregator::new(Unicorn, &summaries, &rejects, WindowTime::Arrival, metrics);

    let line = |second: u32| {
        format!(
            r#"{{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:{second:02}.000","Distance":29.5,"MagicPoints":150,"HealthPoints":149}}"#
        )
    };
    let lines = [line(1), line(2), line(3)];
    let numbers = ["1", "2", "3"];
    let records: Vec<RecordData<'_>> = lines
        .iter()
        .zip(numbers)
        .map(|(line, sequence_number)| RecordData {
            partition_key: "Shadowfax",
            sequence_number,
            arrival: Timestamp::from_millis(1_795_339_021_000),
            data: line.as_bytes(),
        })
        .collect();
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
        region: "us-east-1",
        shard_id: "shardId-000000000000",
    };
    let window = WindowFields {
        window: Window {
            start: 1_795_338_960_000,
            end: 1_795_339_020_000,
        },
        state: None,
        is_final: true,
        is_terminated_early: false,
    };
    let event = Event::from_json(&encode(&source, &records, Some(&window)))?;
    let deadline = Instant::now() + Duration::from_secs(5);
    function.handle(&event, deadline).await?;
    for record in summaries.take() {
        print!("{}", String::from_utf8_lossy(&record.data));
    }
    Ok(())
}
