//! A local cloud of a SAM or CloudFormation template.

mod functions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches as _};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use windrow_connect::signal::drain_on_signals;
use windrow_connect::terminal::{self, eprint_line, printable};
use windrow_local::CloudSettings;
use windrow_local::stack::{StackCloud, StackSettings};
use windrow_pipeline::advise;
use windrow_template::{StackModel, StackOptions, StackTemplate};

use functions::{FunctionFinder, check_names};

/// The data directory, unless `--data-dir` names another.
const DATA_DIR: &str = ".local-cloud";

/// The time limit for closing the open windows.
const DRAIN: Duration = Duration::from_secs(60);

/// The time limit for the whole shutdown: the drain, and then stopping everything.
const END: Duration = Duration::from_secs(90);

/// The flags that make the program run a template instead of its own application.
#[derive(Clone, Debug, Default, Args)]
pub struct StackFlags {
    /// Run the streams, tables, Firehose streams, functions and mappings of a SAM or CloudFormation
    /// template, in place of the Wild Rydes application
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Template",
        conflicts_with_all = ["window", "window_time", "finished_rows", "functions", "sql_text"]
    )]
    pub template: Option<PathBuf>,

    /// With `--template`: values of its parameters, as for `sam deploy`
    #[arg(
        long,
        value_name = "NAME=VALUE",
        num_args = 1..,
        value_parser = overrides,
        requires = "template",
        help_heading = "Template"
    )]
    pub parameter_overrides: Vec<Vec<(String, String)>>,

    /// With `--template`: what runs a function, by its logical id or its name; may be repeated. A
    /// binary, or a command that speaks the Runtime API, such as
    /// `Total='python3 -m awslambdaric app.handler'`, which runs in the function's CodeUri [default:
    /// `bootstrap` in its CodeUri, or what SAM or cargo has built]
    #[arg(
        long = "function",
        value_name = "NAME=COMMAND",
        value_parser = pair,
        requires = "template",
        help_heading = "Template"
    )]
    pub runs: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it must be a name, an equals sign and a value".to_owned()),
    }
}

/// One or several parameters, in each of the forms that SAM takes: `Stage=test Shards=2`, or
/// `ParameterKey=Stage,ParameterValue=test`.
fn overrides(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for word in text.split_whitespace() {
        let long = word.strip_prefix("ParameterKey=");
        let long = long.and_then(|long| long.split_once(",ParameterValue="));
        match (
            long.map_or_else(
                || pair(word),
                |(name, value)| Ok((name.into(), value.into())),
            ),
            found.last_mut(),
        ) {
            (Ok(pair), _) => found.push(pair),
            // A value with blanks.
            (Err(_), Some((_, value))) => {
                value.push(' ');
                value.push_str(word);
            }
            (Err(error), None) => return Err(error),
        }
    }
    if found.is_empty() {
        return pair(text).map(|pair| vec![pair]);
    }
    Ok(found)
}

