//! Limits, nesting, and damaged records.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use proptest::collection::vec;
use proptest::prelude::*;
use windrow_record::kpl::{self, AggregateBuilder, Aggregated, KplError};
use windrow_record::{MOST_UNPACKED, UnpackError, Unpacker};

/// A payload's data, partition key and sub-sequence number.
type UnpackedPayload = (Result<Vec<u8>, UnpackError>, Option<(String, u64)>);

fn unpack_with(unpacker: &mut Unpacker, record: &[u8]) -> Vec<UnpackedPayload> {
    let mut payloads = Vec::new();
    unpacker.unpack(record, |payload| {
        let user_record = payload.user_record.map(|user_record| {
            (
                user_record.partition_key.to_owned(),
                user_record.sub_sequence_number,
            )
        });
        if payload.data.is_err() && user_record.is_none() {
            assert_eq!(payload.sent, record);
        }
        payloads.push((payload.data.map(<[u8]>::to_vec), user_record));
    });
    assert!(!payloads.is_empty());
    payloads
}

fn unpack(record: &[u8]) -> Vec<UnpackedPayload> {
    unpack_with(&mut Unpacker::default(), record)
}

/// The only payload of a record that is not aggregated.
fn unpack_one(record: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let mut payloads = unpack(record);
    let (data, user_record) = payloads.pop().unwrap();
    assert!(payloads.is_empty() && user_record.is_none());
    data
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(data, 3).unwrap()
}

type Compress = fn(&[u8]) -> Vec<u8>;

const FORMATS: [Compress; 3] = [gzip, zlib, zstd];

fn aggregate(user_records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut aggregate = AggregateBuilder::default();
    for (key, data) in user_records {
        aggregate.add(key, data);
    }
    aggregate.finish()
}

/// An aggregated record with this message.
fn with_message(message: &[u8]) -> Vec<u8> {
    use md5::Digest;
    [
        &[0xf3, 0x89, 0x9a, 0xc2],
        message,
        &md5::Md5::digest(message),
    ]
    .concat()
}

#[test]
fn plain_data_is_returned_as_it_is() {
    let texts = [
        "",
        "{",
        "{\"Name\":\"Shadowfax\"}\n",
        "x",
        "x^2 is a square",
        "xx",
        "80",
        "8O",
        "hello",
        "(",
        "\u{feff}{}",
        "0",
        " ",
    ];
    for text in texts {
        assert_eq!(
            unpack_one(text.as_bytes()).unwrap(),
            text.as_bytes(),
            "{text}"
        );
    }
    for bytes in [
        &[0xff, 0xfe][..],
        &[0x1f],
        &[0xf3, 0x89, 0x9a],
        &[0x28, 0xb5, 0x2f],
    ] {
        assert_eq!(unpack_one(bytes).unwrap(), bytes);
    }
}

#[test]
fn every_format_is_unpacked_inside_and_outside_of_an_aggregate() {
    for outer in FORMATS {
        for inner in FORMATS {
            let data = inner(b"one");
            let record = outer(&aggregate(&[("a", &data), ("b", b"two"), ("a", b"")]));
            let user_record = |key: &str, number| Some((key.to_owned(), number));
            assert_eq!(
                unpack(&record),
                [
                    (Ok(b"one".to_vec()), user_record("a", 0)),
                    (Ok(b"two".to_vec()), user_record("b", 1)),
                    (Ok(Vec::new()), user_record("a", 2)),
                ]
            );
            assert_eq!(unpack_one(&outer(&data)).unwrap(), b"one");
        }
    }
}

