//! The settings in the environment, checked once at startup.

use crate::variables::{MissingVariable, optional_variable, required_variable};
use thiserror::Error;

/// The function's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessorSettings {
    /// `AWS_LAMBDA_FUNCTION_NAME`: the function's name, set by Lambda. It is the dimension of the
    /// metrics.
    pub function_name: String,
    /// `TABLE_NAME`: the DynamoDB table that rows go to.
    pub table_name: String,
    /// `REJECTS_STREAM`: the Firehose stream that rejected summaries go to.
    pub rejects_stream: String,
    /// `EXPIRE_AFTER_DAYS`: the number of days after which a row may be deleted. Rows never expire
    /// if it is not set.
    pub expire_after_days: Option<u32>,
}

/// A setting that is missing or wrong.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProcessorSettingsError {
    /// A required variable is not set.
    #[error(transparent)]
    Missing(#[from] MissingVariable),
    /// `EXPIRE_AFTER_DAYS` is not a positive whole number.
    #[error("EXPIRE_AFTER_DAYS is `{0}`: it must be a whole number of days, at least 1")]
    ExpireAfterDays(String),
}

impl ProcessorSettings {
    /// Reads the settings through `variable`, which looks up an environment variable.
    ///
    /// # Errors
    ///
    /// The error names the variable that is missing or wrong.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ProcessorSettingsError> {
        let required = |name, meaning| required_variable(&variable, name, meaning);
        let expire_after_days = match optional_variable(&variable, "EXPIRE_AFTER_DAYS") {
            None => None,
            Some(text) => match text.parse() {
                Ok(days) if days > 0 => Some(days),
                _ => return Err(ProcessorSettingsError::ExpireAfterDays(text)),
            },
        };
        Ok(Self {
            function_name: required("AWS_LAMBDA_FUNCTION_NAME", "the function itself")?,
            table_name: required("TABLE_NAME", "the DynamoDB table for summary rows")?,
            rejects_stream: required(
                "REJECTS_STREAM",
                "the Firehose stream for rejected summaries",
            )?,
            expire_after_days,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<ProcessorSettings, ProcessorSettingsError> {
        ProcessorSettings::read(|name| {
            if name == "AWS_LAMBDA_FUNCTION_NAME" {
                return Some("function".to_owned());
            }
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn missing_setting_is_named() {
        let error = read(&[("REJECTS_STREAM", "r")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable TABLE_NAME is not set: it names the DynamoDB table for summary rows"
        );
    }

    #[test]
    fn rows_expire_only_if_set() {
        let with = |days| {
            let settings = read(&[
                ("TABLE_NAME", "t"),
                ("REJECTS_STREAM", "r"),
                ("EXPIRE_AFTER_DAYS", days),
            ]);
            settings.map(|settings| settings.expire_after_days)
        };
        assert_eq!(with(""), Ok(None));
        assert_eq!(with("30"), Ok(Some(30)));
        for wrong in ["0", "-1", "a month", "1.5"] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
    }
}
