//! SQL over the archive of readings and the table of rows.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use query::{QueryArgs, QueryError, Terminal};
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::Environment;
use windrow_connect::signal::drain_on_signals;
use windrow_connect::terminal::{self, eprint_line};

/// The time limit for ending a query after a signal. A query in Athena is stopped there first, and
/// a blocked terminal or pipe must not delay the exit.
const GRACE: Duration = Duration::from_secs(3);

/// The stack size for deeply nested statements; unused stack costs nothing. See [`query::sql`].
const STACK: usize = 256 * 1024 * 1024;

fn main() -> ExitCode {
    let program = thread::Builder::new().stack_size(STACK).spawn(start);
    let ended = program.map(|program| program.join());
    match ended {
        Ok(Ok(code)) => code,
        // The panic has printed its message.
        Ok(Err(_)) => ExitCode::FAILURE,
        Err(error) => {
            eprint_line(&format!("error: cannot start a thread: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn start() -> ExitCode {
    let args = QueryArgs::parse();
    let environment = Environment::from_iter(std::env::vars_os());
    terminal::log("error");

    match run(&args, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            let code = match error {
                QueryError::Contradiction => 2,
                _ => 1,
            };
            eprint_line(&format!("error: {:#}", anyhow::Error::new(error)));
            ExitCode::from(code)
        }
    }
}

fn run(args: &QueryArgs, environment: &Environment) -> Result<(), QueryError> {
    // Read before signals are handled, so that Ctrl-C still ends the process.
    let text = query::text(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build()?;
    let ended = runtime.block_on(run_until_interrupted(args, &text, environment));
    // An interrupted join may not yield for minutes.
    runtime.shutdown_background();
    ended
}

async fn run_until_interrupted(
    args: &QueryArgs,
    text: &str,
    environment: &Environment,
) -> Result<(), QueryError> {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    drain_on_signals(
        GRACE,
        move || stopping.cancel(),
        |_| format!("error: {}", QueryError::Interrupted),
    )?;
    let terminal = Terminal {
        output: io::stdout().is_terminal(),
    };
    query::run(
        args,
        text,
        environment,
        terminal,
        &stop,
        terminal::output(),
        io::stderr(),
    )
    .await
}
