//! Why something is not a reading, or not a summary.

use thiserror::Error;

/// The reason for which a line is rejected. Its text names the field, where there is one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Rejection {
    /// There is nothing in the record.
    #[error("the record is empty")]
    Empty,
    /// The record was packed by the Kinesis Producer Library, whose protobuf form is not read here.
    #[error(
        "the record is aggregated by the Kinesis Producer Library; send plain JSON lines instead"
    )]
    KplAggregated,
    /// Some byte is not part of a UTF-8 character.
    #[error("the line is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Where the first such byte stands, from 0.
        at: usize,
    },
    /// The line is no JSON object, or is one that names a field twice.
    #[error("the line is not a JSON object: {0}")]
    NotAnObject(String),
    /// A field that must be there is not, or is null.
    #[error("{field} is missing")]
    Missing {
        /// The field's name.
        field: &'static str,
    },
    /// A field holds what it must not.
    #[error("{field} {problem}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it, as the rest of a sentence.
        problem: String,
    },
}

impl Rejection {
    pub(crate) fn field(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Field {
            field,
            problem: problem.into(),
        }
    }
}
