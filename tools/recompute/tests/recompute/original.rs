//! The original Kinesis SQL application and the unicorns' sensor compute the same figures.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use producer::flight::FlyingUnicorn;
use unicorn::distance::Distance;
use unicorn::sensor::Unicorn;
use windrow_archive::list;
use windrow_archive::windows::{ScanOptions, WindowRows, scan};
use windrow_core::sensor::Sensor;
use windrow_core::time::Timestamp;
use windrow_core::value::Value;
use windrow_sql::batch::SqlBatch;
use windrow_sql::input::InputSchema;
use windrow_sql::sensor::SqlSensor;

const SQL: &str = include_str!("../../../../crates/windrow-sql/tests/cases/00-seed/query.sql");
const SCHEMA: &str = include_str!("../../../../crates/windrow-sql/tests/cases/00-seed/schema.json");

const UNICORNS: u64 = 100;
const READINGS: i64 = 500;

/// 2026-03-01 22:49:10.
const FIRST_MILLIS: i64 = 1_772_405_350_000;

/// Distance, and the lowest and highest points; `None` where a value is NULL.
type Figures = [Option<i128>; 5];

/// Figures by name and StatusTime.
type FiguresByWindow = BTreeMap<(String, String), Figures>;

/// A line, and its StatusTime.
type TimedLine = (Vec<u8>, Timestamp);

/// Names of all lengths. Many have their first 16 characters in common with others.
fn name(number: u64) -> String {
    match number % 5 {
        0 => format!("Bucephalus of Thessaly {number}"),
        1 => format!("Единорог из Петергофа {number}"),
        2 => format!("🦄{}{number}", "é".repeat(14)),
        _ => format!("Shadowfax {number}"),
    }
}

/// Readings of a fleet that flies for more than eight minutes. Some distances are such that sums
/// end in a half, or exceed a SMALLINT, and so do some points.
fn lines() -> Vec<TimedLine> {
    let mut fleet: Vec<FlyingUnicorn> = (0..UNICORNS)
        .map(|number| FlyingUnicorn::new(name(number), 7, number, 1.0))
        .collect();
    let mut lines = Vec::new();
    for second in 0..READINGS {
        for (number, flying) in (0..).zip(&mut fleet) {
            let mut reading = flying.fly(FIRST_MILLIS + second * 1_000 + number * 7);
            match number {
                3 => reading.distance = metres(if second % 60 == 0 { 30.5 } else { 30.0 }),
                // 60 of them are 32,767.5 m from the hundredth second on.
                8 => {
                    reading.distance = Distance::from_micrometres(546_124_900 + i128::from(second))
                }
                13 => reading.distance = metres(700.0),
                18 => reading.magic_points = 32_737 + (second % 60) as i32,
                23 => reading.health_points = -32_800,
                _ => {}
            }
            lines.push((reading.to_line(), reading.status_time));
        }
    }
    lines
}

fn metres(metres: f64) -> Distance {
    Distance::from_micrometres((metres * 1e6) as i128)
}

fn original() -> SqlSensor {
    SqlSensor::new(SQL, InputSchema::parse(SCHEMA).unwrap()).unwrap()
}

fn scanned<'s, S: Sensor>(sensor: &'s S, folder: &Path) -> WindowRows<'s, S> {
    let listing = list(&[folder.to_owned()]).unwrap();
    let options = ScanOptions::new(60, 2).unwrap();
    let (rows, report) = scan(sensor, &listing.files, options, &|_| ()).unwrap();
    assert_eq!(report.readings, UNICORNS * READINGS as u64);
    assert_eq!((report.duplicates, report.rejected), (0, 0));
    rows
}

