//! The golden vectors of the merge rule, which every implementation in any language must pass.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use serde_json::{Value, json};
use unicorn::merge::{MergedRow, merge};
use unicorn::summary::Summary;

fn to_json(merged: &MergedRow) -> Value {
    let measures = merged.measures;
    json!({
        "Name": merged.name,
        "StatusTime": merged.window_start.to_string(),
        "Distance": serde_json::from_str::<Value>(&measures.distance.to_string()).unwrap(),
        "MinMagicPoints": measures.min_magic_points,
        "MaxMagicPoints": measures.max_magic_points,
        "MinHealthPoints": measures.min_health_points,
        "MaxHealthPoints": measures.max_health_points,
        "Readings": merged.readings,
        "WindowSeconds": merged.window_seconds,
        "Exact": merged.exact,
    })
}

#[test]
fn golden_vectors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/merge.json");
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cases.len() > 10);
    for case in cases {
        let rows = case["rows"].as_array().unwrap().iter();
        let rows: Vec<Summary> = rows
            .map(|row| Summary::parse(row.to_string().as_bytes()).unwrap())
            .collect();
        let reversed = rows.iter().rev().cloned();
        for merged in [merge(rows.clone()), merge(reversed)] {
            let merged: Vec<Value> = merged.iter().map(to_json).collect();
            assert_eq!(Value::from(merged), case["minutes"], "{}", case["case"]);
        }
    }
}
