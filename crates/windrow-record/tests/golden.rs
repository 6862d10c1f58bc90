//! The wire formats, byte by byte.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use windrow_record::kpl::{AggregateBuilder, Aggregated, KplError, hash_key};
use windrow_record::{UnpackError, Unpacker};

const SHADOWFAX: &str = r#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:01.000","Distance":1,"MagicPoints":110,"HealthPoints":150}"#;
const ROCINANTE: &str = r#"{"Name":"Rocinante","StatusTime":"2026-11-20 09:17:02.000","Distance":2,"MagicPoints":110,"HealthPoints":150}"#;

/// `{"a":1}` and a newline, by Python's `gzip.compress(data, mtime=0)`.
const GZIP: [u8; 28] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x4a, 0x54, 0xb2, 0x32,
    0xac, 0xe5, 0x02, 0x00, 0x46, 0xa3, 0xe8, 0x74, 0x08, 0x00, 0x00, 0x00,
];

/// The same by Python's `zlib.compress`.
const ZLIB: [u8; 16] = [
    0x78, 0x9c, 0xab, 0x56, 0x4a, 0x54, 0xb2, 0x32, 0xac, 0xe5, 0x02, 0x00, 0x0a, 0x3d, 0x02, 0x13,
];

/// An aggregated record of both readings as an independent implementation of the format writes it.
fn aggregated() -> Vec<u8> {
    let digest = [
        0xea, 0xaf, 0xaa, 0x2f, 0xe7, 0x5d, 0x70, 0xdf, 0xd6, 0x80, 0xc0, 0x2b, 0x60, 0x3d, 0xc4,
        0xb4,
    ];
    [
        &[0xf3, 0x89, 0x9a, 0xc2][..],
        b"\x0a\x09Shadowfax\x0a\x09Rocinante",
        b"\x1a\x71\x08\x00\x1a\x6d",
        SHADOWFAX.as_bytes(),
        b"\x1a\x71\x08\x01\x1a\x6d",
        ROCINANTE.as_bytes(),
        &digest,
    ]
    .concat()
}

/// The data, partition key and sub-sequence number of each payload.
type GoldenPayloads = Vec<(Result<String, UnpackError>, Option<(String, u64)>)>;

fn unpack(record: &[u8]) -> GoldenPayloads {
    let mut payloads = Vec::new();
    Unpacker::default().unpack(record, |payload| {
        let data = payload
            .data
            .map(|data| String::from_utf8(data.to_vec()).unwrap());
        let user_record = payload.user_record;
        let user_record = user_record.map(|user_record| {
            (
                user_record.partition_key.to_owned(),
                user_record.sub_sequence_number,
            )
        });
        payloads.push((data, user_record));
    });
    payloads
}

#[test]
fn an_aggregated_record_is_read() {
    let expected = [(SHADOWFAX, "Shadowfax", 0), (ROCINANTE, "Rocinante", 1)];
    let expected =
        expected.map(|(data, key, number)| (Ok(data.to_owned()), Some((key.to_owned(), number))));
    assert_eq!(unpack(&aggregated()), expected);
}

#[test]
fn an_aggregated_record_is_written() {
    let mut aggregate = AggregateBuilder::default();
    aggregate.add("Shadowfax", SHADOWFAX.as_bytes());
    aggregate.add("Rocinante", ROCINANTE.as_bytes());
    assert_eq!(aggregate.len(), 2);
    assert_eq!(aggregate.finish(), aggregated());
}

/// By Python's `hashlib.md5`.
#[test]
fn hash_keys_are_md5() {
    assert_eq!(hash_key(""), 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e);
    assert_eq!(hash_key("abc"), 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72);
}

#[test]
fn a_wrong_digest_is_one_error() {
    let mut record = aggregated();
    *record.last_mut().unwrap() ^= 1;
    assert_eq!(unpack(&record), [(Err(KplError::Digest.into()), None)]);
    assert_eq!(Aggregated::read(&record), Err(KplError::Digest));
}

#[test]
fn compressed_data_is_read() {
    for record in [&GZIP[..], &ZLIB] {
        assert_eq!(unpack(record), [(Ok("{\"a\":1}\n".to_owned()), None)]);
    }
    let twice = [GZIP, GZIP].concat();
    assert_eq!(
        unpack(&twice),
        [(Ok("{\"a\":1}\n{\"a\":1}\n".to_owned()), None)]
    );
}
