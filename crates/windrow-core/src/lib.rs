//! Exact windowed aggregates over a sharded log.
//!
//! This crate is the pure core of the pipeline: it does no IO, reads no clock and knows no sensor.
//! Times, sequence numbers and readings arrive as arguments, and results depend on nothing else.
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
//!
//! ```
//! use windrow_core::aggregate::{Aggregate, Count, Max};
//! use windrow_core::fold::{Fold, RecordStep, StateLimits};
//! use windrow_core::window::Tumbling;
//!
//! let minutes = Tumbling::new(60_000)?;
//! let mut fold: Fold<String, (Count, Max<i64>)> = Fold::new(StateLimits::default());
//! let readings = [("1", "kitchen", 500, 21), ("2", "kitchen", 1500, 23)];
//! for (sequence_number, key, millis, value) in readings {
//!     if let RecordStep::Fold(mut record) = fold.begin_record(sequence_number)? {
//!         let (window, time) = (minutes.window_of(millis), i128::from(millis) * 1_000_000);
//!         record.add(window, key, Some(time), |totals| totals.add(&value));
//!     }
//! }
//! let rows = fold.close();
//! assert_eq!(rows[0].readings, 2);
//! assert_eq!(rows[0].aggregate.1.value(), Some(23));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
#[doc(hidden)]
pub mod swar;
pub mod time;
pub mod value;
pub mod window;
