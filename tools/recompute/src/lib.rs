//! Computes the windows of any sensor from the raw archive, as a program.
//!
//! [`main`](main()) is the whole program for a sensor; the binary `recompute` is the one for
//! unicorns. The windows are those of [`windrow_archive::windows`]: by the readings' own time, and
//! with every reading counted once.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use windrow_core::sensor::{Aggregation, DeclaredSensor, Field};
//! use windrow_core::value::{ColumnType, NumberType};
//!
//! fn main() -> ExitCode {
//!     let celsius = ColumnType::Number(NumberType::decimal(2));
//!     let sensor = DeclaredSensor::new(vec![
//!         Field::new("Room", ColumnType::Text).key(),
//!         Field::new("Time", ColumnType::Timestamp).time(),
//!         Field::new("Celsius", celsius).measure("Highest", Aggregation::Max),
//!     ]);
//!     recompute::main(sensor, "thermometer")
//! }
//! ```
//!
//! * [`program`]: the program, for one sensor.
//! * [`output`]: prints rows as text.
//! * [`table`]: writes rows to a DynamoDB table of their own.
//! * [`sql`]: finished rows of Kinesis SQL.
//! * [`args`]: the command line.

pub mod args;
pub mod output;
pub mod program;
pub mod sql;
pub mod table;

pub use program::{RecomputeProgram, main};
