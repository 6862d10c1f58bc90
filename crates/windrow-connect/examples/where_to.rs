//! Prints which cloud a command line would use.
//!
//! `cargo run -p windrow-connect --features cli --example where_to -- --target local`

use clap::Parser;
use windrow_connect::cloud::{
    AwsService, Environment, LOCAL_PORT, Resolved, TargetArgs, TargetError, resolve,
};

#[derive(Parser)]
struct WhereTo {
    #[command(flatten)]
    target: TargetArgs,
}

#[tokio::main]
async fn main() -> Result<(), TargetError> {
    let command = WhereTo::parse();
    let environment = Environment::from_iter(std::env::vars_os());
    match resolve(
        &command.target,
        &environment,
        &[AwsService::Kinesis],
        LOCAL_PORT,
    )
    .await?
    {
        Resolved::Cloud(cloud) => println!("{}", cloud.describe()),
        Resolved::LocalCloudNotRunning(not_running) => println!("{not_running}"),
    }
    Ok(())
}
