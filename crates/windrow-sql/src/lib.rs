//! Kinesis Data Analytics SQL as a sensor.

pub mod types;
