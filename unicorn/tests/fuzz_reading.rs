//! Compares the parser of readings with a simple one (`oracle`): both accept a line with equal
//! values, or both reject it for the same field.
//!
//! Lines in the usual formats and slightly changed ones are also parsed with a space before them and
//! with another field in them, which takes the general parser.
//!
//! A normal run has more than 200,000 lines. For more, set `PROPTEST_CASES` to the number of cases
//! per property:
//!
//! ```text
//! PROPTEST_CASES=1000000 cargo test --release -p unicorn --test fuzz_reading
//! ```

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use unicorn::reading::Reading;
use windrow_core::rejection::Rejection;
use windrow_testkit::cases::cases;
use windrow_testkit::choices::Choices;
use windrow_testkit::oracle::generate::line;
use windrow_testkit::oracle::near::{self, mutate};
use windrow_testkit::oracle::{check, check_lines, check_parsers, check_record, json};

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..longest)
}

proptest! {
    #![proptest_config(cases(40_000))]

    #[test]
    fn lines_agree_with_the_oracle(choices in bytes(300)) {
        check(&line(&mut Choices::new(&choices)));
    }
}

proptest! {
    #![proptest_config(cases(15_000))]

    #[test]
    fn records_agree_with_the_oracle(choices in bytes(600)) {
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
    fn any_bytes_agree_with_the_oracle(bytes in bytes(60)) {
        check(&bytes);
        check_record(&bytes);
        let mut object = b"{\"Name\":".to_vec();
        object.extend(bytes);
        check(&object);
    }

    #[test]
    fn the_oracle_agrees_with_serde_json(choices in bytes(200)) {
        if let Ok(text) = std::str::from_utf8(&line(&mut Choices::new(&choices))) {
            json::check(text);
        }
    }
}

/// How many changed lines are made from each line.
const STEPS: usize = 13;

proptest! {
    #![proptest_config(cases(8_000))]

    #[test]
    fn all_parsers_agree(choices in bytes(160), steps in prop::array::uniform::<_, STEPS>(0..8_000_usize)) {
        let line = near::line(&mut Choices::new(&choices));
        check_parsers(&line);
        check(&line);
        for step in steps {
            check_parsers(&mutate(&line, step));
        }
    }
}

proptest! {
    #![proptest_config(cases(3_000))]

    /// Where a reading ends is found by parsing it, or by searching for its end.
    #[test]
    fn readings_in_a_record_agree_with_the_oracle(
        choices in bytes(160),
        other in bytes(160),
        between in prop::sample::select(&["\n", "\r\n", "", "\n\n", " \n", "\n \t", ",\n", "][", "\u{feff}"][..]),
        step in 0..80_000_usize,
    ) {
        let lines = [&choices, &other].map(|choices| near::line(&mut Choices::new(choices)));
        check_lines(&lines, between);
        check_record(&mutate(&lines.join(between.as_bytes()), step));
    }
}

/// Applies every kind of change to every byte of two lines.
#[test]
fn every_single_change_agrees_with_the_oracle() {
    for plain in [
        r#"{"Name":"Rocinante 2","StatusTime":"2024-02-29 23:59:59.999","Latitude":-0.5,"Longitude":180.0,"Distance":29.999999999999996,"MagicPoints":-1,"HealthPoints":0}"#,
        r#"{"Name":"é🦄","StatusTime":"2026-11-20 09:17:08.189","Distance":10,"MagicPoints":2147483647,"HealthPoints":150}"#,
    ] {
        for step in 0..near::MUTATIONS * plain.len() {
            let line = mutate(plain.as_bytes(), step);
            check_parsers(&line);
            check(&line);
        }
    }
}

/// The generator must produce readings and rejections of every kind, or the tests above would prove
/// little.
#[test]
fn generated_lines_are_of_all_kinds() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds = std::collections::BTreeMap::new();
    for _ in 0..8_000 {
        let choices = bytes(300).new_tree(&mut runner).unwrap().current();
        let line = line(&mut Choices::new(&choices));
        let kind = match Reading::parse(&line) {
            Ok(_) => "accepted".to_owned(),
            Err(Rejection::NotUtf8 { .. }) => "not UTF-8".to_owned(),
            Err(Rejection::Missing { field } | Rejection::Field { field, .. }) => field,
            Err(_) => "not an object".to_owned(),
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    let expected = [
        ("accepted", 1_500),
        ("not an object", 800),
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
fn changed_lines_are_readings_and_rejections() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut accepted, mut accepted_changed, lines) = (0, 0, 2_000);
    for step in 0..lines {
        let choices = bytes(160).new_tree(&mut runner).unwrap().current();
        let line = near::line(&mut Choices::new(&choices));
        accepted += usize::from(Reading::parse(&line).is_ok());
        let changed = mutate(&line, step * 37);
        accepted_changed += usize::from(Reading::parse(&changed).is_ok());
    }
    assert!((lines / 5..lines * 4 / 5).contains(&accepted), "{accepted}");
    assert!(
        (lines / 20..lines / 2).contains(&accepted_changed),
        "{accepted_changed}"
    );
}
