//! Rows of any schema: their line, their key, and their merge.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::value::RawValue;
use windrow_core::decimal::Decimal;
use windrow_core::row::{Measure, MergedRow, Row, SourceRange, merge};
use windrow_core::schema::{KeyColumn, MeasureColumn, Schema};
use windrow_core::sequence::SequenceRange;
use windrow_core::time::Timestamp;
use windrow_core::value::{ColumnType, Finite, NumberType, Value};

const LINE: &str = r#"{"Room":"kitchen","Floor":-1,"WindowStart":"2026-11-20 09:17:00.000","Mean":20.667,"Lowest":19.5,"Label":"b","Open":true,"Source":{"Stream":"s","Shard":"0","From":"1","To":"9","Readings":3,"WindowSeconds":60,"Parts":{"Mean":{"Sum":62,"Count":3}}}}"#;

/// Thermometers on the floors of a building. A room may be unknown.
fn schema() -> Schema {
    let celsius = NumberType::decimal(2);
    Schema::new(
        vec![
            KeyColumn::new("Room", ColumnType::Text).nullable(),
            KeyColumn::new("Floor", ColumnType::Number(NumberType::I32)),
        ],
        "WindowStart",
        vec![
            MeasureColumn::average("Mean", celsius, 3).nullable(),
            MeasureColumn::min("Lowest", ColumnType::Float).nullable(),
            MeasureColumn::max("Label", ColumnType::Text).nullable(),
            MeasureColumn::max("Open", ColumnType::Boolean).nullable(),
        ],
    )
    .unwrap()
}

fn parse(line: &str) -> Result<Row, String> {
    Row::parse(&schema(), line.as_bytes()).map_err(|rejection| rejection.to_string())
}

fn to_text(row: &Row) -> String {
    String::from_utf8(row.to_line(&schema())).unwrap()
}

#[test]
fn parts_of_an_average_are_in_the_source() {
    let row = parse(LINE).unwrap();
    assert_eq!(to_text(&row), format!("{LINE}\n"));
    let sum = Decimal {
        unscaled: 6_200,
        scale: 2,
    };
    assert_eq!(row.measures[0], Measure::Average { sum, count: 3 });
    for (old, new, reason) in [
        (
            "20.667",
            "20.666",
            "Mean is not the average that Source.Parts says",
        ),
        ("\"Sum\":62,", "", "Source.Parts.Mean.Sum is missing"),
        (
            "\"Count\":3",
            "\"Count\":-3",
            "Source.Parts.Mean.Count is `-3`, which is out of range",
        ),
        (
            "{\"Sum\":62,\"Count\":3}",
            "7",
            "Source.Parts.Mean is not an object",
        ),
        (
            ",\"Parts\":{\"Mean\":{\"Sum\":62,\"Count\":3}}",
            "",
            "Source.Parts.Mean is missing",
        ),
        (
            "\"Open\":true",
            "\"Open\":1",
            "Open is neither true nor false",
        ),
        ("19.5", "1e999", "Lowest is `1e999`, which is out of range"),
        ("-1", "-1.5", "Floor is `-1.5`, which is not an integer"),
        ("\"Floor\":-1,", "", "Floor is missing"),
    ] {
        assert!(LINE.contains(old), "{old}");
        assert_eq!(parse(&LINE.replacen(old, new, 1)), Err(reason.to_owned()));
    }
}

/// Merging averages themselves would give 15 here.
#[test]
fn averages_are_finished_after_the_merge() {
    let row = |shard: &str, sum: i128, count| {
        let mut row = parse(LINE).unwrap();
        let sum = Decimal {
            unscaled: sum,
            scale: 2,
        };
        row.measures[0] = Measure::Average { sum, count };
        row.readings = count;
        Arc::make_mut(&mut row.source).shard = shard.to_owned();
        row
    };
    let rows = [row("0", 3_000, 3), row("1", 2_000, 1)];
    let merged = merge(&schema(), rows);
    let mean = Decimal {
        unscaled: 12_500,
        scale: 3,
    };
    assert_eq!(merged[0].measures[0], Value::Number(mean));
    assert_eq!((merged.len(), merged[0].readings), (1, 4));
}

/// A schema of counts alone has no measures: the number of readings is in every row.
#[test]
fn rows_without_measures_are_merged() {
    let key = vec![KeyColumn::new("Room", ColumnType::Text)];
    let schema = Schema::new(key, "WindowStart", Vec::new()).unwrap();
    let line = br#"{"Room":"a","WindowStart":"2026-11-20 09:17:00.000","Source":{"Stream":"s","Shard":"0","From":"1","To":"9","Readings":3,"WindowSeconds":60}}"#;
    let merged = merge(&schema, [Row::parse(&schema, line).unwrap()]);
    assert_eq!((merged.len(), merged[0].readings), (1, 3));
}

