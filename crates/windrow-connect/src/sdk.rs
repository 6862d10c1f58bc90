//! Configurations of the SDK.

use std::time::Duration;

use aws_config::environment::{
    EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider,
};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The region of the local cloud, unless another is asked for.
pub(crate) const LOCAL_REGION: &str = "us-east-1";

/// How long making a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// How long one call may take, from its first byte to the answer's last.
///
/// The largest call is a PutRecords of 10 MiB, which 10 seconds carry over 8 Mbit/s.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// A client for http and https, by rustls with ring.
///
/// Clients made of one configuration share its connections. Connections belong to the runtime that
/// made them, so there is no client for the whole process.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// The configuration of a Lambda function: region, credentials and `AWS_ENDPOINT_URL` from the
/// environment variables that Lambda sets.
///
/// Neither instance metadata nor a profile is asked for credentials or the region: a function has
/// none, and asking would cost its cold start. Without a region or credentials the first call
/// fails and says so.
pub async fn lambda_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(EnvironmentVariableRegionProvider::new())
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .http_client(http_client())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .load()
        .await
}

/// The configuration for an emulator at `endpoint_url`: made-up credentials and the region
/// `us-east-1`.
///
/// Reads neither the environment nor a file, so real credentials cannot get in. For another region,
/// go on from `local_config(..).into_builder()`.
pub fn local_config(endpoint_url: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint_url)
        .region(Region::from_static(LOCAL_REGION))
        .credentials_provider(SharedCredentialsProvider::new(local_credentials()))
        .http_client(http_client())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .build()
}

/// Made-up credentials: emulators want a signature and do not check it.
pub(crate) fn local_credentials() -> Credentials {
    Credentials::new("local", "local", None, None, "local")
}

pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_LIMIT)
        .operation_attempt_timeout(CALL_LIMIT)
        .build()
}
