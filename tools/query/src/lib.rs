//! SQL over the archive of readings and the table of rows.
//!
//! [`main`] is the whole program for a sensor; the binary `query` is the one for unicorns
//! ([`wild_rydes`]). A sensor made of a list of fields has a column per field; another one says what
//! its columns are ([`ReadingColumns`]). A program may have tables of its own, computed from the
//! merged rows ([`RowView`]).
//!
//! * [`sql`]: reads a query's text: a single read-only statement with normalized names.
//! * [`tables`]: the available tables.
//! * [`archive`]: streams the archive's files as tables.
//! * [`engine`]: plans and runs statements locally, with DataFusion.
//! * [`athena`]: runs statements on AWS.
//! * [`output`]: prints rows as a table, CSV or JSON lines.
//!
//! ```
//! use query::sql::Sql;
//! use query::wild_rydes;
//!
//! let tables = wild_rydes::program().tables()?;
//! let rejected = Sql::read("DROP TABLE wildrydes", &tables).unwrap_err();
//! assert_eq!(rejected.message(), "DROP is not allowed");
//! let sql = Sql::read("SELECT name, DISTANCE FROM wildrydes;", &tables)?;
//! assert_eq!(sql.parse()?.to_string(), "SELECT Name, Distance FROM wildrydes");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod archive;
pub mod args;
pub mod athena;
mod backend;
mod builder;
mod columns;
pub mod diagnostic;
pub mod engine;
mod entry;
mod local;
pub mod output;
mod program;
mod progress;
mod remote;
pub mod sql;
mod summary;
pub mod tables;
mod view;
pub mod wild_rydes;

use std::io::{self, Read, Write};

use datafusion::common::DataFusionError;
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::{Environment, TargetError};
use windrow_core::sensor::Sensor;

pub use args::{QueryArgs, QueryFormat};
pub use builder::ColumnBuilder;
pub use columns::{AppendValue, ReadingColumns};
pub use entry::main;
pub use program::{AthenaNames, QueryProgram};
pub use tables::{TableColumn, TableLabel};
pub use view::RowView;

use archive::ArchiveError;
use athena::AthenaError;
use backend::Backend;
use diagnostic::Diagnostic;
use local::QueryWork;
use output::Output;
use sql::Sql;
pub use summary::SummaryError;
use tables::SameTableName;

/// Which of the output streams are terminals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal {
    /// Whether the output is a terminal. If so, no progress is drawn between the rows.
    pub output: bool,
}

/// Why a query failed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The flags contradict each other.
    #[error("--target aws queries Athena, but --data-dir and --archive are local: leave them out")]
    Contradiction,
    /// The query's text cannot be read.
    #[error("{what} cannot be read")]
    Input {
        /// Where it is read from.
        what: String,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The cloud to query could not be determined.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The query is not valid.
    #[error(transparent)]
    Sql(#[from] Diagnostic),
    /// The query needs two services at once.
    #[error(
        "{rows} is in DynamoDB and {archive} in Athena, and a query cannot read both: run two queries"
    )]
    Mixed {
        /// The table of rows.
        rows: String,
        /// The table of the archive.
        archive: String,
    },
    /// The archive is in no database of Athena.
    #[error(
        "{table} is in the archive, of which this program knows no Athena database: copy the archive \
         with `aws s3 sync s3://BUCKET archive` and query the copy with --archive archive, or name a \
         database that you have made of it with --database"
    )]
    NotInAthena {
        /// The table.
        table: String,
    },
    /// Two tables have the same name.
    #[error(transparent)]
    Tables(#[from] SameTableName),
    /// A view has a value that is not of its column's type.
    #[error("the view {view} is wrong: {problem}")]
    View {
        /// The view.
        view: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The table cannot be read.
    #[error(transparent)]
    Summary(Box<SummaryError>),
    /// The query failed in Athena.
    #[error(transparent)]
    Athena(#[from] AthenaError),
    /// The query engine failed for a reason unrelated to the query.
    #[error("the query engine failed")]
    Engine(#[from] DataFusionError),
    /// The output cannot be written.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
    /// The caller stopped the query.
    #[error("interrupted")]
    Interrupted,
}

impl From<SummaryError> for QueryError {
    fn from(error: SummaryError) -> Self {
        Self::Summary(Box::new(error))
    }
}

impl QueryError {
    /// Whether the output was closed (`| head`), which is a normal end.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Runs the query `text` of a program's tables. Prints its rows to `output` and everything else to `notes`.
///
/// Cancelling `stop` ends the query, on AWS too.
///
/// # Errors
/// [`QueryError`]. Some rows may have been printed before.
#[expect(
    clippy::too_many_arguments,
    reason = "all that a process has is passed in"
)]
pub async fn run<S: Sensor>(
    program: &QueryProgram<S>,
    args: &QueryArgs,
    text: &str,
    environment: &Environment,
    terminal: Terminal,
    stop: &CancellationToken,
    output: impl Write,
    mut notes: impl Write,
) -> Result<(), QueryError> {
    let tables = program.tables()?;
    let sql = Sql::read(text, &tables)?;
    let mut output = Output::new(output, args.format, args.most_rows());
    let query = QueryWork {
        program,
        args,
        tables: &tables,
        sql: &sql,
        terminal,
    };
    match backend::decide(args, environment).await? {
        Backend::Remote(cloud) => {
            remote::run(&query, &cloud, stop, &mut output, &mut notes).await?;
        }
        Backend::Local(cloud) => {
            let cloud = cloud.as_deref();
            let work = local::run(&query, cloud, &mut output, &mut notes);
            tokio::select! {
                () = stop.cancelled() => return Err(QueryError::Interrupted),
                outcome = work => outcome?,
            }
        }
    }
    if output.printed() == 0 {
        note(&mut notes, "no rows");
    }
    if output.left_out() {
        let count = output.printed();
        let rows = if count == 1 { "row is" } else { "rows are" };
        let more = format!(
            "only the first {count} {rows} shown: use --limit N for more, or --format csv or lines for all"
        );
        note(&mut notes, &more);
    }
    Ok(())
}

/// Reads the text of the query, from an argument, a file or standard input.
///
/// # Errors
/// [`QueryError::Input`].
pub fn text(args: &QueryArgs) -> Result<String, QueryError> {
    let mut text = String::new();
    let (what, outcome) = match (&args.file, args.sql.as_deref()) {
        (Some(file), _) => {
            let read = std::fs::read_to_string(file).map(|read| text = read);
            (file.display().to_string(), read)
        }
        (None, Some("-") | None) => {
            let read = io::stdin().read_to_string(&mut text).map(|_| ());
            ("standard input".to_owned(), read)
        }
        (None, Some(sql)) => return Ok(sql.to_owned()),
    };
    outcome.map_err(|source| QueryError::Input { what, source })?;
    Ok(text)
}

/// Writes a note. Errors are ignored: a closed output must not stop the query.
fn note(notes: &mut impl Write, line: &str) {
    let _ = writeln!(notes, "{line}");
}