/// What the original must say, from the rows of the unicorns' sensor; and how many sums end in a
/// half.
fn expected(rows: &WindowRows<'_, Unicorn>) -> (FiguresByWindow, usize) {
    let mut windows: BTreeMap<(String, String), [i128; 5]> = BTreeMap::new();
    for row in rows.iter() {
        let name: String = row.key.text.chars().take(16).collect();
        let end = Timestamp::from_millis(row.window_start.millis() + 60_000);
        let columns = Unicorn.schema().measures().iter().zip(&row.measures);
        let numbers = columns.map(
            |(column, measure)| match measure.finish(column.measure_type) {
                // Micrometres, or points.
                Value::Number(number) => {
                    let places = if column.name == "Distance" { 6 } else { 0 };
                    number.unscaled * 10_i128.pow(places - u32::from(number.scale))
                }
                other => panic!("{other:?}"),
            },
        );
        let numbers: Vec<i128> = numbers.collect();
        let numbers: [i128; 5] = numbers.try_into().unwrap();
        windows
            .entry((name, end.to_string()))
            .and_modify(|joined| {
                joined[0] += numbers[0];
                for lowest in [1, 3] {
                    joined[lowest] = joined[lowest].min(numbers[lowest]);
                }
                for highest in [2, 4] {
                    joined[highest] = joined[highest].max(numbers[highest]);
                }
            })
            .or_insert(numbers);
    }
    let small = |number: i128| i16::try_from(number).ok().map(i128::from);
    let finished = |[micrometres, points @ ..]: [i128; 5]| -> Figures {
        // No distance is below zero, so half away from zero is up.
        let metres = (micrometres + 500_000) / 1_000_000;
        let [a, b, c, d] = points.map(small);
        [small(metres), a, b, c, d]
    };
    let is_half = |numbers: &&[i128; 5]| numbers[0] % 1_000_000 == 500_000;
    let halves = windows.values().filter(is_half).count();
    let windows = windows.into_iter();
    let figures = windows.map(|(window, numbers)| (window, finished(numbers)));
    (figures.collect(), halves)
}

/// The finished rows in JSON lines.
fn figures<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> FiguresByWindow {
    let mut figures = FiguresByWindow::new();
    for line in lines {
        let row: serde_json::Value = serde_json::from_str(line.as_ref()).unwrap();
        let text = |column: &str| row[column].as_str().unwrap().to_owned();
        let number = |column: &str| row[column].as_i64().map(i128::from);
        let values = [
            "Distance",
            "MinMagicPoints",
            "MaxMagicPoints",
            "MinHealthPoints",
            "MaxHealthPoints",
        ];
        let window = (text("Name"), text("StatusTime"));
        let replaced = figures.insert(window, values.map(number));
        assert_eq!(replaced, None, "{}", line.as_ref());
    }
    figures
}

#[test]
fn the_original_and_the_unicorns_have_equal_figures() {
    let folder = tempfile::tempdir().unwrap();
    let lines = lines();
    for (number, lines) in lines.chunks(9_000).enumerate() {
        let lines: Vec<&[u8]> = lines.iter().map(|(line, _)| line.as_slice()).collect();
        fs::write(folder.path().join(number.to_string()), lines.concat()).unwrap();
    }
    let (expected, halves) = expected(&scanned(&Unicorn, folder.path()));

    // As the program `recompute` prints them.
    let sensor = original().with_rowtime("StatusTime").unwrap();
    let program = recompute::sql::program(sensor.clone()).unwrap();
    let mut printed = Vec::new();
    let print = program.own_windows.unwrap().print;
    print(&scanned(&sensor, folder.path()), &mut printed).unwrap();
    let printed = String::from_utf8(printed).unwrap();
    assert_eq!(figures(printed.lines()), expected);

    // Each reading as a record that arrives at its StatusTime.
    let mut batch = SqlBatch::new(original());
    for (line, status_time) in &lines {
        assert_eq!(batch.add(line, *status_time), []);
    }
    let finished = batch.finish();
    let rows = finished.rows.iter().map(|row| row.to_json());
    assert_eq!(figures(rows), expected);

    let values = || expected.values().flatten();
    let nulls = values().filter(|value| value.is_none()).count();
    assert_eq!(finished.problems.len(), nulls);
    let problems = finished.problems.iter();
    let problems: BTreeSet<&str> = problems
        .map(|problem| problem.expression.as_str())
        .collect();
    assert_eq!(problems.len(), 4, "{problems:?}");
    // The fleet tests what it should.
    let names: BTreeSet<&str> = expected.keys().map(|(name, _)| name.as_str()).collect();
    assert!(names.len() < 60, "{names:?}");
    assert!(values().count() > 2_000);
    assert!(halves > 5, "{halves}");
}
