//! Kinesis Data Analytics SQL as a sensor.

pub mod input;
pub mod types;
