//! The target of a command line: AWS, an endpoint, or the local cloud.
//!
//! A command flattens [`TargetArgs`] into its own flags, hands them to [`resolve`] with the
//! [`Environment`] that its main has read, and tells its user the result in one line
//! ([`Cloud::describe`]).

mod aws;
mod credentials;
mod decide;
mod environment;
mod error;
mod probe;

use aws_config::{Region, SdkConfig};
use clap::{Args, ValueEnum};

pub use environment::Environment;
pub use error::{NoLocal, TargetError};

use crate::sdk::{LOCAL_REGION, local_config};
use decide::{Credentials, Decision};
use probe::ProbeAnswer;

/// The port of the local cloud, unless it was given another.
pub const LOCAL_PORT: u16 = 4566;

/// Which cloud to talk to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// The endpoint if one is given, else AWS if there are credentials, else the local cloud.
    #[default]
    Auto,
    /// AWS, with the SDK's whole search for credentials.
    Aws,
    /// The local cloud: nothing leaves this machine and no real credentials are used.
    Local,
}

/// The flags that say which cloud to talk to, as typed.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Target")]
pub struct TargetArgs {
    /// Which cloud to talk to. `auto` takes the endpoint if one is given, else AWS if the
    /// environment or a profile file holds credentials, else the local cloud
    #[arg(long, value_enum, default_value_t = Target::Auto)]
    pub target: Target,

    /// Endpoint to use in place of the region's own, as in http://127.0.0.1:4566
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    pub endpoint_url: Option<String>,

    /// AWS region [default: AWS_REGION, or the profile's]
    #[arg(long)]
    pub region: Option<String>,

    /// Profile of ~/.aws/config and ~/.aws/credentials to take credentials and the region from
    /// [default: AWS_PROFILE, or `default`]
    #[arg(long)]
    pub profile: Option<String>,
}

/// Where a command's calls go.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// To a cloud that is there.
    Cloud(Box<Cloud>),
    /// To the local cloud, which is not running.
    NoLocal(NoLocal),
}

/// A cloud and the configuration to reach it.
#[derive(Clone, Debug)]
pub struct Cloud {
    place: CloudLocation,
    config: SdkConfig,
    description: String,
}

/// Kinds of cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudLocation {
    /// AWS itself.
    Aws,
    /// What answers at the endpoint that was given.
    Endpoint,
    /// The local cloud, found running.
    Local,
}

impl Cloud {
    /// What kind of cloud it is.
    pub fn place(&self) -> CloudLocation {
        self.place
    }

    /// The configuration for the SDK's clients.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// One line for the user, without a newline: which cloud it is, and whose credentials are used.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// The local cloud that answers at `url`.
    ///
    /// The region is only signed with: the local cloud has one for everything.
    pub fn local(url: &str, region: Option<&str>) -> Self {
        Self {
            place: CloudLocation::Local,
            config: made_up_config(url, region),
            description: format!("target: the local cloud at {url}"),
        }
    }
}

/// Finds out where calls go.
///
/// * An endpoint wins: `--endpoint-url`, or `AWS_ENDPOINT_URL`. On this machine's loopback it gets
///   made-up credentials, elsewhere those of the environment or a profile if there are any.
/// * `aws` takes the SDK's whole search for credentials and region, instance metadata included.
/// * `auto` without an endpoint is AWS if the environment or a profile file holds credentials.
///   Looking for them asks nothing of the network; using an SSO or a role profile does.
/// * `local`, and `auto` without credentials, is the local cloud, if it answers on 127.0.0.1 and
///   `local_port` within five seconds. Port 0 is for a caller who wants a local cloud of its own:
///   there is none running.
///
/// # Errors
/// [`TargetError`] where the flags contradict each other, and where AWS is meant and credentials or
/// the region are missing. Every message says what to do.
pub async fn resolve(
    args: &TargetArgs,
    environment: &Environment,
    local_port: u16,
) -> Result<Resolved, TargetError> {
    // A broken profile file is none of the local cloud's business.
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
                    place: CloudLocation::Endpoint,
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
    let answer = match port {
        0 => ProbeAnswer::Nothing,
        _ => probe::probe(port).await,
    };
    match answer {
        ProbeAnswer::Ours => {
            let url = format!("http://127.0.0.1:{port}");
            Resolved::Cloud(Box::new(Cloud::local(&url, region)))
        }
        ProbeAnswer::Other => Resolved::NoLocal(NoLocal {
            port,
            occupied: true,
        }),
        ProbeAnswer::Nothing => Resolved::NoLocal(NoLocal {
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
