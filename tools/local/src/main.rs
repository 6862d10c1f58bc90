//! Runs the Wild Rydes application in a local cloud until a signal stops it.

use std::process::ExitCode;

use clap::FromArgMatches as _;
use mimalloc::MiMalloc;
use sql::text::{SqlFlags, fail, with_flags};

/// A local cloud spends its time on small allocations; this allocator takes a quarter less time for
/// them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let matches = with_flags::<SqlFlags>(local::program().command()).get_matches();
    let flags = SqlFlags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let sensor = match flags.sensor() {
        Ok(sensor) => sensor,
        Err(error) => return fail(&error),
    };
    let Some(sensor) = sensor else {
        return local::program().run_with(&matches);
    };
    match local::sql_program(sensor, &flags) {
        Ok(program) => program.run_with(&matches),
        Err(error) => fail(&error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_valid() {
        with_flags::<SqlFlags>(local::program().command()).debug_assert();
    }
}
