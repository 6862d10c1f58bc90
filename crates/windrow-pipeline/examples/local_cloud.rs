//! A local cloud for the highest temperature per room.
//!
//! Run it with `cargo run -p windrow-pipeline --example local_cloud`. Ctrl-C stops it.

use std::process::ExitCode;

use windrow_core::sensor::{Aggregation, DeclaredSensor, Field};
use windrow_core::value::{ColumnType, NumberType};

fn main() -> ExitCode {
    let celsius = ColumnType::Number(NumberType::decimal(2));
    let sensor = DeclaredSensor::new(vec![
        Field::new("Room", ColumnType::Text).key(),
        Field::new("Celsius", celsius).measure("Highest", Aggregation::Max),
    ]);
    windrow_pipeline::main(sensor, "thermometer", "1.0.0")
}
