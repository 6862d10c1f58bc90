//! PutRecord and PutRecords.

use std::sync::Arc;

use futures_util::future::join_all;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::check::FieldChecks;
use crate::error::{ErrorCode, KinesisError};
use crate::log::block::{BlockPayload, ENCRYPTED, RECORD_OVERHEAD};
use crate::log::shard_log::{Appended, NewBlock};
use crate::log::writer::WriteError;
use crate::ops::target::StreamTarget;
use crate::sequence::{SequencePlace, is_sequence_number};
use crate::store::Store;
use crate::stream::{LiveShard, LiveStream, StreamState};
use crate::wire::{BytesField, EncodedBytes};

/// Source: Kinesis API reference, `PutRecords`: "Each PutRecords request can support up to 500
/// records. Each record in the request can be as large as 10 MiB, up to a limit of 10 MiB for the
/// entire request, including partition keys."
const MAX_RECORDS: usize = 500;
const MAX_CALL_BYTES: usize = 10 * 1024 * 1024;

/// Source: Kinesis API reference, `PartitionKey`: "Unicode strings with a maximum length limit of
/// 256 characters".
const MAX_KEY_CHARACTERS: usize = 256;

/// The longest decimal number below 2^128.
const MAX_HASH_DIGITS: usize = 39;

/// `T` is text and `B` is bytes in the request's format.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRecordInput<T, B> {
    stream_name: Option<T>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<T>,
    sequence_number_for_ordering: Option<T>,
    data: Option<B>,
    partition_key: Option<T>,
    explicit_hash_key: Option<T>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRecordOutput {
    shard_id: Arc<str>,
    sequence_number: SequencePlace,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_type: Option<&'static str>,
}

/// `T` is text and `B` is bytes in the request's format.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRecordsInput<T, B> {
    stream_name: Option<T>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<T>,
    records: Option<Vec<PutRecordsEntry<T, B>>>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRecordsEntry<T, B> {
    data: Option<B>,
    partition_key: Option<T>,
    explicit_hash_key: Option<T>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRecordsOutput {
    failed_record_count: usize,
    records: Vec<PutRecordsResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_type: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum PutRecordsResult {
    #[serde(rename_all = "PascalCase")]
    Stored {
        sequence_number: SequencePlace,
        shard_id: Arc<str>,
    },
    #[serde(rename_all = "PascalCase")]
    Failed {
        error_code: &'static str,
        error_message: String,
    },
}

/// A record to put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordToPut<'a> {
    pub(crate) data: EncodedBytes<'a>,
    pub(crate) key: &'a str,
    pub(crate) explicit_hash: Option<&'a str>,
}

/// Where a record was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordPut {
    pub(crate) shard: Arc<str>,
    pub(crate) sequence: SequencePlace,
}

/// The records of a put for one shard.
struct ShardPart {
    shard: Arc<LiveShard>,
    payload: BlockPayload,
    /// The index in the call and the hash key of each.
    records: Vec<(usize, u128)>,
}

/// What became of each record of a call so far.
type PutResults = Vec<Result<RecordPut, KinesisError>>;

impl Store {
    pub(crate) async fn put_record<T: AsRef<str>, B: BytesField>(
        &self,
        input: PutRecordInput<T, B>,
    ) -> Result<PutRecordOutput, KinesisError> {
        let target = target(&input.stream_name, &input.stream_arn);
        let mut checks = FieldChecks::default();
        target.check(&mut checks);
        let ordering = input.sequence_number_for_ordering.as_ref();
        checks.pattern(
            "sequenceNumberForOrdering",
            ordering.map(AsRef::as_ref),
            r"0|([1-9]\d{0,128})",
            is_sequence_number,
        );
        checks.required("data", input.data.as_ref());
        let key = input.partition_key.as_ref();
        check_key(&mut checks, "partitionKey", key);
        let hash = input.explicit_hash_key.as_ref();
        check_hash(&mut checks, "explicitHashKey", hash);
        checks.finish()?;
        let (Some(data), Some(key)) = (&input.data, key) else {
            return Err(KinesisError::invalid_argument("Data is missing."));
        };
        let record = RecordToPut {
            data: data.encoded(),
            key: key.as_ref(),
            explicit_hash: hash.map(AsRef::as_ref),
        };
        let (mut results, encrypted) = self.put(target, &[record], input.dry_run).await?;
        let put = results.pop().unwrap_or_else(|| Err(KinesisError::disk()))?;
        Ok(PutRecordOutput {
            shard_id: put.shard,
            sequence_number: put.sequence,
            encryption_type: encrypted.then_some("KMS"),
        })
    }

