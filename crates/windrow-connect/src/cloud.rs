//! The target of a command line: AWS, an endpoint, or the local cloud.
//!
//! A command flattens [`TargetArgs`] into its own flags, passes them to [`resolve`] with the
//! [`Environment`] that its main has read, and prints the result as one line ([`Cloud::describe`]).

mod aws;
mod credentials;
mod decide;
mod endpoints;
mod environment;
mod error;
mod probe;

use std::borrow::Cow;

use aws_config::profile::ProfileSet;
use aws_config::{Region, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use clap::{Args, ValueEnum};

pub use endpoints::AwsService;
pub use environment::Environment;
pub use error::{LocalCloudNotRunning, ProfileFiles, TargetError};

use crate::network::{NetworkError, NetworkSettings};
use crate::sdk::{LOCAL_REGION, local_config};
use decide::{Credentials, Decision, TargetPlan, flag_value};
use probe::ProbeResult;

/// The default port of the local cloud.
pub const LOCAL_PORT: u16 = 4566;

/// Which cloud to talk to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// The endpoint if one is given, else AWS if credentials are found, else the local cloud.
    #[default]
    Auto,
    /// AWS, with the SDK's full search for credentials.
    Aws,
    /// The local cloud. Nothing leaves this machine, and no real credentials are used.
    Local,
}

/// The command-line flags that choose the cloud, as typed.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Target")]
pub struct TargetArgs {
    /// Which cloud to talk to. `auto` uses the endpoint if one is given, else AWS if the
    /// environment or a profile file has credentials, else the local cloud
    #[arg(long, value_enum, default_value_t = Target::Auto)]
    pub target: Target,

    /// Endpoint to use instead of the region's default, such as http://127.0.0.1:4566 [default: the
    /// service's own variable, as in AWS_ENDPOINT_URL_KINESIS, or AWS_ENDPOINT_URL, or the profile's]
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,

    /// AWS region [default: AWS_REGION, or the profile's]
    #[arg(long)]
    pub region: Option<String>,

    /// Profile in ~/.aws/config and ~/.aws/credentials to read credentials and the region from
    /// [default: AWS_PROFILE, or `default`]
    #[arg(long)]
    pub profile: Option<String>,
}

/// Where a command's calls go.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// To a cloud that was found.
    Cloud(Box<Cloud>),
    /// To the local cloud, which is not running.
    LocalCloudNotRunning(LocalCloudNotRunning),
}

/// A cloud and the configuration to reach it.
#[derive(Clone, Debug)]
pub struct Cloud {
    location: CloudLocation,
    config: SdkConfig,
    description: String,
}

/// Kinds of cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudLocation {
    /// AWS itself.
    Aws,
    /// The service at the given endpoint.
    Endpoint,
    /// The local cloud, which is running.
    Local,
}

impl Cloud {
    /// The kind of cloud.
    pub fn location(&self) -> CloudLocation {
        self.location
    }

    /// The configuration for the SDK's clients.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// One line for the user, without a newline: the cloud, and the credentials used.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// The local cloud at `url`.
    ///
    /// The region is only used for signing: the local cloud serves all regions alike.
    pub fn local(url: &str, region: Option<&str>) -> Self {
        Self {
            location: CloudLocation::Local,
            config: made_up_config(url, region),
            description: format!("target: the local cloud at {url}"),
        }
    }
}

impl TargetArgs {
    /// With the region of the stream, if that is an ARN. Its region counts more than the
    /// environment's.
    ///
    /// # Errors
    /// [`TargetError::OtherRegion`], if `--region` names another one.
    pub fn in_region_of(&self, stream: &str) -> Result<Self, TargetError> {
        let Some(region) = crate::stream::region_of(stream) else {
            return Ok(self.clone());
        };
        if flag_value(&self.region).is_some_and(|flag| flag != region) {
            return Err(TargetError::OtherRegion {
                stream: stream.to_owned(),
                region: region.to_owned(),
            });
        }
        Ok(Self {
            region: Some(region.to_owned()),
            ..self.clone()
        })
    }
}

