//! SQL over the archive of the fleet's readings and the table of its rows, or over those of a Kinesis
//! SQL application.

use std::process::ExitCode;

use clap::FromArgMatches as _;
use query::{kinesis_sql, wild_rydes};
use sql::text::{SqlFlags, fail, with_flags};

fn main() -> ExitCode {
    let matches = with_flags::<SqlFlags>(wild_rydes::program().command()).get_matches();
    let flags = SqlFlags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match flags.sensor() {
        Ok(None) => wild_rydes::program().run_with(&matches),
        Ok(Some(sensor)) => kinesis_sql::program(sensor).run_with(&matches),
        Err(error) => fail(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_valid() {
        with_flags::<SqlFlags>(wild_rydes::program().command()).debug_assert();
    }
}
