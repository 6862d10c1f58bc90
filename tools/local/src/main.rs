//! Runs the Wild Rydes application, or that of a template, in a local cloud until a signal stops it.

use std::process::ExitCode;

use clap::FromArgMatches as _;
use local::stack::StackFlags;
use mimalloc::MiMalloc;
use sql::text::{SqlFlags, fail, with_flags};
use unicorn::sensor::Unicorn;
use windrow_pipeline::LocalProgram;

/// A local cloud spends its time on small allocations; this allocator takes a quarter less time for
/// them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    use_small_pages();
    let program = match local::program() {
        Ok(program) => program,
        Err(error) => return fail(&error.into()),
    };
    let matches = command(&program).get_matches();
    let stack = StackFlags::of(&matches).unwrap_or_else(|error| error.exit());
    if let Some(ended) = stack.run(&matches) {
        return ended;
    }
    let flags = SqlFlags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let sensor = match flags.sensor() {
        Ok(sensor) => sensor,
        Err(error) => return fail(&error),
    };
    let Some(sensor) = sensor else {
        return program.run_with(&matches);
    };
    match local::sql_program(sensor, &flags) {
        Ok(program) => program.run_with(&matches),
        Err(error) => fail(&error),
    }
}

/// With the system's large pages, the allocator keeps three times as much memory. They would save a
/// tenth of the CPU time, which a server that is mostly idle does not need.
#[cfg(target_os = "linux")]
fn use_small_pages() {
    // An old system does not know the call. It only takes more memory.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

fn command(program: &LocalProgram<Unicorn>) -> clap::Command {
    with_flags::<StackFlags>(with_flags::<SqlFlags>(program.command()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_valid() {
        command(&local::program().unwrap()).debug_assert();
    }
}