/// Determines where the calls of `services` go.
///
/// * An endpoint takes precedence: `--endpoint-url`, or those of the environment and the profile, in the
///   SDK's order. A loopback endpoint gets made-up credentials. Other endpoints get the credentials of
///   the environment or a profile, if there are any.
/// * `aws` uses the SDK's full search for credentials and the region, including instance metadata.
/// * `auto` without an endpoint is AWS if the environment or a profile file has credentials, and if the
///   flag or `AWS_PROFILE` names a profile. Finding them needs no network; using an SSO or role profile
///   does.
/// * `local`, and `auto` without credentials, is the local cloud, if it responds at 127.0.0.1 on
///   `local_port` within five seconds. With port 0, none counts as running: that is for callers
///   that start their own local cloud.
///
/// Calls to AWS and to endpoints go by the proxies, and trust the certificate authorities, of the
/// environment and the profile.
///
/// # Errors
/// [`TargetError`] if the flags contradict each other, if a profile does not exist, or if the target is
/// AWS and credentials or the region are missing. Every message says what to do.
pub async fn resolve(
    args: &TargetArgs,
    environment: &Environment,
    services: &[AwsService],
    local_port: u16,
) -> Result<Resolved, TargetError> {
    // The local cloud needs no profile, so an invalid profile file must not fail it.
    let profiles = match args.target {
        Target::Local => None,
        Target::Auto | Target::Aws => Some(environment.profiles(args.profile.as_deref()).await?),
    };
    let profiles = profiles.as_ref();
    match decide::decide(args, environment, profiles, services)? {
        Decision::Local => Ok(local(args.region.as_deref(), local_port).await),
        Decision::Cloud(plan) => {
            let client = network(environment, profiles)?.client()?;
            let cloud = if plan.credentials == Credentials::MadeUp {
                made_up(plan, client)
            } else {
                aws::connect(plan, client, profiles).await?
            };
            Ok(Resolved::Cloud(Box::new(cloud)))
        }
    }
}

fn network(
    environment: &Environment,
    profiles: Option<&ProfileSet>,
) -> Result<NetworkSettings, NetworkError> {
    let settings = NetworkSettings::read(|name| environment.get(name).map(Cow::Borrowed))?;
    let Some(profiles) = profiles else {
        return Ok(settings);
    };
    Ok(match profiles.get("ca_bundle") {
        Some(path) if !path.trim().is_empty() => {
            settings.or_ca_bundle(path, profiles.selected_profile())
        }
        _ => settings,
    })
}

/// Endpoints that need no real credentials.
fn made_up(plan: TargetPlan, client: SharedHttpClient) -> Cloud {
    let region = plan.region.unwrap_or(LOCAL_REGION.to_owned());
    // The endpoint is set below.
    let config = local_config("")
        .into_builder()
        .region(Region::new(region))
        .http_client(client);
    let description = format!(
        "target: {}, with made-up credentials",
        plan.endpoints.describe()
    );
    Cloud {
        location: CloudLocation::Endpoint,
        config: plan.endpoints.apply(config).build(),
        description,
    }
}

async fn local(region: Option<&str>, port: u16) -> Resolved {
    let found = match port {
        0 => ProbeResult::Nothing,
        _ => probe::probe(port).await,
    };
    match found {
        ProbeResult::Ours => {
            let url = format!("http://127.0.0.1:{port}");
            Resolved::Cloud(Box::new(Cloud::local(&url, region)))
        }
        ProbeResult::Other => Resolved::LocalCloudNotRunning(LocalCloudNotRunning {
            port,
            occupied: true,
        }),
        ProbeResult::Nothing => Resolved::LocalCloudNotRunning(LocalCloudNotRunning {
            port,
            occupied: false,
        }),
    }
}

fn made_up_config(url: &str, region: Option<&str>) -> SdkConfig {
    let region = region.unwrap_or(LOCAL_REGION).to_owned();
    local_config(url)
        .into_builder()
        .region(Region::new(region))
        .build()
}
