//! Folds the log of readings again and compares every window with the table's rows: the audit of the
//! Wild Rydes fleet, or of a Kinesis SQL application.

use std::process::ExitCode;
use std::time::Duration;

use audit::AuditProgram;
use clap::{Command, FromArgMatches as _};
use sql::text::{SqlFlags, fail, with_flags};
use unicorn::sensor::Unicorn;
use windrow_sql::sensor::SqlSensor;

const ABOUT: &str = "Folds the log of readings again and compares every window with the table's rows: those of the Wild \
                     Rydes fleet, or with --sql those of a Kinesis SQL application";

fn main() -> ExitCode {
    let unicorns = unicorns();
    let matches = command(&unicorns).get_matches();
    let flags = SqlFlags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match flags.sensor() {
        Ok(None) => unicorns.run_with(&matches),
        Ok(Some(sensor)) if sensor.application().pumps().is_empty() => {
            let reason = "the application has no windows, so there are no rows to audit";
            fail(&anyhow::anyhow!(reason))
        }
        Ok(Some(sensor)) => application(sensor).run_with(&matches),
        Err(error) => fail(&error),
    }
}

fn command(unicorns: &AuditProgram<Unicorn>) -> Command {
    with_flags::<SqlFlags>(unicorns.command().about(ABOUT))
}

fn unicorns() -> AuditProgram<Unicorn> {
    AuditProgram {
        table: "UnicornSensorData".to_owned(),
        ..AuditProgram::new(Unicorn, "wildrydes")
    }
}

/// The audit of a SQL application, with the names that `local --sql` has.
fn application(sensor: SqlSensor) -> AuditProgram<SqlSensor> {
    let pumps = sensor.application().pumps().iter();
    let lengths = pumps.map(|pump| Duration::from_secs(pump.window_seconds().into()));
    AuditProgram {
        own_windows: lengths.collect(),
        table: "sql".to_owned(),
        ..AuditProgram::new(sensor, "wildrydes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_valid() {
        let mut command = command(&unicorns());
        let help = command.render_help().to_string();
        assert!(help.contains("a Kinesis SQL application"), "{help}");
        command.debug_assert();
    }
}
