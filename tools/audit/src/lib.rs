//! Proves that the table's rows are right, or finds where they are not.
//!
//! The audit reads the streams' logs, folds them in code of its own, and compares every window with
//! what readers of the table see. It shares no code with the pipeline except the parsers of
//! readings and rows: neither the fold nor the merge rule nor the reader of shards.
//!
//! The pure part is for other checks as well:
//!
//! * [`expected::LogFold`] computes what the rows must say from records and their arrival times;
//! * [`merge::merge_rows`] merges rows by the readers' rule;
//! * [`compare::compare`] compares the two.

pub mod args;
pub mod check;
pub mod compare;
mod cursor;
mod error;
pub mod expected;
mod log;
pub mod merge;
pub mod position;
pub mod range;
pub mod report;
mod run;
pub mod stored;
mod table;
pub mod totals;

pub use args::AuditArgs;
pub use error::AuditError;
pub use run::run;
