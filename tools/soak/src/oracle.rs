//! Computes the expected rows of the table from the streams' logs alone.
//!
//! It is independent of the pipeline: it reads the log call by call, parses lines as plain JSON and
//! adds them up in loops. Only [`by_window`], which converts rows for comparison, uses the merge
//! rule.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::ShardIteratorType;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use unicorn::merge::FleetRow;
use windrow_service::chain;

/// A stream's name and a shard's id.
pub type StreamShard = (String, String);

/// A reading's name and StatusTime.
pub type Identity = (String, String);

/// A record in a shard's log.
#[derive(Clone, Debug)]
pub struct LoggedRecord {
    /// The stream and shard it is in.
    pub place: StreamShard,
    /// Its sequence number.
    pub sequence_number: String,
    /// Its arrival time, in milliseconds since the epoch.
    pub arrival: i64,
    /// Its data.
    pub data: Bytes,
}

/// A unicorn's name and the start of a window, in milliseconds since the epoch.
pub type OracleKey = (String, i64);

/// The totals of one unicorn and window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OracleRow {
    /// How many distinct readings there are.
    pub readings: u64,
    /// The sum of their distances, in micrometres.
    pub micrometres: i128,
    /// The lowest and highest magic, then the lowest and highest health.
    pub points: [i64; 4],
}

/// A stream's log could not be read.
#[derive(Debug, Error)]
#[error("the log of {stream} cannot be read: {reason}")]
pub struct LogError {
    stream: String,
    reason: String,
}

/// Reads a stream's whole log, from the oldest record of every shard to its newest.
///
/// # Errors
///
/// [`LogError`], if a call fails.
pub async fn read_log(client: &Client, stream: &str) -> Result<Vec<LoggedRecord>, LogError> {
    let failed = |error: &dyn std::error::Error| LogError {
        stream: stream.to_owned(),
        reason: chain(error),
    };
    let mut log = Vec::new();
    let listed = client.list_shards().stream_name(stream).send().await;
    for shard in listed.map_err(|error| failed(&error))?.shards() {
        let first = client
            .get_shard_iterator()
            .stream_name(stream)
            .shard_id(shard.shard_id())
            .shard_iterator_type(ShardIteratorType::TrimHorizon)
            .send()
            .await
            .map_err(|error| failed(&error))?;
        let mut iterator = first.shard_iterator;
        while let Some(current) = iterator {
            let page = client.get_records().shard_iterator(current).send().await;
            let page = page.map_err(|error| failed(&error))?;
            if page.records.is_empty() {
                break;
            }
            for record in page.records {
                let arrival = record.approximate_arrival_timestamp;
                log.push(LoggedRecord {
                    place: (stream.to_owned(), shard.shard_id().to_owned()),
                    sequence_number: record.sequence_number,
                    arrival: arrival
                        .and_then(|time| time.to_millis().ok())
                        .unwrap_or_default(),
                    data: Bytes::from(record.data.into_inner()),
                });
            }
            iterator = page.next_shard_iterator;
        }
    }
    Ok(log)
}

/// A parsed reading.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OracleReading<'a> {
    name: String,
    status_time: String,
    #[serde(borrow)]
    distance: &'a RawValue,
    magic_points: OraclePoints,
    health_points: OraclePoints,
}

/// An integer that may be spelled with a fraction or an exponent. All points are small enough for
/// a double to be exact.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct OraclePoints(i64);

impl TryFrom<f64> for OraclePoints {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        let integer = number as i64;
        let is_exact = integer as f64 == number && integer.unsigned_abs() < 1 << 53;
        is_exact.then_some(Self(integer)).ok_or("not an integer")
    }
}

/// The name and StatusTime of a line, or `None` if it is not a reading. The distance must be a
/// plain decimal with at most six decimal places.
pub fn identity(line: &str) -> Option<Identity> {
    let (reading, _) = parse(line)?;
    Some((reading.name, reading.status_time))
}

fn parse(line: &str) -> Option<(OracleReading<'_>, i128)> {
    let reading: OracleReading<'_> = serde_json::from_str(line).ok()?;
    let micrometres = micrometres(reading.distance.get())?;
    Some((reading, micrometres))
}

fn micrometres(metres: &str) -> Option<i128> {
    let (whole, fraction) = metres.split_once('.').unwrap_or((metres, ""));
    let digits = format!("{whole}{fraction:0<6}");
    digits.parse().ok().filter(|value| *value >= 0)
}

/// How readings are assigned to windows, and which duplicates are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OracleRules {
    /// The length of a window.
    pub window_millis: i64,
    /// Whether rows are by StatusTime. Duplicates are always recognised by window of arrival.
    pub by_event_time: bool,
    /// How many of a shard's last readings in a window the dedup cache holds; `None` for all.
    pub held: Option<usize>,
}

/// Computes the rows of a log: the distinct readings of each shard and window, by arrival time,
/// added up over the shards. Of duplicate readings, the first counts. Lines that are not readings
/// are skipped.
pub fn expected(log: &[LoggedRecord], window_millis: i64) -> BTreeMap<OracleKey, OracleRow> {
    fold(
        log,
        OracleRules {
            window_millis,
            by_event_time: false,
            held: None,
        },
    )
}

/// The readings of one shard that arrived in one window.
#[derive(Default)]
struct ArrivedReadings {
    count: usize,
    /// The number of each reading when it was last counted.
    counted: HashMap<Identity, usize>,
}

impl ArrivedReadings {
    /// Whether a reading counts.
    fn counts(&mut self, identity: Identity, held: Option<usize>) -> bool {
        self.count += 1;
        let earlier = self.counted.get(&identity);
        let is_held = |at: &usize| held.is_none_or(|held| self.count - at < held);
        if earlier.is_some_and(is_held) {
            return false;
        }
        self.counted.insert(identity, self.count);
        true
    }
}

