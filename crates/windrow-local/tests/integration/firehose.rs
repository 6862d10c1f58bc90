use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_firehose::Client;
use aws_sdk_firehose::error::ProvideErrorMetadata as _;
use aws_sdk_firehose::primitives::Blob;
use aws_sdk_firehose::types::{
    BufferingHints, DeliveryStreamStatus, DeliveryStreamType, ExtendedS3DestinationConfiguration,
    KinesisStreamSourceConfiguration, Record,
};
use windrow_local::firehose::{
    BufferingHints as Buffering, DeliverySource, Firehose, FirehoseError,
};
use windrow_testkit::files::{files, texts};

use crate::TestEndpoint;

fn record(data: impl Into<Vec<u8>>) -> Record {
    Record::builder().data(Blob::new(data)).build().unwrap()
}

fn destination() -> ExtendedS3DestinationConfiguration {
    ExtendedS3DestinationConfiguration::builder()
        .role_arn("arn:aws:iam::000000000000:role/firehose")
        .bucket_arn("arn:aws:s3:::archive")
        .buffering_hints(
            BufferingHints::builder()
                .size_in_mbs(1)
                .interval_in_seconds(900)
                .build(),
        )
        .build()
        .unwrap()
}

async fn create(client: &Client, name: &str) {
    client
        .create_delivery_stream()
        .delivery_stream_name(name)
        .extended_s3_destination_configuration(destination())
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn records_are_joined_in_order_into_objects_with_firehoses_names() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.firehose();
    create(&client, "wildrydes-rejects").await;
    let one = client
        .put_record()
        .delivery_stream_name("wildrydes-rejects")
        .record(record("0\n"))
        .send()
        .await
        .unwrap();
    let many = client
        .put_record_batch()
        .delivery_stream_name("wildrydes-rejects")
        .set_records(Some(
            (1..500).map(|index| record(format!("{index}\n"))).collect(),
        ))
        .send()
        .await
        .unwrap();
    assert_eq!(many.failed_put_count, 0);
    let mut ids: HashSet<_> = many
        .request_responses
        .iter()
        .map(|entry| entry.record_id().unwrap())
        .collect();
    ids.insert(one.record_id());
    assert_eq!(ids.len(), 500);

    let archive = cloud.folder.path().join("archive/wildrydes-rejects");
    assert_eq!(files(&archive), [] as [PathBuf; 0], "nothing is due yet");
    cloud.endpoint.firehose().flush().await.unwrap();

    let objects = files(&archive);
    let [object] = objects.as_slice() else {
        panic!("{objects:?}")
    };
    let expected: String = (0..500).map(|index| format!("{index}\n")).collect();
    assert_eq!(fs::read_to_string(object).unwrap(), expected);
    let components: Vec<_> = object
        .strip_prefix(&archive)
        .unwrap()
        .iter()
        .map(|component| component.to_str().unwrap())
        .collect();
    let [year, month, day, hour, name] = components.as_slice() else {
        panic!("{components:?}")
    };
    assert!(
        name.starts_with(&format!("wildrydes-rejects-1-{year}-{month}-{day}-{hour}-")),
        "{name}"
    );
}

#[tokio::test]
async fn a_full_object_is_delivered_at_once_and_the_rest_when_it_stops() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.firehose();
    create(&client, "wildrydes").await;
    for _ in 0..3 {
        let data = vec![b'x'; 600_000];
        client
            .put_record()
            .delivery_stream_name("wildrydes")
            .record(record(data))
            .send()
            .await
            .unwrap();
    }
    let archive = cloud.folder.path().join("archive");
    assert_eq!(files(&archive).len(), 1);

    let folder = cloud.stop().await;
    let sizes: HashSet<_> = files(&folder.path().join("archive"))
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .collect();
    assert_eq!(sizes, HashSet::from([1_200_000, 600_000]));
}

