//! Folds the log of readings again and compares every window with the table's rows.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use audit::{AuditArgs, AuditError};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::Environment;
use windrow_connect::signal::drain_on_signals;
use windrow_connect::terminal::{self, eprint_line, printable};

/// The time limit for printing where to continue after a signal.
const GRACE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> ExitCode {
    let args = AuditArgs::parse();
    let environment = Environment::from_iter(std::env::vars_os());
    terminal::log("error");
    if args.is_reversed() {
        AuditArgs::command()
            .error(ErrorKind::ValueValidation, "--from is not before --to")
            .exit();
    }
    match audit(&args, &environment).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::new(error));
            eprint_line(&format!("error: {}", printable(&error)));
            ExitCode::FAILURE
        }
    }
}

async fn audit(args: &AuditArgs, environment: &Environment) -> Result<bool, AuditError> {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    drain_on_signals(
        GRACE,
        move || stopping.cancel(),
        |cut| format!("error: {cut}"),
    )?;
    audit::run(args, environment, &stop, terminal::output(), io::stderr()).await
}
