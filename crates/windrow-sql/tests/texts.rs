//! Forms of a text that mean the same, and forms that are usual.

use windrow_sql::application::SqlApplication;
use windrow_sql::constructs;

const TEXT: &str = r#"-- ** Aggregation **
CREATE OR REPLACE STREAM "OUT" ("name" VARCHAR(16), time TIMESTAMP NOT NULL, "count" BIGINT, value DOUBLE);
/* a comment ; with 'quotes' */
CREATE OR REPLACE PUMP "P" AS
  INSERT INTO "OUT" ("name", "TIME", "count", value)
    SELECT STREAM "s"."name" AS "name", STEP("s".ROWTIME BY INTERVAL '60' SECOND) AS time,
      COUNT(*) AS count, AVG("price") value -- the average
    FROM "SOURCE_SQL_STREAM_001" AS "s"
    WHERE "s"."name" <> 'x' AND "price" != 0
    GROUP BY STEP("s".ROWTIME BY INTERVAL '60' SECOND), "s"."name"
    ORDER BY STEP("s".ROWTIME BY INTERVAL '60' SECOND), count DESC;
"#;

#[track_caller]
fn plans(text: &str) -> SqlApplication {
    SqlApplication::new(text, &constructs::input())
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

#[test]
fn the_form_of_a_text_does_not_matter() {
    let expected = plans(TEXT).schema().fingerprint().to_owned();
    for text in [
        TEXT.replace('\n', "\r\n"),
        format!("\u{feff}{TEXT}"),
        TEXT.trim_end().trim_end_matches(';').to_owned(),
        format!(";;{TEXT};\n;"),
        TEXT.replace("STREAM \"s\"", "\"s\""),
        TEXT.replace("CREATE OR REPLACE", "create"),
        TEXT.replace("AS\n  INSERT", "AS STARTED INSERT"),
        TEXT.replace(".ROWTIME", ".\"ROWTIME\""),
        TEXT.replace("\"s\".ROWTIME", "rowtime"),
        TEXT.replace(
            "STEP(\"s\".ROWTIME BY INTERVAL '60' SECOND)",
            "FLOOR(\"s\".ROWTIME TO MINUTE)",
        ),
        TEXT.replace("AS \"s\"", "\"s\""),
        TEXT.replace("\"SOURCE_SQL_STREAM_001\"", "source_sql_stream_001"),
    ] {
        assert_eq!(plans(&text).schema().fingerprint(), expected, "{text}");
    }
}

#[test]
fn usual_selects_are_planned() {
    for (select, seconds) in [
        (
            "COUNT(*) FROM source_sql_stream_001 GROUP BY FLOOR((source_sql_stream_001.ROWTIME - timestamp '1970-01-01 00:00:00') minute / 5 to minute)",
            300,
        ),
        (
            "COUNT(*) FROM source_sql_stream_001 GROUP BY EXTRACT(HOUR FROM ROWTIME), FLOOR(ROWTIME TO MONTH), FLOOR(ROWTIME TO MINUTE)",
            60,
        ),
        (
            "COUNT(*) minute FROM source_sql_stream_001 GROUP BY FLOOR(ROWTIME TO HOUR)",
            3600,
        ),
        (
            "SUM(CASE WHEN \"name\" = 'a' THEN 1 ELSE 0 END) FROM source_sql_stream_001 GROUP BY STEP(ROWTIME BY INTERVAL '1' MINUTE)",
            60,
        ),
        (
            "COUNT(\"price\") - COUNT(*) FROM source_sql_stream_001 GROUP BY FLOOR(ROWTIME TO DAY)",
            86_400,
        ),
        (
            "MAX(UNIX_TIMESTAMP(ROWTIME)) FROM source_sql_stream_001 GROUP BY FLOOR(ROWTIME TO SECOND), FLOOR(ROWTIME TO HOUR)",
            1,
        ),
        (
            "CAST(SUM(\"price\") / COUNT(*) AS DECIMAL(10,2)) FROM source_sql_stream_001 GROUP BY STEP(ROWTIME BY INTERVAL '01:30' MINUTE TO SECOND)",
            90,
        ),
        (
            "UNIX_TIMESTAMP(FLOOR(ROWTIME TO MINUTE)) / 1000 FROM source_sql_stream_001 GROUP BY FLOOR(ROWTIME TO MINUTE)",
            60,
        ),
        (
            "MAX(CAST((ROWTIME - \"time\") SECOND AS BIGINT)) FROM source_sql_stream_001 GROUP BY \"count\", FLOOR(ROWTIME TO MINUTE) HAVING COUNT(*) > 1 AND MAX(\"price\") > 2 * MIN(\"price\")",
            60,
        ),
        (
            "COUNT(*) FROM source_sql_stream_001 WHERE UPPER(TRIM(\"name\")) LIKE '%A%' GROUP BY FLOOR(APPROXIMATE_ARRIVAL_TIME TO MINUTE), FLOOR(ROWTIME TO MINUTE)",
            60,
        ),
    ] {
        let text = format!(
            "CREATE STREAM out (n BIGINT); CREATE PUMP p AS INSERT INTO out SELECT STREAM {select}"
        );
        assert_eq!(
            plans(&text).pumps()[0].window_seconds(),
            seconds,
            "{select}"
        );
    }
}
