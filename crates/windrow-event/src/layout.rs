//! A fast decoder for the records of an event, which reuses the layout of the previous record.
//!
//! Lambda formats all records of an event the same way: they are equal byte for byte, except for
//! five values. So one record is parsed as JSON, which yields the text before, between and after
//! the values. For the records that follow, only the values are parsed; everything else is
//! compared. This is as strict as a JSON parser: if two records differ only inside a string that
//! has no quotes, backslashes or control characters, they have the same members of the same types.
//!
//! A record with another layout is parsed as JSON, and its layout is used from then on. If that
//! fails, this decoder stops, and the caller parses the whole event as JSON, which reports the
//! error.

use memchr::memchr;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::batch::{RecordBatch, RecordJson};

/// Decodes the records of an event that starts with them. Also returns what follows their array.
/// `None` does not mean that the event is invalid: it must be parsed as JSON.
pub(crate) fn leading_records(json: &[u8]) -> Option<(RecordBatch, &[u8])> {
    let rest = after_token(json, b"{")?;
    let rest = after_token(rest, b"\"Records\"")?;
    let rest = after_token(rest, b":")?;
    let mut rest = after_token(rest, b"[")?;
    let mut batch = RecordBatch::default();
    if let Some(rest) = after_token(rest, b"]") {
        return Some((batch, rest));
    }

    batch.reserve_data(json.len());
    let mut layout: Option<Layout<'_>> = None;
    loop {
        rest = trim_start(rest);
        let taken = layout
            .as_ref()
            .and_then(|layout| layout.take(rest, &mut batch));
        rest = match taken {
            Some(after) => after,
            None => {
                let (record, after) = push_json(rest, &mut batch)?;
                if batch.len() == 1 {
                    batch.reserve_records(after.len() / record.len().max(1));
                }
                layout = Layout::of(record);
                after
            }
        };
        match after_token(rest, b",") {
            Some(after) => rest = after,
            None => return Some((batch, after_token(rest, b"]")?)),
        }
    }
}

/// Parses a record as JSON. Returns its text and what follows it.
fn push_json<'a>(json: &'a [u8], batch: &mut RecordBatch) -> Option<(&'a [u8], &'a [u8])> {
    let mut records = serde_json::Deserializer::from_slice(json).into_iter::<RecordJson<'_>>();
    let record = records.next()?.ok()?;
    let split = json.split_at_checked(records.byte_offset())?;
    batch.push::<serde_json::Error>(record).ok()?;
    Some(split)
}

/// The text of a record around its values.
struct Layout<'a> {
    before_partition_key: &'a [u8],
    before_sequence_number: &'a [u8],
    before_data: &'a [u8],
    before_arrival: &'a [u8],
    /// Up to the sequence number in the `eventID`, which starts with the shard.
    before_event_number: &'a [u8],
    after_event_number: &'a [u8],
}

/// The values that differ between records, borrowed from the text to find their offsets.
#[derive(Deserialize)]
struct RecordValues<'a> {
    #[serde(borrow)]
    kinesis: KinesisValues<'a>,
    #[serde(rename = "eventID")]
    event_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KinesisValues<'a> {
    partition_key: &'a str,
    sequence_number: &'a str,
    data: &'a str,
    #[serde(borrow, rename = "approximateArrivalTimestamp")]
    arrival: &'a RawValue,
}

impl<'a> Layout<'a> {
    /// The layout of a record, if its values are in Lambda's order and without escapes.
    fn of(record: &'a [u8]) -> Option<Self> {
        let values: RecordValues<'a> = serde_json::from_slice(record).ok()?;
        let kinesis = values.kinesis;
        let shard = values.event_id.strip_suffix(kinesis.sequence_number)?;
        let event_number = &values.event_id[shard.len()..];

        let mut from = 0;
        let mut piece_before = |value: &str| {
            let start = (value.as_ptr() as usize).checked_sub(record.as_ptr() as usize)?;
            let piece = record.get(from..start)?;
            from = start.checked_add(value.len())?;
            Some(piece)
        };
        Some(Self {
            before_partition_key: piece_before(kinesis.partition_key)?,
            before_sequence_number: piece_before(kinesis.sequence_number)?,
            before_data: piece_before(kinesis.data)?,
            before_arrival: piece_before(kinesis.arrival.get())?,
            before_event_number: piece_before(event_number)?,
            after_event_number: record.get(from..)?,
        })
    }

    /// Adds the record at the start of `json` to the batch, if it has this layout. Returns what
    /// follows it.
    fn take<'b>(&self, json: &'b [u8], batch: &mut RecordBatch) -> Option<&'b [u8]> {
        let rest = json.strip_prefix(self.before_partition_key)?;
        let (partition_key, rest) = split_at_quote(rest)?;
        let rest = rest.strip_prefix(self.before_sequence_number)?;
        let (sequence_number, rest) = split_at_quote(rest)?;
        let rest = rest.strip_prefix(self.before_data)?;
        let (data, rest) = split_at_quote(rest)?;
        let rest = rest.strip_prefix(self.before_arrival)?;
        let (arrival, rest) = split_arrival(rest)?;
        let rest = rest.strip_prefix(self.before_event_number)?;
        let rest = rest.strip_prefix(sequence_number)?;
        let rest = rest.strip_prefix(self.after_event_number)?;

        let partition_key = plain(partition_key)?;
        let sequence_number = plain(sequence_number)?;
        batch.push_plain(partition_key, sequence_number, arrival, data)?;
        Some(rest)
    }
}

fn split_at_quote(json: &[u8]) -> Option<(&[u8], &[u8])> {
    json.split_at_checked(memchr(b'"', json)?)
}

