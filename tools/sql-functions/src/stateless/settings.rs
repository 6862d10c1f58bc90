//! The settings in the environment, checked once at startup.

use std::collections::BTreeMap;

use thiserror::Error;
use windrow_lambda::MissingVariable;
use windrow_lambda::variables::required_variable;
use windrow_sql::sensor::SqlSensor;

/// The environment variable with the Kinesis stream of each output, as a JSON object:
/// `{"ALARMS":"ticker-alarms"}`. Several outputs may go to one stream.
pub const OUTPUT_STREAMS: &str = "OUTPUT_STREAMS";

/// The function's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatelessSettings {
    /// `AWS_LAMBDA_FUNCTION_NAME`: the function's name, set by Lambda. It is the dimension of the
    /// metrics.
    pub function_name: String,
    /// `OUTPUT_STREAMS`: the Kinesis stream of each output.
    pub output_streams: BTreeMap<String, String>,
    /// `REJECTS_STREAM`: the Firehose stream that rejected readings go to.
    pub rejects_stream: String,
}

/// A setting that is missing or wrong.
#[derive(Debug, Error)]
pub enum StatelessSettingsError {
    /// A required variable is not set.
    #[error(transparent)]
    Missing(#[from] MissingVariable),
    /// [`OUTPUT_STREAMS`] is something else.
    #[error(
        "{OUTPUT_STREAMS} is not a JSON object of names, such as {{\"ALARMS\":\"ticker-alarms\"}}: {0}"
    )]
    NotNames(serde_json::Error),
    /// No stream is named for an output.
    #[error("{OUTPUT_STREAMS} names no stream for the output {0}")]
    Unnamed(String),
    /// A stream is named for something that is not an output.
    #[error(
        "{OUTPUT_STREAMS} names a stream for {0}, which no pump without a window writes as an output"
    )]
    NoOutput(String),
    /// There is nothing to write.
    #[error("the application has no output without a window, so it does not need this function")]
    NoOutputs,
}

impl StatelessSettings {
    /// Reads the settings through `variable`, which looks up an environment variable.
    ///
    /// # Errors
    ///
    /// The error names the variable that is missing or wrong.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, StatelessSettingsError> {
        let required = |name, meaning| required_variable(&variable, name, meaning);
        let output_streams = required(OUTPUT_STREAMS, "the Kinesis stream of each output")?;
        Ok(Self {
            function_name: required("AWS_LAMBDA_FUNCTION_NAME", "the function itself")?,
            output_streams: serde_json::from_str(&output_streams)
                .map_err(StatelessSettingsError::NotNames)?,
            rejects_stream: required(
                "REJECTS_STREAM",
                "the Firehose stream for rejected readings",
            )?,
        })
    }

    /// Checks that each output of the application has a stream.
    ///
    /// # Errors
    ///
    /// [`StatelessSettingsError`] if one has none, if a stream is for something else, or if there are
    /// no outputs.
    pub fn check(self, sensor: &SqlSensor) -> Result<Self, StatelessSettingsError> {
        let outputs = sensor.application().stateless_outputs();
        let outputs: Vec<&str> = outputs.map(|stream| stream.name.as_str()).collect();
        if outputs.is_empty() {
            return Err(StatelessSettingsError::NoOutputs);
        }
        let named = &self.output_streams;
        if let Some(unnamed) = outputs.iter().find(|name| !named.contains_key(**name)) {
            return Err(StatelessSettingsError::Unnamed((*unnamed).to_owned()));
        }
        if let Some(other) = named.keys().find(|name| !outputs.contains(&name.as_str())) {
            return Err(StatelessSettingsError::NoOutput(other.clone()));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use windrow_sql::input::InputSchema;

    use super::*;

    fn read(output_streams: &str) -> Result<StatelessSettings, StatelessSettingsError> {
        StatelessSettings::read(|name| match name {
            OUTPUT_STREAMS => Some(output_streams.to_owned()),
            other => Some(other.to_lowercase()),
        })
    }

    fn checked(output_streams: &str) -> String {
        let schema = r#"{"RecordColumns":[{"Name":"X","SqlType":"INTEGER"}]}"#;
        let sql = "CREATE STREAM a (x INTEGER);
            CREATE PUMP p AS INSERT INTO a SELECT STREAM x FROM source_sql_stream_001;
            CREATE STREAM b (x INTEGER);
            CREATE PUMP q AS INSERT INTO b SELECT STREAM -x FROM source_sql_stream_001";
        let sensor = SqlSensor::new(sql, InputSchema::parse(schema).unwrap()).unwrap();
        match read(output_streams).and_then(|settings| settings.check(&sensor)) {
            Ok(settings) => format!("{:?}", settings.output_streams),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_output_has_a_stream() {
        assert_eq!(
            checked(r#"{"A":"one","B":"one"}"#),
            r#"{"A": "one", "B": "one"}"#
        );
        assert_eq!(
            checked(r#"{"A":"one"}"#),
            "OUTPUT_STREAMS names no stream for the output B"
        );
        assert_eq!(
            checked(r#"{"A":"one","B":"two","b":"three"}"#),
            "OUTPUT_STREAMS names a stream for b, which no pump without a window writes as an output"
        );
        let error = checked("A=one");
        assert!(
            error.starts_with("OUTPUT_STREAMS is not a JSON object of names"),
            "{error}"
        );
        let error = checked("");
        assert!(
            error.contains("the environment variable OUTPUT_STREAMS is not set"),
            "{error}"
        );
    }
}
