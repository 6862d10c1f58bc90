//! What is computed of all merged rows of a window: `SELECT DISTINCT` as a subquery, and
//! `TOP_K_ITEMS_TUMBLING`. `SELECT DISTINCT` by itself is here too.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

mod fold;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use windrow_core::decimal::Decimal;
use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Finite};
use windrow_sql::application::{SqlApplication, UnknownPump};
use windrow_sql::constructs;

const SOURCE: &str = "FROM source_sql_stream_001 AS s";

fn plan(text: &str) -> SqlApplication {
    SqlApplication::new(text, &constructs::input())
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// A row of name, price and count, so many milliseconds after 2026-03-01 10:00.
fn row<'n>(
    millis: i64,
    name: impl Into<Option<&'n str>>,
    price: f64,
    count: impl Into<Option<i64>>,
) -> fold::Arrived {
    let start: Timestamp = "2026-03-01 10:00:00.000".parse().unwrap();
    let arrival = Timestamp::from_millis(start.millis() + millis);
    let number = |unscaled, scale| FieldValue::Number(Decimal { unscaled, scale });
    let name = name.into().map(str::to_owned);
    let count: Option<i64> = count.into();
    let values = vec![
        name.map_or(FieldValue::Null, |name| FieldValue::Text(name.into())),
        FieldValue::Float(Finite::new(price).unwrap()),
        count.map_or(FieldValue::Null, |count| number(count.into(), 0)),
        number(100, 2),
        FieldValue::Timestamp(Timestamp::from_millis(arrival.millis() - 3_600_000)),
    ];
    (values, arrival)
}

/// Two minutes of pages (`name`) and visitors (`count`).
fn visits() -> Vec<fold::Arrived> {
    vec![
        row(0, "home", 1.0, 1),
        row(1, "home", 1.0, 1),
        row(2, "home", 2.0, 1),
        row(59_999, "home", 1.0, 2),
        row(30_000, "cart", 1.0, 1),
        row(30_000, "cart", 1.0, None),
        row(30_001, "cart", 1.0, None),
        row(60_000, "home", 1.0, 1),
        row(60_001, None, 1.0, 3),
        row(60_002, None, 1.0, 3),
    ]
}

/// The rows of a SELECT into columns of these types, called a, b and so on; then the problems.
fn select(types: &str, select: &str, rows: &[fold::Arrived]) -> Vec<String> {
    let names = ["a", "b", "c", "d", "e"];
    let columns: Vec<String> = types
        .split(';')
        .zip(names)
        .map(|(sql_type, name)| format!("\"{name}\" {sql_type}"))
        .collect();
    let text = format!(
        "CREATE STREAM out ({});\nCREATE PUMP p AS INSERT INTO out {select}",
        columns.join(", ")
    );
    let (rows, problems) = fold::run(&plan(&text), rows);
    let rows = rows.iter().map(|row| row.to_json());
    rows.chain(problems).collect()
}

