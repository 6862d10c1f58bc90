//! The rules for the target, as a pure function of flags, environment and profile files.

use aws_config::profile::ProfileSet;

use super::credentials::{self, FoundCredentials};
use super::endpoints::{AwsService, Endpoints};
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
    pub(super) endpoints: Endpoints,
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

/// Decides where the calls of `services` go. `profiles` is `None` if profiles are not used.
pub(super) fn decide(
    args: &TargetArgs,
    environment: &Environment,
    profiles: Option<&ProfileSet>,
    services: &[AwsService],
) -> Result<Decision, TargetError> {
    let profile_flag = flag_value(&args.profile);
    let chosen = profile_flag.or_else(|| environment.get(PROFILE_VARIABLE));
    if let (Some(name), Some(profiles)) = (chosen, profiles) {
        check_profile(name, profile_flag.is_some(), environment, profiles)?;
    }
    let flag = flag_value(&args.endpoint_url);
    let endpoints = Endpoints::find(flag, &environment.variables(), profiles, services)?;
    if args.target == Target::Local {
        return local(args, environment, endpoints);
    }

    let found =
        profiles.and_then(|profiles| credentials::find(environment, profiles, profile_flag));
    let no_credentials = |name: &str| TargetError::NoCredentialsInProfile {
        profile: name.to_owned(),
        files: environment.profile_files(),
    };
    let region = region(args, environment, profiles);
    if args.target == Target::Aws {
        if let Some(endpoint) = endpoints.loopback() {
            return Err(TargetError::LoopbackIsNotAws(endpoint.to_string()));
        }
        let credentials = match (profile_flag, found) {
            (Some(_), Some(found)) => Credentials::Found(found),
            (Some(name), None) => return Err(no_credentials(name)),
            (None, _) => Credentials::Chain,
        };
        return Ok(Decision::Cloud(TargetPlan {
            endpoints,
            credentials,
            region,
        }));
    }

    if !endpoints.is_empty() {
        endpoints.check_alike()?;
        let credentials = match found {
            Some(found) if endpoints.loopback().is_none() => Credentials::Found(found),
            _ => Credentials::MadeUp,
        };
        return Ok(Decision::Cloud(TargetPlan {
            endpoints,
            credentials,
            region,
        }));
    }
    match (found, chosen) {
        (Some(found), _) => Ok(Decision::Cloud(TargetPlan {
            endpoints,
            credentials: Credentials::Found(found),
            region: Some(region.ok_or(TargetError::NoRegion)?),
        })),
        // Whoever names a profile means AWS.
        (None, Some(name)) if profile_flag.is_some() || name != DEFAULT_PROFILE => {
            Err(no_credentials(name))
        }
        (None, _) => Ok(Decision::Local),
    }
}

const PROFILE_VARIABLE: &str = "AWS_PROFILE";
/// The profile that is used if none is named.
const DEFAULT_PROFILE: &str = "default";

/// Checks that the profile exists. The default one need not, as for the SDK, unless a flag names it.
fn check_profile(
    name: &str,
    is_flag: bool,
    environment: &Environment,
    profiles: &ProfileSet,
) -> Result<(), TargetError> {
    if profiles.get_profile(name).is_some() || (name == DEFAULT_PROFILE && !is_flag) {
        return Ok(());
    }
    let mut existing: Vec<String> = profiles.profiles().map(str::to_owned).collect();
    existing.sort();
    Err(TargetError::NoSuchProfile {
        profile: name.to_owned(),
        origin: if is_flag {
            "--profile"
        } else {
            PROFILE_VARIABLE
        },
        files: environment.profile_files(),
        existing,
    })
}

fn local(
    args: &TargetArgs,
    environment: &Environment,
    endpoints: Endpoints,
) -> Result<Decision, TargetError> {
    if endpoints.is_empty() {
        return Ok(Decision::Local);
    }
    if let Some(endpoint) = endpoints.remote() {
        return Err(TargetError::NotLocal(endpoint.to_string()));
    }
    endpoints.check_alike()?;
    Ok(Decision::Cloud(TargetPlan {
        endpoints,
        credentials: Credentials::MadeUp,
        region: region(args, environment, None),
    }))
}

/// A flag's value. An empty value counts as not set.
pub(super) fn flag_value(flag: &Option<String>) -> Option<&str> {
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

#[cfg(test)]
mod tests;
