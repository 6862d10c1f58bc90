//! Rejected records, formatted as lines without loss.

use windrow_core::time::Timestamp;

use crate::quoted;

/// The maximum length of a piece of a payload. JSON escapes one byte as at most six (`\u0000`), so
/// a piece takes up to 960,000 bytes, which leaves 64,000 of a Firehose record's 1,024,000 bytes to
/// the other fields.
const PIECE_BYTES: usize = 160_000;

/// The maximum length of a reason: a service may quote all of what it rejects.
const REASON_BYTES: usize = 2_000;

/// The maximum length of what [`reject_start`] returns.
const STARTING_BYTES: usize = 4_000;

/// A record, or a part of one, that was rejected, with everything needed to find out why and to
/// send it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject<'a> {
    /// Why it was rejected, as a short sentence for a person. It is in every line, and is truncated
    /// to 2,000 bytes.
    pub reason: &'a str,
    /// The name of the stream.
    pub stream: &'a str,
    /// The id of the shard.
    pub shard: &'a str,
    /// The record's sequence number.
    pub sequence_number: &'a str,
    /// The partition key that the producer set: for the user record, if it is one.
    pub partition_key: &'a str,
    /// Which user record it is of an aggregated record of the Kinesis Producer Library, from 0;
    /// `None` if it is a record of its own, or all of an aggregated one.
    pub sub_sequence_number: Option<u64>,
    /// When Kinesis received the record.
    pub arrival: Timestamp,
    /// The rejected data, of any length and content.
    pub payload: &'a [u8],
}

impl Reject<'_> {
    /// Formats the record as JSON objects, one per line, each with its newline. Every line fits one
    /// Firehose record.
    ///
    /// `SubSequenceNumber` is there only for a user record of an aggregated record.
    ///
    /// The payload is in `Payload` if all of it is UTF-8, or else as base64 in `PayloadBase64`. A
    /// payload of more than 160,000 bytes is split into pieces, between characters if it is text.
    /// Each piece is a line with `Piece`, counted from 1, and `Pieces`, the number of pieces. So a
    /// Kinesis record of 10 MiB fits Firehose's limit of 1,000 KiB per record, however much of it
    /// JSON escapes. The decoded pieces, concatenated, are the payload.
    #[must_use]
    pub fn lines(&self) -> Vec<Vec<u8>> {
        let (name, pieces) = match std::str::from_utf8(self.payload) {
            Ok(text) => ("Payload", text_pieces(text)),
            Err(_) => ("PayloadBase64", binary_pieces(self.payload)),
        };
        let fields = self.fields();
        let count = pieces.len();
        let line = |(index, piece): (usize, &String)| {
            let piece_fields = match count {
                1 => String::new(),
                _ => format!(r#","Piece":{},"Pieces":{count}"#, index + 1),
            };
            format!("{{{fields},\"{name}\":{}{piece_fields}}}\n", quoted(piece)).into_bytes()
        };
        pieces.iter().enumerate().map(line).collect()
    }

    fn fields(&self) -> String {
        let end = self.reason.floor_char_boundary(REASON_BYTES);
        let reason = &self.reason[..end];
        let values = [
            ("Reason", reason),
            ("Stream", self.stream),
            ("Shard", self.shard),
            ("SequenceNumber", self.sequence_number),
            ("PartitionKey", self.partition_key),
            ("ArrivalTime", &self.arrival.to_string()),
        ];
        let mut fields = values
            .map(|(name, value)| format!("\"{name}\":{}", quoted(value)))
            .join(",");
        if let Some(number) = self.sub_sequence_number {
            fields.push_str(&format!(",\"SubSequenceNumber\":{number}"));
        }
        fields
    }
}

/// The start of a line of rejects, which identifies the record but has no payload. For logs, if the
/// line itself cannot be delivered.
#[must_use]
pub fn reject_start(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let end = text.find(r#","Payload"#).unwrap_or(text.len());
    text[..text.floor_char_boundary(end.min(STARTING_BYTES))].to_owned()
}

/// Splits the text into at least one piece, so that an empty payload is a line as well.
fn text_pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES));
        pieces.push(piece.to_owned());
        if after.is_empty() {
            return pieces;
        }
        rest = after;
    }
}

