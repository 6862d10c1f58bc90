//! The command line, as typed.

use std::path::PathBuf;

use clap::Parser;
use windrow_connect::cloud::TargetArgs;

use crate::output::RecomputeFormat;

/// Recomputes windows, by the readings' own time, from the archive of raw readings.
#[derive(Clone, Debug, Parser)]
#[command(name = "recompute", version)]
pub struct RecomputeArgs {
    /// Folders and files of JSON lines, plain or gzipped. Hidden and unfinished files in folders
    /// are skipped: names that start with `.` or `_` or end with `.tmp`
    #[arg(required = true, value_name = "ARCHIVE_DIR")]
    pub archive: Vec<PathBuf>,

    /// Number of threads for reading and printing [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,

    /// How to print rows to standard output [default: table, or nothing with --table]
    #[arg(long, value_enum)]
    pub format: Option<RecomputeFormat>,

    /// Length of a window: whole seconds from 1s to 24h, as in 60s, 5m or 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_window)]
    pub window: u32,

    /// Also write the rows to this DynamoDB table. It must exist, have the same key as the
    /// pipeline's table, and hold only rows of earlier runs. The pipeline's own table is rejected
    #[arg(long, value_name = "NAME", value_parser = parse_table)]
    pub table: Option<String>,

    /// Which cloud has the table.
    #[command(flatten)]
    pub target: TargetArgs,
}

impl RecomputeArgs {
    /// Whether something is asked for that only rows of the schema have.
    pub(crate) fn has_other_output(&self) -> bool {
        self.format.is_some() || self.table.is_some() || self.window != DEFAULT_WINDOW
    }

    /// How to print rows; `None` to print nothing.
    pub fn format(&self) -> Option<RecomputeFormat> {
        match self.table {
            None => Some(self.format.unwrap_or_default()),
            Some(_) => self.format,
        }
    }
}

/// The default length of a window, in seconds.
const DEFAULT_WINDOW: u32 = 60;

/// Parses the length of a window, in seconds.
fn parse_window(text: &str) -> Result<u32, String> {
    const LONGEST: u32 = 24 * 60 * 60;
    let factor = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<u32> = number.parse().ok().filter(|_| is_number);
    number
        .and_then(|number| number.checked_mul(factor))
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .ok_or_else(|| "must be whole seconds from 1s to 24h, as in 60s, 5m or 1h".to_owned())
}

/// Parses a table's name: 3 to 255 characters of `a-zA-Z0-9_.-` (CreateTable, API reference). ARNs
/// are rejected, since they could name the pipeline's table undetected.
fn parse_table(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if (3..=255).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err("must have 3 to 255 characters of a-z, A-Z, 0-9, `_`, `.` and `-`".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<RecomputeArgs, clap::Error> {
        RecomputeArgs::try_parse_from([&["recompute", "archive"], arguments].concat())
    }

    #[test]
    fn command_line_is_valid() {
        RecomputeArgs::command().debug_assert();
    }

    #[test]
    fn window_is_in_whole_seconds() {
        for (text, seconds) in [("1s", 1), ("60s", 60), ("5m", 300), ("24h", 86_400)] {
            assert_eq!(parse(&["--window", text]).unwrap().window, seconds);
        }
        for text in [
            "",
            "s",
            "60",
            "0s",
            "-1s",
            "+1s",
            "500ms",
            "25h",
            "1é",
            "9999999999h",
        ] {
            assert!(parse(&["--window", text]).is_err(), "{text}");
        }
    }

    #[test]
    fn rows_are_printed_unless_written_to_a_table() {
        for (arguments, format) in [
            (&[][..], Some(RecomputeFormat::Table)),
            (&["--format", "csv"], Some(RecomputeFormat::Csv)),
            (&["--table", "Recomputed"], None),
            (
                &["--table", "Recomputed", "--format", "lines"],
                Some(RecomputeFormat::Lines),
            ),
        ] {
            assert_eq!(parse(arguments).unwrap().format(), format, "{arguments:?}");
        }
    }

    #[test]
    fn invalid_arguments_are_rejected() {
        let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/UnicornSensorData";
        for arguments in [
            &["--threads", "0"][..],
            &["--table", "ab"],
            &["--table", arn],
        ] {
            let error = parse(arguments).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{arguments:?}");
        }
        assert!(RecomputeArgs::try_parse_from(["recompute"]).is_err());
    }
}
