//! Requests as they are on the wire, in JSON and in CBOR.

use std::collections::BTreeMap;

use axum::body::{self, Body};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use base64_simd::STANDARD;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use windrow_kinesis::{IteratorStart, Kinesis};

use crate::server::{FIRST, STREAM, options};

const JSON: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/x-amz-cbor-1.1";

/// A value of a request or a response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum AnyValue {
    Bool(bool),
    Int(i64),
    Float(f64),
    // Before the text: serde would read bytes as text where they are.
    #[serde(with = "serde_bytes_of_cbor")]
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<AnyValue>),
    Map(BTreeMap<String, AnyValue>),
}

/// Byte strings, which `Vec` is not to serde.
mod serde_bytes_of_cbor {
    use serde::{Deserializer, Serializer, de::Visitor};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }

        from.deserialize_bytes(Bytes)
    }
}

fn map<const N: usize>(fields: [(&str, AnyValue); N]) -> AnyValue {
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    AnyValue::Map(BTreeMap::from(fields))
}

fn text(text: &str) -> AnyValue {
    AnyValue::Text(text.to_owned())
}

impl AnyValue {
    fn get(&self, name: &str) -> &AnyValue {
        let Self::Map(fields) = self else {
            panic!("{self:?}")
        };
        fields
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    fn text(&self) -> &str {
        let Self::Text(text) = self else {
            panic!("{self:?}")
        };
        text
    }

    fn list(&self) -> &[AnyValue] {
        let Self::List(list) = self else {
            panic!("{self:?}")
        };
        list
    }
}

async fn send(
    kinesis: &Kinesis,
    content_type: &str,
    operation: &str,
    body: Vec<u8>,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let request = Request::post("/")
        .header(header::CONTENT_TYPE, content_type)
        .header("X-Amz-Target", format!("Kinesis_20131202.{operation}"))
        .body(Body::from(body))
        .unwrap();
    let response = kinesis.respond(request).await;
    let (head, body) = response.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.unwrap();
    (head.status, head.headers, body.to_vec())
}

/// Calls an operation in one format. Bytes in the input and the output are those of that format.
async fn call(
    kinesis: &Kinesis,
    format: &str,
    operation: &str,
    input: &AnyValue,
) -> (u16, AnyValue) {
    let mut body = Vec::new();
    if format == CBOR {
        ciborium::into_writer(input, &mut body).unwrap();
    } else {
        body = serde_json::to_vec(input).unwrap();
    }
    let (status, headers, body) = send(kinesis, format, operation, body).await;
    assert_eq!(headers[header::CONTENT_TYPE], format);
    assert!(headers.contains_key("x-amzn-requestid"));
    let output = match (body.is_empty(), format) {
        (true, _) => map([]),
        (false, CBOR) => ciborium::from_reader(&body[..]).unwrap(),
        _ => serde_json::from_slice(&body).unwrap(),
    };
    (status.as_u16(), output)
}

fn open() -> (tempfile::TempDir, Kinesis) {
    let folder = tempfile::tempdir().unwrap();
    let clock = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(1_700_000_000_189));
    let mut options = options(&folder, &clock);
    options.write_limits = false;
    let (kinesis, _) = Kinesis::open(options).unwrap();
    (folder, kinesis)
}

/// Bytes of a request in a format.
fn bytes(format: &str, bytes: &[u8]) -> AnyValue {
    if format == CBOR {
        AnyValue::Bytes(bytes.to_vec())
    } else {
        text(&STANDARD.encode_to_string(bytes))
    }
}

#[tokio::test]
async fn cbor_has_byte_strings_and_milliseconds_and_json_base64_and_seconds() {
    let (_folder, kinesis) = open();
    kinesis.create_stream(STREAM, 1).await.unwrap();
    for format in [JSON, CBOR] {
        let put = map([
            ("StreamName", text(STREAM)),
            ("PartitionKey", text("k")),
            ("Data", bytes(format, b"x\x00\xff")),
        ]);
        let (status, _) = call(&kinesis, format, "PutRecord", &put).await;
        assert_eq!(status, 200);
        let time = if format == CBOR {
            AnyValue::Int(1_700_000_000_189)
        } else {
            AnyValue::Float(1_700_000_000.189)
        };
        let iterator = map([
            ("StreamName", text(STREAM)),
            ("ShardId", text(FIRST)),
            ("ShardIteratorType", text("AT_TIMESTAMP")),
            ("Timestamp", time),
        ]);
        let (_, answer) = call(&kinesis, format, "GetShardIterator", &iterator).await;
        let get = map([("ShardIterator", answer.get("ShardIterator").clone())]);
        let (_, page) = call(&kinesis, format, "GetRecords", &get).await;
        let record = page.get("Records").list().last().unwrap();
        assert_eq!(*record.get("Data"), bytes(format, b"x\x00\xff"));
        let arrival = match record.get("ApproximateArrivalTimestamp") {
            AnyValue::Float(seconds) => (seconds * 1000.0).round() as i64,
            AnyValue::Int(millis) => *millis,
            other => panic!("{other:?}"),
        };
        assert_eq!(arrival, 1_700_000_000_189);
    }
}