#[test]
fn digests_of_many_records_are_checked_at_once() {
    let mut records = Vec::new();
    for number in 0..11 {
        let data = vec![b'x'; number * 97];
        records.push(aggregate(&[("a", &data)]));
        records.push(data);
    }
    *records[4].last_mut().unwrap() ^= 1;
    records[8][30] ^= 1;
    records[10].truncate(19);
    let are_right = kpl::check_digests(records.iter().map(Vec::as_slice));
    let expected = records
        .iter()
        .map(|record| Aggregated::read(record).is_ok());
    assert_eq!(are_right, expected.collect::<Vec<_>>());
    assert_eq!(are_right.iter().filter(|is_right| **is_right).count(), 8);
    for (record, is_right) in records.iter().zip(are_right) {
        let mut payloads = Vec::new();
        Unpacker::default().unpack_checked(record, is_right, |payload| {
            let key = payload
                .user_record
                .map(|user_record| user_record.partition_key.to_owned());
            payloads.push((payload.data.map(<[u8]>::to_vec), key.map(|key| (key, 0))));
        });
        assert_eq!(payloads, unpack(record));
    }
}

#[test]
fn nesting_is_bounded() {
    let mut record = b"{}".to_vec();
    for layers in 1..=6 {
        record = gzip(&record);
        let expected = if layers <= 4 {
            Ok(b"{}".to_vec())
        } else {
            Err(UnpackError::TooDeep)
        };
        assert_eq!(unpack_one(&record), expected, "{layers}");
    }
    let inner = aggregate(&[("a", b"{}")]);
    let record = aggregate(&[
        ("a", b"1"),
        ("b", &inner),
        ("b", &gzip(&inner)),
        ("c", b"2"),
    ]);
    let unpacked: Vec<_> = unpack(&record).into_iter().map(|(data, _)| data).collect();
    let nested = UnpackError::NestedAggregate;
    assert_eq!(
        unpacked,
        [
            Ok(b"1".to_vec()),
            Err(nested.clone()),
            Err(nested),
            Ok(b"2".to_vec())
        ]
    );
}

#[test]
fn what_a_record_unpacks_to_is_bounded() {
    for format in FORMATS {
        let most = format(&vec![b' '; MOST_UNPACKED]);
        assert_eq!(unpack_one(&most).unwrap().len(), MOST_UNPACKED);
        for size in [MOST_UNPACKED + 1, 2 * MOST_UNPACKED] {
            let bomb = format(&vec![b' '; size]);
            assert!(bomb.len() < MOST_UNPACKED / 50);
            assert_eq!(unpack_one(&bomb), Err(UnpackError::TooLarge));
        }
        // All layers count.
        let half = format(&format(&vec![b' '; MOST_UNPACKED]));
        assert_eq!(unpack_one(&half), Err(UnpackError::TooLarge));
    }
    let members = gzip(&vec![b' '; MOST_UNPACKED / 4]).repeat(5);
    assert_eq!(unpack_one(&members), Err(UnpackError::TooLarge));
}

#[test]
fn user_records_share_the_limit() {
    let large = gzip(&vec![b' '; MOST_UNPACKED / 2]);
    let record = aggregate(&[("a", &large), ("a", &large), ("a", &large), ("a", b"{}")]);
    let mut sizes = Vec::new();
    Unpacker::default().unpack(&record, |payload| {
        if payload.data.is_err() {
            assert_eq!(payload.sent, large);
        }
        sizes.push(payload.data.map(<[u8]>::len));
    });
    let half = MOST_UNPACKED / 2;
    assert_eq!(
        sizes,
        [Ok(half), Ok(half), Err(UnpackError::TooLarge), Ok(2)]
    );
}

#[test]
fn a_broken_user_record_does_not_affect_the_others() {
    let mut broken = gzip(b"{}");
    broken.pop();
    let record = aggregate(&[("a", b"1"), ("b", &broken), ("c", b"3")]);
    let truncated = UnpackError::Truncated { format: "gzip" };
    let data: Vec<_> = unpack(&record).into_iter().map(|(data, _)| data).collect();
    assert_eq!(data, [Ok(b"1".to_vec()), Err(truncated), Ok(b"3".to_vec())]);
}

