//! The files of an application.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Command};
use serde_json::Value;
use windrow_connect::terminal::{eprint_line, printable};
use windrow_sql::input::{InputError, InputSchema, SchemaDiscovery};
use windrow_sql::problem::SqlProblems;
use windrow_sql::pump::EvalError;
use windrow_sql::sensor::SqlSensor;

use crate::run;

/// How many readings of a sample make a schema.
const SAMPLED: usize = 1_000;

/// The flags that make a program run a Kinesis SQL application instead of its own sensor.
#[derive(Clone, Debug, Default, Args)]
pub struct SqlFlags {
    /// Kinesis SQL text of an application, which takes the place of the Wild Rydes fleet
    #[arg(
        id = "sql_text",
        long = "sql",
        value_name = "FILE",
        help_heading = "Kinesis SQL"
    )]
    pub sql: Option<PathBuf>,

    /// With `--sql`: the schema of its input, as JSON: an export of the application, or its
    /// `InputSchema`
    #[arg(
        id = "sql_schema",
        long = "schema",
        value_name = "FILE",
        requires = "sql_text",
        help_heading = "Kinesis SQL"
    )]
    pub schema: Option<PathBuf>,

    /// With `--sql`: the columns that tell readings apart, so that those sent twice count once
    /// [default: every reading counts, as in Kinesis SQL]
    #[arg(
        id = "sql_identity",
        long = "identity",
        value_name = "COLUMN",
        value_delimiter = ',',
        requires = "sql_text",
        help_heading = "Kinesis SQL"
    )]
    pub identity: Vec<String>,
}

impl SqlFlags {
    /// The sensor that the flags ask for; `None` without `--sql`.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or if the text is not supported.
    pub fn sensor(&self) -> anyhow::Result<Option<SqlSensor>> {
        let Some(path) = &self.sql else {
            return Ok(None);
        };
        let Some(schema) = &self.schema else {
            bail!(
                "--sql needs --schema: the schema of its input. `cargo run -p sql -- discover` makes one of sample readings"
            );
        };
        sensor(path, read_schema(schema)?, &self.identity).map(Some)
    }
}

/// Adds flags to a program's command line, whose description stays as it is.
pub fn with_flags<F: Args>(command: Command) -> Command {
    let about = command.get_about().cloned();
    let command = F::augment_args(command);
    match about {
        Some(about) => command.about(about),
        None => command,
    }
}

/// The sensor of the text in a file.
///
/// # Errors
///
/// If the file cannot be read, or if the text is not supported.
pub fn sensor(path: &Path, schema: InputSchema, identity: &[String]) -> anyhow::Result<SqlSensor> {
    let text = read(path)?;
    let sensor = SqlSensor::new(&text, schema);
    let sensor =
        sensor.map_err(|problems| anyhow::anyhow!("{}", not_supported(path, &problems)))?;
    Ok(sensor.with_identity(identity)?)
}

/// Prints an error, whose further lines are the problems of a text. The exit code of the program.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    for line in format!("error: {error:#}").lines() {
        eprint_line(&printable(line));
    }
    ExitCode::FAILURE
}

/// What is said of a text with problems.
pub fn not_supported(path: &Path, problems: &SqlProblems) -> String {
    let mut said = format!("{} is not supported", path.display());
    for problem in &problems.0 {
        let at = problem.at;
        said.push_str(&format!(
            "\n  {}:{}:{}: {}: {}",
            path.display(),
            at.line,
            at.column,
            problem.construct,
            problem.reason
        ));
        if let Some(rewrite) = &problem.rewrite {
            said.push_str(&format!("\n      instead: {rewrite}"));
        }
    }
    said
}

/// How many values that could not be computed are named.
const MOST_NAMED: usize = 5;

/// Says on standard error why values of finished rows are null, or rows are missing.
pub fn warn(problems: &[EvalError]) {
    for problem in problems.iter().take(MOST_NAMED) {
        eprint_line(&printable(&format!("warning: no value: {problem}")));
    }
    let more = problems.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        eprint_line(&format!("and {more} more"));
    }
}

/// The schema in a file.
///
/// # Errors
///
/// If the file cannot be read, or has no schema that is supported.
pub fn read_schema(path: &Path) -> anyhow::Result<InputSchema> {
    InputSchema::parse(&read(path)?).with_context(|| path.display().to_string())
}

fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path.display()))
}

/// The schema that the first readings of a file have in common. They are JSON objects, one per
/// line, or the data of records, as `sql run` takes them.
///
/// # Errors
///
/// If the file cannot be read, or if there are no readings in it.
pub fn discover(path: &Path) -> anyhow::Result<InputSchema> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut discovery = SchemaDiscovery::default();
    for line in BufReader::new(file).lines().take(SAMPLED) {
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        let line = run::data(&line).unwrap_or_else(|| line.into_bytes());
        let readings = serde_json::Deserializer::from_slice(&line).into_iter::<Value>();
        for reading in readings.map_while(Result::ok) {
            discovery.add(&reading);
        }
    }
    discovery.schema().map_err(|error| match error {
        InputError::NoColumns => anyhow::anyhow!(
            "{} has no readings, one JSON object per line",
            path.display()
        ),
        other => anyhow::Error::new(other).context(path.display().to_string()),
    })
}
