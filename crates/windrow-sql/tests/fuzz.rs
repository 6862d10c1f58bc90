//! Whatever a text is, planning it ends, and without a panic. Whatever a row is, evaluating a
//! supported query on it does as well.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

mod fold;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use windrow_core::decimal::Decimal;
use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Finite};
use windrow_sql::application::SqlApplication;
use windrow_sql::constructs::{self, ACCEPTED, REJECTED};

/// Texts to start from: the cases and the examples.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let cases = fs::read_dir(folder).unwrap();
    let mut cases: Vec<String> = cases
        .map(|case| fs::read_to_string(case.unwrap().path().join("query.sql")).unwrap())
        .collect();
    cases.sort();
    let examples = ACCEPTED
        .iter()
        .chain(REJECTED)
        .map(constructs::Construct::text);
    cases.into_iter().chain(examples).collect()
});

const WORDS: &[&str] = &[
    "SELECT",
    "STREAM",
    "FROM",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "ORDER BY",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST(",
    "AS",
    "INTEGER",
    "VARCHAR(3)",
    "DECIMAL(4,2)",
    "FLOOR(",
    "STEP(",
    "BY",
    "TO",
    "MINUTE",
    "SECOND",
    "MONTH",
    "INTERVAL",
    "'1'",
    "'10'",
    "TIMESTAMP",
    "'1970-01-01 00:00:00'",
    "TIMESTAMP_TO_CHAR(",
    "'yyyy-MM-dd EEE'",
    "ROWTIME",
    "COUNT(*)",
    "COUNT(",
    "SUM(",
    "AVG(",
    "MIN(",
    "(",
    ")",
    ",",
    ".",
    ";",
    "*",
    "+",
    "-",
    "/",
    "||",
    "=",
    "<>",
    "<",
    ">=",
    "AND",
    "OR",
    "NOT",
    "IS",
    "NULL",
    "TRUE",
    "IN",
    "LIKE",
    "SIMILAR TO",
    "ESCAPE",
    "BETWEEN",
    "EXTRACT(",
    "HOUR",
    "SUBSTRING(",
    "FOR",
    "TRIM(",
    "BOTH",
    "POSITION(",
    "OVERLAY(",
    "PLACING",
    "COALESCE(",
    "NULLIF(",
    "ABS(",
    "MOD(",
    "\"name\"",
    "\"price\"",
    "\"count\"",
    "\"amount\"",
    "\"time\"",
    "\"SOURCE_SQL_STREAM_001\"",
    "OUT",
    "1",
    "0",
    "2.5",
    "1e300",
    "9223372036854775807",
    "'%a_'",
    "'[a-'",
    "DESC",
    "PUMP",
    "CREATE",
    "OR REPLACE",
    "INSERT INTO",
    "DISTINCT",
    "OVER",
    "JOIN",
    "UNION",
    "TABLE(",
    "LATERAL",
    "UNNEST(",
    "VALUES",
    "WITH",
    "--",
    "/*",
    "*/",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "::",
    ":",
    "@",
    "#",
    "$1",
    "INTERVAL '1' DAY",
    "ARRAY[",
    "MAP",
    "X'ff'",
    "U&'\\0041'",
    "N'a'",
    "é",
    "\u{feff}",
    "\r\n",
    "\0",
];

fn plan(text: &str) {
    let planned = SqlApplication::new(text, &constructs::input());
    if let Err(problems) = planned {
        assert!(!problems.0.is_empty());
        for problem in &problems.0 {
            assert!(
                problem.at.line > 0 && problem.at.column > 0,
                "{problem} in {text}"
            );
        }
    }
}

fn in_pump(select: &str) -> String {
    format!(
        "CREATE STREAM out (x VARCHAR(32), n BIGINT); CREATE PUMP p AS INSERT INTO out SELECT STREAM {select}"
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_words_are_planned_or_rejected(words in prop::collection::vec(prop::sample::select(WORDS), 0..40)) {
        let words = words.join(" ");
        plan(&words);
        plan(&in_pump(&words));
        plan(&in_pump(&format!("'a', COUNT(*) FROM source_sql_stream_001 WHERE {words} GROUP BY FLOOR(ROWTIME TO MINUTE)")));
        plan(&in_pump(&format!("{words}, COUNT(*) FROM source_sql_stream_001 GROUP BY FLOOR(ROWTIME TO MINUTE), {words}")));
    }

    #[test]
    fn changed_texts_are_planned_or_rejected(
        text in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..6_usize, prop::sample::select(WORDS)), 1..5),
    ) {
        let mut characters: Vec<char> = text.get(&TEXTS).chars().collect();
        for (at, removed, word) in changes {
            let at = at.index(characters.len() + 1);
            let end = (at + removed).min(characters.len());
            characters.splice(at..end, word.chars());
        }
        plan(&characters.into_iter().collect::<String>());
    }

    #[test]
    fn any_text_is_rejected(text in "\\PC{0,200}") {
        plan(&text);
    }
}

