//! The endpoints that a flag, the environment variables or a profile name.

use std::fmt;

use aws_config::profile::ProfileSet;
use aws_runtime::env_config::EnvConfigValue;
use aws_types::origin::Origin;
use aws_types::os_shim_internal::Env;
use aws_types::sdk_config::Builder;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use http::Uri;

use super::TargetError;
use crate::network::is_loopback;

/// A service that a command calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsService {
    /// Amazon Athena.
    Athena,
    /// Amazon DynamoDB.
    DynamoDb,
    /// Amazon Kinesis Data Streams.
    Kinesis,
}

impl AwsService {
    /// The ID in the service's API model, which its variable and its key in a profile are made of.
    fn id(self) -> &'static str {
        match self {
            Self::Athena => "Athena",
            Self::DynamoDb => "DynamoDB",
            Self::Kinesis => "Kinesis",
        }
    }
}

impl fmt::Display for AwsService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

/// An endpoint and what names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConfiguredEndpoint {
    pub(super) url: String,
    pub(super) is_loopback: bool,
    /// `None` for the flag.
    origin: Option<String>,
}

/// The URL, and what names it unless it is the flag.
impl fmt::Display for ConfiguredEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.url)?;
        match &self.origin {
            Some(origin) => write!(formatter, " (from {origin})"),
            None => Ok(()),
        }
    }
}

impl ConfiguredEndpoint {
    fn parse(url: &str, origin: Option<String>) -> Result<Self, TargetError> {
        let invalid = || TargetError::InvalidEndpoint {
            url: url.to_owned(),
            origin: origin.clone().unwrap_or("--endpoint-url".to_owned()),
        };
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(invalid());
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let is_loopback = is_loopback(host.ok_or_else(invalid)?);
        Ok(Self {
            url: url.to_owned(),
            is_loopback,
            origin,
        })
    }
}

/// The endpoint of each service that a command calls; `None` for the region's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Endpoints(Vec<(AwsService, Option<ConfiguredEndpoint>)>);

impl Endpoints {
    /// The endpoints that the flag names or, in the SDK's order, the variable of the service
    /// (`AWS_ENDPOINT_URL_KINESIS`), `AWS_ENDPOINT_URL`, the `services` section of the profile, and the
    /// profile's `endpoint_url`. `variables` has none that is empty.
    ///
    /// # Errors
    /// If one is not a URL.
    pub(super) fn find(
        flag: Option<&str>,
        variables: &Env,
        profiles: Option<&ProfileSet>,
        services: &[AwsService],
    ) -> Result<Self, TargetError> {
        let mut endpoints = Vec::with_capacity(services.len());
        let ignored = are_ignored(variables, profiles);
        for service in services {
            let endpoint = match flag {
                Some(url) => Some(ConfiguredEndpoint::parse(url, None)?),
                None if ignored => None,
                None => configured(*service, variables, profiles)?,
            };
            endpoints.push((*service, endpoint));
        }
        Ok(Self(endpoints))
    }

    /// Whether no service has one.
    pub(super) fn is_empty(&self) -> bool {
        self.configured().next().is_none()
    }

    fn configured(&self) -> impl Iterator<Item = &ConfiguredEndpoint> {
        self.0.iter().filter_map(|(_, endpoint)| endpoint.as_ref())
    }

    /// The first one on this machine.
    pub(super) fn loopback(&self) -> Option<&ConfiguredEndpoint> {
        self.configured().find(|endpoint| endpoint.is_loopback)
    }

    /// The first one on another machine.
    pub(super) fn remote(&self) -> Option<&ConfiguredEndpoint> {
        self.configured().find(|endpoint| !endpoint.is_loopback)
    }

    /// Checks that the endpoints are on this machine for all services or for none, since one set of
    /// credentials is used for all.
    ///
    /// # Errors
    /// [`TargetError::PartlyLocal`].
    pub(super) fn check_alike(&self) -> Result<(), TargetError> {
        let is_local = |endpoint: &Option<ConfiguredEndpoint>| {
            endpoint
                .as_ref()
                .is_some_and(|endpoint| endpoint.is_loopback)
        };
        let local = self.0.iter().find(|(_, endpoint)| is_local(endpoint));
        let other = self.0.iter().find(|(_, endpoint)| !is_local(endpoint));
        let (Some((local, Some(endpoint))), Some((other, elsewhere))) = (local, other) else {
            return Ok(());
        };
        Err(TargetError::PartlyLocal {
            local: local.to_string(),
            endpoint: endpoint.to_string(),
            other: other.to_string(),
            elsewhere: match elsewhere {
                Some(endpoint) => endpoint.to_string(),
                None => "AWS".to_owned(),
            },
        })
    }

    /// The endpoint of all services, if they have the same.
    fn common(&self) -> Option<&ConfiguredEndpoint> {
        let (_, first) = self.0.first()?;
        let is_common = self.0.iter().all(|(_, endpoint)| {
            endpoint.as_ref().map(|endpoint| &endpoint.url)
                == first.as_ref().map(|endpoint| &endpoint.url)
        });
        first.as_ref().filter(|_| is_common)
    }

    /// What calls go to.
    pub(super) fn describe(&self) -> String {
        if self.is_empty() {
            return "AWS".to_owned();
        }
        if let Some(endpoint) = self.common() {
            return format!("the endpoint {endpoint}");
        }
        let each = self.0.iter().map(|(service, endpoint)| match endpoint {
            Some(endpoint) => format!("{service} at {endpoint}"),
            None => format!("{service} at AWS"),
        });
        each.collect::<Vec<_>>().join(", ")
    }

    /// Makes clients use these endpoints, and none that the SDK finds.
    pub(super) fn apply(&self, mut config: Builder) -> Builder {
        let common = self.common().map(|endpoint| endpoint.url.clone());
        config.set_endpoint_url(common);
        config.insert_origin("endpoint_url", Origin::unknown());
        config.service_config(self.clone())
    }
}

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        if key.env() != VARIABLE {
            return None;
        }
        let mut found = self.0.iter();
        let (_, endpoint) = found.find(|(service, _)| service.id() == key.service_id())?;
        Some(endpoint.as_ref()?.url.clone())
    }
}

const VARIABLE: &str = "AWS_ENDPOINT_URL";
const PROFILE_KEY: &str = "endpoint_url";

fn are_ignored(variables: &Env, profiles: Option<&ProfileSet>) -> bool {
    let ignore = EnvConfigValue::new()
        .env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
        .profile("ignore_configured_endpoint_urls");
    let value = ignore.load(variables, profiles);
    value.is_some_and(|(value, _)| value.trim().eq_ignore_ascii_case("true"))
}

fn configured(
    service: AwsService,
    variables: &Env,
    profiles: Option<&ProfileSet>,
) -> Result<Option<ConfiguredEndpoint>, TargetError> {
    let endpoint = EnvConfigValue::new()
        .env(VARIABLE)
        .profile(PROFILE_KEY)
        .service_id(service.id());
    let Some((url, source)) = endpoint.load(variables, profiles) else {
        return Ok(None);
    };
    let url = url.trim();
    if url.is_empty() {
        return Ok(None);
    }
    let origin: Origin = (&source).into();
    let profile = profiles
        .map(ProfileSet::selected_profile)
        .unwrap_or_default();
    let origin = if origin == Origin::service_environment_variable() {
        format!("{VARIABLE}_{}", service.id().to_uppercase())
    } else if origin == Origin::shared_environment_variable() {
        VARIABLE.to_owned()
    } else {
        format!("profile {profile}")
    };
    ConfiguredEndpoint::parse(url, Some(origin)).map(Some)
}
