//! The on-failure destinations of failed batches, as files.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;
use windrow_read::ShardRecord;

use crate::whole_file;

/// Where failed batches go. Each is a folder, in which a batch is a file: Lambda's invocation record
/// of it, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// In place of an S3 bucket. The invocation record has the event with the batch's records, in
    /// `payload`. The paths in the folder are like Lambda's keys.
    S3(PathBuf),
    /// In place of an SQS queue: a file per message. The invocation record has no records, only where
    /// they are in the stream.
    Sqs(PathBuf),
    /// In place of an SNS topic: a file per message, as for a queue.
    Sns(PathBuf),
}

impl OnFailure {
    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::S3(folder) | Self::Sqs(folder) | Self::Sns(folder) => folder,
        }
    }
}

/// A batch that failed permanently.
pub(super) struct FailedBatch<'a> {
    pub(super) function: &'a str,
    pub(super) stream_arn: &'a str,
    pub(super) shard: &'a str,
    /// `RetryAttemptsExhausted` or `RecordAgeExceeded`, as in Lambda.
    pub(super) condition: &'a str,
    pub(super) attempts: u32,
    pub(super) records: &'a [ShardRecord],
    /// The event that the function got. It has the records themselves, not only their sequence
    /// numbers.
    pub(super) event: &'a [u8],
    pub(super) now: Timestamp,
}

