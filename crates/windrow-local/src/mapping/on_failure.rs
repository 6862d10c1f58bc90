//! The S3 on-failure destination of failed batches, as files.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use windrow_read::ShardRecord;

/// A batch that failed permanently.
pub(super) struct FailedBatch<'a> {
    pub(super) function: &'a str,
    pub(super) stream_arn: &'a str,
    pub(super) shard: &'a str,
    /// `RetryAttemptsExhausted` or `RecordAgeExceeded`, as in Lambda.
    pub(super) condition: &'a str,
    pub(super) attempts: u32,
    pub(super) reason: &'a str,
    pub(super) records: &'a [ShardRecord],
    /// The event that the function got. It has the records themselves, not only their sequence
    /// numbers.
    pub(super) event: &'a [u8],
    pub(super) now: Timestamp,
}

impl FailedBatch<'_> {
    /// Lambda's invocation record as it writes it to S3, including `payload`.
    ///
    /// Source: "Retain discarded batch records in an S3 destination" in the Lambda developer guide.
    fn to_json(&self) -> String {
        let arrival = |record: Option<&ShardRecord>| {
            let time =
                record.and_then(|record| Timestamp::from_millisecond(record.arrival.millis()).ok());
            time.map(|time| time.to_string())
        };
        let sequence =
            |record: Option<&ShardRecord>| record.map(|record| record.sequence_number.clone());
        json!({
            "requestContext": {
                "functionArn": self.function,
                "condition": self.condition,
                "approximateInvokeCount": self.attempts,
            },
            "responseContext": { "functionError": self.reason },
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
            "payload": String::from_utf8_lossy(self.event),
        })
        .to_string()
    }

    /// The file's path in the destination's folder. The first sequence number makes it unique.
    fn path(&self, folder: &Path) -> PathBuf {
        let day = self.now.strftime("%Y/%m/%d").to_string();
        let time = self.now.strftime("%Y-%m-%dT%H.%M.%S").to_string();
        let first = self.records.first().map_or("none", |r| &r.sequence_number);
        folder
            .join(self.function)
            .join(self.shard)
            .join(day)
            .join(format!("{time}-{first}.json"))
    }

    /// Writes the file atomically.
    pub(super) async fn write(&self, folder: &Path) -> std::io::Result<PathBuf> {
        let path = self.path(folder);
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await?;
        }
        let unfinished = path.with_extension("tmp");
        // A killed process may have left one, or there may be a link in its place.
        if let Err(error) = tokio::fs::remove_file(&unfinished).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = tokio::fs::File::create_new(&unfinished).await?;
        file.write_all(self.to_json().as_bytes()).await?;
        file.flush().await?;
        tokio::fs::rename(&unfinished, &path).await?;
        Ok(path)
    }
}
