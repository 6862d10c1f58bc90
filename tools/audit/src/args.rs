//! The command line.

use std::time::Duration;

use clap::Parser;
use windrow_connect::cloud::TargetArgs;
use windrow_core::time::Timestamp;

use crate::report::AuditFormat;
use crate::windows::WindowBy;

const EXAMPLES: &str = "\
Examples:
  audit                                             every window that the stream still has
  audit --from '2026-11-20 09:00:00' --to '2026-11-20 10:00:00'
  audit --target aws --region us-east-1 --expire-after-days 30
  audit --window 2s --settle 5s                     a local cloud with windows of 2 s
  audit --window-time event                         where WINDOW_TIME is `event`
  audit --format jsonl | jq 'select(.Kind == \"Missing\")'

Differences:
  no row                      the log has readings, and the table has no row
  30 readings missing         the rows have fewer readings than the log
  2 readings counted twice    they have more: where a reading is sent twice, the first may be gone
                              from the dedup cache (evicted, or the window ended early)
  rows changed                they have as many readings, but other measures
  rows of no reading in the log
  the item ... is not a row   its hash is wrong, so it is not what was written

The audit reads at most two pages and 0.9 MB per second of each shard, so that the functions and
consumers keep the rest of its limits. It queries the table once per key and chunk, and scans it
once for keys that the log does not have; --no-scan leaves that out.

Windows that the stream's retention has cut, or whose rows have expired, are not audited. An
interrupted audit prints where to continue.

Differences go to standard output, the result of --format table too; everything else goes to
standard error. Exits with 0 if all windows agree; with 1 if one differs, or if the audit did not
complete; with 2 for bad usage.";

/// Folds the log of readings again and compares every window with the table's rows.
#[derive(Clone, Debug, Parser)]
#[command(name = "audit", version, about, long_about = None, after_help = EXAMPLES)]
pub struct AuditArgs {
    /// Stream of readings. Repeat it if several streams fill the table
    #[arg(
        long = "stream",
        value_name = "NAME",
        value_parser = windrow_connect::stream::parse_name
    )]
    pub streams: Vec<String>,

    /// DynamoDB table of rows
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,

    /// First window, as 2026-11-20T09:17:00+01:00 or "2026-11-20 09:17:00" in UTC [default: the
    /// first that the stream has whole]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub from: Option<Timestamp>,

    /// End of the last window [default: the last that has settled]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub to: Option<Timestamp>,

    /// Length of a window: whole seconds, from 1s to 15m
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = windrow_connect::duration::parse_window
    )]
    pub window: Duration,

    /// What decides the window of a reading, as the aggregator's WINDOW_TIME
    #[arg(long, value_enum, default_value_t = WindowBy::Arrival)]
    pub window_time: WindowBy,

    /// How long ago a window must have ended for its rows to be in the table
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2m",
        value_parser = windrow_connect::duration::parse
    )]
    pub settle: Duration,

    /// Audit this much of the log at a time. Memory grows with it, up to a million keys times
    /// windows
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1h",
        value_parser = windrow_connect::duration::parse
    )]
    pub chunk: Duration,

    /// Do not look for rows of keys that the log does not have, which reads the whole table
    #[arg(long)]
    pub no_scan: bool,

    /// How long rows live, as the processor's EXPIRE_AFTER_DAYS. Windows whose rows have expired are
    /// not audited [default: what most rows say]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    pub expire_after_days: Option<u32>,

    /// How to print differences
    #[arg(long, value_enum, default_value_t = AuditFormat::Table)]
    pub format: AuditFormat,

    /// Which cloud to read from.
    #[command(flatten)]
    pub target: TargetArgs,
}

fn parse_time(text: &str) -> Result<Timestamp, InvalidTimeFlag> {
    text.parse().map_err(|_| InvalidTimeFlag)
}

/// Text that is not a time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not a real time like 2026-11-20T09:17:00+01:00 or \"2026-11-20 09:17:00\"")]
struct InvalidTimeFlag;

impl AuditArgs {
    /// Whether `--from` is not before `--to`, which is a mistake.
    pub fn is_reversed(&self) -> bool {
        self.from.zip(self.to).is_some_and(|(from, to)| from >= to)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<AuditArgs, clap::Error> {
        AuditArgs::try_parse_from([&["audit"], arguments].concat())
    }

    #[test]
    fn command_line_is_valid() {
        AuditArgs::command().debug_assert();
        let args = parse(&[]).unwrap();
        assert!(args.streams.is_empty() && args.table.is_none());
        let args = parse(&["--stream", "a", "--stream", "b"]).unwrap();
        assert_eq!(args.streams, ["a", "b"]);
    }

    #[test]
    fn invalid_arguments_are_rejected() {
        for arguments in [
            &["--from", "yesterday"][..],
            &["--window", "500ms"],
            &["--window-time", "sometime"],
            &["--settle", "-1s"],
            &["--format", "xml"],
            &["--stream", "no stream"],
            &["--expire-after-days", "0"],
        ] {
            let error = parse(arguments).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{arguments:?}");
        }
        let (early, late) = ("2026-11-20 09:17:00", "2026-11-20T10:18:00+01:00");
        let is_reversed = |from, to| parse(&["--from", from, "--to", to]).unwrap().is_reversed();
        assert!(!is_reversed(early, late));
        assert!(is_reversed(late, early) && is_reversed(early, early));
    }
}
