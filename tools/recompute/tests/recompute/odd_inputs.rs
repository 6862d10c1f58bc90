//! Inputs that producers really send although they should not: the aggregator's reader, which has
//! one record after the other, and the archive's, which has them as one text, take the same readings.

use std::fs;

use unicorn::sensor::readings;
use windrow_archive::windows::ScanOptions;
use windrow_record::Unpacker;

use super::{gzip, line, run};

struct OddInput {
    name: &'static str,
    records: Vec<Vec<u8>>,
    readings: u64,
    /// A part of the reason of each reject.
    rejected: Vec<&'static str>,
}

fn odd(
    name: &'static str,
    records: Vec<Vec<u8>>,
    readings: u64,
    rejected: &[&'static str],
) -> OddInput {
    OddInput {
        name,
        records,
        readings,
        rejected: rejected.to_vec(),
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn odd_inputs() -> Vec<OddInput> {
    let reading = |second| {
        line(
            "Shadowfax",
            &format!("2026-11-20 09:17:0{second}.189"),
            "1",
            1,
        )
    };
    let (one, two) = (reading(1), reading(2));
    let text = |text: String| text.into_bytes();
    let next = || text(format!("\n{two}\n"));
    let not_json = "not a JSON object";
    let glue = [&[3, 0][..], &[7; 16], one.as_bytes()].concat();
    let logs = r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","message":"{}"}]}"#;
    let time = |time: &str| text(line("Shadowfax", time, "1", 1) + "\n");
    vec![
        odd(
            "zeros after a loss of power",
            vec![text(format!("{one}\n{}", "\0".repeat(4096))), next()],
            2,
            &[],
        ),
        odd(
            "a C string per reading",
            vec![text(format!("{one}\0{two}\0"))],
            2,
            &[],
        ),
        odd(
            "lines that end with a semicolon",
            vec![text(format!("{one};\n{two};\n"))],
            2,
            &["does not separate", "does not separate"],
        ),
        odd(
            "carriage returns alone",
            vec![text(format!("{one}\r{two}\r"))],
            2,
            &[],
        ),
        odd(
            "a byte order mark per record",
            vec![
                text(format!("\u{feff}{one}")),
                text(format!("\u{feff}{two}")),
            ],
            2,
            &[],
        ),
        odd(
            "the end of a file of DOS",
            vec![text(format!("{one}\r\n{two}\r\n\u{1a}"))],
            2,
            &[not_json],
        ),
        odd(
            "Base64 of a reading",
            vec![
                b"eyJOYW1lIjoiU2hhZG93ZmF4IiwiRGlzdGFuY2UiOjF9".to_vec(),
                next(),
            ],
            1,
            &["Base64"],
        ),
        odd(
            "a header of the Glue Schema Registry",
            vec![glue, next()],
            1,
            &["Glue"],
        ),
        odd(
            "the header of Confluent's serializer",
            vec![text(format!("\0\0\0\0\u{1}{one}")), next()],
            1,
            &[not_json],
        ),
        odd(
            "gzip in gzip",
            vec![gzip(&gzip(one.as_bytes())), next()],
            2,
            &[],
        ),
        odd(
            "logs of CloudWatch",
            vec![gzip(logs.as_bytes()), next()],
            1,
            &["Name is missing"],
        ),
        odd(
            "gzip of UTF-16",
            vec![gzip(&utf16(&one)), next()],
            1,
            &["UTF-16"],
        ),
        odd(
            "a line of PowerShell appended",
            vec![
                text(format!("{one}\n")),
                utf16(&format!("{one}\r\n")),
                next(),
            ],
            2,
            &["UTF-16"],
        ),
        odd(
            "a bulk request of Elasticsearch",
            vec![text(format!("{{\"index\":{{}}}}\n{one}\n"))],
            1,
            &["Name is missing"],
        ),
        odd(
            "server-sent events",
            vec![text(format!("data: {one}\n\ndata: {two}\n\n"))],
            0,
            &[not_json],
        ),
        odd(
            "a comment first",
            vec![text(format!("# readings\n{one}\n"))],
            1,
            &[not_json],
        ),
        odd(
            "a comma for the decimal point",
            vec![
                text(one.replace("\"Distance\":1", "\"Distance\":1,5")),
                next(),
            ],
            1,
            &[not_json],
        ),
        odd(
            "a time of Java",
            vec![time("2026-11-20T09:17:08.189Z[UTC]"), next()],
            1,
            &["StatusTime"],
        ),
        odd(
            "a time of .NET",
            vec![time("/Date(1795166228189)/"), next()],
            1,
            &["StatusTime"],
        ),
        odd(
            "a time in ISO's basic form",
            vec![time("20261120T091708Z"), next()],
            1,
            &["StatusTime"],
        ),
        odd(
            "the end of a day",
            vec![time("2026-11-20T24:00:00Z"), next()],
            1,
            &["StatusTime"],
        ),
        odd(
            "numbers that JSON does not have",
            vec![
                text(one.replace("\"Distance\":1", "\"Distance\":NaN") + "\n"),
                next(),
            ],
            1,
            &[not_json],
        ),
        odd(
            "a ZIP file",
            vec![b"PK\x03\x04\x14\0\0\0\x08\0\xff\xfe".to_vec(), next()],
            1,
            &["ZIP"],
        ),
        odd(
            "a compressed record that is cut off",
            vec![gzip(one.as_bytes())[..30].to_vec(), next()],
            1,
            &["gzip"],
        ),
    ]
}

/// The readings, and the reasons of the rejects, of the records one by one.
fn by_record(records: &[Vec<u8>]) -> (u64, Vec<String>) {
    let (mut count, mut reasons) = (0, Vec::new());
    let mut unpacker = Unpacker::default();
    for record in records {
        unpacker.unpack(record, |payload| match payload.data {
            Err(error) => reasons.push(error.to_string()),
            Ok(data) => {
                for (_, reading) in readings(data) {
                    match reading {
                        Ok(_) => count += 1,
                        Err(rejection) => reasons.push(rejection.to_string()),
                    }
                }
            }
        });
    }
    (count, reasons)
}

#[test]
fn archive_and_aggregator_take_the_same_readings_of_odd_inputs() {
    for input in odd_inputs() {
        let is_expected = |reasons: &[String]| {
            let mut pairs = reasons.iter().zip(&input.rejected);
            reasons.len() == input.rejected.len() && pairs.all(|(one, part)| one.contains(part))
        };
        let name = input.name;
        let (count, reasons) = by_record(&input.records);
        assert_eq!(count, input.readings, "{name}: {reasons:?}");
        assert!(is_expected(&reasons), "{name}: {reasons:?}");

        // After a plain reading too, since the first bytes of a file tell how it is read.
        let start = line("Franky", "2026-11-20 09:17:08", "1", 1) + "\n";
        for start in [start, String::new()] {
            let folder = tempfile::tempdir().unwrap();
            let file = [start.as_bytes(), &input.records.concat()].concat();
            fs::write(folder.path().join("a"), file).unwrap();
            let (_, report) = run(folder.path(), ScanOptions::new(60, 1).unwrap()).unwrap();
            let count = report.readings + report.duplicates;
            let expected = input.readings + u64::from(!start.is_empty());
            assert_eq!(count, expected, "{name}: {report:?}");
            let mut reasons: Vec<String> = report
                .reasons
                .iter()
                .map(|part| part.reason.clone())
                .collect();
            // A file that starts with a compressed record is read as a stream, so that the start of
            // one that is cut off is text, and the file is reported.
            if let [problem] = report.problems.as_slice() {
                reasons = vec![format!("gzip: {problem}")];
            }
            assert!(is_expected(&reasons), "{name}: {reasons:?}");
        }
    }
}
