//! One batch in memory: a row, and a line that is not a row.
//!
//! Run it with `cargo run -p windrow-lambda --features processor --example one_batch`.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use unicorn::row::schema;
use windrow_event::{Event, EventSource, RecordData, Timestamp, encode};
use windrow_lambda::processor::Processor;
use windrow_lambda::processor::row::TableRow;
use windrow_write::Collected;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let table: Collected<TableRow> = Collected::default();
    let rejects: Collected<Bytes> = Collected::default();
    let function = Processor::new(schema(), &table, &rejects, Some(30), Box::new(|_| ()));

    let row = br#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:00.000","Distance":10362,
        "MinMagicPoints":108,"MaxMagicPoints":112,"MinHealthPoints":148,"MaxHealthPoints":151,
        "Source":{"Stream":"wildrydes",
        "Shard":"shardId-000000000000","From":"100","To":"160","Readings":60,"WindowSeconds":60}}"#;
    let row: Vec<u8> = row.iter().copied().filter(|byte| *byte != b'\n').collect();
    let record = |sequence_number, data| RecordData {
        partition_key: "Shadowfax",
        sequence_number,
        arrival: Timestamp::from_millis(1_795_339_021_000),
        data,
    };
    let source = EventSource {
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes-summary",
        region: "us-east-1",
        shard_id: "shardId-000000000000",
    };
    let records = [record("1", &row), record("2", b"not a row")];
    let event = Event::from_json(&encode(&source, &records, None))?;
    let deadline = Instant::now() + Duration::from_secs(5);
    let response = function.handle(&event, deadline).await;

    println!("batch item failures: {:?}", response.batch_item_failures);
    for row in table.take() {
        println!("row: {:?}", row.row());
    }
    for line in rejects.take() {
        print!("rejected: {}", String::from_utf8_lossy(&line));
    }
    Ok(())
}
