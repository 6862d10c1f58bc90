//! Whether a query is run here or on AWS.

use windrow_connect::cloud::{
    Cloud, CloudLocation, Environment, LOCAL_PORT, Resolved, Target, TargetArgs, resolve,
};

use crate::QueryError;
use crate::args::QueryArgs;

/// Where a query is run.
#[derive(Debug)]
pub(crate) enum Backend {
    /// Here, on the archive's files; with the local cloud, if one is running.
    Local(Option<Box<Cloud>>),
    /// On AWS, or what stands in for it at an endpoint.
    Remote(Box<Cloud>),
}

/// Decides by the target as every command does. An endpoint where our local cloud answers is the
/// local cloud, and a data directory or an archive that is given is here.
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
    let Resolved::Cloud(cloud) = resolve(&target, environment, LOCAL_PORT).await? else {
        return Ok(Backend::Local(None));
    };
    let is_here = match cloud.place() {
        CloudLocation::Local => true,
        CloudLocation::Aws => false,
        CloudLocation::Endpoint => {
            target.target == Target::Local || is_local_cloud(&cloud, environment).await
        }
    };
    Ok(if is_here {
        Backend::Local(Some(cloud))
    } else {
        Backend::Remote(cloud)
    })
}

/// Whether our local cloud answers at the endpoint.
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
    let there = TargetArgs {
        target: Target::Local,
        ..TargetArgs::default()
    };
    let answer = resolve(&there, environment, port).await;
    matches!(answer, Ok(Resolved::Cloud(_)))
}
