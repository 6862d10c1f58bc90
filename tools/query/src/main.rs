//! SQL over the archive of the fleet's readings and the table of its rows, or over those of a Kinesis
//! SQL application.

use std::process::ExitCode;

use clap::FromArgMatches as _;
use query::{QueryProgram, kinesis_sql, wild_rydes};
use sql::text::{SqlFlags, fail, with_flags};
use unicorn::sensor::Unicorn;

const ABOUT: &str = "SQL over the archive of readings and the table of rows: those of the Wild Rydes fleet, or with \
                     --sql those of a Kinesis SQL application";

const SQL_EXAMPLES: &str = "\
With --sql, the tables are those of the application: its readings, one table per output stream, the
parts that these are computed of, and the rejects.
  query --sql ticker.sql --schema schema.json \"SHOW TABLES\"
  query --sql ticker.sql --schema schema.json 'SELECT * FROM \"TRADES_PER_TICKER\"'";

fn fleet() -> QueryProgram<Unicorn> {
    let program = wild_rydes::program();
    QueryProgram {
        about: ABOUT.to_owned(),
        examples: [program.examples.as_str(), SQL_EXAMPLES].join("\n\n"),
        ..program
    }
}

fn main() -> ExitCode {
    let matches = with_flags::<SqlFlags>(fleet().command()).get_matches();
    let flags = SqlFlags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match flags.sensor() {
        Ok(None) => fleet().run_with(&matches),
        Ok(Some(sensor)) => kinesis_sql::program(sensor).run_with(&matches),
        Err(error) => fail(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_valid() {
        with_flags::<SqlFlags>(fleet().command()).debug_assert();
    }

    #[test]
    fn help_says_that_it_works_for_other_applications() {
        let help = with_flags::<SqlFlags>(fleet().command()).render_help();
        let help = help.to_string();
        assert!(help.starts_with("SQL over the archive"), "{help}");
        assert!(help.contains("a Kinesis SQL application"), "{help}");
        assert!(help.contains("query --sql ticker.sql"), "{help}");
    }
}
