//! The window state in each of its versions.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::value::RawValue;
use unicorn::merge::merge;
use unicorn::reading::Reading;
use unicorn::status_time::StatusTime;
use unicorn::summary::{SourceRange, Summary};
use unicorn::totals::Totals;
use windrow_core::fold::{Row, StateLimits, StateVersion};
use windrow_core::window::Window;
use windrow_lambda::aggregator::state::{WindowFold, read, write, write_version};

/// [`sample_window`] as each version writes it. Such a state may be in flight during any
/// deployment, so never change these texts; add one for each new version.
const GOLDEN: [(StateVersion, &str); 2] = [
    (
        StateVersion::V1,
        r#"{"version":1,"data":"Vyi1L/0gV7kCAAIxMAIxNAIxNAIKCUJ1Y8OpcGhhbGVTaGFkb3dmYXgBgKGIxZhowMqPxZhoAgABAQKAhdQbgKWWOsoBygEAAqwCrAIAAAACAAEBAoDo6vu1463XMQDQDw=="}"#,
    ),
    (
        StateVersion::V2,
        r#"{"version":2,"data":"XCi1L/0gXOECAAIxMAIxMAIxNAIxNAIKCUJ1Y8OpcGhhbGVTaGFkb3dmYXgBgKGIxZhowMqPxZhoAgABAQIAAYCF1BuApZY6ygHKAQACrAKsAgAAAAIAAQECgOjq+7XjrdcxANAP"}"#,
    ),
];

const WINDOW: Window = Window {
    start: 1_790_000_040_000,
    end: 1_790_000_100_000,
};

fn add(fold: &mut WindowFold, number: u64, name: &str, second: i64, metres: i64) {
    assert!(fold.begin_record(&number.to_string()).unwrap());
    let reading = Reading {
        name: name.into(),
        status_time: StatusTime::from_millis(WINDOW.start + 1000 * second),
        latitude: None,
        longitude: None,
        distance: unicorn::distance::Distance::from_micrometres(i128::from(metres) * 1_000_000),
        magic_points: 100 + i32::try_from(second).unwrap(),
        health_points: 150,
    };
    let time = i128::from(reading.status_time.millis()) * 1_000_000;
    fold.add(WINDOW, name, time, &reading);
}

/// Two unicorns in four records, the last of which is a duplicate.
fn sample_window() -> WindowFold {
    let mut fold = WindowFold::new(StateLimits::default());
    add(&mut fold, 10, "Shadowfax", 1, 30);
    add(&mut fold, 11, "Bucéphale", 1, 29);
    add(&mut fold, 13, "Shadowfax", 2, 31);
    add(&mut fold, 14, "Shadowfax", 2, 31);
    fold
}

fn state(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn parse(state: &RawValue) -> WindowFold {
    read(state, StateLimits::default()).unwrap()
}

#[test]
fn every_version_can_be_read() {
    for (version, text) in GOLDEN {
        let mut fold = parse(&state(text));
        assert!(!fold.begin_record("14").unwrap(), "{version:?}");
        let rows = fold.close();
        let totals: Vec<(&str, u64, String)> = rows
            .iter()
            .map(|row| {
                let measures = row.aggregate.measures().unwrap();
                (
                    row.key.as_str(),
                    row.readings,
                    measures.distance.to_string(),
                )
            })
            .collect();
        assert_eq!(
            totals,
            [
                ("Bucéphale", 1, "29".to_owned()),
                ("Shadowfax", 2, "61".to_owned())
            ],
            "{version:?}"
        );
        let duplicates = if version >= StateVersion::V2 { 1 } else { 0 };
        assert_eq!(rows[1].duplicates, duplicates, "{version:?}");
        assert_eq!(rows[1].dedup_from.as_str(), "10");
    }
}

#[test]
fn every_version_is_written_unchanged() {
    for (version, text) in GOLDEN {
        assert_eq!(
            write_version(&sample_window(), version).unwrap().get(),
            text,
            "{version:?}"
        );
    }
    assert_eq!(write(&sample_window()).unwrap().get(), GOLDEN[1].1);
}

fn summary(row: Row<String, Totals>) -> Summary {
    Summary {
        name: row.key,
        window_start: StatusTime::from_millis(row.window.start),
        window_seconds: 60,
        readings: row.readings,
        duplicates: row.duplicates,
        measures: row.aggregate.measures(),
        source: SourceRange {
            stream: "wildrydes".to_owned(),
            shard: "shardId-000000000000".to_owned(),
            dedup_from: (row.dedup_from < *row.range.from()).then_some(row.dedup_from),
            range: row.range,
        },
    }
}

/// A deployment and a rollback in the middle of the same window.
#[test]
fn window_survives_an_upgrade_and_a_rollback() {
    let mut fold = parse(&state(GOLDEN[0].1));
    add(&mut fold, 15, "Shadowfax", 3, 32);
    // A duplicate of a reading from before the deployment.
    add(&mut fold, 16, "Shadowfax", 1, 30);
    let mut fold = parse(&write_version(&fold, StateVersion::V2).unwrap());
    add(&mut fold, 17, "Shadowfax", 3, 32);
    let mut rows = fold.close();
    // The rollback: the previous release reads the new state and writes its own version.
    let mut fold = parse(&write_version(&fold, StateVersion::V1).unwrap());
    add(&mut fold, 18, "Shadowfax", 2, 31);
    add(&mut fold, 19, "Shadowfax", 4, 33);
    let mut fold = parse(&write_version(&fold, StateVersion::V1).unwrap());
    add(&mut fold, 20, "Bucéphale", 1, 29);
    rows.extend(fold.close());

    let merged = merge(rows.into_iter().map(summary));
    let totals: Vec<(&str, u64, String)> = merged
        .iter()
        .map(|row| {
            let distance = row.measures.distance.to_string();
            (row.name.as_str(), row.readings, distance)
        })
        .collect();
    assert_eq!(
        totals,
        [
            ("Bucéphale", 1, "29".to_owned()),
            ("Shadowfax", 4, "126".to_owned())
        ]
    );
}

#[test]
fn invalid_state_is_an_error() {
    for (text, message) in [
        (
            "7",
            "the window's state is not {\"version\":..,\"data\":..}",
        ),
        (
            r#"{"version":3,"data":""}"#,
            "the window's state has version 3; this release reads versions 1 and 2",
        ),
        (
            r#"{"version":2,"data":"?"}"#,
            "the window's state cannot be read",
        ),
    ] {
        let error = read(&state(text), StateLimits::default()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
