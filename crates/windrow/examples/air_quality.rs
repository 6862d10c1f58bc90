//! What a sensor computes per key, of a few readings in memory. The Lambda functions do the same per
//! window.
//!
//! Run it with `cargo run -p windrow --example air_quality`.

use std::collections::BTreeMap;

use windrow::core::aggregate::Merge as _;
use windrow::core::row::ReadingOrder;
use windrow::core::sensor::{MeasureAccumulators, Sensor as _, readings};
use windrow::{Fixed, Sensor, Timestamp};

#[derive(Sensor)]
struct AirQuality {
    #[sensor(key)]
    station: String,
    #[sensor(sum, max, avg)]
    pm25: Fixed<1>,
    #[sensor(sum, max, avg)]
    aqi: u16,
}

const RECORD: &[u8] = br#"{"station":"Mitte","pm25":12.5,"aqi":52}
{"station":"Mitte","pm25":13.1,"aqi":54,"firmware":"2.1"}
{"station":"Wedding","pm25":9,"aqi":38}
{"station":"Wedding","pm25":9.75,"aqi":40}
"#;

fn main() -> Result<(), windrow::SensorError> {
    let sensor = windrow::sensor::<AirQuality>()?;
    let mut stations: BTreeMap<String, MeasureAccumulators> = BTreeMap::new();
    let order = ReadingOrder {
        sequence_number: "1".into(),
        index: 0,
        time: Timestamp::from_millis(0),
    };
    for (line, reading) in readings(&sensor, RECORD) {
        match reading {
            Ok(Some(reading)) => {
                let key = sensor.key(&reading).into_owned();
                let station = stations
                    .entry(key)
                    .or_insert_with(MeasureAccumulators::identity);
                sensor.add(station, &sensor.values(&reading), &order);
            }
            Ok(None) => {}
            Err(reason) => println!("rejected, {reason}: {}", String::from_utf8_lossy(line)),
        }
    }
    for (station, accumulator) in &stations {
        println!("{station}");
        let measures = sensor.measures(accumulator);
        for (column, measure) in sensor.schema().measures().iter().zip(&measures) {
            println!(
                "    {}: {}",
                column.name,
                measure.finish(column.measure_type)
            );
        }
    }
    Ok(())
}
