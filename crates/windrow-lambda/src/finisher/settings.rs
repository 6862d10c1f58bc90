//! The settings in the environment, checked once at startup.

use std::collections::BTreeMap;

use thiserror::Error;

use super::outputs::own_field;
use super::{FinisherStreams, WindowOutputs};
use crate::variables::{MissingVariable, optional_variable, required_variable};

/// The environment variable that names the Kinesis stream of each output.
pub const OUTPUT_STREAMS: &str = "OUTPUT_STREAMS";

/// The function's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinisherSettings {
    /// `AWS_LAMBDA_FUNCTION_NAME`: the function's name, set by Lambda. It is the dimension of the
    /// metrics.
    pub function_name: String,
    /// `SUMMARY_STREAM` and `READING_STREAM`: the Kinesis streams of rows and of readings.
    pub streams: FinisherStreams,
    /// `PROGRESS_TABLE`: the DynamoDB table that keeps the function's progress.
    pub progress_table: String,
    /// [`OUTPUT_STREAMS`]: the Kinesis stream of each output, as a JSON object.
    pub output_streams: BTreeMap<String, String>,
    /// `REJECTS_STREAM`: the Firehose stream that rows go to which the stream of their output
    /// rejects.
    pub rejects_stream: String,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`: the function's memory in MB, set by Lambda. It decides how
    /// many rows of open windows are held.
    pub memory: Option<usize>,
}

/// A setting that is missing or wrong.
#[derive(Debug, Error)]
pub enum FinisherSettingsError {
    /// A required variable is not set.
    #[error(transparent)]
    Missing(#[from] MissingVariable),
    /// [`OUTPUT_STREAMS`] is something else.
    #[error(
        "{OUTPUT_STREAMS} is not a JSON object of names, such as {{\"TOTALS\":\"ticker-totals\"}}: {0}"
    )]
    NotNames(serde_json::Error),
    /// No stream is named for an output.
    #[error("{OUTPUT_STREAMS} names no stream for the output {0}")]
    Unnamed(String),
    /// A stream is named for something that is not an output.
    #[error("{OUTPUT_STREAMS} names a stream for {name}, but the outputs of windows are {outputs}")]
    NoOutput {
        /// The name.
        name: String,
        /// The outputs.
        outputs: String,
    },
    /// A column has the name of a field that the finisher adds.
    #[error("the output {output} has a column {column}, which is a field that finished rows have")]
    OwnField {
        /// The output.
        output: String,
        /// The column.
        column: String,
    },
}

impl FinisherSettings {
    /// Reads the settings through `variable`, which looks up an environment variable.
    ///
    /// # Errors
    ///
    /// The error names the variable that is missing or wrong.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, FinisherSettingsError> {
        let required = |name, meaning| required_variable(&variable, name, meaning);
        let output_streams = required(OUTPUT_STREAMS, "the Kinesis stream of each output")?;
        Ok(Self {
            function_name: required("AWS_LAMBDA_FUNCTION_NAME", "the function itself")?,
            streams: FinisherStreams {
                summaries: required("SUMMARY_STREAM", "the Kinesis stream of rows")?,
                readings: required("READING_STREAM", "the Kinesis stream of readings")?,
            },
            progress_table: required("PROGRESS_TABLE", "the DynamoDB table of progress")?,
            output_streams: serde_json::from_str(&output_streams)
                .map_err(FinisherSettingsError::NotNames)?,
            rejects_stream: required("REJECTS_STREAM", "the Firehose stream for rejected rows")?,
            memory: optional_variable(&variable, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
                .and_then(|memory| memory.parse().ok()),
        })
    }

    /// Checks that each output has a stream, and that no column is called as a field that finished
    /// rows have besides.
    ///
    /// # Errors
    ///
    /// [`FinisherSettingsError`].
    pub fn check(self, outputs: &impl WindowOutputs) -> Result<Self, FinisherSettingsError> {
        let columns = outputs.columns();
        let named = &self.output_streams;
        if let Some(unnamed) = columns.keys().find(|name| !named.contains_key(*name)) {
            return Err(FinisherSettingsError::Unnamed(unnamed.clone()));
        }
        if let Some(other) = named.keys().find(|name| !columns.contains_key(*name)) {
            let outputs: Vec<&str> = columns.keys().map(String::as_str).collect();
            return Err(FinisherSettingsError::NoOutput {
                name: other.clone(),
                outputs: outputs.join(", "),
            });
        }
        for (output, columns) in columns {
            if let Some(column) = own_field(&columns) {
                let column = column.to_owned();
                return Err(FinisherSettingsError::OwnField { output, column });
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use windrow_core::schema::{KeyColumn, MeasureColumn, Schema};
    use windrow_core::value::{ColumnType, NumberType};

    use super::super::MergedOutput;
    use super::*;

    fn checked(output_streams: &str, column: &str) -> String {
        let settings = FinisherSettings::read(|name| match name {
            OUTPUT_STREAMS => Some(output_streams.to_owned()),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => Some("256".to_owned()),
            other => Some(other.to_lowercase()),
        });
        let key = vec![KeyColumn::new("Room", ColumnType::Text)];
        let measure = MeasureColumn::max(column, ColumnType::Number(NumberType::I32));
        let schema = Schema::new(key, "WindowStart", vec![measure]).unwrap();
        let outputs = MergedOutput::new(&Arc::new(schema), "windows");
        match settings.and_then(|settings| settings.check(&outputs)) {
            Ok(settings) => format!("{:?} {:?}", settings.output_streams, settings.memory),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_output_has_a_stream() {
        assert_eq!(
            checked(r#"{"windows":"rooms-finished"}"#, "Highest"),
            r#"{"windows": "rooms-finished"} Some(256)"#
        );
        assert_eq!(
            checked("{}", "Highest"),
            "OUTPUT_STREAMS names no stream for the output windows"
        );
        assert_eq!(
            checked(r#"{"windows":"a","doors":"b"}"#, "Highest"),
            "OUTPUT_STREAMS names a stream for doors, but the outputs of windows are windows"
        );
        assert!(checked("windows=a", "Highest").contains("is not a JSON object of names"));
        assert!(checked("", "Highest").contains("OUTPUT_STREAMS is not set"));
    }

    #[test]
    fn columns_are_not_called_as_fields_of_the_finisher() {
        assert_eq!(
            checked(r#"{"windows":"a"}"#, "revision"),
            "the output windows has a column revision, which is a field that finished rows have"
        );
    }
}