#[test]
fn long_and_deep_texts_end() {
    let repeated =
        |start: &str, middle: &str, count: usize| format!("{start}{}", middle.repeat(count));
    for count in [40, 60, 150, 220, 999, 10_000] {
        for expression in [
            repeated("1", " + 1", count),
            repeated("'a'", " || 'a'", count),
            repeated("1 = 1", " OR 1 = 2", count),
            repeated("1 = 1", " AND \"count\" = 2", count),
            repeated("1", " IS NULL", count),
            repeated("1", " IN (1)", count),
            repeated("", "NOT ", count) + "TRUE",
            repeated("", "- ", count) + "1",
            repeated("", "(", count) + "1" + &")".repeat(count),
            repeated("", "(", count),
            repeated("", "CAST(", count),
            repeated("", "CAST(", count) + "1" + &" AS INTEGER)".repeat(count),
            repeated("", "POSITION(", count),
            repeated("", "FLOOR(", count) + "1" + &")".repeat(count),
            repeated("", "UPPER(", count) + "'a'" + &")".repeat(count),
            repeated("", "CASE WHEN ", count),
            repeated("", "INTERVAL ", count),
            repeated("(1)", " SECOND", count),
            repeated("1", "::INTEGER", count),
            repeated("a", ".a", count),
            repeated("a", ".CAST(", count),
            repeated("a", "[1", count),
            repeated("1", " IN (1, 2, 3", count),
            repeated("COALESCE(1", ", 1", count) + ")",
            repeated("CASE", " WHEN 1 = 1 THEN 1", count) + " END",
        ] {
            let rest = "FROM source_sql_stream_001";
            plan(&in_pump(&format!("{expression} {rest}")));
            plan(&in_pump(&format!(
                "{expression}, COUNT(*) {rest} GROUP BY FLOOR(ROWTIME TO MINUTE)"
            )));
            plan(&in_pump(&format!(
                "'a', COUNT(*) {rest} WHERE {expression} GROUP BY FLOOR(ROWTIME TO MINUTE)"
            )));
        }
        plan(&in_pump(&format!("1 FROM {}", "(".repeat(count))));
        plan(&in_pump(&format!("1 FROM a {}", "JOIN (a ".repeat(count))));
    }
}

#[test]
fn chains_of_pumps_end() {
    let mut text = String::from("CREATE STREAM s0 (n BIGINT);");
    for index in 1..30 {
        let before = index - 1;
        text += &format!("CREATE STREAM s{index} (n BIGINT);");
        for half in ["a", "b"] {
            text += &format!(
                "CREATE PUMP p{index}{half} AS INSERT INTO s{index} SELECT n + n FROM s{before};"
            );
        }
    }
    text += "CREATE PUMP first AS INSERT INTO s0 SELECT \"count\" FROM source_sql_stream_001;";
    text += "CREATE STREAM out (n BIGINT); CREATE PUMP last AS INSERT INTO out SELECT SUM(n) FROM s29 GROUP BY FLOOR(ROWTIME TO MINUTE)";
    let problems = SqlApplication::new(&text, &constructs::input()).unwrap_err();
    assert!(
        problems.to_string().contains("more than 64 chains"),
        "{problems}"
    );
}

