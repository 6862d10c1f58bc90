//! The input of an application: the schema that was exported with it, and the rows in a record's
//! JSON.
//!
//! JSON becomes columns as the developer guide of Kinesis Data Analytics says in "Mapping Streaming
//! Source Elements to SQL Input Columns" and "Working with JSONPath".

pub(crate) mod coerce;
mod discover;
mod export;
mod path;
mod reader;

use serde_json::{Value, json};
use thiserror::Error;

use crate::types::{SqlType, TypeError};

pub use discover::SchemaDiscovery;
pub use path::{JsonPath, PathError};
pub use reader::{InputReader, InputRows};

/// The columns of an application's input, and where in a record they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSchema {
    /// The name of the stream in the application.
    pub stream: String,
    /// The columns, in their order.
    pub columns: Vec<RecordColumn>,
}

/// A column of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordColumn {
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub sql_type: SqlType,
    /// Where its value is.
    pub path: JsonPath,
}

/// The time at which a reading arrived.
const ROWTIME: &str = "ROWTIME";

/// Why a text is not the schema of an input that is supported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InputError {
    /// It is not JSON.
    #[error(
        "the schema is not JSON; export it with `aws kinesisanalytics describe-application`, or convert a YAML template to JSON"
    )]
    NotJson(#[source] serde_json::Error),
    /// There is no schema in it.
    #[error("there are no `RecordColumns` in it: it is not the schema of an input")]
    NoColumns,
    /// There is more than one input.
    #[error("there are {0} inputs in it; keep the one that the application reads")]
    SeveralInputs(usize),
    /// The records are not JSON.
    #[error("the records are {0}; only JSON is supported. Send the readings as JSON instead")]
    Format(String),
    /// Rows are read from a part of the record.
    #[error(
        "the `RecordRowPath` is `{0}`; only `$` is supported. Name the path in the mappings instead"
    )]
    RowPath(String),
    /// A function changes the records before the application reads them.
    #[error(
        "an input Lambda processor changes the records; it is not supported. Call its code before the records are sent"
    )]
    Processor,
    /// A column has no name.
    #[error("column {0} has no name")]
    Unnamed(usize),
    /// A column hides the time of arrival.
    #[error(
        "a column cannot be called {0}, which is the time at which a reading arrived; give it another name"
    )]
    Reserved(String),
    /// Two columns have the same name.
    #[error("two columns are called {0}")]
    SameName(String),
    /// A column has no type, or an invalid one.
    #[error("the type of the column {column} is not supported")]
    Type {
        /// The column's name.
        column: String,
        /// What is wrong with it.
        source: TypeError,
    },
    /// A column's mapping is invalid.
    #[error("the mapping of the column {column} is not supported")]
    Path {
        /// The column's name.
        column: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// Two arrays are flattened.
    #[error(
        "the elements of both `{0}` and `{1}` become rows; only one array of a schema can be flattened"
    )]
    TwoArrays(String, String),
}

impl InputSchema {
    /// The schema in an export of the application, in any of the forms in which AWS, CloudFormation
    /// and Terraform write it, or an `InputSchema` alone.
    ///
    /// # Errors
    ///
    /// [`InputError`] if there is not exactly one, or if it is not supported.
    pub fn parse(json: &str) -> Result<Self, InputError> {
        let json = json.strip_prefix('\u{FEFF}').unwrap_or(json);
        export::parse(&serde_json::from_str(json).map_err(InputError::NotJson)?)
    }

    /// A schema of these columns.
    ///
    /// # Errors
    ///
    /// [`InputError`] if there are none, or if two have the same name or flatten different arrays.
    pub fn new(stream: impl Into<String>, columns: Vec<RecordColumn>) -> Result<Self, InputError> {
        if columns.is_empty() {
            return Err(InputError::NoColumns);
        }
        let mut array: Option<&JsonPath> = None;
        for (index, column) in columns.iter().enumerate() {
            let is_same = |other: &RecordColumn| other.name == column.name;
            if columns[..index].iter().any(is_same) {
                return Err(InputError::SameName(column.name.clone()));
            }
            if column.name == ROWTIME {
                return Err(InputError::Reserved(column.name.clone()));
            }
            if column.path.flattened().is_none() {
                continue;
            }
            match array {
                Some(other) if other.flattened() != column.path.flattened() => {
                    let path = |path: &JsonPath| path.to_string();
                    return Err(InputError::TwoArrays(path(other), path(&column.path)));
                }
                _ => array = Some(&column.path),
            }
        }
        Ok(Self {
            stream: stream.into(),
            columns,
        })
    }

    /// The schema as JSON, in the form of an `InputSchema` of AWS.
    pub fn to_json(&self) -> Value {
        let columns = self.columns.iter().map(|column| {
            json!({
                "Name": column.name,
                "SqlType": column.sql_type.to_string(),
                "Mapping": column.path.to_string(),
            })
        });
        json!({
            "RecordFormat": {
                "RecordFormatType": "JSON",
                "MappingParameters": {"JSONMappingParameters": {"RecordRowPath": "$"}},
            },
            "RecordEncoding": "UTF-8",
            "RecordColumns": columns.collect::<Vec<_>>(),
        })
    }
}
