//! Recomputes every unicorn's windows from the archive.

use std::process::ExitCode;

use clap::{Args, FromArgMatches as _};
use mimalloc::MiMalloc;
use recompute::RecomputeProgram;
use sql::text::{SqlFlags, fail, with_flags};
use unicorn::sensor::Unicorn;
use windrow_sql::sensor::SqlSensor;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The default table of the pipeline.
const LIVE_TABLE: &str = "UnicornSensorData";

const EXAMPLES: &str = "\
Examples:
  recompute .wildrydes/archive/wildrydes                      the local cloud's archive
  recompute .wildrydes/archive/wildrydes/2026/11/20 --window 1h
  aws s3 sync s3://BUCKET/wildrydes/ archive && recompute archive --format lines > minutes.jsonl
  recompute archive --table Recomputed --target aws --region us-east-1
  recompute archive --sql ticker.sql --schema schema.json --rowtime TRADE_TIME

Of several readings with the same Name and StatusTime, the first counts, in the order of the files'
paths and of the lines in a file.";

/// The flags for a Kinesis SQL application.
#[derive(Debug, Args)]
struct SqlArchiveFlags {
    #[command(flatten)]
    flags: SqlFlags,

    /// With `--sql`: the TIMESTAMP column that stands for ROWTIME, since an archive does not say when
    /// a reading arrived. Prints the finished rows as JSON lines
    #[arg(
        long,
        value_name = "COLUMN",
        requires = "sql_text",
        help_heading = "Kinesis SQL"
    )]
    rowtime: Option<String>,
}

impl SqlArchiveFlags {
    fn program(&self) -> anyhow::Result<Option<RecomputeProgram<SqlSensor>>> {
        let Some(sensor) = self.flags.sensor()? else {
            return Ok(None);
        };
        let Some(rowtime) = &self.rowtime else {
            anyhow::bail!(
                "--sql needs --rowtime: the column with the time that decides the window"
            );
        };
        Ok(Some(recompute::sql::program(
            sensor.with_rowtime(rowtime)?,
        )?))
    }
}

const ABOUT: &str = "Recomputes windows from the archive of raw readings: every unicorn's by StatusTime, or with --sql \
                     those of a Kinesis SQL application";

fn main() -> ExitCode {
    let unicorns = unicorns();
    let matches = with_flags::<SqlArchiveFlags>(unicorns.command()).get_matches();
    let flags = SqlArchiveFlags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match flags.program() {
        Ok(None) => unicorns.run_with(&matches),
        Ok(Some(program)) => program.run_with(&matches),
        Err(error) => fail(&error),
    }
}

fn unicorns() -> RecomputeProgram<Unicorn> {
    RecomputeProgram {
        about: ABOUT.to_owned(),
        examples: EXAMPLES.to_owned(),
        ..RecomputeProgram::new(Unicorn, LIVE_TABLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_valid() {
        with_flags::<SqlArchiveFlags>(unicorns().command()).debug_assert();
    }
}