/// Expressions of a type, of the columns of the examples.
fn numbers() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "\"price\"",
            "\"count\"",
            "\"amount\"",
            "NULL",
            "1",
            "-7",
            "2.5",
            "1e3",
            "9223372036854775807"
        ])
        .prop_map(str::to_owned),
        texts().prop_map(|text| format!("CHAR_LENGTH({text})")),
        moments().prop_map(|time| format!("EXTRACT(SECOND FROM {time})")),
        moments().prop_map(|time| format!(
            "CAST(({time} - TIMESTAMP '1970-01-01 00:00:00') MINUTE AS BIGINT)"
        )),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (
                inner.clone(),
                prop::sample::select(vec!["+", "-", "*", "/"]),
                inner.clone()
            )
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            (
                prop::sample::select(vec!["ABS", "FLOOR", "CEIL", "SQRT", "EXP", "LN", "SIGN"]),
                inner.clone()
            )
                .prop_map(|(function, arg)| format!("{function}({arg})")),
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| format!("MOD({left}, {right})")),
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| format!("POWER({left}, {right})")),
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| format!("COALESCE({left}, {right})")),
            (
                inner.clone(),
                prop::sample::select(vec![
                    "INTEGER",
                    "SMALLINT",
                    "DECIMAL(18,18)",
                    "DECIMAL(3,1)",
                    "REAL",
                    "DOUBLE"
                ])
            )
                .prop_map(|(arg, to)| format!("CAST({arg} AS {to})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(left, right, third)| format!(
                "CASE WHEN {left} < {right} THEN {third} ELSE {left} END"
            )),
        ]
    })
}

fn texts() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "\"name\"",
        "'a'",
        "''",
        "'ÄÖ ß'",
        "CAST(NULL AS VARCHAR(3))",
    ]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(3, 12, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone())
                    .prop_map(|(left, right)| format!("{left} || {right}")),
                (
                    prop::sample::select(vec!["UPPER", "LOWER", "INITCAP", "TRIM"]),
                    inner.clone()
                )
                    .prop_map(|(function, arg)| format!("{function}({arg})")),
                (inner.clone(), -3..20_i8, 0..5_i8).prop_map(|(arg, start, length)| format!(
                    "SUBSTRING({arg} FROM {start} FOR {length})"
                )),
                (inner.clone(), inner.clone(), 0..9_i8).prop_map(|(arg, put, start)| format!(
                    "OVERLAY({arg} PLACING {put} FROM {start})"
                )),
                inner.prop_map(|arg| format!("CAST({arg} AS CHAR(5))")),
            ]
        })
}

