//! The lines of `tests/golden/lines.jsonl`: recomputed windows have the readings that the parser
//! accepts.

use std::fs;
use std::path::Path;

use serde_json::Value;
use windrow_archive::windows::ScanOptions;
use windrow_core::row::Measure;
use windrow_core::time::Timestamp;
use windrow_testkit::lines::bytes;

use super::run;

#[test]
fn every_line_of_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let text = fs::read_to_string(folder.join("lines.jsonl")).unwrap();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let archive = tempfile::tempdir().unwrap();
        fs::write(
            archive.path().join("a"),
            bytes(case["line"].as_str(), case["hex"].as_str()),
        )
        .unwrap();
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
