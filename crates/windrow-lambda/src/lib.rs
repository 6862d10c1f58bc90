#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! * [`aggregator`] (feature `aggregator`): folds the records of a tumbling window and emits one
//!   row per key.
//! * [`finisher`] (feature `finisher`): writes finished rows to streams once their windows are
//!   complete.
//! * [`processor`] (feature `processor`): writes rows to DynamoDB.
//! * [`records`] (feature `aggregator`): reads the readings of records, for functions of one's own.
//! * [`program`] and [`variables`]: what the programs of functions share.
//! * [`payload`]: gives a handler the raw bytes of an invocation's payload, bypassing serde.
//! * [`metrics`]: an invocation's metrics in CloudWatch's embedded metric format.
//! * [`log`]: sets up a function's log.
//! * [`handler_deadline`]: when a handler must return.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `aggregator` | [`aggregator`]: folds the records of a window and emits rows |
//! | `finisher` | [`finisher`]: writes finished rows to streams once their windows are complete |
//! | `processor` | [`processor`]: writes rows to DynamoDB |
//!
//! None is enabled by default.

#[cfg(feature = "aggregator")]
pub mod aggregator;
mod deadline;
#[cfg(feature = "finisher")]
pub mod finisher;
pub mod log;
pub mod metrics;
pub mod payload;
#[cfg(feature = "processor")]
pub mod processor;
pub mod program;
#[cfg(feature = "aggregator")]
pub mod records;
pub mod variables;

pub use deadline::handler_deadline;
pub use variables::MissingVariable;
