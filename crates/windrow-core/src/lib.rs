#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! * [`sensor`]: what a reading is, and what is computed of it.
//! * [`schema`] and [`row`]: the rows that come out, and their JSON.
//! * [`aggregate`]: counts, sums, minima and maxima.
//! * [`framing`]: the JSON objects in a text.
//! * [`window`]: which windows a time belongs to: tumbling and hopping windows.
//! * [`accumulators`]: one aggregate per window and key.
//! * [`sequence`]: sequence numbers in a shard's log, and ranges of them.
//! * [`dedup`]: a bounded dedup cache.
//! * [`fold`]: one shard's open windows: skips redelivered records, counts each reading once, and
//!   closes into rows that name the range of the log they were computed from.
//! * [`merge`]: selects, among the rows that attempts and retries left behind, those that together
//!   count every reading once.
//! * [`batch`]: many windows of many keys at once, with a dedup cache that never evicts.
//! * [`decimal`]: exact decimal numbers.
//! * [`codec`]: the compact text form of a fold's state between invocations.

pub mod accumulators;
pub mod aggregate;
pub mod batch;
pub mod codec;
pub mod decimal;
pub mod dedup;
pub mod fold;
pub mod framing;
pub mod json;
pub mod merge;
pub mod rejection;
pub mod row;
pub mod schema;
pub mod sensor;
pub mod sequence;
pub mod signature;
#[doc(hidden)]
pub mod swar;
pub mod time;
pub mod value;
pub mod window;
