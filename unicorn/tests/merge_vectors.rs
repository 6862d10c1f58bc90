//! The golden vectors of the merge rule, which every implementation in any language must pass.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use unicorn::merge::{FleetRow, merge};
use unicorn::row::{parse, schema};
use windrow_core::row::Row;

/// Rows are text: their hashes and decimals depend on every character.
#[derive(Deserialize)]
struct GoldenCase {
    case: String,
    rows: Vec<String>,
    merged: Vec<String>,
}

fn to_json(merged: &FleetRow) -> Value {
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
        "Gap": merged.gap,
    })
}

#[test]
fn golden_vectors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/merge.json");
    let cases: Vec<GoldenCase> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cases.len() > 10);
    for GoldenCase { case, rows, merged } in cases {
        let parsed: Vec<Row> = rows
            .iter()
            .map(|row| parse(row.as_bytes()).unwrap())
            .collect();
        for (row, line) in parsed.iter().zip(&rows) {
            let canonical = String::from_utf8(row.to_line(schema())).unwrap();
            assert_eq!(canonical, format!("{line}\n"), "{case}");
        }
        let expected: Vec<Value> = merged
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let reversed = parsed.iter().rev().cloned();
        for merged in [merge(parsed.clone()), merge(reversed)] {
            let merged: Vec<Value> = merged.iter().map(to_json).collect();
            assert_eq!(merged, expected, "{case}");
        }
    }
}
