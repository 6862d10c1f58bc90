//! The records of an event, each read by the layout of the one before it.
//!
//! Lambda writes the records of an event alike: but for five values they are equal, byte for byte. So
//! one record is read as JSON, and shows what stands before, between and behind these values; of the
//! records after it only the values are looked at, and all else is compared. That is as strict as
//! reading them as JSON: where only the inside of a string differs, and holds no quote, no backslash
//! and no control character, the same members of the same types come out.
//!
//! A record of another layout is read as JSON, and the next ones are held to its layout. For what is
//! not records at all this way gives up, and the caller reads the whole event as JSON: errors get
//! their words there, and only there.

use memchr::memchr;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::batch::{RecordBatch, RecordJson};

/// The records of an event that starts with them, and what follows their array. `None` says nothing
/// about the event: it must be read in another way.
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
        let taken = layout.as_ref().and_then(|it| it.take(rest, &mut batch));
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

/// Reads a record as JSON; gives its text and what follows it.
fn push_json<'a>(json: &'a [u8], batch: &mut RecordBatch) -> Option<(&'a [u8], &'a [u8])> {
    let mut records = serde_json::Deserializer::from_slice(json).into_iter::<RecordJson<'_>>();
    let record = records.next()?.ok()?;
    let split = json.split_at_checked(records.byte_offset())?;
    batch.push::<serde_json::Error>(record).ok()?;
    Some(split)
}

/// The text of a record but for its values.
struct Layout<'a> {
    before_partition_key: &'a [u8],
    before_sequence_number: &'a [u8],
    before_data: &'a [u8],
    before_arrival: &'a [u8],
    /// Up to the sequence number within the `eventID`, which starts with the shard.
    before_event_number: &'a [u8],
    after_event_number: &'a [u8],
}

/// Where a record has the values that differ from one to the next.
#[derive(Deserialize)]
struct Places<'a> {
    #[serde(borrow)]
    kinesis: KinesisPlaces<'a>,
    #[serde(rename = "eventID")]
    event_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KinesisPlaces<'a> {
    partition_key: &'a str,
    sequence_number: &'a str,
    data: &'a str,
    #[serde(borrow, rename = "approximateArrivalTimestamp")]
    arrival: &'a RawValue,
}

impl<'a> Layout<'a> {
    /// The layout of a record, if its values stand there in Lambda's order and without escapes.
    fn of(record: &'a [u8]) -> Option<Self> {
        let places: Places<'a> = serde_json::from_slice(record).ok()?;
        let kinesis = places.kinesis;
        let shard = places.event_id.strip_suffix(kinesis.sequence_number)?;
        let event_number = &places.event_id[shard.len()..];

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

    /// Takes the record that `json` starts with into the batch, if it has this layout; gives what
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

/// The inside of a JSON string that stands for itself.
fn plain(inside: &[u8]) -> Option<&str> {
    // Without a way out at the first that is escaped, so that many are looked at together.
    let is_plain = |byte: u8| (byte >= b' ') & (byte != b'\\');
    let all_plain = inside.iter().fold(true, |all, byte| all & is_plain(*byte));
    if all_plain {
        std::str::from_utf8(inside).ok()
    } else {
        None
    }
}

/// The milliseconds in a number of seconds such as `1607497475.189`: up to 12 digits, the first no
/// zero, then nothing or a point and up to 3 digits. And what follows it.
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

/// The number that the leading digits make, how many digits there are, and what follows them. Of
/// more than 12 digits the number is none.
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

/// What follows a token that `json` starts with, perhaps behind spaces.
fn after_token<'a>(json: &'a [u8], token: &[u8]) -> Option<&'a [u8]> {
    trim_start(json).strip_prefix(token)
}

/// Without the leading white space, as JSON has it.
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

    /// Whether a record is taken that has `to` where `FIRST` has `from` last.
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
    fn what_does_not_fit_is_left_to_json() {
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
    fn what_follows_the_records_is_handed_back() {
        let json = format!("{{ \"Records\" :[{FIRST}, {FIRST} ,{FIRST}] , more");
        let (batch, rest) = leading_records(json.as_bytes()).unwrap();
        assert_eq!((batch.len(), rest), (3, b" , more".as_slice()));
        let arrivals: Vec<i64> = batch.records().map(|record| record.arrival).collect();
        assert_eq!(arrivals, [1_607_497_475_189; 3]);
        assert!(leading_records(br#"{"more":1,"Records":[]}"#).is_none());
    }
}
