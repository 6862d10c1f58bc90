//! Exact windowed aggregates over a sharded log.
//!
//! This crate is the pure core of the pipeline: it does no IO, reads no clock and knows no sensor.
//! Time, positions and readings arrive as data, so everything here is a function of its arguments.
//!
//! * [`aggregate`]: what a window holds of a key: counts, sums, lowest and highest values.
//! * [`window`]: which windows a time belongs to: tumbling, hopping and session.
//! * [`accumulators`]: one aggregate a window and key, added to, merged and closed.
//! * [`sequence`]: positions in a shard's log, and intervals of it.
//! * [`dedup`]: a bounded dedup cache.
//! * [`fold`]: one shard's open window: skips redelivered records, counts repeats once, and closes
//!   into rows that say which interval of the log they are the fold of.
//! * [`merge`]: picks, among the rows that attempts and retries left behind, those that hold
//!   every reading once.
//! * [`batch`]: many windows of many keys at once, with a dedup cache that evicts none.
//! * [`codec`]: the compact form in which a fold travels between invocations.
//!
//! ```
//! use windrow_core::{aggregate::{Count, Max}, fold::{Fold, StateLimits}, window::Tumbling};
//!
//! let minutes = Tumbling::new(60_000)?;
//! let mut fold: Fold<String, (Count, Max<i64>)> = Fold::new(StateLimits::default());
//! for (position, key, millis, value) in [("1", "kitchen", 500, 21), ("2", "kitchen", 1500, 23)] {
//!     if fold.begin_record(position)? {
//!         fold.add(minutes.window_of(millis), key, i128::from(millis) * 1_000_000, &value);
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
pub mod dedup;
pub mod fold;
pub mod merge;
pub mod sequence;
pub mod window;
