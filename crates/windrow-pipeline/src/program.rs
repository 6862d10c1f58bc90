//! The program that runs a local cloud until a signal stops it.

mod args;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use windrow_connect::signal::drain_on_signals;
use windrow_connect::terminal::{self, eprint_line};
use windrow_core::sensor::Sensor;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_local::dashboard::DashboardError;
use windrow_local::endpoint::EndpointError;
use windrow_local::faults::{FaultKind, Faults};
use windrow_local::settings::PipelineMappings;
use windrow_local::{CloudSettings, LocalCloud, ResourceNames, StartError};

use crate::SensorApplication;
use crate::template::{PipelineTemplate, PipelineTemplateError};
use args::{LocalArgs, injected_here, no_page};

/// The time limit for closing the open windows and writing their rows.
const DRAIN: Duration = Duration::from_secs(60);

/// The time limit for the whole shutdown: the drain, and then stopping everything.
const END: Duration = Duration::from_secs(90);

/// What a local cloud is, for `--help`.
const ABOUT: &str = "Kinesis, DynamoDB and Firehose on one port of this machine, the pipeline's \
                     functions, run as Lambda runs them, and a live page on another port.";

/// The program of a local cloud, for one application.
#[derive(Clone, Debug)]
pub struct LocalProgram<S> {
    /// What runs in the local cloud. The command line decides how the functions run.
    pub application: SensorApplication<S>,
    /// The names of its streams and table.
    pub names: ResourceNames,
    /// The stream of finished rows, if they are asked for.
    pub finished_stream: String,
    /// The settings of its mappings.
    pub mappings: PipelineMappings,
    /// The length of its windows, unless the command line says another.
    pub window: Duration,
    /// The default data directory.
    pub data_dir: String,
    /// The program's name in `--version`.
    pub command: String,
    /// What `--version` prints after the name; `None` if there is no such flag.
    pub version: Option<&'static str>,
    /// What `--help` says about the program.
    pub about: String,
    /// Examples for `--help`.
    pub examples: String,
}

impl<S: Sensor + Clone> LocalProgram<S> {
    /// The program of an application called `name`. Its stream is called the same, and everything
    /// else begins with it: `thermometer-summary`, `thermometer-rejects`, the binaries
    /// `thermometer-aggregator` and `thermometer-processor`, the data directory `.thermometer`, and
    /// the program `thermometer-local`.
    pub fn new(application: SensorApplication<S>, name: &str) -> Self {
        let binaries = ["aggregator", "processor"].map(|function| format!("{name}-{function}"));
        let application = SensorApplication {
            binaries,
            ..application
        };
        let names = ResourceNames {
            stream: name.to_owned(),
            summary_stream: format!("{name}-summary"),
            table: name.to_owned(),
            table_key: application.sensor.schema().table_key().map(str::to_owned),
            rejects: format!("{name}-rejects"),
            outputs: BTreeMap::new(),
            finished: BTreeMap::new(),
            progress_table: format!("{name}-progress"),
        };
        Self {
            application,
            names,
            finished_stream: format!("{name}-finished"),
            mappings: PipelineMappings::default(),
            window: Duration::from_secs(60),
            data_dir: format!(".{name}"),
            command: format!("{name}-local"),
            version: None,
            about: ABOUT.to_owned(),
            examples: String::new(),
        }
    }

    /// The program of an application that a SAM template deploys, with the template's names and
    /// settings, and the defaults of its parameters. What else the template has does not run. The
    /// data directory and the program are named after the stream of readings, as by
    /// [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// [`PipelineTemplateError`] if the template is not valid, or lacks something that a pipeline has.
    pub fn from_template(
        application: SensorApplication<S>,
        template: &str,
    ) -> Result<Self, PipelineTemplateError> {
        let template = PipelineTemplate::read(template)?;
        let mut program = Self::new(application, &template.names.stream);
        if let Some(binaries) = template.binaries {
            program.application.binaries = binaries;
        }
        Ok(Self {
            names: template.names,
            finished_stream: template.finished_stream,
            mappings: template.mappings,
            window: template.window,
            ..program
        })
    }

    /// The settings of the local cloud if the command line says nothing else.
    pub fn settings(&self) -> CloudSettings {
        CloudSettings {
            window: self.window,
            mappings: self.mappings.clone(),
            ..CloudSettings::new(self.names.clone(), &self.data_dir)
        }
    }

