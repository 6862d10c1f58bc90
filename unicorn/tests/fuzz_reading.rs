//! The parser of readings against the plainest reading of the same lines (`oracle`): both accept a
//! line with equal values, or both refuse it for the same field.
//!
//! 100,000 lines and more in a normal run; more of them by `PROPTEST_CASES`, which is the number for
//! each of the properties:
//!
//! ```text
//! PROPTEST_CASES=1000000 cargo test --release -p unicorn --test fuzz_reading
//! ```

mod oracle;
#[path = "../../windowing/tests/tape/mod.rs"]
mod tape;

use oracle::generate::line;
use oracle::{check, check_record, json};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use tape::Tape;
use unicorn::reading::Reading;
use unicorn::rejection::Rejection;

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
    fn a_line_is_read_as_the_oracle_reads_it(tape in bytes(300)) {
        check(&line(&mut Tape::new(&tape)));
    }
}

proptest! {
    #![proptest_config(cases(15_000))]

    #[test]
    fn a_record_comes_apart_as_the_oracle_has_it(tape in bytes(600)) {
        let mut tape = Tape::new(&tape);
        let ends = [&b"\n"[..], b"\r\n", b"\n\n", b" \n", b"", b"\n\x0c\n", b"\xf3\x89\x9a\xc2"];
        let mut record = tape.choose(&[&b""[..], b"", b"", b"\n", b"\xf3\x89\x9a\xc2", b"  "]).to_vec();
        for _ in 0..tape.below(4) {
            record.extend(line(&mut tape));
            record.extend_from_slice(tape.choose(&ends));
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
    fn the_oracle_reads_json_as_serde_json_does(tape in bytes(200)) {
        if let Ok(text) = std::str::from_utf8(&line(&mut Tape::new(&tape))) {
            json::check(text);
        }
    }
}

/// The generator has to make readings as well as refusals of every kind, or the tests above would
/// say little.
#[test]
fn the_lines_are_of_all_kinds() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds = std::collections::BTreeMap::new();
    for _ in 0..8_000 {
        let tape = bytes(300).new_tree(&mut runner).unwrap().current();
        let line = line(&mut Tape::new(&tape));
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
