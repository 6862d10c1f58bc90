//! The limits per shard and second.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// "Each shard can support up to 1 MB/sec or 1,000 records/sec write throughput." Source: Kinesis
/// Developer Guide, "Quotas and limits".
const WRITE_BYTES: f64 = 1024.0 * 1024.0;
const WRITE_RECORDS: f64 = 1000.0;

/// The limits of one shard, by a clock that does not step.
#[derive(Debug, Default)]
pub(crate) struct ShardLimits {
    writes: Mutex<Option<WriteBudget>>,
    /// The times of the reads in the last second, oldest first.
    reads: Mutex<VecDeque<Instant>>,
}

#[derive(Clone, Copy, Debug)]
struct WriteBudget {
    at: Instant,
    bytes: f64,
    records: f64,
}

impl ShardLimits {
    /// Takes a record of `bytes` from the budget, which refills evenly and holds one second's worth.
    /// Returns whether there was enough.
    ///
    /// A record that is longer than the whole budget needs a full one, and leaves a debt.
    pub(crate) fn try_write(&self, bytes: usize, now: Instant) -> bool {
        let mut budget = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let full = WriteBudget {
            at: now,
            bytes: WRITE_BYTES,
            records: WRITE_RECORDS,
        };
        let budget = budget.get_or_insert(full);
        let passed = now.saturating_duration_since(budget.at).as_secs_f64();
        budget.at = budget.at.max(now);
        budget.bytes = (budget.bytes + passed * WRITE_BYTES).min(WRITE_BYTES);
        budget.records = (budget.records + passed * WRITE_RECORDS).min(WRITE_RECORDS);
        let bytes = bytes as f64;
        if budget.records < 1.0 || budget.bytes < bytes.min(WRITE_BYTES) {
            return false;
        }
        budget.records -= 1.0;
        budget.bytes -= bytes;
        true
    }

    /// Counts a read. If there were already `per_second` in the last second, returns false, and the
    /// read does not count.
    pub(crate) fn try_read(&self, per_second: u32, now: Instant) -> bool {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        while reads
            .front()
            .is_some_and(|read| now.saturating_duration_since(*read) >= Duration::from_secs(1))
        {
            reads.pop_front();
        }
        if reads.len() >= usize::try_from(per_second).unwrap_or(usize::MAX) {
            return false;
        }
        reads.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn writes_are_limited_by_records_and_by_bytes() {
        let limits = ShardLimits::default();
        let accepted = |bytes| {
            (0..5000)
                .filter(|_| limits.try_write(bytes, Instant::now()))
                .count()
        };
        assert_eq!(accepted(1), 1000);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(accepted(1), 100);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(accepted(100 * 1024), 10);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(accepted(5 * 1024 * 1024), 1);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(accepted(1), 0, "the debt is not paid");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(accepted(1), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn reads_are_limited_over_any_second() {
        let limits = ShardLimits::default();
        let read = || limits.try_read(2, Instant::now());
        assert!(read());
        tokio::time::advance(Duration::from_millis(600)).await;
        assert!(read() && !read());
        tokio::time::advance(Duration::from_millis(400)).await;
        assert!(read() && !read());
        tokio::time::advance(Duration::from_millis(600)).await;
        assert!(read() && !read());
    }
}
