//! Readings without rows count as those with rows do, whatever their columns and values are.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::json;
use windrow_core::aggregate::Merge as _;
use windrow_core::row::{Measure, ReadingOrder};
use windrow_core::sensor::{MeasureAccumulators, Sensor as _, readings};
use windrow_core::time::Timestamp;
use windrow_sql::batch::SqlBatch;
use windrow_sql::input::InputSchema;
use windrow_sql::sensor::{SqlReading, SqlSensor};

const TYPES: [&str; 13] = [
    "VARCHAR(3)",
    "VARCHAR(3000)",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "DECIMAL(5,2)",
    "DECIMAL(19,4)",
    "DECIMAL(19,0)",
    "DOUBLE",
    "DOUBLE",
    "TIMESTAMP",
    // Of this, nothing can be kept.
    "REAL",
];

/// What is no value of most columns, or none at all.
const OTHERS: [&str; 14] = [
    "null",
    "true",
    "{}",
    "[1]",
    "tru",
    "01",
    "1.",
    "1e2",
    "-1.5E-1",
    "1e999",
    "7.0",
    "\"5\"",
    "\" +5.0 \"",
    "\"2026-02-30 10:00:00.000\"",
];

const NUMBERS: [&str; 36] = [
    "null",
    "0",
    "-0",
    "-0.0",
    "0.0",
    "1",
    "-1",
    "7.0",
    "7.10",
    "100",
    "127",
    "128",
    "-128",
    "-129",
    "32767.0",
    "255.5",
    "300.25",
    "999.99",
    "1000",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "9999999999999999999",
    "999999999999999",
    "1000000000000000",
    "99999999999999.9",
    "0.000000000000001",
    "0.0000000000000001",
    "0.000000000000000005",
    "12.345678901234567",
    "123456789.123456789",
    "0.1234567890123456",
    "90071992547409.931",
    "108.695233",
    "9999.999999",
];

const TEXTS: [&str; 11] = [
    "null",
    "\"\"",
    "\"ab\"",
    "\"abcd\"",
    "\"Malmö\"",
    "\"漢字漢字\"",
    "\"a\\u0062\"",
    "\"\\n\"",
    "\"a\\\"b\"",
    "\"[null]\"",
    "\"\u{7f}\"",
];

const TIMES: [&str; 6] = [
    "null",
    "\"2026-03-01 10:00:00.000\"",
    "\"2026-03-01 10:00:59.999\"",
    "\"2026-03-01T10:01:00.0009Z\"",
    "\"2026-03-01\"",
    "\"1969-12-31 23:59:59.999\"",
];

