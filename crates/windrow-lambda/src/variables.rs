//! Environment variables that must be set.

use thiserror::Error;

/// A variable that must be set is not, or is empty.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the environment variable {name} is not set: it names {meaning}")]
pub struct MissingVariable {
    name: &'static str,
    meaning: &'static str,
}

/// The value of a variable that `variable` looks up; none where it is not set or empty.
pub(crate) fn optional_variable(
    variable: impl Fn(&str) -> Option<String>,
    name: &str,
) -> Option<String> {
    variable(name).filter(|value| !value.is_empty())
}

/// The value of a variable that must be set; `meaning` says in an error what it names.
pub(crate) fn required_variable(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
    meaning: &'static str,
) -> Result<String, MissingVariable> {
    optional_variable(variable, name).ok_or(MissingVariable { name, meaning })
}
