//! Which cloud the SDK talks to.
//!
//! A Lambda function takes [`lambda_config`] and logs by `lambda_log` (feature `lambda`); what runs on a developer's machine takes
//! [`local_config`]; a command line takes the flags of [`target`] (feature `cli`) and lets
//! them decide. What else all command lines do alike is in [`signal`] and [`terminal`].
//!
//! Every configuration here has the SDK's own retries off, since the crates `delivery` and `shards`
//! do the retrying and two layers of it would multiply the waits, and limits every wait. TLS is
//! rustls with ring.
//!
//! ```
//! let config = connect::local_config("http://127.0.0.1:4566");
//! assert_eq!(config.endpoint_url(), Some("http://127.0.0.1:4566"));
//! assert_eq!(config.region().map(AsRef::as_ref), Some("us-east-1"));
//! ```

mod deadline;
#[cfg(feature = "lambda")]
mod lambda_log;
mod sdk;
#[cfg(feature = "cli")]
pub mod signal;
#[cfg(feature = "cli")]
pub mod stream;
#[cfg(feature = "cli")]
pub mod target;
#[cfg(feature = "cli")]
pub mod terminal;
mod variables;

pub use deadline::handler_deadline;
#[cfg(feature = "lambda")]
pub use lambda_log::lambda_log;
pub use sdk::{http_client, lambda_config, local_config};
pub use variables::{MissingVariable, optional_variable, required_variable};