/// The columns of the key, and the aggregates.
type TestPump = (Vec<Index>, Vec<(&'static str, Index)>);

#[derive(Clone, Debug)]
struct PlainCase {
    types: Vec<&'static str>,
    has_rowtime: bool,
    pumps: Vec<TestPump>,
    /// The values of the columns, by line.
    lines: Vec<Vec<Option<String>>>,
}

fn one_of(values: &'static [&'static str]) -> BoxedStrategy<String> {
    select(values).prop_map(str::to_owned).boxed()
}

fn decimal() -> impl Strategy<Value = String> {
    (any::<i32>(), 0..10_u32).prop_map(|(number, places)| {
        let unit = 10_i64.pow(places);
        let (whole, fraction) = (i64::from(number) / unit, i64::from(number) % unit);
        let sign = if number < 0 && whole == 0 { "-" } else { "" };
        let places = places as usize;
        match places {
            0 => whole.to_string(),
            _ => format!("{sign}{whole}.{:0places$}", fraction.abs()),
        }
    })
}

/// Mostly a value of this type.
fn value(sql_type: &str) -> BoxedStrategy<Option<String>> {
    let own = match sql_type {
        "TIMESTAMP" => one_of(&TIMES),
        "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" => prop_oneof![
            one_of(&NUMBERS),
            any::<i8>().prop_map(|number| number.to_string())
        ]
        .boxed(),
        text if text.starts_with("VARCHAR") => {
            let long =
                (2_040..2_060_usize).prop_map(|length| format!("\"{}\"", "x".repeat(length)));
            prop_oneof![9 => one_of(&TEXTS), 1 => long].boxed()
        }
        _ => prop_oneof![one_of(&NUMBERS), decimal()].boxed(),
    };
    prop_oneof![
        1 => Just(None),
        1 => one_of(&OTHERS).prop_map(Some),
        20 => own.prop_map(Some),
    ]
    .boxed()
}

fn pump() -> impl Strategy<Value = TestPump> {
    let aggregate = (
        select(&["SUM", "AVG", "MIN", "MAX", "COUNT"][..]),
        any::<Index>(),
    );
    (
        prop::collection::vec(any::<Index>(), 0..3),
        prop::collection::vec(aggregate, 0..5),
    )
}

fn case() -> impl Strategy<Value = PlainCase> {
    let types = prop::collection::vec(select(&TYPES[..TYPES.len() - 1]), 1..6);
    let types = (types, prop::bool::weighted(0.1)).prop_map(|(mut types, has_other)| {
        if has_other {
            types.push("REAL");
        }
        types
    });
    types.prop_flat_map(|types| {
        let line: Vec<_> = types.iter().map(|sql_type| value(sql_type)).collect();
        (
            Just(types),
            any::<bool>(),
            prop::collection::vec(pump(), 1..3),
            prop::collection::vec(line, 1..12),
        )
            .prop_map(|(types, has_rowtime, pumps, lines)| PlainCase {
                types,
                has_rowtime,
                pumps,
                lines,
            })
    })
}

impl PlainCase {
    fn sensor(&self) -> SqlSensor {
        let columns = self.types.iter().enumerate().map(
            |(index, sql_type)| json!({"Name": format!("C{index}"), "SqlType": sql_type, "Mapping": format!("$.c{index}")}),
        );
        let mut columns: Vec<_> = columns.collect();
        columns.push(json!({"Name": "T", "SqlType": "TIMESTAMP", "Mapping": "$.t"}));
        let schema = json!({"RecordColumns": columns}).to_string();
        let mut text = String::new();
        for (number, (keys, aggregates)) in self.pumps.iter().enumerate() {
            let column = |index: &Index| format!("C{}", index.index(self.types.len()));
            let mut terms: Vec<String> = keys.iter().map(column).collect();
            terms.sort();
            terms.dedup();
            let mut items: Vec<String> = aggregates
                .iter()
                .filter_map(|(name, index)| self.aggregate(name, *index))
                .collect();
            items.push("COUNT(*)".to_owned());
            let names = (0..items.len()).map(|item| format!("o{item} VARCHAR(40)"));
            let names: Vec<String> = names.collect();
            let items = items.iter();
            let items: Vec<String> = items
                .map(|item| format!("CAST({item} AS VARCHAR(40))"))
                .collect();
            terms.push("FLOOR(SOURCE_SQL_STREAM_001.ROWTIME TO MINUTE)".to_owned());
            text += &format!(
                "CREATE STREAM o{number} ({});
                CREATE PUMP p{number} AS INSERT INTO o{number} SELECT STREAM {}
                FROM SOURCE_SQL_STREAM_001 GROUP BY {};\n",
                names.join(", "),
                items.join(", "),
                terms.join(", ")
            );
        }
        let sensor = SqlSensor::new(&text, InputSchema::parse(&schema).unwrap());
        let sensor = sensor.unwrap_or_else(|problems| panic!("{problems}"));
        if self.has_rowtime {
            return sensor.with_rowtime("T").unwrap();
        }
        sensor
    }

    /// An aggregate of a column that is no text, if there is one.
    fn aggregate(&self, name: &str, index: Index) -> Option<String> {
        let columns = self.types.iter().enumerate();
        let columns: Vec<_> = columns
            .filter(|(_, sql_type)| !sql_type.starts_with("VARCHAR"))
            .collect();
        if columns.is_empty() {
            return None;
        }
        let (column, sql_type) = index.get(&columns);
        let name = match (*sql_type, name) {
            (&"TIMESTAMP", "SUM" | "AVG") => "MAX",
            (_, name) => name,
        };
        Some(format!("{name}(C{column})"))
    }

    /// The lines, some of which have the fields in another order, or spaces.
    fn lines(&self) -> Vec<String> {
        let lines = self.lines.iter().enumerate().map(|(number, values)| {
            let mut fields: Vec<String> = values
                .iter()
                .enumerate()
                .filter_map(|(index, value)| Some(format!("\"c{index}\":{}", value.as_ref()?)))
                .collect();
            let time = [
                "\"t\":\"2026-03-01 10:00:00.000\"",
                "\"t\":null",
                "\"t\":\"2026-03-01T10:01:00Z\"",
            ];
            fields.extend(time.get(number % 5).map(|time| (*time).to_owned()));
            fields.push("\"other\":[{\"c0\":1}]".to_owned());
            if number % 4 == 3 {
                fields.reverse();
            }
            let separator = if number % 3 == 2 { " , " } else { "," };
            format!("{{{}}}", fields.join(separator))
        });
        lines.collect()
    }
}

fn arrival() -> Timestamp {
    Timestamp::from_nanos(1_772_359_200_000_000_001).unwrap()
}

/// What counts of the readings in a record, and the measures of all; how many readings have no row.
fn counted(sensor: &SqlSensor, record: &str) -> (Vec<String>, Vec<Measure>, usize) {
    let mut counted = Vec::new();
    let mut accumulator = MeasureAccumulators::identity();
    let mut plain = 0;
    for (part, reading) in readings(sensor, record.as_bytes()) {
        let mut reading = match reading {
            Ok(Some(reading)) => reading,
            Ok(None) => continue,
            Err(rejection) => {
                counted.push(format!("{} {rejection}", part.escape_ascii()));
                continue;
            }
        };
        plain += usize::from(matches!(reading, SqlReading::Plain(_)));
        let time = sensor.time(&reading);
        sensor.split(&mut reading, arrival(), |reading| {
            let reading = match reading {
                Ok(reading) => reading,
                Err(rejection) => return counted.push(rejection.to_string()),
            };
            let values = sensor.values(reading);
            let order = ReadingOrder {
                sequence_number: "7".into(),
                index: 0,
                time: arrival(),
            };
            sensor.add(&mut accumulator, &values, &order);
            let mut memory = "of another reading".to_owned();
            assert_eq!(sensor.key_in(reading, &mut memory), sensor.key(reading));
            let (key, window) = (sensor.key(reading), sensor.window(reading));
            let times = (time, sensor.time(reading), sensor.identity(reading));
            let inputs = sensor.inputs(&values);
            counted.push(format!("{key} {window:?} {times:?} {inputs:?}"));
        });
    }
    (counted, sensor.measures(&accumulator), plain)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn readings_without_rows_count_as_those_with_rows(case in case()) {
        let sensor = case.sensor();
        let with_rows = sensor.clone().with_rows();
        // A damaged line may change what follows it, so each is parsed by itself, too.
        let lines = case.lines();
        for record in lines.iter().cloned().chain([lines.join("\n")]) {
            let (expected, measures, none) = counted(&with_rows, &record);
            prop_assert_eq!(none, 0);
            let (found, of_plain, _) = counted(&sensor, &record);
            prop_assert_eq!((found, of_plain), (expected, measures), "{}", record);
        }
        let batch = |sensor: SqlSensor| {
            let mut batch = SqlBatch::new(sensor);
            let rejected = batch.add(lines.join("\n").as_bytes(), arrival());
            let finished = batch.finish();
            let rows: Vec<String> = finished.rows.iter().map(|row| row.to_json()).collect();
            (rejected, rows, finished.problems)
        };
        prop_assert_eq!(batch(sensor), batch(with_rows));
    }

    /// Valid lines with usual values have no rows.
    #[test]
    fn usual_readings_have_no_rows(
        columns in subsequence(&["SMALLINT", "BIGINT", "DECIMAL(9,2)", "DOUBLE", "VARCHAR(9)"][..], 1..=5),
        number in 0..10_000_u32,
    ) {
        let text = columns.iter().position(|column| *column == "VARCHAR(9)");
        let case = PlainCase {
            types: columns.clone(),
            has_rowtime: false,
            pumps: vec![(Vec::new(), Vec::new())],
            lines: vec![
                (0..columns.len())
                    .map(|index| Some(if Some(index) == text {
                        format!("\"n{number}\"")
                    } else {
                        number.to_string()
                    }))
                    .collect(),
            ],
        };
        let sensor = case.sensor();
        let (counted, _, plain) = counted(&sensor, &case.lines().concat());
        prop_assert_eq!((counted.len(), plain), (1, 1));
    }
}
