//! The constructs of Kinesis SQL, with an example of each, and whether it is supported.
//!
//! `docs/kinesis-sql.md` is written from these tables, and a test plans every example.

use crate::application::{INPUT_STREAM, InputColumn, InputStream};
use crate::types::SqlType;

/// A construct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Construct {
    /// What it is called.
    pub name: &'static str,
    /// An example: whole statements, or the SELECT of a pump ([`text`](Self::text)).
    pub example: &'static str,
    /// Why it is rejected, if it is.
    pub rejected: Option<RejectedBecause>,
}

/// Why a construct is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectedBecause {
    /// The reason.
    pub reason: &'static str,
    /// What to write instead, where there is something.
    pub rewrite: Option<&'static str>,
}

impl Construct {
    /// The example as a text: a SELECT becomes that of a pump, which writes as many columns.
    pub fn text(&self) -> String {
        if !self.example.starts_with("SELECT") {
            return self.example.to_owned();
        }
        format!(
            "CREATE OR REPLACE STREAM \"OUT\" (\"x\" VARCHAR(32), \"n\" BIGINT);\n\
             CREATE OR REPLACE PUMP \"P\" AS INSERT INTO \"OUT\" {}",
            self.example
        )
    }
}

/// The input stream of the examples.
pub fn input() -> InputStream {
    let columns = [
        ("name", SqlType::Varchar(16)),
        ("price", SqlType::Double),
        ("count", SqlType::Integer),
        (
            "amount",
            SqlType::Decimal {
                precision: 10,
                scale: 2,
            },
        ),
        ("time", SqlType::Timestamp),
    ];
    let columns = columns.map(|(name, sql_type)| InputColumn {
        name: name.to_owned(),
        sql_type,
    });
    InputStream {
        name: INPUT_STREAM.to_owned(),
        columns: columns.to_vec(),
    }
}

const fn accepted(name: &'static str, example: &'static str) -> Construct {
    Construct {
        name,
        example,
        rejected: None,
    }
}

const fn rejected(
    name: &'static str,
    example: &'static str,
    reason: &'static str,
    rewrite: Option<&'static str>,
) -> Construct {
    Construct {
        name,
        example,
        rejected: Some(RejectedBecause { reason, rewrite }),
    }
}

