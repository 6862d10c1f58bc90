//! Kinesis Data Analytics SQL as a sensor.

pub mod application;
pub mod batch;
mod body;
pub mod columns;
mod compile;
mod convert;
mod dialect;
mod evaluate;
mod exact;
mod expression;
pub mod finish;
mod graph;
mod group;
pub mod input;
mod moment;
pub mod output;
mod pattern;
pub mod problem;
pub mod pump;
mod scan;
mod scope;
mod select;
pub mod sensor;
mod statement;
pub mod types;
