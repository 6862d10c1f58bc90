//! The names that an expression can use.

use crate::expression::Node;
use crate::problem::{Position, SqlProblem};
use crate::types::SqlType;

/// The column that every stream has: the time of a row.
pub(crate) const ROWTIME: &str = "ROWTIME";

/// The column that the input stream has besides its own: the time at which a record arrived.
const ARRIVAL: &str = "APPROXIMATE_ARRIVAL_TIME";

/// Columns that Kinesis adds to the input stream, and that are not supported.
const METADATA: [&str; 3] = ["PARTITION_KEY", "SEQUENCE_NUMBER", "SHARD_ID"];

/// The columns of the stream that a SELECT reads.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The stream's name, and its alias.
    pub(crate) names: Vec<String>,
    pub(crate) columns: Vec<(String, SqlType)>,
    /// Whether it is the input stream.
    pub(crate) is_input: bool,
    /// What a subquery has instead of columns of a stream.
    pub(crate) distinct: Option<DistinctRows>,
}

/// The rows of `SELECT DISTINCT`, after the merge. Their time is the start of their window.
#[derive(Clone, Debug)]
pub(crate) struct DistinctRows {
    /// The columns that have a name, and their values: an index is that of a term of the subquery.
    pub(crate) columns: Vec<(String, Node)>,
}

impl DistinctRows {
    pub(crate) fn column(&self, name: &str) -> Option<&Node> {
        let found = self.columns.iter().find(|(column, _)| column == name);
        found.map(|(_, node)| node)
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ResolvedName<'s> {
    /// A column, by index.
    Column(usize, SqlType),
    /// The time of the row.
    RowTime,
    /// The time at which the record arrived.
    ArrivalTime,
    /// A column of a subquery.
    Distinct(&'s Node),
}

impl Scope {
    /// Resolves a name.
    ///
    /// # Errors
    ///
    /// [`SqlProblem`] if there is no such column.
    pub(crate) fn resolve(&self, name: &str, at: Position) -> Result<ResolvedName<'_>, SqlProblem> {
        if let Some(node) = self.distinct.as_ref().and_then(|rows| rows.column(name)) {
            return Ok(ResolvedName::Distinct(node));
        }
        let found = self.columns.iter().position(|(column, _)| column == name);
        if let Some(index) = found {
            return Ok(ResolvedName::Column(index, self.columns[index].1));
        }
        if name == ROWTIME {
            return Ok(ResolvedName::RowTime);
        }
        if self.is_input && name == ARRIVAL {
            return Ok(ResolvedName::ArrivalTime);
        }
        let construct = format!("column \"{name}\"");
        if self.is_input && METADATA.contains(&name) {
            return Err(SqlProblem::new(at, construct, "it is not supported"));
        }
        let stream = self.names.first().map_or("", String::as_str);
        let reason = match &self.distinct {
            None => format!("stream \"{stream}\" has no such column"),
            Some(_) => "the subquery has no such column".to_owned(),
        };
        let problem = SqlProblem::new(at, construct, reason);
        let of_subquery = self.distinct.iter().flat_map(|rows| &rows.columns);
        let of_subquery = of_subquery.map(|(column, _)| column.as_str());
        let columns = self.columns.iter().map(|(column, _)| column.as_str());
        let columns = columns.chain(of_subquery);
        Err(match similar(name, columns) {
            Some(similar) => problem.rewrite(did_you_mean(similar)),
            None => problem,
        })
    }

    /// Checks what stands before the point of `"stream"."column"`.
    ///
    /// # Errors
    ///
    /// [`SqlProblem`] if it is another stream.
    pub(crate) fn check_qualifier(&self, name: &str, at: Position) -> Result<(), SqlProblem> {
        if self.names.iter().any(|known| known == name) {
            return Ok(());
        }
        let reason = "the SELECT does not read this stream";
        let problem = SqlProblem::new(at, format!("stream \"{name}\""), reason);
        let names = self.names.iter().map(String::as_str);
        Err(match similar(name, names) {
            Some(similar) => problem.rewrite(did_you_mean(similar)),
            None => problem,
        })
    }
}

/// The name that differs only in upper and lower case.
pub(crate) fn similar<'n>(name: &str, mut names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let lower = name.to_lowercase();
    names.find(|known| known.to_lowercase() == lower)
}

/// The advice to write a name in quotes.
pub(crate) fn did_you_mean(name: &str) -> String {
    format!("did you mean \"{name}\"? Names without quotes are in upper case")
}
