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
use windrow_connect::terminal::{self, tell};

/// How long a query may take to end after a signal: one in Athena is stopped there first, and a terminal
/// or a pipe that takes no more output must not hold up the end.
const GRACE: Duration = Duration::from_secs(3);

/// For statements that are nested deep; what is not used of it costs nothing. See [`query::sql`].
const STACK: usize = 256 * 1024 * 1024;

fn main() -> ExitCode {
    let program = thread::Builder::new().stack_size(STACK).spawn(start);
    let ended = program.map(|program| program.join());
    match ended {
        Ok(Ok(code)) => code,
        // A panic has told of itself.
        Ok(Err(_)) => ExitCode::FAILURE,
        Err(error) => {
            tell(&format!("error: there is no thread to be had: {error}"));
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
            tell(&format!("error: {:#}", anyhow::Error::new(error)));
            ExitCode::from(code)
        }
    }
}

fn run(args: &QueryArgs, environment: &Environment) -> Result<(), QueryError> {
    // Before a signal means anything but the end.
    let text = query::text(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build()?;
    let ended = runtime.block_on(run_until_interrupted(args, &text, environment));
    // A join that was interrupted may not look up for minutes.
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
