//! Why there is no telling which cloud to talk to.

use std::fmt;

use aws_config::profile::ProfileFileLoadError;
use aws_credential_types::provider::error::CredentialsError;

/// Why there is no telling which cloud to talk to, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The endpoint is not a URL.
    #[error("the endpoint {0:?} is not a URL of the form http://HOST:PORT or https://HOST")]
    InvalidEndpoint(String),
    /// `--target local` with an endpoint on another machine.
    #[error(
        "--target local sends nothing off this machine, and the endpoint {0} is not on it: \
         leave one of the two out (the endpoint may come from AWS_ENDPOINT_URL)"
    )]
    NotLocal(String),
    /// `--target aws` with an endpoint on this machine.
    #[error(
        "--target aws sends real credentials, and the endpoint {0} is on this machine: \
         leave one of the two out (the endpoint may come from AWS_ENDPOINT_URL)"
    )]
    LoopbackIsNotAws(String),
    /// A profile file that cannot be read.
    #[error("the profile files ~/.aws/config and ~/.aws/credentials cannot be read")]
    Profiles(#[source] ProfileFileLoadError),
    /// A profile that was typed has no credentials.
    #[error(
        "there is no profile {0:?} with credentials in ~/.aws/config or ~/.aws/credentials: \
         `aws configure --profile {0}` or `aws configure sso --profile {0}` makes one"
    )]
    NoCredentialsInProfile(String),
    /// AWS is meant and gave no credentials.
    #[error(
        "no AWS credentials: sign in (`aws configure`, or `aws sso login` if you have done so \
         before), or use the local cloud with --target local"
    )]
    NoCredentials(#[source] CredentialsError),
    /// Credentials took too long to come.
    #[error(
        "AWS credentials did not come within {seconds} seconds: look at what the profile calls, \
         or use the local cloud with --target local"
    )]
    SlowCredentials {
        /// How long was waited.
        seconds: u64,
    },
    /// AWS is meant and no region is given.
    #[error(
        "no AWS region: give --region, or set AWS_REGION or the profile's region \
         (or use the local cloud with --target local)"
    )]
    NoRegion,
}

/// The local cloud is meant, and is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct NoLocal {
    /// Where it was looked for, or 0.
    pub port: u16,
    /// Whether something else has that port.
    pub occupied: bool,
}

impl fmt::Display for NoLocal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, occupied } = self;
        if *occupied {
            write!(
                formatter,
                "what answers on 127.0.0.1:{port} is not the local cloud, or is too busy to say so"
            )
        } else {
            write!(formatter, "no local cloud answers on 127.0.0.1:{port}")
        }
    }
}
