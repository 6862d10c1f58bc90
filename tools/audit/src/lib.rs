//! Proves that the table's rows are right, or finds where they are not.
//!
//! The audit reads the streams' logs, folds them in code of its own, and compares every window with
//! what readers of the table see. It works for any [sensor](windrow_core::sensor::Sensor), of which
//! it needs what that says about one reading: its key, its time, its identity, and the value that
//! each measure aggregates. It shares no code with the pipeline except that and the wire formats
//! (parsing rows, and a row's hash): neither the accumulators nor the fold nor the merge rule nor the
//! reader of shards.
//!
//! [`main`] is the whole program for a sensor. The pure part is for other checks as well:
//!
//! * [`expected::LogFold`] computes what the rows must say from records and their arrival times;
//! * [`merge::merge_windows`] merges rows by the readers' rule;
//! * [`compare::compare`] compares the two.
//!
//! ```
//! use std::time::Duration;
//!
//! use audit::compare::{DifferenceKind, compare};
//! use audit::expected::{AuditRecord, LogFold};
//! use audit::windows::{AuditWindows, WindowBy};
//! use audit::merge::FoundWindows;
//! use audit::position::LogPosition;
//! use windrow_core::sensor::{Aggregation, DeclaredSensor, Field, Sensor as _};
//! use windrow_core::value::{ColumnType, NumberType};
//!
//! let celsius = ColumnType::Number(NumberType::decimal(2));
//! let sensor = DeclaredSensor::new(vec![
//!     Field::new("Room", ColumnType::Text).key(),
//!     Field::new("Celsius", celsius).measure("Highest", Aggregation::Max),
//! ])?;
//! let windows = AuditWindows::new(Duration::from_secs(60), WindowBy::Arrival);
//! let mut fold = LogFold::new(&sensor, windows, i64::MIN..i64::MAX);
//! let shard = 0;
//! let record = AuditRecord {
//!     position: LogPosition::parse("49590338271490256608559692538361571095921575989136588898")
//!         .unwrap_or_default(),
//!     arrival: 1_795_166_229_000,
//!     data: br#"{"Room":"Attic","Celsius":21.5}"#,
//! };
//! fold.add(shard, record);
//! let differences = compare(sensor.schema(), &fold.finish(), &FoundWindows::new());
//! assert_eq!(differences[0].key, "Attic");
//! assert_eq!(differences[0].kind, DifferenceKind::NoRow);
//! # Ok::<(), windrow_core::sensor::SensorError>(())
//! ```

pub mod args;
pub mod check;
pub mod compare;
mod cursor;
mod entry;
mod error;
pub mod expected;
mod log;
pub mod measures;
pub mod merge;
pub mod position;
mod program;
pub mod range;
pub mod report;
mod run;
pub mod stored;
mod table;
pub mod windows;

pub use args::AuditArgs;
pub use entry::main;
pub use error::AuditError;
pub use program::AuditProgram;
pub use run::run;
