//! The window state in each of its versions.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::value::RawValue;
use unicorn::sensor::Unicorn;
use unicorn::totals::ReadingSample;
use windrow_core::fold::{RecordStep, StateLimits};
use windrow_core::window::Window;
use windrow_lambda::aggregator::state::{WindowFold, read, write};

type StateFold = WindowFold<Unicorn>;

/// [`sample_window`] as written. Such a state may be in flight during any deployment, so never
/// change this text; add one for each new version.
const GOLDEN: &str = r#"{"version":1,"schema":"e73381aa3ec2fdbc","data":"Wyi1L/0gW9kCAAECMTACMTQAAjEwAYChiMWYaMDKj8WYaAIKCUJ1Y8OpcGhhbGVTaGFkb3dmYXgCAAEBAgABgIXUG4ClljrKAcoBAAKsAqwCAAAAAgABAQKA6Or7teOt1zEA0A8="}"#;

const WINDOW: Window = Window {
    start: 1_790_000_040_000,
    end: 1_790_000_100_000,
};

fn add(fold: &mut StateFold, number: u64, name: &str, second: i64, metres: i64) {
    let step = fold.begin_record(&number.to_string()).unwrap();
    let sample = ReadingSample {
        micrometres: metres * 1_000_000,
        magic_points: 100 + i32::try_from(second).unwrap(),
        health_points: 150,
    };
    let time = i128::from(WINDOW.start + 1000 * second) * 1_000_000;
    let mut record = step.into_record().unwrap();
    record.add(WINDOW, name, Some(time), |totals| totals.add(sample));
}

/// Two unicorns in four records, the last of which is a duplicate.
fn sample_window() -> StateFold {
    let mut fold = StateFold::new(StateLimits::default());
    add(&mut fold, 10, "Shadowfax", 1, 30);
    add(&mut fold, 11, "Bucéphale", 1, 29);
    add(&mut fold, 13, "Shadowfax", 2, 31);
    add(&mut fold, 14, "Shadowfax", 2, 31);
    fold
}

fn state(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn parse(state: &RawValue) -> StateFold {
    read(&Unicorn, state, StateLimits::default()).unwrap()
}

#[test]
fn golden_state_can_be_read() {
    let mut fold = parse(&state(GOLDEN));
    assert!(matches!(fold.begin_record("14"), Ok(RecordStep::Skip)));
    assert!(matches!(fold.begin_record("11"), Ok(RecordStep::Skip)));
    let rows = fold.close();
    let totals: Vec<(&str, u64, u64, String)> = rows
        .iter()
        .map(|row| {
            let distance = row.aggregate.measures().unwrap().distance;
            let counts = (row.readings, row.duplicates);
            (row.key.as_str(), counts.0, counts.1, distance.to_string())
        })
        .collect();
    assert_eq!(
        totals,
        [
            ("Bucéphale", 1, 0, "29".to_owned()),
            ("Shadowfax", 2, 1, "61".to_owned())
        ]
    );
    assert_eq!(rows[1].range.from().as_str(), "10");
    assert_eq!(rows[1].range.to().as_str(), "14");
}

#[test]
fn golden_state_is_written_unchanged() {
    assert_eq!(write(&Unicorn, &sample_window()).unwrap().get(), GOLDEN);
}

#[test]
fn invalid_state_is_an_error() {
    for (text, message) in [
        (
            "7",
            "the window's state is not {\"version\":..,\"schema\":..,\"data\":..}",
        ),
        (
            r#"{"version":3,"schema":"","data":""}"#,
            "the window's state has version 3, and this release reads 1 at most: deploy the \
             release that wrote it, or a later one",
        ),
        (
            r#"{"version":1,"schema":"7","data":"?"}"#,
            "the window's state was written for a sensor with other columns: deploy that one again, \
             or create a new event source mapping that starts before the window, which computes it \
             anew",
        ),
        (
            &GOLDEN.replace("Wyi1", "????"),
            "the window's state cannot be read",
        ),
    ] {
        let error = read(&Unicorn, &state(text), StateLimits::default()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
