//! The limits of AWS and of this project, each with its source. "From memory" means that the page
//! could not be read again in November 2026.

// Kinesis Data Streams developer guide, "Quotas and limits".

/// Records per second into a shard.
pub const SHARD_RECORDS: f64 = 1_000.0;
/// Bytes per second into a shard.
pub const SHARD_WRITE_BYTES: f64 = 1_000_000.0;
/// Bytes per second out of a shard, shared by all its readers.
pub const SHARD_READ_BYTES: f64 = 2_000_000.0;
/// GetRecords calls per second on a shard, shared by all its readers.
pub const SHARD_READS: u64 = 5;
/// Shards of a new stream on demand: 4 MB per second.
pub const ON_DEMAND_SHARDS: u64 = 4;
/// The most shards of a stream on demand in us-east-1, us-west-2 and eu-west-1: 10 GB per second, 1
/// MB per second each.
pub const ON_DEMAND_MOST_SHARDS: u64 = 10_000;
/// The same in other Regions, unless AWS support raises it: 200 MB per second.
pub const ON_DEMAND_MOST_SHARDS_ELSEWHERE: u64 = 200;
/// Provisioned shards of an account in those three Regions.
pub const SHARD_QUOTA: u64 = 20_000;
/// The lowest such quota in other Regions (1,000 or 6,000).
pub const SHARD_QUOTA_ELSEWHERE: u64 = 1_000;

// AWS Lambda developer guide, "Lambda quotas", and "Process Kinesis Data Streams records".

/// Concurrent invocations of an account.
pub const CONCURRENCY: u64 = 1_000;
/// Bytes of an event or a response: 6 MB. From memory, "Lambda quotas".
pub const PAYLOAD_BYTES: f64 = 6_291_556.0;
/// Records per batch: the template's BatchSize, and Lambda's maximum.
pub const BATCH_RECORDS: f64 = 10_000.0;
/// MB of memory that provide one whole core. From memory, "Configure Lambda function memory".
pub const MEMORY_PER_CORE: f64 = 1_769.0;
/// GetRecords calls per second per shard by a mapping without a dedicated consumer. From memory,
/// "Polling and batching streams".
pub const LAMBDA_READS: u64 = 1;
/// The same by Firehose. From memory, Data Firehose developer guide, "Kinesis Data Streams".
pub const FIREHOSE_READS: u64 = 1;

// DynamoDB developer guide, "Quotas", and re:Post, "on-demand table throttling".

/// Writes per second that a new table on demand accepts immediately.
pub const NEW_TABLE_WRITES: f64 = 4_000.0;
/// Writes per second of one table, unless Service Quotas raises it.
pub const TABLE_WRITES: f64 = 40_000.0;
/// Rows in one BatchWriteItem. From memory, its API reference.
pub const BATCH_WRITE_ITEMS: f64 = 25.0;
/// Concurrent calls of `windrow-write`: `Policy::until`.
pub const CALLS_AT_ONCE: f64 = 4.0;

// Data Firehose API reference, PutRecord.

/// Records per second of direct puts to a Firehose stream; the largest Regions allow more.
pub const FIREHOSE_RECORDS: f64 = 5_000.0;

// Amazon Cognito developer guide, "Quotas", as quoted by zenn.dev/mn87; from memory otherwise.

/// New visitors per second: GetId.
pub const NEW_VISITORS: u64 = 25;

// This project: `StateLimits::default` in `crates/windrow-core/src/fold.rs`. Lambda's own limit on
// a window's state is 1 MB per shard ("Implementing stateful Kinesis Data Streams processing in
// Lambda").

/// Bytes of state at which an aggregator emits its rows and starts a new source range.
pub const STATE_BYTES: f64 = 900_000.0;
/// The number of accumulators, unicorns times windows, at which it does the same.
pub const ACCUMULATORS: u64 = 40_000;
/// Bytes of state per unicorn just before a window of 60 readings ends. Measured on 1,000 unicorns
/// of one shard.
pub const STATE_BYTES_PER_UNICORN: u64 = 133;

/// The number of unicorns of one shard that fit into the dedup cache if each sends `readings` per
/// window.
///
/// The sizes are those of `crates/windrow-core/src/dedup.rs`. The cache has two generations of half
/// the bound each. In each of them a unicorn costs 20 bytes plus its name (12 bytes here), and each
/// reading after its first costs 2. The bound is 256,000 bytes of base64 text: three quarters of
/// that in bytes, less 2,000.
pub fn deduplicated_unicorns(readings: u64) -> u64 {
    let bound = 256_000 * 3 / 4 - 2_000;
    let unicorn = 20 + 12;
    let one_generation = bound / 2 / (unicorn + 2 * (readings.max(1) - 1));
    let two_generations = bound / (2 * unicorn + 2 * readings.saturating_sub(2));
    one_generation.max(two_generations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_shard_just_fits() {
        // 190,000 / (64 + 116)
        assert_eq!(deduplicated_unicorns(60), 1_055);
        // 95,000 / 32
        assert_eq!(deduplicated_unicorns(1), 2_968);
    }
}
