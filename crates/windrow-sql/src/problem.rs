//! Why a text is not supported.

use std::fmt;

use thiserror::Error;

/// Where something is in the text. Both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl From<sqlparser::tokenizer::Location> for Position {
    fn from(location: sqlparser::tokenizer::Location) -> Self {
        Self {
            line: location.line.try_into().unwrap_or(u32::MAX),
            column: location.column.try_into().unwrap_or(u32::MAX),
        }
    }
}

/// One construct that keeps a text from being run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlProblem {
    /// Where it is.
    pub at: Position,
    /// What it is, as in the text or by the name that AWS has for it.
    pub construct: String,
    /// Why it cannot be run.
    pub reason: String,
    /// What to write instead, where there is something.
    pub rewrite: Option<String>,
}

impl SqlProblem {
    /// A problem without a rewrite.
    pub(crate) fn new(
        at: impl Into<Position>,
        construct: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            at: at.into(),
            construct: construct.into(),
            reason: reason.into(),
            rewrite: None,
        }
    }

    /// Adds what to write instead.
    pub(crate) fn rewrite(self, rewrite: impl Into<String>) -> Self {
        Self {
            rewrite: Some(rewrite.into()),
            ..self
        }
    }

    /// Moves a problem whose position is not known.
    pub(crate) fn or_at(mut self, at: Position) -> Self {
        if self.at.line == 0 {
            self.at = at;
        }
        self
    }
}

/// Formats the problem in one line.
impl fmt::Display for SqlProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.at;
        write!(formatter, "line {line}, column {column}: ")?;
        write!(formatter, "{}: {}", self.construct, self.reason)?;
        match &self.rewrite {
            Some(rewrite) => write!(formatter, "; {rewrite}"),
            None => Ok(()),
        }
    }
}

/// All problems of a text, in its order. There is at least one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub struct SqlProblems(pub Vec<SqlProblem>);

impl SqlProblems {
    /// The problems in the order of the text, each once.
    pub(crate) fn new(mut problems: Vec<SqlProblem>) -> Self {
        problems.sort_by(|left, right| {
            let key = |problem: &SqlProblem| (problem.at, problem.construct.clone());
            key(left).cmp(&key(right))
        });
        problems.dedup();
        Self(problems)
    }
}

/// Formats one problem per line.
impl fmt::Display for SqlProblems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl From<SqlProblem> for SqlProblems {
    fn from(problem: SqlProblem) -> Self {
        Self(vec![problem])
    }
}
