//! The target of a command line: AWS, an endpoint, or the local cloud.
//!
//! A command flattens [`TargetArgs`] into its own flags, passes them to [`resolve`] with the
//! [`Environment`] that its main has read, and prints the result as one line ([`Cloud::describe`]).

mod aws;
mod credentials;
mod decide;
mod environment;
mod error;
mod probe;

use aws_config::{Region, SdkConfig};
use clap::{Args, ValueEnum};

pub use environment::Environment;
pub use error::{LocalCloudNotRunning, TargetError};

use crate::sdk::{LOCAL_REGION, local_config};
use decide::{Credentials, Decision};
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

    /// Endpoint to use instead of the region's default, such as http://127.0.0.1:4566
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
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

/// Determines where calls go.
///
/// * An endpoint takes precedence: `--endpoint-url`, or `AWS_ENDPOINT_URL`. A loopback endpoint
///   gets made-up credentials. Other endpoints get the credentials of the environment or a profile,
///   if there are any.
/// * `aws` uses the SDK's full search for credentials and the region, including instance metadata.
/// * `auto` without an endpoint is AWS if the environment or a profile file has credentials.
///   Finding them needs no network; using an SSO or role profile does.
/// * `local`, and `auto` without credentials, is the local cloud, if it responds at 127.0.0.1 on
///   `local_port` within five seconds. With port 0, none counts as running: that is for callers
///   that start their own local cloud.
///
/// # Errors
/// [`TargetError`] if the flags contradict each other, or if the target is AWS and credentials or
/// the region are missing. Every message says what to do.
pub async fn resolve(
    args: &TargetArgs,
    environment: &Environment,
    local_port: u16,
) -> Result<Resolved, TargetError> {
    // The local cloud needs no profile, so an invalid profile file must not fail it.
    let profiles = match args.target {
        Target::Local => None,
        Target::Auto | Target::Aws => Some(environment.profiles(args.profile.as_deref()).await?),
    };
    let decision = decide::decide(args, environment, profiles.as_ref())?;
    match decision {
        Decision::Cloud(plan) => match (plan.credentials, plan.endpoint) {
            (Credentials::MadeUp, Some(url)) => {
                let config = made_up_config(&url, plan.region.as_deref());
                Ok(Resolved::Cloud(Box::new(Cloud {
                    location: CloudLocation::Endpoint,
                    config,
                    description: format!("target: the endpoint {url}, with made-up credentials"),
                })))
            }
            (credentials, endpoint) => {
                let cloud = aws::connect(credentials, endpoint, plan.region).await?;
                Ok(Resolved::Cloud(Box::new(cloud)))
            }
        },
        Decision::Local => Ok(local(args.region.as_deref(), local_port).await),
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
