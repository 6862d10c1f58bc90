//! A local cloud made from a template: what it creates, and that its functions get the records.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, ScalarAttributeType};
use aws_sdk_kinesis::primitives::Blob;
use serde_json::{Value, json};
use windrow_event::Event;
use windrow_local::functions::{Embedded, Function};
use windrow_local::stack::{StackCloud, StackSettings};
use windrow_template::{StackModel, StackOptions, StackTemplate};

use crate::options;

const LIMIT: Duration = Duration::from_secs(300);

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders:
    Type: AWS::Kinesis::Stream
    Properties: {Name: orders, ShardCount: 2, RetentionPeriodHours: 48}
  Totals:
    Type: AWS::Kinesis::Stream
    Properties: {StreamModeDetails: {StreamMode: ON_DEMAND}}
  Sum:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 30
      Environment: {Variables: {TOTALS: !Ref Totals}}
      Events:
        Orders:
          Type: Kinesis
          Properties: {Stream: !GetAtt Orders.Arn, StartingPosition: TRIM_HORIZON, TumblingWindowInSeconds: 900}
  Keep:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Totals:
          Type: Kinesis
          Properties: {Stream: !GetAtt Totals.Arn, StartingPosition: TRIM_HORIZON, BatchSize: 7}
  Absent:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Orders:
          Type: Kinesis
          Properties:
            Stream: !GetAtt Orders.Arn
            StartingPosition: TRIM_HORIZON
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: totals
      AttributeDefinitions:
        - {AttributeName: shop, AttributeType: S}
        - {AttributeName: minute, AttributeType: N}
        - {AttributeName: region, AttributeType: B}
      KeySchema: [{AttributeName: shop, KeyType: HASH}, {AttributeName: minute, KeyType: RANGE}]
      GlobalSecondaryIndexes:
        - IndexName: by-region
          KeySchema: [{AttributeName: region, KeyType: HASH}]
          Projection: {ProjectionType: ALL}
      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}
  Bucket: {Type: AWS::S3::Bucket}
  Archive:
    Type: AWS::KinesisFirehose::DeliveryStream
    Properties:
      DeliveryStreamName: all-orders
      KinesisStreamSourceConfiguration: {KinesisStreamARN: !GetAtt Orders.Arn}
      ExtendedS3DestinationConfiguration: {BucketARN: !GetAtt Bucket.Arn, Prefix: raw/}
";

fn stack() -> StackModel {
    let template = StackTemplate::parse(TEMPLATE).unwrap();
    let stack = template.resolve(&StackOptions::default()).unwrap();
    assert_eq!(stack.problems, []);
    stack
}

/// The totals that reached the second function.
type Kept = Arc<Mutex<Vec<Value>>>;

/// Starts a local cloud whose first function sums the records of a window, and sends the sum to the
/// stream that its environment names, which the second function reads.
async fn start(data_dir: &Path, kept: &Kept) -> StackCloud {
    let settings = StackSettings::new(options(data_dir));
    let stack = stack();
    let started = StackCloud::start(settings, &stack, |function, config| {
        let kinesis = aws_sdk_kinesis::Client::new(config);
        let kept = Arc::clone(kept);
        let name = function.name.clone();
        let runs: Arc<dyn Function> = match function.logical_id.as_str() {
            "Sum" => {
                let stream = function.environment["TOTALS"].clone();
                Arc::new(Embedded::new(name, move |event, _| {
                    sum(event, kinesis.clone(), stream.clone())
                }))
            }
            "Keep" => Arc::new(Embedded::new(name, move |event, _| {
                let event = Event::from_json(&event).unwrap();
                let records = event.records();
                let totals = records.map(|record| record.data.as_ref().unwrap().to_vec());
                let totals = totals.map(|data| serde_json::from_slice(&data).unwrap());
                kept.lock().unwrap().extend(totals);
                async { Ok(b"{}".to_vec()) }
            })),
            _ => return Ok(None),
        };
        Ok(Some(runs))
    });
    started.await.unwrap()
}

async fn sum(
    event: Vec<u8>,
    kinesis: aws_sdk_kinesis::Client,
    stream: String,
) -> Result<Vec<u8>, String> {
    let parsed: Value = serde_json::from_slice(&event).unwrap();
    let before = parsed["state"]["sum"].as_u64().unwrap_or(0);
    let event = Event::from_json(&event).unwrap();
    let amounts = event.records().map(|record| {
        let text = std::str::from_utf8(record.data.as_ref().unwrap()).unwrap();
        text.parse::<u64>().unwrap()
    });
    let sum = before + amounts.sum::<u64>();
    if parsed["isFinalInvokeForWindow"] == true {
        let data = Blob::new(json!({ "sum": sum }).to_string());
        let put = kinesis.put_record().stream_name(stream);
        put.partition_key("sum").data(data).send().await.unwrap();
    }
    Ok(json!({"state": {"sum": sum}}).to_string().into_bytes())
}