#[test]
fn text_after_gzip_members_is_read_as_it_is() {
    let readings = gzip(b"{}\n");
    let padded = [&b"\0"[..], &readings, b"2"].concat();
    let cases: [(&[u8], &[u8]); 6] = [
        (b"{\"a\":1}", b"{}\n{\"a\":1}"),
        (b"\n", b"{}\n\n"),
        // Zeros are padding, also between members.
        (b"\0\0", b"{}\n"),
        (b"\0\0[1]", b"{}\n[1]"),
        (&padded, b"{}\n{}\n2"),
        // What is no reading is rejected by itself.
        (b"\xff", b"{}\n\xff"),
    ];
    for (after, expected) in cases {
        let record = [&readings[..], after].concat();
        assert_eq!(unpack_one(&record).unwrap(), expected, "{after:?}");
        // Also in another member.
        assert_eq!(unpack_one(&gzip(&record)).unwrap(), expected, "{after:?}");
    }
    let text = vec![b' '; MOST_UNPACKED];
    let record = [&readings[..], &text[3..]].concat();
    assert_eq!(unpack_one(&record).unwrap().len(), MOST_UNPACKED);
    let record = [&readings[..], &text[2..]].concat();
    assert_eq!(unpack_one(&record), Err(UnpackError::TooLarge));
}

#[test]
fn bytes_after_other_compressed_data_are_an_error() {
    for (format, name) in FORMATS
        .into_iter()
        .zip(["gzip", "zlib", "Zstandard"])
        .skip(1)
    {
        for after in [&[0][..], b"\n", b"{}"] {
            let record = [&format(b"{}"), after].concat();
            let corrupt = UnpackError::Corrupt { format: name };
            let truncated = UnpackError::Truncated { format: name };
            let error = unpack_one(&record).unwrap_err();
            assert!(error == corrupt || error == truncated, "{error}");
        }
    }
}

#[test]
fn invalid_aggregates_are_one_error() {
    let missing = |user_record, field| KplError::Missing { user_record, field };
    let cases: [(&[u8], KplError); 12] = [
        (b"", KplError::Empty),
        (b"\x0a\x01a", KplError::Empty),
        (
            b"\x0a\x01a\x1a\x04\x08\x01\x1a\x00",
            KplError::NoSuchKey { user_record: 0 },
        ),
        (
            b"\x1a\x04\x08\x00\x1a\x00",
            KplError::NoSuchKey { user_record: 0 },
        ),
        (
            b"\x0a\x01a\x1a\x04\x08\x00\x1a\x00\x1a\x06\x08\x00\x10\x00\x1a\x00",
            KplError::NoSuchKey { user_record: 1 },
        ),
        (b"\x0a\x01a\x1a\x02\x08\x00", missing(0, "data")),
        (b"\x0a\x01a\x1a\x02\x1a\x00", missing(0, "partition key")),
        (
            b"\x0a\x01\xff\x1a\x04\x08\x00\x1a\x00",
            KplError::KeyNotUtf8,
        ),
        (b"\x0a\x02a", KplError::Protobuf),
        (b"\x0a\x01a\x1a\x04\x08\x00\x1a\x01", KplError::Protobuf),
        (b"\x00\x00", KplError::Protobuf),
        (b"\x0b", KplError::Protobuf),
    ];
    for (message, error) in cases {
        assert_eq!(
            unpack(&with_message(message)),
            [(Err(error.into()), None)],
            "{message:x?}"
        );
    }
    let short = [&[0xf3, 0x89, 0x9a, 0xc2][..], &[0; 15]].concat();
    assert_eq!(unpack(&short), [(Err(KplError::Truncated.into()), None)]);
    let records = b"\x1a\x04\x08\x00\x1a\x00".repeat(1 << 19);
    assert_eq!(
        unpack(&with_message(&records)),
        [(Err(KplError::TooMany.into()), None)]
    );
    let keys = b"\x0a\x00".repeat(1 << 20);
    assert_eq!(
        unpack(&with_message(&keys)),
        [(Err(KplError::TooMany.into()), None)]
    );
}

#[test]
fn a_message_may_have_explicit_hash_keys_tags_and_fields_of_later_versions() {
    let message = [
        // A user record before the tables, with an explicit hash key and a tag.
        &b"\x1a\x0f\x08\x00\x10\x00\x1a\x02{}\x22\x05\x0a\x03tag"[..],
        b"\x0a\x01a",
        b"\x12\x0242",
        // Unknown fields of each type.
        b"\x78\x96\x01",
        b"\x79\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\x7a\x01x",
        b"\x7d\x00\x00\x00\x00",
    ]
    .concat();
    let record = with_message(&message);
    assert_eq!(
        unpack(&record),
        [(Ok(b"{}".to_vec()), Some(("a".to_owned(), 0)))]
    );
}

