//! The destinations through the real SDK, against emulators on a loopback port. One module per
//! feature.

#![cfg(any(feature = "kinesis", feature = "dynamodb", feature = "firehose"))]
#![cfg_attr(
    any(feature = "kinesis", feature = "dynamodb", feature = "firehose"),
    expect(clippy::unwrap_used, reason = "a test may panic")
)]

use std::time::Duration;

use windrow_write::Policy;

fn policy() -> Policy {
    Policy::within(Duration::from_secs(600))
}

/// The client configuration for an emulator on `port`.
macro_rules! config {
    ($service:ident, $port:expr) => {
        $service::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .endpoint_url(format!("http://127.0.0.1:{}", $port))
            .http_client(Builder::new().build_http())
            .build()
    };
}

#[cfg(all(feature = "kinesis", feature = "dynamodb", feature = "firehose"))]
mod clock;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "firehose")]
mod firehose;
#[cfg(feature = "kinesis")]
mod kinesis;
