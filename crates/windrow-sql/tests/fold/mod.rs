//! An exact fold, which knows nothing of shards and retries.

use std::collections::BTreeMap;

use windrow_core::decimal::Decimal;
use windrow_core::row::MergedRow;
use windrow_core::schema::{MeasureColumn, MeasureType};
use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Value};
use windrow_sql::application::SqlApplication;
use windrow_sql::finish;
use windrow_sql::output::OutputRow;

/// An input row and its arrival.
pub(crate) type Arrived = (Vec<FieldValue<'static>>, Timestamp);

/// The start and end of a window, and a key.
type FoldKey = (i64, i64, Vec<Value>);

/// The finished rows, sorted, and the problems on the way.
pub(crate) fn run(application: &SqlApplication, rows: &[Arrived]) -> (Vec<OutputRow>, Vec<String>) {
    let (merged, mut problems) = merged(application, rows);
    let done = application.finish(&merged).unwrap();
    problems.extend(done.problems.iter().map(ToString::to_string));
    let mut finished = done.rows;
    finish::sort(&mut finished);
    (finished, problems)
}

/// The merged rows, and the problems on the way.
pub(crate) fn merged(
    application: &SqlApplication,
    rows: &[Arrived],
) -> (Vec<MergedRow>, Vec<String>) {
    let mut merged: BTreeMap<FoldKey, (u64, Vec<Value>)> = BTreeMap::new();
    let mut problems = Vec::new();
    for (row, arrival) in rows {
        for pump in application.pumps() {
            for group in pump.groups(row, *arrival) {
                let group = match group {
                    Ok(group) => group,
                    Err(error) => {
                        problems.push(error.to_string());
                        continue;
                    }
                };
                let key = application.schema().key_values(group.key).unwrap();
                check(application, &key, &group.inputs);
                let measures = vec![Value::Null; group.inputs.len()];
                let entry = merged.entry((group.window.start, group.window.end, key));
                let (readings, held) = entry.or_insert((0, measures));
                *readings += 1;
                let columns = application.schema().measures().iter();
                for ((column, held), value) in columns.zip(held).zip(group.inputs.iter()) {
                    add(column, held, value.clone());
                }
            }
        }
    }
    let merged = merged
        .into_iter()
        .map(|((start, end, key), (readings, measures))| MergedRow {
            key,
            window_start: Timestamp::from_millis(start),
            window_seconds: ((end - start) / 1000) as u32,
            readings,
            duplicates: 0,
            measures,
            gap: false,
        })
        .collect();
    (merged, problems)
}

fn add(column: &MeasureColumn, held: &mut Value, value: Value) {
    if value.is_null() {
        return;
    }
    match (column.measure_type, &*held) {
        (_, Value::Null) => *held = value,
        (MeasureType::Sum(_), Value::Number(sum)) => {
            let Value::Number(number) = value else {
                panic!("{value:?} is summed");
            };
            assert_eq!(sum.scale, number.scale);
            *held = Value::Number(Decimal {
                unscaled: sum.unscaled + number.unscaled,
                scale: sum.scale,
            });
        }
        (MeasureType::Min(_), lowest) if value < *lowest => *held = value,
        (MeasureType::Max(_), highest) if value > *highest => *held = value,
        _ => {}
    }
}

/// Every value is one of its column.
fn check(application: &SqlApplication, key: &[Value], inputs: &[Value]) {
    use windrow_core::value::ColumnType;

    let schema = application.schema();
    assert_eq!(key.len(), schema.key().len());
    assert_eq!(inputs.len(), schema.measures().len());
    let columns = schema.key().iter().map(|column| column.column_type);
    let measures = schema.measures().iter().map(MeasureColumn::column_type);
    for (column, value) in columns.chain(measures).zip(key.iter().chain(inputs)) {
        match (column, value) {
            (_, Value::Null)
            | (ColumnType::Boolean, Value::Boolean(_))
            | (ColumnType::Float, Value::Float(_))
            | (ColumnType::Timestamp, Value::Timestamp(_))
            | (ColumnType::Text, Value::Text(_)) => {}
            (ColumnType::Number(number), Value::Number(value)) => {
                assert_eq!(number.scale, value.scale);
                assert!(number.lowest <= value.unscaled && value.unscaled <= number.highest);
            }
            (column, value) => panic!("{value:?} is no value of {column:?}"),
        }
    }
}
