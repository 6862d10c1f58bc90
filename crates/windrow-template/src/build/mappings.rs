//! Event source mappings, and the events in a function's properties.

use std::time::Duration;

use super::ModelBuilder;
use crate::error::TemplateError;
use crate::identity::arn_parts;
use crate::model::{FailureDestination, MappingResource, MappingStart};
use crate::node::{NodeEntry, TemplateNode};
use crate::properties::Properties;

/// Adds an `AWS::Lambda::EventSourceMapping`.
pub(super) fn add_mapping(
    builder: &mut ModelBuilder<'_, '_>,
    resource: &NodeEntry,
) -> Result<(), TemplateError> {
    let properties = builder.properties(resource)?;
    let reference = properties.required("FunctionName")?;
    let logical_id = resource.key.clone();
    let Some(function) = builder.function(&reference) else {
        let message = format!(
            "the mapping {logical_id} invokes the function {reference}, which is not in this template"
        );
        builder.problem(properties.line_of("FunctionName"), message);
        return Ok(());
    };
    let Some(arn) = properties.text("EventSourceArn")? else {
        let message = format!("the mapping {logical_id} does not read a Kinesis stream");
        builder.problem(resource.line, message);
        return Ok(());
    };
    builder.map(logical_id, function, &arn, &properties)
}

/// Adds an event of a function in a SAM template.
pub(super) fn add_event(
    builder: &mut ModelBuilder<'_, '_>,
    function: &str,
    event: &NodeEntry,
) -> Result<(), TemplateError> {
    let kind = event.value.get("Type").and_then(TemplateNode::as_text);
    let owner = format!("{function}.{}", event.key);
    let properties = event.value.get("Properties");
    let properties = Properties::new(builder.scope, owner, event.line, properties)?;
    // As SAM names the resource that it makes of the event.
    let logical_id = format!("{function}{}", event.key);
    match kind.unwrap_or_default() {
        "Kinesis" => {
            let arn = properties.required("Stream")?;
            builder.map(logical_id, function.to_owned(), &arn, &properties)
        }
        "Schedule" | "ScheduleV2" => builder.add_rate(logical_id, function, &properties),
        kind => {
            let message = format!(
                "the event {} of the function {function} is of the type {kind}; only events of the \
                 types Kinesis and Schedule invoke functions here",
                event.key
            );
            builder.problem(event.line, message);
            Ok(())
        }
    }
}

impl ModelBuilder<'_, '_> {
    /// Adds a mapping on the stream or consumer of this ARN.
    fn map(
        &mut self,
        logical_id: String,
        function: String,
        arn: &str,
        properties: &Properties<'_, '_>,
    ) -> Result<(), TemplateError> {
        let stream = match arn_parts(arn) {
            // A consumer's ARN starts with its stream's.
            Some(("kinesis", resource)) => {
                let stream = resource.strip_prefix("stream/").unwrap_or(resource);
                stream.split('/').next().unwrap_or(stream).to_owned()
            }
            Some((service, _)) => {
                let message = format!(
                    "the mapping {logical_id} reads from {service}; only mappings on Kinesis run here"
                );
                self.problem(properties.line, message);
                return Ok(());
            }
            None => {
                let message = format!(
                    "the mapping {logical_id} does not run: it reads from `{arn}`, which is not the ARN of a stream"
                );
                self.problem(properties.line, message);
                return Ok(());
            }
        };
        let seconds = |value: Option<u32>| Duration::from_secs(value.unwrap_or(0).into());
        let tumbling_window = seconds(properties.unsigned("TumblingWindowInSeconds", 0..=900)?);
        let parallelization_factor = properties.unsigned("ParallelizationFactor", 1..=10)?;
        let parallelization_factor = parallelization_factor.unwrap_or(1);
        if !tumbling_window.is_zero() && parallelization_factor > 1 {
            let message = "must be 1 for a mapping with a tumbling window";
            return Err(properties.error("ParallelizationFactor", message));
        }
        let batching_window = properties.unsigned("MaximumBatchingWindowInSeconds", 0..=300)?;
        let mapping = MappingResource {
            function,
            stream: stream.clone(),
            is_enabled: properties.flag("Enabled")?.unwrap_or(true),
            batch_size: properties.unsigned("BatchSize", 1..=10_000)?.unwrap_or(100),
            batching_window: seconds(batching_window),
            tumbling_window: (!tumbling_window.is_zero()).then_some(tumbling_window),
            start: start(properties)?,
            retry_attempts: retry_attempts(properties)?,
            record_age: record_age(properties)?,
            bisect_on_error: properties
                .flag("BisectBatchOnFunctionError")?
                .unwrap_or(false),
            report_batch_item_failures: report_failures(properties)?,
            on_failure: self.on_failure(&logical_id, properties)?,
            filters: filters(properties)?,
            parallelization_factor,
            line: properties.line,
            logical_id,
        };
        self.read_stream(&stream, properties.line);
        self.model.mappings.push(mapping);
        Ok(())
    }