    pub(crate) async fn put_records<T: AsRef<str>, B: BytesField>(
        &self,
        input: PutRecordsInput<T, B>,
    ) -> Result<PutRecordsOutput, KinesisError> {
        let target = target(&input.stream_name, &input.stream_arn);
        let entries = input.records.as_deref();
        check_entries(target, entries)?;
        let records = entries.unwrap_or_default().iter().filter_map(|entry| {
            Some(RecordToPut {
                data: entry.data.as_ref()?.encoded(),
                key: entry.partition_key.as_ref()?.as_ref(),
                explicit_hash: entry.explicit_hash_key.as_ref().map(AsRef::as_ref),
            })
        });
        let records: Vec<_> = records.collect();
        let (results, encrypted) = self.put(target, &records, input.dry_run).await?;
        Ok(PutRecordsOutput {
            failed_record_count: results.iter().filter(|result| result.is_err()).count(),
            records: results.into_iter().map(PutRecordsResult::from).collect(),
            encryption_type: encrypted.then_some("KMS"),
        })
    }

    /// Puts records whose keys have been checked. Returns what became of each, and whether the
    /// stream is encrypted.
    ///
    /// # Errors
    ///
    /// If nothing was put.
    pub(crate) async fn put(
        &self,
        target: StreamTarget<'_>,
        records: &[RecordToPut<'_>],
        dry_run: bool,
    ) -> Result<(PutResults, bool), KinesisError> {
        let (stream, state) = self.find_ready(target)?;
        let closed = stream.closed.read().await;
        if *closed {
            return Err(KinesisError::new(
                ErrorCode::ServiceUnavailable,
                format!(
                    "the stream {} is being drained and takes no more records",
                    state.meta.name
                ),
            ));
        }
        let hashes = check_sizes(&state, records)?;
        if dry_run {
            return Err(KinesisError::dry_run());
        }
        let mut results: PutResults = Vec::with_capacity(records.len());
        let parts = self.route(&state, records, &hashes, &mut results)?;
        let encrypted = state.meta.encryption_key.is_some();
        self.write(&stream, state, parts, &mut results).await;
        Ok((results, encrypted))
    }

    /// Sorts the records by shard. Those over a shard's limit have their error already.
    fn route(
        &self,
        state: &StreamState,
        records: &[RecordToPut<'_>],
        hashes: &[u128],
        results: &mut PutResults,
    ) -> Result<Vec<ShardPart>, KinesisError> {
        let now = Instant::now();
        let bytes: usize = records.iter().map(size).sum();
        let mut parts = ShardParts::new(state, bytes + records.len() * RECORD_OVERHEAD);
        for (index, (record, hash)) in records.iter().zip(hashes).enumerate() {
            let part = parts.part_for(*hash)?;
            let over = self.options.write_limits && !part.shard.limits.try_write(size(record), now);
            if over {
                results.push(Err(self.rate_exceeded(&state.meta.name, &part.shard.id)));
                continue;
            }
            part.payload
                .push(record.key, |bytes| record.data.append_to(bytes))?;
            part.records.push((index, *hash));
            results.push(Err(KinesisError::disk()));
        }
        Ok(parts.parts)
    }

    /// Writes the parts, and again those whose shard was closed in between.
    async fn write(
        &self,
        stream: &LiveStream,
        mut state: Arc<StreamState>,
        mut parts: Vec<ShardPart>,
        results: &mut PutResults,
    ) {
        let encrypted = state.meta.encryption_key.is_some();
        let flags = if encrypted { ENCRYPTED } else { 0 };
        loop {
            parts.retain(|part| !part.records.is_empty());
            let writes = parts.into_iter().map(|part| async move {
                let block = NewBlock::new(part.payload, flags);
                let written = self.writer.append(&part.shard.log, block).await;
                (part.shard, part.records, written)
            });
            let mut moved = Vec::new();
            for (shard, records, written) in join_all(writes).await {
                match written {
                    Ok(appended) => place(&shard, &records, appended, results),
                    Err((WriteError::Closed, Some(block))) => moved.push((records, block)),
                    // They have this error already.
                    Err(_) => {}
                }
            }
            if moved.is_empty() {
                return;
            }
            // Whoever closes a shard holds this until its children are there.
            drop(stream.change.lock().await);
            let before = std::mem::replace(&mut state, stream.state());
            if Arc::ptr_eq(&before, &state) {
                // The change failed, so its shards may take records again. The caller tries that: the
                // records have the error of a disk that failed.
                return;
            }
            let mut again = ShardParts::new(&state, 0);
            for (records, block) in moved {
                for ((index, hash), record) in records.into_iter().zip(block.payload.into_records())
                {
                    let key = String::from_utf8_lossy(&record.key);
                    let Ok(part) = again.part_for(hash) else {
                        results[index] = Err(self.no_stream(&state.meta.name));
                        continue;
                    };
                    let data = EncodedBytes::Raw(&record.data);
                    if part
                        .payload
                        .push(&key, |bytes| data.append_to(bytes))
                        .is_ok()
                    {
                        part.records.push((index, hash));
                    }
                }
            }
            parts = again.parts;
        }
    }
}

/// The records of a call, by shard.
struct ShardParts<'a> {
    state: &'a StreamState,
    parts: Vec<ShardPart>,
    /// The part of each shard, by its number.
    by_number: Vec<Option<usize>>,
    /// What to reserve for each.
    capacity: usize,
}

impl<'a> ShardParts<'a> {
    fn new(state: &'a StreamState, bytes: usize) -> Self {
        let shards = state.open().len().max(1);
        // Those of deleted shards are missing among them.
        let numbers = state.shards.last().map_or(0, |last| last.meta.number + 1);
        let numbers = usize::try_from(numbers).unwrap_or_default();
        Self {
            state,
            parts: Vec::new(),
            by_number: vec![None; numbers],
            // Hash keys spread evenly, but not exactly.
            capacity: bytes / shards + bytes / (4 * shards),
        }
    }

