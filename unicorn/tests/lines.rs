//! Which lines are readings: the table that every reader of readings is held to.

use std::path::Path;

use serde::Deserialize;
use unicorn::reading::Reading;
use unicorn::sensor::readings;

/// A line and the readings in it.
#[derive(Deserialize)]
struct LineCase {
    case: String,
    /// The line, if it is UTF-8.
    line: Option<String>,
    /// Its bytes as hexadecimal digits otherwise.
    hex: Option<String>,
    readings: Vec<ExpectedReading>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct ExpectedReading {
    name: String,
    status_time: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    distance: String,
    magic_points: i32,
    health_points: i32,
}

impl LineCase {
    fn bytes(&self) -> Vec<u8> {
        windrow_testkit::lines::bytes(self.line.as_deref(), self.hex.as_deref())
    }
}

fn plain(reading: Reading<'_>) -> ExpectedReading {
    ExpectedReading {
        name: reading.name.clone().into_owned(),
        status_time: reading.status_time.to_exact_string(),
        latitude: reading.latitude,
        longitude: reading.longitude,
        distance: reading.distance.to_string(),
        magic_points: reading.magic_points,
        health_points: reading.health_points,
    }
}

#[test]
fn every_line_of_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let text = std::fs::read_to_string(folder.join("lines.jsonl")).unwrap();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let case: LineCase = serde_json::from_str(line).unwrap();
        let bytes = case.bytes();
        let found: Vec<_> = readings(&bytes)
            .filter_map(|(_, reading)| reading.ok().map(plain))
            .collect();
        if found != case.readings {
            wrong.push(format!("{}: {found:?}", case.case));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