/// Computes the rows of a log by `rules`. With [`OracleRules::held`], a duplicate counts whenever
/// that many readings arrived since it counted last.
pub fn fold(log: &[LoggedRecord], rules: OracleRules) -> BTreeMap<OracleKey, OracleRow> {
    let mut known: HashMap<(&StreamShard, i64), ArrivedReadings> = HashMap::new();
    let mut by_window: BTreeMap<OracleKey, OracleRow> = BTreeMap::new();
    for record in log {
        let window_of = |time: i64| time - time.rem_euclid(rules.window_millis);
        let arrived = window_of(record.arrival);
        for line in std::str::from_utf8(&record.data)
            .unwrap_or_default()
            .lines()
        {
            let Some((reading, micrometres)) = parse(line) else {
                continue;
            };
            let (magic, health) = (reading.magic_points.0, reading.health_points.0);
            let window = if rules.by_event_time {
                window_of(millis(&reading.status_time))
            } else {
                arrived
            };
            let identity = (reading.name.clone(), reading.status_time);
            let known = known.entry((&record.place, arrived)).or_default();
            if !known.counts(identity, rules.held) {
                continue;
            }
            let row = by_window
                .entry((reading.name, window))
                .or_insert(OracleRow {
                    readings: 0,
                    micrometres: 0,
                    points: [magic, magic, health, health],
                });
            row.readings += 1;
            row.micrometres += micrometres;
            let [low_magic, high_magic, low_health, high_health] = row.points;
            row.points = [
                low_magic.min(magic),
                high_magic.max(magic),
                low_health.min(health),
                high_health.max(health),
            ];
        }
    }
    by_window
}

/// A StatusTime such as `2026-09-21 14:14:00.120`, in milliseconds since the epoch; 0 if it is not
/// one.
fn millis(status_time: &str) -> i64 {
    let time = status_time.parse::<jiff::civil::DateTime>();
    let time = time.and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC));
    time.map_or(0, |time| time.timestamp().as_millisecond())
}

/// Converts merged rows, to compare them with those of [`expected`].
pub fn by_window(
    merged_rows: impl IntoIterator<Item = FleetRow>,
) -> BTreeMap<OracleKey, OracleRow> {
    let convert = |merged: FleetRow| {
        let row = OracleRow {
            readings: merged.readings,
            micrometres: merged.measures.distance.micrometres(),
            points: [
                merged.measures.min_magic_points.into(),
                merged.measures.max_magic_points.into(),
                merged.measures.min_health_points.into(),
                merged.measures.max_health_points.into(),
            ],
        };
        ((merged.name, merged.window_start.millis()), row)
    };
    merged_rows.into_iter().map(convert).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(shard: &str, arrival: i64, lines: &str) -> LoggedRecord {
        LoggedRecord {
            sequence_number: format!("{shard}{arrival}"),
            place: ("wildrydes".to_owned(), shard.to_owned()),
            arrival,
            data: Bytes::from(lines.to_owned()),
        }
    }

    fn line(name: &str, time: &str, distance: &str, points: i64) -> String {
        format!(
            r#"{{"Name":"{name}","StatusTime":"{time}","Distance":{distance},"MagicPoints":{points},"HealthPoints":{points}}}"#
        )
    }

    #[test]
    fn reading_counts_once_per_shard_and_window() {
        let first = line("Franky", "a", "1.5", 100);
        let other = line("Franky", "b", "0.000001", 99);
        let log = [
            record("0", 10, &format!("{first}\nbroken\n{first}\n")),
            record("0", 59, &other),
            record("0", 60, &first),
            record("1", 10, &first),
        ];
        let by_window = expected(&log, 60);
        let row = |readings, micrometres, points| OracleRow {
            readings,
            micrometres,
            points,
        };
        let expected = BTreeMap::from([
            (
                ("Franky".to_owned(), 0),
                row(3, 3_000_001, [99, 100, 99, 100]),
            ),
            (("Franky".to_owned(), 60), row(1, 1_500_000, [100; 4])),
        ]);
        assert_eq!(by_window, expected);
    }

    #[test]
    fn a_duplicate_counts_again_after_as_many_readings_as_are_held() {
        let line = |second: u32| {
            line(
                "Franky",
                &format!("2026-09-21 14:14:{second:02}.000"),
                "1",
                7,
            )
        };
        let log = [
            record("0", 10, &format!("{}\n{}\n{}", line(1), line(2), line(1))),
            record("0", 20, &format!("{}\n{}\n{}", line(3), line(4), line(1))),
        ];
        let rules = |held| OracleRules {
            window_millis: 60,
            by_event_time: false,
            held,
        };
        let counted = |held| fold(&log, rules(held))[&("Franky".to_owned(), 0)].readings;
        assert_eq!(counted(None), 4);
        assert_eq!(counted(Some(6)), 4);
        assert_eq!(counted(Some(5)), 5);
        assert_eq!(counted(Some(3)), 5);
        assert_eq!(counted(Some(2)), 6);
    }

    #[test]
    fn windows_by_event_time_add_up_over_windows_of_arrival() {
        let reading = line("Franky", "1970-01-01 00:00:00.130", "1", 7);
        let log = [10, 70, 71].map(|arrival| record("0", arrival, &reading));
        let rules = OracleRules {
            window_millis: 60,
            by_event_time: true,
            held: None,
        };
        let rows = fold(&log, rules);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[&("Franky".to_owned(), 120)].readings, 2);
    }
}