    /// Parses the command line and runs the local cloud until a signal stops it: the whole `main`
    /// function.
    pub fn main(self) -> ExitCode {
        let matches = self.command().get_matches();
        self.run_with(&matches)
    }

    /// Runs the local cloud until a signal stops it, with a command line that was parsed by
    /// [`command`](Self::command), to which a program may add arguments of its own.
    pub fn run_with(self, matches: &ArgMatches) -> ExitCode {
        let parsed = LocalArgs::from_arg_matches(matches);
        let arguments = parsed.unwrap_or_else(|error| error.exit());
        terminal::log("warn");
        let runtime = Runtime::new().map_err(anyhow::Error::from);
        match runtime.and_then(|runtime| runtime.block_on(self.run(&arguments))) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        }
    }

    /// The settings of the local cloud by a command line that was parsed by
    /// [`command`](Self::command), for a program that runs something else in it.
    ///
    /// # Errors
    ///
    /// If the faults in it are invalid.
    pub fn settings_by(&self, matches: &ArgMatches) -> anyhow::Result<CloudSettings> {
        LocalArgs::from_arg_matches(matches)?.settings(self.settings())
    }

    /// What to say of the address of such a command line, if others can reach it.
    ///
    /// # Errors
    ///
    /// If it was parsed by another command.
    pub fn warning_of(&self, matches: &ArgMatches) -> anyhow::Result<Option<String>> {
        Ok(LocalArgs::from_arg_matches(matches)?.warning())
    }

    /// The command line.
    pub fn command(&self) -> Command {
        let mut command = LocalArgs::command()
            .display_name(self.command.clone())
            .about(self.about.clone())
            .after_help(self.examples.clone())
            .mut_arg("data_dir", |argument| {
                let help = "Where everything is kept: the streams, the table, the archive, and where the functions go on";
                argument.help(format!("{help} [default: {}]", self.data_dir))
            })
            .mut_arg("window", |argument| {
                let help = "The length of the tumbling window: whole seconds, 1s to 15m";
                argument.help(format!("{help} [default: {} s]", self.window.as_secs()))
            });
        if let Some(version) = self.version {
            command = command.version(version);
        }
        if self.application.page.is_none() {
            command = command.mut_arg("dashboard_port", |argument| {
                argument.hide(true).value_parser(no_page)
            });
        }
        command
    }

    async fn run(&self, arguments: &LocalArgs) -> anyhow::Result<()> {
        let mut settings = arguments.settings(self.settings())?;
        if self.application.page.is_none() {
            settings.dashboard = None;
        }
        let faults = Arc::clone(&settings.faults);
        let stop = end_on_signals(arguments.faults.is_some().then(|| Arc::clone(&faults)))?;
        let window_time = arguments.window_time();
        window_time.check(&self.application.sensor)?;
        let mut application = SensorApplication {
            functions: arguments.functions()?,
            window_time,
            ..self.application.clone()
        };
        if arguments.finished_rows {
            application.finish_windows(&mut settings.names, &self.finished_stream)?;
        } else if window_time == WindowTime::Event {
            application.finisher = None;
            settings.names.finished.clear();
        }
        let names = settings.names.clone();
        let started = LocalCloud::start(settings, &application).await;
        let cloud = started.map_err(advise)?;
        if let Some(report) = cloud.restart_report() {
            eprint_line(&terminal::printable(&format!("local: {report}")));
        }
        eprint_line(&format!("local: {}", cloud.describe()));
        if let Some(warning) = arguments.warning() {
            eprint_line(&warning);
        }
        for (output, stream) in names.outputs.iter().chain(&names.finished) {
            eprint_line(&terminal::printable(&format!(
                "local: the rows of {output} go to the stream {stream}"
            )));
        }
        if let Some(url) = cloud.dashboard_url() {
            eprint_line(&format!("local: the page is at {url}"));
        }
        eprint_line(
            "local: Ctrl-C closes the open windows and stops the local cloud; twice stops it at once",
        );

        stop.cancelled().await;
        eprint_line("local: closing the open windows");
        let ended = finish(cloud).await;
        if arguments.faults.is_some() {
            eprint_line(&format!("faults injected: {}", injected(&faults)));
        }
        ended
    }
}

/// The whole `main` function of the local cloud of a sensor's application, called `name`
/// ([`LocalProgram::new`]). `version` is the application's, which `env!("CARGO_PKG_VERSION")` is. It
/// takes a sensor as it is made, and prints what is wrong with it.
pub fn main<S: Sensor + Clone, E: Into<anyhow::Error>>(
    sensor: Result<S, E>,
    name: &str,
    version: &'static str,
) -> ExitCode {
    match sensor {
        Ok(sensor) => {
            let mut program = LocalProgram::new(SensorApplication::new(sensor), name);
            program.version = Some(version);
            program.main()
        }
        Err(error) => fail(&error.into()),
    }
}

