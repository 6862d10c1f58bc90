//! The finisher: sends the finished rows of each window to a stream, once the window is complete.
//!
//! The stream of rows carries parts: one row per key, window, shard and source range. Whoever wants
//! one figure per key and window merges them ([`windrow_core::row::merge`]), and has to know when
//! there are no more to come. The finisher does both. A window is complete when the watermark of
//! the stream of readings has passed its end:
//!
//! * A shard in which Lambda's window has ended has a [watermark](windrow_core::row::ShardWatermark)
//!   in the stream of rows, which the aggregator sent after the window's rows.
//! * A shard without records in that time has none. The finisher looks in its log for a record that
//!   has not been aggregated, and waits for the watermark if there is one.
//!
//! Rows are written at least once. Each has an id, and a revision that grows with the number of
//! records it was computed from: of several rows with one id, that with the highest revision
//! counts. If rows for a finished window arrive late, those of its finished rows that change are
//! written again, with a higher revision.
//!
//! The function reads the streams itself, so it does not matter what invokes it: a schedule, or an
//! event source mapping of the stream of rows that is filtered for watermarks. It keeps its
//! [progress](Progress) in an item of a DynamoDB table.
//!
//! It is for windows by arrival time. By event time, a window is never known to be complete.
//!
//! * [`settings`]: the environment variables, checked once.
//! * [`WindowOutputs`]: what becomes of the merged rows of a window; [`MergedOutput`] writes them
//!   as they are.
//! * [`Finisher`]: the handler.
//! * [`main`](main()): the whole program.

mod error;
mod handler;
mod late;
mod main;
mod outputs;
mod progress;
pub mod settings;
mod streams;
mod summaries;
#[cfg(test)]
mod testing;
mod watermark;
mod windows;

pub use error::FinisherError;
pub use handler::Finisher;
pub use main::{WINDOWS, finish_time, finisher, main, main_of};
pub use outputs::{FinishedRow, MergedOutput, WindowOutputs, own_field};
pub use progress::{Progress, ProgressError, ProgressTable, ShardProgress};
pub use streams::FinisherStreams;
pub use watermark::FinishTime;
