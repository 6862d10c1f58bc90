//! Exact windowed aggregates over Kinesis on AWS Lambda.
//!
//! This crate only re-exports the others, each by a feature of its name:
//!
//! | module | feature | what it is for |
//! |---|---|---|
//! | [`core`] | always | windows, accumulators, the window state and the merge rule |
//! | `event` | `event`, and `aws_lambda_events` for conversions | the Lambda Kinesis event, with tumbling windows |
//! | `write` | `write`, and `kinesis`, `dynamodb` or `firehose` for each service | batched writes |
//! | `read` | `read` | reading a stream through expiry, throttling and resharding |
//! | `local` | `local` | a local cloud for tests |
//!
//! The window of a time, in milliseconds since the epoch:
//!
//! ```
//! use windrow::core::window::Tumbling;
//!
//! let minutes = Tumbling::new(60_000)?;
//! assert_eq!(minutes.window_of(61_500).start, 60_000);
//! # Ok::<(), windrow::core::window::InvalidWindow>(())
//! ```

pub use windrow_core as core;
#[cfg(feature = "event")]
pub use windrow_event as event;
#[cfg(feature = "local")]
pub use windrow_local as local;
#[cfg(feature = "read")]
pub use windrow_read as read;
#[cfg(feature = "write")]
pub use windrow_write as write;
