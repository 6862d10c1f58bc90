//! Sensors made by the derive macro.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::borrow::Cow;

use windrow::Sensor;
use windrow::core::rejection::Rejection;
use windrow::core::schema::MeasureType;
use windrow::core::sensor::{DeclaredSensor, FieldType, Fields, Fixed, InvalidValue, Sensor as _};
use windrow::core::time::Timestamp;
use windrow::core::value::{ColumnType, FieldValue, NumberType};

#[derive(Debug, PartialEq, Sensor)]
#[sensor(rename_all = "PascalCase", filter = StationReading::is_plausible)]
struct StationReading<'a> {
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

impl StationReading<'_> {
    fn is_plausible(&self) -> bool {
        self.dust >= Fixed::of_units(0)
    }
}

fn sensor() -> DeclaredSensor {
    windrow::sensor::<StationReading>().unwrap()
}

fn air() -> StationReading<'static> {
    StationReading {
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
    assert_eq!(StationReading::to_line(&air()), LINE.as_bytes());
    let sensor = sensor();
    let reading = sensor.parse(LINE.as_bytes()).unwrap().unwrap();
    assert_eq!(StationReading::from_values(&reading.values), Ok(air()));
    assert_eq!(sensor.key(&reading), "[\"Zürich \\\"7\\\"\",null]");
    assert_eq!(sensor.identity(&reading), Some(air().taken_at.nanos()));
}

#[test]
fn implausible_readings_are_left_out() {
    let negative = LINE.replace("12.5", "-12.5");
    assert_eq!(sensor().parse(negative.as_bytes()).unwrap(), None);
}

/// Names that an application may have itself.
mod names {
    macro_rules! define {
        ($($name:ident)+) => { $(#[allow(dead_code)] pub(super) struct $name;)+ };
    }
    define!(Field FieldType FieldRole FieldValue Fields Aggregation Rejection);
    define!(Option Some None Result Ok Err Vec String Iterator);
}

#[test]
fn names_of_the_application_are_not_used() {
    #[allow(unused_imports)]
    use names::*;
    mod facade {
        pub(super) use windrow as streams;
    }

    #[derive(Sensor)]
    #[sensor(crate = facade::streams)]
    struct Plain {
        #[sensor(key)]
        values: i64,
        #[sensor(sum, count)]
        reading: u8,
    }

    let sensor = windrow::sensor::<Plain>().unwrap();
    assert_eq!(sensor.fields().len(), 2);
    let reading = Plain {
        values: 7,
        reading: 1,
    };
    assert_eq!(Plain::to_line(&reading), b"{\"values\":7,\"reading\":1}\n");
}

/// A type of the application.
#[derive(Debug, PartialEq)]
struct Percentage(u8);

impl<'a> FieldType<'a> for Percentage {
    const COLUMN_TYPE: ColumnType = <u8 as FieldType<'_>>::COLUMN_TYPE;

    fn from_value(value: &FieldValue<'a>) -> Result<Self, InvalidValue> {
        match u8::from_value(value)? {
            percentage @ 0..=100 => Ok(Self(percentage)),
            other => Err(InvalidValue::new(format!(
                "is {other}, which is no percentage"
            ))),
        }
    }

    fn to_value(&self) -> FieldValue<'_> {
        self.0.to_value()
    }
}

#[derive(Sensor)]
#[sensor(filter = Self::is_damp)]
struct Cellar {
    #[sensor(max)]
    humidity: Option<Percentage>,
}

impl Cellar {
    fn is_damp(&self) -> bool {
        self.humidity > Some(Percentage(50))
    }
}

impl PartialOrd for Percentage {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.0.partial_cmp(&other.0)
    }
}

#[derive(Sensor)]
struct Attic {
    #[sensor(max)]
    humidity: Percentage,
}

#[test]
fn a_value_that_its_type_does_not_take_is_rejected() {
    let cellar = windrow::sensor::<Cellar>().unwrap();
    let attic = windrow::sensor::<Attic>().unwrap();
    for sensor in [&cellar, &attic] {
        assert!(sensor.parse(br#"{"humidity":80}"#).unwrap().is_some());
        let rejection = sensor.parse(br#"{"humidity":101}"#).unwrap_err();
        let expected = Rejection::field("humidity", "is 101, which is no percentage");
        assert_eq!(rejection, expected);
    }
    // A reading without a value is one, and not damp.
    assert_eq!(cellar.parse(b"{}").unwrap(), None);
    // No filter of the program makes a rejected reading one that is left out.
    let none = attic.with_filter(|_| false);
    assert!(none.parse(br#"{"humidity":101}"#).is_err());
    assert_eq!(none.parse(br#"{"humidity":80}"#).unwrap(), None);
}
