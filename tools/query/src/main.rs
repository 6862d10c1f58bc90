//! SQL over the archive of the fleet's readings and the table of its rows.

use std::process::ExitCode;

use query::wild_rydes;

fn main() -> ExitCode {
    wild_rydes::program().main()
}
