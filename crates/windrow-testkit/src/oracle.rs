//! A simple parser of readings, to compare the real one with.
//!
//! It is slow, and shares only the contract with the real parser: the doc comments of
//! `unicorn::reading`, `windrow_core::time` and `unicorn::distance`.

pub mod generate;
pub mod json;
pub mod near;
mod time;

use json::{Json, JsonError};
use unicorn::reading::Reading;
use unicorn::sensor::readings;
use windrow_core::rejection::Rejection;
use windrow_core::signature::Signature;

/// A reading, with its values in comparable form.
#[derive(Debug, PartialEq)]
struct PlainReading {
    name: String,
    nanos: i128,
    /// The bits of the number, so that -0 and 0 differ.
    latitude: Option<u64>,
    longitude: Option<u64>,
    micrometres: i128,
    magic_points: i32,
    health_points: i32,
}

/// Why a line is rejected, without the message.
#[derive(Debug, PartialEq)]
enum OracleRejection {
    Empty,
    Foreign(Signature),
    NotUtf8 { at: usize },
    NotAnObject,
    Missing(String),
    Field(String),
}

/// Checks that the real parser and the oracle agree on a line: the same reading, or a rejection for
/// the same reason.
///
/// # Panics
///
/// If they do not.
pub fn check(line: &[u8]) {
    let Some(expected) = read(line) else {
        let _ = Reading::parse(line);
        return;
    };
    let actual = plain(Reading::parse(line));
    assert_eq!(actual, expected, "{}", line.escape_ascii());
}

/// Checks that all parsers agree on a line. A space before it, or another field in it, takes the
/// parser for any JSON.
///
/// # Panics
///
/// If they do not.
pub fn check_parsers(line: &[u8]) {
    let actual = plain(Reading::parse(line));
    let mut others = vec![(" ", line)];
    if let Some(members) = line.strip_prefix(b"{")
        && !members.trim_ascii_start().starts_with(b"}")
    {
        others.push(("{\"Other\":[],", members));
    }
    for (start, rest) in others {
        let other = [start.as_bytes(), rest].concat();
        let added = other.len() - line.len();
        let other = plain(Reading::parse(&other)).map_err(|rejection| match rejection {
            OracleRejection::NotUtf8 { at } => OracleRejection::NotUtf8 { at: at - added },
            other => other,
        });
        assert_eq!(actual, other, "{start}{}", line.escape_ascii());
    }
}

/// Checks that the real parser and the oracle agree on each part of a record, and that the parts
/// leave out nothing but what may stand between readings.
///
/// # Panics
///
/// If they do not.
pub fn check_record(record: &[u8]) {
    let parts: Vec<_> = readings(record)
        .map(|(part, reading)| (part, plain(reading)))
        .collect();
    let whole = |rejection| vec![(record, Err(rejection))];
    if let Some(signature) = Signature::of(record) {
        assert_eq!(parts, whole(OracleRejection::Foreign(signature)));
        return;
    }
    if is_between(record) {
        assert_eq!(parts, whole(OracleRejection::Empty));
        return;
    }
    let mut end = 0;
    for (part, reading) in parts {
        let start = part.as_ptr() as usize - record.as_ptr() as usize;
        assert!(is_between(&record[end..start]), "{}", record.escape_ascii());
        end = start + part.len();
        if let Err(OracleRejection::Foreign(_)) = reading {
            assert!(
                !matches!(read(part), Some(Ok(_))),
                "{}",
                part.escape_ascii()
            );
        } else if let Some(expected) = read(part) {
            assert_eq!(reading, expected, "{}", part.escape_ascii());
        }
    }
    assert!(is_between(&record[end..]), "{}", record.escape_ascii());
}

/// Checks that a record of these lines, with `between` between them, has the readings of the lines.
///
/// # Panics
///
/// If it does not.
pub fn check_lines(lines: &[Vec<u8>], between: &str) {
    let record = lines.join(between.as_bytes());
    let expected: Option<Vec<_>> = lines.iter().map(|line| read(line)?.ok()).collect();
    check_record(&record);
    if let Some(expected) = expected
        && !expected.is_empty()
    {
        let found = readings(&record).map(|(_, reading)| plain(reading).ok());
        let found: Option<Vec<_>> = found.collect();
        assert_eq!(found, Some(expected), "{}", record.escape_ascii());
    }
}

/// Whether a text has only what may stand between readings.
fn is_between(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.chars()
        .all(|character| " \t\n\x0C\r,[]\0\u{1e}\u{feff}".contains(character))
}

fn plain(reading: Result<Reading<'_>, Rejection>) -> Result<PlainReading, OracleRejection> {
    match reading {
        Ok(reading) => Ok(PlainReading {
            name: reading.name.into_owned(),
            nanos: reading.status_time.nanos(),
            latitude: reading.latitude.map(f64::to_bits),
            longitude: reading.longitude.map(f64::to_bits),
            micrometres: reading.distance.micrometres(),
            magic_points: reading.magic_points,
            health_points: reading.health_points,
        }),
        Err(Rejection::Empty) => Err(OracleRejection::Empty),
        Err(Rejection::Foreign(signature)) => Err(OracleRejection::Foreign(signature)),
        Err(Rejection::NotUtf8 { at }) => Err(OracleRejection::NotUtf8 { at }),
        Err(Rejection::NotAnObject(_)) => Err(OracleRejection::NotAnObject),
        Err(Rejection::Missing { field }) => Err(OracleRejection::Missing(field.to_owned())),
        Err(Rejection::Field { field, .. }) => Err(OracleRejection::Field(field.to_owned())),
    }
}

