//! The parser of readings against the plainest reading of the same lines (`oracle`): both accept a
//! line with equal values, or both reject it for the same field.
//!
//! Lines in usual spellings, which have faster ways of their own, and lines a step beside them are also
//! read with a space before them and with another field in them, which take the other ways.
//!
//! 200,000 lines and more in a normal run; more of them by `PROPTEST_CASES`, which is the number for
//! each of the properties:
//!
//! ```text
//! PROPTEST_CASES=1000000 cargo test --release -p unicorn --test fuzz_reading
//! ```

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use unicorn::reading::Reading;
use unicorn::rejection::Rejection;
use windrow_testkit::choices::Choices;
use windrow_testkit::oracle::generate::line;
use windrow_testkit::oracle::near::{self, step_aside};
use windrow_testkit::oracle::{check, check_record, check_ways, json};

/// So many cases, or as many as `PROPTEST_CASES` says; nothing is written where one fails.
fn cases(default: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if asked { config.cases } else { default },
        failure_persistence: None,
        ..config
    }
}

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..longest)
}

proptest! {
    #![proptest_config(cases(40_000))]

    #[test]
    fn a_line_is_read_as_the_oracle_reads_it(choices in bytes(300)) {
        check(&line(&mut Choices::new(&choices)));
    }
}

proptest! {
    #![proptest_config(cases(15_000))]

    #[test]
    fn a_record_comes_apart_as_the_oracle_has_it(choices in bytes(600)) {
        let mut choices = Choices::new(&choices);
        let ends = [&b"\n"[..], b"\r\n", b"\n\n", b" \n", b"", b"\n\x0c\n", b"\xf3\x89\x9a\xc2"];
        let mut record = choices.choose(&[&b""[..], b"", b"", b"\n", b"\xf3\x89\x9a\xc2", b"  "]).to_vec();
        for _ in 0..choices.below(4) {
            record.extend(line(&mut choices));
            record.extend_from_slice(choices.choose(&ends));
        }
        check_record(&record);
    }

    #[test]
    fn any_bytes_are_read_as_the_oracle_reads_them(bytes in bytes(60)) {
        check(&bytes);
        check_record(&bytes);
        let mut object = b"{\"Name\":".to_vec();
        object.extend(bytes);
        check(&object);
    }

    #[test]
    fn the_oracle_reads_json_as_serde_json_does(choices in bytes(200)) {
        if let Ok(text) = std::str::from_utf8(&line(&mut Choices::new(&choices))) {
            json::check(text);
        }
    }
}

/// How many steps aside are taken from each line.
const STEPS: usize = 13;

proptest! {
    #![proptest_config(cases(8_000))]

    #[test]
    fn all_ways_read_a_line_alike(choices in bytes(160), steps in prop::array::uniform::<_, STEPS>(0..8_000_usize)) {
        let line = near::line(&mut Choices::new(&choices));
        check_ways(&line);
        check(&line);
        for step in steps {
            check_ways(&step_aside(&line, step));
        }
    }
}

proptest! {
    #![proptest_config(cases(3_000))]

    /// The line's end is found by reading it, or by looking for it.
    #[test]
    fn lines_end_where_the_oracle_ends_them(choices in bytes(160), other in bytes(160)) {
        let mut choices = Choices::new(&choices);
        let mut record = near::line(&mut choices);
        record.extend_from_slice(choices.choose(&["\n", "\r\n", "", "\n\n", " \n", "\n \t"]).as_bytes());
        record.extend(near::line(&mut Choices::new(&other)));
        record.extend_from_slice(choices.choose(&["", "\n", "\r\n", "\n\n", "\n\x0c"]).as_bytes());
        check_record(&record);
    }
}

/// Every byte of two lines replaced in every way, by the oracle too.
#[test]
fn no_single_step_aside_makes_a_difference() {
    for plain in [
        r#"{"Name":"Rocinante 2","StatusTime":"2024-02-29 23:59:59.999","Latitude":-0.5,"Longitude":180.0,"Distance":29.999999999999996,"MagicPoints":-1,"HealthPoints":0}"#,
        r#"{"Name":"é🦄","StatusTime":"2026-11-20 09:17:08.189","Distance":10,"MagicPoints":2147483647,"HealthPoints":150}"#,
    ] {
        for step in 0..near::KINDS * plain.len() {
            let line = step_aside(plain.as_bytes(), step);
            check_ways(&line);
            check(&line);
        }
    }
}

/// The generators have to make readings as well as rejections of every kind, or the tests above would
/// say little.
#[test]
fn the_lines_are_of_all_kinds() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds = std::collections::BTreeMap::new();
    for _ in 0..8_000 {
        let choices = bytes(300).new_tree(&mut runner).unwrap().current();
        let line = line(&mut Choices::new(&choices));
        let kind = match Reading::parse(&line) {
            Ok(_) => "read",
            Err(Rejection::NotUtf8 { .. }) => "not UTF-8",
            Err(Rejection::Missing { field } | Rejection::Field { field, .. }) => field,
            Err(_) => "no object",
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    let expected = [
        ("read", 1_500),
        ("no object", 800),
        ("not UTF-8", 30),
        ("Name", 60),
        ("StatusTime", 60),
        ("Latitude", 60),
        ("Longitude", 60),
        ("Distance", 60),
        ("MagicPoints", 60),
        ("HealthPoints", 60),
    ];
    for (kind, least) in expected {
        let count = kinds.get(kind).copied().unwrap_or(0);
        assert!(count > least, "{kind} {kinds:#?}");
    }
}

#[test]
fn the_lines_near_the_usual_spelling_are_readings_and_others() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut read, mut read_aside, lines) = (0, 0, 2_000);
    for step in 0..lines {
        let choices = bytes(160).new_tree(&mut runner).unwrap().current();
        let line = near::line(&mut Choices::new(&choices));
        read += usize::from(Reading::parse(&line).is_ok());
        let aside = step_aside(&line, step * 37);
        read_aside += usize::from(Reading::parse(&aside).is_ok());
    }
    assert!((lines / 5..lines * 4 / 5).contains(&read), "{read}");
    assert!(
        (lines / 20..lines / 2).contains(&read_aside),
        "{read_aside}"
    );
}
