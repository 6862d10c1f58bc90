//! What delivery streams are created with: compression, prefixes and tags.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use aws_sdk_firehose::Client;
use aws_sdk_firehose::error::ProvideErrorMetadata as _;
use aws_sdk_firehose::primitives::Blob;
use aws_sdk_firehose::types::{
    CompressionFormat, DataFormatConversionConfiguration, DynamicPartitioningConfiguration,
    ExtendedS3DestinationConfiguration, ProcessingConfiguration, Processor, ProcessorParameter,
    ProcessorParameterName, ProcessorType, Record, S3BackupMode, Tag,
};
use flate2::read::GzDecoder;
use windrow_testkit::files::files;

use crate::TestEndpoint;

const ROLE: &str = "arn:aws:iam::000000000000:role/firehose";

fn processing(kind: ProcessorType) -> ProcessingConfiguration {
    let delimiter = ProcessorParameter::builder()
        .parameter_name(ProcessorParameterName::Delimiter)
        .parameter_value("\\n")
        .build()
        .unwrap();
    let processor = Processor::builder().r#type(kind).parameters(delimiter);
    ProcessingConfiguration::builder()
        .enabled(true)
        .processors(processor.build().unwrap())
        .build()
}

/// A destination as that of the template.
fn destination() -> ExtendedS3DestinationConfiguration {
    ExtendedS3DestinationConfiguration::builder()
        .role_arn(ROLE)
        .bucket_arn("arn:aws:s3:::archive")
        .prefix("year=!{timestamp:yyyy}/")
        .error_output_prefix("failed/!{firehose:error-output-type}/")
        .compression_format(CompressionFormat::Gzip)
        .processing_configuration(processing(ProcessorType::AppendDelimiterToRecord))
        .build()
        .unwrap()
}

async fn create(
    client: &Client,
    destination: ExtendedS3DestinationConfiguration,
) -> Result<(), String> {
    let call = client.create_delivery_stream().delivery_stream_name("s");
    let tag = Tag::builder().key("a").value("1").build().unwrap();
    let call = call.tags(tag);
    let created = call.extended_s3_destination_configuration(destination);
    let created = created.send().await;
    created
        .map(|_| ())
        .map_err(|error| error.message().unwrap_or_default().to_owned())
}

async fn put(client: &Client, data: &str) {
    let record = Record::builder().data(Blob::new(data)).build().unwrap();
    let put = client.put_record().delivery_stream_name("s").record(record);
    put.send().await.unwrap();
}

async fn tags(client: &Client) -> Vec<String> {
    let listed = client.list_tags_for_delivery_stream();
    let listed = listed.delivery_stream_name("s").send().await.unwrap();
    let text = |tag: &Tag| format!("{}={}", tag.key(), tag.value().unwrap_or_default());
    listed.tags().iter().map(text).collect()
}

/// The keys below the delivery stream's folder without the names' random ends, and what is in them.
fn objects(data_dir: &Path) -> Vec<(String, String)> {
    let archive = data_dir.join("archive/s");
    let objects = files(&archive).into_iter().map(|path| {
        let mut text = String::new();
        let file = File::open(&path).unwrap();
        GzDecoder::new(file).read_to_string(&mut text).unwrap();
        let key = path.strip_prefix(&archive).unwrap().to_str().unwrap();
        assert!(key.ends_with(".gz"), "{key}");
        let (key, _) = key.split_once("s-1-").unwrap();
        (key.to_owned(), text)
    });
    objects.collect()
}

