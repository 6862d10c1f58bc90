//! Required and optional environment variables.

use thiserror::Error;

/// A required variable is not set or is empty.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the environment variable {name} is not set: it names {meaning}")]
pub struct MissingVariable {
    name: &'static str,
    meaning: &'static str,
}

/// Looks up an environment variable through `variable`. `None` if it is not set or is empty.
pub fn optional_variable(variable: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.is_empty())
}

/// Looks up a required environment variable. `meaning` is what it names, for the error message.
///
/// # Errors
///
/// [`MissingVariable`] if it is not set or is empty.
pub fn required_variable(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
    meaning: &'static str,
) -> Result<String, MissingVariable> {
    optional_variable(variable, name).ok_or(MissingVariable { name, meaning })
}
