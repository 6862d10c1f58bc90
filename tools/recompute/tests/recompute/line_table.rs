//! The lines of `tests/golden/lines.jsonl`: recomputed windows have the readings that the parser
//! accepts.

use std::fs;
use std::path::Path;

use serde_json::Value;
use windrow_archive::windows::ScanOptions;
use windrow_core::row::Measure;
use windrow_core::time::Timestamp;

use super::run;

/// The bytes of a case's line.
fn bytes(case: &Value) -> Vec<u8> {
    if let Some(line) = case["line"].as_str() {
        return line.as_bytes().to_vec();
    }
    let digits = case["hex"].as_str().unwrap();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[test]
fn every_line_of_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let text = fs::read_to_string(folder.join("lines.jsonl")).unwrap();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let archive = tempfile::tempdir().unwrap();
        fs::write(archive.path().join("a"), bytes(&case)).unwrap();
        let (rows, report) = run(archive.path(), ScanOptions::new(1, 1).unwrap()).unwrap();
        let found: Vec<_> = rows
            .iter()
            .map(|row| {
                let distance = match &row.measures[0] {
                    Measure::Value(value) => value.to_string(),
                    other => panic!("{other:?}"),
                };
                (row.key.text.to_owned(), row.window_start.millis(), distance)
            })
            .collect();
        let readings = case["readings"].as_array().unwrap().iter();
        let mut expected: Vec<_> = readings
            .map(|reading| {
                let text = |name: &str| reading[name].as_str().unwrap().to_owned();
                let time: Timestamp = text("StatusTime").parse().unwrap();
                let second = time.millis().div_euclid(1000) * 1000;
                (text("Name"), second, text("Distance"))
            })
            .collect();
        let total = report.readings + report.duplicates;
        assert_eq!(total, expected.len() as u64, "{}", case["case"]);
        // Readings of one time are duplicates of the first.
        expected.dedup_by(|later, first| (&later.0, later.1) == (&first.0, first.1));
        assert_eq!(found, expected, "{}", case["case"]);
    }
}
