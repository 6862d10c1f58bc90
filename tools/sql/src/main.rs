//! Checks the SQL text of a Kinesis Data Analytics application, and runs it over a file.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use sql::check::describe;
use sql::run::run;
use sql::text::{discover, fail, read_schema, sensor};
use windrow_connect::terminal::{counted, eprint_line};
use windrow_sql::input::InputSchema;
use windrow_sql::sensor::SqlSensor;

const EXAMPLES: &str = "\
Examples:
  sql check ticker.sql --schema application.json
      Says what the text computes, or what in it is not supported, and why.
  sql run ticker.sql --schema application.json --input records.jsonl
      Prints the rows of all outputs as JSON lines.
  sql discover ticks.jsonl > schema.json
      Makes a schema of sample readings, where none was exported.

The schema is in what these print: aws kinesisanalytics describe-application, aws kinesisanalyticsv2
describe-application, terraform show -json, and in a CloudFormation template in JSON.

Exits with 0 on success; with 1 if the text is not supported, if a file cannot be read, or if a line
of the input is not a record; with 2 for bad usage.";

/// Checks the SQL text of a Kinesis Data Analytics application, and runs it over a file of records.
#[derive(Debug, Parser)]
#[command(name = "sql", version, after_help = EXAMPLES)]
struct SqlArgs {
    #[command(subcommand)]
    command: SqlCommand,
}

#[derive(Debug, Subcommand)]
enum SqlCommand {
    /// Says what a text computes, or what in it is not supported
    Check(ApplicationArgs),
    /// Prints the rows of a file of records as JSON lines, and rejects on standard error
    Run(RunArgs),
    /// Prints a schema made of sample readings, one JSON object per line
    Discover {
        /// The file of readings
        #[arg(value_name = "SAMPLE")]
        sample: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct ApplicationArgs {
    /// The SQL text
    #[arg(value_name = "FILE")]
    sql: PathBuf,
    /// The schema of its input, as JSON: an export of the application, or its `InputSchema`
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Without `--schema`: make one of the readings in this file
    #[arg(long, value_name = "FILE", conflicts_with = "schema")]
    sample: Option<PathBuf>,
    /// The columns that tell readings apart, so that those sent twice count once [default: every
    /// reading counts, as in Kinesis SQL]
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    identity: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    #[command(flatten)]
    application: ApplicationArgs,
    /// The records, one per line: {"arrival":"2026-03-01 22:49:10.000","data":{...}}, or `raw`
    /// instead of `data` with text or base64; `-` for standard input
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Print only the rows of this output stream [default: those of all]
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
}

impl ApplicationArgs {
    fn schema(&self, input: Option<&Path>) -> anyhow::Result<InputSchema> {
        if let Some(schema) = &self.schema {
            return read_schema(schema);
        }
        let input = input.filter(|input| *input != Path::new("-"));
        let sample = self.sample.as_deref().or(input);
        let sample = sample.context(
            "the schema of the input is missing: give --schema, or --sample to make one of readings",
        )?;
        let schema = discover(sample)?;
        eprint_line(&format!(
            "this schema was made of the readings in {}. Check it, and keep it for --schema:\n{}",
            sample.display(),
            printed(&schema)?
        ));
        Ok(schema)
    }

    fn sensor(&self, input: Option<&Path>) -> anyhow::Result<SqlSensor> {
        sensor(&self.sql, self.schema(input)?, &self.identity)
    }
}

fn printed(schema: &InputSchema) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(&schema.to_json())?)
}

fn main() -> ExitCode {
    match execute(SqlArgs::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn execute(command: SqlCommand) -> anyhow::Result<()> {
    match command {
        SqlCommand::Check(args) => print!("{}", describe(&args.sensor(None)?)),
        SqlCommand::Discover { sample } => println!("{}", printed(&discover(&sample)?)?),
        SqlCommand::Run(args) => {
            let sensor = args.application.sensor(Some(&args.input))?;
            let output = BufWriter::new(io::stdout().lock());
            let (stream, rejects) = (args.stream.as_deref(), io::stderr());
            let report = if args.input == Path::new("-") {
                run(sensor, stream, io::stdin().lock(), output, rejects)?
            } else {
                let file = File::open(&args.input);
                let file = file.with_context(|| format!("cannot read {}", args.input.display()))?;
                run(sensor, stream, BufReader::new(file), output, rejects)?
            };
            eprint_line(&format!(
                "{}: {}, {} rejected{}",
                counted(report.lines - report.invalid, "record"),
                counted(report.rows, "row"),
                report.rejected,
                match report.problems {
                    0 => String::new(),
                    problems => format!(", {} could not be computed", counted(problems, "value")),
                }
            ));
            if report.invalid > 0 {
                let (invalid, lines) = (report.invalid, counted(report.lines, "line"));
                bail!(
                    "{invalid} of {lines} could not be read as a record, such as \
                     {{\"arrival\":\"2026-03-01 22:49:10.000\",\"data\":{{...}}}}"
                );
            }
        }
    }
    Ok(())
}
