//! Every format of readings, and every reason for which they are rejected.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use unicorn::distance::Distance;
use unicorn::reading::Reading;
use unicorn::sensor::readings;
use windrow_core::time::Timestamp;

const PLAIN: &str = r#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:08.189","Latitude":42.264444250051326,"Longitude":-71.97582884770408,"Distance":175,"MagicPoints":110,"HealthPoints":150}"#;

/// The plain reading with a part of its text replaced.
fn with(old: &str, new: &str) -> String {
    assert!(PLAIN.contains(old), "{old}");
    PLAIN.replacen(old, new, 1)
}

#[track_caller]
fn accepts(line: &str, check: impl Fn(&Reading<'_>) -> bool) {
    match Reading::parse(line.as_bytes()) {
        Ok(reading) => assert!(check(&reading), "{reading:?}"),
        Err(rejection) => panic!("{line}: {rejection}"),
    }
}

#[track_caller]
fn rejects(line: impl AsRef<[u8]>, reason: &str) {
    let line = line.as_ref();
    let rejection = Reading::parse(line).unwrap_err();
    assert_eq!(
        rejection.to_string(),
        reason,
        "{}",
        String::from_utf8_lossy(line)
    );
}

fn metres(reading: &Reading<'_>) -> String {
    reading.distance.to_string()
}

#[test]
fn integers_without_a_newline_are_accepted() {
    accepts(PLAIN, |reading| {
        reading.name == "Shadowfax"
            && reading.status_time.to_string() == "2026-11-20 09:17:08.189"
            && reading.latitude == Some(42.264444250051326)
            && reading.longitude == Some(-71.97582884770408)
            && metres(reading) == "175"
            && (reading.magic_points, reading.health_points) == (110, 150)
    });
    let records: Vec<_> = readings(PLAIN.as_bytes()).collect();
    assert_eq!(records.len(), 1);
}

#[test]
fn long_decimals_are_accepted() {
    for (written, parsed) in [
        ("29.999999999999996", "30"),
        ("30.123456499999999", "30.123456"),
        ("1e3", "1000"),
        ("1.5e2", "150"),
        ("0", "0"),
        ("-0", "0"),
        ("9223372036854.775807", "9223372036854.775807"),
    ] {
        accepts(&with("175", written), |reading| metres(reading) == parsed);
    }
}

#[test]
fn formatting_does_not_matter() {
    accepts(
        "\t{ \"HealthPoints\" : 150, \"Unknown\": [{\"Name\": null}], \"MagicPoints\":1.1e2, \"Distance\":\r 175.0,\
         \"StatusTime\":\"2026-11-20T10:17:08.189+01:00\",\"\\u004eame\":\"Shadow\\u0066ax\" } ",
        |reading| {
            reading.name == "Shadowfax"
                && reading.status_time.to_string() == "2026-11-20 09:17:08.189"
                && reading.magic_points == 110
                && reading.latitude.is_none()
        },
    );
}

#[test]
fn names_in_any_script_are_accepted() {
    for (written, name) in [
        ("🦄", "🦄".to_owned()),
        (r"\ud83e\udd84 \u0001", "🦄 \u{1}".to_owned()),
        ("الخيل", "الخيل".to_owned()),
        (r#"a\"b\\c\/d\n"#, "a\"b\\c/d\n".to_owned()),
        ("<img src=x>", "<img src=x>".to_owned()),
        (&"🦄".repeat(256), "🦄".repeat(256)),
    ] {
        accepts(&with("Shadowfax", written), |reading| reading.name == name);
    }
}

#[test]
fn a_rejection_names_the_field() {
    for (old, new, reason) in [
        ("175", "-1", "Distance is `-1`, which is below zero"),
        ("175", "-1e-9", "Distance is `-1e-9`, which is below zero"),
        (
            "175",
            "9223372036854.775808",
            "Distance is `9223372036854.775808`, which is out of range",
        ),
        ("175", "1e400", "Distance is `1e400`, which is out of range"),
        ("175", "\"175\"", "Distance is not a number"),
        ("175", "null", "Distance is missing"),
        ("\"Distance\":175,", "", "Distance is missing"),
        ("\"Name\":\"Shadowfax\",", "", "Name is missing"),
        ("Shadowfax", "", "Name is empty"),
        ("\"Shadowfax\"", "7", "Name is not a string"),
        (
            "Shadowfax",
            &"é".repeat(257),
            "Name has 257 characters, more than 256",
        ),
        (
            "150",
            "2147483648",
            "HealthPoints is `2147483648`, which is out of range",
        ),
        (
            "150",
            "-2147483649",
            "HealthPoints is `-2147483649`, which is out of range",
        ),
        (
            "150",
            "150.5",
            "HealthPoints is `150.5`, which is not an integer",
        ),
        ("110", "true", "MagicPoints is not a number"),
        (
            "42.264444250051326",
            "91",
            "Latitude is `91`, beyond 90 degrees",
        ),
        (
            "-71.97582884770408",
            "\"west\"",
            "Longitude is not a number",
        ),
        (
            "2026-11-20",
            "2026-02-30",
            "StatusTime `2026-02-30 09:17:08.189` is not a real time as YYYY-MM-DD HH:MM:SS.mmm in UTC, RFC 3339, or a JSON number of seconds or milliseconds since 1970",
        ),
        (
            "\"2026-11-20 09:17:08.189\"",
            "true",
            "StatusTime is neither a string nor a number",
        ),
    ] {
        rejects(with(old, new), reason);
    }
}

#[test]
fn limits_are_inclusive() {
    accepts(&with("150", "2147483647"), |reading| {
        reading.health_points == i32::MAX
    });
    accepts(&with("150", "-2147483648"), |reading| {
        reading.health_points == i32::MIN
    });
    accepts(&with("Shadowfax", &"é".repeat(256)), |reading| {
        reading.name.chars().count() == 256
    });
    accepts(&with("42.264444250051326", "-90"), |reading| {
        reading.latitude == Some(-90.0)
    });
}

#[test]
fn a_lone_surrogate_is_rejected() {
    let rejection = Reading::parse(with("Shadowfax", r"\ud83e").as_bytes()).unwrap_err();
    assert!(
        rejection.to_string().starts_with("Name is not a string: "),
        "{rejection}"
    );
}

#[test]
fn only_a_json_object_is_a_reading() {
    let truncated = &PLAIN[..PLAIN.len() - 1];
    for line in [
        truncated,
        "[]",
        "null",
        "7",
        "\"Shadowfax\"",
        "{]",
        "{}}",
        "[\"Shadowfax\",null,null,null,1,1,1]",
    ] {
        let rejection = Reading::parse(line.as_bytes()).unwrap_err();
        assert!(
            rejection
                .to_string()
                .starts_with("the text is not a JSON object: "),
            "{line}: {rejection}"
        );
    }
    rejects("{}", "Name is missing");
    rejects(b"{\"Name\":\"\xff\"}", "the text is not UTF-8 at byte 9");
    let twice =
        Reading::parse(with("\"Distance\":175", "\"Distance\":175,\"Distance\":1").as_bytes())
            .unwrap_err();
    assert!(
        twice.to_string().contains("duplicate field `Distance`"),
        "{twice}"
    );
    let deep = with(
        "175",
        &format!("175,\"Deep\":{}{}", "[".repeat(10_000), "]".repeat(10_000)),
    );
    let _ = Reading::parse(deep.as_bytes());
}

#[test]
fn a_record_may_hold_several_lines() {
    let record = format!("{PLAIN}\n\n  \r\n{}\nbroken\n", with("Shadowfax", "Franky"));
    let names_or_lines: Vec<String> = readings(record.as_bytes())
        .map(|(line, reading)| match reading {
            Ok(reading) => reading.name.into_owned(),
            Err(_) => String::from_utf8(line.to_vec()).unwrap(),
        })
        .collect();
    assert_eq!(names_or_lines, ["Shadowfax", "Franky", "broken"]);
}

#[test]
fn readings_need_no_newline_between_them() {
    for (first, between, last) in [("", "", ""), ("[", ",", "]"), ("\u{feff}", ",\n", "\n")] {
        let record = format!("{first}{PLAIN}{between}{PLAIN}{last}");
        let found: Vec<_> = readings(record.as_bytes()).collect();
        assert_eq!(found.len(), 2, "{record}");
        for (part, reading) in found {
            assert_eq!(part, PLAIN.as_bytes());
            assert_eq!(reading.unwrap().name, "Shadowfax");
        }
    }
}

#[test]
fn a_pretty_printed_reading_is_one_reading() {
    let pretty: serde_json::Value = serde_json::from_str(PLAIN).unwrap();
    let record = format!("{pretty:#}\n{pretty:#}");
    let names: Vec<_> = readings(record.as_bytes())
        .map(|(_, reading)| reading.unwrap().name.into_owned())
        .collect();
    assert_eq!(names, ["Shadowfax", "Shadowfax"]);
}

#[test]
fn a_record_that_cannot_be_read_is_rejected_once() {
    let utf16: Vec<u8> = PLAIN.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let reason = "it seems to be UTF-16: send UTF-8 instead";
    let binary = b"\x80\n\n\x81\n{\n\x82\n".as_slice();
    for (record, reason) in [
        (utf16.as_slice(), reason),
        (binary, "the text is not UTF-8 at byte 0"),
    ] {
        let rejected: Vec<_> = readings(record).collect();
        assert_eq!(rejected[0].1.clone().unwrap_err().to_string(), reason);
        assert!(rejected.len() <= 2, "{rejected:?}");
    }
}

#[test]
fn a_blank_record_is_rejected_once() {
    for record in ["", "\n", " \n\t\n"] {
        let rejected: Vec<_> = readings(record.as_bytes()).collect();
        assert_eq!(rejected.len(), 1);
        assert_eq!(
            rejected[0].1.clone().unwrap_err().to_string(),
            "the record is empty"
        );
    }
}

proptest! {
    #[test]
    fn formatted_readings_are_parsed(
        name in proptest::collection::vec(any::<char>(), 1..=256),
        millis in 0..4_000_000_000_000_i64,
        position in proptest::option::of((-90.0..=90.0_f64, -180.0..=180.0_f64)),
        micrometres in 0..=i64::MAX,
        magic_points: i32,
        health_points: i32,
    ) {
        let name: String = name.into_iter().collect();
        let reading = Reading {
            name: name.into(),
            status_time: Timestamp::from_millis(millis),
            latitude: position.map(|(latitude, _)| latitude),
            longitude: position.map(|(_, longitude)| longitude),
            distance: Distance::from_micrometres(micrometres.into()),
            magic_points,
            health_points,
        };
        let line = reading.to_line();
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let read: Vec<_> = readings(&line).collect();
        prop_assert_eq!(read, vec![(line.trim_ascii_end(), Ok(reading))]);
    }

    #[test]
    fn any_bytes_are_readings_or_rejected(record in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(readings(&record).count() > 0);
    }

    #[test]
    fn damaged_lines_are_readings_or_rejected(at in 0..PLAIN.len(), byte: u8) {
        let mut line = PLAIN.as_bytes().to_vec();
        line[at] = byte;
        let _ = readings(&line).count();
    }
}
