//! Computes the highest temperature per room per minute from a file of readings.
//!
//! Run it with `cargo run -p windrow-archive --example windows`.

use windrow_archive::windows::{ScanOptions, scan};
use windrow_core::sensor::{Aggregation, DeclaredSensor, Field, Sensor as _};
use windrow_core::value::{ColumnType, NumberType};

const READINGS: &str = r#"
{"Room":"Attic","Time":"2026-11-20 09:17:08","Celsius":21.5}
{"Room":"Attic","Time":"2026-11-20 09:17:38","Celsius":21.75}
{"Room":"Cellar","Time":"2026-11-20 09:18:08","Celsius":11}
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("readings.jsonl");
    std::fs::write(&archive, READINGS)?;

    let celsius = ColumnType::Number(NumberType::decimal(2));
    let sensor = DeclaredSensor::new(vec![
        Field::new("Room", ColumnType::Text).key(),
        Field::new("Time", ColumnType::Timestamp).time(),
        Field::new("Celsius", celsius).measure("Highest", Aggregation::Max),
    ])?;
    let listing = windrow_archive::list(&[archive])?;
    let (rows, report) = scan(&sensor, &listing.files, ScanOptions::new(60, 1)?, &|_| ())?;
    for row in rows.iter() {
        let highest = row.measures[0].finish(sensor.schema().measures()[0].measure_type);
        println!("{} {}: {highest}", row.window_start, row.key.text);
    }
    println!("{} readings in all", report.readings);
    Ok(())
}
