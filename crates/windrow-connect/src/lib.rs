//! Configures the AWS SDK for AWS, an endpoint, or the local cloud.
//!
//! A Lambda function uses [`lambda_config`]. Programs that talk to an emulator use
//! [`local_config`]. Command lines use the flags of [`cloud`] (feature `cli`). [`signal`] and
//! [`terminal`] have everything else that command lines share.
//!
//! Every configuration disables the SDK's own retries, because `windrow-write` and `windrow-read`
//! retry and two layers of retries would multiply the waits. Every call has a timeout. TLS is
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
