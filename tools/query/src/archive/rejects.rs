//! Parses lines of rejected readings and summaries into columns.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringViewBuilder};
use serde::Deserialize;

use super::columns::LineColumns;
use crate::tables::REJECTS;

/// Builds the columns of `rejects` that a query needs.
#[derive(Debug)]
pub(super) struct RejectColumns(Vec<(&'static str, StringViewBuilder)>);

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

impl RejectColumns {
    /// Builds the columns with these indexes, in this order.
    pub(super) fn new(projection: &[usize]) -> Self {
        let names = projection
            .iter()
            .filter_map(|index| REJECTS.columns.get(*index));
        Self(
            names
                .map(|column| (column.name, StringViewBuilder::new()))
                .collect(),
        )
    }
}

impl LineColumns for RejectColumns {
    fn push(&mut self, line: &[u8], day: Option<&str>) -> bool {
        let Ok(rejected) = serde_json::from_slice::<RejectLine>(line) else {
            return false;
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
        true
    }

    fn take(&mut self) -> Vec<ArrayRef> {
        let array =
            |(_, texts): &mut (_, StringViewBuilder)| -> ArrayRef { Arc::new(texts.finish()) };
        self.0.iter_mut().map(array).collect()
    }
}
