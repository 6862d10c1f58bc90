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
const PROFILE_KEYS: [&str; 6] = [
    "aws_access_key_id",
    LOGIN_KEY,
    SSO_KEYS[0],
    SSO_KEYS[1],
    "credential_process",
    "role_arn",
];

/// The key of a profile that `aws login` has made.
const LOGIN_KEY: &str = "login_session";
/// The keys of a profile with IAM Identity Center, which was called SSO.
const SSO_KEYS: [&str; 2] = ["sso_session", "sso_start_url"];

/// The command that signs in to the profile, or to the one whose credentials it uses. `None` if it
/// needs none.
pub(super) fn sign_in_command(profiles: &ProfileSet, profile: &str) -> Option<String> {
    let mut name = profile;
    // A profile that names itself must not be searched for ever.
    for _ in 0..=profiles.profiles().count() {
        let found = profiles.get_profile(name)?;
        let option = if name == "default" {
            String::new()
        } else {
            format!(" --profile {name}")
        };
        if SSO_KEYS.iter().any(|key| is_set(found, key)) {
            return Some(format!("aws sso login{option}"));
        }
        if is_set(found, LOGIN_KEY) {
            return Some(format!("aws login{option}"));
        }
        name = found.get("source_profile")?;
    }
    None
}

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
    PROFILE_KEYS.iter().any(|key| is_set(profile, key))
}

fn is_set(profile: &Profile, key: &str) -> bool {
    let value = profile.get(key);
    value.is_some_and(|value| !value.trim().is_empty())
}

fn variables(environment: &Environment) -> Option<Keys> {
    let identifier = environment.get("AWS_ACCESS_KEY_ID")?;
    let secret = environment.get("AWS_SECRET_ACCESS_KEY")?;
    let token = environment.get("AWS_SESSION_TOKEN").map(str::to_owned);
    Some(Keys::new(identifier, secret, token, None, "environment"))
}