/// The content of a JSON string, if it has no escapes.
fn plain(inside: &[u8]) -> Option<&str> {
    // Does not stop at the first escape, so that the compiler can vectorize the loop.
    let is_plain = |byte: u8| (byte >= b' ') & (byte != b'\\');
    let all_plain = inside.iter().fold(true, |all, byte| all & is_plain(*byte));
    if all_plain {
        std::str::from_utf8(inside).ok()
    } else {
        None
    }
}

/// Parses a number of seconds such as `1607497475.189`: up to 12 digits, the first of which is not
/// zero, optionally followed by a point and up to 3 digits. Returns the milliseconds and what
/// follows.
fn split_arrival(json: &[u8]) -> Option<(i64, &[u8])> {
    let (seconds, whole, rest) = split_digits(json);
    if whole == 0 || whole > 12 || json.first() == Some(&b'0') {
        return None;
    }
    let Some(rest) = rest.strip_prefix(b".") else {
        return Some((seconds * 1000, rest));
    };
    let (fraction, decimals, rest) = split_digits(rest);
    let millis = match decimals {
        1 => fraction * 100,
        2 => fraction * 10,
        3 => fraction,
        _ => return None,
    };
    Some((seconds * 1000 + millis, rest))
}

/// Parses the leading digits. Returns the number, how many digits there are, and what follows them.
/// The number may be wrong if there are more than 12 digits.
fn split_digits(json: &[u8]) -> (i64, usize, &[u8]) {
    let mut number: i64 = 0;
    let mut rest = json;
    while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
        number = number
            .wrapping_mul(10)
            .wrapping_add(i64::from(digit - b'0'));
        rest = after;
    }
    (number, json.len() - rest.len(), rest)
}

/// What follows `token` at the start of `json`, after optional white space.
fn after_token<'a>(json: &'a [u8], token: &[u8]) -> Option<&'a [u8]> {
    trim_start(json).strip_prefix(token)
}

/// `json` without leading JSON white space.
fn trim_start(mut json: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\n' | b'\t' | b'\r', rest)) = json.split_first() {
        json = rest;
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"a","sequenceNumber":"7","data":"SGVsbG8=","approximateArrivalTimestamp":1607497475.189},"eventID":"shardId-1:7","awsRegion":"eu-west-1"}"#;

    /// Whether `FIRST` is taken as a record of its own layout if its last `from` is replaced by
    /// `to`.
    fn is_taken(from: &str, to: &str) -> bool {
        let layout = Layout::of(FIRST.as_bytes()).unwrap();
        let start = FIRST.rfind(from).unwrap();
        let record = [&FIRST[..start], to, &FIRST[start + from.len()..]].concat();
        let mut batch = RecordBatch::default();
        let rest = layout.take(record.as_bytes(), &mut batch);
        assert_eq!(batch.len(), usize::from(rest.is_some()));
        rest.is_some_and(<[u8]>::is_empty)
    }

    #[test]
    fn a_record_of_the_layout_is_taken() {
        for (from, to) in [
            ("", ""),
            (r#":"a""#, r#":"Shadowfax""#),
            (r#":"a""#, r#":"""#),
            (r#":"a""#, r#":"🦄""#),
            ("SGVsbG8=", ""),
            ("SGVsbG8=", "QUJD"),
            ("1607497475.189", "1607497476"),
            ("1607497475.189", "1.5"),
            ("1607497475.189", "999999999999.99"),
        ] {
            assert!(is_taken(from, to), "{to}");
        }
    }

    #[test]
    fn records_of_another_layout_are_left_to_json() {
        for (from, to) in [
            (r#":"a""#, r#":"\u0061""#),
            (r#":"a""#, r#":"a"b""#),
            (r#":"a""#, ":\"a\tb\""),
            (r#":"a""#, r#":null"#),
            ("eu-west-1", "us-east-1"),
            ("shardId-1", "shardId-2"),
            ("-1:7", "-1:8"),
            ("SGVsbG8=", "SGVsbG8"),
            ("SGVsbG8=", "SGVs bG8="),
            ("1607497475.189", "01607497475.189"),
            ("1607497475.189", "1607497475."),
            ("1607497475.189", ".189"),
            ("1607497475.189", "1607497475.1895"),
            ("1607497475.189", "1607497475e0"),
            ("1607497475.189", "-1607497475.189"),
            ("1607497475.189", "9999999999999.189"),
            ("1607497475.189", ""),
            ("}", ""),
            ("{", ""),
        ] {
            assert!(!is_taken(from, to), "{to}");
        }
    }

    #[test]
    fn values_in_lambdas_order_have_a_layout() {
        let has_layout = |record: &str| Layout::of(record.as_bytes()).is_some();
        assert!(has_layout(FIRST));
        assert!(has_layout(&FIRST.replace(',', " ,\n  ")));
        let key = r#""partitionKey":"a""#;
        let key_last = FIRST
            .replace(&format!("{key},"), "")
            .replace("},", &format!(",{key}}},"));
        assert!(serde_json::from_str::<RecordJson<'_>>(&key_last).is_ok());
        assert!(!has_layout(&key_last));
        assert!(!has_layout(&FIRST.replace(r#":"a""#, r#":"\u0061""#)));
    }

    #[test]
    fn the_text_after_the_records_is_returned() {
        let json = format!("{{ \"Records\" :[{FIRST}, {FIRST} ,{FIRST}] , more");
        let (batch, rest) = leading_records(json.as_bytes()).unwrap();
        assert_eq!((batch.len(), rest), (3, b" , more".as_slice()));
        let arrivals = batch.records().map(|record| record.arrival.millis());
        let arrivals: Vec<i64> = arrivals.collect();
        assert_eq!(arrivals, [1_607_497_475_189; 3]);
        assert!(leading_records(br#"{"more":1,"Records":[]}"#).is_none());
    }
}
