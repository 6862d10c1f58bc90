//! What the environment says, checked once at the start.

use crate::variables::{MissingVariable, optional_variable, required_variable};
use thiserror::Error;

/// Which time decides the window that a reading belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowTime {
    /// When it arrived in the stream, as Lambda's own windows have it.
    #[default]
    Arrival,
    /// Its StatusTime. A late reading makes one more row for its minute.
    Event,
}

/// The function's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregatorSettings {
    /// `AWS_LAMBDA_FUNCTION_NAME`: the function's name, which Lambda sets; its metrics carry it.
    pub function_name: String,
    /// `SUMMARY_STREAM`: the Kinesis stream that rows go to.
    pub summary_stream: String,
    /// `REJECTS_STREAM`: the Firehose stream that rejected readings go to.
    pub rejects_stream: String,
    /// `WINDOW_TIME`: `arrival` (the default) or `event`.
    pub window_time: WindowTime,
}

/// A setting that is missing or wrong.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AggregatorSettingsError {
    /// A variable that must be set is not.
    #[error(transparent)]
    Missing(#[from] MissingVariable),
    /// `WINDOW_TIME` is neither of its values.
    #[error("WINDOW_TIME is `{0}`: it must be `arrival` or `event`")]
    WindowTime(String),
}

impl AggregatorSettings {
    /// Reads the settings through `variable`, which looks up an environment variable.
    ///
    /// # Errors
    ///
    /// The error names the variable that is missing or wrong.
    pub fn read(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, AggregatorSettingsError> {
        let required = |name, meaning| required_variable(&variable, name, meaning);
        let window_time = match optional_variable(&variable, "WINDOW_TIME").as_deref() {
            None | Some("arrival") => WindowTime::Arrival,
            Some("event") => WindowTime::Event,
            Some(other) => return Err(AggregatorSettingsError::WindowTime(other.to_owned())),
        };
        Ok(Self {
            function_name: required("AWS_LAMBDA_FUNCTION_NAME", "the function itself")?,
            summary_stream: required("SUMMARY_STREAM", "the Kinesis stream for summary rows")?,
            rejects_stream: required(
                "REJECTS_STREAM",
                "the Firehose stream for rejected readings",
            )?,
            window_time,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<AggregatorSettings, AggregatorSettingsError> {
        AggregatorSettings::read(|name| {
            if name == "AWS_LAMBDA_FUNCTION_NAME" {
                return Some("function".to_owned());
            }
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_missing_setting_is_named() {
        let error = read(&[("SUMMARY_STREAM", ""), ("REJECTS_STREAM", "r")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable SUMMARY_STREAM is not set: it names the Kinesis stream for summary rows"
        );
    }

    #[test]
    fn the_window_time_is_arrival_unless_told() {
        let with = |value| {
            let settings = read(&[
                ("SUMMARY_STREAM", "s"),
                ("REJECTS_STREAM", "r"),
                ("WINDOW_TIME", value),
            ]);
            settings.map(|settings| settings.window_time)
        };
        assert_eq!(with(""), Ok(WindowTime::Arrival));
        assert_eq!(with("event"), Ok(WindowTime::Event));
        assert_eq!(
            with("Event"),
            Err(AggregatorSettingsError::WindowTime("Event".to_owned()))
        );
    }
}
