//! Which cloud the SDK talks to.
//!
//! A Lambda function takes [`lambda_config`]; what runs on a developer's machine takes
//! [`local_config`]; a command line takes the flags of [`cloud`] (feature `cli`) and lets
//! them decide. What else all command lines do alike is in [`signal`] and [`terminal`].
//!
//! Every configuration here has the SDK's own retries off, since the crates `windrow-write` and `windrow-read`
//! do the retrying and two layers of it would multiply the waits, and limits every wait. TLS is
//! rustls with ring.
//!
//! ```
//! let config = windrow_connect::local_config("http://127.0.0.1:4566");
//! assert_eq!(config.endpoint_url(), Some("http://127.0.0.1:4566"));
//! assert_eq!(config.region().map(AsRef::as_ref), Some("us-east-1"));
//! ```

#[cfg(feature = "cli")]
pub mod cloud;
#[cfg(feature = "cli")]
pub mod duration;
mod sdk;
#[cfg(feature = "cli")]
pub mod signal;
#[cfg(feature = "cli")]
pub mod stream;
#[cfg(feature = "cli")]
pub mod terminal;

pub use sdk::{http_client, lambda_config, local_config};