/// The same as [`main`], with the names and settings of the SAM template that deploys the application
/// ([`LocalProgram::from_template`]).
pub fn from_template<S: Sensor + Clone, E: Into<anyhow::Error>>(
    sensor: Result<S, E>,
    template: &str,
    version: &'static str,
) -> ExitCode {
    let program = sensor.map_err(E::into).and_then(|sensor| {
        let application = SensorApplication::new(sensor);
        Ok(LocalProgram::from_template(application, template)?)
    });
    match program {
        Ok(mut program) => {
            program.version = Some(version);
            program.main()
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprint_line(&format!("error: {error:#}"));
    ExitCode::FAILURE
}

/// Adds what to do next to an error.
pub fn advise(error: StartError) -> anyhow::Error {
    match error {
        StartError::Endpoint(error @ EndpointError::PortInUse { .. }) => {
            let advice = "stop what uses it, or choose another port with --port (0 takes any)";
            anyhow::anyhow!("{error}: {advice}")
        }
        StartError::Endpoint(error @ EndpointError::NoSuchAddress { .. }) => {
            let advice = "choose one of its own with --bind, or 0.0.0.0 for all";
            anyhow::anyhow!("{error}: {advice}")
        }
        StartError::Dashboard(error @ DashboardError::PortInUse { .. }) => {
            let advice = "choose another one with --dashboard-port (0 takes any)";
            anyhow::anyhow!("{error}: {advice}")
        }
        error => error.into(),
    }
}

/// A token that the first signal cancels. If the shutdown is cut off, reports what may be lost, and
/// how often each fault was injected.
fn end_on_signals(faults: Option<Arc<Faults>>) -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    drain_on_signals(
        END,
        move || stopping.cancel(),
        move |cut| {
            let mut message = format!(
                "error: {cut}; readings of the windows that were open are in no row, and the newest may not \
                 be in the archive"
            );
            if let Some(faults) = faults {
                message.push_str(&format!("\nfaults injected: {}", injected(&faults)));
            }
            message
        },
    )?;
    Ok(stop)
}

/// How often each kind of fault was injected, for the kinds that can be.
fn injected(faults: &Faults) -> String {
    let injected: Vec<String> = FaultKind::ALL
        .into_iter()
        .filter(|kind| injected_here(*kind) && faults.can_inject(*kind))
        .map(|kind| format!("{} {}", kind.name(), faults.injected(kind)))
        .collect();
    injected.join(", ")
}

async fn finish(cloud: LocalCloud) -> anyhow::Result<()> {
    let drained = cloud.drain(DRAIN).await;
    cloud.stop().await;
    drained.context("some readings may not be in the table")
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use windrow_core::sensor::{DeclaredSensor, Field};
    use windrow_core::value::ColumnType;

    use super::*;

    fn program() -> LocalProgram<DeclaredSensor> {
        let sensor = DeclaredSensor::new(vec![Field::new("Room", ColumnType::Text).key()]);
        LocalProgram::new(SensorApplication::new(sensor.unwrap()), "rooms")
    }

    fn error(program: &LocalProgram<DeclaredSensor>, flags: &[&str]) -> clap::Error {
        let arguments = ["rooms-local"].iter().chain(flags);
        program
            .command()
            .try_get_matches_from(arguments)
            .unwrap_err()
    }

    #[test]
    fn the_version_is_that_of_the_application() {
        let mut program = program();
        assert_eq!(
            error(&program, &["--version"]).kind(),
            ErrorKind::UnknownArgument
        );
        program.version = Some("4.2.0");
        let printed = error(&program, &["--version"]);
        assert_eq!(printed.to_string(), "rooms-local 4.2.0\n");
    }

    #[test]
    fn only_a_page_has_a_port() {
        let mut program = program();
        let flags = ["rooms-local", "--dashboard-port", "0"];
        assert!(program.command().try_get_matches_from(flags).is_ok());
        program.application.page = None;
        let message = error(&program, &["--dashboard-port", "0"]).to_string();
        assert!(
            message.contains("this local cloud has no page"),
            "{message}"
        );
        let help = error(&program, &["--help"]).to_string();
        assert!(!help.contains("dashboard-port"), "{help}");
    }
}
