//! Decides whether a query runs locally or on AWS.

use windrow_connect::cloud::{
    AwsService, Cloud, CloudLocation, Environment, LOCAL_PORT, Resolved, Target, TargetArgs,
    resolve,
};

use crate::QueryError;
use crate::args::QueryArgs;

/// The services that a query calls.
const SERVICES: [AwsService; 2] = [AwsService::Athena, AwsService::DynamoDb];

/// Where a query is run.
#[derive(Debug)]
pub(crate) enum Backend {
    /// Locally, on the archive's files, with the local cloud if one is running.
    Local(Option<Box<Cloud>>),
    /// On AWS, or on another endpoint.
    Remote(Box<Cloud>),
}

/// Decides by the target, as every command does. An endpoint where the local cloud responds counts
/// as local, and so does an explicit data directory or archive.
pub(crate) async fn decide(
    args: &QueryArgs,
    environment: &Environment,
) -> Result<Backend, QueryError> {
    let mut target = args.target.clone();
    if args.data_dir.is_some() || args.archive.is_some() {
        if target.target == Target::Aws {
            return Err(QueryError::Contradiction);
        }
        target.target = Target::Local;
    }
    let Resolved::Cloud(cloud) = resolve(&target, environment, &SERVICES, LOCAL_PORT).await? else {
        return Ok(Backend::Local(None));
    };
    let is_local = match cloud.location() {
        CloudLocation::Local => true,
        CloudLocation::Aws => false,
        CloudLocation::Endpoint => {
            target.target == Target::Local || is_local_cloud(&cloud, environment).await
        }
    };
    Ok(if is_local {
        Backend::Local(Some(cloud))
    } else {
        Backend::Remote(cloud)
    })
}

/// Whether the endpoint is the local cloud.
async fn is_local_cloud(cloud: &Cloud, environment: &Environment) -> bool {
    let url = cloud.config().endpoint_url().unwrap_or("");
    let authority = url.strip_prefix("http://").unwrap_or("");
    let (host, port) = authority
        .trim_end_matches('/')
        .rsplit_once(':')
        .unwrap_or(("", ""));
    let (true, Ok(port)) = (matches!(host, "127.0.0.1" | "localhost"), port.parse()) else {
        return false;
    };
    let target = TargetArgs {
        target: Target::Local,
        ..TargetArgs::default()
    };
    let resolved = resolve(&target, environment, &SERVICES, port).await;
    matches!(resolved, Ok(Resolved::Cloud(_)))
}
