//! The audit as a program.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgMatches, FromArgMatches as _};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::Environment;
use windrow_connect::signal::drain_on_signals;
use windrow_connect::terminal::{self, eprint_line, printable};
use windrow_core::sensor::Sensor;

use crate::args::AuditArgs;
use crate::error::AuditError;
use crate::program::AuditProgram;
use crate::run::run;

/// The time limit for printing where to continue after a signal.
const GRACE: Duration = Duration::from_secs(3);

/// The whole `main` function of the audit of a sensor whose stream and table are called `name`
/// ([`AuditProgram::new`]). It takes a sensor as it is made, and prints what is wrong with it.
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
///     audit::main(sensor, "thermometer")
/// }
/// ```
pub fn main<S: Sensor, E: Into<anyhow::Error>>(sensor: Result<S, E>, name: &str) -> ExitCode {
    match sensor {
        Ok(sensor) => AuditProgram::new(sensor, name).main(),
        Err(error) => fail(error.into()),
    }
}

impl<S: Sensor> AuditProgram<S> {
    /// Parses the command line and audits: the whole `main` function.
    pub fn main(self) -> ExitCode {
        let matches = self.command().get_matches();
        self.run_with(&matches)
    }

    /// Audits with a command line that was parsed by [`command`](Self::command), to which a program
    /// may add arguments of its own.
    pub fn run_with(self, matches: &ArgMatches) -> ExitCode {
        let args = AuditArgs::from_arg_matches(matches).unwrap_or_else(|error| error.exit());
        if args.is_reversed() {
            let problem = "--from is not before --to";
            let mut command = self.command();
            command.error(ErrorKind::ValueValidation, problem).exit();
        }
        terminal::log("error");
        let runtime = match Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => return fail(error.into()),
        };
        match runtime.block_on(self.audit(&args)) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => fail(error.into()),
        }
    }

    async fn audit(&self, args: &AuditArgs) -> Result<bool, AuditError> {
        let environment = Environment::from_iter(std::env::vars_os());
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        drain_on_signals(
            GRACE,
            move || stopping.cancel(),
            |cut| format!("error: {cut}"),
        )?;
        run(
            self,
            args,
            &environment,
            &stop,
            terminal::output(),
            io::stderr(),
        )
        .await
    }
}

fn fail(error: anyhow::Error) -> ExitCode {
    let error = format!("{error:#}");
    eprint_line(&format!("error: {}", printable(&error)));
    ExitCode::FAILURE
}
