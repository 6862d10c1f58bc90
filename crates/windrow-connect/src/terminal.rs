//! The terminal that a command line has, or has not, or loses: log lines, notes and output.

use std::io::{self, IsTerminal, Stdout, Write};

use tracing_subscriber::EnvFilter;

/// What an operating system says of a terminal that was closed, EIO on every Unix.
const INPUT_OUTPUT_ERROR: i32 = 5;

/// Logs to the standard error what `RUST_LOG` asks for; where it asks for nothing, what `default` does,
/// such as `warn`.
///
/// Log lines are coloured on a terminal only, and not where `NO_COLOR` is set. A standard error that is
/// gone is no reason to end. Does nothing where the process logs already.
pub fn log(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && !no_color)
        // It would panic where the standard error is gone.
        .log_internal_errors(false);
    let _ = subscriber.try_init();
}

/// Writes a line to the standard error. One that is gone changes nothing.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The standard output, where a terminal that was closed is a broken pipe: nobody reads any more.
pub fn output() -> TerminalOutput {
    TerminalOutput {
        // One that was closed no longer says that it is a terminal.
        is_terminal: io::stdout().is_terminal(),
        stdout: io::stdout(),
    }
}

/// What [`output`] gives.
#[derive(Debug)]
pub struct TerminalOutput {
    is_terminal: bool,
    stdout: Stdout,
}

impl TerminalOutput {
    fn named(&self, error: io::Error) -> io::Error {
        if self.is_terminal && error.raw_os_error() == Some(INPUT_OUTPUT_ERROR) {
            return io::Error::new(io::ErrorKind::BrokenPipe, error);
        }
        error
    }
}

impl Write for TerminalOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stdout.write(bytes).map_err(|error| self.named(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush().map_err(|error| self.named(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_is_closed() {
        for (is_terminal, kind) in [
            (true, io::ErrorKind::BrokenPipe),
            // A disk that fails.
            (
                false,
                io::Error::from_raw_os_error(INPUT_OUTPUT_ERROR).kind(),
            ),
        ] {
            let stdout = io::stdout();
            let output = TerminalOutput {
                is_terminal,
                stdout,
            };
            let error = output.named(io::Error::from_raw_os_error(INPUT_OUTPUT_ERROR));
            assert_eq!(error.kind(), kind);
        }
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(output().named(full).kind(), io::ErrorKind::StorageFull);
    }
}