fn moments() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "ROWTIME",
        "\"time\"",
        "TIMESTAMP '2026-03-01 10:00:00'",
    ]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(2, 6, 1, |inner| {
            prop_oneof![
                (
                    inner.clone(),
                    prop::sample::select(vec!["SECOND", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"])
                )
                    .prop_map(|(time, unit)| format!("FLOOR({time} TO {unit})")),
                (inner.clone(), 1..99_u8)
                    .prop_map(|(time, step)| format!("STEP({time} BY INTERVAL '{step}' MINUTE)")),
                (inner, 1..99_u8)
                    .prop_map(|(time, step)| format!("({time} + INTERVAL '{step}' DAY)")),
            ]
        })
}

fn conditions() -> impl Strategy<Value = String> {
    prop_oneof![
        (
            numbers(),
            prop::sample::select(vec!["=", "<>", "<", ">="]),
            numbers()
        )
            .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        texts().prop_map(|text| format!("{text} LIKE '%a_'")),
        (texts(), texts())
            .prop_map(|(left, right)| format!("({left} IN ({right}, 'b')) IS NOT TRUE")),
        (moments(), moments())
            .prop_map(|(left, right)| format!("NOT {left} BETWEEN {right} AND ROWTIME")),
    ]
}

fn rows() -> impl Strategy<Value = Vec<fold::Arrived>> {
    let maybe = |value: BoxedStrategy<FieldValue<'static>>| prop_oneof![1 => Just(FieldValue::Null), 4 => value];
    let number = |unscaled: i64, scale| {
        FieldValue::Number(Decimal {
            unscaled: unscaled.into(),
            scale,
        })
    };
    let time = || {
        prop_oneof![
            0..10_000_000_i64,
            Just(253_402_300_799_999),
            Just(-62_167_219_200_000)
        ]
        .prop_map(Timestamp::from_millis)
    };
    let name = maybe(
        "[a-cÄß ]{1,16}"
            .prop_map(|text| FieldValue::Text(text.into()))
            .boxed(),
    );
    let price = prop_oneof![
        -1e3..1e3,
        Just(1e300),
        Just(1e-300),
        Just(999_999_999_999_999.9)
    ];
    let price = maybe(
        price
            .prop_map(|price| FieldValue::Float(Finite::new(price).unwrap()))
            .boxed(),
    );
    let count = prop_oneof![-9..9_i64, Just(i32::MAX.into()), Just(i32::MIN.into())];
    let count = maybe(count.prop_map(move |count| number(count, 0)).boxed());
    let amount = prop_oneof![-999..999_i64, Just(9_999_999_999)];
    let amount = maybe(amount.prop_map(move |amount| number(amount, 2)).boxed());
    let moment = maybe(time().prop_map(FieldValue::Timestamp).boxed());
    let row = (name, price, count, amount, moment)
        .prop_map(|(name, price, count, amount, moment)| vec![name, price, count, amount, moment]);
    prop::collection::vec((row, time()), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn supported_queries_are_planned_and_evaluated(
        [key, lowest] in [texts(), texts()],
        [summed, averaged, counted] in [numbers(), numbers(), numbers()],
        moment in moments(),
        [condition, having] in [conditions(), conditions()],
        rows in rows(),
    ) {
        let having = having.replace("\"name\"", "MAX(\"name\")").replace("\"time\"", "MIN(\"time\")");
        let having = having.replace("\"price\"", "AVG(\"price\")").replace("\"count\"", "SUM(\"count\")");
        let having = having.replace("\"amount\"", "AVG(\"amount\")");
        let text = format!(
            "CREATE STREAM out (a VARCHAR(5), b TIMESTAMP, c REAL, d DECIMAL(9,3), e SMALLINT, f CHAR(3));
             CREATE PUMP p AS INSERT INTO out
             SELECT STREAM {key}, MAX({moment}), SUM({summed}), AVG({averaged}), COUNT({counted}) + 1, MIN({lowest})
             FROM source_sql_stream_001
             WHERE {condition}
             GROUP BY {key}, FLOOR(ROWTIME TO MINUTE)
             HAVING {having}
             ORDER BY 3 DESC, 1"
        );
        let input = constructs::input();
        let application = SqlApplication::new(&text, &input);
        prop_assume!(!matches!(&application, Err(problems) if is_of_null(&problems.to_string())));
        let application = application.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        let (finished, _) = fold::run(&application, &rows);
        for row in finished {
            let json: serde_json::Value = serde_json::from_str(&row.to_json()).unwrap();
            prop_assert_eq!(json.as_object().unwrap().len(), 6);
        }
    }
}

/// An aggregate of nothing but NULL has no type, which is rejected.
fn is_of_null(problems: &str) -> bool {
    problems.contains("a value of type NULL")
}
