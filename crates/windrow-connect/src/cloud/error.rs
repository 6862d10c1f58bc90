//! Errors of choosing the cloud.

use std::fmt;

use aws_config::profile::ProfileFileLoadError;
use aws_credential_types::provider::error::CredentialsError;

use crate::NetworkError;

/// Why the cloud could not be determined, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The endpoint is not a URL.
    #[error(
        "the endpoint {url:?} of {origin} is not a URL of the form http://HOST:PORT or https://HOST"
    )]
    InvalidEndpoint {
        /// The endpoint.
        url: String,
        /// The flag, the variable or the profile that names it.
        origin: String,
    },
    /// `--target local` with an endpoint on another machine.
    #[error(
        "--target local sends nothing off this machine, but the endpoint {0} is on another one: \
         remove one of the two"
    )]
    NotLocal(String),
    /// `--target aws` with an endpoint on this machine.
    #[error(
        "--target aws sends real credentials, but the endpoint {0} is on this machine: remove one of \
         the two"
    )]
    LoopbackIsNotAws(String),
    /// Some services have an endpoint on this machine, and others do not.
    #[error(
        "{local} has the endpoint {endpoint} on this machine, but {other} goes to {elsewhere}: give \
         both an endpoint on this machine, or neither"
    )]
    PartlyLocal {
        /// A service with an endpoint on this machine.
        local: String,
        /// That endpoint.
        endpoint: String,
        /// A service without one.
        other: String,
        /// Where it goes.
        elsewhere: String,
    },
    /// The proxy or the certificate authorities cannot be used.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A profile file cannot be read.
    #[error("could not read the profile files {files}")]
    Profiles {
        /// The files.
        files: ProfileFiles,
        /// What is wrong with them.
        #[source]
        source: ProfileFileLoadError,
    },
    /// The profile that `--profile` or `AWS_PROFILE` names does not exist.
    #[error(
        "there is no profile {profile:?}, which {origin} names, in {files}; {}",
        existing_profiles(existing)
    )]
    NoSuchProfile {
        /// The profile's name.
        profile: String,
        /// The flag or the variable that names it.
        origin: &'static str,
        /// The files.
        files: ProfileFiles,
        /// The profiles that there are.
        existing: Vec<String>,
    },
    /// The profile that `--profile` or `AWS_PROFILE` names has no credentials.
    #[error(
        "profile {profile:?} in {files} has no credentials: sign in with `aws login --profile \
         {profile}`, or add some with `aws configure --profile {profile}` or `aws configure sso \
         --profile {profile}`, or use the local cloud with --target local"
    )]
    NoCredentialsInProfile {
        /// The profile's name.
        profile: String,
        /// The files.
        files: ProfileFiles,
    },
    /// The profile needs a session, which is over or was never begun.
    #[error(
        "there is no session of profile {profile}, or it has expired: sign in with `{command}`"
    )]
    NoSession {
        /// The profile's name.
        profile: String,
        /// The command that signs in.
        command: String,
    },
    /// The target is AWS and no credentials were found.
    #[error(
        "no AWS credentials: sign in with `aws login`, with `aws configure`, or with `aws sso login` if \
         SSO is configured, or use the local cloud with --target local"
    )]
    NoCredentials,
    /// The target is AWS and getting the credentials failed.
    #[error("could not get AWS credentials (--target local uses the local cloud without any)")]
    FailedCredentials(#[source] CredentialsError),
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
    /// `--region` names another region than the stream's ARN.
    #[error(
        "the stream {stream} is in the region {region}, not in that of --region: remove --region"
    )]
    OtherRegion {
        /// The stream's ARN.
        stream: String,
        /// Its region.
        region: String,
    },
}

fn existing_profiles(names: &[String]) -> String {
    if names.is_empty() {
        return "they have no profiles".to_owned();
    }
    format!("existing profiles: {}", names.join(", "))
}

/// The files that profiles are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFiles {
    /// The one with settings.
    pub config: String,
    /// The one with keys.
    pub credentials: String,
}

impl fmt::Display for ProfileFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} and {}", self.config, self.credentials)
    }
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
