//! The aggregator: sums each unicorn's minute.
//!
//! A Lambda function on the `wildrydes` stream with a 60 s tumbling window. Each invocation brings
//! records of one shard and window, and the state that the one before gave back. The aggregator
//! folds the readings, and when the window ends emits one row a unicorn to the summary stream.
//! Readings it rejects go to the rejects, each with its reason.
//!
//! An invocation succeeds whole or fails whole: what it returns, it has sent. It never reports
//! batch item failures, since what Lambda does with the state then is not documented.
//!
//! * [`settings`]: what the environment says, checked once.
//! * [`intake`]: a record's readings into the fold, or among the rejected.
//! * [`state`]: the fold as the JSON that travels between invocations.
//! * [`pack`]: rows into as few stream records as they fit.
//! * [`Aggregator`]: the handler that ties them together.
//!
//! `cargo run -p windrow-lambda --features aggregator --example one_window` runs it on a window in memory.

mod handler;
pub mod intake;
pub mod pack;
pub mod settings;
pub mod state;

pub use handler::{Aggregator, Error};