/// Constructs that are supported.
pub const ACCEPTED: &[Construct] = &[
    accepted(
        "Tumbling window by FLOOR",
        r#"SELECT STREAM "name", COUNT(*) FROM "SOURCE_SQL_STREAM_001" GROUP BY FLOOR("SOURCE_SQL_STREAM_001".ROWTIME TO MINUTE), "name""#,
    ),
    accepted(
        "Tumbling window by STEP",
        r#"SELECT STREAM "name", COUNT(*) FROM "SOURCE_SQL_STREAM_001" GROUP BY "name", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '10' SECOND)"#,
    ),
    accepted(
        "Tumbling window by seconds since the epoch",
        r#"SELECT STREAM "name", COUNT(*) FROM "SOURCE_SQL_STREAM_001" GROUP BY "name", FLOOR(("SOURCE_SQL_STREAM_001".ROWTIME - TIMESTAMP '1970-01-01 00:00:00') SECOND / 10 TO SECOND)"#,
    ),
    accepted(
        "A second time, as one more key",
        r#"SELECT STREAM CAST(STEP("time" BY INTERVAL '1' MINUTE) AS VARCHAR(32)), COUNT(*) FROM "SOURCE_SQL_STREAM_001" GROUP BY STEP("time" BY INTERVAL '1' MINUTE), STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' MINUTE)"#,
    ),
    accepted(
        "COUNT, SUM, MIN, MAX and AVG",
        r#"SELECT STREAM MIN("name"), COUNT("price") + SUM("count") + MAX("count") + AVG("amount") FROM "SOURCE_SQL_STREAM_001" GROUP BY FLOOR(ROWTIME TO HOUR)"#,
    ),
    accepted(
        "WHERE and HAVING",
        r#"SELECT STREAM "name", COUNT(*) FROM "SOURCE_SQL_STREAM_001" WHERE "price" > 0 GROUP BY "name", FLOOR(ROWTIME TO MINUTE) HAVING COUNT(*) > 3"#,
    ),
    accepted(
        "ORDER BY",
        r#"SELECT STREAM "name", COUNT(*) AS "n" FROM "SOURCE_SQL_STREAM_001" GROUP BY "name", FLOOR(ROWTIME TO MINUTE) ORDER BY FLOOR(ROWTIME TO MINUTE), "n" DESC"#,
    ),
    accepted(
        "CASE",
        r#"SELECT STREAM CASE WHEN COUNT(*) > 3 THEN 'busy' ELSE 'quiet' END, SUM(CASE "name" WHEN 'a' THEN 1 ELSE 0 END) FROM "SOURCE_SQL_STREAM_001" GROUP BY FLOOR(ROWTIME TO MINUTE)"#,
    ),
    accepted(
        "Predicates",
        r#"SELECT STREAM "name", COUNT(*) FROM "SOURCE_SQL_STREAM_001" WHERE "name" LIKE 'a!_%' ESCAPE '!' AND "name" SIMILAR TO '[a-z]+%' AND "count" BETWEEN 1 AND 9 AND "name" NOT IN ('x', 'y') AND ("price" IS NOT NULL OR "count" = 3 IS TRUE) GROUP BY "name", FLOOR(ROWTIME TO MINUTE)"#,
    ),
    accepted(
        "Text functions",
        r#"SELECT STREAM UPPER("name") || LOWER(TRIM(BOTH ' ' FROM "name")) || INITCAP(SUBSTRING("name" FROM 1 FOR 2)) || OVERLAY("name" PLACING 'x' FROM 1), SUM(CHAR_LENGTH("name") + POSITION('a' IN "name")) FROM "SOURCE_SQL_STREAM_001" GROUP BY "name", FLOOR(ROWTIME TO MINUTE)"#,
    ),
    accepted(
        "Number functions",
        r#"SELECT STREAM "name", MAX(ABS("price") + CEIL("price") + FLOOR("price") + MOD("count", 7) + POWER("price", 2) + SQRT(ABS("price")) + EXP(0) + LN(1) + LOG10(10) + SIGN("count")) FROM "SOURCE_SQL_STREAM_001" GROUP BY "name", FLOOR(ROWTIME TO MINUTE)"#,
    ),
    accepted(
        "Time functions",
        r#"SELECT STREAM "name", MAX(EXTRACT(HOUR FROM "time") + UNIX_TIMESTAMP("time") + TSDIFF("time", ROWTIME) + CAST((ROWTIME - "time") SECOND AS BIGINT)) FROM "SOURCE_SQL_STREAM_001" WHERE "time" + INTERVAL '1' HOUR > TO_TIMESTAMP(0) GROUP BY "name", FLOOR(ROWTIME TO MINUTE)"#,
    ),
    accepted(
        "Times as text",
        r#"SELECT STREAM TIMESTAMP_TO_CHAR('yyyy-MM-dd''T''HH:mm:ss.SSS', ROWTIME), COUNT(*) FROM "SOURCE_SQL_STREAM_001" GROUP BY FLOOR(ROWTIME TO MINUTE), TIMESTAMP_TO_CHAR('EEEE', "time"), DATE_TO_CHAR('MMM d', CAST("time" AS DATE)), TIME_TO_CHAR('h a', CAST("time" AS TIME))"#,
    ),
    accepted(
        "COALESCE, NULLIF and CAST",
        r#"SELECT STREAM COALESCE(NULLIF("name", ''), 'none'), SUM(CAST("price" AS INTEGER)) FROM "SOURCE_SQL_STREAM_001" GROUP BY COALESCE(NULLIF("name", ''), 'none'), FLOOR(ROWTIME TO MINUTE)"#,
    ),
    accepted(
        "A filter that ends in an output",
        r#"SELECT STREAM "name", "count" * 2 FROM "SOURCE_SQL_STREAM_001" WHERE "price" > 1"#,
    ),
    accepted(
        "Chains of filters, several into one output",
        "CREATE STREAM a (x VARCHAR(16), y DOUBLE);\nCREATE PUMP p AS INSERT INTO a SELECT STREAM \"name\", \"price\" FROM source_sql_stream_001;\nCREATE STREAM b (x VARCHAR(16), why VARCHAR(8));\nCREATE PUMP q AS INSERT INTO b SELECT STREAM x, 'high' FROM a WHERE y > 9;\nCREATE PUMP r AS INSERT INTO b SELECT STREAM x, 'none' FROM a WHERE y IS NULL",
    ),
    accepted(
        "Pumps that filter, before a window",
        "CREATE STREAM a (x VARCHAR(16), y DOUBLE);\nCREATE PUMP p AS INSERT INTO a SELECT STREAM \"name\", \"price\" FROM source_sql_stream_001 WHERE \"price\" > 1;\nCREATE STREAM b (x VARCHAR(16), total DOUBLE);\nCREATE PUMP q AS INSERT INTO b (total, x) SELECT STREAM SUM(y), x FROM a GROUP BY x, FLOOR(a.ROWTIME TO MINUTE)",
    ),
    accepted(
        "Pumps that filter, after a window",
        "CREATE STREAM a (x VARCHAR(16), n BIGINT);\nCREATE PUMP p AS INSERT INTO a SELECT STREAM \"name\", COUNT(*) FROM source_sql_stream_001 GROUP BY \"name\", FLOOR(ROWTIME TO MINUTE);\nCREATE STREAM b (x VARCHAR(16), ended TIMESTAMP);\nCREATE PUMP q AS INSERT INTO b SELECT STREAM x, ROWTIME FROM a WHERE n > 10",
    ),
    accepted(
        "SELECT DISTINCT",
        "CREATE STREAM a (x VARCHAR(16), n INTEGER, minute TIMESTAMP);\nCREATE PUMP p AS INSERT INTO a SELECT STREAM DISTINCT \"name\", \"count\", FLOOR(source_sql_stream_001.ROWTIME TO MINUTE) FROM source_sql_stream_001",
    ),
    accepted(
        "Distinct counts: aggregates over a SELECT DISTINCT of the same window",
        r#"SELECT STREAM d."name", COUNT(*) FROM (SELECT STREAM DISTINCT "name", "count", STEP(s.ROWTIME BY INTERVAL '60' SECOND) AS "t" FROM "SOURCE_SQL_STREAM_001" AS s WHERE "price" > 0) AS d GROUP BY d."name", STEP(d."t" BY INTERVAL '60' SECOND)"#,
    ),
    accepted(
        "TOP_K_ITEMS_TUMBLING",
        r#"SELECT STREAM * FROM TABLE(TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM * FROM "SOURCE_SQL_STREAM_001" WHERE "price" > 0), 'name', 10, 60))"#,
    ),
    accepted(
        "Several pumps into one stream",
        "CREATE STREAM a (n BIGINT);\nCREATE PUMP p AS INSERT INTO a SELECT STREAM COUNT(*) FROM source_sql_stream_001 GROUP BY FLOOR(ROWTIME TO MINUTE);\nCREATE PUMP q AS INSERT INTO a SELECT STREAM COUNT(*) FROM source_sql_stream_001 GROUP BY FLOOR(ROWTIME TO HOUR)",
    ),
];

