//! What may happen to a shard's records besides their invocations.
//!
//! The poller calls [`DeliveryHooks`] before and after each batch. Without faults nothing happens;
//! with them, `Chaos` has records delivered again and windows ended early.

use windrow_read::ShardRecord;

/// Called by a shard's poller. By default, every method lets delivery continue.
pub(super) trait DeliveryHooks: Send + Sync {
    /// How many of a batch's `count` records are delivered first: all, unless the batch is cut in
    /// two.
    fn cut(&self, count: usize) -> usize {
        count
    }

    /// Whether the open window is ended early with its next batch, which is not its last.
    fn early_end(&self) -> Option<EarlyEnd> {
        None
    }

    /// Records at the front were dropped without being delivered.
    fn dropped(&mut self, _count: usize) {}

    /// A batch was delivered that does not close its window. `window` is `None` where the mapping
    /// has no window.
    fn done(&mut self, _batch: Vec<ShardRecord>, _window: Option<InWindow>) -> NextBatch {
        NextBatch::Continue
    }

    /// A batch was delivered that closed its window; `opened` says whether it opened it as well.
    /// Returns the records of the window that are delivered again.
    fn closed(&mut self, _batch: Vec<ShardRecord>, _opened: bool) -> Option<Rerun> {
        None
    }
}

/// Nothing but what Lambda usually does.
impl DeliveryHooks for () {}

/// How a window is ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EarlyEnd {
    /// By the invocation that has the batch's records.
    WithRecords,
    /// By an invocation without records, after the batch.
    AfterRecords,
}

/// What a batch was to its window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InWindow {
    /// The batch opened the window.
    pub(super) opened: bool,
    /// The window was ended early with the batch, and continues with an empty state.
    pub(super) ended_early: bool,
}

/// What follows a delivered batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextBatch {
    /// The records after it.
    Continue,
    /// These records again, with the current state.
    Again(Vec<ShardRecord>),
    /// The window again from its start, which is these records, without its state.
    FromStart(Vec<ShardRecord>),
}

/// Records of a closed window that are delivered again, as a window of their own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rerun {
    pub(super) records: Vec<ShardRecord>,
    /// How many of them are in the first of two invocations; all, where there is only one.
    pub(super) first: usize,
}