    fn part_for(&mut self, hash: u128) -> Result<&mut ShardPart, KinesisError> {
        // A stream has a shard for every hash key, until it is deleted.
        let gone = || KinesisError::not_found("The stream was deleted.");
        let shard = self.state.shard_for(hash).ok_or_else(gone)?;
        let number = usize::try_from(shard.meta.number).map_err(|_| gone())?;
        let index = self.by_number.get_mut(number).ok_or_else(gone)?;
        let index = *index.get_or_insert_with(|| {
            self.parts.push(ShardPart {
                shard: Arc::clone(shard),
                payload: BlockPayload::with_capacity(self.capacity),
                records: Vec::new(),
            });
            self.parts.len() - 1
        });
        self.parts.get_mut(index).ok_or_else(gone)
    }
}

fn place(
    shard: &LiveShard,
    records: &[(usize, u128)],
    appended: Appended,
    results: &mut PutResults,
) {
    for ((index, _), place) in records.iter().zip(appended.first..) {
        results[*index] = Ok(RecordPut {
            shard: Arc::clone(&shard.id),
            sequence: shard.sequence(place),
        });
    }
}

fn target<'a, T: AsRef<str>>(name: &'a Option<T>, arn: &'a Option<T>) -> StreamTarget<'a> {
    StreamTarget {
        name: name.as_ref().map(AsRef::as_ref),
        arn: arn.as_ref().map(AsRef::as_ref),
    }
}

fn check_entries<T: AsRef<str>, B>(
    target: StreamTarget<'_>,
    entries: Option<&[PutRecordsEntry<T, B>]>,
) -> Result<(), KinesisError> {
    let mut checks = FieldChecks::default();
    target.check(&mut checks);
    checks.required("records", entries.as_ref());
    checks.count("records", entries.map(<[_]>::len), 1, MAX_RECORDS);
    let entries = entries.unwrap_or_default();
    for (index, entry) in entries.iter().take(MAX_RECORDS).enumerate() {
        let is_fine = entry.data.is_some()
            && entry.explicit_hash_key.is_none()
            // No character is shorter than a byte.
            && entry
                .partition_key
                .as_ref()
                .is_some_and(|key| (1..=MAX_KEY_CHARACTERS).contains(&key.as_ref().len()));
        if is_fine {
            continue;
        }
        let field = |name| format!("records.{}.member.{name}", index + 1);
        checks.required(&field("data"), entry.data.as_ref());
        check_key(
            &mut checks,
            &field("partitionKey"),
            entry.partition_key.as_ref(),
        );
        check_hash(
            &mut checks,
            &field("explicitHashKey"),
            entry.explicit_hash_key.as_ref(),
        );
    }
    checks.finish()
}

/// Checks the partition keys of a call's records.
///
/// # Errors
///
/// ValidationException, which names the records.
pub(crate) fn check_keys<'a>(keys: impl Iterator<Item = &'a str>) -> Result<(), KinesisError> {
    let mut checks = FieldChecks::default();
    for (index, key) in keys.enumerate() {
        // No character is shorter than a byte.
        if !(1..=MAX_KEY_CHARACTERS).contains(&key.len()) {
            let field = format!("records.{}.member.partitionKey", index + 1);
            check_key(&mut checks, &field, Some(&key));
        }
    }
    checks.finish()
}

