//! Firehose PutRecordBatch.

use aws_sdk_firehose::Client;
use aws_sdk_firehose::config::Config;
use aws_sdk_firehose::operation::put_record_batch::{PutRecordBatchError, PutRecordBatchOutput};
use aws_sdk_firehose::primitives::Blob;
use aws_sdk_firehose::types::Record;
use bytes::Bytes;
use windrow_service::{ClockRetry, clock_retry_config};

use crate::response::{self, ResponseEntry};
use crate::{BatchLimits, Destination, ItemFailure, SendError, sdk};

/// The maximum number of records in a PutRecordBatch call (PutRecordBatch, API reference).
const RECORDS: usize = 500;
/// The maximum bytes in a call, before base64 (same source).
const CALL_BYTES: usize = 4 * 1024 * 1024;
/// The maximum bytes in a record, before base64 (same source).
const RECORD_BYTES: usize = 1000 * 1024;

/// A Firehose stream, written with PutRecordBatch.
///
/// Firehose concatenates records without a separator, so records of text must end with a newline.
#[derive(Debug, Clone)]
pub struct FirehoseStream {
    client: Client,
    name: String,
}

impl FirehoseStream {
    /// The Firehose stream called `name`.
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

impl Destination for FirehoseStream {
    type Item = Bytes;

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items: RECORDS,
            call_bytes: CALL_BYTES,
            item_bytes: RECORD_BYTES,
        }
    }

    fn size(&self, record: &Bytes) -> usize {
        record.len()
    }

    async fn send(&self, chunk: &[&Bytes]) -> Result<Vec<ItemFailure>, SendError> {
        let mut records = Vec::with_capacity(chunk.len());
        for data in chunk {
            let record = Record::builder()
                .data(Blob::from_maybe_shared(Bytes::clone(data)))
                .build()
                .map_err(|error| SendError::Invalid(error.to_string()))?;
            records.push(record);
        }
        let output = self
            .client
            .put_record_batch()
            .delivery_stream_name(&self.name)
            .set_records(Some(records))
            .customize()
            .config_override(
                Config::builder()
                    .retry_config(clock_retry_config())
                    .retry_classifier(ClockRetry::<PutRecordBatchError>::new()),
            )
            .send()
            .await
            .map_err(sdk::send_error)?;
        failures(&output, chunk.len())
    }
}

/// The failures among the `sent` records, according to the response.
fn failures(output: &PutRecordBatchOutput, sent: usize) -> Result<Vec<ItemFailure>, SendError> {
    let failed = usize::try_from(output.failed_put_count()).unwrap_or(0);
    let entries = output
        .request_responses()
        .iter()
        .map(|response| ResponseEntry {
            identifier: response.record_id(),
            error_code: response.error_code(),
            error_message: response.error_message(),
        });
    response::failures(sent, failed, entries)
}

#[cfg(test)]
mod tests {
    use aws_sdk_firehose::types::PutRecordBatchResponseEntry;

    use super::*;

    #[test]
    fn failed_entries_keep_their_index_and_reason() {
        let taken = PutRecordBatchResponseEntry::builder()
            .record_id("a")
            .build();
        let failed = PutRecordBatchResponseEntry::builder()
            .error_code("ServiceUnavailableException")
            .build();
        let output = PutRecordBatchOutput::builder()
            .failed_put_count(2)
            .request_responses(failed.clone())
            .request_responses(taken)
            .request_responses(failed)
            .build()
            .unwrap();

        let failed: Vec<usize> = failures(&output, 3)
            .unwrap()
            .into_iter()
            .map(|failure| failure.index)
            .collect();
        assert_eq!(failed, [0, 2]);
        assert!(matches!(failures(&output, 2), Err(SendError::Transient(_))));
    }
}
