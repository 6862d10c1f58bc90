//! The cases by hand: each text on its records gives the expected rows.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use windrow_sql::batch::SqlBatch;
use windrow_sql::input::InputSchema;
use windrow_sql::sensor::SqlSensor;

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Rows as texts that are equal if all values are: numbers compare by value.
fn comparable(row: &Value) -> String {
    let mut texts = Vec::new();
    for (name, value) in row.as_object().unwrap() {
        let text = match value {
            Value::Number(number) => format!("{:?}", number.as_f64().unwrap()),
            other => other.to_string(),
        };
        texts.push(format!("{name}: {text}"));
    }
    texts.sort();
    texts.join(", ")
}

fn run(case: &Path) {
    let read = |name: &str| fs::read_to_string(case.join(name)).unwrap();
    let input = InputSchema::parse(&read("schema.json")).unwrap();
    let sensor = match SqlSensor::new(&read("query.sql"), input) {
        Ok(sensor) => sensor,
        Err(problems) => panic!("{}: {problems}", case.display()),
    };
    let mut batch = SqlBatch::new(sensor);
    let mut rejected = Vec::new();
    for record in lines(&case.join("input.jsonl")) {
        let arrival = record["arrival"].as_str().unwrap();
        let data = match record["raw"].as_str() {
            Some(raw) => raw.to_owned(),
            None => record["data"].to_string(),
        };
        for reading in batch.add(data.as_bytes(), arrival.parse().unwrap()) {
            rejected.push((arrival.to_owned(), reading.reason.to_string()));
        }
    }
    let errors = lines(&case.join("expected-errors.jsonl"));
    assert_eq!(rejected.len(), errors.len(), "{rejected:?}");
    for ((arrival, reason), error) in rejected.iter().zip(&errors) {
        assert_eq!(arrival, error["arrival"].as_str().unwrap());
        if let Some(column) = error["column"].as_str() {
            assert!(reason.starts_with(&format!("{column} is ")), "{reason}");
        }
    }
    let finished = batch.finish();
    assert_eq!(finished.problems, [], "{}", case.display());
    let finished = finished.rows;
    let parsed = finished
        .iter()
        .map(|row| serde_json::from_str(&row.to_json()).unwrap());
    let mut found: Vec<String> = parsed.map(|row: Value| comparable(&row)).collect();
    let expected = lines(&case.join("expected.jsonl"));
    let mut expected: Vec<String> = expected.iter().map(comparable).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{}", case.display());
}

#[test]
fn every_case_gives_its_rows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 9);
    for case in cases {
        run(&case);
    }
}
