//! Applications as sensors: what a reading is, where it counts, and in which order rows come out.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use serde_json::json;
use windrow_core::sensor::{Sensor as _, readings};
use windrow_core::time::Timestamp;
use windrow_sql::batch::SqlBatch;
use windrow_sql::input::InputSchema;
use windrow_sql::sensor::SqlSensor;

/// The time at which all records arrive, in a window of its own.
const ARRIVAL: &str = "2026-03-01 10:00:00.000";

fn input(columns: &[(&str, &str, &str)]) -> InputSchema {
    let columns = columns.iter().map(
        |(name, sql_type, mapping)| json!({"Name": name, "SqlType": sql_type, "Mapping": mapping}),
    );
    let schema = json!({"RecordColumns": columns.collect::<Vec<_>>()});
    InputSchema::parse(&schema.to_string()).unwrap()
}

fn sensor(text: &str) -> SqlSensor {
    let columns = [("A", "INTEGER", "$.a"), ("B", "VARCHAR(8)", "$.b")];
    SqlSensor::new(text, input(&columns)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The streams and the JSON of the finished rows of records.
fn rows(sensor: SqlSensor, records: &[&str]) -> Vec<String> {
    let mut batch = SqlBatch::new(sensor);
    for record in records {
        let rejected = batch.add(record.as_bytes(), ARRIVAL.parse().unwrap());
        assert_eq!(rejected, []);
    }
    let finished = batch.finish();
    assert_eq!(finished.problems, []);
    let rows = finished.rows.iter();
    rows.map(|row| format!("{} {}", row.stream.name, row.to_json()))
        .collect()
}

const TWO_CHAINS: &str = "
    CREATE STREAM both_ways (B VARCHAR(8));
    CREATE PUMP one AS INSERT INTO both_ways SELECT STREAM B FROM SOURCE_SQL_STREAM_001;
    CREATE PUMP other AS INSERT INTO both_ways SELECT STREAM B FROM SOURCE_SQL_STREAM_001;
    CREATE STREAM counted (B VARCHAR(8), N BIGINT);
    CREATE PUMP counts AS INSERT INTO counted SELECT STREAM B, COUNT(*) FROM both_ways
    GROUP BY B, FLOOR(both_ways.ROWTIME TO MINUTE);
";

/// A reading that was sent twice counts once, but through each of the chains.
#[test]
fn a_reading_counts_once_per_chain_of_pumps() {
    let records = [
        r#"{"a":1,"b":"x"}"#,
        r#"{"a":1,"b":"x"}"#,
        r#"{"a":2,"b":"x"}"#,
    ];
    let all = rows(sensor(TWO_CHAINS), &records);
    assert_eq!(all, [r#"COUNTED {"B":"x","N":6}"#]);
    let distinct = sensor(TWO_CHAINS).with_identity(&["A"]).unwrap();
    assert_eq!(rows(distinct, &records), [r#"COUNTED {"B":"x","N":4}"#]);
}

/// The elements of an array have times of their own.
#[test]
fn each_element_of_an_array_has_its_own_time() {
    let columns = [
        ("T", "TIMESTAMP", "$.items[0:].t"),
        ("X", "INTEGER", "$.items[0:].x"),
    ];
    let text = "CREATE STREAM o (n BIGINT);
        CREATE PUMP p AS INSERT INTO o SELECT STREAM SUM(X) FROM SOURCE_SQL_STREAM_001
        GROUP BY FLOOR(SOURCE_SQL_STREAM_001.ROWTIME TO MINUTE);";
    let sensor = SqlSensor::new(text, input(&columns)).unwrap();
    let sensor = sensor.with_rowtime("T").unwrap();
    let record = br#"{"items":[{"x":7},{"t":"2026-03-01 10:00:10","x":1},{"t":"2026-03-01 10:01:10","x":2}]}"#;
    let (_, reading) = readings(&sensor, record).next().unwrap();
    let mut starts = Vec::new();
    let mut rejected = Vec::new();
    let arrival: Timestamp = ARRIVAL.parse().unwrap();
    sensor.split(
        &mut reading.unwrap().unwrap(),
        arrival,
        |reading| match reading {
            Ok(reading) => {
                let window = sensor.window(reading).unwrap();
                starts.push((window.start - arrival.millis(), sensor.time(reading)));
            }
            Err(rejection) => rejected.push(rejection.to_string()),
        },
    );
    let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    assert_eq!(
        starts,
        [
            (0, time("2026-03-01 10:00:10")),
            (60_000, time("2026-03-01 10:01:10")),
        ]
    );
    assert_eq!(rejected, ["T is missing"]);
}

/// Rows of different pumps have no common order.
#[test]
fn order_by_sorts_the_rows_of_its_pump() {
    let pump = |stream: &str, order: &str| {
        format!(
            "CREATE STREAM {stream} (B VARCHAR(8), N BIGINT);
             CREATE PUMP of_{stream} AS INSERT INTO {stream} SELECT STREAM B, SUM(A)
             FROM SOURCE_SQL_STREAM_001 GROUP BY B, FLOOR(SOURCE_SQL_STREAM_001.ROWTIME TO MINUTE) {order};"
        )
    };
    let text = [
        pump("falling", "ORDER BY SUM(A) DESC"),
        pump("plain", ""),
        pump("rising", "ORDER BY SUM(A)"),
    ]
    .concat();
    let records: Vec<String> = (0..200)
        .map(|number| format!(r#"{{"a":{},"b":"k{number}"}}"#, number * 7 % 200))
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let rows = rows(sensor(&text), &records);
    let numbers = |stream: &str| -> Vec<i64> {
        let of_stream = rows.iter().filter_map(|row| row.strip_prefix(stream));
        of_stream
            .map(|row| {
                serde_json::from_str::<serde_json::Value>(row).unwrap()["N"]
                    .as_i64()
                    .unwrap()
            })
            .collect()
    };
    assert_eq!(numbers("FALLING "), (0..200).rev().collect::<Vec<_>>());
    assert_eq!(numbers("RISING "), (0..200).collect::<Vec<_>>());
    assert_eq!(numbers("PLAIN ").len(), 200);
}

/// A value that cannot be computed after the merge names the row in which it is null.
#[test]
fn problems_name_their_group() {
    let text = "CREATE STREAM o (B VARCHAR(8), n BIGINT);
        CREATE PUMP p AS INSERT INTO o SELECT STREAM B, 6 / SUM(A) FROM SOURCE_SQL_STREAM_001
        GROUP BY B, FLOOR(SOURCE_SQL_STREAM_001.ROWTIME TO MINUTE);";
    let mut batch = SqlBatch::new(sensor(text));
    let arrival = ARRIVAL.parse().unwrap();
    for record in [r#"{"a":0,"b":"x"}"#, r#"{"a":2,"b":"y"}"#] {
        assert_eq!(batch.add(record.as_bytes(), arrival), []);
    }
    let finished = batch.finish();
    let rows: Vec<String> = finished.rows.iter().map(|row| row.to_json()).collect();
    assert_eq!(rows, [r#"{"B":"x","N":null}"#, r#"{"B":"y","N":3}"#]);
    let problems: Vec<String> = finished.problems.iter().map(ToString::to_string).collect();
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    let expected =
        r#"division by zero, in the window of 2026-03-01 10:00:00.000, for the key ["P","x"]"#;
    assert!(problem.ends_with(expected), "{problem}");
}