#[tokio::test]
async fn errors_have_the_format_of_the_request() {
    let (_folder, kinesis) = open();
    for format in [JSON, CBOR] {
        for (operation, code) in [
            ("DescribeStream", "ResourceNotFoundException"),
            ("GetShardIterator", "ValidationException"),
            ("CreateNothing", "UnknownOperationException"),
        ] {
            let (status, error) = call(
                &kinesis,
                format,
                operation,
                &map([("StreamName", text("none"))]),
            )
            .await;
            assert_eq!((status, error.get("__type").text()), (400, code));
            assert!(!error.get("message").text().is_empty());
        }
        let (_, error) = call(&kinesis, format, "CreateNothing", &map([])).await;
        assert!(error.get("message").text().contains("CreateNothing"));
        let (status, headers, body) = send(&kinesis, format, "PutRecord", b"\xff{".to_vec()).await;
        assert_eq!(
            (status, &headers["x-amzn-errortype"]),
            (
                StatusCode::BAD_REQUEST,
                &"SerializationException".parse().unwrap()
            )
        );
        assert!(!body.is_empty());
        let put = map([
            ("StreamName", text(STREAM)),
            ("PartitionKey", AnyValue::Int(1)),
            ("Data", bytes(format, b"x")),
        ]);
        let (_, error) = call(&kinesis, format, "PutRecord", &put).await;
        assert_eq!(error.get("__type").text(), "SerializationException");
    }
    kinesis.create_stream(STREAM, 1).await.unwrap();
    let put = map([
        ("StreamName", text(STREAM)),
        ("PartitionKey", text("k")),
        ("Data", text("no base64")),
    ]);
    let (_, error) = call(&kinesis, JSON, "PutRecord", &put).await;
    assert_eq!(error.get("__type").text(), "SerializationException");
    let (_, headers, _) = send(&kinesis, "text/plain", "ListStreams", vec![]).await;
    assert_eq!(headers["x-amzn-errortype"], "UnknownOperationException");
    let (status, ..) = send(&kinesis, JSON, "PutRecords", vec![b' '; 17 * 1024 * 1024]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    // An empty body is a request without fields.
    let (status, ..) = send(&kinesis, JSON, "ListStreams", vec![]).await;
    assert_eq!(status, StatusCode::OK);
}

/// As the SDK for Java writes it: maps and lists without a length, and a tag before each time.
#[tokio::test]
async fn cbor_of_indefinite_length_is_read() {
    let (_folder, kinesis) = open();
    kinesis.create_stream(STREAM, 1).await.unwrap();
    let mut body = b"\xbf\x6aStreamName\x69wildrydes\x67Records\x9f".to_vec();
    for _ in 0..2 {
        body.extend_from_slice(b"\xbf\x64Data\x42hi\x6cPartitionKey\x61k\xff");
    }
    body.extend_from_slice(b"\xff\xff");
    let (status, _, answer) = send(&kinesis, CBOR, "PutRecords", body).await;
    assert_eq!(status, StatusCode::OK);
    let answer: AnyValue = ciborium::from_reader(&answer[..]).unwrap();
    assert_eq!(answer.get("Records").list().len(), 2);
    let mut body = b"\xbf\x6aStreamName\x69wildrydes\x67ShardId\x74shardId-000000000000".to_vec();
    body.extend_from_slice(b"\x71ShardIteratorType\x6cAT_TIMESTAMP\x69Timestamp\xc1\x1b");
    body.extend_from_slice(&1_700_000_000_000_u64.to_be_bytes());
    body.push(0xff);
    let (status, ..) = send(&kinesis, CBOR, "GetShardIterator", body).await;
    assert_eq!(status, StatusCode::OK);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What is put in one format is read in both, and as itself.
    #[test]
    fn the_formats_agree_on_records(
        records in proptest::collection::vec(
            ("\\PC{1,30}", proptest::collection::vec(any::<u8>(), 0..50)),
            1..20,
        ),
        put_in_cbor in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (_folder, kinesis) = open();
            kinesis.create_stream(STREAM, 1).await.unwrap();
            let format = if put_in_cbor { CBOR } else { JSON };
            let entries = records.iter().map(|(key, data)| {
                map([("PartitionKey", text(key)), ("Data", bytes(format, data))])
            });
            let put = map([
                ("StreamName", text(STREAM)),
                ("Records", AnyValue::List(entries.collect())),
            ]);
            let (status, answer) = call(&kinesis, format, "PutRecords", &put).await;
            prop_assert_eq!(status, 200, "{:?}", answer);
            let iterator = kinesis.shard_iterator(STREAM, FIRST, IteratorStart::TrimHorizon).await.unwrap();
            for format in [JSON, CBOR] {
                let get = map([("ShardIterator", text(&iterator))]);
                let (_, page) = call(&kinesis, format, "GetRecords", &get).await;
                let read = page.get("Records").list();
                prop_assert_eq!(read.len(), records.len());
                for ((record, (key, data)), put) in read.iter().zip(&records).zip(answer.get("Records").list()) {
                    prop_assert_eq!(record.get("PartitionKey").text(), key);
                    prop_assert_eq!(record.get("Data"), &bytes(format, data));
                    prop_assert_eq!(record.get("SequenceNumber"), put.get("SequenceNumber"));
                }
            }
            Ok(())
        })?;
    }

    /// No body makes any operation panic.
    #[test]
    fn any_body_is_answered(body in proptest::collection::vec(any::<u8>(), 0..80), operation in 0..6_usize) {
        const OPERATIONS: [&str; 6] =
            ["PutRecords", "PutRecord", "GetRecords", "ListShards", "CreateStream", "SubscribeToShard"];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (_folder, kinesis) = open();
            for format in [JSON, CBOR] {
                let (status, ..) = send(&kinesis, format, OPERATIONS[operation], body.clone()).await;
                prop_assert!(status.is_client_error());
            }
            Ok(())
        })?;
    }
}