fn binary_pieces(payload: &[u8]) -> Vec<String> {
    let encoded = |piece| base64_simd::STANDARD.encode_to_string(piece);
    payload.chunks(PIECE_BYTES).map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const LARGEST_FIREHOSE_RECORD: usize = 1_024_000;

    fn rejected(payload: &[u8]) -> Reject<'_> {
        Reject {
            reason: "Distance is missing",
            stream: "wildrydes",
            shard: "shardId-000000000000",
            sequence_number: "49590338271490256608559692538361571095921575989136588898",
            partition_key: "Shadow\"fax",
            sub_sequence_number: None,
            arrival: Timestamp::from_millis(1_795_166_228_189),
            payload,
        }
    }

    /// Reassembles the payload from `lines`, and checks every line.
    fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
        let mut payload = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            assert!(
                line.len() <= LARGEST_FIREHOSE_RECORD,
                "{} bytes",
                line.len()
            );
            assert_eq!(
                line.iter().position(|byte| *byte == b'\n'),
                Some(line.len() - 1)
            );
            let value: Value = serde_json::from_slice(line).unwrap();
            if lines.len() == 1 {
                assert!(value.get("Piece").is_none() && value.get("Pieces").is_none());
            } else {
                assert_eq!(value["Piece"], index + 1);
                assert_eq!(value["Pieces"], lines.len());
            }
            match value["Payload"].as_str() {
                Some(text) => payload.extend_from_slice(text.as_bytes()),
                None => {
                    let base64 = value["PayloadBase64"].as_str().unwrap();
                    base64_simd::STANDARD
                        .decode_append(base64, &mut payload)
                        .unwrap();
                }
            }
        }
        payload
    }

    #[test]
    fn a_line_has_all_fields() {
        let lines = rejected(b"{\"Name\":\n").lines();
        let expect = concat!(
            r#"{"Reason":"Distance is missing","Stream":"wildrydes","Shard":"shardId-000000000000","#,
            r#""SequenceNumber":"49590338271490256608559692538361571095921575989136588898","#,
            r#""PartitionKey":"Shadow\"fax","ArrivalTime":"2026-11-20 09:17:08.189","#,
            r#""Payload":"{\"Name\":\n"}"#,
            "\n",
        );
        assert_eq!(lines, [expect.as_bytes()]);
    }

    #[test]
    fn a_user_record_has_a_sub_sequence_number() {
        let user_record = Reject {
            sub_sequence_number: Some(7),
            ..rejected(b"{}")
        };
        let lines = user_record.lines();
        let value: Value = serde_json::from_slice(&lines[0]).unwrap();
        assert_eq!(value["SubSequenceNumber"], 7);
        assert_eq!(joined(&lines), b"{}");
        let lines = rejected(b"{}").lines();
        let value: Value = serde_json::from_slice(&lines[0]).unwrap();
        assert!(value.get("SubSequenceNumber").is_none());
    }

    #[test]
    fn reject_start_omits_the_payload() {
        for payload in [&b"secret"[..], &b"\xffsecret"[..]] {
            let start = reject_start(&rejected(payload).lines()[0]);
            assert!(start.contains(r#""SequenceNumber":"4959"#), "{start}");
            assert!(
                start.contains(r#""Shard":"shardId-000000000000""#),
                "{start}"
            );
            assert!(!start.contains("ecret"), "{start}");
        }
        let reason = "é".repeat(STARTING_BYTES);
        let long = Reject {
            reason: &reason,
            ..rejected(b"")
        };
        assert!(reject_start(&long.lines()[0]).len() <= STARTING_BYTES);
    }

    #[test]
    fn binary_payloads_are_base64() {
        let lines = rejected(b"\xffHello").lines();
        let value: Value = serde_json::from_slice(&lines[0]).unwrap();
        assert_eq!(value["PayloadBase64"], "/0hlbGxv");
        assert!(value.get("Payload").is_none());
    }

    #[test]
    fn an_empty_payload_is_a_line() {
        let lines = rejected(b"").lines();
        let value: Value = serde_json::from_slice(&lines[0]).unwrap();
        assert_eq!(value["Payload"], "");
        assert_eq!(joined(&lines), b"");
    }

    #[test]
    fn large_payloads_are_split_into_pieces() {
        let sizes = [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 1_000_000];
        for size in sizes {
            for unit in ["a", "\u{1}", "é", "\u{1f984}"] {
                let text = unit.repeat(size / unit.len());
                assert_eq!(joined(&rejected(text.as_bytes()).lines()), text.as_bytes());
            }
            let binary = vec![0xff; size];
            assert_eq!(joined(&rejected(&binary).lines()), binary);
        }
        assert_eq!(rejected(&vec![b'a'; PIECE_BYTES]).lines().len(), 1);
        assert_eq!(rejected(&vec![b'a'; PIECE_BYTES + 1]).lines().len(), 2);
    }

    #[test]
    fn the_longest_line_fits_firehose() {
        let control = vec![0; 1024 * 1024];
        let key = "\u{1}".repeat(256);
        let reason = "\u{1}".repeat(1024 * 1024);
        let lines = Reject {
            reason: &reason,
            partition_key: &key,
            ..rejected(&control)
        }
        .lines();
        assert_eq!(lines.len(), 7);
        assert_eq!(joined(&lines), control);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(payload: Vec<u8>, text: String) {
            prop_assert_eq!(joined(&rejected(&payload).lines()), payload);
            prop_assert_eq!(joined(&rejected(text.as_bytes()).lines()), text.as_bytes());
        }
    }
}
