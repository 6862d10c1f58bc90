#![doc = include_str!("../README.md")]
//!
//! * [`classify`]: the class of an error code.
//! * [`ServiceError`]: an SDK error of any operation.
//! * [`chain`]: an error and its sources, as one line.
//! * [`Backoff`]: the wait before the next attempt.
//! * [`ClockRetry`]: one more attempt if a wrong clock may be why a signature was not accepted, and
//!   [`ClockOffset`], how wrong it is.

mod backoff;
mod classify;
mod clock;
mod error;

pub use backoff::Backoff;
pub use classify::{ErrorClass, classify};
pub use clock::{ClockOffset, ClockRetry, clock_retry_config, is_clock_error};
pub use error::{ServiceError, chain};
