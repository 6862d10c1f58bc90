//! Sends readings through the pipeline while faults are injected, and checks the rows.
//!
//! [`audit`] computes the expected rows from the streams' logs alone.

mod application;
mod phase;
mod report;
mod sensors;
mod spelling;
mod topology;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use audit::windows::{AuditWindows, WindowBy};
use clap::Parser;
use windrow_core::fold::StateLimits;
use windrow_core::sensor::DeclaredSensor;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_local::CloudSettings;
use windrow_local::faults::{FaultKind, Faults};
use windrow_pipeline::{Functions, LocalProgram, SensorApplication};

use crate::application::SqlFiles;
use crate::sensors::TrafficSensor;

/// Sends readings through the local cloud while faults are injected, and checks that the table's
/// rows hold exactly the readings in the streams' logs.
///
/// Prints how often each fault was injected, and how many readings were lost or counted twice.
/// Exits with 1 if there are any, if a row is marked as incomplete although nothing is lost, or if
/// a fault was injected less often than --at-least.
#[derive(Parser)]
#[command(after_help = "\
Examples:
  cargo run --release -p soak -- --seed 1 --readings 1000000
  cargo run --release -p soak -- --seed 1 --readings 100000 --functions bootstrap
  cargo run --release -p soak -- --readings 100000 --state evicting --window-time event
  cargo run --release -p soak -- --readings 100000 --sensor thermometer
  cargo run --release -p soak -- --readings 100000 --sensor first-last
  cargo run --release -p soak -- --readings 100000 --sensor sql-two-keys
  cargo run --release -p soak -- --readings 100000 --sensor sql-stateless
  cargo run --release -p soak -- --readings 100000 --faults crash-during=0.3,split=0.5")]