#[tokio::test]
async fn a_delivery_stream_keeps_its_settings_over_a_restart() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.firehose();
    create(&client, destination()).await.unwrap();
    let tag = Tag::builder().key("b").build().unwrap();
    let call = client.tag_delivery_stream().delivery_stream_name("s");
    call.tags(tag).send().await.unwrap();
    let call = client.untag_delivery_stream().delivery_stream_name("s");
    call.tag_keys("a").tag_keys("none").send().await.unwrap();
    put(&client, "before").await;
    let folder = cloud.stop().await;
    let (key, text) = objects(folder.path()).pop().unwrap();
    assert!(
        key.starts_with("year=20") && key.len() == "year=2026/".len(),
        "{key}"
    );
    assert_eq!(text, "before\n");

    let cloud = TestEndpoint::start_in(folder).await;
    let client = cloud.firehose();
    assert_eq!(tags(&client).await, ["b="]);
    let described = client.describe_delivery_stream().delivery_stream_name("s");
    let described = described.send().await.unwrap();
    let description = described.delivery_stream_description.unwrap();
    let described = description.destinations()[0].extended_s3_destination_description();
    let (described, given) = (described.unwrap(), destination());
    assert_eq!(described.role_arn(), given.role_arn());
    assert_eq!(described.bucket_arn(), given.bucket_arn());
    assert_eq!(described.prefix(), given.prefix());
    assert_eq!(described.error_output_prefix(), given.error_output_prefix());
    assert_eq!(
        Some(described.compression_format()),
        given.compression_format()
    );
    assert_eq!(
        described.processing_configuration(),
        given.processing_configuration()
    );
    put(&client, "after").await;
    let folder = cloud.stop().await;
    let texts: Vec<String> = objects(folder.path())
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert!(
        texts.contains(&"after\n".to_owned()) && texts.len() == 2,
        "{texts:?}"
    );
}

#[tokio::test]
async fn what_is_not_supported_is_rejected_by_name() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.firehose();
    let base = || {
        let builder = ExtendedS3DestinationConfiguration::builder().role_arn(ROLE);
        builder.bucket_arn("arn:aws:s3:::archive")
    };
    let parquet = DataFormatConversionConfiguration::builder().enabled(true);
    let partitioning = DynamicPartitioningConfiguration::builder().enabled(true);
    let lambda = processing(ProcessorType::Lambda);
    for (destination, name) in [
        (base().compression_format(CompressionFormat::Zip), "ZIP"),
        (
            base().compression_format(CompressionFormat::Snappy),
            "Snappy",
        ),
        (
            base().compression_format(CompressionFormat::HadoopSnappy),
            "HADOOP_SNAPPY",
        ),
        (
            base().data_format_conversion_configuration(parquet.build()),
            "DataFormatConversionConfiguration",
        ),
        (
            base().dynamic_partitioning_configuration(partitioning.build()),
            "DynamicPartitioningConfiguration",
        ),
        (base().processing_configuration(lambda), "Lambda"),
        (base().s3_backup_mode(S3BackupMode::Enabled), "S3BackupMode"),
        (base().custom_time_zone("Asia/Tokyo"), "CustomTimeZone"),
        (base().file_extension("json"), "FileExtension"),
        (base().prefix("!{timestamp:YYYY}/"), "has Y"),
        (base().prefix("a/../b/"), "\"..\""),
        (base().prefix("!{timestamp:yyyy}/"), "ErrorOutputPrefix"),
    ] {
        let error = create(&client, destination.build().unwrap())
            .await
            .unwrap_err();
        assert!(error.contains(name), "{name}: {error}");
    }
    let off = DataFormatConversionConfiguration::builder().enabled(false);
    let off = base().data_format_conversion_configuration(off.build());
    create(&client, off.custom_time_zone("UTC").build().unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn tags_are_checked_and_listed_by_pages() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.firehose();
    create(&client, destination()).await.unwrap();
    let tag = async |key: String| {
        let tag = Tag::builder().key(key).value("v").build().unwrap();
        let call = client.tag_delivery_stream().delivery_stream_name("s");
        let sent = call.tags(tag).send().await;
        sent.map_err(|error| error.code().unwrap_or_default().to_owned())
    };
    for key in ["", "aws:mine", &"x".repeat(129), "a#b"] {
        let failed = tag(key.to_owned()).await.unwrap_err();
        assert_eq!(failed, "InvalidArgumentException", "{key}");
    }
    for number in 1..50 {
        tag(format!("key {number:02}")).await.unwrap();
    }
    let failed = tag("one more".to_owned()).await.unwrap_err();
    assert_eq!(failed, "LimitExceededException");
    let list = client
        .list_tags_for_delivery_stream()
        .delivery_stream_name("s");
    let page = list.limit(2).exclusive_start_tag_key("key 40").send().await;
    let page = page.unwrap();
    let keys: Vec<&str> = page.tags().iter().map(Tag::key).collect();
    assert_eq!(
        (keys, page.has_more_tags()),
        (vec!["key 41", "key 42"], true)
    );
    assert_eq!(tags(&client).await.len(), 50);
    let nowhere = client
        .list_tags_for_delivery_stream()
        .delivery_stream_name("nowhere");
    let failed = nowhere.send().await.unwrap_err();
    assert_eq!(failed.code(), Some("ResourceNotFoundException"));
}
