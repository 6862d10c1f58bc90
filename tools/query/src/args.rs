//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgGroup, Parser, ValueEnum};
use windrow_connect::cloud::TargetArgs;

/// Where the local cloud keeps its data, unless told otherwise.
pub const DATA_DIR: &str = ".wildrydes";

const EXAMPLES: &str = "\
Tables (DESCRIBE tells their columns; case does not matter in names):
  wildrydes   readings, from the archive
  summary     every unicorn's minutes, from the table UnicornSensorData, merged
  rejects     what was rejected, with the reason

Examples:
  query \"SELECT * FROM wildrydes\"
  query \"SELECT Name, count(*), sum(Distance) FROM wildrydes GROUP BY Name\"
  query \"SELECT * FROM wildrydes WHERE HealthPoints < 100 OR MagicPoints < 100\"
  query \"SELECT * FROM wildrydes WHERE StatusTime >= TIMESTAMP '2026-11-20 09:17:00'\"
  query \"SELECT count(*) FROM wildrydes WHERE day = '2026/11/20'\"        reads that day only
  query \"SELECT * FROM summary WHERE Name = 'Shadowfax' ORDER BY StatusTime\"
  query \"SELECT Reason, count(*) FROM rejects GROUP BY Reason\"
  query --format lines \"SELECT * FROM wildrydes\" | jq .Distance
  query --file track.sql --format csv > track.csv
  query --target aws \"SELECT * FROM wildrydes LIMIT 10\"                 in Athena

Here Distance is exact, to the micrometre; in Athena's view of the archive it is a double. A reading
that was sent twice is in the archive twice, and in `summary` once.

The readings go to standard output, everything else to standard error. Ends with 0, also when nobody
reads its output any more; with 1 for bad SQL, where there is nothing to read and on Ctrl-C, which
stops the query on AWS too; with 2 for bad usage.";

/// SQL over the archive of readings and the table of rows.
#[derive(Clone, Debug, Parser)]
#[command(name = "query", version, about, long_about = None, after_help = EXAMPLES)]
#[command(group = ArgGroup::new("statement").required(true).args(["sql", "file"]))]
#[command(group = ArgGroup::new("here").multiple(true).args(["data_dir", "archive"]))]
pub struct QueryArgs {
    /// The query; `-` reads it from standard input
    pub sql: Option<String>,

    /// Read the query from a file
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// How to print what comes out
    #[arg(long, value_enum, default_value_t = QueryFormat::Table)]
    pub format: QueryFormat,

    /// Print at most this many rows [default: 100 as a table, or else all]
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroUsize>,

    /// Where the local cloud keeps its data [default: .wildrydes]
    #[arg(long, value_name = "DIR", help_heading = "Here")]
    pub data_dir: Option<PathBuf>,

    /// Where the archive lies, as the bucket has it: folders wildrydes and wildrydes-rejects, files
    /// plain or gzip [default: archive in the data directory]
    #[arg(long, value_name = "DIR", help_heading = "Here")]
    pub archive: Option<PathBuf>,

    /// Memory that sorting, grouping and joining may take, in MiB; beyond it they go on in
    /// temporary files, or end with an error where they cannot
    #[arg(
        long,
        value_name = "MIB",
        default_value = "1024",
        help_heading = "Here"
    )]
    pub memory: NonZeroUsize,

    /// Athena workgroup
    #[arg(
        long,
        value_name = "NAME",
        default_value = "wildrydes",
        help_heading = "Target"
    )]
    pub workgroup: String,

    /// Athena database
    #[arg(
        long,
        value_name = "NAME",
        default_value = "wildrydes",
        help_heading = "Target"
    )]
    pub database: String,

    /// DynamoDB table of rows
    #[arg(
        long,
        value_name = "NAME",
        default_value = "UnicornSensorData",
        help_heading = "Target"
    )]
    pub table: String,

    /// Which cloud to ask; a data directory or an archive that is given is asked in any case.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum QueryFormat {
    /// In aligned columns
    Table,
    /// Values between commas, a line of headings first
    Csv,
    /// One JSON object a line
    Lines,
}

/// The rows of a table that are printed unless told otherwise.
const TABLE_ROWS: usize = 100;

impl QueryArgs {
    /// The most rows to print, or none for all.
    pub fn most_rows(&self) -> Option<usize> {
        match (self.limit, self.format) {
            (Some(limit), _) => Some(limit.get()),
            (None, QueryFormat::Table) => Some(TABLE_ROWS),
            (None, QueryFormat::Csv | QueryFormat::Lines) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<QueryArgs, clap::Error> {
        QueryArgs::try_parse_from([&["query"], arguments].concat())
    }

    #[test]
    fn the_command_line_holds_together() {
        QueryArgs::command().debug_assert();
    }

    #[test]
    fn there_is_one_query_and_a_limit_is_at_least_one() {
        for arguments in [
            &[][..],
            &["SELECT 1", "SELECT 2"],
            &["SELECT 1", "--file", "x.sql"],
            &["SELECT 1", "--limit", "0"],
            &["SELECT 1", "--memory", "0"],
            &["SELECT 1", "--format", "xml"],
        ] {
            assert_eq!(
                parse(arguments).unwrap_err().exit_code(),
                2,
                "{arguments:?}"
            );
        }
        parse(&["--file", "x.sql"]).unwrap();
    }

    #[test]
    fn a_table_has_100_rows_and_the_rest_all() {
        let most = |arguments: &[&str]| parse(arguments).unwrap().most_rows();
        assert_eq!(most(&["SELECT 1"]), Some(100));
        assert_eq!(most(&["SELECT 1", "--limit", "7"]), Some(7));
        assert_eq!(most(&["SELECT 1", "--format", "csv"]), None);
        assert_eq!(
            most(&["SELECT 1", "--format", "lines", "--limit", "7"]),
            Some(7)
        );
    }
}