impl StackFlags {
    /// Runs the template that a command line names, if it names one.
    ///
    /// `matches` are those of the program's command line with these flags.
    pub fn run(&self, matches: &ArgMatches) -> Option<ExitCode> {
        let path = self.template.as_deref()?;
        terminal::log("warn");
        let run = || -> anyhow::Result<()> {
            let stack = self.stack(path)?;
            let settings = crate::program()?.settings_by(matches)?;
            Runtime::new()?.block_on(self.serve(path, &stack, settings, matches))
        };
        Some(match run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprint_line(&printable(&format!("error: {error:#}")));
                ExitCode::FAILURE
            }
        })
    }

    /// The flags of a command line.
    ///
    /// # Errors
    ///
    /// If it was not parsed with these flags.
    pub fn of(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches(matches)
    }

    /// Reads and resolves the template.
    fn stack(&self, path: &Path) -> anyhow::Result<StackModel> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let parameters: BTreeMap<_, _> =
            self.parameter_overrides.iter().flatten().cloned().collect();
        let options = StackOptions {
            parameters,
            ..StackOptions::default()
        };
        let template = StackTemplate::parse(&text);
        let stack = template.and_then(|template| template.resolve(&options));
        let stack = stack.with_context(|| shown.to_string())?;
        check_names(&stack, &self.runs)?;
        Ok(stack)
    }

    async fn serve(
        &self,
        path: &Path,
        stack: &StackModel,
        settings: CloudSettings,
        matches: &ArgMatches,
    ) -> anyhow::Result<()> {
        let is_given = |flag| matches.value_source(flag) == Some(ValueSource::CommandLine);
        let mut endpoint = settings.endpoint_options();
        if !is_given("data_dir") {
            endpoint.data_dir = DATA_DIR.into();
        }
        let data_dir = endpoint.data_dir.clone();
        let mut stack_settings = StackSettings::new(endpoint);
        stack_settings.shards = is_given("shards").then_some(settings.shards);
        let stop = end_on_signals()?;
        let finder = FunctionFinder::new(path, &self.runs)?;
        let started = StackCloud::start(stack_settings, stack, |function, config| {
            Ok(finder.find(function, config))
        });
        let cloud = started.await.map_err(advise)?;
        if let Some(report) = cloud.restart_report() {
            say(&report.to_string());
        }
        describe(stack, &cloud.endpoint_url(), &data_dir);
        if let Some(warning) = crate::program()?.warning_of(matches)? {
            eprint_line(&warning);
        }
        for note in finder.notes() {
            say(&note);
        }
        say("Ctrl-C closes the open windows and stops the local cloud; twice stops it at once");

        stop.cancelled().await;
        say("closing the open windows");
        let drained = cloud.drain(DRAIN).await;
        cloud.stop().await;
        drained.context("some records may not be handled")
    }
}

fn say(text: &str) {
    eprint_line(&printable(&format!("local: {text}")));
}

/// Prints what runs, what is left out, and what does not run although one would expect it.
fn describe(stack: &StackModel, endpoint_url: &str, data_dir: &Path) {
    let streams = stack.streams.iter().map(|stream| stream.name.as_str());
    let tables = stack.tables.iter().map(|table| table.name.as_str());
    let deliveries = stack.delivery_streams.iter();
    let deliveries = deliveries.map(|delivery| delivery.name.as_str());
    let kinds = [
        ("Kinesis", streams.collect::<Vec<_>>()),
        ("DynamoDB", tables.collect()),
        ("Firehose", deliveries.collect()),
    ];
    let kinds = kinds.iter().filter(|(_, names)| !names.is_empty());
    let kinds: Vec<String> = kinds
        .map(|(service, names)| format!("{service} {}", names.join(", ")))
        .collect();
    say(&format!(
        "{} answer at {endpoint_url}; data is kept in {}",
        if kinds.is_empty() {
            "no resources".to_owned()
        } else {
            kinds.join("; ")
        },
        data_dir.display()
    ));
    for mapping in &stack.mappings {
        let state = if mapping.is_enabled {
            ""
        } else {
            " (disabled)"
        };
        let window = mapping.tumbling_window.map(|window| window.as_secs());
        let window = window.map(|seconds| format!(" in windows of {seconds} s"));
        say(&format!(
            "the function {} gets the records of {}{}{state}",
            mapping.function,
            mapping.stream,
            window.unwrap_or_default()
        ));
    }
    for problem in &stack.problems {
        say(&problem.to_string());
    }
    if let Some(left_out) = stack.left_out_line() {
        say(&format!("left out: {left_out}"));
    }
}

/// A token that the first signal cancels.
fn end_on_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    drain_on_signals(
        END,
        move || stopping.cancel(),
        |cut| format!("error: {cut}; the records of open windows may not be handled"),
    )?;
    Ok(stop)
}
