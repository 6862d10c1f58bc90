//! Sends a unicorn fleet's sensor readings to Kinesis.

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use connect::target::Environment;
use mimalloc::MiMalloc;
use producer::args::Args;
use producer::plan::Plan;
use producer::{Outcome, ProducerError};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// A local cloud spends its time on small things; this one makes them with a quarter less of it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What a shell tells of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let args = Args::parse();
    let environment = Environment::from_iter(std::env::vars_os());
    let plan = match Plan::new(args, rand::random()) {
        Ok(plan) => plan,
        Err(problem) => bad_usage(problem),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();

    match run(&plan, &environment) {
        Ok(Ok(outcome)) => end(&outcome),
        Ok(Err(error)) if error.is_usage() => bad_usage(error),
        Ok(Err(error)) => fail(error.into()),
        Err(error) => fail(error),
    }
}

fn bad_usage(problem: impl std::fmt::Display) -> ! {
    Args::command()
        .error(ErrorKind::ArgumentConflict, problem)
        .exit()
}

fn fail(error: anyhow::Error) -> ExitCode {
    tell(&format!("error: {error:#}"));
    ExitCode::FAILURE
}

fn end(outcome: &Outcome) -> ExitCode {
    for problem in &outcome.problems {
        tell(&format!("error: {problem}"));
    }
    tell(&format!(
        "sent {} readings, {} failed",
        outcome.sent, outcome.failed
    ));
    if outcome.failed > 0 || !outcome.problems.is_empty() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Writes a line to the standard error; one that is gone changes nothing about what was sent.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[tokio::main]
async fn run(
    plan: &Plan,
    environment: &Environment,
) -> anyhow::Result<Result<Outcome, ProducerError>> {
    let stop = CancellationToken::new();
    let interrupted = stop.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if interrupted.is_cancelled() {
                std::process::exit(INTERRUPTED);
            }
            interrupted.cancel();
        }
    });
    let output = BufWriter::new(io::stdout());
    Ok(producer::run(plan, environment, now, &stop, output).await)
}

/// Milliseconds since the epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "readings are stamped with the time of day"
)]
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
