//! CreateDeliveryStream.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::tags::{TagInput, tags_of};
use super::{CallError, invalid, parse};
use crate::firehose::prefix::{ObjectPrefix, check_error_output};
use crate::firehose::{
    BufferingHints, Compression, DeliverySettings, DeliverySource, Firehose, ObjectDestination,
};

/// The most bytes of a file extension, so that the whole name fits into a file system's.
const MAX_EXTENSION: usize = 30;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateInput {
    delivery_stream_name: String,
    delivery_stream_type: Option<String>,
    kinesis_stream_source_configuration: Option<KinesisSource>,
    #[serde(rename = "ExtendedS3DestinationConfiguration")]
    extended_s3: Option<S3Destination>,
    #[serde(rename = "S3DestinationConfiguration")]
    s3: Option<S3Destination>,
    #[serde(default)]
    tags: Vec<TagInput>,
}

#[derive(Deserialize)]
struct KinesisSource {
    #[serde(rename = "KinesisStreamARN")]
    stream_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct S3Destination {
    buffering_hints: Option<HintsInput>,
    compression_format: Option<String>,
    prefix: Option<String>,
    error_output_prefix: Option<String>,
    file_extension: Option<String>,
    custom_time_zone: Option<String>,
    s3_backup_mode: Option<String>,
    data_format_conversion_configuration: Option<Switch>,
    dynamic_partitioning_configuration: Option<Switch>,
    processing_configuration: Option<ProcessingInput>,
    /// All other fields.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct HintsInput {
    #[serde(rename = "SizeInMBs")]
    size_in_mbs: Option<u64>,
    #[serde(rename = "IntervalInSeconds")]
    interval_in_seconds: Option<u64>,
}

/// A part of the configuration that can be switched off.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Switch {
    enabled: Option<bool>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessingInput {
    enabled: Option<bool>,
    #[serde(default)]
    processors: Vec<ProcessorInput>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessorInput {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    parameters: Vec<ParameterInput>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ParameterInput {
    parameter_name: String,
    parameter_value: String,
}

pub(super) async fn create(firehose: &Firehose, body: &[u8]) -> Result<Value, CallError> {
    let input: CreateInput = parse(body)?;
    let source = match (
        input.delivery_stream_type.as_deref(),
        input.kinesis_stream_source_configuration,
    ) {
        (None | Some("DirectPut"), None) => DeliverySource::DirectPut,
        (Some("KinesisStreamAsSource"), Some(source)) => DeliverySource::Kinesis {
            stream_arn: source.stream_arn,
        },
        _ => {
            return Err(invalid(
                "the source must be DirectPut, or KinesisStreamAsSource with a KinesisStreamSourceConfiguration",
            ));
        }
    };
    let given = match (input.extended_s3, input.s3) {
        (Some(destination), None) | (None, Some(destination)) => destination,
        _ => {
            return Err(invalid(
                "there must be exactly one destination, and it must be S3",
            ));
        }
    };
    let buffering = given.buffering_hints.as_ref();
    let settings = DeliverySettings {
        source,
        buffering: buffering.map_or(Ok(BufferingHints::default()), hints)?,
        destination: destination(given)?,
        tags: tags_of(input.tags)?,
    };
    let name = &input.delivery_stream_name;
    firehose.create_with(name, settings).await?;
    Ok(json!({ "DeliveryStreamARN": firehose.describe(name)?.arn }))
}

fn hints(hints: &HintsInput) -> Result<BufferingHints, CallError> {
    let mut buffering = BufferingHints::default();
    if let Some(size) = hints.size_in_mbs {
        if !(1..=128).contains(&size) {
            return Err(invalid("SizeInMBs must be 1 to 128"));
        }
        buffering.bytes = size * 1024 * 1024;
    }
    if let Some(seconds) = hints.interval_in_seconds {
        if seconds > 900 {
            return Err(invalid("IntervalInSeconds must be 0 to 900"));
        }
        buffering.interval = Duration::from_secs(seconds);
    }
    Ok(buffering)
}

fn destination(given: S3Destination) -> Result<ObjectDestination, CallError> {
    reject_unsupported(&given)?;
    let compression = match given.compression_format.as_deref() {
        None | Some("UNCOMPRESSED") => Compression::Uncompressed,
        Some("GZIP") => Compression::Gzip,
        Some(other) => {
            return Err(invalid(format!(
                "the compression {other} is not supported: set CompressionFormat to GZIP or UNCOMPRESSED"
            )));
        }
    };
    let prefix = given.prefix.as_deref().map(ObjectPrefix::parse);
    let prefix = prefix
        .transpose()
        .map_err(|error| invalid(error.to_string()))?;
    let mut echoed = given.rest;
    check_error_output(given.error_output_prefix.as_deref(), prefix.as_ref())
        .map_err(|error| invalid(error.to_string()))?;
    if let Some(error_output) = given.error_output_prefix {
        echoed.insert("ErrorOutputPrefix".to_owned(), json!(error_output));
    }
    let extension = given
        .file_extension
        .filter(|extension| !extension.is_empty());
    if let Some(extension) = &extension {
        check_extension(extension)?;
    }
    let processing = given.processing_configuration;
    let delimiter = processing.as_ref().map(delimiter).transpose()?.flatten();
    if let Some(processing) = processing {
        echoed.insert("ProcessingConfiguration".to_owned(), described(&processing));
    }
    echoed.retain(|field, value| ECHOED.contains(&field.as_str()) && !value.is_null());
    Ok(ObjectDestination {
        compression,
        prefix,
        file_extension: extension,
        delimiter,
        echoed: echoed.into_iter().collect(),
    })
}

/// What has no effect here, and is described as it was given.
const ECHOED: [&str; 6] = [
    "RoleARN",
    "BucketARN",
    "ErrorOutputPrefix",
    "EncryptionConfiguration",
    "CloudWatchLoggingOptions",
    "ProcessingConfiguration",
];

/// Rejects what would change the objects, and is not supported.
fn reject_unsupported(given: &S3Destination) -> Result<(), CallError> {
    // What is there is on, unless it says otherwise.
    let is_on = |switch: &Option<Switch>| {
        let switch = switch.as_ref();
        switch.is_some_and(|switch| switch.enabled.unwrap_or(true))
    };
    let unsupported = if is_on(&given.data_format_conversion_configuration) {
        "DataFormatConversionConfiguration (Parquet and ORC)"
    } else if is_on(&given.dynamic_partitioning_configuration) {
        "DynamicPartitioningConfiguration"
    } else if given.s3_backup_mode.as_deref() == Some("Enabled") {
        "S3BackupMode"
    } else if !matches!(given.custom_time_zone.as_deref(), None | Some("" | "UTC")) {
        "a CustomTimeZone other than UTC"
    } else {
        return Ok(());
    };
    Err(invalid(format!("{unsupported} is not supported")))
}

/// Source: Firehose API reference, `ExtendedS3DestinationConfiguration`.
fn check_extension(extension: &str) -> Result<(), CallError> {
    let is_allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!-_.*'()".contains(&byte)
    };
    let is_extension =
        extension.len() > 1 && extension.starts_with('.') && extension.bytes().all(is_allowed);
    if !is_extension {
        return Err(invalid(
            "FileExtension must be a dot and some of a-z, 0-9 and !-_.*'()",
        ));
    }
    if extension.len() > MAX_EXTENSION {
        return Err(invalid(format!(
            "FileExtension must have at most {MAX_EXTENSION} bytes here"
        )));
    }
    Ok(())
}

/// What is appended to each record, from the processors.
fn delimiter(processing: &ProcessingInput) -> Result<Option<String>, CallError> {
    if !processing.enabled.unwrap_or(false) {
        return Ok(None);
    }
    let mut delimiter = None;
    for processor in &processing.processors {
        if processor.kind != "AppendDelimiterToRecord" {
            return Err(invalid(format!(
                "the processor {} is not supported: only AppendDelimiterToRecord is",
                processor.kind
            )));
        }
        let mut parameters = processor.parameters.iter();
        let given = parameters.find(|parameter| parameter.parameter_name == "Delimiter");
        let given = given.map_or(r"\n", |parameter| &parameter.parameter_value);
        // A parameter cannot be blank, so a newline is written as a backslash and an n.
        delimiter = Some(given.replace(r"\n", "\n"));
    }
    Ok(delimiter)
}

fn described(processing: &ProcessingInput) -> Value {
    let processors: Vec<Value> = processing
        .processors
        .iter()
        .map(|processor| {
            let parameters = processor.parameters.iter().map(|parameter| {
                json!({
                    "ParameterName": parameter.parameter_name,
                    "ParameterValue": parameter.parameter_value,
                })
            });
            json!({ "Type": processor.kind, "Parameters": parameters.collect::<Vec<_>>() })
        })
        .collect();
    json!({ "Enabled": processing.enabled.unwrap_or(false), "Processors": processors })
}
