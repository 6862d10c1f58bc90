//! Firehose streams.

use super::ModelBuilder;
use crate::error::TemplateError;
use crate::identity::arn_parts;
use crate::model::DeliveryResource;
use crate::node::NodeEntry;
use crate::properties::Properties;

/// The destinations other than S3.
const OTHER_DESTINATIONS: [&str; 8] = [
    "RedshiftDestinationConfiguration",
    "ElasticsearchDestinationConfiguration",
    "AmazonopensearchserviceDestinationConfiguration",
    "AmazonOpenSearchServerlessDestinationConfiguration",
    "HttpEndpointDestinationConfiguration",
    "IcebergDestinationConfiguration",
    "SnowflakeDestinationConfiguration",
    "SplunkDestinationConfiguration",
];

impl ModelBuilder<'_, '_> {
    pub(super) fn add_delivery_stream(
        &mut self,
        resource: &NodeEntry,
    ) -> Result<(), TemplateError> {
        let properties = self.properties(resource)?;
        let source_stream = self.delivery_source(resource, &properties)?;
        let own = [
            "ExtendedS3DestinationConfiguration",
            "S3DestinationConfiguration",
        ];
        let destination = match properties.first_of(&own)? {
            Some(key) => Some(properties.section(key)?),
            None => None,
        };
        let Some(destination) = destination else {
            let found = properties.first_of(&OTHER_DESTINATIONS)?;
            let found = found.map(|key| key.trim_end_matches("DestinationConfiguration"));
            let message = match found {
                Some(found) => format!(
                    "the Firehose stream {} delivers to {found}; the local cloud delivers to \
                     files only",
                    resource.key
                ),
                None => format!("the Firehose stream {} has no destination", resource.key),
            };
            self.problem(resource.line, message);
            return Ok(());
        };
        let hints = destination.section("BufferingHints")?;
        let bucket = destination.required("BucketARN")?;
        let bucket = match arn_parts(&bucket) {
            Some(("s3", bucket)) => bucket.to_owned(),
            _ => return Err(destination.error("BucketARN", "must be the ARN of a bucket")),
        };
        let compression = destination.text("CompressionFormat")?;
        let delivery = DeliveryResource {
            logical_id: resource.key.clone(),
            name: self.name(resource)?,
            source_stream,
            bucket: Some(bucket),
            prefix: destination.text("Prefix")?,
            error_prefix: destination.text("ErrorOutputPrefix")?,
            buffering_seconds: hints.unsigned("IntervalInSeconds", 0..=900)?.unwrap_or(300),
            buffering_mib: hints.unsigned("SizeInMBs", 1..=128)?.unwrap_or(5),
            compression: compression.unwrap_or_else(|| "UNCOMPRESSED".to_owned()),
            delimiter: self.processors(resource, &destination)?,
            line: resource.line,
        };
        self.model.delivery_streams.push(delivery);
        Ok(())
    }

    fn delivery_source(
        &mut self,
        resource: &NodeEntry,
        properties: &Properties<'_, '_>,
    ) -> Result<Option<String>, TemplateError> {
        if properties.get("MSKSourceConfiguration")?.is_some() {
            let message = format!(
                "the Firehose stream {} reads from Kafka, which the local cloud does not have",
                resource.key
            );
            self.problem(properties.line_of("MSKSourceConfiguration"), message);
        }
        let source = properties.section("KinesisStreamSourceConfiguration")?;
        let Some(arn) = source.text("KinesisStreamARN")? else {
            return Ok(None);
        };
        let stream = match arn_parts(&arn) {
            Some(("kinesis", stream)) => stream.strip_prefix("stream/"),
            _ => None,
        };
        let Some(stream) = stream else {
            return Err(source.error("KinesisStreamARN", "must be the ARN of a Kinesis stream"));
        };
        self.read_stream(stream, source.line_of("KinesisStreamARN"));
        Ok(Some(stream.to_owned()))
    }

    /// The delimiter that is added to each record. Other processors are problems.
    fn processors(
        &mut self,
        resource: &NodeEntry,
        destination: &Properties<'_, '_>,
    ) -> Result<Option<String>, TemplateError> {
        let conversion = destination.section("DataFormatConversionConfiguration")?;
        if conversion
            .entries()
            .iter()
            .any(|entry| entry.key == "Enabled")
            && conversion.flag("Enabled")? == Some(true)
        {
            let message = format!(
                "the Firehose stream {} converts its records; here they are kept as they are",
                resource.key
            );
            self.problem(conversion.line, message);
        }
        let processing = destination.section("ProcessingConfiguration")?;
        if processing.flag("Enabled")? != Some(true) {
            return Ok(None);
        }
        let mut delimiter = None;
        for processor in processing.sections("Processors")? {
            let kind = processor.required("Type")?;
            if kind != "AppendDelimiterToRecord" {
                let message = format!(
                    "the processor {kind} of the Firehose stream {} does not run",
                    resource.key
                );
                self.problem(processor.line, message);
                continue;
            }
            for parameter in processor.sections("Parameters")? {
                if parameter.required("ParameterName")? == "Delimiter" {
                    delimiter = Some(parameter.required("ParameterValue")?);
                }
            }
        }
        // The value is the spelling of an escape, since it must not be blank.
        Ok(delimiter.map(|delimiter| delimiter.replace("\\n", "\n")))
    }
}
