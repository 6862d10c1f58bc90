//! The forms of a time, in the file that the dashboard's tests read as well.

use std::path::Path;

use serde::Deserialize;
use windrow_core::json;
use windrow_core::value::{ColumnType, Value};

#[derive(Deserialize)]
struct GoldenTime {
    /// The JSON of a field.
    json: String,
    /// The time that it is, with all of its digits. `None` if it is rejected.
    time: Option<String>,
}

#[test]
fn all_forms_of_a_time() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let text = std::fs::read_to_string(folder.join("times.json")).unwrap();
    let cases: Vec<GoldenTime> = serde_json::from_str(&text).unwrap();
    for GoldenTime { json, time } in cases {
        let line = format!("{{\"T\":{json}}}");
        let fields = json::split_by_name(line.as_bytes(), &["T"]).unwrap();
        let read = Value::parse(ColumnType::Timestamp, "T", fields[0]);
        assert_eq!(read.ok().map(|read| read.to_string()), time, "{json}");
    }
}
