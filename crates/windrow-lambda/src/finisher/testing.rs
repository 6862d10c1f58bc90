//! Rows and records for the tests.

use std::sync::Arc;

use windrow_core::row::{Measure, Row, SourceRange};
use windrow_core::schema::{KeyColumn, MeasureColumn, Schema};
use windrow_core::sequence::SequenceRange;
use windrow_core::time::Timestamp;
use windrow_core::value::{ColumnType, Value};
use windrow_read::ShardRecord;

pub(super) const SHARD: &str = "shardId-000000000000";
pub(super) const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes";

pub(super) fn schema() -> Schema {
    let key = vec![KeyColumn::new("Room", ColumnType::Text)];
    let last = MeasureColumn::max("Note", ColumnType::Text);
    Schema::new(key, "WindowStart", vec![last]).unwrap()
}

/// A row of the window of a second that starts at this second.
pub(super) fn row(room: &str, second: i64) -> Row {
    let [from, to] = ["1", "2"].map(|number| number.parse().unwrap());
    Row {
        key: vec![Value::Text(room.to_owned())],
        window_start: Timestamp::from_millis(second * 1000),
        window_seconds: 1,
        readings: 1,
        duplicates: 0,
        measures: vec![Measure::Value(Value::Text("note".to_owned()))],
        source: Arc::new(SourceRange {
            stream: ARN.to_owned(),
            shard: SHARD.to_owned(),
            range: SequenceRange::new(from, to).unwrap(),
            dedup_from: None,
        }),
    }
}

pub(super) fn record(number: u64, data: Vec<u8>) -> ShardRecord {
    ShardRecord {
        sequence_number: number.to_string(),
        partition_key: String::new(),
        data: data.into(),
        arrival: Timestamp::EPOCH,
    }
}

pub(super) fn rows(number: u64, rows: &[(&str, i64)]) -> ShardRecord {
    let lines = rows
        .iter()
        .map(|(room, second)| row(room, *second).to_line(&schema()));
    record(number, lines.flatten().collect())
}