impl FailedBatch<'_> {
    /// Lambda's invocation record, without `payload`.
    ///
    /// Source: "Retain discarded batch records for a Kinesis Data Streams event source in Lambda" in
    /// the Lambda developer guide. It says nothing of batches that the function never got; they have
    /// no `responseContext`.
    fn to_json(&self) -> Value {
        let arrival = |record: Option<&ShardRecord>| {
            let time =
                record.and_then(|record| Timestamp::from_millisecond(record.arrival.millis()).ok());
            time.map(|time| time.to_string())
        };
        let sequence =
            |record: Option<&ShardRecord>| record.map(|record| record.sequence_number.clone());
        let mut json = json!({
            "requestContext": {
                "requestId": Uuid::new_v4().to_string(),
                "functionArn": self.function_arn(),
                "condition": self.condition,
                "approximateInvokeCount": self.attempts,
            },
            "version": "1.0",
            "timestamp": self.now.to_string(),
            "KinesisBatchInfo": {
                "shardId": self.shard,
                "startSequenceNumber": sequence(self.records.first()),
                "endSequenceNumber": sequence(self.records.last()),
                "approximateArrivalOfFirstRecord": arrival(self.records.first()),
                "approximateArrivalOfLastRecord": arrival(self.records.last()),
                "batchSize": self.records.len(),
                "streamArn": self.stream_arn,
            },
        });
        if self.attempts > 0 {
            json["responseContext"] = json!({
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            });
        }
        json
    }

    /// In the region and the account of the stream.
    fn function_arn(&self) -> String {
        let mut parts = self.stream_arn.split(':').skip(3);
        let region = parts.next().unwrap_or_default();
        let account = parts.next().unwrap_or_default();
        format!(
            "arn:aws:lambda:{region}:{account}:function:{}",
            self.function
        )
    }

    /// The path of the batch's file. The first sequence number makes it unique.
    fn path(&self, to: &OnFailure) -> PathBuf {
        let time = self.now.strftime("%Y-%m-%dT%H.%M.%S");
        let first = self.records.first().map_or("none", |r| &r.sequence_number);
        match to {
            OnFailure::S3(folder) => folder
                .join(self.function)
                .join(self.shard)
                .join(self.now.strftime("%Y/%m/%d").to_string())
                .join(format!("{time}-{first}.json")),
            OnFailure::Sqs(folder) | OnFailure::Sns(folder) => {
                folder.join(format!("{time}-{}-{first}.json", self.shard))
            }
        }
    }

    /// Writes the file, as a whole.
    pub(super) async fn write(&self, to: &OnFailure) -> std::io::Result<PathBuf> {
        let path = self.path(to);
        let mut json = self.to_json();
        if let OnFailure::S3(_) = to {
            json["payload"] = String::from_utf8_lossy(self.event).into();
        }
        let (place, content) = (path.clone(), json.to_string());
        let written =
            tokio::task::spawn_blocking(move || whole_file::replace(&place, content.as_bytes()));
        written
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use windrow_read::Timestamp as ReadTimestamp;

    use super::*;

    async fn written(to: OnFailure, attempts: u32) -> (PathBuf, Value) {
        let record = |number: &str, arrival| ShardRecord {
            sequence_number: number.to_owned(),
            partition_key: "key".to_owned(),
            data: Default::default(),
            arrival: ReadTimestamp::from_millis(arrival),
        };
        let records = [
            record("7", 1_573_691_884_835),
            record("9", 1_573_691_885_580),
        ];
        let failed = FailedBatch {
            function: "myfunction",
            stream_arn: "arn:aws:kinesis:us-east-2:123456789012:stream/mystream",
            shard: "shardId-000000000001",
            condition: "RetryAttemptsExhausted",
            attempts,
            records: &records,
            event: b"{\"Records\":[]}",
            now: Timestamp::from_millisecond(1_573_691_886_021).unwrap(),
        };
        let folder = to.folder().to_owned();
        let path = failed.write(&to).await.unwrap();
        let content = std::fs::read(&path).unwrap();
        let mut json: Value = serde_json::from_slice(&content).unwrap();
        let id = json["requestContext"]["requestId"].take();
        assert!(Uuid::parse_str(id.as_str().unwrap()).is_ok());
        (path.strip_prefix(folder).unwrap().to_owned(), json)
    }

    /// The developer guide's example.
    fn documented() -> Value {
        json!({
            "requestContext": {
                "requestId": null,
                "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:myfunction",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 1,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "version": "1.0",
            "timestamp": "2019-11-14T00:38:06.021Z",
            "KinesisBatchInfo": {
                "shardId": "shardId-000000000001",
                "startSequenceNumber": "7",
                "endSequenceNumber": "9",
                "approximateArrivalOfFirstRecord": "2019-11-14T00:38:04.835Z",
                "approximateArrivalOfLastRecord": "2019-11-14T00:38:05.58Z",
                "batchSize": 2,
                "streamArn": "arn:aws:kinesis:us-east-2:123456789012:stream/mystream",
            },
        })
    }

    #[tokio::test]
    async fn queues_and_topics_get_the_record_without_the_payload() {
        for to in [OnFailure::Sqs, OnFailure::Sns] {
            let folder = tempfile::tempdir().unwrap();
            let (path, json) = written(to(folder.path().join("queue")), 1).await;
            let name = "2019-11-14T00.38.06-shardId-000000000001-7.json";
            assert_eq!((path, json), (PathBuf::from(name), documented()));
        }
    }

    #[tokio::test]
    async fn a_bucket_gets_the_whole_event() {
        let folder = tempfile::tempdir().unwrap();
        let (path, json) = written(OnFailure::S3(folder.path().to_owned()), 1).await;
        let mut expected = documented();
        expected["payload"] = "{\"Records\":[]}".into();
        let key = "myfunction/shardId-000000000001/2019/11/14/2019-11-14T00.38.06-7.json";
        assert_eq!((path, json), (PathBuf::from(key), expected));
    }

    #[tokio::test]
    async fn a_batch_that_the_function_never_got_has_no_response() {
        let folder = tempfile::tempdir().unwrap();
        let (_, json) = written(OnFailure::Sqs(folder.path().to_owned()), 0).await;
        let mut expected = documented();
        expected.as_object_mut().unwrap().remove("responseContext");
        expected["requestContext"]["approximateInvokeCount"] = 0.into();
        assert_eq!(json, expected);
    }
}
