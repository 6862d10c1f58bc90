//! Sends readings through the pipeline while faults are injected, and checks the rows.
//!
//! [`soak::oracle`] computes the expected rows from the streams' logs alone.

mod report;
mod topology;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use local::{Functions, WildRydes};
use tokio_util::sync::CancellationToken;
use windrow_local::faults::{FaultKind, Faults};
use windrow_local::{CloudSettings, LocalCloud};

/// The second stream of readings, aggregated into the same table.
const SECOND_STREAM: &str = "wildrydes-second";

/// Sends readings through the local cloud while faults are injected, and checks that the table's
/// rows hold exactly the readings in the streams' logs.
///
/// Prints how often each fault was injected, and how many readings were lost or counted twice.
/// Exits with 1 if there are any, or if a fault was injected less often than --at-least.
#[derive(Parser)]
#[command(after_help = "\
Examples:
  cargo run --release -p soak -- --seed 1 --readings 1000000
  cargo run --release -p soak -- --seed 1 --readings 100000 --functions bootstrap
  cargo run --release -p soak -- --readings 100000 --faults crash-during=0.3,split=0.5")]
struct SoakArgs {
    /// Seed of the faults and the readings.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many readings to send.
    #[arg(long, default_value_t = 1_000_000)]
    readings: u64,
    /// How many unicorns to send them from.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    unicorns: u32,
    /// Readings per second, in total.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// Length of the tumbling window.
    #[arg(long, default_value = "3s", value_parser = windrow_connect::duration::parse)]
    window: Duration,
    /// How many shards each stream starts with.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    shards: u32,
    /// Faults to inject and how often, as in `local --faults`.
    #[arg(long, default_value = DEFAULT_FAULTS)]
    faults: String,
    /// Fail unless each enabled fault was injected at least this often.
    #[arg(long, default_value_t = 0)]
    at_least: u64,
    /// How to run the functions: in this process, or as the deployed binaries next to this one.
    #[arg(long, value_enum, default_value_t = SoakFunctions::Embedded)]
    functions: SoakFunctions,
    /// Keep the table, the archive and the failed batches in this folder, which must not exist yet.
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum SoakFunctions {
    Embedded,
    Bootstrap,
}

/// Each fault is frequent enough to occur in a run of a million readings, and rare enough for the
/// run to finish.
const DEFAULT_FAULTS: &str = "all=0.05,delayed=0.02,response-dropped=0.04,throttled=0.03,\
    iterator-expired=0.02,state-lost=0.2,split=0.9,merge=1,summary-split=0.6,\
    mapping-restarted=0.6,summaries-replayed=0.9";

/// The time limit for closing the open windows at the end.
const DRAIN_LIMIT: Duration = Duration::from_secs(600);

impl SoakArgs {
    fn application(&self) -> anyhow::Result<WildRydes> {
        let functions = match self.functions {
            SoakFunctions::Embedded => Functions::Embedded,
            SoakFunctions::Bootstrap => {
                let program = std::env::current_exe()?;
                let folder = program
                    .parent()
                    .context("this program has no parent folder")?;
                Functions::Bootstrap(folder.to_owned())
            }
        };
        Ok(WildRydes {
            functions,
            ..WildRydes::default()
        })
    }
}

fn main() -> ExitCode {
    match run(&SoakArgs::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: &SoakArgs) -> anyhow::Result<bool> {
    let faults = Arc::new(Faults::parse(&arguments.faults, arguments.seed)?);
    let temporary = tempfile::tempdir()?;
    let data_dir = match &arguments.data_dir {
        Some(folder) => folder.clone(),
        None => temporary.path().to_owned(),
    };
    let settings = CloudSettings {
        port: 0,
        data_dir: data_dir.clone(),
        shards: arguments.shards,
        window: arguments.window,
        faults: Arc::clone(&faults),
        ..local::settings()
    };
    let streams = [settings.names.stream.clone(), SECOND_STREAM.to_owned()];
    let summary_stream = settings.names.summary_stream.clone();
    let table = settings.names.table.clone();
    let window_millis = i64::try_from(arguments.window.as_millis())?;

    let cloud = LocalCloud::start(settings, &arguments.application()?).await?;
    cloud.add_stream(SECOND_STREAM, 1).await?;
    let config = windrow_connect::local_config(&cloud.endpoint_url());
    let kinesis = aws_sdk_kinesis::Client::new(&config);

    let stop = CancellationToken::new();
    let plan = traffic::TrafficPlan {
        seed: arguments.seed,
        readings: arguments.readings,
        unicorns: arguments.unicorns,
        rate: arguments.rate,
        streams: streams.clone(),
    };
    let site = topology::Site {
        cloud: &cloud,
        kinesis: &kinesis,
        faults: &faults,
        stream: &streams[0],
        summary_stream: &summary_stream,
        window_millis,
    };
    let sent = async {
        let sent = traffic::send(&kinesis, &plan).await;
        stop.cancel();
        sent
    };
    let (sent, ()) = tokio::join!(sent, topology::change(&site, &stop));
    eprintln!("soak: closing the open windows");
    cloud
        .drain(DRAIN_LIMIT)
        .await
        .context("not all rows reached the table")?;
    faults.switch_off();

    let checked = report::Checked::of(&report::Evidence {
        kinesis: &kinesis,
        dynamodb: &aws_sdk_dynamodb::Client::new(&config),
        streams: &streams,
        table: &table,
        rejects: &data_dir.join("archive").join("wildrydes-rejects"),
        window_millis,
        sent: &sent,
    })
    .await?;
    cloud.stop().await;

    let often_enough = print_report(arguments, &faults, &checked);
    Ok(checked.is_exact() && often_enough)
}

/// Prints the injected faults and the result. Returns false if a fault was injected less often than
/// requested.
fn print_report(arguments: &SoakArgs, faults: &Faults, checked: &report::Checked) -> bool {
    println!("seed {}", arguments.seed);
    print!("{}", report::injections(faults));
    print!("{checked}");
    let too_rare: Vec<&str> = FaultKind::ALL
        .into_iter()
        .filter(|kind| faults.can_inject(*kind) && faults.injected(*kind) < arguments.at_least)
        .map(FaultKind::name)
        .collect();
    if !too_rare.is_empty() {
        let (at_least, kinds) = (arguments.at_least, too_rare.join(", "));
        println!("injected fewer than {at_least} times: {kinds}");
    }
    too_rare.is_empty()
}
