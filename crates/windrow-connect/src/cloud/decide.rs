//! The rules for the target, as a pure function of flags, environment and profile files.

use aws_config::profile::ProfileSet;
use http::Uri;

use super::credentials::{self, FoundCredentials};
use super::environment::Environment;
use super::{Target, TargetArgs, TargetError};

/// The decision, made without network access.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// AWS, or an endpoint.
    Cloud(TargetPlan),
    /// The local cloud.
    Local,
}

/// How to reach AWS or an endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TargetPlan {
    pub(super) endpoint: Option<String>,
    pub(super) credentials: Credentials,
    pub(super) region: Option<String>,
}

/// Which credentials to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// Made-up ones, for an emulator.
    MadeUp,
    /// The given ones.
    Found(FoundCredentials),
    /// The result of the SDK's full search.
    Chain,
}

/// Decides where calls go. `profiles` is `None` if profiles are not used.
pub(super) fn decide(
    args: &TargetArgs,
    environment: &Environment,
    profiles: Option<&ProfileSet>,
) -> Result<Decision, TargetError> {
    let endpoint = match flag_value(&args.endpoint_url) {
        Some(url) => Some(ConfiguredEndpoint::parse(url)?),
        None => None,
    };
    if args.target == Target::Local {
        return local(args, environment, endpoint);
    }

    let profile_flag = flag_value(&args.profile);
    let found =
        profiles.and_then(|profiles| credentials::find(environment, profiles, profile_flag));
    if let (Some(name), None) = (profile_flag, &found) {
        return Err(TargetError::NoCredentialsInProfile(name.to_owned()));
    }
    let region = region(args, environment, profiles);

    if args.target == Target::Aws {
        if let Some(endpoint) = &endpoint
            && endpoint.is_loopback
        {
            return Err(TargetError::LoopbackIsNotAws(endpoint.url.clone()));
        }
        let credentials = match (profile_flag, found) {
            (Some(_), Some(found)) => Credentials::Found(found),
            _ => Credentials::Chain,
        };
        return Ok(Decision::Cloud(TargetPlan {
            endpoint: endpoint.map(|endpoint| endpoint.url),
            credentials,
            region,
        }));
    }

    match (endpoint, found) {
        (Some(endpoint), found) => {
            let credentials = match found {
                Some(found) if !endpoint.is_loopback => Credentials::Found(found),
                _ => Credentials::MadeUp,
            };
            Ok(Decision::Cloud(TargetPlan {
                endpoint: Some(endpoint.url),
                credentials,
                region,
            }))
        }
        (None, Some(found)) => Ok(Decision::Cloud(TargetPlan {
            endpoint: None,
            credentials: Credentials::Found(found),
            region: Some(region.ok_or(TargetError::NoRegion)?),
        })),
        (None, None) => Ok(Decision::Local),
    }
}

fn local(
    args: &TargetArgs,
    environment: &Environment,
    endpoint: Option<ConfiguredEndpoint>,
) -> Result<Decision, TargetError> {
    match endpoint {
        None => Ok(Decision::Local),
        Some(endpoint) if endpoint.is_loopback => Ok(Decision::Cloud(TargetPlan {
            endpoint: Some(endpoint.url),
            credentials: Credentials::MadeUp,
            region: region(args, environment, None),
        })),
        Some(endpoint) => Err(TargetError::NotLocal(endpoint.url)),
    }
}

/// A flag's value. An empty value counts as not set.
fn flag_value(flag: &Option<String>) -> Option<&str> {
    flag.as_deref()
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

fn region(
    args: &TargetArgs,
    environment: &Environment,
    profiles: Option<&ProfileSet>,
) -> Option<String> {
    flag_value(&args.region)
        .or_else(|| environment.get("AWS_REGION"))
        .or_else(|| environment.get("AWS_DEFAULT_REGION"))
        .or_else(|| profiles?.get("region"))
        .map(str::to_owned)
}

struct ConfiguredEndpoint {
    url: String,
    is_loopback: bool,
}

impl ConfiguredEndpoint {
    fn parse(url: &str) -> Result<Self, TargetError> {
        let invalid = || TargetError::InvalidEndpoint(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(invalid());
        }
        let host = uri.host().filter(|host| !host.is_empty());
        Ok(Self {
            url: url.to_owned(),
            is_loopback: is_loopback(host.ok_or_else(invalid)?),
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests;