const FIELDS: [&str; 7] = [
    "Name",
    "StatusTime",
    "Latitude",
    "Longitude",
    "Distance",
    "MagicPoints",
    "HealthPoints",
];

/// Parses a line. Returns `None` if it is nested deeper than the oracle supports.
///
/// A duplicate field of the reading is rejected as [`OracleRejection::NotAnObject`], even if it is
/// null; unknown fields may be duplicated. Unknown fields only need to follow the grammar: numbers
/// of any size and halves of surrogate pairs are accepted. Half of a pair in the name of a
/// top-level member is rejected, since the name is unknown then.
fn read(line: &[u8]) -> Option<Result<PlainReading, OracleRejection>> {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            return Some(Err(OracleRejection::NotUtf8 { at }));
        }
    };
    match json::read(text) {
        Ok(Json::Object(members)) => Some(reading(&members)),
        Ok(_) | Err(JsonError::NotJson) => Some(Err(OracleRejection::NotAnObject)),
        Err(JsonError::TooDeep) => None,
    }
}

fn reading(members: &[(Option<String>, Json)]) -> Result<PlainReading, OracleRejection> {
    if members.iter().any(|(key, _)| key.is_none()) {
        return Err(OracleRejection::NotAnObject);
    }
    let mut values: [&Json; 7] = [&Json::Null; 7];
    for (index, field) in FIELDS.iter().enumerate() {
        let named = |(key, _): &&(Option<String>, Json)| key.as_deref() == Some(field);
        let mut found = members.iter().filter(named);
        values[index] = found.next().map_or(&Json::Null, |(_, value)| value);
        if found.next().is_some() {
            return Err(OracleRejection::NotAnObject);
        }
    }
    let [name, time, latitude, longitude, distance, magic, health] = values;
    // In the order of the fields, since a rejection names the first invalid one.
    Ok(PlainReading {
        name: required("Name", name, |value| {
            let Json::Text(Some(name)) = value else {
                return None;
            };
            (1..=256)
                .contains(&name.chars().count())
                .then(|| name.clone())
        })?,
        nanos: required("StatusTime", time, |value| match value {
            Json::Text(Some(text)) => time::nanos(text),
            number => {
                let number = decimal(number)?;
                time::nanos_of_number(number.negative, &number.whole, &number.fraction)
            }
        })?,
        latitude: degrees("Latitude", latitude, 90.0)?,
        longitude: degrees("Longitude", longitude, 180.0)?,
        micrometres: required("Distance", distance, micrometres)?,
        magic_points: required("MagicPoints", magic, integer)?,
        health_points: required("HealthPoints", health, integer)?,
    })
}

fn required<T>(
    field: &'static str,
    value: &Json,
    read: impl Fn(&Json) -> Option<T>,
) -> Result<T, OracleRejection> {
    match value {
        Json::Null => Err(OracleRejection::Missing(field.to_owned())),
        value => read(value).ok_or_else(|| OracleRejection::Field(field.to_owned())),
    }
}

fn degrees(field: &'static str, value: &Json, limit: f64) -> Result<Option<u64>, OracleRejection> {
    match value {
        Json::Null => Ok(None),
        Json::Number(text) => match text.parse::<f64>() {
            Ok(degrees) if degrees.abs() <= limit => Ok(Some(degrees.to_bits())),
            _ => Err(OracleRejection::Field(field.to_owned())),
        },
        _ => Err(OracleRejection::Field(field.to_owned())),
    }
}

/// A number without an exponent: its sign, and the digits before and after its decimal point
/// without redundant zeros.
struct OracleDecimal {
    negative: bool,
    whole: String,
    fraction: String,
}

fn decimal(value: &Json) -> Option<OracleDecimal> {
    let Json::Number(text) = value else {
        return None;
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches('-');

    // Moving the point farther than this is beyond any limit or below any precision already.
    let farthest = text.len() as i64 + 100;
    let moved = match exponent.parse::<i64>() {
        Ok(exponent) => exponent.clamp(-farthest, farthest),
        Err(_) if exponent.starts_with('-') => -farthest,
        Err(_) => farthest,
    };
    let zeros = "0".repeat(farthest as usize);
    let digits = format!("{zeros}{whole}{fraction}{zeros}");
    let point = farthest + whole.len() as i64 + moved;
    let (whole, fraction) = digits.split_at(point as usize);
    let (whole, fraction) = (
        whole.trim_start_matches('0'),
        fraction.trim_end_matches('0'),
    );
    let is_zero = whole.is_empty() && fraction.is_empty();
    Some(OracleDecimal {
        negative: text.starts_with('-') && !is_zero,
        whole: whole.to_owned(),
        fraction: fraction.to_owned(),
    })
}

/// A distance, rounded to the nearest micrometre, halves up. `None` if it is below zero, even by
/// less than a micrometre.
fn micrometres(value: &Json) -> Option<i128> {
    let distance = decimal(value)?;
    if distance.negative || distance.whole.len() > 20 {
        return None;
    }
    let fraction = format!("{}0000000", distance.fraction);
    let kept: i128 = format!("{}{}", distance.whole, &fraction[..6])
        .parse()
        .ok()?;
    let rounded = kept + i128::from(fraction.as_bytes()[6] >= b'5');
    (rounded <= i128::from(i64::MAX)).then_some(rounded)
}

fn integer(value: &Json) -> Option<i32> {
    let number = decimal(value)?;
    if !number.fraction.is_empty() {
        return None;
    }
    let sign = if number.negative { "-" } else { "" };
    format!("{sign}0{}", number.whole).parse().ok()
}
