//! Errors of choosing the cloud.

use std::fmt;

use aws_config::profile::ProfileFileLoadError;
use aws_credential_types::provider::error::CredentialsError;

/// Why the cloud could not be determined, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The endpoint is not a URL.
    #[error("the endpoint {0:?} is not a URL of the form http://HOST:PORT or https://HOST")]
    InvalidEndpoint(String),
    /// `--target local` with an endpoint on another machine.
    #[error(
        "--target local sends nothing off this machine, but the endpoint {0} is on another one: \
         remove one of the two (the endpoint may come from AWS_ENDPOINT_URL)"
    )]
    NotLocal(String),
    /// `--target aws` with an endpoint on this machine.
    #[error(
        "--target aws sends real credentials, but the endpoint {0} is on this machine: \
         remove one of the two (the endpoint may come from AWS_ENDPOINT_URL)"
    )]
    LoopbackIsNotAws(String),
    /// A profile file cannot be read.
    #[error("could not read the profile files ~/.aws/config and ~/.aws/credentials")]
    Profiles(#[source] ProfileFileLoadError),
    /// The profile that `--profile` names does not exist or has no credentials.
    #[error(
        "profile {0:?} has no credentials in ~/.aws/config or ~/.aws/credentials: \
         create it with `aws configure --profile {0}` or `aws configure sso --profile {0}`"
    )]
    NoCredentialsInProfile(String),
    /// The target is AWS and no credentials were found.
    #[error(
        "no AWS credentials: sign in with `aws configure`, or with `aws sso login` if SSO is \
         configured, or use the local cloud with --target local"
    )]
    NoCredentials(#[source] CredentialsError),
    /// Getting credentials took too long.
    #[error(
        "timed out getting AWS credentials after {seconds} seconds: check what the profile calls, \
         or use the local cloud with --target local"
    )]
    SlowCredentials {
        /// The timeout.
        seconds: u64,
    },
    /// The target is AWS and no region is given.
    #[error(
        "no AWS region: give --region, or set AWS_REGION or the profile's region \
         (or use the local cloud with --target local)"
    )]
    NoRegion,
}

/// The target is the local cloud, which is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct LocalCloudNotRunning {
    /// The port that was probed, or 0.
    pub port: u16,
    /// Whether something else uses that port.
    pub occupied: bool,
}

impl fmt::Display for LocalCloudNotRunning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, occupied } = self;
        if *occupied {
            write!(
                formatter,
                "127.0.0.1:{port} is not the local cloud, or the local cloud is too busy to respond"
            )
        } else {
            write!(formatter, "no local cloud is running on 127.0.0.1:{port}")
        }
    }
}
