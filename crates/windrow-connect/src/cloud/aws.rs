//! The SDK configuration for AWS, or for an endpoint that uses real credentials.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::time::timeout;
use windrow_service::chain;

use super::credentials::{FoundCredentials, sign_in_command};
use super::decide::{Credentials, TargetPlan};
use super::{Cloud, CloudLocation, TargetError};
use crate::sdk::{local_credentials, timeouts};

/// The timeout for getting credentials. The SDK's search ends with several requests to instance
/// metadata, and a profile may run a program.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes the configuration and gets the credentials once, so that missing credentials are reported
/// at startup.
pub(super) async fn connect(
    plan: TargetPlan,
    client: SharedHttpClient,
    profiles: Option<&ProfileSet>,
) -> Result<Cloud, TargetError> {
    let TargetPlan {
        endpoints,
        credentials,
        region,
    } = plan;
    let region = region.map(Region::new);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(client.clone())
        .timeout_config(timeouts());
    if let Some(region) = &region {
        loader = loader.region(region.clone());
    }
    let (provider, whose) = provider(&credentials, client, region);
    if let Some(provider) = provider {
        loader = loader.credentials_provider(provider);
    }
    if let Credentials::Found(FoundCredentials::Profile(name)) = &credentials {
        loader = loader.profile_name(name);
    }

    let limited = timeout(CREDENTIALS_TIMEOUT, async {
        let config = loader.load().await;
        let Some(provider) = config.credentials_provider() else {
            return Err(TargetError::NoCredentials);
        };
        match provider.provide_credentials().await {
            Ok(_) => Ok(config),
            Err(error) => Err(failure(error, &credentials, profiles)),
        }
    });
    let config = limited.await.unwrap_or(Err(TargetError::SlowCredentials {
        seconds: CREDENTIALS_TIMEOUT.as_secs(),
    }))?;

    let region = config.region().ok_or(TargetError::NoRegion)?;
    let description = format!(
        "target: {}, region {region}, with {whose}",
        endpoints.describe()
    );
    let location = if endpoints.is_empty() {
        CloudLocation::Aws
    } else {
        CloudLocation::Endpoint
    };
    // Until here, the SDK retries, because nothing else retries its calls for credentials.
    let config = config.into_builder().retry_config(RetryConfig::disabled());
    Ok(Cloud {
        location,
        config: endpoints.apply(config).build(),
        description,
    })
}

/// Why there are no credentials.
fn failure(
    error: CredentialsError,
    credentials: &Credentials,
    profiles: Option<&ProfileSet>,
) -> TargetError {
    let profile = match credentials {
        Credentials::Found(FoundCredentials::Profile(name)) => Some(name.as_str()),
        Credentials::Chain => profiles.map(ProfileSet::selected_profile),
        _ => None,
    };
    if let (Some(profile), Some(profiles)) = (profile, profiles)
        && lacks_session(&error)
        && let Some(command) = sign_in_command(profiles, profile)
    {
        let profile = profile.to_owned();
        return TargetError::NoSession { profile, command };
    }
    if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
        return TargetError::NoCredentials;
    }
    TargetError::FailedCredentials(error)
}

/// Whether signing in would help: the session is over, or there is no file in the cache, since none was
/// ever begun. The SDK's errors for this are private, so their texts count (aws-config 1.13).
fn lacks_session(error: &CredentialsError) -> bool {
    const TEXTS: [&str; 5] = [
        "cached Login token is expired",
        "Please reauthenticate",
        "the SSO token has expired",
        "failed to load the cached SSO token",
        // The portal of IAM Identity Center no longer accepts the token.
        "UnauthorizedException",
    ];
    let text = chain(error);
    TEXTS.iter().any(|known| text.contains(known)) || is_file_missing(error)
}

fn is_file_missing(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == io::ErrorKind::NotFound;
        }
        next = error.source();
    }
    false
}

/// The credentials provider, or `None` for the SDK's own search, and a description of the
/// credentials.
fn provider(
    credentials: &Credentials,
    client: SharedHttpClient,
    region: Option<Region>,
) -> (Option<SharedCredentialsProvider>, String) {
    let settings = ProviderConfig::without_region()
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_http_client(client)
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