    fn on_failure(
        &mut self,
        logical_id: &str,
        properties: &Properties<'_, '_>,
    ) -> Result<Option<FailureDestination>, TemplateError> {
        let destination = properties
            .section("DestinationConfig")?
            .section("OnFailure")?;
        let Some(arn) = destination.text("Destination")? else {
            return Ok(None);
        };
        match arn_parts(&arn) {
            Some(("s3", name)) if is_name(name) => {
                Ok(Some(FailureDestination::Bucket(name.to_owned())))
            }
            Some(("sqs", name)) if is_name(name) => {
                Ok(Some(FailureDestination::Queue(name.to_owned())))
            }
            Some(("sns", name)) if is_name(name) => {
                Ok(Some(FailureDestination::Topic(name.to_owned())))
            }
            _ => {
                let message = format!(
                    "failed batches of the mapping {logical_id} go to `{arn}`, which is no bucket, \
                     queue or topic; here they are dropped"
                );
                self.problem(destination.line_of("Destination"), message);
                Ok(None)
            }
        }
    }
}

/// Whether a bucket, a queue or a topic may have this name, which becomes that of a folder.
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_start = |first: char| first.is_ascii_alphanumeric() || first == '_';
    name.bytes().all(is_allowed) && name.starts_with(is_start)
}

fn start(properties: &Properties<'_, '_>) -> Result<MappingStart, TemplateError> {
    match properties.required("StartingPosition")?.as_str() {
        "TRIM_HORIZON" => Ok(MappingStart::TrimHorizon),
        "LATEST" => Ok(MappingStart::Latest),
        "AT_TIMESTAMP" => {
            let key = "StartingPositionTimestamp";
            let seconds = properties.required(key)?;
            let millis = seconds.parse::<f64>().ok().map(|seconds| seconds * 1000.0);
            // To whole milliseconds, in the range of times.
            match millis.filter(|millis| (0.0..1e15).contains(millis)) {
                Some(millis) => Ok(MappingStart::AtTimestamp(millis.round() as i64)),
                None => Err(properties.error(key, "must be seconds since the epoch")),
            }
        }
        _ => {
            let message = "must be TRIM_HORIZON, LATEST or AT_TIMESTAMP";
            Err(properties.error("StartingPosition", message))
        }
    }
}

fn retry_attempts(properties: &Properties<'_, '_>) -> Result<Option<u32>, TemplateError> {
    let attempts = properties.number("MaximumRetryAttempts", -1..=10_000)?;
    // -1 stands for no limit.
    Ok(attempts.and_then(|attempts| u32::try_from(attempts).ok()))
}

fn record_age(properties: &Properties<'_, '_>) -> Result<Option<Duration>, TemplateError> {
    let key = "MaximumRecordAgeInSeconds";
    match properties.number(key, -1..=604_800)? {
        None | Some(-1) => Ok(None),
        Some(seconds @ 0..60) => {
            let message = format!("is {seconds}; it must be -1, for any age, or 60 to 604800");
            Err(properties.error(key, &message))
        }
        Some(seconds) => Ok(u64::try_from(seconds).ok().map(Duration::from_secs)),
    }
}

fn report_failures(properties: &Properties<'_, '_>) -> Result<bool, TemplateError> {
    let types = properties.texts("FunctionResponseTypes")?;
    if types.iter().any(|kind| kind != "ReportBatchItemFailures") {
        let message = "may only have ReportBatchItemFailures";
        return Err(properties.error("FunctionResponseTypes", message));
    }
    Ok(!types.is_empty())
}

fn filters(properties: &Properties<'_, '_>) -> Result<Vec<String>, TemplateError> {
    let filters = properties.section("FilterCriteria")?.sections("Filters")?;
    let filters = filters.into_iter().map(|filter| filter.required("Pattern"));
    filters.collect()
}