#[test]
fn visitors_are_counted_once_per_window() {
    for (time, term) in [
        (
            "STEP(s.ROWTIME BY INTERVAL '60' SECOND) AS \"t\"",
            "d.\"t\"",
        ),
        ("STEP(s.ROWTIME BY INTERVAL '60' SECOND) AS \"t\"", "\"t\""),
        (
            "STEP(s.ROWTIME BY INTERVAL '60' SECOND) AS \"t\"",
            "STEP(d.\"t\" BY INTERVAL '60' SECOND)",
        ),
        (
            "FLOOR(s.ROWTIME TO MINUTE) AS \"t\"",
            "FLOOR(d.\"t\" TO MINUTE), FLOOR(d.ROWTIME TO MINUTE)",
        ),
        ("FLOOR(s.ROWTIME TO MINUTE)", "FLOOR(d.ROWTIME TO MINUTE)"),
        (
            "s.ROWTIME, FLOOR(s.ROWTIME TO MINUTE)",
            "STEP(d.ROWTIME BY INTERVAL '1' MINUTE)",
        ),
        (
            "ROWTIME AS window_time, STEP((s.rowtime) BY INTERVAL '1' MINUTE)",
            "STEP((d.window_time) BY INTERVAL '1' MINUTE)",
        ),
        (
            "FLOOR((s.ROWTIME - TIMESTAMP '1970-01-01 00:00:00') SECOND / 60 TO SECOND) AS \"t\"",
            "d.\"t\"",
        ),
    ] {
        let found = select(
            "BIGINT;BIGINT",
            &format!(
                "SELECT STREAM COUNT(*), COUNT(d.\"count\") FROM (SELECT STREAM DISTINCT \"count\", {time} {SOURCE}) AS d GROUP BY {term}"
            ),
            &visits(),
        );
        assert_eq!(
            found,
            [r#"{"a":3,"b":2}"#, r#"{"a":2,"b":2}"#],
            "{time} {term}"
        );
    }
}

#[test]
fn outer_groups_are_groups_of_distinct_rows() {
    let found = select(
        "VARCHAR(8);BIGINT;BIGINT;TIMESTAMP;TIMESTAMP",
        &format!(
            "SELECT STREAM d.page, COUNT(*), SUM(d.visitor), d.t, ROWTIME FROM (SELECT STREAM DISTINCT \"name\" AS page, \"count\" AS visitor, FLOOR(s.ROWTIME TO MINUTE) AS t {SOURCE} WHERE \"price\" < 2) AS d GROUP BY d.page, d.t ORDER BY d.t, COUNT(*), page"
        ),
        &visits(),
    );
    assert_eq!(
        found,
        [
            r#"{"a":"cart","b":2,"c":1,"d":"2026-03-01 10:00:00.000","e":"2026-03-01 10:01:00.000"}"#,
            r#"{"a":"home","b":2,"c":3,"d":"2026-03-01 10:00:00.000","e":"2026-03-01 10:01:00.000"}"#,
            r#"{"a":null,"b":1,"c":3,"d":"2026-03-01 10:01:00.000","e":"2026-03-01 10:02:00.000"}"#,
            r#"{"a":"home","b":1,"c":1,"d":"2026-03-01 10:01:00.000","e":"2026-03-01 10:02:00.000"}"#,
        ]
    );
}

#[test]
fn the_outer_select_has_filters_and_aggregates() {
    let found = select(
        "BIGINT;DOUBLE;INTEGER;INTEGER",
        &format!(
            "SELECT STREAM COUNT(*), AVG(d.\"price\"), MIN(d.\"count\"), MAX(d.\"count\") FROM (SELECT STREAM DISTINCT *, FLOOR(s.ROWTIME TO DAY) AS day {SOURCE}) AS d WHERE d.\"name\" = 'home' GROUP BY day HAVING COUNT(*) > 1"
        ),
        &visits()[..4],
    );
    // The event time is a column too, so all four rows are distinct.
    assert_eq!(found, [r#"{"a":4,"b":1.25,"c":1,"d":2}"#]);
}

#[test]
fn what_cannot_be_computed_of_a_distinct_row_counts_nowhere() {
    let found = select(
        "BIGINT;BIGINT",
        &format!(
            "SELECT STREAM SUM(6 / \"count\"), COUNT(*) FROM (SELECT STREAM DISTINCT \"count\", FLOOR(s.ROWTIME TO MINUTE) AS t {SOURCE}) AS d GROUP BY t"
        ),
        &[
            row(0, "a", 1.0, 0),
            row(0, "a", 1.0, 0),
            row(0, "a", 1.0, 2),
        ],
    );
    assert_eq!(
        found,
        [
            r#"{"a":3,"b":1}"#,
            "pump \"P\": SUM(6 / count) (line 2, column 56): division by zero",
        ]
    );
}

#[test]
fn distinct_rows_are_an_output_too() {
    let found = select(
        "VARCHAR(8);TIMESTAMP;TIMESTAMP;VARCHAR(4)",
        &format!(
            "SELECT STREAM DISTINCT \"name\", ROWTIME, FLOOR(s.ROWTIME TO MINUTE), 'x' {SOURCE} ORDER BY FLOOR(s.ROWTIME TO MINUTE), \"name\" DESC"
        ),
        &visits(),
    );
    assert_eq!(
        found,
        [
            r#"{"a":"home","b":"2026-03-01 10:01:00.000","c":"2026-03-01 10:00:00.000","d":"x"}"#,
            r#"{"a":"cart","b":"2026-03-01 10:01:00.000","c":"2026-03-01 10:00:00.000","d":"x"}"#,
            r#"{"a":"home","b":"2026-03-01 10:02:00.000","c":"2026-03-01 10:01:00.000","d":"x"}"#,
            r#"{"a":null,"b":"2026-03-01 10:02:00.000","c":"2026-03-01 10:01:00.000","d":"x"}"#,
        ]
    );
}

#[test]
fn distinct_rows_feed_and_are_fed_by_pumps_that_filter() {
    let text = "CREATE STREAM seen (who INTEGER, page VARCHAR(16));
        CREATE PUMP before AS INSERT INTO seen SELECT STREAM \"count\", \"name\" FROM source_sql_stream_001 WHERE \"name\" <> 'cart';
        CREATE STREAM counted (n BIGINT);
        CREATE PUMP p AS INSERT INTO counted SELECT STREAM COUNT(*) FROM (SELECT STREAM DISTINCT who, FLOOR(seen.ROWTIME TO MINUTE) AS t FROM seen) AS d GROUP BY t;
        CREATE STREAM many (n BIGINT, ended TIMESTAMP);
        CREATE PUMP after AS INSERT INTO many SELECT STREAM n, ROWTIME FROM counted WHERE n > 1";
    let application = plan(text);
    assert!(application.pumps()[0].is_regrouped());
    let (rows, problems) = fold::run(&application, &visits());
    let rows: Vec<String> = rows.iter().map(|row| row.to_json()).collect();
    assert_eq!(
        rows,
        [
            r#"{"N":2}"#,
            r#"{"N":2,"ENDED":"2026-03-01 10:01:00.000"}"#,
            r#"{"N":1}"#,
        ]
    );
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn a_time_may_be_grouped_by_twice() {
    let found = select(
        "BIGINT;BIGINT;VARCHAR(8)",
        "SELECT STREAM UNIX_TIMESTAMP(TIME_WINDOW) / 60000, COUNT(distinct_stream.event_id) AS unique_count, distinct_stream.app
         FROM (
            SELECT STREAM DISTINCT
                rowtime as window_time,
                \"SOURCE_SQL_STREAM_001\".\"count\" as event_id,
                \"SOURCE_SQL_STREAM_001\".\"name\" as app,
                STEP(\"SOURCE_SQL_STREAM_001\".rowtime BY INTERVAL '1' MINUTE) as TIME_WINDOW
            FROM \"SOURCE_SQL_STREAM_001\"
         ) as distinct_stream
         GROUP BY app, TIME_WINDOW, STEP(distinct_stream.window_time BY INTERVAL '1' MINUTE)",
        &visits()[5..8],
    );
    assert_eq!(
        found,
        [
            r#"{"a":29539320,"b":0,"c":"cart"}"#,
            r#"{"a":29539321,"b":1,"c":"home"}"#,
        ]
    );
}

fn problems(select: &str) -> String {
    let text = format!("CREATE STREAM out (n BIGINT);\nCREATE PUMP p AS INSERT INTO out\n{select}");
    match SqlApplication::new(&text, &constructs::input()) {
        Ok(_) => "no problem".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn what_is_not_supported_is_named() {
    let inner = |items: &str, rest: &str| {
        format!(
            "SELECT STREAM COUNT(*) FROM (SELECT STREAM DISTINCT {items}\n{SOURCE}) AS d\n{rest}"
        )
    };
    let per_minute = "\"name\", FLOOR(s.ROWTIME TO MINUTE) AS t";
    for (select, expected) in [
        (
            inner("\"name\"", "GROUP BY FLOOR(d.ROWTIME TO MINUTE)"),
            r#"line 3, column 30: SELECT DISTINCT without a ROWTIME term: the distinct rows of a stream need a column with a term on ROWTIME, or they would never be complete; add STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' MINUTE)"#,
        ),
        (
            inner(per_minute, "GROUP BY \"name\""),
            r#"line 5, column 10: GROUP BY without a ROWTIME term: an aggregate over a stream needs a GROUP BY term on ROWTIME, or its groups would never end; add STEP("D".ROWTIME BY INTERVAL '1' MINUTE)"#,
        ),
        (
            inner(per_minute, ""),
            r#"line 3, column 1: an aggregate without GROUP BY: an aggregate over a stream needs a GROUP BY term on ROWTIME, or its groups would never end; add STEP("D".ROWTIME BY INTERVAL '1' MINUTE)"#,
        ),
        (
            inner(
                per_minute,
                "GROUP BY STEP(d.ROWTIME BY INTERVAL '10' SECOND)",
            ),
            "line 3, column 30: SELECT DISTINCT in a subquery: its windows last 60 s, and those of the SELECT around it 10 s; use the same term on ROWTIME in both",
        ),
        (
            inner(per_minute, "GROUP BY FLOOR(d.ROWTIME TO HOUR)"),
            "line 3, column 30: SELECT DISTINCT in a subquery: its windows last 60 s, and those of the SELECT around it 3600 s; use the same term on ROWTIME in both",
        ),
        (
            inner(per_minute, "GROUP BY d.ROWTIME"),
            "line 5, column 12: GROUP BY ROWTIME: windows of one millisecond are not supported; use FLOOR(ROWTIME TO MINUTE) or STEP(ROWTIME BY INTERVAL '10' SECOND)",
        ),
        (
            inner(per_minute, "GROUP BY t, EXTRACT(SECOND FROM d.ROWTIME)"),
            "line 5, column 33: ROWTIME of a distinct row: the readings of a distinct row have several times, of which only the window is known; use the term on ROWTIME that is the window",
        ),
        (
            inner(per_minute, "WHERE d.ROWTIME > TO_TIMESTAMP(0) GROUP BY t"),
            "line 5, column 9: ROWTIME of a distinct row: the readings of a distinct row have several times, of which only the window is known; use the term on ROWTIME that is the window",
        ),
        (
            inner(per_minute, "GROUP BY t, d.\"count\""),
            r#"line 5, column 15: column "count": the subquery has no such column"#,
        ),
        (
            inner(per_minute, "GROUP BY t, s.\"name\""),
            r#"line 5, column 13: stream "S": the SELECT does not read this stream"#,
        ),
        (
            inner(per_minute, "GROUP BY t HAVING name = 'a'"),
            r#"line 5, column 19: column "NAME": the subquery has no such column; did you mean "name"? Names without quotes are in upper case"#,
        ),
        (
            inner(per_minute, "GROUP BY t HAVING \"name\" = 'a'"),
            "line 5, column 19: column name: it is neither in GROUP BY nor in an aggregate",
        ),
        (
            inner(
                "\"name\", \"name\", FLOOR(s.ROWTIME TO MINUTE) AS t",
                "GROUP BY t",
            ),
            r#"line 3, column 30: column "name": another column of the subquery has this name"#,
        ),
        (
            inner("COUNT(*), FLOOR(s.ROWTIME TO MINUTE) AS t", "GROUP BY t"),
            "line 3, column 30: SELECT DISTINCT with groups: groups are distinct already; leave DISTINCT out",
        ),
        (
            inner(per_minute, "GROUP BY t").replace("COUNT(*)", "DISTINCT COUNT(*)"),
            "line 3, column 1: SELECT DISTINCT in a subquery: only a SELECT with GROUP BY can read its rows; write SELECT DISTINCT without the subquery",
        ),
        (
            inner(per_minute, "").replace("COUNT(*)", "d.\"name\""),
            "line 3, column 1: SELECT DISTINCT in a subquery: only a SELECT with GROUP BY can read its rows; write SELECT DISTINCT without the subquery",
        ),
        (
            inner(per_minute, "GROUP BY t").replace(") AS d", " ORDER BY \"name\") AS d"),
            "line 4, column 42: ORDER BY in a subquery: the rows of a subquery have no order",
        ),
        (
            inner(per_minute, "GROUP BY t").replace("AS d", "AS d (a, b)"),
            "line 4, column 37: a list of aliases: it is not supported",
        ),
        (
            inner(per_minute, "GROUP BY t").replace(
                SOURCE,
                "FROM (SELECT STREAM DISTINCT * FROM source_sql_stream_001) AS s",
            ),
            "line 4, column 7: a subquery: only SELECT DISTINCT can be one, after FROM; write a pump per SELECT, with a stream between them",
        ),
        (
            inner(per_minute, "GROUP BY t").replace("AS s)", "AS s, b)"),
            "line 3, column 30: FROM: joins are not supported",
        ),
        (
            inner(per_minute, "GROUP BY t").replace("DISTINCT", "DISTINCT ON (\"name\")"),
            "line 3, column 30: SELECT DISTINCT ON: it is not supported",
        ),
        (
            inner(per_minute, "GROUP BY t").replace("DISTINCT", ""),
            "line 3, column 30: a subquery: only SELECT DISTINCT can be one, after FROM; write a pump per SELECT, with a stream between them",
        ),
        (
            format!("SELECT STREAM DISTINCT \"count\" {SOURCE} ORDER BY ROWTIME"),
            r#"line 3, column 1: SELECT DISTINCT without a ROWTIME term: the distinct rows of a stream need a column with a term on ROWTIME, or they would never be complete; add STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' MINUTE)"#,
        ),
        (
            format!("SELECT STREAM DISTINCT \"count\", FLOOR(s.ROWTIME TO MONTH) {SOURCE}"),
            "line 3, column 39: SELECT DISTINCT FLOOR(ROWTIME TO MONTH): windows of weeks, months and years are not supported; use FLOOR(ROWTIME TO MINUTE) or STEP(ROWTIME BY INTERVAL '10' SECOND)",
        ),
        (
            format!(
                "SELECT STREAM \"count\" {SOURCE} WHERE \"name\" IN (SELECT DISTINCT \"name\" FROM source_sql_stream_001)"
            ),
            "line 3, column 72: a subquery: only SELECT DISTINCT can be one, after FROM; write a pump per SELECT, with a stream between them",
        ),
    ] {
        assert_eq!(problems(&select), expected, "{select}");
    }
}

fn top(cursor: &str, rest: &str) -> String {
    format!("SELECT STREAM * FROM TABLE (TOP_K_ITEMS_TUMBLING(\n  CURSOR({cursor}), {rest}))")
}

#[test]
fn the_most_frequent_values_are_kept() {
    let rows = [
        row(0, "c", 1.0, 1),
        row(1, "c", 1.0, 1),
        row(2, "b", 1.0, 1),
        row(3, "a", 1.0, 1),
        row(4, "d", 1.0, 1),
        row(5, None, 1.0, 1),
        row(6, None, 1.0, 1),
        row(7, "z", -1.0, 1),
        row(8, "z", -1.0, 1),
        row(10_000, "z", 1.0, 1),
    ];
    let cursor = format!("SELECT STREAM * {SOURCE} WHERE \"price\" > 0");
    let expected = [
        r#"{"a":"c","b":2}"#,
        r#"{"a":"a","b":1}"#,
        r#"{"a":"z","b":1}"#,
    ];
    let found = select("VARCHAR(4);BIGINT", &top(&cursor, "'name', 2, 10"), &rows);
    assert_eq!(found, expected);
    let cursor = cursor.replace('*', "\"name\" AS n");
    let listed = top(&cursor, "'N', 2, 10").replace('*', "t.ITEM, ITEM_COUNT, ROWTIME") + " AS t";
    let found = select("VARCHAR(4);DOUBLE;TIMESTAMP", &listed, &rows[..4]);
    assert_eq!(
        found,
        [
            r#"{"a":"c","b":2.0,"c":"2026-03-01 10:00:10.000"}"#,
            r#"{"a":"a","b":1.0,"c":"2026-03-01 10:00:10.000"}"#,
        ]
    );
}

#[test]
fn other_forms_of_top_k_are_named() {
    let all = format!("SELECT STREAM * {SOURCE}");
    let name = "'name', 2, 60";
    let usual = || top(&all, name).replacen('*', "ITEM_COUNT", 1);
    for (select, expected) in [
        (
            usual().replace("CURSOR(SELECT", "(SELECT"),
            "line 4, column 4: a subquery: only SELECT DISTINCT can be one, after FROM; write a pump per SELECT, with a stream between them",
        ),
        (
            top(&all, "2, 60"),
            r#"line 3, column 29: TOP_K_ITEMS_TUMBLING: it takes 4 arguments, and has 3; write TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM * FROM "SOURCE_SQL_STREAM_001"), 'column', 10, 60)"#,
        ),
        (
            top(&all, "name, 2, 60"),
            r#"line 3, column 29: TOP_K_ITEMS_TUMBLING: its second argument is not a text; write TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM * FROM "SOURCE_SQL_STREAM_001"), 'column', 10, 60)"#,
        ),
        (
            top(&all, "'name', 0, 60"),
            r#"line 3, column 29: TOP_K_ITEMS_TUMBLING: it keeps from 1 to 100000 values; write TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM * FROM "SOURCE_SQL_STREAM_001"), 'column', 10, 60)"#,
        ),
        (
            top(&all, "'name', 2, 3601"),
            r#"line 3, column 29: TOP_K_ITEMS_TUMBLING: its windows last from 1 to 3600 s; write TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM * FROM "SOURCE_SQL_STREAM_001"), 'column', 10, 60)"#,
        ),
        (
            top(&all, "'NAME', 2, 60"),
            r#"line 3, column 29: column "NAME": the CURSOR has no such column"#,
        ),
        (
            top(&all, name),
            r#"line 3, column 1: the SELECT list: it has 2 values for 1 columns of stream "OUT""#,
        ),
        (
            usual() + " WHERE ITEM_COUNT > 1",
            "line 3, column 1: TOP_K_ITEMS_TUMBLING: the SELECT that reads it has only a list, without other clauses and aggregates; write a pump that reads the stream of its rows",
        ),
        (
            usual() + " GROUP BY FLOOR(ROWTIME TO MINUTE)",
            "line 3, column 1: TOP_K_ITEMS_TUMBLING: the SELECT that reads it has only a list, without other clauses and aggregates; write a pump that reads the stream of its rows",
        ),
        (
            top(&all.replace('*', "DISTINCT \"name\""), name),
            "line 4, column 10: CURSOR: only a SELECT of a stream can be one",
        ),
        (
            top(&all.replace('*', "COUNT(*)"), name),
            "line 4, column 10: CURSOR: only a SELECT without GROUP BY and aggregates can be one",
        ),
        (
            top(&(all.clone() + " ORDER BY \"name\""), name),
            "line 4, column 10: CURSOR: its rows have no order",
        ),
        (
            format!("SELECT STREAM TOP_K_ITEMS_TUMBLING(CURSOR({all}), {name}) {SOURCE}"),
            "line 3, column 15: function TOP_K_ITEMS_TUMBLING: it is not supported",
        ),
        (
            format!("SELECT STREAM \"count\" FROM TABLE(CURSOR({all}))"),
            "line 3, column 34: CURSOR: rows cannot be passed to a function",
        ),
        (
            "SELECT STREAM \"count\" FROM TABLE(OTHER(\"name\"))".to_owned(),
            "line 3, column 1: FROM: only a stream can be read",
        ),
    ] {
        assert_eq!(problems(&select), expected, "{select}");
    }
}

const VISITORS: &str = "CREATE STREAM out (page VARCHAR(16), visitors BIGINT, t TIMESTAMP);
    CREATE PUMP p AS INSERT INTO out SELECT STREAM d.page, COUNT(d.visitor), d.t
    FROM (SELECT STREAM DISTINCT \"name\" AS page, \"count\" AS visitor, STEP(s.ROWTIME BY INTERVAL '10' SECOND) AS t
          FROM source_sql_stream_001 AS s) AS d
    GROUP BY d.page, d.t";

#[test]
fn rows_of_a_window_are_finished_together_and_once() {
    let application = plan(VISITORS);
    let merged = fold::merged(&application, &[row(0, "a", 1.0, 1), row(0, "a", 1.0, 2)]).0;
    let twice = application.finish(merged.iter().chain(&merged)).unwrap();
    assert_eq!(twice, application.finish(&merged).unwrap());
    assert_eq!(twice.rows.len(), 1);
    let mut other = merged[0].clone();
    other.key[0] = windrow_core::value::Value::Text("q".to_owned());
    assert!(!application.has(&other));
    assert_eq!(
        application.finish([&other]),
        Err(UnknownPump("q".to_owned()))
    );
}

fn any_visit() -> impl Strategy<Value = (i64, Option<String>, Option<i64>)> {
    (
        0_i64..40_000,
        proptest::option::of("[a-c]"),
        proptest::option::of(0_i64..6),
    )
}

proptest! {
    #[test]
    fn distinct_counts_are_those_of_sets(
        visits in proptest::collection::vec((any_visit(), 0_usize..4), 0..200),
    ) {
        let application = plan(VISITORS);
        let mut sets: BTreeMap<(i64, Option<String>), BTreeSet<i64>> = BTreeMap::new();
        let mut shards: Vec<Vec<fold::Arrived>> = vec![Vec::new(); 4];
        for ((millis, page, visitor), shard) in &visits {
            let set = sets.entry((millis / 10_000, page.clone())).or_default();
            set.extend(*visitor);
            shards[*shard].push(row(*millis, page.as_deref(), 1.0, *visitor));
        }
        // Each shard has rows of its own, which are merged by key and window.
        let mut merged = BTreeMap::new();
        for rows in &shards {
            for part in fold::merged(&application, rows).0 {
                let whole = merged.entry((part.window_start, part.key.clone()));
                whole
                    .and_modify(|whole: &mut windrow_core::row::MergedRow| whole.readings += part.readings)
                    .or_insert(part);
            }
        }
        let finished = application.finish(merged.values()).unwrap();
        prop_assert!(finished.problems.is_empty());
        let mut found: Vec<String> = finished.rows.iter().map(|row| row.to_json()).collect();
        found.sort();
        let mut expected: Vec<String> = sets
            .iter()
            .map(|((window, page), visitors)| {
                let page = page.as_ref().map_or("null".to_owned(), |page| format!("\"{page}\""));
                format!(
                    r#"{{"PAGE":{page},"VISITORS":{},"T":"2026-03-01 10:00:{window}0.000"}}"#,
                    visitors.len()
                )
            })
            .collect();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}
