//! Which operation a request calls.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::unknown_operation;
use crate::error::KinesisError;
use crate::ops::put::{PutRecordInput, PutRecordsInput};
use crate::ops::settings::account_settings;
use crate::ops::subscribe::Subscription;
use crate::store::{Store, complete};
use crate::wire::{WireBytes, WireFormat, WireText, decode_json};

/// What a call is answered with.
pub(super) enum CallAnswer {
    Body(Bytes),
    Events(Box<Subscription>),
}

/// A call of one operation.
struct OperationCall {
    store: Arc<Store>,
    format: WireFormat,
    body: Bytes,
}

/// Calls an operation. `counted` says whether a read counts for the limit on reads.
///
/// # Errors
///
/// The operation's error.
pub(super) async fn call(
    store: &Arc<Store>,
    operation: &str,
    format: WireFormat,
    body: Bytes,
    counted: bool,
) -> Result<CallAnswer, KinesisError> {
    let call = OperationCall {
        store: Arc::clone(store),
        format,
        body,
    };
    // The other operations that can be tried are the puts, which say so themselves: their bodies are
    // large.
    let can_be_tried = matches!(
        operation,
        "GetRecords" | "GetShardIterator" | "SubscribeToShard"
    );
    if can_be_tried && call.is_dry_run() {
        return Err(KinesisError::dry_run());
    }
    let output = match operation {
        "PutRecord" => call.put_record().await,
        "PutRecords" => call.put_records().await,
        "GetRecords" => call.output(&store.get_records(call.input()?, counted).await?),
        "GetShardIterator" => call.output(&store.get_shard_iterator(call.input()?).await?),
        "SubscribeToShard" => {
            let subscription = store.subscribe_to_shard(call.input()?).await?;
            return Ok(CallAnswer::Events(Box::new(subscription)));
        }
        _ => match call.describe(operation)? {
            Some(output) => Ok(output),
            None => {
                let operation = operation.to_owned();
                complete(async move { call.change(&operation).await }).await
            }
        },
    };
    output.map(CallAnswer::Body)
}

impl OperationCall {
    async fn put_record(&self) -> Result<Bytes, KinesisError> {
        let output = match self.format {
            WireFormat::Json => {
                let input: PutRecordInput<WireText<'_>, WireText<'_>> = decode_json(&self.body)?;
                self.store.put_record(input).await?
            }
            WireFormat::Cbor => {
                let input: PutRecordInput<String, WireBytes> = self.input()?;
                self.store.put_record(input).await?
            }
        };
        self.output(&output)
    }

    async fn put_records(&self) -> Result<Bytes, KinesisError> {
        let output = match self.format {
            WireFormat::Json => {
                let input: PutRecordsInput<WireText<'_>, WireText<'_>> = decode_json(&self.body)?;
                self.store.put_records(input).await?
            }
            WireFormat::Cbor => {
                let input: PutRecordsInput<String, WireBytes> = self.input()?;
                self.store.put_records(input).await?
            }
        };
        self.output(&output)
    }

    fn input<T: DeserializeOwned>(&self) -> Result<T, KinesisError> {
        self.format.decode(&self.body)
    }

    fn output(&self, output: &impl Serialize) -> Result<Bytes, KinesisError> {
        self.format.encode(output)
    }

    fn is_dry_run(&self) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct DryRunInput {
            #[serde(default)]
            dry_run: bool,
        }

        self.input::<DryRunInput>().is_ok_and(|input| input.dry_run)
    }

    /// The operations that change nothing. `None` for any other.
    fn describe(&self, operation: &str) -> Result<Option<Bytes>, KinesisError> {
        let store = &self.store;
        let output = match operation {
            "DescribeAccountSettings" => self.output(&account_settings()),
            "DescribeLimits" => self.output(&store.describe_limits()),
            "DescribeStream" => self.output(&store.describe_stream(&self.input()?)?),
            "DescribeStreamConsumer" => {
                self.output(&store.describe_stream_consumer(&self.input()?)?)
            }
            "DescribeStreamSummary" => self.output(&store.describe_stream_summary(&self.input()?)?),
            "ListShards" => self.output(&store.list_shards(&self.input()?)?),
            "ListStreamConsumers" => self.output(&store.list_stream_consumers(&self.input()?)?),
            "ListStreams" => self.output(&store.list_streams(&self.input()?)?),
            "ListTagsForResource" => self.output(&store.list_tags_for_resource(&self.input()?)?),
            "ListTagsForStream" => self.output(&store.list_tags_for_stream(&self.input()?)?),
            _ => return Ok(None),
        };
        output.map(Some)
    }

    /// The operations that change a stream.
    async fn change(&self, operation: &str) -> Result<Bytes, KinesisError> {
        let store = &self.store;
        match operation {
            "DisableEnhancedMonitoring" | "EnableEnhancedMonitoring" => {
                let enable = operation == "EnableEnhancedMonitoring";
                return self.output(&store.change_monitoring(self.input()?, enable).await?);
            }
            "RegisterStreamConsumer" => {
                return self.output(&store.register_stream_consumer(self.input()?).await?);
            }
            "UpdateShardCount" => {
                return self.output(&store.update_shard_count(self.input()?).await?);
            }
            "AddTagsToStream" => store.add_tags_to_stream(self.input()?).await,
            "CreateStream" => store.create_stream(self.input()?).await,
            "DecreaseStreamRetentionPeriod" => store.change_retention(self.input()?, false).await,
            "DeleteStream" => store.delete_stream(self.input()?).await,
            "DeregisterStreamConsumer" => store.deregister_stream_consumer(self.input()?).await,
            "IncreaseStreamRetentionPeriod" => store.change_retention(self.input()?, true).await,
            "MergeShards" => store.merge_shards(self.input()?).await,
            "RemoveTagsFromStream" => store.remove_tags_from_stream(self.input()?).await,
            "SplitShard" => store.split_shard(self.input()?).await,
            "StartStreamEncryption" => store.change_encryption(self.input()?, true).await,
            "StopStreamEncryption" => store.change_encryption(self.input()?, false).await,
            "TagResource" => store.tag_resource(self.input()?).await,
            "UntagResource" => store.untag_resource(self.input()?).await,
            "UpdateMaxRecordSize" => store.update_max_record_size(self.input()?).await,
            "UpdateStreamMode" => store.update_stream_mode(self.input()?).await,
            _ => Err(unknown_operation(operation)),
        }?;
        // These have no output.
        Ok(Bytes::new())
    }
}
