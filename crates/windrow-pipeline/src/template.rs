//! The names and settings of a pipeline, from the SAM template that deploys it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;
use windrow_lambda::finisher::WINDOWS;
use windrow_lambda::finisher::settings::OUTPUT_STREAMS;
use windrow_local::settings::PipelineMappings;
use windrow_local::stack::mapping_options;
use windrow_local::{ResourceNames, StartError};
use windrow_template::{
    FunctionResource, MappingResource, StackModel, StackOptions, StackTemplate, TemplateError,
};

/// The parameter of a template that has a finisher if it is `true`.
const FINISHED_ROWS: &str = "FinishedRows";

/// A template from which no pipeline can be run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PipelineTemplateError {
    /// The template is not valid.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A mapping of the template is not valid.
    #[error(transparent)]
    Mapping(#[from] StartError),
    /// The template lacks something that a pipeline has.
    #[error("the template has no {0}")]
    Missing(&'static str),
    /// A function lacks an environment variable.
    #[error("line {line}: the function {function} has no environment variable {variable}")]
    NoVariable {
        /// The line of the function.
        line: usize,
        /// The function.
        function: String,
        /// The variable.
        variable: &'static str,
    },
    /// The processor reads other rows than the aggregator writes.
    #[error(
        "line {line}: the processor reads the stream {read}, but the aggregator writes to {written}"
    )]
    OtherStream {
        /// The line of the mapping.
        line: usize,
        /// What the processor reads.
        read: String,
        /// What the aggregator writes.
        written: String,
    },
}

/// What a template says of a pipeline.
#[derive(Clone, Debug)]
pub(crate) struct PipelineTemplate {
    /// The names of streams and tables. No stream of finished rows is among them.
    pub(crate) names: ResourceNames,
    /// The stream of finished rows.
    pub(crate) finished_stream: String,
    /// The settings of the mappings.
    pub(crate) mappings: PipelineMappings,
    /// The length of the tumbling window.
    pub(crate) window: Duration,
    /// The binaries of the aggregator and the processor, if the template says which they are.
    pub(crate) binaries: Option<[String; 2]>,
}

impl PipelineTemplate {
    /// Reads a template, with the defaults of its parameters.
    ///
    /// The aggregator is the function with a mapping and the variable `SUMMARY_STREAM`, and the
    /// processor is the one with a mapping and `TABLE_NAME`.
    pub(crate) fn read(text: &str) -> Result<Self, PipelineTemplateError> {
        let stack = resolve(text)?;
        let (aggregator, readings) = mapped(
            &stack,
            "SUMMARY_STREAM",
            "function with a mapping on a Kinesis stream and the variable SUMMARY_STREAM, as an aggregator has",
        )?;
        let (processor, rows) = mapped(
            &stack,
            "TABLE_NAME",
            "function with a mapping on a Kinesis stream and the variable TABLE_NAME, as a processor has",
        )?;
        let summary_stream = variable(aggregator, "SUMMARY_STREAM")?;
        if rows.stream != summary_stream {
            return Err(PipelineTemplateError::OtherStream {
                line: rows.line,
                read: rows.stream.clone(),
                written: summary_stream,
            });
        }
        let table = variable(processor, "TABLE_NAME")?;
        let stream = readings.stream.clone();
        let (progress_table, finished_stream) = finished(&stack, &stream);
        let names = ResourceNames {
            table_key: table_key(&stack, &table)?,
            table,
            rejects: variable(aggregator, "REJECTS_STREAM")?,
            stream,
            summary_stream,
            outputs: BTreeMap::new(),
            finished: BTreeMap::new(),
            progress_table,
        };
        // The local cloud adds the folder where it keeps everything.
        let folder = Path::new("");
        let mappings = PipelineMappings {
            aggregator: mapping_options(readings, aggregator, folder)?,
            processor: mapping_options(rows, processor, folder)?,
            ..PipelineMappings::default()
        };
        let window = readings
            .tumbling_window
            .ok_or(PipelineTemplateError::Missing(
                "TumblingWindowInSeconds in the aggregator's mapping",
            ))?;
        Ok(Self {
            names,
            finished_stream,
            mappings,
            window,
            binaries: binary(aggregator)
                .zip(binary(processor))
                .map(|(aggregator, processor)| [aggregator, processor]),
        })
    }
}

/// Resolves a template with its finisher, if it has one.
fn resolve(text: &str) -> Result<StackModel, TemplateError> {
    let template = StackTemplate::parse(text)?;
    let with_finisher = StackOptions {
        parameters: BTreeMap::from([(FINISHED_ROWS.to_owned(), "true".to_owned())]),
        ..StackOptions::default()
    };
    match template.resolve(&with_finisher) {
        Err(TemplateError::Parameter { name, .. }) if name == FINISHED_ROWS => {
            template.resolve(&StackOptions::default())
        }
        resolved => resolved,
    }
}

/// The first function with this variable that reads a stream, and its mapping. A finisher's mapping
/// only wakes it, and has filters.
fn mapped<'s>(
    stack: &'s StackModel,
    variable: &str,
    what: &'static str,
) -> Result<(&'s FunctionResource, &'s MappingResource), PipelineTemplateError> {
    let mut mappings = stack.mappings.iter().filter_map(|mapping| {
        let function = stack.function(&mapping.function)?;
        let is_it = function.environment.contains_key(variable)
            && !function.environment.contains_key(OUTPUT_STREAMS);
        is_it.then_some((function, mapping))
    });
    mappings.next().ok_or(PipelineTemplateError::Missing(what))
}

