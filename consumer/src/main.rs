//! Prints a stream's readings as they arrive.

use std::io::{self, BufWriter, IsTerminal};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use consumer::{ConsumerArgs, ConsumerSurroundings};
use tokio::sync::Notify;
use windrow_connect::cloud::Environment;
use windrow_connect::signal::drain_on_signals;
use windrow_connect::terminal::{self, eprint_line};
use windrow_core::time::Timestamp;

/// The time limit for printing the current lines after a signal. A blocked terminal or pipe must
/// not delay the exit.
const DRAIN: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let args = ConsumerArgs::parse();
    let surroundings = ConsumerSurroundings {
        environment: Environment::from_iter(std::env::vars_os()),
        clock: now,
        is_watched: io::stderr().is_terminal(),
    };
    terminal::log("warn");
    match run(&args, &surroundings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint_line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(
    args: &ConsumerArgs,
    surroundings: &ConsumerSurroundings<impl Fn() -> Timestamp>,
) -> anyhow::Result<()> {
    let stop = Arc::new(Notify::new());
    let stopping = Arc::clone(&stop);
    drain_on_signals(
        DRAIN,
        move || stopping.notify_one(),
        |cut| format!("error: {cut}; the last line that was printed may be cut off"),
    )?;
    let output = BufWriter::new(terminal::output());
    tokio::select! {
        ended = consumer::run(args, surroundings, output, io::stderr()) => Ok(ended?),
        // The future yields only between pages, when every line is complete.
        () = stop.notified() => process::exit(0),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "`--from` may be an age, or a time in the future"
)]
fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