async fn send(cloud: &StackCloud, amounts: std::ops::RangeInclusive<u64>) {
    let config = windrow_connect::local_config(&cloud.endpoint_url());
    let kinesis = aws_sdk_kinesis::Client::new(&config);
    for amount in amounts {
        let put = kinesis.put_record().stream_name("orders");
        let put = put.partition_key(amount.to_string());
        put.data(Blob::new(amount.to_string()))
            .send()
            .await
            .unwrap();
    }
}

fn total(kept: &Kept) -> u64 {
    let kept = kept.lock().unwrap();
    kept.iter()
        .map(|total| total["sum"].as_u64().unwrap())
        .sum()
}

#[tokio::test]
async fn records_go_through_the_functions_of_a_template() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::default();
    let cloud = start(folder.path(), &kept).await;
    send(&cloud, 1..=100).await;
    cloud.drain(LIMIT).await.unwrap();
    assert_eq!(total(&kept), 5050);
    cloud.stop().await;

    // Another run goes on where this one was.
    let cloud = start(folder.path(), &kept).await;
    let report = cloud.restart_report().unwrap();
    let resumed = report.functions.iter();
    let resumed = resumed.map(|resumed| (resumed.function.as_str(), resumed.records));
    assert_eq!(resumed.collect::<BTreeMap<_, _>>()["SumOrders"], 100);
    send(&cloud, 1000..=1000).await;
    cloud.drain(LIMIT).await.unwrap();
    assert_eq!(total(&kept), 6050);
    cloud.stop().await;

    let archived = archived(&folder.path().join("archive/all-orders/raw"));
    let mut archived: Vec<u64> = archived.lines().map(|line| line.parse().unwrap()).collect();
    archived.sort_unstable();
    assert_eq!(archived, (1..=100).chain([1000]).collect::<Vec<u64>>());
}

/// The content of all files in a folder.
fn archived(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap();
    let contents = entries.map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            archived(&path)
        } else {
            std::fs::read_to_string(path).unwrap()
        }
    });
    contents.collect()
}

#[tokio::test]
async fn resources_are_as_the_template_says() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = start(folder.path(), &Kept::default()).await;
    let config = windrow_connect::local_config(&cloud.endpoint_url());

    let kinesis = aws_sdk_kinesis::Client::new(&config);
    let described = async |name: &str| {
        let described = kinesis
            .describe_stream_summary()
            .stream_name(name)
            .send()
            .await;
        described.unwrap().stream_description_summary.unwrap()
    };
    let orders = described("orders").await;
    assert_eq!(orders.open_shard_count(), 2);
    assert_eq!(orders.retention_period_hours(), 48);
    let totals = described("Totals").await;
    let mode = totals.stream_mode_details().unwrap().stream_mode();
    assert_eq!(mode.as_str(), "ON_DEMAND");

    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let table = dynamodb.describe_table().table_name("totals").send().await;
    let table = table.unwrap().table.unwrap();
    let kinds = table.attribute_definitions().iter();
    let kinds = kinds.map(|kind| (kind.attribute_name(), kind.attribute_type().clone()));
    let kinds: BTreeMap<&str, ScalarAttributeType> = kinds.collect();
    assert_eq!(kinds["minute"], ScalarAttributeType::N);
    assert_eq!(kinds["region"], ScalarAttributeType::B);
    assert_eq!(table.key_schema().len(), 2);
    let index = &table.global_secondary_indexes()[0];
    assert_eq!(index.index_name(), Some("by-region"));
    let expiry = dynamodb
        .describe_time_to_live()
        .table_name("totals")
        .send()
        .await;
    let expiry = expiry.unwrap().time_to_live_description.unwrap();
    assert_eq!(expiry.attribute_name(), Some("expires"));
    let put = dynamodb.put_item().table_name("totals");
    let put = put.item("shop", AttributeValue::S("a".to_owned()));
    put.item("minute", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .unwrap();

    // A second start finds everything, and does not fail.
    cloud.stop().await;
    let cloud = start(folder.path(), &Kept::default()).await;
    cloud.stop().await;
}
