//! SQL over the archive of readings and the table of rows.
//!
//! * [`sql`]: a query's text: one statement, one that only reads, names in one spelling.
//! * [`tables`]: the tables there are.
//! * [`archive`]: the archive's files as tables, streamed.
//! * [`engine`]: what a statement means, and its rows; the engine is DataFusion.
//! * [`athena`]: the same on AWS.
//! * [`output`]: rows as a table, CSV or JSON lines.
//!
//! ```
//! use query::output::Output;
//! use query::sql::Sql;
//!
//! let rejected = Sql::read("DROP TABLE wildrydes").unwrap_err();
//! assert_eq!(rejected.message(), "DROP is not run here");
//! let sql = Sql::read("SELECT name, DISTANCE FROM wildrydes;")?;
//! assert_eq!(sql.parse()?.to_string(), "SELECT Name, Distance FROM wildrydes");
//! # Ok::<(), query::diagnostic::Diagnostic>(())
//! ```

pub mod archive;
pub mod args;
pub mod athena;
mod backend;
pub mod diagnostic;
pub mod engine;
mod local;
pub mod output;
mod progress;
mod remote;
pub mod sql;
mod summary;
pub mod tables;

use std::io::{self, Read, Write};

use datafusion::common::DataFusionError;
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::{Environment, TargetError};

pub use args::{QueryArgs, QueryFormat};

use archive::ArchiveError;
use athena::AthenaError;
use backend::Backend;
use diagnostic::Diagnostic;
use output::Output;
use sql::Sql;
pub use summary::SummaryError;

/// Which of the streams are terminals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal {
    /// Whether the output is one: then no progress is drawn between the rows.
    pub output: bool,
}

/// Why a query has no answer, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The flags contradict each other.
    #[error(
        "--target aws asks Athena: leave --data-dir and --archive out, which are of this machine"
    )]
    Contradiction,
    /// The query's text cannot be read.
    #[error("{what} cannot be read")]
    Input {
        /// Where it should come from.
        what: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// There is no telling where to ask.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Something is wrong with the query.
    #[error(transparent)]
    Sql(#[from] Diagnostic),
    /// The query needs two services at once.
    #[error(
        "summary lies in DynamoDB and {0} in Athena, and no query can ask both: ask one after the other"
    )]
    Mixed(String),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The table cannot be read.
    #[error(transparent)]
    Summary(Box<SummaryError>),
    /// Athena has no answer.
    #[error(transparent)]
    Athena(#[from] AthenaError),
    /// The query engine fails for a reason that has nothing to do with the query.
    #[error("the query engine fails")]
    Engine(#[from] DataFusionError),
    /// The output takes no more.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
    /// The caller stopped it.
    #[error("interrupted")]
    Interrupted,
}

impl From<SummaryError> for QueryError {
    fn from(error: SummaryError) -> Self {
        Self::Summary(Box::new(error))
    }
}

impl QueryError {
    /// Whether nobody reads the output any more (`| head`), which is an end like any other.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Runs the query `text` as `args` have it, prints its rows to `output` and everything else to `notes`.
///
/// Cancelling `stop` ends it, on AWS too.
///
/// # Errors
/// [`QueryError`]. What was printed by then stays.
pub async fn run(
    args: &QueryArgs,
    text: &str,
    environment: &Environment,
    terminal: Terminal,
    stop: &CancellationToken,
    output: impl Write,
    mut notes: impl Write,
) -> Result<(), QueryError> {
    let sql = Sql::read(text)?;
    let mut output = Output::new(output, args.format, args.most_rows());
    match backend::decide(args, environment).await? {
        Backend::Remote(cloud) => {
            remote::run(args, &cloud, &sql, terminal, stop, &mut output, &mut notes).await?;
        }
        Backend::Local(cloud) => {
            let cloud = cloud.as_deref();
            let work = local::run(args, cloud, &sql, terminal, &mut output, &mut notes);
            tokio::select! {
                () = stop.cancelled() => return Err(QueryError::Interrupted),
                outcome = work => outcome?,
            }
        }
    }
    if output.printed() == 0 {
        tell(&mut notes, "no rows");
    }
    if output.left_out() {
        let count = output.printed();
        let rows = if count == 1 { "row is" } else { "rows are" };
        let note = format!(
            "only the first {count} {rows} shown: --limit N shows more, --format csv or lines all of them"
        );
        tell(&mut notes, &note);
    }
    Ok(())
}

/// The query's text, from where the flags say.
/// Reads the text of the query: it is an argument, in a file, or comes on the standard input.
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

/// Notes that nobody reads are no reason to stop.
fn tell(notes: &mut impl Write, line: &str) {
    let _ = writeln!(notes, "{line}");
}