#[test]
fn averages_may_have_more_digits_than_their_values() {
    let key = vec![KeyColumn::new("Room", ColumnType::Text)];
    let mean = MeasureColumn::average("Mean", NumberType::I32, 3);
    let schema = Schema::new(key, "WindowStart", vec![mean]).unwrap();
    let line = r#"{"Room":"a","WindowStart":"2026-11-20 09:17:00.000","Mean":2147483646.5,"Source":{"Stream":"s","Shard":"0","From":"1","To":"9","Readings":2,"WindowSeconds":60,"Parts":{"Mean":{"Sum":4294967293,"Count":2}}}}"#;
    let row = Row::parse(&schema, line.as_bytes()).unwrap();
    let written = row.to_line(&schema);
    assert_eq!(written.trim_ascii_end(), line.as_bytes());
    // A sum whose average exceeds every number is no panic.
    let huge = line
        .replace("4294967293", "68056473384187692692674921486353642291")
        .replace(r#""Count":2"#, r#""Count":4"#);
    assert!(Row::parse(&schema, huge.as_bytes()).is_err());
}

#[test]
fn missing_values_leave_others_as_they_are() {
    let without = r#"{"Floor":-1,"WindowStart":"2026-11-20 09:17:00.000","Source":{"Stream":"s","Shard":"1","From":"1","To":"9","Readings":2,"WindowSeconds":60,"Parts":{"Mean":{"Sum":0,"Count":0}}}}"#;
    let row = parse(without).unwrap();
    assert_eq!(row.key[0], Value::Null);
    assert_eq!(to_text(&row), format!("{without}\n"));
    assert_eq!(row.partition_value(&schema()), "[null,-1]");
    let with = Row {
        key: row.key.clone(),
        ..parse(LINE).unwrap()
    };
    let alone = merge(&schema(), [with.clone()]);
    for rows in [[row.clone(), with.clone()], [with, row]] {
        let merged = merge(&schema(), rows);
        assert_eq!(merged[0].measures, alone[0].measures);
        assert_eq!(merged[0].readings, 5);
    }
}

#[test]
fn long_keys_are_hashed() {
    let schema = schema();
    let row = |length: usize| Row {
        key: vec![
            Value::Text("\u{1d11e}\"".repeat(length)),
            parse(LINE).unwrap().key[1].clone(),
        ],
        ..parse(LINE).unwrap()
    };
    assert_eq!(row(1).partition_value(&schema), "[\"\u{1d11e}\\\"\",-1]");
    let hashed = row(200).partition_value(&schema).into_owned();
    assert_eq!(hashed.len(), 64);
    assert_ne!(hashed, row(201).partition_value(&schema));
}

prop_compose! {
    fn any_row()(
        room in prop::option::of("[a-c]"), floor in -1..2_i32, shard in 0..3_u8,
        from in 0..20_u32, length in 0..5_u32, readings in 0..4_u64, duplicates in 0..3_u64,
        sum in -500..500_i128, count in 0..4_u64,
        lowest in prop::option::of(-3.0..3.0_f64), label in prop::option::of("[a-z]{1,3}"),
        open: Option<bool>, seconds in prop::sample::select(vec![5_u32, 60]),
    ) -> Row {
        let number = |unscaled, scale| Decimal { unscaled, scale };
        let text = |text: Option<String>| text.map_or(Value::Null, Value::Text);
        let measures = vec![
            Measure::Average { sum: number(if count == 0 { 0 } else { sum }, 2), count },
            Measure::Value(lowest.and_then(Finite::new).map_or(Value::Null, Value::Float)),
            Measure::Value(text(label)),
            Measure::Value(open.map_or(Value::Null, Value::Boolean)),
        ];
        let sequence_number = |number: u32| number.to_string().parse().unwrap();
        Row {
            key: vec![text(room), Value::Number(number(floor.into(), 0))],
            window_start: Timestamp::from_millis(1_795_166_220_000),
            window_seconds: seconds,
            readings,
            duplicates: if readings == 0 { duplicates + 1 } else { duplicates },
            measures: if readings == 0 { Vec::new() } else { measures },
            source: Arc::new(SourceRange {
                stream: "s".to_owned(),
                shard: shard.to_string(),
                range: SequenceRange::new(
                    sequence_number(from + 1),
                    sequence_number(from + 1 + length),
                ).unwrap(),
                dedup_from: (from > 10).then(|| sequence_number(0)),
            }),
        }
    }
}

fn without_measures(row: &MergedRow) -> (&[Value], u64, bool) {
    (&row.key, row.readings, row.gap)
}

proptest! {
    #[test]
    fn rows_round_trip(row in any_row()) {
        let line = to_text(&row);
        prop_assert_eq!(parse(&line), Ok(row.clone()));
        // Another spelling of the same row has the same hash.
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&line).unwrap();
        let spelled = parse(&serde_json::to_string_pretty(&fields).unwrap()).unwrap();
        prop_assert_eq!(spelled.hash(&schema()), row.hash(&schema()));
    }

    #[test]
    fn unequal_rows_have_unequal_sort_values(one in any_row(), other in any_row()) {
        let schema = schema();
        let key = |row: &Row| (row.partition_value(&schema).into_owned(), row.sort_value(&schema));
        prop_assert_eq!(one == other, key(&one) == key(&other));
    }

    #[test]
    fn the_order_of_rows_does_not_matter(
        (rows, shuffled) in prop::collection::vec(any_row(), 0..12)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
    ) {
        let schema = schema();
        let twice = [shuffled.clone(), shuffled].concat();
        prop_assert_eq!(merge(&schema, rows), merge(&schema, twice));
    }

    /// Each shard's rows are merged apart: a row of another shard changes nothing but the totals.
    #[test]
    fn shards_add_up(row in any_row(), other in any_row()) {
        let schema = schema();
        let mut other = Row { key: row.key.clone(), window_seconds: row.window_seconds, ..other };
        Arc::make_mut(&mut other.source).shard = "another".to_owned();
        let readings = row.readings + other.readings;
        let merged = merge(&schema, [row.clone(), other]);
        if readings > 0 {
            prop_assert_eq!(without_measures(&merged[0]), (row.key.as_slice(), readings, false));
        } else {
            prop_assert_eq!(merged, []);
        }
    }
}