#[tokio::test]
async fn the_endpoint_delivers_objects_when_they_are_due() {
    let cloud = TestEndpoint::start().await;
    let firehose = cloud.endpoint.firehose();
    let soon = Buffering {
        bytes: 1_000_000,
        interval: Duration::from_millis(1),
    };
    firehose
        .create("wildrydes", DeliverySource::DirectPut, soon)
        .await
        .unwrap();
    firehose
        .put("wildrydes", b"line\n".to_vec(), 1_795_166_228_189)
        .await
        .unwrap();
    let hour = cloud.folder.path().join("archive/wildrydes/2026/11/20/09");
    let delivered = async {
        while files(&hour).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let delivered = tokio::time::timeout(Duration::from_secs(300), delivered);
    delivered.await.unwrap();
    assert_eq!(texts(&hour), ["line\n"]);
}

#[tokio::test]
async fn delivery_streams_are_described_listed_and_deleted() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.firehose();
    create(&client, "wildrydes-rejects").await;
    let stream_arn = "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes";
    let source = KinesisStreamSourceConfiguration::builder()
        .kinesis_stream_arn(stream_arn)
        .role_arn("arn:aws:iam::000000000000:role/firehose")
        .build()
        .unwrap();
    client
        .create_delivery_stream()
        .delivery_stream_name("wildrydes")
        .delivery_stream_type(DeliveryStreamType::KinesisStreamAsSource)
        .kinesis_stream_source_configuration(source)
        .extended_s3_destination_configuration(destination())
        .send()
        .await
        .unwrap();

    let described = client
        .describe_delivery_stream()
        .delivery_stream_name("wildrydes")
        .send()
        .await
        .unwrap();
    let described = described.delivery_stream_description.unwrap();
    assert_eq!(
        described.delivery_stream_status,
        DeliveryStreamStatus::Active
    );
    assert_eq!(
        described.delivery_stream_type,
        DeliveryStreamType::KinesisStreamAsSource
    );
    let hints = described.destinations[0]
        .extended_s3_destination_description()
        .unwrap()
        .buffering_hints()
        .unwrap();
    assert_eq!(
        (hints.size_in_mbs(), hints.interval_in_seconds()),
        (Some(1), Some(900))
    );
    let source = described
        .source
        .unwrap()
        .kinesis_stream_source_description
        .unwrap();
    assert_eq!(source.kinesis_stream_arn(), Some(stream_arn));

    // Only the stream's reader can put records.
    let failed = client
        .put_record()
        .delivery_stream_name("wildrydes")
        .record(record("x"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(failed.code(), Some("InvalidArgumentException"));
    cloud
        .endpoint
        .firehose()
        .put("wildrydes", b"x".to_vec(), 0)
        .await
        .unwrap();

    let page = client
        .list_delivery_streams()
        .limit(1)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            page.delivery_stream_names(),
            page.has_more_delivery_streams()
        ),
        (&["wildrydes".to_owned()][..], true)
    );
    let rest = client
        .list_delivery_streams()
        .exclusive_start_delivery_stream_name("wildrydes")
        .send()
        .await
        .unwrap();
    assert_eq!(rest.delivery_stream_names(), ["wildrydes-rejects"]);

    client
        .delete_delivery_stream()
        .delivery_stream_name("wildrydes")
        .send()
        .await
        .unwrap();
    assert_eq!(
        files(&cloud.folder.path().join("archive/wildrydes/1970/01/01/00")).len(),
        1
    );
    let gone = client
        .describe_delivery_stream()
        .delivery_stream_name("wildrydes")
        .send()
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Some("ResourceNotFoundException"));
}

#[tokio::test]
async fn calls_that_firehose_rejects_are_rejected() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.firehose();
    create(&client, "wildrydes").await;
    let put = async |name: &str, records: Vec<Record>| {
        let put = client
            .put_record_batch()
            .delivery_stream_name(name)
            .set_records(Some(records));
        put.send()
            .await
            .map(|_| ())
            .map_err(|error| error.code().unwrap_or_default().to_owned())
    };
    let failed = |code: &str| Err(code.to_owned());
    let sized = |count: usize, bytes: usize| {
        (0..count)
            .map(|_| record(vec![b'x'; bytes]))
            .collect::<Vec<_>>()
    };

    assert_eq!(
        put("nowhere", sized(1, 1)).await,
        failed("ResourceNotFoundException")
    );
    assert_eq!(
        put("wildrydes", sized(0, 0)).await,
        failed("InvalidArgumentException")
    );
    assert_eq!(
        put("wildrydes", sized(501, 1)).await,
        failed("InvalidArgumentException")
    );
    assert_eq!(
        put("wildrydes", sized(1, 1_024_001)).await,
        failed("InvalidArgumentException")
    );
    assert_eq!(
        put("wildrydes", sized(5, 900_000)).await,
        failed("InvalidArgumentException")
    );
    assert_eq!(put("wildrydes", sized(500, 1)).await, Ok(()));
    assert_eq!(put("wildrydes", sized(1, 1_024_000)).await, Ok(()));

    for name in ["..", "a/b", "", "name with spaces", &"x".repeat(65)] {
        let created = cloud
            .endpoint
            .firehose()
            .create(name, DeliverySource::DirectPut, Buffering::default())
            .await;
        assert!(
            matches!(created, Err(FirehoseError::Invalid { .. })),
            "{name}"
        );
    }
    let again = client
        .create_delivery_stream()
        .delivery_stream_name("wildrydes")
        .extended_s3_destination_configuration(destination())
        .send()
        .await
        .unwrap_err();
    assert_eq!(again.code(), Some("ResourceInUseException"));
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_to_fails_the_put() {
    let cloud = TestEndpoint::start().await;
    let client = cloud.firehose();
    create(&client, "wildrydes").await;
    let incoming = cloud.folder.path().join("incoming/wildrydes");
    fs::remove_dir(&incoming).unwrap();
    fs::write(&incoming, "in the way").unwrap();
    let put = || {
        client
            .put_record()
            .delivery_stream_name("wildrydes")
            .record(record("kept"))
    };
    let failed = put().send().await.unwrap_err();
    assert_eq!(failed.code(), Some("ServiceUnavailableException"));
    assert_eq!(failed.raw_response().unwrap().status().as_u16(), 503);

    fs::remove_file(&incoming).unwrap();
    fs::create_dir(&incoming).unwrap();
    put().send().await.unwrap();
    let folder = cloud.stop().await;
    assert_eq!(files(&folder.path().join("archive")).len(), 1);
}

#[tokio::test]
async fn a_killed_process_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let firehose = Firehose::new(folder.path(), "us-east-1", "000000000000");
    firehose
        .create("wildrydes", DeliverySource::DirectPut, Buffering::default())
        .await
        .unwrap();
    firehose
        .put("wildrydes", b"acknowledged\n".to_vec(), 1_795_166_228_189)
        .await
        .unwrap();
    drop(firehose);

    let next = Firehose::new(folder.path(), "us-east-1", "000000000000");
    next.create("wildrydes", DeliverySource::DirectPut, Buffering::default())
        .await
        .unwrap();
    let objects = files(&folder.path().join("archive/wildrydes/2026/11/20/09"));
    assert_eq!(fs::read_to_string(&objects[0]).unwrap(), "acknowledged\n");
}
