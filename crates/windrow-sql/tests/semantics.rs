//! What queries compute, where AWS documents it or left it open.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

mod fold;

use windrow_core::decimal::Decimal;
use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Finite};
use windrow_sql::application::SqlApplication;
use windrow_sql::constructs;

const SOURCE: &str = "FROM source_sql_stream_001";

fn plan(text: &str) -> SqlApplication {
    SqlApplication::new(text, &constructs::input())
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A row of name, price, count and amount in cents, at a time of 2026-03-01.
fn row(
    at: &str,
    name: &str,
    price: f64,
    count: impl Into<Option<i64>>,
    cents: i128,
) -> fold::Arrived {
    let number = |unscaled, scale| FieldValue::Number(Decimal { unscaled, scale });
    let count = count
        .into()
        .map_or(FieldValue::Null, |count| number(count.into(), 0));
    let arrival = time(&format!("2026-03-01 {at}"));
    let values = vec![
        FieldValue::Text(name.to_owned().into()),
        FieldValue::Float(Finite::new(price).unwrap()),
        count,
        number(cents, 2),
        FieldValue::Timestamp(Timestamp::from_millis(arrival.millis() - 3_600_000)),
    ];
    (values, arrival)
}

fn some_rows() -> Vec<fold::Arrived> {
    vec![
        row("10:00:01.000", "a", 0.1, 1, 10),
        row("10:00:09.999", "a", 0.2, 2, 25),
        row("10:00:10.000", "b", 2.5, None, -5),
        row("10:01:00.000", "b", -2.5, 4, 100),
    ]
}

/// The finished rows as JSON, and the problems.
fn run(text: &str, rows: &[fold::Arrived]) -> (Vec<String>, Vec<String>) {
    let (finished, problems) = fold::run(&plan(text), rows);
    (finished.iter().map(|row| row.to_json()).collect(), problems)
}

/// The rows of a SELECT into columns of these types, called a, b and so on.
fn select(types: &str, select: &str, rows: &[fold::Arrived]) -> Vec<String> {
    let names = ["a", "b", "c", "d", "e"];
    let columns: Vec<String> = types
        .split(';')
        .zip(names)
        .map(|(sql_type, name)| format!("\"{name}\" {sql_type}"))
        .collect();
    let text = format!(
        "CREATE STREAM out ({});\nCREATE PUMP p AS INSERT INTO out SELECT STREAM {select}",
        columns.join(", ")
    );
    let (rows, problems) = run(&text, rows);
    rows.into_iter().chain(problems).collect()
}

#[test]
fn windows_start_at_multiples_of_their_length() {
    let term = "FLOOR((s.ROWTIME - TIMESTAMP '1970-01-01 00:00:00') SECOND / 10 TO SECOND)";
    let found = select(
        "TIMESTAMP;BIGINT;BIGINT",
        &format!("ROWTIME, COUNT(*), CAST({term} AS BIGINT) {SOURCE} s GROUP BY {term}"),
        &some_rows(),
    );
    assert_eq!(
        found,
        [
            r#"{"a":"2026-03-01 10:00:10.000","b":2,"c":177235920}"#,
            r#"{"a":"2026-03-01 10:00:20.000","b":1,"c":177235921}"#,
            r#"{"a":"2026-03-01 10:01:10.000","b":1,"c":177235926}"#,
        ]
    );
    let found = select(
        "TIMESTAMP;TIMESTAMP;BIGINT",
        &format!(
            "FLOOR(s.ROWTIME TO MINUTE) + INTERVAL '1' SECOND, MAX(s.ROWTIME), COUNT(*) {SOURCE} s GROUP BY FLOOR(s.ROWTIME TO MINUTE)"
        ),
        &some_rows(),
    );
    assert_eq!(
        found,
        [
            r#"{"a":"2026-03-01 10:00:01.000","b":"2026-03-01 10:00:10.000","c":3}"#,
            r#"{"a":"2026-03-01 10:01:01.000","b":"2026-03-01 10:01:00.000","c":1}"#,
        ]
    );
}

#[test]
fn other_times_are_keys() {
    let found = select(
        "TIMESTAMP;TIMESTAMP;BIGINT",
        &format!(
            "STEP(\"time\" BY INTERVAL '10' SECOND), ROWTIME, COUNT(*) {SOURCE} GROUP BY STEP(\"time\" BY INTERVAL '10' SECOND), FLOOR(ROWTIME TO HOUR) ORDER BY 3 DESC, 1 DESC"
        ),
        &some_rows(),
    );
    assert_eq!(
        found,
        [
            r#"{"a":"2026-03-01 09:00:00.000","b":"2026-03-01 11:00:00.000","c":2}"#,
            r#"{"a":"2026-03-01 09:01:00.000","b":"2026-03-01 11:00:00.000","c":1}"#,
            r#"{"a":"2026-03-01 09:00:10.000","b":"2026-03-01 11:00:00.000","c":1}"#,
        ]
    );
}

#[test]
fn sums_are_exact_and_averages_are_not_cut() {
    let found = select(
        "DOUBLE;DOUBLE;DOUBLE;DECIMAL(9,3);BIGINT",
        &format!(
            "SUM(\"price\"), AVG(\"price\"), AVG(\"count\"), AVG(\"amount\"), SUM(\"count\") / 2 {SOURCE} WHERE \"name\" = 'a' GROUP BY FLOOR(ROWTIME TO HOUR)"
        ),
        &some_rows(),
    );
    assert_eq!(found, [r#"{"a":0.3,"b":0.15,"c":1.5,"d":0.175,"e":1}"#]);
}

#[test]
fn what_does_not_fit_is_null_with_a_problem() {
    let found = select(
        "VARCHAR(2);SMALLINT;TINYINT;BIGINT",
        &format!(
            "'abc' || \"name\", SUM(\"count\") * 30000, COUNT(*), 1 / (SUM(\"count\") - 3) {SOURCE} WHERE \"count\" < 3 GROUP BY \"name\", FLOOR(ROWTIME TO HOUR)"
        ),
        &some_rows(),
    );
    assert_eq!(
        found,
        [
            r#"{"a":"ab","b":null,"c":2,"d":null}"#,
            "pump \"P\": SUM(count) * 30000 (line 2, column 65): 90000 is out of range for SMALLINT, in the window of 2026-03-01 10:00:00.000, for the key [\"P\",\"a\"]",
            "pump \"P\": 1 / (SUM(count) - 3) (line 2, column 102): division by zero, in the window of 2026-03-01 10:00:00.000, for the key [\"P\",\"a\"]",
        ]
    );
}

#[test]
fn a_row_that_fails_counts_in_no_group_of_the_pump() {
    let found = select(
        "BIGINT",
        &format!("SUM(4 / (\"count\" - 1)) {SOURCE} GROUP BY FLOOR(ROWTIME TO HOUR)"),
        &some_rows(),
    );
    assert_eq!(
        found,
        [
            r#"{"a":5}"#,
            "pump \"P\": SUM(4 / (count - 1)) (line 2, column 57): division by zero",
        ]
    );
}

#[test]
fn pumps_before_a_window_assign_to_their_stream() {
    let text = format!(
        "CREATE STREAM mid (n VARCHAR(1), v INTEGER);
         CREATE PUMP one AS INSERT INTO mid SELECT STREAM \"name\" || 'x', \"price\" {SOURCE} WHERE \"price\" > 0.1;
         CREATE PUMP two AS INSERT INTO mid (v) SELECT STREAM \"count\" {SOURCE};
         CREATE STREAM out (n VARCHAR(9), total BIGINT, counted BIGINT);
         CREATE PUMP p AS INSERT INTO out SELECT STREAM n, SUM(v), COUNT(*) FROM mid GROUP BY n, STEP(mid.ROWTIME BY INTERVAL '1' HOUR) ORDER BY n;"
    );
    let (found, problems) = run(&text, &some_rows());
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        found,
        [
            r#"{"N":null,"TOTAL":7,"COUNTED":4}"#,
            r#"{"N":"a","TOTAL":0,"COUNTED":1}"#,
            r#"{"N":"b","TOTAL":3,"COUNTED":1}"#,
        ]
    );
}

#[test]
fn pumps_after_a_window_read_its_finished_rows() {
    let text = format!(
        "CREATE STREAM mid (n VARCHAR(9), c BIGINT);
         CREATE PUMP p AS INSERT INTO mid SELECT STREAM \"name\", COUNT(*) {SOURCE} GROUP BY \"name\", FLOOR(ROWTIME TO HOUR) HAVING MIN(\"price\") IS NOT NULL;
         CREATE STREAM out (n VARCHAR(9), ended TIMESTAMP);
         CREATE PUMP q AS INSERT INTO out SELECT STREAM UPPER(n), ROWTIME FROM mid WHERE n = 'b';"
    );
    let (found, problems) = run(&text, &some_rows());
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        found,
        [
            r#"{"N":"a","C":2}"#,
            r#"{"N":"b","C":2}"#,
            r#"{"N":"B","ENDED":"2026-03-01 11:00:00.000"}"#,
        ]
    );
    let application = plan(&text);
    let outputs: Vec<&str> = application
        .outputs()
        .map(|output| output.name.as_str())
        .collect();
    assert_eq!(outputs, ["MID", "OUT"]);
}

#[test]
fn pumps_share_columns_with_the_same_text_and_type() {
    let text = format!(
        "CREATE STREAM out (x BIGINT);
         CREATE STREAM mid (\"name\" VARCHAR(3), \"count\" DOUBLE, source VARCHAR(9));
         CREATE PUMP m AS INSERT INTO mid SELECT STREAM \"name\", \"count\", 'x' {SOURCE};
         CREATE PUMP p AS INSERT INTO out SELECT STREAM SUM(\"count\") + COUNT(\"count\") {SOURCE} GROUP BY \"name\", \"count\", FLOOR(ROWTIME TO HOUR);
         CREATE PUMP q AS INSERT INTO out SELECT STREAM COUNT(s.\"count\") {SOURCE} AS s GROUP BY s.\"name\", STEP(s.\"time\" BY INTERVAL '1' MINUTE), FLOOR(s.ROWTIME TO MINUTE);
         CREATE PUMP r AS INSERT INTO out SELECT STREAM CAST(AVG(\"count\") AS BIGINT) FROM mid GROUP BY \"name\", \"count\", source, FLOOR(ROWTIME TO MINUTE);"
    );
    let application = plan(&text);
    let schema = application.schema();
    let key: Vec<&str> = schema
        .key()
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(
        key,
        [
            "Pump",
            "name",
            "count",
            "STEP(time BY INTERVAL '1' MINUTE)",
            "count_2",
            "SOURCE_2"
        ]
    );
    let measures = schema.measures().iter().map(|column| column.name.as_str());
    let measures: Vec<&str> = measures.collect();
    assert_eq!(measures, ["SUM(count)", "COUNT(count)", "SUM(count)_2"]);
    let keys: Vec<&str> = application.pumps()[1].keys().collect();
    assert_eq!(keys, ["name", "STEP(time BY INTERVAL '1' MINUTE)"]);
    let parts: Vec<&str> = application.pumps()[2].parts().collect();
    assert_eq!(parts, ["COUNT(count)", "SUM(count)"]);
    let windows = application
        .pumps()
        .iter()
        .map(|pump| (pump.name(), pump.window_seconds()));
    let windows: Vec<(&str, u32)> = windows.collect();
    assert_eq!(windows, [("P", 3600), ("Q", 60), ("R", 60)]);
}

#[test]
fn logic_has_three_values() {
    for (condition, counted) in [
        ("\"count\" > 0", 3),
        ("NOT \"count\" > 0", 0),
        ("\"count\" > 0 OR \"name\" = 'b'", 4),
        ("\"count\" IN (1, NULL)", 1),
        ("\"count\" NOT IN (1, NULL)", 0),
        ("(\"count\" > 0) IS UNKNOWN", 1),
        ("(\"count\" > 0) IS NOT TRUE", 1),
        ("\"count\" BETWEEN 2 AND 4", 2),
        ("COALESCE(\"count\", 9) = 9", 1),
        ("NULLIF(\"count\", 1) IS NULL", 2),
        ("NULL IS NULL", 4),
        ("\"amount\" = 0.1", 1),
        ("\"amount\" < \"price\"", 1),
        ("CAST(\"name\" AS CHAR(4)) = 'a'", 2),
        ("\"name\" || ' ' = 'a'", 0),
        ("\"name\" = 'A'", 0),
    ] {
        let found = select(
            "BIGINT",
            &format!("COUNT(*) {SOURCE} WHERE {condition} GROUP BY FLOOR(ROWTIME TO DAY)"),
            &some_rows(),
        );
        let expected = if counted == 0 {
            vec![]
        } else {
            vec![format!("{{\"a\":{counted}}}")]
        };
        assert_eq!(found, expected, "{condition}");
    }
}

#[test]
fn functions_compute_what_is_documented() {
    let rows = [row("10:00:01.500", "Ada b", -2.5, 23, -150)];
    for (sql_type, expression, expected) in [
        ("BIGINT", "STEP(\"count\" BY 5)", "20"),
        ("BIGINT", "MOD(\"count\", 5)", "3"),
        ("BIGINT", "-\"count\" / 5", "-4"),
        ("DECIMAL(9,6)", "\"amount\" / 7", "-0.214286"),
        ("DECIMAL(9,4)", "\"amount\" * \"amount\"", "2.25"),
        ("INTEGER", "\"price\"", "-3"),
        ("INTEGER", "CAST('4.5' AS INTEGER)", "5"),
        ("DOUBLE", "FLOOR(\"price\")", "-3.0"),
        ("DOUBLE", "CEIL(\"price\")", "-2.0"),
        ("DECIMAL(4,1)", "CEILING(\"amount\")", "-1"),
        ("DOUBLE", "POWER(2, 10)", "1024.0"),
        ("REAL", "0.1", "0.1"),
        ("VARCHAR(9)", "SUBSTRING(\"name\" FROM 2 FOR 2)", "\"da\""),
        ("VARCHAR(9)", "SUBSTRING(\"name\", 0, 3)", "\"Ad\""),
        ("VARCHAR(9)", "TRIM(LEADING 'A' FROM \"name\")", "\"da b\""),
        (
            "VARCHAR(9)",
            "OVERLAY(\"name\" PLACING 'x' FROM 2 FOR 3)",
            "\"Axb\"",
        ),
        ("VARCHAR(9)", "INITCAP(LOWER(\"name\"))", "\"Ada B\""),
        ("INTEGER", "POSITION('b' IN \"name\")", "5"),
        ("INTEGER", "POSITION('z' IN \"name\")", "0"),
        ("INTEGER", "CHAR_LENGTH('Malmö')", "5"),
        ("CHAR(3)", "'a'", "\"a  \""),
        ("BIGINT", "EXTRACT(HOUR FROM \"time\")", "9"),
        (
            "BIGINT",
            "TSDIFF(\"time\", TIMESTAMP '2026-03-01 10:00:01.5')",
            "3600000",
        ),
        (
            "BIGINT",
            "CAST((TIMESTAMP '2026-03-01 10:00:01.5' - \"time\") MINUTE AS BIGINT)",
            "60",
        ),
        (
            "BIGINT",
            "UNIX_TIMESTAMP(TO_TIMESTAMP(1772359200000))",
            "1772359200000",
        ),
        (
            "VARCHAR(30)",
            "CAST(\"time\" AS VARCHAR(30))",
            "\"2026-03-01 09:00:01.500\"",
        ),
        (
            "VARCHAR(40)",
            "TIMESTAMP_TO_CHAR('EEE, d MMM yy ''at'' HH:mm:ss.SSS Z', \"time\")",
            "\"Sun, 1 Mar 26 at 09:00:01.500 +0000\"",
        ),
        (
            "VARCHAR(9)",
            "DATE_TO_CHAR('MM/dd', CAST(\"time\" AS DATE))",
            "\"03/01\"",
        ),
        (
            "VARCHAR(9)",
            "TIME_TO_CHAR('h:mm a', CAST(\"time\" AS TIME))",
            "\"9:00 AM\"",
        ),
        // As AWS documents it, for this function alone.
        (
            "VARCHAR(9)",
            "TIMESTAMP_TO_CHAR('y', NULLIF(\"time\", \"time\"))",
            "\"null\"",
        ),
        ("VARCHAR(9)", "DATE_TO_CHAR('y', NULL)", "null"),
        ("DATE", "CAST(\"time\" AS DATE)", "\"2026-03-01\""),
        ("TIME", "CAST(\"time\" AS TIME)", "\"09:00:01\""),
        (
            "TIMESTAMP",
            "FLOOR(\"time\" TO MONTH)",
            "\"2026-03-01 00:00:00.000\"",
        ),
        (
            "TIMESTAMP",
            "\"time\" - INTERVAL '1 02:03:04.5' DAY TO SECOND",
            "\"2026-02-28 06:56:57.000\"",
        ),
        ("BOOLEAN", "\"name\" SIMILAR TO 'A(d|x)[a-z]%'", "true"),
        ("VARCHAR(5)", "CASE \"count\" WHEN 23 THEN 'x' END", "\"x\""),
        ("VARCHAR(5)", "CAST(\"price\" AS VARCHAR(5))", "\"-2.5\""),
    ] {
        let aggregate = if sql_type == "BOOLEAN" {
            format!("MAX(CASE WHEN {expression} THEN 1 ELSE 0 END) = 1")
        } else {
            format!("MAX({expression})")
        };
        let found = select(
            sql_type,
            &format!("{aggregate} {SOURCE} GROUP BY FLOOR(ROWTIME TO DAY)"),
            &rows,
        );
        assert_eq!(found, [format!("{{\"a\":{expected}}}")], "{expression}");
    }
}

#[test]
fn floats_of_10_to_the_15_are_not_summed() {
    let found = select(
        "DOUBLE",
        &format!("SUM(\"price\") {SOURCE} GROUP BY FLOOR(ROWTIME TO DAY)"),
        &[
            row("10:00:00.000", "a", 1e15, 1, 1),
            row("10:00:00.000", "a", 999_999_999_999_999.9, 1, 1),
        ],
    );
    assert_eq!(
        found,
        [
            r#"{"a":999999999999999.9}"#,
            "pump \"P\": SUM(price) (line 2, column 52): a float to sum is 10^15 or more: sum CAST(... AS DECIMAL(19,0))",
        ]
    );
    // What the message says is exact.
    let large = [9_007_199_254_740_993.0, 4e18, 5e18 + 1024.0, -0.5];
    let rows: Vec<fold::Arrived> = large
        .into_iter()
        .map(|price| row("10:00:00.000", "a", price, 1, 1))
        .collect();
    let found = select(
        "VARCHAR(30)",
        &format!(
            "CAST(SUM(CAST(\"price\" AS DECIMAL(19,0))) AS VARCHAR(30)) {SOURCE} GROUP BY FLOOR(ROWTIME TO DAY)"
        ),
        &rows,
    );
    // The first is the float 9007199254740992.
    assert_eq!(found, [r#"{"a":"9009007199254742015"}"#]);
    let found = select(
        "BIGINT",
        &format!("SUM(CAST(\"price\" AS DECIMAL(19,0))) {SOURCE} GROUP BY FLOOR(ROWTIME TO DAY)"),
        &[row("10:00:00.000", "a", 1e19, 1, 1)],
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("is out of range for DECIMAL(19,0)"));
}

#[test]
fn rows_of_other_applications_are_not_finished() {
    let application = plan(&constructs::ACCEPTED[0].text());
    let row = windrow_core::row::MergedRow {
        key: vec![windrow_core::value::Value::Text("Q".to_owned())],
        window_start: Timestamp::EPOCH,
        window_seconds: 60,
        readings: 1,
        duplicates: 0,
        measures: Vec::new(),
        gap: false,
    };
    let error = application.finish([&row]).unwrap_err();
    assert_eq!(error.to_string(), "the application has no pump Q");
}

#[test]
fn sums_beyond_their_type_are_null_and_never_wrap() {
    let wide = |count: i64| row("10:00:00.000", "a", 1.0, count, 1);
    let found = select(
        "BIGINT;DOUBLE;BIGINT",
        &format!(
            "SUM(\"count\" * 4000000000000000000), SUM(CAST(\"count\" AS DOUBLE)), COUNT(*) {SOURCE} GROUP BY FLOOR(ROWTIME TO DAY)"
        ),
        &[wide(2), wide(2), wide(-1)],
    );
    assert_eq!(
        found,
        [
            r#"{"a":null,"b":3.0,"c":3}"#,
            "pump \"P\": SUM(count * 4000000000000000000) (line 2, column 48): 12000000000000000000 is out of range for BIGINT, in the window of 2026-03-01 00:00:00.000, for the key [\"P\"]",
        ]
    );
}
