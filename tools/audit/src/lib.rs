//! Proves that the table's rows are right, or finds where they are not.
//!
//! The audit reads the streams' logs, folds them in code of its own, and compares every window with
//! what readers of the table see. It shares no code with the pipeline except the wire
//! formats (parsing readings and rows, and a row's hash): neither the fold nor the merge rule nor
//! the reader of shards.
//!
//! The pure part is for other checks as well:
//!
//! * [`expected::LogFold`] computes what the rows must say from records and their arrival times;
//! * [`merge::merge_windows`] merges rows by the readers' rule;
//! * [`compare::compare`] compares the two.
//!
//! ```
//! use std::time::Duration;
//!
//! use audit::compare::{DifferenceKind, compare};
//! use audit::expected::{AuditWindows, LogFold, WindowBy};
//! use audit::merge::FoundWindows;
//!
//! let windows = AuditWindows::new(Duration::from_secs(60), WindowBy::Arrival);
//! let mut fold = LogFold::new(windows, i64::MIN..i64::MAX);
//! let (shard, arrival) = (0, 1_795_166_229_000);
//! fold.add(
//!     shard,
//!     arrival,
//!     br#"{"Name":"Franky","StatusTime":"2026-11-20 09:17:08","Distance":2,"MagicPoints":9,"HealthPoints":9}"#,
//! );
//! let differences = compare(&fold.finish(), &FoundWindows::new());
//! assert_eq!(differences[0].kind, DifferenceKind::NoRow);
//! ```

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
