//! Logs, messages and output of a command line, which may have no terminal or lose it.

use std::io::{self, IsTerminal, Stdout, Write};

use tracing_subscriber::EnvFilter;

/// The error of writing to a closed terminal, which is EIO (5) on every Unix. Other systems use
/// this number for another error.
#[cfg(unix)]
const CLOSED_TERMINAL: Option<i32> = Some(5);
#[cfg(not(unix))]
const CLOSED_TERMINAL: Option<i32> = None;

/// The SDK logs these errors of a profile and of an instance's metadata, and returns them too.
const RETURNED: &str = "aws_config::profile::credentials=off,aws_config::imds=off,\
                        aws_config::meta::credentials::chain=off";

/// Logs to standard error, with the filter in `RUST_LOG`, or `default`, such as `warn`, if that is
/// not set.
///
/// Log lines are colored only on a terminal, and only if `NO_COLOR` is not set. Errors writing them
/// are ignored. Does nothing if the process already has a subscriber.
pub fn log(default: &str) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{default},{RETURNED}")));
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && !no_color)
        // Reporting internal errors would panic if standard error is closed.
        .log_internal_errors(false);
    let _ = subscriber.try_init();
}

/// Writes a line to standard error. Ignores errors, for example if it is closed.
pub fn eprint_line(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The text with control characters replaced, so that it cannot control the terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(printable_char).collect()
}

/// The character, or a replacement if it is a control character.
pub fn printable_char(character: char) -> char {
    if character.is_control() {
        char::REPLACEMENT_CHARACTER
    } else {
        character
    }
}

/// The count and the noun, in the plural unless the count is 1: `1 reading`, `2 readings`.
pub fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// Standard output. On Unix, writing to a terminal that was closed returns a broken pipe error.
pub fn output() -> TerminalOutput {
    TerminalOutput {
        // A closed terminal no longer counts as one, so this must be checked now.
        is_terminal: io::stdout().is_terminal(),
        stdout: io::stdout(),
    }
}

/// The standard output returned by [`output`].
#[derive(Debug)]
pub struct TerminalOutput {
    is_terminal: bool,
    stdout: Stdout,
}

impl TerminalOutput {
    fn map_error(&self, error: io::Error) -> io::Error {
        let code = error.raw_os_error();
        if self.is_terminal && code.is_some() && code == CLOSED_TERMINAL {
            return io::Error::new(io::ErrorKind::BrokenPipe, error);
        }
        error
    }
}

impl Write for TerminalOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stdout
            .write(bytes)
            .map_err(|error| self.map_error(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush().map_err(|error| self.map_error(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        assert_eq!(counted(0, "row"), "0 rows");
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(2, "row"), "2 rows");
    }

    #[cfg(unix)]
    #[test]
    fn eio_is_a_broken_pipe_only_on_a_terminal() {
        const EIO: i32 = 5;
        for (is_terminal, kind) in [
            (true, io::ErrorKind::BrokenPipe),
            // A failing disk.
            (false, io::Error::from_raw_os_error(EIO).kind()),
        ] {
            let stdout = io::stdout();
            let output = TerminalOutput {
                is_terminal,
                stdout,
            };
            let error = output.map_error(io::Error::from_raw_os_error(EIO));
            assert_eq!(error.kind(), kind);
        }
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(output().map_error(full).kind(), io::ErrorKind::StorageFull);
    }
}
