//! The cases by hand: each text on its records gives the expected rows.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

mod fold;
mod records;

use std::fs;
use std::path::Path;

use serde_json::Value;
use windrow_sql::application::SqlApplication;

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
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(case.join("schema.json")).unwrap()).unwrap();
    let input = records::input(&schema);
    let text = fs::read_to_string(case.join("query.sql")).unwrap();
    let application = match SqlApplication::new(&text, &input) {
        Ok(application) => application,
        Err(problems) => panic!("{}: {problems}", case.display()),
    };
    let records = lines(&case.join("input.jsonl"));
    let (rows, rejected) = records::rows(&schema, &input, &records);
    let errors = lines(&case.join("expected-errors.jsonl"));
    assert_eq!(rejected, errors.len(), "{}", case.display());
    let (finished, problems) = fold::run(&application, &rows);
    assert_eq!(problems, Vec::<String>::new(), "{}", case.display());
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
