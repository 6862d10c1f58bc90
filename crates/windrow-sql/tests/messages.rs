//! What is said about what is not supported, word by word.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use windrow_sql::application::SqlApplication;
use windrow_sql::constructs;

fn problems(text: &str) -> String {
    match SqlApplication::new(text, &constructs::input()) {
        Ok(_) => "no problem".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

/// The problems of a pump with this SELECT, which starts in line 2.
fn of_select(select: &str) -> String {
    problems(&format!(
        "CREATE STREAM \"OUT\" (x VARCHAR(32), n BIGINT);\nCREATE PUMP p AS INSERT INTO \"OUT\"\n{select};"
    ))
}

#[track_caller]
fn check(select: &str, expected: &str) {
    assert_eq!(of_select(select), expected, "{select}");
}

const SOURCE: &str = "\"SOURCE_SQL_STREAM_001\"";

fn grouped(items: &str, rest: &str) -> String {
    format!("SELECT STREAM {items}\nFROM {SOURCE} {rest}")
}

const PER_MINUTE: &str = "GROUP BY FLOOR(ROWTIME TO MINUTE)";

fn main_of(construct: &str) -> String {
    let rejected = constructs::REJECTED.iter();
    let found = rejected.clone().find(|rejected| rejected.name == construct);
    problems(&found.unwrap().text())
}

#[test]
fn every_rejected_construct_has_a_message() {
    let tumbling = "use a tumbling window: GROUP BY STEP(\"SOURCE_SQL_STREAM_001\".ROWTIME BY INTERVAL '1' MINUTE)";
    let rule = "an aggregate over a stream needs a GROUP BY term on ROWTIME, or its groups would never end; add STEP(\"SOURCE_SQL_STREAM_001\".ROWTIME BY INTERVAL '1' MINUTE)";
    let random = "its result is random, so it cannot be computed exactly";
    let expected = [
        ("OVER", format!("line 2, column 80: OVER: sliding windows are not supported; {tumbling}")),
        ("WINDOW", format!("line 2, column 108: WINDOW: sliding windows are not supported; {tumbling}")),
        ("WINDOWED BY STAGGER", "line 2, column 109: WINDOWED BY STAGGER: stagger windows are not supported; group by STEP on the same column, beside STEP(ROWTIME BY INTERVAL ...)".to_owned()),
        ("RANDOM_CUT_FOREST", format!("line 2, column 90: RANDOM_CUT_FOREST: {random}")),
        ("RANDOM_CUT_FOREST_WITH_EXPLANATION", format!("line 2, column 90: RANDOM_CUT_FOREST_WITH_EXPLANATION: {random}")),
        ("HOTSPOTS", format!("line 2, column 90: HOTSPOTS: {random}")),
        ("JOIN", "line 2, column 117: JOIN: joins are not supported; join the rows where they are read".to_owned()),
        ("a comma in FROM", "line 2, column 116: a comma in FROM: joins are not supported; join the rows where they are read".to_owned()),
        ("GROUP BY without a ROWTIME term", format!("line 2, column 118: GROUP BY without a ROWTIME term: {rule}")),
        ("an aggregate without GROUP BY", format!("line 2, column 49: an aggregate without GROUP BY: {rule}")),
        ("GROUP BY FLOOR(ROWTIME TO WEEK)", "line 2, column 123: GROUP BY FLOOR(ROWTIME TO WEEK): windows of weeks, months and years are not supported; use FLOOR(ROWTIME TO MINUTE) or STEP(ROWTIME BY INTERVAL '10' SECOND)".to_owned()),
        ("COUNT(DISTINCT)", "line 2, column 76: COUNT(DISTINCT): aggregates take all values, and AWS rejected it as well; count the rows of a subquery: SELECT STREAM COUNT(*) FROM (SELECT STREAM DISTINCT \"x\", FLOOR(s.ROWTIME TO MINUTE) AS \"t\" FROM \"SOURCE_SQL_STREAM_001\" AS s) AS d GROUP BY d.\"t\"".to_owned()),
        ("SELECT DISTINCT without a ROWTIME term", "line 2, column 49: SELECT DISTINCT without a ROWTIME term: the distinct rows of a stream need a column with a term on ROWTIME, or they would never be complete; add STEP(\"SOURCE_SQL_STREAM_001\".ROWTIME BY INTERVAL '1' MINUTE)".to_owned()),
        ("SELECT DISTINCT with groups", "line 2, column 49: SELECT DISTINCT with groups: groups are distinct already; leave DISTINCT out".to_owned()),
        ("SELECT DISTINCT in a subquery", "line 2, column 85: SELECT DISTINCT in a subquery: its windows last 60 s, and those of the SELECT around it 3600 s; use the same term on ROWTIME in both".to_owned()),
        ("REGEX_LOG_PARSE", "line 2, column 63: REGEX_LOG_PARSE: log parsing functions are not supported; send JSON, and map its fields to columns".to_owned()),
        ("UNION", "line 2, column 108: UNION: a pump has one SELECT; write one pump per SELECT, into the same stream".to_owned()),
        ("a subquery", "line 2, column 85: a subquery: only SELECT DISTINCT can be one, after FROM; write a pump per SELECT, with a stream between them".to_owned()),
        ("STDDEV_POP", "line 2, column 70: STDDEV_POP: only COUNT, SUM, MIN, MAX and AVG are supported".to_owned()),
        ("CURRENT_TIMESTAMP", "line 2, column 68: CURRENT_TIMESTAMP: it reads a clock, so a row could not be computed again; use ROWTIME".to_owned()),
        ("a window over a window", "line 4, column 58: a window over a window: stream \"A\" has the rows of the windows of pump \"P\"; aggregate the input stream".to_owned()),
        ("CREATE FUNCTION", "line 1, column 1: CREATE FUNCTION: only CREATE STREAM and CREATE PUMP are supported".to_owned()),
        ("CREATE VIEW", "line 1, column 1: CREATE VIEW: only CREATE STREAM and CREATE PUMP are supported".to_owned()),
    ];
    let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    let rejected: Vec<&str> = constructs::REJECTED
        .iter()
        .map(|rejected| rejected.name)
        .collect();
    assert_eq!(names, rejected);
    for (name, message) in expected {
        assert_eq!(main_of(name), message);
    }
}

#[test]
fn log_parsing_functions_are_named() {
    for name in [
        "W3C_LOG_PARSE",
        "SYS_LOG_PARSE",
        "FAST_REGEX_LOG_PARSE",
        "FAST_REGEX_LOG_PARSER",
        "FIXED_COLUMN_LOG_PARSE",
        "VARIABLE_COLUMN_LOG_PARSE",
        "COLUMN_LOG_PARSE",
    ] {
        check(
            &grouped(&format!("{name}(\"name\"), 1"), ""),
            &format!(
                "line 3, column 15: {name}: log parsing functions are not supported; send JSON, and map its fields to columns"
            ),
        );
    }
}

#[test]
fn names_are_looked_up_as_sql_does() {
    check(
        &grouped("name, COUNT(*)", PER_MINUTE),
        "line 3, column 15: column \"NAME\": stream \"SOURCE_SQL_STREAM_001\" has no such column; did you mean \"name\"? Names without quotes are in upper case",
    );
    check(
        &grouped("\"nam\", COUNT(*)", PER_MINUTE),
        "line 3, column 15: column \"nam\": stream \"SOURCE_SQL_STREAM_001\" has no such column",
    );
    check(
        "SELECT STREAM \"name\", \"count\" FROM \"source_sql_stream_001\"",
        "line 3, column 36: stream \"source_sql_stream_001\": no statement creates it; did you mean \"SOURCE_SQL_STREAM_001\"? Names without quotes are in upper case",
    );
    check(
        &grouped("t.\"name\", COUNT(*)", PER_MINUTE),
        "line 3, column 15: stream \"T\": the SELECT does not read this stream",
    );
    check(
        &grouped("PARTITION_KEY, COUNT(*)", PER_MINUTE),
        "line 3, column 15: column \"PARTITION_KEY\": it is not supported",
    );
    check(
        &grouped("BASE64(\"name\"), COUNT(*)", PER_MINUTE),
        "line 3, column 15: function BASE64: it is not supported",
    );
}

#[test]
fn aggregates_and_columns_are_where_they_can_be() {
    check(
        &grouped("\"name\", COUNT(*)", PER_MINUTE),
        "line 3, column 15: column name: it is neither in GROUP BY nor in an aggregate",
    );
    let nowhere = "an aggregate cannot stand here: only in the SELECT list, HAVING and ORDER BY of a SELECT with GROUP BY, and not in another aggregate";
    check(
        &grouped("'a', COUNT(*)", &format!("WHERE COUNT(*) > 1 {PER_MINUTE}")),
        &format!("line 4, column 36: COUNT: {nowhere}"),
    );
    check(
        &grouped("'a', SUM(MAX(\"price\"))", PER_MINUTE),
        &format!("line 3, column 24: MAX: {nowhere}"),
    );
    check(
        &grouped("'a', SUM(\"name\")", PER_MINUTE),
        "line 3, column 20: SUM: it does not take a value of type VARCHAR(16); convert with CAST",
    );
    check(
        &grouped("*", PER_MINUTE),
        "line 3, column 15: *: a SELECT with GROUP BY lists its columns",
    );
}

#[test]
fn types_go_together() {
    check(
        &grouped("COUNT(*), 1", PER_MINUTE),
        "line 3, column 15: column \"X\" of type VARCHAR(32): a value of type BIGINT cannot be assigned to it; write CAST(... AS VARCHAR(32))",
    );
    check(
        &grouped(
            "'a', COUNT(*)",
            &format!("WHERE \"count\" = '1' {PER_MINUTE}"),
        ),
        "line 4, column 36: operator =: it does not take INTEGER and VARCHAR(1); convert with CAST",
    );
    check(
        &grouped("'a', COUNT(*)", &format!("WHERE \"count\" {PER_MINUTE}")),
        "line 4, column 36: an expression: a condition is expected, not a value of type INTEGER",
    );
    check(
        &grouped("'a', MAX(ROWTIME - \"time\")", PER_MINUTE),
        "line 3, column 24: operator -: the unit of the difference is missing; write (a - b) SECOND",
    );
    check(
        &grouped("TIMESTAMP_TO_CHAR('yyyy G', ROWTIME), COUNT(*)", PER_MINUTE),
        "line 3, column 33: the pattern 'yyyy G': the letter G has no meaning in it",
    );
    check(
        &grouped(
            "TIMESTAMP_TO_CHAR(\"name\", \"time\"), COUNT(*)",
            "GROUP BY \"name\", \"time\", FLOOR(ROWTIME TO MINUTE)",
        ),
        "line 3, column 33: TIMESTAMP_TO_CHAR: its pattern is not a literal, and only literals are supported",
    );
    check(
        &grouped("TIME_TO_CHAR('y', COUNT(*)), 1", PER_MINUTE),
        "line 3, column 33: TIME_TO_CHAR: it does not take a value of type BIGINT; convert with CAST",
    );
    check(
        &grouped("'a', COUNT(*), 1", PER_MINUTE),
        "line 3, column 1: the SELECT list: it has 3 values for 2 columns of stream \"OUT\"",
    );
}

#[test]
fn windows_have_whole_seconds() {
    let one = |term: &str| grouped("'a', COUNT(*)", &format!("GROUP BY {term}"));
    let rewrite = "use FLOOR(ROWTIME TO MINUTE) or STEP(ROWTIME BY INTERVAL '10' SECOND)";
    check(
        &one("STEP(ROWTIME BY INTERVAL '0.5' SECOND)"),
        "line 3, column 1: GROUP BY: windows of whole seconds are supported",
    );
    check(
        &one("STEP(ROWTIME BY INTERVAL '2' DAY)"),
        "line 3, column 1: GROUP BY: windows of up to a day are supported",
    );
    check(
        &one("ROWTIME"),
        &format!(
            "line 4, column 39: GROUP BY ROWTIME: windows of one millisecond are not supported; {rewrite}"
        ),
    );
    check(
        &one("CEIL(ROWTIME TO MINUTE)"),
        &format!(
            "line 4, column 44: GROUP BY CEIL(ROWTIME TO MINUTE): this function of ROWTIME is no tumbling window; {rewrite}"
        ),
    );
    check(
        &one("STEP(ROWTIME BY INTERVAL '1' MONTH)"),
        "line 4, column 64: INTERVAL '1' MONTH: intervals of days, hours, minutes and seconds are supported",
    );
    check(
        &one("STEP(\"time\" BY INTERVAL '1' MINUTE)"),
        "line 4, column 39: GROUP BY without a ROWTIME term: an aggregate over a stream needs a GROUP BY term on ROWTIME, or its groups would never end; add STEP(\"SOURCE_SQL_STREAM_001\".ROWTIME BY INTERVAL '1' MINUTE) to the terms on other times",
    );
}

#[test]
fn all_problems_are_reported_in_the_order_of_the_text() {
    let text = "CREATE STREAM a (x JSON);\r\nCREATE FUNCTION f;\nCREATE PUMP p AS INSERT INTO a SELECT STREAM STDDEV_POP(x), y FROM b, c;\nnonsense";
    assert_eq!(
        problems(text),
        "line 1, column 20: type JSON: `JSON` is not a type of Kinesis SQL\n\
         line 2, column 1: CREATE FUNCTION: only CREATE STREAM and CREATE PUMP are supported\n\
         line 3, column 46: STDDEV_POP: only COUNT, SUM, MIN, MAX and AVG are supported\n\
         line 3, column 69: a comma in FROM: joins are not supported; join the rows where they are read\n\
         line 4, column 1: `nonsense`: only CREATE STREAM and CREATE PUMP are supported"
    );
    check(
        &grouped("\"a\", NOW()", "WHERE \"b\" = 1"),
        "line 3, column 15: column \"a\": stream \"SOURCE_SQL_STREAM_001\" has no such column\n\
         line 3, column 20: NOW: it reads a clock, so a row could not be computed again; use ROWTIME\n\
         line 4, column 36: column \"b\": stream \"SOURCE_SQL_STREAM_001\" has no such column",
    );
}

#[test]
fn every_part_with_a_problem_is_named_once() {
    check(
        &grouped(
            "UPPER(\"a\") || \"b\", SUM(\"name\") + 1",
            "WHERE \"c\" > INTERVAL '1' MINUTE AND \"count\" = 'x' AND 5 \
             GROUP BY \"d\", FLOOR(ROWTIME TO WEEK) HAVING SUM(\"e\") > 1 AND COUNT(*) ORDER BY \"f\"",
        ),
        "line 3, column 21: column \"a\": stream \"SOURCE_SQL_STREAM_001\" has no such column\n\
         line 3, column 29: column \"b\": stream \"SOURCE_SQL_STREAM_001\" has no such column\n\
         line 3, column 34: SUM: it does not take a value of type VARCHAR(16); convert with CAST\n\
         line 4, column 36: column \"c\": stream \"SOURCE_SQL_STREAM_001\" has no such column\n\
         line 4, column 66: operator =: it does not take INTEGER and VARCHAR(1); convert with CAST\n\
         line 4, column 84: an expression: a condition is expected, not a value of type INTEGER\n\
         line 4, column 95: column \"d\": stream \"SOURCE_SQL_STREAM_001\" has no such column\n\
         line 4, column 106: GROUP BY FLOOR(ROWTIME TO WEEK): windows of weeks, months and years are not supported; use FLOOR(ROWTIME TO MINUTE) or STEP(ROWTIME BY INTERVAL '10' SECOND)\n\
         line 4, column 134: column \"e\": stream \"SOURCE_SQL_STREAM_001\" has no such column\n\
         line 4, column 147: an expression: a condition is expected, not a value of type BIGINT\n\
         line 4, column 165: column \"f\": stream \"SOURCE_SQL_STREAM_001\" has no such column",
    );
    // How many values there are is independent of what they are.
    check(
        &grouped("\"a\", 1, 2", PER_MINUTE),
        "line 3, column 1: the SELECT list: it has 3 values for 2 columns of stream \"OUT\"\n\
         line 3, column 15: column \"a\": stream \"SOURCE_SQL_STREAM_001\" has no such column",
    );
    // A group may be what is not known.
    check(
        &grouped(
            "\"name\", \"count\"",
            "GROUP BY \"nam\", FLOOR(ROWTIME TO MINUTE)",
        ),
        "line 4, column 39: column \"nam\": stream \"SOURCE_SQL_STREAM_001\" has no such column",
    );
    let many: Vec<String> = (0..100).map(|index| format!("\"c{index}\"")).collect();
    let many = of_select(&grouped(
        "'a', 1",
        &format!("WHERE 1 IN ({})", many.join(", ")),
    ));
    assert_eq!(many.lines().count(), 20);
}

#[test]
fn statements_are_whole() {
    let create = "CREATE STREAM a (n BIGINT);\n";
    let pump = |select: &str| problems(&format!("{create}CREATE PUMP p AS INSERT INTO a {select}"));
    for (text, expected) in [
        (problems(""), "line 1, column 1: the text: it has no pump"),
        (
            problems("CREATE STREAM"),
            "line 1, column 1: the end of a statement: a name is expected before it",
        ),
        (
            problems("CREATE OR;"),
            "line 1, column 1: the end of a statement: REPLACE is expected before it",
        ),
        (
            problems("CREATE STREAM a (n BIGINT"),
            "line 1, column 15: the end of a statement: , or ) is expected before it",
        ),
        (
            problems("CREATE STREAM a (n BIGINT, n BIGINT)"),
            "line 1, column 28: column \"N\": another column of the stream has this name",
        ),
        (
            problems("CREATE STREAM a (n DECIMAL(40,2))"),
            "line 1, column 20: type DECIMAL(40, 2): `DECIMAL(40, 2)` is out of range: the precision is from 1 to 19, and the scale at most the precision",
        ),
        (
            problems("CREATE STREAM a (n BIGINT) x"),
            "line 1, column 28: `x`: ; or the end is expected here",
        ),
        (
            problems("SELECT 'abc"),
            "line 1, column 8: the text: Unterminated string literal",
        ),
        (
            pump(""),
            "line 2, column 13: the end of a statement: SELECT is expected before it",
        ),
        (
            pump("SELECT"),
            "line 2, column 32: the SELECT: it cannot be parsed: Expected: an expression, found: EOF",
        ),
        (
            pump("VALUES (1)"),
            "line 2, column 32: `VALUES`: SELECT is expected here",
        ),
        (
            pump("SELECT STREAM n FROM a a a"),
            "line 2, column 57: `a`: it is not expected here",
        ),
        (
            pump("SELECT STREAM n FROM a"),
            "line 2, column 13: pump \"P\": it reads rows that were made of its own",
        ),
        (
            pump(&format!(
                "SELECT {}1{} FROM {SOURCE}",
                "(".repeat(99),
                ")".repeat(99)
            )),
            "line 2, column 88: the SELECT: expressions are nested more than 50 deep",
        ),
        (
            pump("SELECT STREAM n FROM a ORDER BY n LIMIT 3"),
            "line 2, column 32: LIMIT: it is not supported",
        ),
        (
            problems(&format!("{create}{create}")),
            "line 2, column 15: stream \"A\": it is created twice",
        ),
    ] {
        assert_eq!(text, expected);
    }
}

#[test]
fn the_arguments_of_a_rejected_function_are_not_named() {
    check(
        &format!(
            "SELECT STREAM 'x', score FROM TABLE(RANDOM_CUT_FOREST(CURSOR(SELECT STREAM * FROM {SOURCE}), 100)) WHERE LAG(score) > 1"
        ),
        "line 3, column 37: RANDOM_CUT_FOREST: its result is random, so it cannot be computed exactly\n\
         line 3, column 121: LAG: it depends on the order of the rows of a window",
    );
}
