//! Runs the local cloud until Ctrl-C.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aggregator::settings::WindowTime;
use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use local::endpoint::EndpointError;
use local::{Functions, LocalCloud, Settings, StartError};
use tracing_subscriber::EnvFilter;

/// How long the end may take: closing the open windows and writing their rows.
const DRAIN: Duration = Duration::from_secs(60);

/// Kinesis, DynamoDB and Firehose on one port of this machine, with the pipeline's functions run
/// on the streams as Lambda would run them.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  cargo run -p local
      Everything in one process. Then, in other terminals:
      cargo run -p producer -- --name Shadowfax
      cargo run -p consumer

  cargo build -p aggregator -p processor && cargo run -p local -- --functions bootstrap
      The functions as the binaries that are deployed.

  cargo lambda watch        (in one terminal)
  cargo run -p local -- --functions cargo-lambda        (in another)
      An edited handler is live in seconds, while the stream keeps flowing."
)]
struct Arguments {
    /// The endpoint's port on 127.0.0.1; 0 for any that is free.
    #[arg(long, default_value_t = local::endpoint::DEFAULT_PORT)]
    port: u16,
    /// Where the table, the archive and what was given up are kept.
    #[arg(long, default_value = ".wildrydes")]
    data_dir: PathBuf,
    /// Length of the tumbling window: whole seconds, 1s to 15m.
    #[arg(long, default_value = "60s", value_parser = local::duration::parse_window)]
    window: Duration,
    /// Which time puts a reading into its window: when it arrived, or its own StatusTime.
    #[arg(long, value_enum, default_value_t = Time::Arrival)]
    window_time: Time,
    /// How many shards each stream starts with.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=200))]
    shards: u32,
    /// How the functions run.
    #[arg(long, value_enum, default_value_t = Way::Embedded)]
    functions: Way,
    /// With `--functions cargo-lambda`: where `cargo lambda watch` answers.
    #[arg(long, default_value = "127.0.0.1:9000")]
    lambda_address: SocketAddr,
    /// With `--functions bootstrap`: the folder of the functions' binaries. Without it, the folder
    /// of this program.
    #[arg(long)]
    bin_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Time {
    Arrival,
    Event,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    /// In this process, on the JSON that Lambda would send.
    Embedded,
    /// As the real binaries, over Lambda's Runtime API.
    Bootstrap,
    /// Under a running `cargo lambda watch`.
    CargoLambda,
}

impl Arguments {
    fn settings(&self) -> anyhow::Result<Settings> {
        let functions = match self.functions {
            Way::Embedded => Functions::Embedded,
            Way::CargoLambda => Functions::CargoLambda(self.lambda_address),
            Way::Bootstrap => Functions::Bootstrap(match &self.bin_dir {
                Some(folder) => folder.clone(),
                None => own_folder()?,
            }),
        };
        Ok(Settings {
            port: self.port,
            data_dir: self.data_dir.clone(),
            shards: self.shards,
            window: self.window,
            functions,
            window_time: match self.window_time {
                Time::Arrival => WindowTime::Arrival,
                Time::Event => WindowTime::Event,
            },
            ..Settings::default()
        })
    }
}

fn own_folder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("this program's own folder is unknown")?;
    let folder = program.parent().context("this program lies in no folder")?;
    Ok(folder.to_owned())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let started = LocalCloud::start(arguments.settings()?).await;
    let cloud = started.map_err(|error| match error {
        StartError::Endpoint(error @ EndpointError::PortInUse { .. }) => {
            let advice = "stop what uses it, or choose another port with --port (0 takes any)";
            anyhow::anyhow!("{error}: {advice}")
        }
        error => error.into(),
    })?;
    tell(&format!("local: {}", cloud.describe()));
    tell("local: Ctrl-C closes the open windows and ends it; twice ends it at once");

    tokio::signal::ctrl_c().await?;
    tell("local: closing the open windows");
    tokio::select! {
        drained = finish(cloud) => drained,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("ended at once; the open windows are lost"),
    }
}

async fn finish(cloud: LocalCloud) -> anyhow::Result<()> {
    let drained = cloud.drain(DRAIN).await;
    cloud.stop().await;
    drained.context("not everything that was sent is in the table")
}

/// Writes a line to the standard error; one that is gone is no reason to lose the open windows.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