struct SoakArgs {
    /// Seed of the faults and the readings.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many readings to send. More are sent if a fault was injected less often than --at-least.
    #[arg(long, default_value_t = 1_000_000)]
    readings: u64,
    /// Whose readings to send.
    #[arg(long, value_enum, default_value_t = SoakSensor::Unicorn)]
    sensor: SoakSensor,
    /// How many unicorns or rooms to send them from.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    keys: u32,
    /// Readings per second, in total.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// Length of the tumbling window.
    #[arg(long, default_value = "3s", value_parser = windrow_connect::duration::parse)]
    window: Duration,
    /// Which time determines the window of a reading.
    #[arg(long, value_enum, default_value_t = SoakWindowTime::Arrival)]
    window_time: SoakWindowTime,
    /// How many shards each stream starts with.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    shards: u32,
    /// Faults to inject and how often, as in `local --faults`.
    #[arg(long, default_value = DEFAULT_FAULTS)]
    faults: String,
    /// Fail unless each enabled fault was injected at least this often.
    #[arg(long, default_value_t = 1)]
    at_least: u64,
    /// How to run the functions: in this process, or as the deployed binaries next to this one.
    #[arg(long, value_enum, default_value_t = SoakFunctions::Embedded)]
    functions: SoakFunctions,
    /// How large the aggregator's window state may become [default: small if the functions are
    /// embedded, else deployed]
    #[arg(long, value_enum)]
    state: Option<SoakState>,
    /// Keep the table, the archive and the failed batches in this folder, which must not exist yet.
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SoakSensor {
    /// The Wild Rydes fleet.
    Unicorn,
    /// The rooms of `examples/thermometer`.
    Thermometer,
    /// The same rooms, also with the first and the last temperature and note.
    FirstLast,
    /// The original Kinesis SQL application, with windows of a minute. Readings sent twice count twice.
    SqlOriginal,
    /// A Kinesis SQL application with two pumps, windows of 2 s and 10 s, and an identity.
    SqlTwoKeys,
    /// A Kinesis SQL application with a window of 2 s, and pumps that write two outputs without one.
    SqlStateless,
    /// The filter of `examples/sql/alarms`, which has no window: add --at-least 0 --state deployed.
    SqlAlarms,
    /// The windows of a minute of `examples/sql/page-views`, with a top 10.
    SqlPageViews,
    /// The distinct counts of `examples/sql/visitors`, with windows of a minute.
    SqlVisitors,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SoakFunctions {
    Embedded,
    Bootstrap,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SoakWindowTime {
    /// The time it arrived in the stream.
    Arrival,
    /// Its own time.
    Event,
}

/// The limits of the aggregator's window state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum SoakState {
    /// As deployed, which a soak's windows do not reach.
    Deployed,
    /// So few accumulators that a window has several source ranges.
    Small,
    /// Also so few bytes that readings are evicted from the dedup cache. Duplicates of those may
    /// count twice, and all others not.
    Evicting,
}

/// Each fault is frequent enough to occur in a run of a million readings, and rare enough for the
/// run to finish. Each is also forced once, early in the run.
const DEFAULT_FAULTS: &str = "all=0.05,delayed=0.02,response-dropped=0.04,throttled=0.03,\
    iterator-expired=0.02,state-lost=0.2,out-of-order=0.1,split=0.9,merge=1,summary-split=0.6,\
    mapping-restarted=0.6,summaries-replayed=0.9,mapping-disabled=0.1,mapping-updated=0.3,all@2,\
    batch-failed=0,batch-failed@3,cloud-restarted=0,cloud-restarted@10,\
    cloud-killed=0.05,cloud-killed@6";

impl SoakState {
    fn limits(self) -> StateLimits {
        let deployed = StateLimits::default();
        match self {
            Self::Deployed => deployed,
            Self::Small => StateLimits {
                accumulators: 30,
                ..deployed
            },
            Self::Evicting => StateLimits {
                state: 20_000,
                dedup: 8_000,
                accumulators: 30,
            },
        }
    }

    /// How many of the last readings of a sensor the dedup cache holds at least, if it may evict
    /// any.
    fn held<S: TrafficSensor>(self) -> Option<usize> {
        // In base64, two generations: at any time, one of them is full.
        let bytes = self.limits().dedup / 2 * 3 / 4;
        // A few bytes less, for the table of the keys.
        (self == Self::Evicting).then_some(bytes * 9 / 10 / S::MOST_BYTES_HELD)
    }
}

impl SoakArgs {
    fn state(&self) -> anyhow::Result<SoakState> {
        let is_embedded = self.functions == SoakFunctions::Embedded;
        let default = if is_embedded {
            SoakState::Small
        } else {
            SoakState::Deployed
        };
        let state = self.state.unwrap_or(default);
        ensure!(
            is_embedded || state == SoakState::Deployed,
            "the deployed binaries have no setting for their limits: leave out --state"
        );
        Ok(state)
    }

    /// Adds the finisher, which is for windows by arrival time. It is not among the binaries of every
    /// sensor.
    fn finish<S: TrafficSensor>(
        &self,
        application: &mut SensorApplication<S>,
        settings: &mut CloudSettings,
    ) -> anyhow::Result<()> {
        let is_embedded = self.functions == SoakFunctions::Embedded;
        if self.window_time == SoakWindowTime::Arrival && is_embedded {
            let stream = format!("{}-finished", settings.names.stream);
            application.finish_windows(&mut settings.names, &stream)?;
        }
        Ok(())
    }

    /// How the application runs.
    fn application<S: TrafficSensor>(
        &self,
        application: SensorApplication<S>,
    ) -> anyhow::Result<SensorApplication<S>> {
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
        let window_time = match self.window_time {
            SoakWindowTime::Arrival => WindowTime::Arrival,
            SoakWindowTime::Event => WindowTime::Event,
        };
        window_time.check(&application.sensor)?;
        Ok(SensorApplication {
            functions,
            window_time,
            limits: self.state()?.limits(),
            ..application
        })
    }
}

fn main() -> ExitCode {
    let arguments = SoakArgs::parse();
    windrow_connect::terminal::log("off");
    match run(&arguments) {
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
    match arguments.sensor {
        SoakSensor::Unicorn => {
            let (mut application, mut settings) = (local::wild_rydes(), local::settings()?);
            arguments.finish(&mut application, &mut settings)?;
            soak(arguments, application, settings).await
        }
        SoakSensor::Thermometer => soak_declared(arguments, thermometer::sensor()?).await,
        SoakSensor::FirstLast => {
            let is_embedded = arguments.functions == SoakFunctions::Embedded;
            ensure!(
                is_embedded,
                "--sensor first-last has no binaries: leave out --functions"
            );
            soak_declared(arguments, sensors::first_last()?).await
        }
        SoakSensor::SqlOriginal => soak_sql(arguments, application::ORIGINAL).await,
        SoakSensor::SqlTwoKeys => soak_sql(arguments, application::TWO_KEYS).await,
        SoakSensor::SqlStateless => soak_sql(arguments, application::STATELESS).await,
        SoakSensor::SqlAlarms => soak_sql(arguments, application::EXAMPLES[0]).await,
        SoakSensor::SqlPageViews => soak_sql(arguments, application::EXAMPLES[1]).await,
        SoakSensor::SqlVisitors => soak_sql(arguments, application::EXAMPLES[2]).await,
    }
}

async fn soak_declared(arguments: &SoakArgs, sensor: DeclaredSensor) -> anyhow::Result<bool> {
    let mut program = LocalProgram::new(SensorApplication::new(sensor), "thermometer");
    let mut settings = program.settings();
    arguments.finish(&mut program.application, &mut settings)?;
    soak(arguments, program.application, settings).await
}

async fn soak_sql(arguments: &SoakArgs, files: SqlFiles) -> anyhow::Result<bool> {
    let program = files.program()?;
    let settings = program.settings();
    soak(arguments, program.application, settings).await
}

/// Sends readings of the application's sensor, and checks its rows.
async fn soak<S: TrafficSensor + 'static>(
    arguments: &SoakArgs,
    application: SensorApplication<S>,
    settings: CloudSettings,
) -> anyhow::Result<bool> {
    let faults = Arc::new(Faults::parse(&arguments.faults, arguments.seed)?);
    let state = arguments.state()?;
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
        ..settings
    };
    let rejects = data_dir.join("archive").join(&settings.names.rejects);
    let window_by = match arguments.window_time {
        SoakWindowTime::Arrival => WindowBy::Arrival,
        SoakWindowTime::Event => WindowBy::Event,
    };
    let windows = AuditWindows::new(arguments.window, window_by)
        .with_lengths(application.sensor.window_lengths());
    let soak = phase::Soak {
        settings,
        application: arguments.application(application)?,
        seed: arguments.seed,
        readings: arguments.readings,
        keys: arguments.keys,
        rate: arguments.rate,
        at_least: arguments.at_least,
    };
    let evidence = phase::run_all(&soak).await?;
    let sensor = &soak.application.sensor;
    let held = state.held::<S>();
    let checked = report::Checked::of(sensor, evidence, windows, held, &rejects)?;

    println!("seed {}", arguments.seed);
    print!("{}", report::injections(&faults));
    print!("{checked}");
    let untested = checked.untested(state);
    let too_rare = traffic::too_rare(&faults, arguments.at_least);
    if !untested.is_empty() {
        println!("not tested: {}", untested.join(", "));
    }
    if !too_rare.is_empty() {
        let kinds: Vec<&str> = too_rare.iter().map(|kind| FaultKind::name(*kind)).collect();
        let (at_least, kinds) = (arguments.at_least, kinds.join(", "));
        println!("injected fewer than {at_least} times: {kinds}");
    }
    Ok(checked.is_exact() && untested.is_empty() && too_rare.is_empty())
}
