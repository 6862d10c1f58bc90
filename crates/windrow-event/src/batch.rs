//! The records of an event, decoded into shared buffers and returned as slices of the buffers.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use windrow_core::time::Timestamp;

use crate::time::Arrival;

/// One record of an [`Event`](crate::Event), borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRecord<'a> {
    /// The partition key that the producer set.
    pub partition_key: &'a str,
    /// The record's sequence number. Compare by length first, then as text: it is a decimal number
    /// that can exceed 128 bits.
    pub sequence_number: &'a str,
    /// When Kinesis received the record (`approximateArrivalTimestamp`), rounded to the nearest
    /// millisecond, halves away from zero; the epoch if the event does not have it.
    ///
    /// Computed from the decimal digits: it determines the window of a record, and binary fractions
    /// of a second would sometimes be off by one millisecond.
    pub arrival: Timestamp,
    /// The data that the producer sent, or the base64 that could not be decoded. Other records of
    /// the batch are not affected.
    pub data: Result<&'a [u8], &'a BadBase64>,
}

/// Invalid base64: characters outside the standard alphabet, or wrong padding or length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data is not base64 in the standard alphabet with padding")]
pub struct BadBase64 {
    /// The text as received, so that it can be rejected without loss.
    pub text: String,
}

/// The records of an event, in two buffers.
#[derive(Clone, Default)]
pub(crate) struct RecordBatch {
    entries: Vec<RecordEntry>,
    /// All partition keys and sequence numbers.
    text: String,
    /// All data, decoded.
    data: Vec<u8>,
    first_event_id: Option<String>,
    first_source_arn: Option<String>,
}

/// The location of a record in the buffers.
#[derive(Clone)]
struct RecordEntry {
    /// The start of the partition key in the text. It ends where the sequence number starts.
    partition_key: usize,
    /// The start of the sequence number.
    sequence_number: usize,
    /// The end of the sequence number.
    text_end: usize,
    /// In milliseconds since the epoch: half the size of a [`Timestamp`].
    arrival: i64,
    data: Result<Range<usize>, BadBase64>,
}

impl RecordBatch {
    pub(crate) fn records(&self) -> impl ExactSizeIterator<Item = EventRecord<'_>> {
        self.entries.iter().map(|entry| EventRecord {
            partition_key: &self.text[entry.partition_key..entry.sequence_number],
            sequence_number: &self.text[entry.sequence_number..entry.text_end],
            arrival: Timestamp::from_millis(entry.arrival),
            data: entry.data.as_ref().map(|range| &self.data[range.clone()]),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn first_event_id(&self) -> Option<&str> {
        self.first_event_id.as_deref()
    }

    pub(crate) fn first_source_arn(&self) -> Option<&str> {
        self.first_source_arn.as_deref()
    }

    pub(crate) fn push<E: Error>(&mut self, record: RecordJson<'_>) -> Result<(), E> {
        let kinesis = record.kinesis.ok_or_else(|| E::missing_field("kinesis"))?;
        let partition_key = kinesis
            .partition_key
            .ok_or_else(|| E::missing_field("partitionKey"))?;
        let sequence_number = kinesis
            .sequence_number
            .ok_or_else(|| E::missing_field("sequenceNumber"))?;
        let data = kinesis.data.ok_or_else(|| E::missing_field("data"))?;

        if self.entries.is_empty() {
            self.first_event_id = record.event_id.map(|EventText(text)| text.into_owned());
            self.first_source_arn = record
                .event_source_arn
                .map(|EventText(text)| text.into_owned());
        }
        let arrival = kinesis.arrival.map_or(0, |Arrival(millis)| millis);
        let data = self.decode(data.0.as_bytes()).ok_or_else(|| BadBase64 {
            text: data.0.into_owned(),
        });
        self.push_entry(&partition_key.0, &sequence_number.0, arrival, data);
        Ok(())
    }

    /// Adds a record without escapes. Returns `None` and adds nothing if the data is not base64.
    pub(crate) fn push_plain(
        &mut self,
        partition_key: &str,
        sequence_number: &str,
        arrival: i64,
        base64: &[u8],
    ) -> Option<()> {
        let data = self.decode(base64)?;
        self.push_entry(partition_key, sequence_number, arrival, Ok(data));
        Some(())
    }

    /// Adds a record whose data is not in base64.
    #[cfg(feature = "aws_lambda_events")]
    pub(crate) fn push_decoded(
        &mut self,
        partition_key: &str,
        sequence_number: &str,
        arrival: i64,
        data: &[u8],
    ) {
        let start = self.data.len();
        self.data.extend_from_slice(data);
        let data = Ok(start..self.data.len());
        self.push_entry(partition_key, sequence_number, arrival, data);
    }

    /// Sets what only the first record of an event is asked for.
    #[cfg(feature = "aws_lambda_events")]
    pub(crate) fn set_first(&mut self, event_id: Option<String>, source_arn: Option<String>) {
        self.first_event_id = event_id;
        self.first_source_arn = source_arn;
    }

    /// Reserves space for all data that a payload of `json_len` bytes can have.
    pub(crate) fn reserve_data(&mut self, json_len: usize) {
        self.data.reserve(json_len.div_ceil(4) * 3);
    }

    /// Reserves space for `count` more records like the first one.
    pub(crate) fn reserve_records(&mut self, count: usize) {
        self.entries.reserve(count);
        self.text.reserve(count.saturating_mul(self.text.len()));
    }

    fn push_entry(
        &mut self,
        partition_key: &str,
        sequence_number: &str,
        arrival: i64,
        data: Result<Range<usize>, BadBase64>,
    ) {
        let start = self.text.len();
        self.text.push_str(partition_key);
        self.text.push_str(sequence_number);
        self.entries.push(RecordEntry {
            partition_key: start,
            sequence_number: start + partition_key.len(),
            text_end: self.text.len(),
            arrival,
            data,
        });
    }

    fn decode(&mut self, base64: &[u8]) -> Option<Range<usize>> {
        let start = self.data.len();
        // The decoder reserves exactly what it needs, so it would move the whole buffer for every
        // record. `reserve` grows it by more.
        self.data.reserve(base64.len().div_ceil(4) * 3);
        let decoded = base64_simd::STANDARD.decode_append(base64, &mut self.data);
        decoded.ok().map(|_| start..self.data.len())
    }
}

/// Shows sizes only: a batch has megabytes of payload, too much for a log line.
impl fmt::Debug for RecordBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("records", &self.entries.len())
            .field("bytes", &self.data.len())
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for RecordBatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BatchVisitor)
    }
}

struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = RecordBatch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`Records`, an array of Kinesis records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<RecordBatch, A::Error> {
        let mut batch = RecordBatch::default();
        while let Some(record) = records.next_element()? {
            batch.push(record)?;
        }
        Ok(batch)
    }
}

/// The JSON form of a record, before it is copied into the buffers. Every field is optional, so
/// that `null` and absence are the same error, which names the field.
#[derive(serde::Deserialize)]
pub(crate) struct RecordJson<'a> {
    #[serde(borrow)]
    kinesis: Option<KinesisJson<'a>>,
    #[serde(borrow, rename = "eventID")]
    event_id: Option<EventText<'a>>,
    #[serde(borrow, rename = "eventSourceARN")]
    event_source_arn: Option<EventText<'a>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct KinesisJson<'a> {
    #[serde(borrow)]
    partition_key: Option<EventText<'a>>,
    #[serde(borrow)]
    sequence_number: Option<EventText<'a>>,
    #[serde(borrow)]
    data: Option<EventText<'a>>,
    #[serde(rename = "approximateArrivalTimestamp")]
    arrival: Option<Arrival>,
}

/// Text, borrowed from the JSON if it has no escapes there. An optional `Cow` alone would always be
/// copied.
#[derive(serde::Deserialize)]
struct EventText<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    #[test]
    fn bad_base64_does_not_affect_other_records() {
        let record = |data: &str| {
            let kinesis = format!(r#"{{"partitionKey":"k","sequenceNumber":"1","data":"{data}"}}"#);
            format!(r#"{{"kinesis":{kinesis}}}"#)
        };
        for bad in [
            "SGVsbG8",
            "SGVs*G8=",
            "SGVsbG8=SGVsbG8=",
            "SGVs bG8=",
            "-_-_",
            "=",
            "é",
        ] {
            let records = [record("SGVsbG8="), record(bad), record("")].join(",");
            let event = Event::from_json(format!(r#"{{"Records":[{records}]}}"#).as_bytes());
            let event = event.unwrap();
            let data: Vec<_> = event.records().map(|record| record.data).collect();
            let bad = BadBase64 {
                text: bad.to_owned(),
            };
            assert_eq!(
                data,
                [Ok(b"Hello".as_slice()), Err(&bad), Ok(b"".as_slice())]
            );
        }
    }

    #[test]
    fn escapes_are_decoded() {
        let json = r#"{"Records":[{"kinesis":{"partitionKey":"\u0053\"\n","sequenceNumber":"\u0031",
            "data":"\u0053GVsbG8\/"},"eventID":"shardId\u003a1"}]}"#;
        let event = Event::from_json(json.as_bytes()).unwrap();
        let record = event.records().next().unwrap();
        assert_eq!(record.partition_key, "S\"\n");
        assert_eq!(record.sequence_number, "1");
        assert_eq!(record.data, Ok(b"Hello?".as_slice()));
        assert_eq!(event.shard(), Some("shardId"));
    }

    #[test]
    fn a_record_without_an_arrival_time_is_kept() {
        for arrival in ["", r#","approximateArrivalTimestamp":null"#] {
            let kinesis = r#""partitionKey":"","sequenceNumber":"1","data":"""#;
            let json = format!(r#"{{"Records":[{{"kinesis":{{{kinesis}{arrival}}}}}]}}"#);
            let event = Event::from_json(json.as_bytes()).unwrap();
            assert_eq!(event.records().next().unwrap().arrival, Timestamp::EPOCH);
        }
    }

    #[test]
    fn debug_shows_sizes_and_no_payload() {
        let json =
            br#"{"Records":[{"kinesis":{"partitionKey":"secret","sequenceNumber":"1","data":"SGVsbG8="}}]}"#;
        let shown = format!("{:?}", Event::from_json(json).unwrap());
        assert!(
            shown.contains("Batch { records: 1, bytes: 5, .. }"),
            "{shown}"
        );
        assert!(!shown.contains("secret"), "{shown}");
    }
}
