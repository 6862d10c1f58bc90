//! Pumps without windows whose rows are an output.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use windrow_sql::batch::SqlBatch;
use windrow_sql::input::InputSchema;
use windrow_sql::output::RowId;
use windrow_sql::sensor::SqlSensor;

const SCHEMA: &str = r#"{"RecordColumns":[
    {"Name":"name","SqlType":"VARCHAR(16)","Mapping":"$.name"},
    {"Name":"price","SqlType":"DOUBLE","Mapping":"$.price"},
    {"Name":"count","SqlType":"INTEGER","Mapping":"$.count"},
    {"Name":"time","SqlType":"TIMESTAMP","Mapping":"$.time"}
]}"#;

fn planned(sql: &str) -> Result<SqlSensor, String> {
    let input = InputSchema::parse(SCHEMA).unwrap();
    SqlSensor::new(sql, input).map_err(|problems| problems.to_string())
}

fn sensor(sql: &str) -> SqlSensor {
    planned(sql).unwrap_or_else(|problems| panic!("{problems}"))
}

const SOURCE: &str = "\"SOURCE_SQL_STREAM_001\"";

/// The rows of the records, and the reasons of the rejects.
fn run(sql: &str, records: &[&str]) -> (Vec<String>, Vec<String>) {
    let mut batch = SqlBatch::new(sensor(sql));
    let mut rejected = Vec::new();
    let (mut rows, mut time) = (Vec::new(), 1_772_376_550_000);
    for record in records {
        let arrival = windrow_core::time::Timestamp::from_millis(time);
        time += 1_000;
        let reasons = batch.add(record.as_bytes(), arrival).into_iter();
        rejected.extend(reasons.map(|rejected| rejected.reason.to_string()));
        let taken = batch.take_rows().into_iter();
        rows.extend(taken.map(|row| format!("{} {}", row.stream.name, row.to_json())));
    }
    let finished = batch.finish();
    assert_eq!(finished.problems, []);
    let finished = finished.rows.iter();
    rows.extend(finished.map(|row| format!("{} {}", row.stream.name, row.to_json())));
    (rows, rejected)
}

#[test]
fn a_filter_writes_values_of_the_types_of_its_output() {
    let sql = format!(
        r#"CREATE STREAM "OUT" ("n" VARCHAR(3), twice SMALLINT, "at" TIMESTAMP, "day" DATE, price DECIMAL(5,1));
           CREATE PUMP p AS INSERT INTO "OUT"
           SELECT STREAM "name", "count" * 2, ROWTIME, "time", "price" FROM {SOURCE} WHERE "count" > 5"#
    );
    let (rows, rejected) = run(
        &sql,
        &[
            r#"{"name":"Shadowfax","count":6,"price":1.25,"time":"2018-03-18 03:20:00"}"#,
            r#"{"name":"Franky","count":5}"#,
            r#"[{"name":"Ö","count":7},{"count":8,"price":-0.05}]"#,
        ],
    );
    assert_eq!(rejected, [""; 0]);
    assert_eq!(
        rows,
        [
            r#"OUT {"n":"Sha","TWICE":12,"at":"2026-03-01 14:49:10.000","day":"2018-03-18","PRICE":1.3}"#,
            r#"OUT {"n":"Ö","TWICE":14,"at":"2026-03-01 14:49:12.000","day":null,"PRICE":null}"#,
            r#"OUT {"n":null,"TWICE":16,"at":"2026-03-01 14:49:12.000","day":null,"PRICE":-0.1}"#,
        ]
    );
}

