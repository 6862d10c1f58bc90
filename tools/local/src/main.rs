//! Runs the Wild Rydes application in a local cloud until a signal stops it.

use std::process::ExitCode;

use clap::{Args as _, FromArgMatches as _};
use mimalloc::MiMalloc;
use sql::text::SqlFlags;
use windrow_connect::terminal::eprint_line;

/// A local cloud spends its time on small allocations; this allocator takes a quarter less time for
/// them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let matches = SqlFlags::augment_args(local::program().command()).get_matches();
    let flags = SqlFlags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match flags.sensor() {
        Ok(None) => local::program().run_with(&matches),
        Ok(Some(sensor)) => local::sql_program(sensor).run_with(&matches),
        Err(error) => {
            for line in format!("error: {error:#}").lines() {
                eprint_line(line);
            }
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_valid() {
        SqlFlags::augment_args(local::program().command()).debug_assert();
    }
}
