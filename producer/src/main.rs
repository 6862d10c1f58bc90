//! Sends a unicorn fleet's sensor readings to Kinesis.

use std::io::BufWriter;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use mimalloc::MiMalloc;
use producer::args::ProducerArgs;
use producer::plan::ProducerPlan;
use producer::{Outcome, ProducerError, RunStatus};
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::Environment;
use windrow_connect::signal::drain_on_signals;
use windrow_connect::terminal::{self, counted, eprint_line};

/// An embedded local cloud makes many small allocations; mimalloc cuts its time by a quarter.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The time limit after a signal for finishing calls in flight and, in an embedded run, closing the
/// open window.
const GRACE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let args = ProducerArgs::parse();
    let environment = Environment::from_iter(std::env::vars_os());
    let plan = match ProducerPlan::new(args, rand::random()) {
        Ok(plan) => plan,
        Err(problem) => bad_usage(problem),
    };
    terminal::log("warn");

    match run(&plan, &environment) {
        Ok(Ok(outcome)) => report(&outcome),
        Ok(Err(error)) if error.is_usage() => bad_usage(error),
        Ok(Err(error)) => fail(error.into()),
        Err(error) => fail(error),
    }
}

fn bad_usage(problem: impl std::fmt::Display) -> ! {
    ProducerArgs::command()
        .error(ErrorKind::ArgumentConflict, problem)
        .exit()
}

fn fail(error: anyhow::Error) -> ExitCode {
    eprint_line(&format!("error: {error:#}"));
    ExitCode::FAILURE
}

fn report(outcome: &Outcome) -> ExitCode {
    for problem in &outcome.problems {
        eprint_line(&format!("error: {problem}"));
    }
    eprint_line(&format!(
        "sent {}, {} failed",
        counted(outcome.sent, "reading"),
        outcome.failed
    ));
    if outcome.failed > 0 || !outcome.problems.is_empty() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[tokio::main]
async fn run(
    plan: &ProducerPlan,
    environment: &Environment,
) -> anyhow::Result<Result<Outcome, ProducerError>> {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let status = Arc::new(RunStatus::default());
    let status_at_exit = Arc::clone(&status);
    drain_on_signals(
        GRACE,
        move || stopping.cancel(),
        // The cursor may be behind progress dots.
        move |cut| format!("\nerror: {cut}; {status_at_exit}"),
    )?;
    let output = BufWriter::new(terminal::output());
    Ok(producer::run(plan, environment, now, &stop, &status, output).await)
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
