//! Kinesis Data Analytics SQL as a sensor.

mod compile;
mod convert;
mod dialect;
mod evaluate;
mod exact;
mod expression;
mod moment;
mod pattern;
pub mod problem;
mod scan;
mod scope;
mod statement;
pub mod types;
