//! Parses lines of rejected readings and summaries into columns.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringViewBuilder};
use serde::Deserialize;

use super::columns::{ArchiveContents, LineColumns, Pushed};
use crate::tables::{REJECT_COLUMNS, Table};

/// Rejected readings and rows.
#[derive(Clone, Copy, Debug)]
pub struct RejectContents;

impl ArchiveContents for RejectContents {
    fn columns(&self, _: &Table, projection: &[usize]) -> Box<dyn LineColumns> {
        let name = |index: &usize| REJECT_COLUMNS.get(*index).map_or(DAY, |(name, _)| *name);
        let names = projection.iter().map(name);
        Box::new(RejectColumns(
            names.map(|name| (name, StringViewBuilder::new())).collect(),
        ))
    }
}

/// The column that is not in the line.
const DAY: &str = "day";

/// Builds the columns of rejects that a query needs.
#[derive(Debug)]
struct RejectColumns(Vec<(&'static str, StringViewBuilder)>);

/// A line as `windrow_event::Reject` formats it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RejectLine {
    reason: String,
    stream: Option<String>,
    shard: Option<String>,
    sequence_number: Option<String>,
    partition_key: Option<String>,
    arrival_time: Option<String>,
    sub_sequence_number: Option<u64>,
    payload: Option<String>,
    payload_base64: Option<String>,
    piece: Option<u64>,
    pieces: Option<u64>,
}

impl LineColumns for RejectColumns {
    fn push(&mut self, line: &[u8], day: Option<&str>) -> Pushed {
        let Ok(rejected) = serde_json::from_slice::<RejectLine>(line) else {
            return Pushed::Broken;
        };
        for (name, texts) in &mut self.0 {
            let number;
            let text = match *name {
                "Reason" => Some(rejected.reason.as_str()),
                "Stream" => rejected.stream.as_deref(),
                "Shard" => rejected.shard.as_deref(),
                "SequenceNumber" => rejected.sequence_number.as_deref(),
                "PartitionKey" => rejected.partition_key.as_deref(),
                "ArrivalTime" => rejected.arrival_time.as_deref(),
                "Payload" => rejected.payload.as_deref(),
                "PayloadBase64" => rejected.payload_base64.as_deref(),
                "SubSequenceNumber" | "Piece" | "Pieces" => {
                    let value = match *name {
                        "SubSequenceNumber" => rejected.sub_sequence_number,
                        "Piece" => rejected.piece,
                        _ => rejected.pieces,
                    };
                    number = value.map(|value| value.to_string());
                    number.as_deref()
                }
                _ => day,
            };
            texts.append_option(text);
        }
        Pushed::Row
    }

    fn take(&mut self) -> Vec<ArrayRef> {
        let array =
            |(_, texts): &mut (_, StringViewBuilder)| -> ArrayRef { Arc::new(texts.finish()) };
        self.0.iter_mut().map(array).collect()
    }
}
