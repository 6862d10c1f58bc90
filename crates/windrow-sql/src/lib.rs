//! Kinesis Data Analytics SQL as a sensor.

pub mod application;
mod body;
pub mod columns;
mod compile;
pub mod constructs;
mod convert;
mod dialect;
mod evaluate;
mod exact;
mod expression;
pub mod finish;
mod graph;
mod group;
mod moment;
pub mod output;
mod pattern;
pub mod problem;
pub mod pump;
mod scan;
mod scope;
mod select;
mod statement;
pub mod types;
