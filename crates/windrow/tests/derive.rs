//! Sensors made by the derive macro.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::borrow::Cow;

use windrow::Sensor;
use windrow::core::schema::MeasureType;
use windrow::core::sensor::{DeclaredSensor, Fields, Fixed, Sensor as _};
use windrow::core::time::Timestamp;
use windrow::core::value::{ColumnType, NumberType};

#[derive(Debug, PartialEq, Sensor)]
#[sensor(rename_all = "PascalCase", filter = Air::is_plausible)]
struct Air<'a> {
    #[sensor(key)]
    station: Cow<'a, str>,
    #[sensor(key)]
    floor: Option<i8>,
    #[sensor(time)]
    taken_at: Timestamp,
    #[sensor(sum, max = "Worst", avg(places = 1), rename = "pm25")]
    dust: Fixed<1>,
    #[sensor(min, first, last)]
    aqi: Option<u16>,
    #[sensor(count)]
    noise: Option<f64>,
    is_raining: bool,
}

impl Air<'_> {
    fn is_plausible(&self) -> bool {
        self.dust >= Fixed::of_units(0)
    }
}

fn sensor() -> DeclaredSensor {
    windrow::sensor::<Air>().unwrap()
}

fn air() -> Air<'static> {
    Air {
        station: "Zürich \"7\"".into(),
        floor: None,
        taken_at: "2026-11-20 09:17:08.000000001Z".parse().unwrap(),
        dust: Fixed::of_units(125),
        aqi: Some(41),
        noise: Some(0.5),
        is_raining: true,
    }
}

const LINE: &str = "{\"Station\":\"Zürich \\\"7\\\"\",\"Floor\":null,\
    \"TakenAt\":\"2026-11-20 09:17:08.000000001\",\"pm25\":12.5,\"Aqi\":41,\"Noise\":0.5,\
    \"IsRaining\":true}\n";

#[test]
fn columns_are_called_as_their_fields() {
    let sensor = sensor();
    let schema = sensor.schema();
    let keys: Vec<_> = schema
        .key()
        .iter()
        .map(|column| (column.name.as_str(), column.is_nullable))
        .collect();
    assert_eq!(keys, [("Station", false), ("Floor", true)]);
    assert_eq!(schema.time(), "TakenAt");
    let measures: Vec<&str> = schema
        .measures()
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(
        measures,
        [
            "sum_pm25",
            "Worst",
            "avg_pm25",
            "MinAqi",
            "FirstAqi",
            "LastAqi",
            "CountNoise"
        ]
    );
    // 28 digits, so that a sum fits a table.
    let highest = 10_i128.pow(28) - 1;
    let dust = NumberType {
        scale: 1,
        ..NumberType::between(-highest, highest)
    };
    assert_eq!(
        schema.measures()[2].measure_type,
        MeasureType::Average {
            of: dust,
            places: 1
        }
    );
    let aqi = ColumnType::Number(NumberType::between(0, 65_535));
    assert_eq!(schema.measures()[3].measure_type, MeasureType::Min(aqi));
    assert!(schema.measures()[3].is_nullable);
}

#[test]
fn readings_are_formatted_and_parsed() {
    assert_eq!(Air::to_line(&air()), LINE.as_bytes());
    let sensor = sensor();
    let reading = sensor.parse(LINE.as_bytes()).unwrap().unwrap();
    assert_eq!(Air::from_values(&reading.values), Some(air()));
    assert_eq!(sensor.key(&reading), "[\"Zürich \\\"7\\\"\",null]");
    assert_eq!(sensor.identity(&reading), Some(air().taken_at.nanos()));
}

#[test]
fn implausible_readings_are_left_out() {
    let negative = LINE.replace("12.5", "-12.5");
    assert_eq!(sensor().parse(negative.as_bytes()).unwrap(), None);
}
