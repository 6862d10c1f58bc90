//! Finds credentials without network access.

use aws_config::profile::{Profile, ProfileSet};
use aws_credential_types::Credentials as Keys;

use super::environment::Environment;

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FoundCredentials {
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Variables(Keys),
    /// A profile in the profile files.
    Profile(String),
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`, as on EKS.
    WebIdentity,
    /// `AWS_CONTAINER_CREDENTIALS_*`, as on ECS.
    Container,
}

/// A profile with one of these keys has credentials, or specifies how to get them.
const PROFILE_KEYS: [&str; 5] = [
    "aws_access_key_id",
    "sso_session",
    "sso_start_url",
    "credential_process",
    "role_arn",
];

/// Searches the same sources as the SDK, in the same order, except those that need the network.
///
/// If the flag `--profile` names a profile, only that profile is searched: as in the AWS CLI, it
/// overrides the environment.
pub(super) fn find(
    environment: &Environment,
    profiles: &ProfileSet,
    profile_flag: Option<&str>,
) -> Option<FoundCredentials> {
    let in_profile = |name: &str| {
        let profile = profiles.get_profile(name)?;
        has_credentials(profile).then(|| FoundCredentials::Profile(name.to_owned()))
    };
    if let Some(name) = profile_flag {
        return in_profile(name);
    }
    if let Some(keys) = variables(environment) {
        return Some(FoundCredentials::Variables(keys));
    }
    if let Some(found) = in_profile(profiles.selected_profile()) {
        return Some(found);
    }
    if environment.get("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() {
        return Some(FoundCredentials::WebIdentity);
    }
    let container = [
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    if container.iter().any(|name| environment.get(name).is_some()) {
        return Some(FoundCredentials::Container);
    }
    None
}

fn has_credentials(profile: &Profile) -> bool {
    let is_set = |key: &&str| {
        profile
            .get(key)
            .is_some_and(|value| !value.trim().is_empty())
    };
    PROFILE_KEYS.iter().any(is_set)
}

fn variables(environment: &Environment) -> Option<Keys> {
    let identifier = environment.get("AWS_ACCESS_KEY_ID")?;
    let secret = environment.get("AWS_SECRET_ACCESS_KEY")?;
    let token = environment.get("AWS_SESSION_TOKEN").map(str::to_owned);
    Some(Keys::new(identifier, secret, token, None, "environment"))
}
