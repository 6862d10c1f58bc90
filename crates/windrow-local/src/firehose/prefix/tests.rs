//! Tests of prefixes.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::*;

fn evaluated(text: &str) -> String {
    let prefix = ObjectPrefix::parse(text).unwrap();
    prefix.evaluate(DateTime::constant(2026, 2, 3, 4, 5, 6, 0), "object")
}

fn error(text: &str) -> String {
    ObjectPrefix::parse(text).unwrap_err().to_string()
}

#[test]
fn a_prefix_without_a_time_is_followed_by_the_hour() {
    for (text, expected) in [
        ("", "2026/02/03/04/"),
        ("readings/", "readings/2026/02/03/04/"),
        // Without a slash at its end, it is the start of the year's folder.
        ("readings-", "readings-2026/02/03/04/"),
        ("a=b!/", "a=b!/2026/02/03/04/"),
    ] {
        assert_eq!(evaluated(text), expected, "{text}");
    }
}

#[test]
fn the_letters_of_times_are_those_of_java() {
    for (text, expected) in [
        ("!{timestamp:yyyy/MM/dd/HH/}", "2026/02/03/04/"),
        ("y=!{timestamp:yyyy}/d=!{timestamp:D}/", "y=2026/d=34/"),
        ("!{timestamp:yy-M-d H:m:s}", "26-2-3 4:5:6"),
        ("!{timestamp:uuuu'year'DDD}/", "2026year034/"),
        ("!{timestamp:yyyy'-'MM''ss}/x", "2026-02'06/x"),
        ("!{timestamp:'it''s 'yyyyy}/", "it's 02026/"),
    ] {
        assert_eq!(evaluated(text), expected, "{text}");
    }
}

#[test]
fn random_strings_differ_per_object_and_occurrence() {
    let prefix = ObjectPrefix::parse("!{firehose:random-string}/!{firehose:random-string}/");
    let prefix = prefix.unwrap();
    let time = DateTime::constant(2026, 2, 3, 4, 5, 6, 0);
    let of = |object| prefix.evaluate(time, object);
    let one = of("one");
    assert_eq!(one, of("one"));
    assert_ne!(one, of("two"));
    let parts: Vec<&str> = one.split('/').collect();
    assert!(parts[0] != parts[1], "{one}");
    assert_eq!((parts[0].len(), parts[1].len()), (11, 11));
    assert!(one.ends_with("/2026/02/03/04/"), "{one}");
}

#[test]
fn what_is_not_supported_is_named() {
    for (text, part) in [
        ("!{timestamp:YYYY}/", "has Y,"),
        ("!{timestamp:MMM}/", "has MMM,"),
        ("!{timestamp:yyyy[MM]}/", "has [,"),
        ("!{timestamp:'yyyy}/", "quote"),
        ("!{timestamp:}/", "no time"),
        ("!{timestamp:yyyy", "without its }"),
        ("!{yyyy}/", "unknown expression !{yyyy}"),
        ("!{firehose:other}/", "unknown expression !{firehose:other}"),
        ("!{partitionKeyFromQuery:a}/", "dynamic partitioning"),
        ("!{partitionKeyFromLambda:a}/", "dynamic partitioning"),
        ("e/!{firehose:error-output-type}/", "must not have"),
        ("/a/", "between slashes"),
        ("a//b/", "between slashes"),
        ("../", "between slashes"),
        ("a/../../b/", "between slashes"),
        ("!{timestamp:'../'yyyy}/", "between slashes"),
        ("./!{timestamp:yyyy}", "between slashes"),
        ("a\\b/", "'\\\\'"),
        ("a\0/", "'\\0'"),
    ] {
        let error = error(text);
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(error(&"x".repeat(101)).contains("too long"));
    assert!(error(&"x/".repeat(260)).contains("512 characters"));
}

#[test]
fn an_error_output_prefix_has_the_type_of_the_error_if_it_has_expressions() {
    let plain = ObjectPrefix::parse("a/").unwrap();
    let timed = ObjectPrefix::parse("!{timestamp:yyyy}/").unwrap();
    let check = |text, prefix| check_error_output(text, prefix).is_ok();
    assert!(check(None, None) && check(None, Some(&plain)) && !check(None, Some(&timed)));
    assert!(check(Some("failed/"), Some(&timed)));
    assert!(!check(Some("failed/!{timestamp:yyyy}/"), None));
    let whole = "failed/!{firehose:error-output-type}/!{timestamp:yyyy}/";
    assert!(check(Some(whole), Some(&timed)) && check(Some(whole), None));
    assert!(!check(Some("!{nonsense}"), None));
}

proptest! {
    /// Whatever is accepted is a path below the folder that it is appended to, at any time.
    #[test]
    fn an_accepted_prefix_stays_in_its_folder(
        text in r"([a-z./ ']|!\{timestamp:[yMdHms'./-]{0,6}\}|!\{firehose:random-string\}){0,12}",
        second in 0_i64..4_000_000_000,
    ) {
        if let Ok(prefix) = ObjectPrefix::parse(&text) {
            let time = jiff::Timestamp::from_second(second).unwrap();
            let time = time.to_zoned(jiff::tz::TimeZone::UTC).datetime();
            let evaluated = prefix.evaluate(time, "object");
            let (folder, _) = evaluated.rsplit_once('/').unwrap_or_default();
            for part in std::path::Path::new(folder).components() {
                prop_assert!(matches!(part, std::path::Component::Normal(_)), "{evaluated}");
            }
            prop_assert_eq!(ObjectPrefix::parse(prefix.text()).unwrap(), prefix);
        }
    }

    #[test]
    fn any_text_is_parsed_without_a_panic(text in any::<String>()) {
        let _ = ObjectPrefix::parse(&text);
        let _ = check_error_output(Some(&text), None);
    }
}
