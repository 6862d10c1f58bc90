#![doc = include_str!("../README.md")]
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `aws_lambda_events` | conversions to and from the Kinesis types of the crate `aws_lambda_events` |
//!
//! None is enabled by default.
//!
//! # Times
//!
//! A moment is a [`Timestamp`], and a window is the [`Window`] of `windrow-core`, whose bounds are
//! milliseconds since the Unix epoch. The crate does no IO and reads no clock.

#[cfg(feature = "aws_lambda_events")]
mod aws;
mod batch;
mod encode;
mod event;
mod layout;
mod reject;
mod response;
mod time;
mod window;

#[cfg(feature = "aws_lambda_events")]
pub use aws::ConversionError;
pub use batch::{BadBase64, EventRecord};
pub use encode::{EventSource, RecordData, WindowFields, encode, encoded_len};
pub use event::{DecodeError, Event};
pub use reject::{Reject, reject_start};
pub use response::Response;
pub use windrow_core::time::Timestamp;
pub use windrow_core::window::Window;

/// The text as a JSON string, quotes included.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
