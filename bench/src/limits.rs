//! What AWS and this project allow. Each limit says where it stands; where that page could not be
//! read again in November 2026, it says so.

// Kinesis Data Streams developer guide, "Quotas and limits".

/// Records a second that a shard takes.
pub const SHARD_RECORDS: f64 = 1_000.0;
/// Bytes a second that a shard takes.
pub const SHARD_WRITE_BYTES: f64 = 1_000_000.0;
/// Bytes a second that all readers of a shard share.
pub const SHARD_READ_BYTES: f64 = 2_000_000.0;
/// GetRecords calls a second that all readers of a shard share.
pub const SHARD_READS: u64 = 5;
/// Shards of a new stream on demand: 4 MB a second.
pub const ON_DEMAND_SHARDS: u64 = 4;
/// Shards that a stream on demand grows to in us-east-1, us-west-2 and eu-west-1: 10 GB a second, a MB each.
pub const ON_DEMAND_MOST_SHARDS: u64 = 10_000;
/// The same in other Regions, unless support raises it: 200 MB a second.
pub const ON_DEMAND_MOST_SHARDS_ELSEWHERE: u64 = 200;
/// Provisioned shards of an account in those three Regions.
pub const SHARD_QUOTA: u64 = 20_000;
/// The same in other Regions, at the least (1,000 or 6,000).
pub const SHARD_QUOTA_ELSEWHERE: u64 = 1_000;

// AWS Lambda developer guide, "Lambda quotas", and "Process Kinesis Data Streams records".

/// Invocations at once in an account.
pub const CONCURRENCY: u64 = 1_000;
/// Bytes of an event or a response: 6 MB. From memory of "Lambda quotas".
pub const PAYLOAD_BYTES: f64 = 6_291_556.0;
/// Records of a batch: the template's BatchSize, and the most that Lambda allows.
pub const BATCH_RECORDS: f64 = 10_000.0;
/// MB of memory that come with one whole core. From memory of "Configure Lambda function memory".
pub const MEMORY_OF_A_CORE: f64 = 1_769.0;
/// GetRecords calls a second and shard by a mapping without a consumer of its own. From memory of
/// "Polling and batching streams".
pub const LAMBDA_READS: u64 = 1;
/// The same by Firehose. From memory of the Data Firehose developer guide, "Kinesis Data Streams".
pub const FIREHOSE_READS: u64 = 1;

// DynamoDB developer guide, "Quotas", and re:Post, "on-demand table throttling".

/// Writes a second that a new table on demand takes at once.
pub const NEW_TABLE_WRITES: f64 = 4_000.0;
/// Writes a second of one table, until Service Quotas raises it.
pub const TABLE_WRITES: f64 = 40_000.0;
/// Rows in one BatchWriteItem. From memory of its API reference.
pub const BATCH_WRITE_ITEMS: f64 = 25.0;
/// Calls that `windrow-write` has under way at once: `Policy::until`.
pub const CALLS_AT_ONCE: f64 = 4.0;

// Data Firehose API reference, PutRecord.

/// Records a second that a Firehose stream takes directly; the largest Regions allow more.
pub const FIREHOSE_RECORDS: f64 = 5_000.0;

// Amazon Cognito developer guide, "Quotas", as quoted by zenn.dev/mn87; from memory otherwise.

/// New visitors a second: GetId.
pub const NEW_VISITORS: u64 = 25;

// This project: `Limits::default` in `window_rule/src/fold.rs`. Lambda's own bound on a window's state
// is 1 MB a shard ("Implementing stateful Kinesis Data Streams processing in Lambda").

/// Bytes of state at which an aggregator emits what it has and goes on with a new part.
pub const STATE_BYTES: f64 = 900_000.0;
/// Unicorns and windows at which it does the same.
pub const ACCUMULATORS: u64 = 40_000;
/// Bytes of state that a unicorn takes just before a window of 60 readings ends. Measured on 1,000
/// unicorns of one shard.
pub const STATE_BYTES_A_UNICORN: u64 = 133;

/// How many unicorns of one shard fit into the memory of seen readings, where each sends so many
/// readings a window.
///
/// It follows from `window_rule/src/dedup.rs`: there are two generations of half the bound each, a
/// unicorn costs 20 bytes and its name (12 bytes here) in each of them, and a reading after its first
/// there costs 2. The bound is 256,000 bytes of text, three quarters of that in bytes, less 2,000.
pub fn remembered_unicorns(readings: u64) -> u64 {
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
    fn a_full_shard_is_just_remembered() {
        // 190,000 / (64 + 116)
        assert_eq!(remembered_unicorns(60), 1_055);
        // 95,000 / 32
        assert_eq!(remembered_unicorns(1), 2_968);
    }
}
