//! Kinesis PutRecords.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Config;
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsOutput};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use windrow_service::{ClockRetry, clock_retry_config};

use crate::response::{self, ResponseEntry};
use crate::{BatchLimits, Destination, InvalidItem, ItemFailure, SendError, sdk};

/// The maximum number of records in a PutRecords call (PutRecords, API reference).
const RECORDS: usize = 500;
/// The maximum bytes in a call, including partition keys. The same source says 10 MiB, but said 5
/// MiB until 2025. Emulators still enforce 5 MiB, and a shard that accepts 1 MiB per second gains
/// nothing from larger calls.
const CALL_BYTES: usize = 5 * 1024 * 1024;
/// The maximum bytes in a record, including its partition key. A stream accepts up to 10 MiB only
/// if its `MaxRecordSizeInKiB` was raised from this default, and then its consumers must support
/// that, too.
const RECORD_BYTES: usize = 1024 * 1024;
/// The maximum Unicode characters in a partition key (PutRecordsRequestEntry, API reference).
const KEY_CHARACTERS: usize = 256;

/// One record to put on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KinesisRecord {
    /// Determines the shard; 1 to 256 characters. [`hashed_partition_key`] makes one from any data.
    pub partition_key: String,
    /// The payload, not encoded in base64. It is `Bytes` so that a retry copies nothing.
    pub data: Bytes,
}

/// A partition key for `data`: the first 16 hex digits of its SHA-256, so equal data has equal
/// keys.
///
/// The key is valid for any data, whether the limit of 256 counts characters, UTF-16 units or
/// bytes. Different data is unlikely to have the same key, so records spread evenly over the
/// shards.
#[must_use]
pub fn hashed_partition_key(data: &[u8]) -> String {
    let digest = Sha256::digest(data);
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A Kinesis stream, written with PutRecords.
///
/// Duplicate records are all written: a stream has no keys to merge by.
#[derive(Debug, Clone)]
pub struct KinesisStream {
    client: Client,
    name: String,
}

impl KinesisStream {
    /// The stream with this name or ARN.
    ///
    /// `client` is used as it is, except that its own retries are disabled for these calls, but for one
    /// if a wrong clock may be why a signature was not accepted.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into(),
        }
    }
}

impl Destination for KinesisStream {
    type Item = KinesisRecord;

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items: RECORDS,
            call_bytes: CALL_BYTES,
            item_bytes: RECORD_BYTES,
        }
    }

    fn size(&self, record: &KinesisRecord) -> usize {
        record.partition_key.len() + record.data.len()
    }

    fn check(&self, record: &KinesisRecord) -> Result<(), InvalidItem> {
        match record.partition_key.chars().count() {
            0 => Err(InvalidItem::new("the partition key is empty")),
            1..=KEY_CHARACTERS => Ok(()),
            characters => Err(InvalidItem::new(format!(
                "the partition key has {characters} characters, and the limit is {KEY_CHARACTERS}"
            ))),
        }
    }

    async fn send(&self, chunk: &[&KinesisRecord]) -> Result<Vec<ItemFailure>, SendError> {
        let mut entries = Vec::with_capacity(chunk.len());
        for record in chunk {
            let entry = PutRecordsRequestEntry::builder()
                .partition_key(&record.partition_key)
                .data(Blob::from_maybe_shared(record.data.clone()))
                .build()
                .map_err(|error| SendError::Invalid(error.to_string()))?;
            entries.push(entry);
        }
        let call = self.client.put_records();
        // A name has no colon.
        let call = if self.name.starts_with("arn:") {
            call.stream_arn(&self.name)
        } else {
            call.stream_name(&self.name)
        };
        let output = call
            .set_records(Some(entries))
            .customize()
            .config_override(
                Config::builder()
                    .retry_config(clock_retry_config())
                    .retry_classifier(ClockRetry::<PutRecordsError>::new()),
            )
            .send()
            .await
            .map_err(sdk::send_error)?;
        failures(&output, chunk.len())
    }
}

/// The failures among the `sent` records, according to the response.
fn failures(output: &PutRecordsOutput, sent: usize) -> Result<Vec<ItemFailure>, SendError> {
    let failed = usize::try_from(output.failed_record_count().unwrap_or(0)).unwrap_or(0);
    let entries = output.records().iter().map(|record| ResponseEntry {
        identifier: record.sequence_number(),
        error_code: record.error_code(),
        error_message: record.error_message(),
    });
    response::failures(sent, failed, entries)
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::types::PutRecordsResultEntry;

    use super::*;

    fn stream() -> KinesisStream {
        let config = Config::builder().behavior_version_latest().build();
        KinesisStream::new(Client::from_conf(config), "wildrydes")
    }

    fn record(partition_key: &str) -> KinesisRecord {
        KinesisRecord {
            partition_key: partition_key.to_owned(),
            data: Bytes::from_static(b"12345"),
        }
    }

    #[test]
    fn partition_key_size_is_in_bytes_and_its_limit_in_characters() {
        let stream = stream();
        assert_eq!(stream.size(&record("é")), 7);
        assert_eq!(stream.check(&record(&"é".repeat(256))), Ok(()));
        assert!(stream.check(&record(&"é".repeat(257))).is_err());
        assert!(stream.check(&record("")).is_err());
    }

    #[test]
    fn hashed_key_is_the_start_of_the_sha256() {
        // printf abc | sha256sum
        assert_eq!(hashed_partition_key(b"abc"), "ba7816bf8f01cfea");
        assert_eq!(hashed_partition_key(b""), "e3b0c44298fc1c14");
    }

    #[test]
    fn failed_entries_keep_their_index_and_reason() {
        let taken = PutRecordsResultEntry::builder()
            .sequence_number("1")
            .shard_id("shardId-000000000000")
            .build();
        let failed = PutRecordsResultEntry::builder()
            .error_code("InternalFailure")
            .error_message("try again")
            .build();
        let output = PutRecordsOutput::builder()
            .failed_record_count(1)
            .records(taken)
            .records(failed)
            .build()
            .unwrap();

        let reason = "InternalFailure: try again".to_owned();
        let failure = ItemFailure {
            index: 1,
            reason,
            permanent: false,
        };
        assert_eq!(failures(&output, 2), Ok(vec![failure]));
        assert!(matches!(failures(&output, 3), Err(SendError::Transient(_))));
    }
}
