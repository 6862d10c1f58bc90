//! The settings in the environment, checked once at startup.

use std::collections::BTreeMap;

use thiserror::Error;

use super::outputs::OWN_FIELDS;
use super::{FinisherStreams, WindowOutputs};
use crate::variables::{MissingVariable, required_variable};

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
            // Readers of JSON may ignore the case.
            let is_own = |column: &&String| {
                let mut own = OWN_FIELDS.iter();
                own.any(|field| field.eq_ignore_ascii_case(column))
            };
            if let Some(column) = columns.iter().find(is_own) {
                let column = column.clone();
                return Err(FinisherSettingsError::OwnField { output, column });
            }
        }
        Ok(self)
    }
}