/// Damages a record in every way that takes one bit or one cut. What is still unpacked must be what
/// was packed; what is not is an error, or plain bytes that no longer say what they are, and are no
/// text either.
fn check_damage(record: &[u8]) {
    let mut unpacker = Unpacker::default();
    let whole = unpack_with(&mut unpacker, record);
    let mut check = |damaged: &[u8]| {
        let unpacked = unpack_with(&mut unpacker, damaged);
        if unpacked == whole {
            return;
        }
        match unpacked.as_slice() {
            [(Ok(data), None)] => {
                assert_eq!(data, damaged, "the data was changed");
                assert!(data.is_empty() || str::from_utf8(data).is_err() || data.len() < 4);
            }
            payloads => assert!(
                payloads.iter().all(|(data, _)| data.is_err()),
                "{payloads:?}"
            ),
        }
    };
    for end in 0..record.len() {
        check(&record[..end]);
    }
    for bit in 0..record.len() * 8 {
        let mut damaged = record.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        check(&damaged);
    }
}

#[test]
fn damage_is_noticed() {
    let line = br#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:01.000","Distance":1}"#;
    let lines = [&line[..], b"\n", line].concat();
    check_damage(&gzip(&lines));
    check_damage(&zlib(&lines));
    check_damage(&aggregate(&[("Shadowfax", line), ("Rocinante", &lines)]));
    check_damage(&gzip(&aggregate(&[
        ("Shadowfax", line),
        ("Rocinante", &lines),
    ])));
    check_damage(&aggregate(&[("Shadowfax", &zlib(line))]));
}

proptest! {
    #[test]
    fn what_is_packed_is_unpacked(
        user_records in vec(("\\PC{0,20}", vec(any::<u8>(), 0..200)), 1..20),
        outer in 0_usize..4,
    ) {
        let mut aggregate = AggregateBuilder::default();
        for (key, data) in &user_records {
            aggregate.add(key, data);
        }
        let record = aggregate.finish();
        let read = Aggregated::read(&record).unwrap();
        let pairs: Vec<_> = user_records.iter().map(|(key, data)| (key.as_str(), data.as_slice())).collect();
        prop_assert_eq!(read.user_records().collect::<Vec<_>>(), pairs);

        let record = FORMATS.get(outer).map_or(record.clone(), |format| format(&record));
        let unpacked = unpack(&record);
        prop_assert_eq!(unpacked.len(), user_records.len());
        for (index, ((data, user_record), (key, packed))) in unpacked.iter().zip(&user_records).enumerate() {
            prop_assert_eq!(user_record, &Some((key.clone(), index as u64)));
            if let Ok(data) = data {
                prop_assert_eq!(data, packed);
            }
        }
    }

    #[test]
    fn compressed_data_comes_back(data in vec(any::<u8>(), 0..2_000), times in 1_usize..50, format in 0_usize..3) {
        // A letter in front, so that it is not taken for something packed.
        let data = [b"{", data.repeat(times).as_slice()].concat();
        prop_assert_eq!(unpack_one(&FORMATS[format](&data)).unwrap(), data);
    }

    #[test]
    fn any_bytes_are_harmless(start in 0_usize..5, bytes in vec(any::<u8>(), 0..300)) {
        let starts: [&[u8]; 5] = [b"", &[0x1f, 0x8b, 8], &[0x78, 0x9c], &[0x28, 0xb5, 0x2f, 0xfd], &[0xf3, 0x89, 0x9a, 0xc2]];
        unpack(&[starts[start], &bytes].concat());
        unpack(&with_message(&bytes));
    }

    #[test]
    fn text_is_plain(text: String) {
        prop_assert_eq!(unpack_one(text.as_bytes()).unwrap(), text.as_bytes());
    }
}
