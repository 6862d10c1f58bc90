//! Why something is not a reading, or not a row.

use thiserror::Error;

use crate::signature::Signature;

/// Why a record or a part of one is rejected. The message names the field, if there is one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Rejection {
    /// The record has nothing but white space.
    #[error("the record is empty")]
    Empty,
    /// It is in a format that is not read here.
    #[error("it seems to be {0}: {advice}", advice = .0.advice())]
    Foreign(Signature),
    /// The text is not valid UTF-8.
    #[error("the text is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// The offset of the first invalid byte.
        at: usize,
    },
    /// The text is not a JSON object, or has a duplicate field.
    #[error("the text is not a JSON object: {0}")]
    NotAnObject(String),
    /// A required field is missing or null.
    #[error("{field} is missing")]
    Missing {
        /// The field's name.
        field: String,
    },
    /// A field has an invalid value.
    #[error("{field} {problem}")]
    Field {
        /// The field's name.
        field: String,
        /// What is wrong, as the rest of a sentence that starts with the field's name.
        problem: String,
    },
}

impl Rejection {
    /// A field has an invalid value. `problem` is the rest of a sentence that starts with its name.
    pub fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

impl From<Signature> for Rejection {
    fn from(signature: Signature) -> Self {
        Self::Foreign(signature)
    }
}
