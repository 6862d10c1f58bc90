//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgGroup, Parser, ValueEnum};
use windrow_connect::cloud::TargetArgs;

/// SQL over the archive of readings and the table of rows.
#[derive(Clone, Debug, Parser)]
#[command(name = "query", version, about, long_about = None)]
#[command(group = ArgGroup::new("statement").required(true).args(["sql", "file"]))]
#[command(group = ArgGroup::new("here").multiple(true).args(["data_dir", "archive"]))]
pub struct QueryArgs {
    /// The query; `-` reads it from standard input
    pub sql: Option<String>,

    /// Read the query from a file
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// How to print the rows
    #[arg(long, value_enum, default_value_t = QueryFormat::Table)]
    pub format: QueryFormat,

    /// Print at most this many rows [default: 100 as a table, otherwise all]
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroUsize>,

    /// Data directory of the local cloud
    #[arg(long, value_name = "DIR", help_heading = "Local")]
    pub data_dir: Option<PathBuf>,

    /// Folder of the archive, laid out like the bucket [default: archive in the data directory]
    #[arg(long, value_name = "DIR", help_heading = "Local")]
    pub archive: Option<PathBuf>,

    /// Memory limit for sorting, grouping and joining, in MiB. Beyond it, they use temporary files,
    /// or fail if they cannot
    #[arg(
        long,
        value_name = "MIB",
        default_value = "1024",
        help_heading = "Local"
    )]
    pub memory: NonZeroUsize,

    /// Athena workgroup
    #[arg(long, value_name = "NAME", help_heading = "Target")]
    pub workgroup: Option<String>,

    /// Athena database
    #[arg(long, value_name = "NAME", help_heading = "Target")]
    pub database: Option<String>,

    /// DynamoDB table of rows
    #[arg(long, value_name = "NAME", help_heading = "Target")]
    pub table: Option<String>,

    /// Which cloud to query; --data-dir and --archive always query locally.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum QueryFormat {
    /// In aligned columns
    Table,
    /// Comma-separated values with a header line
    Csv,
    /// One JSON object per line
    Lines,
}

/// The default row limit of a table.
const TABLE_ROWS: usize = 100;

impl QueryArgs {
    /// The maximum number of rows to print; `None` for all.
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
    fn command_line_is_valid() {
        QueryArgs::command().debug_assert();
    }

    #[test]
    fn invalid_arguments_are_rejected() {
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
    fn default_limit_is_100_rows_for_tables_only() {
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