const STEP_REWRITE: Option<&str> =
    Some("add STEP(\"SOURCE_SQL_STREAM_001\".ROWTIME BY INTERVAL '1' MINUTE)");
const TUMBLING: Option<&str> = Some(
    "use a tumbling window: GROUP BY STEP(\"SOURCE_SQL_STREAM_001\".ROWTIME BY INTERVAL '1' MINUTE)",
);
const RULE: &str =
    "an aggregate over a stream needs a GROUP BY term on ROWTIME, or its groups would never end";
const RANDOM: &str = "its result is random, so it cannot be computed exactly";
const JOIN: Option<&str> = Some("join the rows where they are read");
const SUBQUERY: Option<&str> = Some("write a pump per SELECT, with a stream between them");

/// Constructs that are rejected by name.
pub const REJECTED: &[Construct] = &[
    rejected(
        "OVER",
        r#"SELECT STREAM "name", COUNT(*) OVER (PARTITION BY "name" RANGE INTERVAL '1' MINUTE PRECEDING) FROM "SOURCE_SQL_STREAM_001""#,
        "sliding windows are not supported",
        TUMBLING,
    ),
    rejected(
        "WINDOW",
        r#"SELECT STREAM "name", "count" FROM "SOURCE_SQL_STREAM_001" WINDOW W1 AS (PARTITION BY "name" RANGE INTERVAL '1' MINUTE PRECEDING)"#,
        "sliding windows are not supported",
        TUMBLING,
    ),
    rejected(
        "WINDOWED BY STAGGER",
        r#"SELECT STREAM "name", COUNT(*) FROM "SOURCE_SQL_STREAM_001" WINDOWED BY STAGGER (PARTITION BY "name" RANGE INTERVAL '1' MINUTE)"#,
        "stagger windows are not supported",
        Some("group by STEP on the same column, beside STEP(ROWTIME BY INTERVAL ...)"),
    ),
    rejected(
        "RANDOM_CUT_FOREST",
        r#"SELECT STREAM "name", "count" FROM TABLE(RANDOM_CUT_FOREST("SOURCE_SQL_STREAM_001"))"#,
        RANDOM,
        None,
    ),
    rejected(
        "RANDOM_CUT_FOREST_WITH_EXPLANATION",
        r#"SELECT STREAM "name", "count" FROM TABLE(RANDOM_CUT_FOREST_WITH_EXPLANATION("SOURCE_SQL_STREAM_001"))"#,
        RANDOM,
        None,
    ),
    rejected(
        "HOTSPOTS",
        r#"SELECT STREAM "name", "count" FROM TABLE(HOTSPOTS("SOURCE_SQL_STREAM_001", 1000, 0.2, 17))"#,
        RANDOM,
        None,
    ),
    rejected(
        "JOIN",
        r#"SELECT STREAM a."name", a."count" FROM "SOURCE_SQL_STREAM_001" AS a JOIN "SOURCE_SQL_STREAM_001" AS b ON a."name" = b."name""#,
        "joins are not supported",
        JOIN,
    ),
    rejected(
        "a comma in FROM",
        r#"SELECT STREAM a."name", a."count" FROM "SOURCE_SQL_STREAM_001" AS a, "SOURCE_SQL_STREAM_001" AS b"#,
        "joins are not supported",
        JOIN,
    ),
    rejected(
        "GROUP BY without a ROWTIME term",
        r#"SELECT STREAM "name", COUNT(*) FROM "SOURCE_SQL_STREAM_001" GROUP BY "name""#,
        RULE,
        STEP_REWRITE,
    ),
    rejected(
        "an aggregate without GROUP BY",
        r#"SELECT STREAM 'all', COUNT(*) FROM "SOURCE_SQL_STREAM_001""#,
        RULE,
        STEP_REWRITE,
    ),
    rejected(
        "GROUP BY FLOOR(ROWTIME TO WEEK)",
        r#"SELECT STREAM 'all', COUNT(*) FROM "SOURCE_SQL_STREAM_001" GROUP BY FLOOR(ROWTIME TO WEEK)"#,
        "windows of weeks, months and years are not supported",
        Some("use FLOOR(ROWTIME TO MINUTE) or STEP(ROWTIME BY INTERVAL '10' SECOND)"),
    ),
    rejected(
        "COUNT(DISTINCT)",
        r#"SELECT STREAM 'all', COUNT(DISTINCT "name") FROM "SOURCE_SQL_STREAM_001" GROUP BY FLOOR(ROWTIME TO MINUTE)"#,
        "aggregates take all values, and AWS rejected it as well",
        Some(
            r#"count the rows of a subquery: SELECT STREAM COUNT(*) FROM (SELECT STREAM DISTINCT "x", FLOOR(s.ROWTIME TO MINUTE) AS "t" FROM "SOURCE_SQL_STREAM_001" AS s) AS d GROUP BY d."t""#,
        ),
    ),
    rejected(
        "SELECT DISTINCT without a ROWTIME term",
        r#"SELECT STREAM DISTINCT "name", "count" FROM "SOURCE_SQL_STREAM_001""#,
        "the distinct rows of a stream need a column with a term on ROWTIME, or they would never be complete",
        STEP_REWRITE,
    ),
    rejected(
        "SELECT DISTINCT with groups",
        r#"SELECT STREAM DISTINCT "name", COUNT(*) FROM "SOURCE_SQL_STREAM_001" GROUP BY "name", FLOOR(ROWTIME TO MINUTE)"#,
        "groups are distinct already",
        Some("leave DISTINCT out"),
    ),
    rejected(
        "SELECT DISTINCT in a subquery",
        r#"SELECT STREAM 'all', COUNT(*) FROM (SELECT STREAM DISTINCT "name", FLOOR(s.ROWTIME TO MINUTE) AS "t" FROM "SOURCE_SQL_STREAM_001" AS s) AS d GROUP BY FLOOR(d."t" TO HOUR)"#,
        "its windows last 60 s, and those of the SELECT around it 3600 s",
        Some("use the same term on ROWTIME in both"),
    ),
    rejected(
        "REGEX_LOG_PARSE",
        r#"SELECT STREAM REGEX_LOG_PARSE("name", '(.*)'), 1 FROM "SOURCE_SQL_STREAM_001""#,
        "log parsing functions are not supported",
        Some("send JSON, and map its fields to columns"),
    ),
    rejected(
        "UNION",
        r#"SELECT STREAM "name", "count" FROM "SOURCE_SQL_STREAM_001" UNION ALL SELECT STREAM "name", "count" FROM "SOURCE_SQL_STREAM_001""#,
        "a pump has one SELECT",
        Some("write one pump per SELECT, into the same stream"),
    ),
    rejected(
        "a subquery",
        r#"SELECT STREAM "name", "count" FROM (SELECT STREAM * FROM "SOURCE_SQL_STREAM_001")"#,
        "only SELECT DISTINCT can be one, after FROM",
        SUBQUERY,
    ),
    rejected(
        "STDDEV_POP",
        r#"SELECT STREAM 'all', STDDEV_POP("price") FROM "SOURCE_SQL_STREAM_001" GROUP BY FLOOR(ROWTIME TO MINUTE)"#,
        "only COUNT, SUM, MIN, MAX and AVG are supported",
        None,
    ),
    rejected(
        "CURRENT_TIMESTAMP",
        r#"SELECT STREAM CAST(CURRENT_TIMESTAMP AS VARCHAR(32)), COUNT(*) FROM "SOURCE_SQL_STREAM_001" GROUP BY FLOOR(ROWTIME TO MINUTE)"#,
        "it reads a clock, so a row could not be computed again",
        Some("use ROWTIME"),
    ),
    rejected(
        "a window over a window",
        "CREATE STREAM a (n BIGINT);\nCREATE PUMP p AS INSERT INTO a SELECT STREAM COUNT(*) FROM source_sql_stream_001 GROUP BY FLOOR(ROWTIME TO MINUTE);\nCREATE STREAM b (n BIGINT);\nCREATE PUMP q AS INSERT INTO b SELECT STREAM SUM(n) FROM a GROUP BY FLOOR(a.ROWTIME TO HOUR)",
        "stream \"A\" has the rows of the windows of pump \"P\"",
        Some("aggregate the input stream"),
    ),
    rejected(
        "CREATE FUNCTION",
        "CREATE FUNCTION f (x INTEGER) RETURNS INTEGER RETURN x",
        "only CREATE STREAM and CREATE PUMP are supported",
        None,
    ),
    rejected(
        "CREATE VIEW",
        "CREATE VIEW v AS SELECT STREAM * FROM source_sql_stream_001",
        "only CREATE STREAM and CREATE PUMP are supported",
        None,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::SqlApplication;

    #[test]
    fn accepted_constructs_are_planned() {
        for construct in ACCEPTED {
            let planned = SqlApplication::new(&construct.text(), &input());
            if let Err(problems) = planned {
                panic!("{}: {problems}", construct.name);
            }
        }
    }

    #[test]
    fn rejected_constructs_are_rejected_for_their_reason() {
        for construct in REJECTED {
            let problems = SqlApplication::new(&construct.text(), &input()).unwrap_err();
            let rejected = construct.rejected.unwrap();
            let first = problems
                .0
                .iter()
                .find(|problem| problem.construct == construct.name);
            let Some(first) = first else {
                panic!("{} is not named: {problems}", construct.name);
            };
            assert_eq!(first.reason, rejected.reason, "{}", construct.name);
            assert_eq!(
                first.rewrite.as_deref(),
                rejected.rewrite,
                "{}",
                construct.name
            );
            assert!(
                first.at.line > 0 && first.at.column > 0,
                "{}",
                construct.name
            );
        }
    }
}