#[test]
fn a_reading_without_a_value_is_rejected_for_its_pump() {
    let sql = format!(
        r#"CREATE STREAM a (n SMALLINT, x INTEGER);
           CREATE PUMP p AS INSERT INTO a SELECT STREAM "count" * 30000, 1 FROM {SOURCE};
           CREATE PUMP q AS INSERT INTO a SELECT STREAM 100 / "count", 2 FROM {SOURCE};
           CREATE STREAM b (x INTEGER);
           CREATE PUMP r AS INSERT INTO b SELECT STREAM x FROM a2 WHERE x < 9;
           CREATE PUMP s AS INSERT INTO b SELECT STREAM -x FROM a2;
           CREATE STREAM a2 (x INTEGER);
           CREATE PUMP t AS INSERT INTO a2 SELECT STREAM 10 / ("count" - 1) FROM {SOURCE}"#
    );
    let (rows, rejected) = run(
        &sql,
        &[r#"{"count":0}"#, r#"{"count":1}"#, r#"{"count":3}"#],
    );
    let row = |stream: &str, json: &str| format!("{stream} {json}");
    assert_eq!(
        rows,
        [
            row("A", r#"{"N":0,"X":1}"#),
            row("B", r#"{"X":-10}"#),
            row("B", r#"{"X":10}"#),
            row("A", r#"{"N":30000,"X":1}"#),
            row("A", r#"{"N":100,"X":2}"#),
            row("A", r#"{"N":33,"X":2}"#),
            row("B", r#"{"X":5}"#),
            row("B", r#"{"X":-5}"#),
        ]
    );
    assert_eq!(rejected.len(), 3, "{rejected:?}");
    assert!(
        rejected[0].contains("of pump Q has no value for it"),
        "{rejected:?}"
    );
    // The pump that two chains share fails once.
    assert!(
        rejected[1].contains("of pump T has no value for it"),
        "{rejected:?}"
    );
    assert!(
        rejected[2].contains("90000 is out of range for SMALLINT"),
        "{rejected:?}"
    );
}

#[test]
fn an_application_may_have_windows_as_well() {
    let sql = format!(
        r#"CREATE STREAM hot ("name" VARCHAR(16), price DOUBLE);
           CREATE PUMP hot_pump AS INSERT INTO hot SELECT STREAM "name", "price" FROM {SOURCE} WHERE "price" > 9;
           CREATE STREAM hottest ("name" VARCHAR(16));
           CREATE PUMP hottest_pump AS INSERT INTO hottest SELECT STREAM "name" FROM hot WHERE price > 99;
           CREATE STREAM per_minute (n INTEGER);
           CREATE PUMP minute_pump AS INSERT INTO per_minute
           SELECT STREAM COUNT(*) FROM hot GROUP BY FLOOR(hot.ROWTIME TO MINUTE);
           CREATE PUMP few AS INSERT INTO hottest SELECT STREAM 'few' FROM per_minute WHERE n < 3"#
    );
    let sensor = sensor(&sql);
    let application = sensor.application();
    let names = |pumps: Vec<&str>| pumps.join(" ");
    assert_eq!(
        names(
            application
                .stateless()
                .iter()
                .map(|pump| pump.name())
                .collect()
        ),
        "HOTTEST_PUMP"
    );
    assert_eq!(
        names(
            application
                .stateless_outputs()
                .map(|stream| stream.name.as_str())
                .collect()
        ),
        "HOTTEST"
    );
    assert_eq!(
        names(
            application
                .outputs()
                .map(|stream| stream.name.as_str())
                .collect()
        ),
        "PER_MINUTE HOTTEST"
    );
    let feeds: Vec<_> = application.feeds().collect();
    assert_eq!(feeds, [("HOT_PUMP", "HOT")]);

    let (rows, rejected) = run(
        &sql,
        &[
            r#"{"name":"a","price":5} {"name":"b","price":10}"#,
            r#"{"name":"c","price":100}"#,
        ],
    );
    assert_eq!(rejected, [""; 0]);
    assert_eq!(
        rows,
        [
            r#"HOTTEST {"name":"c"}"#,
            r#"HOTTEST {"name":"few"}"#,
            r#"PER_MINUTE {"N":2}"#
        ]
    );
}

#[test]
fn an_application_without_windows_has_a_schema() {
    let sql = format!(
        r#"CREATE STREAM "OUT" (x INTEGER);
           CREATE PUMP p AS INSERT INTO "OUT" SELECT STREAM "count" FROM {SOURCE}"#
    );
    let sensor = sensor(&sql);
    let application = sensor.application();
    assert!(application.pumps().is_empty());
    assert_eq!(application.outputs().count(), 0);
    let schema = application.schema();
    assert_eq!(schema.table_key(), ["Pump", "WindowStart"]);
    assert!(schema.measures().is_empty());
}

#[test]
fn a_line_ends_with_the_id_of_its_row() {
    let sql = format!(
        r#"CREATE STREAM "OUT" (x INTEGER);
           CREATE PUMP p AS INSERT INTO "OUT" SELECT STREAM "count" FROM {SOURCE}"#
    );
    let mut batch = SqlBatch::new(sensor(&sql));
    let arrival = windrow_core::time::Timestamp::EPOCH;
    assert_eq!(batch.add(br#"{"count":7}"#, arrival), []);
    let id = RowId {
        stream: "ticker",
        shard: "shardId-000000000003",
        sequence_number: "4959",
        sub_sequence_number: 0,
        index: 2,
    };
    let mut line = Vec::new();
    batch.take_rows()[0].write_line(id, &mut line);
    assert_eq!(
        String::from_utf8(line).unwrap(),
        "{\"X\":7,\"RowId\":\"ticker/shardId-000000000003/4959/0/2\"}\n"
    );
}

#[test]
fn problems_are_named() {
    let problem = |sql: &str| planned(sql).unwrap_err();
    assert_eq!(
        problem(&format!(
            "CREATE STREAM a (rowid INTEGER);\nCREATE PUMP p AS INSERT INTO a SELECT STREAM 1 FROM {SOURCE}"
        )),
        "line 2, column 13: column \"ROWID\" of stream \"A\": RowId is the field with the id of each row of this output; give the column another name"
    );
    assert_eq!(
        problem(
            "CREATE STREAM a (x INTEGER);\nCREATE STREAM b (x INTEGER);\nCREATE PUMP p AS INSERT INTO a SELECT STREAM x FROM b"
        ),
        "line 3, column 53: stream \"B\": no pump writes it, so it has no rows"
    );
    // Many chains of pumps, which only windows are before, and which rows of the input come through.
    for first in [
        format!("SELECT STREAM \"count\" FROM {SOURCE}"),
        format!("SELECT STREAM COUNT(*) FROM {SOURCE} GROUP BY FLOOR(ROWTIME TO MINUTE)"),
    ] {
        let mut sql = String::new();
        for layer in (0..40).rev() {
            sql.push_str(&format!("CREATE STREAM s{layer} (x BIGINT);\n"));
            for twin in ["a", "b"] {
                let select = match layer {
                    0 => first.clone(),
                    _ => format!("SELECT STREAM x FROM s{}", layer - 1),
                };
                sql.push_str(&format!(
                    "CREATE PUMP p{layer}{twin} AS INSERT INTO s{layer} {select};\n"
                ));
            }
        }
        let problem = problem(&sql);
        assert!(
            problem.contains("by more than 64 chains of pumps"),
            "{problem}"
        );
    }
}
