//! Computes the rows of an archive in plain loops.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use windrow_core::time::Timestamp;

/// Micrometres, lowest and highest magic, lowest and highest health, readings.
type WindowMeasures = (i128, i64, i64, i64, i64, u64);

/// The expected JSON lines and the number of duplicates, computed almost without this project's
/// code.
pub(crate) fn oracle(folder: &Path, window_seconds: i64) -> (Vec<Value>, u64) {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                paths.push(path)
            }
        }
    }
    paths.sort();

    let mut known = HashSet::new();
    let mut duplicates = 0;
    let mut accumulators: BTreeMap<(i64, String), WindowMeasures> = BTreeMap::new();
    for path in paths {
        let mut bytes = fs::read(path).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut unpacked = Vec::new();
            MultiGzDecoder::new(bytes.as_slice())
                .read_to_end(&mut unpacked)
                .unwrap();
            bytes = unpacked;
        }
        for line in bytes.split(|byte| *byte == b'\n') {
            let Ok(value) = serde_json::from_slice::<Value>(line) else {
                continue;
            };
            let Some(name) = value["Name"].as_str() else {
                continue;
            };
            let time = value["StatusTime"].as_str().unwrap();
            let nanos = nanos(time);
            if !known.insert((name.to_owned(), nanos)) {
                duplicates += 1;
                continue;
            }
            let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap();
            let start = seconds.div_euclid(window_seconds) * window_seconds;
            // Exact for the few digits in these tests.
            let micrometres = (value["Distance"].as_f64().unwrap() * 1e6).round() as i128;
            let magic = value["MagicPoints"].as_i64().unwrap();
            let health = value["HealthPoints"].as_i64().unwrap();
            let accumulator = accumulators
                .entry((start, name.to_owned()))
                .or_insert((0, magic, magic, health, health, 0));
            accumulator.0 += micrometres;
            accumulator.1 = accumulator.1.min(magic);
            accumulator.2 = accumulator.2.max(magic);
            accumulator.3 = accumulator.3.min(health);
            accumulator.4 = accumulator.4.max(health);
            accumulator.5 += 1;
        }
    }
    let lines = accumulators
        .into_iter()
        .map(|((start, name), accumulator)| {
            let metres = accumulator.0 as f64 / 1e6;
            serde_json::json!({
                "Name": name,
                "StatusTime": Timestamp::from_millis(start * 1000).to_string(),
                "Distance": metres,
                "MinMagicPoints": accumulator.1,
                "MaxMagicPoints": accumulator.2,
                "MinHealthPoints": accumulator.3,
                "MaxHealthPoints": accumulator.4,
                "Readings": accumulator.5,
                "WindowSeconds": window_seconds,
            })
        });
    (lines.collect(), duplicates)
}

/// Nanoseconds since the epoch of `YYYY-MM-DD HH:MM:SS.fff..`, by counting the days.
fn nanos(time: &str) -> i128 {
    let number = |from: usize, to: usize| time[from..to].parse::<i128>().unwrap();
    let (mut days, year) = (0, number(0, 4));
    let is_leap = |year: i128| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    for year in 1970..year {
        days += if is_leap(year) { 366 } else { 365 };
    }
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for month in 1..number(5, 7) {
        days += lengths[month as usize - 1];
        days += i128::from(month == 2 && is_leap(year));
    }
    days += number(8, 10) - 1;
    let seconds = (days * 24 + number(11, 13)) * 3600 + number(14, 16) * 60 + number(17, 19);
    let fraction: i128 = format!("{:0<9}", &time[20..]).parse().unwrap();
    seconds * 1_000_000_000 + fraction
}
