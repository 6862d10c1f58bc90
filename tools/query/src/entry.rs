//! The program as a whole `main` function.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{ArgMatches, FromArgMatches as _};
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::Environment;
use windrow_connect::signal::drain_on_signals;
use windrow_connect::terminal::{self, eprint_line, printable};
use windrow_core::sensor::{DeclaredSensor, Sensor};

use crate::args::QueryArgs;
use crate::program::QueryProgram;
use crate::{QueryError, Terminal};

/// The time limit for ending a query after a signal. A query in Athena is stopped there first, and
/// a blocked terminal or pipe must not delay the exit.
const GRACE: Duration = Duration::from_secs(3);

/// The stack size for deeply nested statements; unused stack costs nothing. See [`crate::sql`].
const STACK: usize = 256 * 1024 * 1024;

/// The whole `main` function for the sensor of the application called `name`
/// ([`QueryProgram::new`]). It takes a sensor as it is made, and prints what is wrong with it.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use windrow_core::sensor::{Aggregation, DeclaredSensor, Field};
/// use windrow_core::value::{ColumnType, NumberType};
///
/// fn main() -> ExitCode {
///     let celsius = ColumnType::Number(NumberType::decimal(2));
///     let sensor = DeclaredSensor::new(vec![
///         Field::new("Room", ColumnType::Text).key(),
///         Field::new("Celsius", celsius).measure("Highest", Aggregation::Max),
///     ]);
///     query::main(sensor, "thermometer")
/// }
/// ```
pub fn main<E: Into<anyhow::Error>>(sensor: Result<DeclaredSensor, E>, name: &str) -> ExitCode {
    match sensor {
        Ok(sensor) => QueryProgram::new(sensor, name).main(),
        Err(error) => fail(&error.into()),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprint_line(&format!("error: {}", printable(&format!("{error:#}"))));
    ExitCode::FAILURE
}

impl<S: Sensor> QueryProgram<S> {
    /// Parses the command line and runs: the whole `main` function.
    pub fn main(self) -> ExitCode {
        let matches = self.command().get_matches();
        self.run_with(&matches)
    }

    /// Runs with a command line that was parsed by [`command`](Self::command), to which a program
    /// may add arguments of its own.
    pub fn run_with(self, matches: &ArgMatches) -> ExitCode {
        let args = QueryArgs::from_arg_matches(matches).unwrap_or_else(|error| error.exit());
        let program = thread::Builder::new().stack_size(STACK);
        match program
            .spawn(move || self.start(&args))
            .map(|program| program.join())
        {
            Ok(Ok(code)) => code,
            // The panic has printed its message.
            Ok(Err(_)) => ExitCode::FAILURE,
            Err(error) => {
                eprint_line(&format!("error: cannot start a thread: {error}"));
                ExitCode::FAILURE
            }
        }
    }

    fn start(&self, args: &QueryArgs) -> ExitCode {
        let environment = Environment::from_iter(std::env::vars_os());
        terminal::log("error");
        match self.run(args, &environment) {
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

    fn run(&self, args: &QueryArgs, environment: &Environment) -> Result<(), QueryError> {
        // Read before signals are handled, so that Ctrl-C still ends the process.
        let text = crate::text(args)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_stack_size(STACK)
            .build()?;
        let ended = runtime.block_on(self.run_until_interrupted(args, &text, environment));
        // An interrupted join may not yield for minutes.
        runtime.shutdown_background();
        ended
    }

    async fn run_until_interrupted(
        &self,
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
        crate::run(
            self,
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
}
