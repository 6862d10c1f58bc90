use super::*;
use crate::aggregate::Merge as _;
use crate::value::{ColumnType, NumberType};

const CELSIUS: ColumnType = ColumnType::Number(NumberType::decimal(2));

fn text(name: &str) -> Field {
    Field::new(name, ColumnType::Text)
}

fn station() -> DeclaredSensor {
    DeclaredSensor::new(vec![
        text("site").key(),
        text("room").key().nullable(),
        Field::new("time", ColumnType::Timestamp).time(),
        Field::new("celsius", CELSIUS)
            .nullable()
            .measure("min", Aggregation::Min)
            .measure("average", Aggregation::Average { places: 3 })
            .measure("count", Aggregation::Count)
            .measure("first", Aggregation::First),
    ])
    .unwrap()
}

const LINE: &str = r#"{"site":"S","room":"attic","time":"2026-11-20 09:17:08","celsius":21.5}"#;

fn parse<'a>(sensor: &DeclaredSensor, line: &'a str) -> Result<DeclaredReading<'a>, Rejection> {
    sensor.parse(line.as_bytes()).map(Option::unwrap)
}

#[test]
fn a_reading_has_a_key_a_time_and_an_identity() {
    let sensor = station();
    let reading = parse(&sensor, LINE).unwrap();
    assert_eq!(sensor.key(&reading), r#"["S","attic"]"#);
    let time = "2026-11-20 09:17:08.000".parse().unwrap();
    assert_eq!(sensor.time(&reading), Some(time));
    assert_eq!(sensor.identity(&reading), Some(time.nanos()));
    let null = LINE.replace("\"attic\"", "null");
    assert_eq!(sensor.key(&parse(&sensor, &null).unwrap()), r#"["S",null]"#);
    for (line, rejection) in [
        (LINE.replace("\"S\"", "7"), "site is not a string"),
        (LINE.replace("site", "sight"), "site is missing"),
        (
            LINE.replace("\"S\"", &format!("\"{}\"", "a".repeat(2_049))),
            "site has 2049 bytes, more than 2048",
        ),
        (
            LINE.replace("21.5", "21.505"),
            "celsius is `21.505`, with more than 2 digits after the point",
        ),
        (
            LINE.replace("2026-11-20", "2026-11-31"),
            "time `2026-11-31 09:17:08` is not a real time as YYYY-MM-DD HH:MM:SS.mmm in UTC, RFC 3339, or a JSON number of seconds or milliseconds since 1970",
        ),
    ] {
        assert_eq!(parse(&sensor, &line).unwrap_err().to_string(), rejection);
    }
}

#[test]
fn marked_fields_are_the_identity() {
    let fields = vec![text("site").key(), text("id").identity(), text("note")];
    let sensor = DeclaredSensor::new(fields).unwrap();
    let identity = |sensor: &DeclaredSensor, id: &str, note: &str| {
        let line = format!(r#"{{"site":"S","id":"{id}","note":"{note}"}}"#);
        sensor.identity(&sensor.parse(line.as_bytes()).unwrap().unwrap())
    };
    let one = identity(&sensor, "1", "a");
    assert!(one.is_some_and(|identity| (0..1 << 95).contains(&identity)));
    assert_eq!(one, identity(&sensor, "1", "b"));
    assert_ne!(one, identity(&sensor, "2", "a"));
    assert_eq!(identity(&sensor.without_identity(), "1", "a"), None);
    let fields = vec![text("site").key(), text("id").identity().nullable()];
    let sensor = DeclaredSensor::new(fields).unwrap();
    let reading = sensor.parse(br#"{"site":"S"}"#).unwrap().unwrap();
    assert_eq!(sensor.identity(&reading), None);
    let without = DeclaredSensor::new(vec![text("site").key(), text("id"), text("note")]);
    assert_eq!(identity(&without.unwrap(), "1", "a"), None);
}

#[test]
fn readings_are_aggregated() {
    let sensor = station();
    let mut accumulator = MeasureAccumulators::identity();
    for (index, celsius) in ["21.5", "null", "20", "22.25"].into_iter().enumerate() {
        let line = LINE.replace("21.5", celsius);
        let reading = sensor.parse(line.as_bytes()).unwrap().unwrap();
        let order = ReadingOrder {
            sequence_number: "7".into(),
            index: index as u32,
            time: Timestamp::from_millis(0),
        };
        sensor.add(&mut accumulator, &sensor.values(&reading), &order);
    }
    let measures = sensor.measures(&accumulator);
    let columns = sensor.schema().measures().iter().zip(&measures);
    let finished: Vec<String> = columns
        .map(|(column, measure)| measure.finish(column.measure_type).to_string())
        .collect();
    assert_eq!(finished, ["20", "21.25", "3", "21.5"]);
}

#[test]
fn sums_and_averages_fit_a_table() {
    let sensor = DeclaredSensor::new(vec![
        Field::new("a", CELSIUS)
            .measure("sum", Aggregation::Sum)
            .measure("average", Aggregation::Average { places: 4 }),
    ])
    .unwrap();
    let digits = |count: usize| format!(r#"{{"a":{}}}"#, "9".repeat(count));
    // 26 digits of hundredths.
    let line = digits(24);
    let reading = sensor.parse(line.as_bytes()).unwrap().unwrap();
    let rejection = sensor.parse(digits(25).as_bytes()).unwrap_err();
    assert!(rejection.to_string().ends_with("which is out of range"));
    let mut accumulator = MeasureAccumulators::identity();
    let order = ReadingOrder {
        sequence_number: "7".into(),
        index: 0,
        time: Timestamp::from_millis(0),
    };
    for _ in 0..1_000 {
        sensor.add(&mut accumulator, &sensor.values(&reading), &order);
    }
    let columns = sensor.schema().measures().iter();
    let measures = sensor.measures(&accumulator);
    let finished = columns.zip(&measures);
    let finished: Vec<String> = finished
        .map(|(column, measure)| measure.finish(column.measure_type).to_string())
        .collect();
    assert_eq!(finished, [format!("{}000", "9".repeat(24)), "9".repeat(24)]);
    let average = Aggregation::Average { places: 13 };
    let error = DeclaredSensor::new(vec![Field::new("a", CELSIUS).measure("b", average)]);
    assert_eq!(error.unwrap_err(), SensorError::Places("a".to_owned()));
}

#[test]
fn filtered_readings_are_left_out() {
    let sensor = station().with_filter(|reading| !reading.values[1].is_null());
    assert!(sensor.parse(LINE.as_bytes()).unwrap().is_some());
    let null = LINE.replace("\"attic\"", "null");
    assert!(sensor.parse(null.as_bytes()).unwrap().is_none());
}

#[test]
fn fields_are_checked() {
    let error = |fields| DeclaredSensor::new(fields).unwrap_err().to_string();
    let time = |name: &str| Field::new(name, ColumnType::Timestamp).time();
    assert_eq!(error(vec![text("a"), text("a")]), "two fields are called a");
    assert_eq!(
        error(vec![time("a"), time("b")]),
        "a and b are both marked as the time of the reading"
    );
    assert_eq!(
        error(vec![time("a").nullable()]),
        "a cannot be the time of the reading: it is not a timestamp that is always there"
    );
    let float = Field::new("a", ColumnType::Float).measure("b", Aggregation::Sum);
    assert_eq!(
        error(vec![float]),
        "a cannot be summed: only integers and decimals can, since sums of floats depend on their order"
    );
    assert_eq!(
        error(vec![text("a").key().measure("a", Aggregation::Min)]),
        "two columns are called a"
    );
}
