#![doc = include_str!("../README.md")]
//!
//! * [`classify`]: the class of an error code.
//! * [`ServiceError`]: an SDK error of any operation.
//! * [`chain`]: an error and its sources, as one line.
//! * [`Backoff`]: the wait before the next attempt.

mod backoff;
mod classify;
mod error;

pub use backoff::Backoff;
pub use classify::{ErrorClass, classify};
pub use error::{ServiceError, chain};
