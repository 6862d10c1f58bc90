//! The SDK configuration for AWS, or for an endpoint that uses real credentials.

use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use tokio::time::timeout;

use super::credentials::FoundCredentials;
use super::decide::Credentials;
use super::{Cloud, CloudLocation, TargetError};
use crate::sdk::{http_client, local_credentials, timeouts};

/// The timeout for getting credentials. The SDK's search ends with several requests to instance
/// metadata, and a profile may run a program.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes the configuration and gets the credentials once, so that missing credentials are reported
/// at startup.
pub(super) async fn connect(
    credentials: Credentials,
    endpoint: Option<String>,
    region: Option<String>,
) -> Result<Cloud, TargetError> {
    let region = region.map(Region::new);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts());
    if let Some(region) = &region {
        loader = loader.region(region.clone());
    }
    if let Some(endpoint) = &endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let (provider, whose) = provider(&credentials, region);
    if let Some(provider) = provider {
        loader = loader.credentials_provider(provider);
    }
    if let Credentials::Found(FoundCredentials::Profile(name)) = &credentials {
        loader = loader.profile_name(name);
    }

    let limited = timeout(CREDENTIALS_TIMEOUT, async {
        let config = loader.load().await;
        let Some(provider) = config.credentials_provider() else {
            let missing = CredentialsError::not_loaded("no credentials provider");
            return Err(TargetError::NoCredentials(missing));
        };
        match provider.provide_credentials().await {
            Ok(_) => Ok(config),
            Err(error) => Err(TargetError::NoCredentials(error)),
        }
    });
    let config = limited.await.unwrap_or(Err(TargetError::SlowCredentials {
        seconds: CREDENTIALS_TIMEOUT.as_secs(),
    }))?;

    let region = config.region().ok_or(TargetError::NoRegion)?;
    let (location, description) = match endpoint {
        Some(url) => (
            CloudLocation::Endpoint,
            format!("target: the endpoint {url}, region {region}, with {whose}"),
        ),
        None => (
            CloudLocation::Aws,
            format!("target: AWS, region {region}, with {whose}"),
        ),
    };
    Ok(Cloud {
        location,
        config,
        description,
    })
}

/// The credentials provider, or `None` for the SDK's own search, and a description of the
/// credentials.
fn provider(
    credentials: &Credentials,
    region: Option<Region>,
) -> (Option<SharedCredentialsProvider>, String) {
    let settings = ProviderConfig::without_region()
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_http_client(http_client())
        .with_timeout_config(timeouts())
        .with_region(region);
    let (provider, whose) = match credentials {
        Credentials::MadeUp => (
            SharedCredentialsProvider::new(local_credentials()),
            "made-up credentials".to_owned(),
        ),
        Credentials::Found(FoundCredentials::Variables(keys)) => (
            SharedCredentialsProvider::new(keys.clone()),
            "the environment's credentials".to_owned(),
        ),
        Credentials::Found(FoundCredentials::Profile(name)) => (
            SharedCredentialsProvider::new(
                ProfileFileCredentialsProvider::builder()
                    .configure(&settings)
                    .profile_name(name)
                    .build(),
            ),
            format!("credentials of profile {name}"),
        ),
        Credentials::Found(FoundCredentials::WebIdentity) => (
            SharedCredentialsProvider::new(
                WebIdentityTokenCredentialsProvider::builder()
                    .configure(&settings)
                    .build(),
            ),
            "web identity credentials".to_owned(),
        ),
        Credentials::Found(FoundCredentials::Container) => (
            SharedCredentialsProvider::new(
                EcsCredentialsProvider::builder()
                    .configure(&settings)
                    .build(),
            ),
            "the container's credentials".to_owned(),
        ),
        Credentials::Chain => return (None, "the SDK's default credentials".to_owned()),
    };
    (Some(provider), whose)
}