fn check_key<T: AsRef<str>>(checks: &mut FieldChecks, field: &str, key: Option<&T>) {
    checks.required(field, key);
    checks.length(field, key.map(AsRef::as_ref), 1, MAX_KEY_CHARACTERS);
}

fn check_hash<T: AsRef<str>>(checks: &mut FieldChecks, field: &str, hash: Option<&T>) {
    let hash = hash.map(AsRef::as_ref);
    checks.pattern(field, hash, r"0|([1-9]\d{0,38})", |hash| {
        is_sequence_number(hash) && hash.len() <= MAX_HASH_DIGITS
    });
}

fn size(record: &RecordToPut<'_>) -> usize {
    record.data.len() + record.key.len()
}

/// Checks sizes, and returns the records' hash keys.
fn check_sizes(
    state: &StreamState,
    records: &[RecordToPut<'_>],
) -> Result<Vec<u128>, KinesisError> {
    let max = usize::try_from(state.meta.max_record_kib).unwrap_or(usize::MAX) * 1024;
    let mut total = 0;
    let mut hashes = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        let bytes = size(record);
        if bytes > max {
            return Err(KinesisError::new(
                ErrorCode::ValidationException,
                format!(
                    "1 validation error detected: Value of {bytes} bytes at 'records.{}.member.data' failed to satisfy constraint: Member must have length less than or equal to {max}, partition key included",
                    index + 1
                ),
            ));
        }
        total += bytes;
        hashes.push(hash_key(record)?);
    }
    if total > MAX_CALL_BYTES {
        return Err(KinesisError::invalid_argument(format!(
            "Records size exceeds 10 MB limit: they have {total} bytes, partition keys included."
        )));
    }
    Ok(hashes)
}

fn hash_key(record: &RecordToPut<'_>) -> Result<u128, KinesisError> {
    match record.explicit_hash {
        None => Ok(u128::from_be_bytes(Md5::digest(record.key).into())),
        // The message of Kinesis.
        Some(hash) => hash.parse().map_err(|_| {
            KinesisError::invalid_argument(format!(
                "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {hash}"
            ))
        }),
    }
}

impl From<Result<RecordPut, KinesisError>> for PutRecordsResult {
    fn from(result: Result<RecordPut, KinesisError>) -> Self {
        match result {
            Ok(put) => Self::Stored {
                sequence_number: put.sequence,
                shard_id: put.shard,
            },
            Err(error) => Self::Failed {
                error_code: error.code().name(),
                error_message: error.message().to_owned(),
            },
        }
    }
}
