//! The environment variables, as read by main.

use std::collections::HashMap;
use std::ffi::OsString;

use aws_config::profile::{self, ProfileSet};
use aws_types::os_shim_internal::{Env, Fs};

use super::TargetError;
use super::error::ProfileFiles;

/// The environment variables, read by main with `Environment::from_iter(std::env::vars_os())`.
///
/// Variables that are not valid Unicode are ignored; none of the variables used here needs them.
#[derive(Clone, Default)]
pub struct Environment(HashMap<String, String>);

/// Omits the values, which may be secret.
impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        let unicode = variables.into_iter().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self(unicode.collect())
    }
}

impl Environment {
    /// The variable's value. An empty value counts as not set.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.trim();
        if value.is_empty() { None } else { Some(value) }
    }

    /// The variables that are not empty, for the SDK's functions.
    pub(super) fn variables(&self) -> Env {
        let set = self.0.iter().filter(|(_, value)| !value.trim().is_empty());
        let set = set.map(|(name, value)| (name.clone(), value.clone()));
        Env::from(set.collect::<HashMap<_, _>>())
    }

    /// The names of the profile files, as the user would write them.
    pub(super) fn profile_files(&self) -> ProfileFiles {
        let file = |variable, default: &str| self.get(variable).unwrap_or(default).to_owned();
        ProfileFiles {
            config: file("AWS_CONFIG_FILE", "~/.aws/config"),
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        }
    }

    /// Reads the profile files, from the locations that the variables specify.
    ///
    /// A missing file counts as empty.
    pub(super) async fn profiles(&self, chosen: Option<&str>) -> Result<ProfileSet, TargetError> {
        self.profiles_in(&Fs::real(), chosen).await
    }

    pub(super) async fn profiles_in(
        &self,
        files: &Fs,
        chosen: Option<&str>,
    ) -> Result<ProfileSet, TargetError> {
        let environment = Env::from(self.0.clone());
        let chosen = chosen.map(|name| name.to_owned().into());
        profile::load(files, &environment, &Default::default(), chosen)
            .await
            .map_err(|source| TargetError::Profiles {
                files: self.profile_files(),
                source,
            })
    }
}
