//! DescribeDeliveryStream.

use serde_json::{Value, json};

use super::{CallError, NameInput, parse, type_of};
use crate::firehose::{DeliverySettings, DeliverySource, DeliveryStream, Firehose};

pub(super) fn describe(firehose: &Firehose, body: &[u8]) -> Result<Value, CallError> {
    let input: NameInput = parse(body)?;
    let DeliveryStream {
        name,
        arn,
        settings,
        created,
    } = firehose.describe(&input.delivery_stream_name)?;
    let extended = destination(&settings);
    let mut plain = extended.clone();
    if let Some(plain) = plain.as_object_mut() {
        plain.retain(|field, _| S3_FIELDS.contains(&field.as_str()));
    }
    let mut description = json!({
        "DeliveryStreamName": name,
        "DeliveryStreamARN": arn,
        "DeliveryStreamStatus": "ACTIVE",
        "DeliveryStreamType": type_of(&settings.source),
        "VersionId": "1",
        "CreateTimestamp": created.as_second(),
        "Destinations": [{
            "DestinationId": "destinationId-000000000001",
            "S3DestinationDescription": plain,
            "ExtendedS3DestinationDescription": extended,
        }],
        "HasMoreDestinations": false,
    });
    if let DeliverySource::Kinesis { stream_arn } = settings.source {
        description["Source"] =
            json!({ "KinesisStreamSourceDescription": { "KinesisStreamARN": stream_arn } });
    }
    Ok(json!({ "DeliveryStreamDescription": description }))
}

/// The fields of `S3DestinationDescription`. That of the extended destination has more.
const S3_FIELDS: [&str; 8] = [
    "RoleARN",
    "BucketARN",
    "Prefix",
    "ErrorOutputPrefix",
    "BufferingHints",
    "CompressionFormat",
    "EncryptionConfiguration",
    "CloudWatchLoggingOptions",
];

/// What was given, and the defaults of what was not.
fn destination(settings: &DeliverySettings) -> Value {
    let DeliverySettings {
        buffering,
        destination,
        ..
    } = settings;
    let mut described = json!({
        "RoleARN": "arn:aws:iam::000000000000:role/local",
        "BucketARN": "arn:aws:s3:::local",
        "EncryptionConfiguration": { "NoEncryptionConfig": "NoEncryption" },
        "CloudWatchLoggingOptions": { "Enabled": false },
        "S3BackupMode": "Disabled",
    });
    for (field, value) in &destination.echoed {
        described[field] = value.clone();
    }
    described["BufferingHints"] = json!({
        "SizeInMBs": buffering.bytes.div_ceil(1024 * 1024),
        "IntervalInSeconds": buffering.interval.as_secs(),
    });
    described["CompressionFormat"] = json!(destination.compression.name());
    if let Some(prefix) = &destination.prefix {
        described["Prefix"] = json!(prefix.text());
    }
    if let Some(extension) = &destination.file_extension {
        described["FileExtension"] = json!(extension);
    }
    described
}