fn variable(
    function: &FunctionResource,
    variable: &'static str,
) -> Result<String, PipelineTemplateError> {
    let value = function.environment.get(variable).cloned();
    value.ok_or_else(|| PipelineTemplateError::NoVariable {
        line: function.line,
        function: function.logical_id.clone(),
        variable,
    })
}

fn binary(function: &FunctionResource) -> Option<String> {
    function.build.as_ref()?.binary.clone()
}

/// The partition key and the sort key of a table.
fn table_key(stack: &StackModel, table: &str) -> Result<[String; 2], PipelineTemplateError> {
    let mut tables = stack.tables.iter();
    let found = tables.find(|resource| resource.name == table);
    let found = found.ok_or(PipelineTemplateError::Missing(
        "table that the processor's TABLE_NAME names",
    ))?;
    let key: Vec<String> = found.key.iter().map(|key| key.name.clone()).collect();
    key.try_into().map_err(|_| {
        PipelineTemplateError::Missing(
            "sort key in the table that the processor's TABLE_NAME names",
        )
    })
}

/// The table of the finisher's progress and the stream of finished rows. Without a finisher, they are
/// named after the stream of readings.
fn finished(stack: &StackModel, stream: &str) -> (String, String) {
    let mut functions = stack.functions.iter();
    let outputs = functions.find_map(|function| {
        let outputs = function.environment.get(OUTPUT_STREAMS)?;
        let outputs: BTreeMap<String, String> = serde_json::from_str(outputs).ok()?;
        let progress = function.environment.get("PROGRESS_TABLE")?;
        Some((progress.clone(), outputs.get(WINDOWS)?.clone()))
    });
    outputs.unwrap_or_else(|| (format!("{stream}-progress"), format!("{stream}-finished")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small pipeline. Tests replace parts of it.
    const TEMPLATE: &str = r"
Transform: AWS::Serverless-2016-10-31
Resources:
  Readings: {Type: AWS::Kinesis::Stream, Properties: {Name: rooms, ShardCount: 1}}
  Rows: {Type: AWS::Kinesis::Stream, Properties: {Name: rooms-rows, ShardCount: 1}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: Rooms
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: Room, AttributeType: S}
        - {AttributeName: Time, AttributeType: S}
      KeySchema: [{AttributeName: Room, KeyType: HASH}, {AttributeName: Time, KeyType: RANGE}]
  Sum:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: sum}}
    Properties:
      Environment: {Variables: {SUMMARY_STREAM: !Ref Rows, REJECTS_STREAM: bad}}
      Events:
        Readings:
          Type: Kinesis
          Properties:
            Stream: !GetAtt Readings.Arn
            StartingPosition: TRIM_HORIZON
            BatchSize: 500
            TumblingWindowInSeconds: 30
  Write:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: write}}
    Properties:
      Timeout: 20
      Environment: {Variables: {TABLE_NAME: !Ref Table}}
      Events:
        Rows:
          Type: Kinesis
          Properties: {Stream: !GetAtt Rows.Arn, StartingPosition: TRIM_HORIZON, MaximumRetryAttempts: 3}
";

    #[test]
    fn names_and_settings_are_those_of_the_template() {
        let template = PipelineTemplate::read(TEMPLATE).unwrap();
        let names = ResourceNames {
            stream: "rooms".to_owned(),
            summary_stream: "rooms-rows".to_owned(),
            table: "Rooms".to_owned(),
            table_key: ["Room", "Time"].map(str::to_owned),
            rejects: "bad".to_owned(),
            outputs: BTreeMap::new(),
            finished: BTreeMap::new(),
            progress_table: "rooms-progress".to_owned(),
        };
        assert_eq!(template.names, names);
        assert_eq!(template.finished_stream, "rooms-finished");
        assert_eq!(template.window, Duration::from_secs(30));
        assert_eq!(template.binaries, Some(["sum", "write"].map(str::to_owned)));
        let PipelineMappings {
            aggregator,
            processor,
            ..
        } = template.mappings;
        assert_eq!(aggregator.batch_size, 500);
        assert_eq!(aggregator.retry_attempts, None);
        assert_eq!(processor.retry_attempts, Some(3));
        assert_eq!(processor.function_timeout, Duration::from_secs(20));
    }

    #[test]
    fn a_template_without_a_pipeline_says_what_it_lacks() {
        for (removed, with, message) in [
            (
                "SUMMARY_STREAM",
                "OTHER",
                "SUMMARY_STREAM, as an aggregator has",
            ),
            ("TABLE_NAME", "OTHER", "TABLE_NAME, as a processor has"),
            (
                ", REJECTS_STREAM: bad",
                "",
                "line 15: the function Sum has no environment variable REJECTS_STREAM",
            ),
            (
                "            TumblingWindowInSeconds: 30\n",
                "",
                "no TumblingWindowInSeconds",
            ),
            (
                ", {AttributeName: Time, KeyType: RANGE}",
                "",
                "no sort key in the table",
            ),
            (
                "TABLE_NAME: !Ref Table",
                "TABLE_NAME: other",
                "no table that the processor's TABLE_NAME names",
            ),
            (
                "SUMMARY_STREAM: !Ref Rows",
                "SUMMARY_STREAM: other",
                "reads the stream rooms-rows, but the aggregator writes to other",
            ),
            (
                "Type: Kinesis\n",
                "Type: Kinetic\n",
                "SUMMARY_STREAM, as an aggregator has",
            ),
            ("BatchSize: 500", "BatchSize: 0", "BatchSize of "),
        ] {
            let text = TEMPLATE.replacen(removed, with, 1);
            assert_ne!(text, TEMPLATE);
            let error = PipelineTemplate::read(&text).unwrap_err().to_string();
            assert!(error.contains(message), "{removed}: {error}");
        }
    }
}
