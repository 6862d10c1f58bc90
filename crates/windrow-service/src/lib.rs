//! Errors of AWS services: how to react to one, its causes as text, and how long to wait before a
//! retry.
//!
//! * [`classify`]: the class of an error code.
//! * [`ServiceError`]: an SDK error of any operation.
//! * [`chain`]: an error and its sources, as one line.
//! * [`Backoff`]: the wait before the next attempt.
//!
//! ```
//! use windrow_service::{ErrorClass, classify};
//!
//! let class = classify(Some("ThrottlingException"), None, Some(400));
//! assert_eq!(class, ErrorClass::Throttled);
//! ```

mod backoff;
mod classify;
mod error;

pub use backoff::Backoff;
pub use classify::{ErrorClass, classify};
pub use error::{ServiceError, chain};
