//! Prints a stream's readings as they arrive.

use std::io::{self, BufWriter};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use consumer::ConsumerArgs;
use tokio::sync::Notify;
use windrow_connect::cloud::Environment;
use windrow_connect::signal::drain_on_signals;
use windrow_connect::terminal::{self, eprint_line};

/// The time limit for printing the current lines after a signal. A blocked terminal or pipe must
/// not delay the exit.
const DRAIN: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let args = ConsumerArgs::parse();
    let environment = Environment::from_iter(std::env::vars_os());
    terminal::log("warn");
    match run(&args, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint_line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(args: &ConsumerArgs, environment: &Environment) -> anyhow::Result<()> {
    let stop = Arc::new(Notify::new());
    let stopping = Arc::clone(&stop);
    drain_on_signals(
        DRAIN,
        move || stopping.notify_one(),
        |cut| format!("error: {cut}; the last line that was printed may be cut off"),
    )?;
    let output = BufWriter::new(terminal::output());
    tokio::select! {
        ended = consumer::run(args, environment, output, io::stderr()) => Ok(ended?),
        // The future yields only between pages, when every line is complete.
        () = stop.notified() => process::exit(0),
    }
}
