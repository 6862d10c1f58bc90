//! One test per documented rule.

use windrow_read::Timestamp;

use super::*;

fn record(data: &str) -> ShardRecord {
    ShardRecord {
        sequence_number: "49590338271490256608559692538361571095921575989136588898".to_owned(),
        partition_key: "1".to_owned(),
        data: data.to_owned().into(),
        arrival: Timestamp::from_millis(1_545_084_650_987),
    }
}

fn matches(pattern: &str, data: &str) -> bool {
    let criteria = FilterCriteria::new([pattern]).unwrap();
    criteria.matches(&record(data))
}

/// Which of several values of the field `f` match a rule.
fn matching<'a>(rule: &str, values: &[&'a str]) -> Vec<&'a str> {
    let pattern = format!(r#"{{"data": {{"f": {rule}}}}}"#);
    let matching = values.iter().copied();
    let matching = matching.filter(|value| matches(&pattern, &format!(r#"{{"f": {value}}}"#)));
    matching.collect()
}

#[test]
fn null_matches_null_alone() {
    assert_eq!(
        matching("[null]", &["null", r#""""#, "0", "false", "[]", "{}"]),
        ["null"]
    );
    assert!(!matches(r#"{"data": {"f": [null]}}"#, "{}"));
}

#[test]
fn empty_matches_the_empty_string_alone() {
    assert_eq!(matching(r#"[""]"#, &[r#""""#, "null", r#"" ""#]), [r#""""#]);
}

#[test]
fn equals_is_exact() {
    let values = [
        r#""Alice""#,
        r#""alice""#,
        r#""Alice ""#,
        r#""\u0041lice""#,
        "1",
        "true",
    ];
    assert_eq!(
        matching(r#"["Alice"]"#, &values),
        [r#""Alice""#, r#""\u0041lice""#]
    );
    assert_eq!(
        matching("[true]", &["true", "false", r#""true""#]),
        ["true"]
    );
}

#[test]
fn numbers_are_equal_if_their_texts_are() {
    let values = ["300", "300.0", "3.0e2", r#""300""#];
    assert_eq!(matching("[300]", &values), ["300"]);
    assert_eq!(matching("[3.0e2]", &values), ["3.0e2"]);
}

#[test]
fn equals_ignore_case_ignores_it() {
    let rule = r#"[{"equals-ignore-case": "aLICE"}]"#;
    let values = [r#""Alice""#, r#""ALICE""#, r#""Alice B""#, "1", "null"];
    assert_eq!(matching(rule, &values), [r#""Alice""#, r#""ALICE""#]);
}

#[test]
fn all_fields_must_match() {
    let pattern = r#"{"data": {"Location": ["New York"], "Day": ["Monday"]}}"#;
    assert!(matches(
        pattern,
        r#"{"Location": "New York", "Day": "Monday", "More": 1}"#
    ));
    assert!(!matches(
        pattern,
        r#"{"Location": "New York", "Day": "Tuesday"}"#
    ));
    assert!(!matches(pattern, r#"{"Location": "New York"}"#));
}

#[test]
fn one_of_several_values_must_match() {
    let values = [r#""Credit""#, r#""Debit""#, r#""Cash""#, "7"];
    assert_eq!(
        matching(r#"["Credit", "Debit", 7]"#, &values),
        [r#""Credit""#, r#""Debit""#, "7"]
    );
}

#[test]
fn one_of_several_fields_must_match() {
    let pattern = r#"{"data": {"Open": [true],
        "$or": [{"Location": ["New York"]}, {"Day": ["Monday"], "Hour": [1]}]}}"#;
    assert!(matches(
        pattern,
        r#"{"Open": true, "Location": "New York"}"#
    ));
    assert!(matches(
        pattern,
        r#"{"Open": true, "Day": "Monday", "Hour": 1}"#
    ));
    assert!(!matches(pattern, r#"{"Open": true, "Day": "Monday"}"#));
    assert!(!matches(
        pattern,
        r#"{"Open": false, "Location": "New York"}"#
    ));
    // Around the data, too.
    let pattern = r#"{"$or": [{"partitionKey": ["7"]}, {"data": {"a": [1]}}]}"#;
    assert!(matches(pattern, r#"{"a": 1}"#) && !matches(pattern, r#"{"a": 2}"#));
    // One that has fewer than two objects, or operators, is a field.
    assert!(matches(r#"{"data": {"$or": ["x"]}}"#, r#"{"$or": "x"}"#));
    let pattern = r#"{"data": {"$or": [{"prefix": "x"}, {"prefix": "y"}]}}"#;
    assert!(matches(pattern, r#"{"$or": "yes"}"#));
}

#[test]
fn anything_but_matches_other_values_of_a_field_that_exists() {
    let rule = r#"[{"anything-but": ["Raining"]}]"#;
    let values = [r#""Raining""#, r#""raining""#, r#""""#, "null", "1"];
    assert_eq!(matching(rule, &values), values[1..]);
    assert!(!matches(
        r#"{"data": {"f": [{"anything-but": ["Raining"]}]}}"#,
        "{}"
    ));
    let values = [r#""a""#, r#""b""#, r#""c""#];
    assert_eq!(matching(r#"[{"anything-but": "a"}]"#, &values), values[1..]);
    assert_eq!(
        matching(r#"[{"anything-but": ["a", "b"]}]"#, &values),
        values[2..]
    );
    assert_eq!(
        matching(r#"[{"anything-but": [1, 2]}]"#, &["1", "2", "3"]),
        ["3"]
    );
    for operand in [
        r#"{"prefix": "b"}"#,
        r#"{"suffix": ["b"]}"#,
        r#"{"equals-ignore-case": "B"}"#,
    ] {
        let rule = format!(r#"[{{"anything-but": {operand}}}]"#);
        assert_eq!(matching(&rule, &values), [values[0], values[2]], "{rule}");
    }
}

#[test]
fn numeric_equals_compares_numbers_by_value() {
    let values = ["100", "100.0", "1e2", "100.1", r#""100""#, "null"];
    assert_eq!(
        matching(r#"[{"numeric": ["=", 100]}]"#, &values),
        values[..3]
    );
}

#[test]
fn numeric_ranges_have_limits() {
    let values = ["-1", "10", "10.5", "20", "20.5", r#""15""#];
    let of = |range: &str| matching(&format!(r#"[{{"numeric": {range}}}]"#), &values);
    assert_eq!(of(r#"[">", 10, "<=", 20]"#), ["10.5", "20"]);
    assert_eq!(of(r#"[">=", 10, "<", 20]"#), ["10", "10.5"]);
    assert_eq!(of(r#"["<", 10]"#), ["-1"]);
    assert_eq!(of(r#"[">=", 20]"#), ["20", "20.5"]);
}

#[test]
fn exists_is_for_leaves() {
    let exists = r#"{"data": {"a": {"b": [{"exists": true}]}}}"#;
    let is_absent = r#"{"data": {"a": {"b": [{"exists": false}]}}}"#;
    for (data, expected) in [
        (r#"{"a": {"b": 1}}"#, true),
        (r#"{"a": {"b": null}}"#, true),
        (r#"{"a": {"c": 1}}"#, false),
        (r#"{"c": 1}"#, false),
        // An object is no leaf.
        (r#"{"a": {"b": {"c": 1}}}"#, false),
    ] {
        assert_eq!(matches(exists, data), expected, "{data}");
        assert_eq!(matches(is_absent, data), !expected, "{data}");
    }
    assert_eq!(
        matching(r#"[{"exists": false}, "x"]"#, &[r#""x""#, r#""y""#]),
        [r#""x""#]
    );
}

#[test]
fn prefix_and_suffix_match_strings() {
    let values = [r#""us-east-1""#, r#""US-EAST-1""#, r#""eu-us-""#, "1"];
    assert_eq!(matching(r#"[{"prefix": "us-"}]"#, &values), values[..1]);
    assert_eq!(matching(r#"[{"suffix": "-1"}]"#, &values), values[..2]);
    let rule = r#"[{"prefix": {"equals-ignore-case": "Us-"}}]"#;
    assert_eq!(matching(rule, &values), values[..2]);
    let rule = r#"[{"suffix": {"equals-ignore-case": "US-"}}]"#;
    assert_eq!(matching(rule, &values), values[2..3]);
}

#[test]
fn a_list_matches_if_one_of_its_elements_does() {
    assert_eq!(
        matching(
            r#"["b"]"#,
            &[r#"["a", "b"]"#, r#"["a", ["b"]]"#, r#"["a"]"#, "[]"]
        )
        .len(),
        2
    );
    // One element of a list of objects must have all the fields.
    let pattern = r#"{"data": {"l": {"a": [1], "b": [2]}}}"#;
    assert!(matches(
        pattern,
        r#"{"l": [{"a": 0, "b": 2}, {"a": 1, "b": 2}]}"#
    ));
    assert!(!matches(
        pattern,
        r#"{"l": [{"a": 1, "b": 0}, {"a": 0, "b": 2}]}"#
    ));
    let pattern = r#"{"data": {"l": {"a": [{"exists": false}]}}}"#;
    assert!(matches(pattern, r#"{"l": [{"b": 1}]}"#));
    assert!(!matches(pattern, r#"{"l": [{"b": 1}, {"a": 1}]}"#));
}

#[test]
fn one_of_several_filters_must_match() {
    let patterns = [r#"{"data": {"a": [1]}}"#, r#"{"data": {"b": [1]}}"#];
    let criteria = FilterCriteria::new(patterns).unwrap();
    for (data, expected) in [
        (r#"{"a": 1}"#, true),
        (r#"{"b": 1}"#, true),
        (r#"{"c": 1}"#, false),
    ] {
        assert_eq!(criteria.matches(&record(data)), expected);
    }
    let none: [&str; 0] = [];
    assert!(FilterCriteria::new(none).unwrap().matches(&record("text")));
    for empty in ["{}", r#"{"Filters": []}"#] {
        assert!(
            FilterCriteria::from_json(empty)
                .unwrap()
                .matches(&record("text"))
        );
    }
}

#[test]
fn data_that_is_not_json_matches_no_pattern_of_data() {
    for pattern in [
        r#"{"data": {"f": [{"exists": false}]}}"#,
        r#"{"data": {"f": [1]}}"#,
    ] {
        for data in ["text", "", "{\"f\": 1", "{\"f\": 1} {}"] {
            assert!(!matches(pattern, data), "{data:?}");
        }
    }
    // Without a pattern of the data, its format does not count.
    for data in ["text", r#"{"f": 1}"#] {
        assert!(matches(r#"{"partitionKey": ["1"]}"#, data));
    }
}

#[test]
fn metadata_is_that_of_the_record() {
    for (pattern, expected) in [
        (r#"{"partitionKey": ["1"], "data": {"f": [1]}}"#, true),
        (r#"{"partitionKey": ["2"], "data": {"f": [1]}}"#, false),
        (r#"{"sequenceNumber": [{"prefix": "4959"}]}"#, true),
        (r#"{"kinesisSchemaVersion": ["1.0"]}"#, true),
        (
            r#"{"approximateArrivalTimestamp": [{"numeric": [">", 1545084650.5]}]}"#,
            true,
        ),
        (r#"{"approximateArrivalTimestamp": [1545084650.987]}"#, true),
        (r#"{"kinesis": {"partitionKey": ["1"]}}"#, false),
    ] {
        assert_eq!(matches(pattern, r#"{"f": 1}"#), expected, "{pattern}");
    }
    let criteria = FilterCriteria::new([r#"{"partitionKey": ["1"], "data": {"f": [1]}}"#]);
    assert_eq!(criteria.unwrap().metadata(), ["partitionKey"]);
}

#[test]
fn an_invalid_pattern_is_named_with_its_place() {
    for (data, expected) in [
        (
            r#"["text"]"#,
            ": expected an object: the data of Kinesis records is filtered as JSON alone",
        ),
        (
            r#""text""#,
            ": expected an object or a list of values, and it is a string: put it in a list",
        ),
        ("{}", ": empty"),
        (r#"{"f": []}"#, ".f: empty"),
        (r#"{"f": {}}"#, ".f: empty"),
        (
            r#"{"f": 1}"#,
            ".f: expected an object or a list of values, and it is a number: put it in a list",
        ),
        (r#"{"f": [1, [2]]}"#, ".f[1]: a list in a list of values"),
        (r#"{"f": {"g": [1, {}]}}"#, ".f.g[1]: empty"),
        (
            r#"{"f": [{"wildcard": "a*"}]}"#,
            ".f[0].wildcard: Lambda documents no operator `wildcard`",
        ),
        (
            r#"{"f": [{"cidr": "10.0.0.0/8"}]}"#,
            ".f[0].cidr: Lambda documents no operator `cidr`",
        ),
        (
            r#"{"f": [{"prefix": "a", "suffix": "b"}]}"#,
            ".f[0]: more than one operator: put each in an object of its own",
        ),
        (
            r#"{"f": [{"exists": 1}]}"#,
            ".f[0].exists: expected a boolean, and it is a number",
        ),
        (
            r#"{"f": [{"prefix": ["a"]}]}"#,
            ".f[0].prefix: expected a string, and it is a list",
        ),
        (
            r#"{"f": [{"prefix": {"suffix": "a"}}]}"#,
            ".f[0].prefix.suffix: Lambda documents no operator `suffix`",
        ),
        (
            r#"{"f": [{"suffix": {"equals-ignore-case": 1}}]}"#,
            ".f[0].suffix.equals-ignore-case: expected a string, and it is a number",
        ),
        (
            r#"{"f": [{"anything-but": []}]}"#,
            ".f[0].anything-but: empty",
        ),
        (
            r#"{"f": [{"anything-but": ["a", 1]}]}"#,
            ".f[0].anything-but: expected strings alone or numbers alone",
        ),
        (
            r#"{"f": [{"anything-but": null}]}"#,
            ".f[0].anything-but: expected strings or numbers, and it is null",
        ),
        (
            r#"{"f": [{"anything-but": {"numeric": ["=", 1]}}]}"#,
            ".f[0].anything-but.numeric: Lambda documents no operator `numeric`",
        ),
        (r#"{"f": [{"numeric": []}]}"#, ".f[0].numeric: empty"),
        (
            r#"{"f": [{"numeric": 1}]}"#,
            ".f[0].numeric: expected a list, and it is a number",
        ),
        (
            r#"{"f": [{"numeric": ["==", 1]}]}"#,
            ".f[0].numeric[0]: expected one of `=`, `<`, `<=`, `>` and `>=`",
        ),
        (
            r#"{"f": [{"numeric": ["<"]}]}"#,
            ".f[0].numeric[1]: expected a number, and it is missing",
        ),
        (
            r#"{"f": [{"numeric": ["<", "1"]}]}"#,
            ".f[0].numeric[1]: expected a number, and it is a string",
        ),
        (
            r#"{"f": [{"numeric": ["<", 5.1e9]}]}"#,
            ".f[0].numeric[1]: expected a number from -5.0e9 to 5.0e9",
        ),
        (
            r#"{"f": [{"numeric": [">", 2, "<", 1]}]}"#,
            ".f[0].numeric: expected one comparison, or a lower limit and then an upper one that is larger",
        ),
        (
            r#"{"$or": [{"f": [1]}, {"g": 1}]}"#,
            ".$or[1].g: expected an object or a list of values, and it is a number: put it in a list",
        ),
    ] {
        let valid = r#"{"data": {"f": [1]}}"#.to_owned();
        let error = FilterCriteria::new([valid, format!(r#"{{"data": {data}}}"#)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("Filters[1].Pattern.data{expected}")
        );
    }
    let error = |pattern: &str| FilterCriteria::new([pattern]).unwrap_err().to_string();
    assert_eq!(
        error("[]"),
        "Filters[0].Pattern: expected an object, and it is a list"
    );
    assert_eq!(error("{}"), "Filters[0].Pattern: empty");
    assert!(error("{\"data\"").starts_with("Filters[0].Pattern: not JSON: EOF "));
    assert!(error(&"x".repeat(4_097)).starts_with("Filters[0].Pattern: 4097 characters"));
    let error = FilterCriteria::new(vec![r#"{"a": [1]}"#; 11]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Filters: 11 filters, and a mapping has at most 10"
    );
    let error = FilterCriteria::from_json(r#"{"Filter": []}"#).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("FilterCriteria: not JSON: unknown field")
    );
}
