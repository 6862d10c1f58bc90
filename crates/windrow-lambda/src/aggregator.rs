//! The aggregator: computes each key's measures per window.
//!
//! A Lambda function on the readings' stream with a tumbling window. Each invocation
//! receives records of one shard and window, and the state that the previous invocation returned.
//! The aggregator folds the readings and, when the window ends, emits one row per key to the
//! summary stream. Readings it rejects go to the rejects stream, each with its reason.
//!
//! An invocation succeeds or fails as a whole: it succeeds only after everything has been sent. It
//! never reports batch item failures, because AWS does not document what happens to the window
//! state in that case.
//!
//! * [`settings`]: the environment variables, checked once.
//! * [`intake`]: folds a record's readings or rejects them.
//! * [`state`]: the fold as the JSON that Lambda carries between invocations.
//! * [`pack`]: packs rows into as few stream records as possible.
//! * [`Aggregator`]: the handler that ties them together.
//! * [`main`](main()): the whole program.
//!
//! `cargo run -p windrow-lambda --features aggregator --example one_window` runs it on a window in
//! memory.

mod handler;
pub mod intake;
mod main;
pub mod pack;
pub mod settings;
pub mod state;

pub use handler::{Aggregator, Error};
pub use main::main;
