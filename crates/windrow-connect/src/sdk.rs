//! SDK configurations.

use std::borrow::Cow;
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

use crate::network::{NetworkError, NetworkSettings};

/// The default region of the local cloud.
pub(crate) const LOCAL_REGION: &str = "us-east-1";

/// The timeout for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The timeout for one call, from its first byte to the last byte of the response.
///
/// The largest call is a PutRecords of 10 MiB, which takes 10 seconds at 8 Mbit/s.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// An HTTP and HTTPS client that uses rustls with ring, no proxy, and the system's certificate
/// authorities.
///
/// Clients made from the same configuration share its connections. Connections belong to the
/// runtime that made them, so there is no client for the whole process.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// The configuration of a Lambda function. The region, credentials and endpoints come from
/// environment variables, and so do proxies (`HTTPS_PROXY`, `NO_PROXY`) and the certificate authorities
/// to trust (`AWS_CA_BUNDLE`).
///
/// It does not search instance metadata or profiles: a function has neither, and the search would
/// slow down its cold start. Without a region or credentials, the first call fails with an error
/// that says so.
///
/// # Errors
/// [`NetworkError`], if a proxy is not a URL, or the certificate authorities cannot be read.
pub async fn lambda_config() -> Result<SdkConfig, NetworkError> {
    let variable = |name: &str| std::env::var(name).ok().map(Cow::Owned);
    let client = NetworkSettings::read(variable)?.client()?;
    Ok(aws_config::defaults(BehaviorVersion::latest())
        .region(EnvironmentVariableRegionProvider::new())
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .http_client(client)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .load()
        .await)
}

/// The configuration for an emulator at `endpoint_url`: made-up credentials and the region
/// `us-east-1`.
///
/// Reads neither the environment nor files, so it never uses real credentials. To use another
/// region, modify `local_config(..).into_builder()`.
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

/// Made-up credentials. Emulators require a signature but do not check it.
pub(crate) fn local_credentials() -> Credentials {
    Credentials::new("local", "local", None, None, "local")
}

pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(CALL_TIMEOUT)
        .build()
}
