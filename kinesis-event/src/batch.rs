//! The records of an event: decoded once into shared buffers, handed out as slices of them.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::time::Arrival;

/// One record of an [`Event`](crate::Event), borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the producer grouped the record by.
    pub partition_key: &'a str,
    /// The record's place in its shard. Compare by length first, then as text: it is a decimal
    /// number that can pass 128 bits.
    pub sequence_number: &'a str,
    /// When Kinesis took the record (`approximateArrivalTimestamp`), in milliseconds since the
    /// epoch, to the nearest, a half being rounded up; 0 if the event does not say.
    ///
    /// It is read off the decimal digits, since it decides which window a record belongs to and
    /// binary fractions of a second would now and then be off by one.
    pub arrival: i64,
    /// What the producer sent, or the base64 that could not be decoded. That is a value of this
    /// record alone: its neighbours are as good as before.
    pub data: Result<&'a [u8], &'a BadBase64>,
}

/// Base64 that is not: other characters than the standard alphabet's, wrong padding or length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data is not base64 of the standard alphabet with padding")]
pub struct BadBase64 {
    /// The text as it came, so that it can be put aside without loss.
    pub text: String,
}

/// The records of an event over two buffers, however many there are.
#[derive(Clone, Default)]
pub(crate) struct Batch {
    entries: Vec<Entry>,
    /// All partition keys and sequence numbers.
    text: String,
    /// All data, decoded.
    data: Vec<u8>,
    first_event_id: Option<String>,
    first_source_arn: Option<String>,
}

/// Where a record stands in the buffers.
#[derive(Clone)]
struct Entry {
    partition_key: Range<usize>,
    sequence_number: Range<usize>,
    arrival: i64,
    data: Result<Range<usize>, BadBase64>,
}

impl Batch {
    pub(crate) fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.entries.iter().map(|entry| Record {
            partition_key: &self.text[entry.partition_key.clone()],
            sequence_number: &self.text[entry.sequence_number.clone()],
            arrival: entry.arrival,
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

    fn push<E: Error>(&mut self, record: RecordJson<'_>) -> Result<(), E> {
        let kinesis = record.kinesis.ok_or_else(|| E::missing_field("kinesis"))?;
        let partition_key = kinesis
            .partition_key
            .ok_or_else(|| E::missing_field("partitionKey"))?;
        let sequence_number = kinesis
            .sequence_number
            .ok_or_else(|| E::missing_field("sequenceNumber"))?;
        let data = kinesis.data.ok_or_else(|| E::missing_field("data"))?;

        if self.entries.is_empty() {
            self.first_event_id = record.event_id.map(|Text(text)| text.into_owned());
            self.first_source_arn = record.event_source_arn.map(|Text(text)| text.into_owned());
        }
        let entry = Entry {
            partition_key: self.push_text(&partition_key.0),
            sequence_number: self.push_text(&sequence_number.0),
            arrival: kinesis.arrival.map_or(0, |Arrival(millis)| millis),
            data: self.push_data(data.0),
        };
        self.entries.push(entry);
        Ok(())
    }

    fn push_text(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    fn push_data(&mut self, base64: Cow<'_, str>) -> Result<Range<usize>, BadBase64> {
        let start = self.data.len();
        // The decoder reserves exactly what it needs, which for every record alone would mean to
        // move the whole buffer each time.
        self.data.reserve(base64.len().div_ceil(4) * 3);
        match base64_simd::STANDARD.decode_append(base64.as_bytes(), &mut self.data) {
            Ok(()) => Ok(start..self.data.len()),
            Err(_) => Err(BadBase64 {
                text: base64.into_owned(),
            }),
        }
    }
}

/// Sizes only: a batch is megabytes of payload, which has no place in a log line.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("records", &self.entries.len())
            .field("bytes", &self.data.len())
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BatchVisitor)
    }
}

struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Batch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`Records`, an array of Kinesis records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<Batch, A::Error> {
        let mut batch = Batch::default();
        while let Some(record) = records.next_element()? {
            batch.push(record)?;
        }
        Ok(batch)
    }
}

/// A record as it stands in the JSON, for as long as it takes to copy it into the buffers. Every
/// field is optional here so that `null` and absence make one error, which names the field.
#[derive(serde::Deserialize)]
struct RecordJson<'a> {
    #[serde(borrow)]
    kinesis: Option<KinesisJson<'a>>,
    #[serde(borrow, rename = "eventID")]
    event_id: Option<Text<'a>>,
    #[serde(borrow, rename = "eventSourceARN")]
    event_source_arn: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct KinesisJson<'a> {
    #[serde(borrow)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow)]
    sequence_number: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Text<'a>>,
    #[serde(rename = "approximateArrivalTimestamp")]
    arrival: Option<Arrival>,
}

/// Text borrowed from the JSON wherever it stands there without escapes. An optional `Cow` alone
/// would always be copied.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    #[test]
    fn bad_base64_is_a_value_and_its_neighbours_decode() {
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
    fn escapes_in_any_text_are_undone() {
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
            assert_eq!(event.records().next().unwrap().arrival, 0);
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
